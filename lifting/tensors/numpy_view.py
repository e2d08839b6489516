"""Tensor IR as NumPy, for people: one expression, or one function that can be run.

The view is exact for integers, element by element. Floating-point sums may be rounded in another
order, because NumPy chooses its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DenseArrayBase,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.dialects.linalg import ops as linalg
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from ...diagnostics import Diagnostic
from .numpy import (
    cast,
    dtype,
    number,
    parenthesised,
    python_module,
    scalar_expression,
    unsigned,
    unsigned_type,
)
from .numpy_body import ArrayBody
from .numpy_definition import definition, parameter_names
from .numpy_sharing import Sharing
from .patterns import Contraction, Factor, as_contraction, reduction_body, yielded

_REDUCTIONS: dict[type[Operation], str] = {
    arith.AddiOp: "np.add",
    arith.AddfOp: "np.add",
    arith.MuliOp: "np.multiply",
    arith.MulfOp: "np.multiply",
    arith.MinSIOp: "np.minimum",
    arith.MaxSIOp: "np.maximum",
    arith.MinimumfOp: "np.minimum",
    arith.MaximumfOp: "np.maximum",
    arith.AndIOp: "np.bitwise_and",
    arith.OrIOp: "np.bitwise_or",
    arith.XOrIOp: "np.bitwise_xor",
}


def numpy_view(module: ModuleOp) -> str:
    """Return what the tensor program returns, as one NumPy expression over its parameters.

    Several outputs give a tuple. Raises :class:`Diagnostic` where NumPy has no exact form.
    """
    return _View(_function_of(module)).result(None)


def numpy_function(module: ModuleOp) -> str:
    """Return the text of a Python function with the name and the parameters of the program.

    It takes NumPy arrays and scalars, changes none of them, and returns the new outputs. Where no
    expression on whole arrays exists, it follows the definition of each operation.
    """
    function = _function_of(module)
    try:
        return _with_expressions(function)
    except Diagnostic:
        return definition(function)


def _with_expressions(function: func.FuncOp) -> str:
    view = _View(function)
    parameters = ", ".join(view.names[argument] for argument in function.body.block.args)
    statements: list[str] = []
    result = view.result(statements)
    signed = [
        f"{name} = {name}.view({dtype(argument.type.element_type)})"
        for argument, name in view.names.items()
        if isinstance(argument.type, TensorType) and view.mixes_badly(argument)
    ]
    lines = [f"def {function.sym_name.data}({parameters}):", *signed, *statements]
    lines.append(f"return {result}")
    return python_module("\n    ".join(lines))


def _function_of(module: ModuleOp) -> func.FuncOp:
    for op in module.ops:
        if isinstance(op, func.FuncOp) and op.body.blocks:
            return op
    raise Diagnostic("the module has no function with a body")


@dataclass
class _View:
    """Expressions of the values of one function."""

    function: func.FuncOp
    names: dict[SSAValue, str] = field(init=False)
    sharing: Sharing = field(default_factory=lambda: Sharing())

    def __post_init__(self) -> None:
        arguments = self.function.body.block.args
        given = parameter_names(self.function)
        self.names = dict(zip(arguments, given, strict=True))

    def mixes_badly(self, argument: SSAValue) -> bool:
        """Return whether C declares an array of unsigned numbers as wide as ``int``, or wider.

        NumPy would compute with them and signed numbers in a wider type.
        """
        types = self.function.attributes.get("liftproof.c_types")
        if not isinstance(argument, BlockArgument) or not isinstance(types, ArrayAttr):
            return False
        declared = types.data[argument.index]
        text = declared.data if isinstance(declared, StringAttr) else ""
        return "uint32_t" in text or "uint64_t" in text

    def result(self, statements: list[str] | None) -> str:
        """Return the expression of what the function returns.

        What it needs more than once is put into ``statements``, or named within the expression.
        """
        self._results()
        self.sharing.start_writing()
        self.sharing.taken.update(self.names.values())
        self.sharing.statements = statements
        return self._results()

    def _results(self) -> str:
        last = self.function.body.block.last_op
        assert isinstance(last, func.ReturnOp)
        results = [self._output(value, n) for n, value in enumerate(last.operands)]
        return results[0] if len(results) == 1 else f"({', '.join(results)})"

    def _output(self, value: SSAValue, position: int) -> str:
        text = self._full(value)
        unsigned_type = self._unsigned_output(position)
        return f"{parenthesised(text)}.view({unsigned_type})" if unsigned_type else text

    def _unsigned_output(self, position: int) -> str | None:
        """Return the NumPy type of an output that C declares as unsigned."""
        positions = self.function.attributes.get("liftproof.outputs")
        types = self.function.attributes.get("liftproof.c_types")
        if not isinstance(positions, DenseArrayBase) or not isinstance(types, ArrayAttr):
            return None
        index = positions.get_values()[position]
        declared = types.data[int(index)]
        return unsigned_type(declared.data) if isinstance(declared, StringAttr) else None

    def _full(self, value: SSAValue) -> str:
        """Return the expression of a tensor in its whole shape, even if nothing varies there."""
        if isinstance(value, BlockArgument):
            return f"{self.names[value]}.copy()"
        op = value.owner
        if isinstance(op, linalg.GenericOp) and not _reduces(op):
            body, result = ArrayBody(self, op), yielded(op)
            text = self.sharing.text(value, lambda: body.text(result))
            if body.spans_loops(yielded(op)):
                return text
            return f"np.broadcast_to({text}, {self._shape(value)}).copy()"
        return self.tensor(value)

    def tensor(self, value: SSAValue) -> str:
        """Return the expression of a tensor or of a scalar parameter."""
        if isinstance(value, BlockArgument):
            return self._parameter(value)
        return self.sharing.text(value, lambda: self._computed(value))

    def _computed(self, value: SSAValue) -> str:
        op = value.owner
        match op:
            case linalg.FillOp():
                fill = self._scalar(op.inputs[0])
                return f"np.full({self._shape(value)}, {fill}, {_dtype_of(value)})"
            case linalg.GenericOp():
                return self._generic(op)
            case tensor.InsertSliceOp():
                return self._inserted(op)
            case tensor.ExtractSliceOp():
                first, steps = op.static_offsets.get_values(), op.static_strides.get_values()
                if any(first) or any(step != 1 for step in steps):
                    raise Diagnostic("a part from within an array takes statements in NumPy")
                ends = ", ".join(f":{size}" for size in self.sizes(value))
                return f"{parenthesised(self.tensor(op.source))}[{ends}]"
            case tensor.ExpandShapeOp() | tensor.CollapseShapeOp():
                is_map = isinstance(op.src.owner, linalg.GenericOp)
                text = parenthesised(self._full(op.src) if is_map else self.tensor(op.src))
                return f"{text}.reshape({', '.join(self.sizes(value))})"
            case _:
                raise Diagnostic(f"no NumPy form for the operation {_name(op)}")

    def _inserted(self, op: tensor.InsertSliceOp) -> str:
        """Return the tensor with a slice replaced, which needs statements."""
        statements = self.sharing.statements
        if statements is None and not self.sharing.counting:
            raise Diagnostic("a part of an array is written, which takes statements in NumPy")
        if DYNAMIC_INDEX in (*op.static_offsets.get_values(), *op.static_sizes.get_values()):
            raise Diagnostic("no NumPy form for slices of unknown place or size")
        target, values = self.tensor(op.dest), self._full(op.source)
        if statements is None:
            return target
        name = self.sharing.new_name()
        ranges = zip(
            op.static_offsets.get_values(),
            op.static_sizes.get_values(),
            op.static_strides.get_values(),
            strict=True,
        )
        places = [
            f"{first}:{first + step * (size - 1) + 1}" + (f":{step}" if step > 1 else "")
            for first, size, step in ranges
        ]
        statements.append(f"{name} = {parenthesised(target)}.copy()")
        statements.append(f"{name}[{', '.join(places)}] = {values}")
        return name

    def _parameter(self, value: BlockArgument) -> str:
        if isinstance(value.type, TensorType):
            return self.names[value]
        return f"{dtype(value.type)}({self.names[value]})"

    def _shape(self, value: SSAValue) -> str:
        assert isinstance(value.type, TensorType)
        sizes = self.sizes(value)
        return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"

    def sizes(self, value: SSAValue) -> list[str]:
        """Return the extents of a tensor; unknown ones as an expression of the parameters."""
        assert isinstance(value.type, TensorType)
        shape = list(value.type.get_shape())
        if all(size >= 0 for size in shape):
            return [str(size) for size in shape]
        owner = value.owner
        if isinstance(owner, tensor.InsertSliceOp):
            return self.sizes(owner.dest)
        if isinstance(owner, LinalgStructuredOperation):
            return self.sizes(owner.outputs[0])
        if isinstance(owner, tensor.CollapseShapeOp):
            return ["-1" if size < 0 else str(size) for size in shape]
        if isinstance(owner, tensor.ExpandShapeOp):
            dynamic = iter(owner.dynamic_output_shape)
            return [str(s) if s >= 0 else self._scalar(next(dynamic)) for s in shape]
        if isinstance(owner, tensor.EmptyOp):
            dynamic = iter(owner.dynamic_sizes)
            return [str(s) if s >= 0 else self._scalar(next(dynamic)) for s in shape]
        if not isinstance(value, BlockArgument):
            raise Diagnostic(f"no NumPy form for the extents of {_name(owner)}")
        name = self.names[value]
        return [str(s) if s >= 0 else f"{name}.shape[{d}]" for d, s in enumerate(shape)]

    def _scalar(self, value: SSAValue) -> str:
        """Return the expression of a scalar that is computed outside of any loop."""
        if isinstance(value, BlockArgument):
            return self.names[value]
        op = value.owner
        if isinstance(op, arith.ConstantOp):
            return number(op, typed=False)
        if isinstance(op, arith.IndexCastOp):
            return self._scalar(op.input)
        if isinstance(op, tensor.DimOp):
            return f"{self.names[op.source]}.shape[{self._scalar(op.index)}]"
        assert isinstance(op, Operation)
        return scalar_expression(op, [parenthesised(self._scalar(o)) for o in op.operands])

    def _generic(self, op: linalg.GenericOp) -> str:
        contraction = as_contraction(op)
        if contraction is not None:
            total = self._product(contraction)
            kept = {letter for factor in contraction.factors for letter in factor.subscripts}
            missing = [d for d, letter in enumerate(contraction.result) if letter not in kept]
            return self._started(op, self._spread(op, total, missing))
        if not _reduces(op):
            return ArrayBody(self, op).text(yielded(op))
        return self._reduction(op)

    def _started(self, op: linalg.GenericOp, total: str) -> str:
        """Return the sum ``total`` added to what the output operand holds."""
        init = op.outputs[0]
        if not isinstance(init.owner, linalg.FillOp):
            return f"{parenthesised(self.tensor(init))} + {total}"
        start = self._scalar(init.owner.inputs[0])
        return total if start in ("0", "0.0") else f"{parenthesised(start)} + {total}"

    def _product(self, contraction: Contraction) -> str:
        """Return the sum of products with ``@`` where the subscripts allow it, else as einsum."""
        matmul = contraction.as_matmul()
        if matmul is not None:
            left, right = (
                f"{self._factor(factor, contraction)}{'.T' if is_transposed else ''}"
                for factor, is_transposed in matmul
            )
            return f"{left} @ {right}"
        subscripts = ",".join(factor.subscripts for factor in contraction.factors)
        letters = "".join(c for c in contraction.result if c in subscripts)
        factors = ", ".join(self._factor(f, contraction) for f in contraction.factors)
        return f'np.einsum("{subscripts}->{letters}", {factors})'

    def _spread(self, op: linalg.GenericOp, text: str, missing: list[int]) -> str:
        """Return the expression with the dimensions along which nothing varies."""
        if not missing:
            return text
        rank = _rank(op.outputs[0])
        axes = ", ".join("None" if d in missing else ":" for d in range(rank))
        return f"np.broadcast_to({parenthesised(text)}[{axes}], {self._shape(op.outputs[0])})"

    def _factor(self, factor: Factor, contraction: Contraction) -> str:
        text = self.tensor(factor.operand)
        assert isinstance(factor.operand.type, TensorType)
        narrow = factor.operand.type.element_type
        if not factor.is_signed:
            text = cast(text, unsigned(narrow))
        if narrow == contraction.type and factor.is_signed:
            return parenthesised(text)
        return cast(text, dtype(contraction.type))

    def _reduction(self, op: linalg.GenericOp) -> str:
        found = reduction_body(op)
        if found is None or found[0] not in _REDUCTIONS:
            raise Diagnostic("no NumPy form for a reduction of this kind")
        kind, addend = found
        ufunc = _REDUCTIONS[kind]
        body = ArrayBody(self, op)
        values = body.text(addend)
        axes = range(_rank(op.outputs[0]), op.get_num_loops())
        if not body.loops_of(addend).issuperset(axes):
            raise Diagnostic("no NumPy form for a reduction of values that do not vary")
        # Axes are counted from the end: leading ones are absent if nothing varies along them.
        counted = tuple(axis - op.get_num_loops() for axis in axes)
        axis = str(counted[0]) if len(counted) == 1 else str(counted)
        total = f"{ufunc}.reduce({values}, axis={axis}, dtype={_dtype_of(op.outputs[0])})"
        if len(body.loops_of(addend)) < op.get_num_loops():
            total = f"np.broadcast_to({total}, {self._shape(op.outputs[0])})"
        if kind in (arith.AddiOp, arith.AddfOp):
            return self._started(op, total)
        init = op.outputs[0]
        if isinstance(init.owner, linalg.FillOp):
            return f"{ufunc}({self._scalar(init.owner.inputs[0])}, {total})"
        return f"{ufunc}({self.tensor(init)}, {total})"


def _reduces(op: linalg.GenericOp) -> bool:
    return op.get_num_loops() > _rank(op.outputs[0])


def _rank(value: SSAValue) -> int:
    assert isinstance(value.type, TensorType)
    return len(value.type.get_shape())


def _dtype_of(value: SSAValue) -> str:
    assert isinstance(value.type, TensorType)
    return dtype(value.type.element_type)


def _name(op: Operation | Block) -> str:
    return op.name if isinstance(op, Operation) else "of a block"
