"""Tensor IR as a NumPy function that follows the definition of each operation.

This form exists for every tensor program. Loops that ``linalg`` calls parallel are whole arrays;
the others are Python loops in the order of the program, so that floats are rounded as in C.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DenseArrayBase,
    IndexType,
    IntegerType,
    StringAttr,
    TensorType,
)
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
)

from ...diagnostics import Diagnostic
from .numpy import dtype, number, python_module, scalar_expression, unsigned_type

_SIGNS = {AffineBinaryOpKind.Add: "+", AffineBinaryOpKind.Mul: "*"}


def parameter_names(function: func.FuncOp) -> list[str]:
    """Return the names of the parameters, as Python can have them."""
    listed = function.attributes.get("liftproof.parameters")
    arguments = function.body.block.args
    entries = listed.data if isinstance(listed, ArrayAttr) else ()
    given = [entry.data for entry in entries if isinstance(entry, StringAttr)]
    if len(given) != len(arguments):
        given = [a.name_hint or f"arg{a.index}" for a in arguments]
    return [f"{name}_" if keyword.iskeyword(name) or name == "np" else name for name in given]


def definition(function: func.FuncOp) -> str:
    """Return the text of a Python function that computes what ``function`` does.

    It changes none of its arguments. Raises :class:`Diagnostic` for operations of other dialects
    than ``linalg``, ``tensor``, ``arith`` and ``math``.
    """
    return _Definition(function).text()


@dataclass
class _Definition:
    """Writes the statements of one function."""

    function: func.FuncOp
    names: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    lines: list[str] = field(default_factory=list[str])
    count: int = 0

    def text(self) -> str:
        """Return the function."""
        parameters = parameter_names(self.function)
        for argument, name in zip(self.function.body.block.args, parameters, strict=True):
            self.names[argument] = name
            if isinstance(argument.type, TensorType) and self._unsigned(argument.index):
                signed = dtype(argument.type.element_type)
                self.lines.append(f"{name} = {name}.view({signed})")
        for op in self.function.body.block.ops:
            self._operation(op)
        header = f"def {self.function.sym_name.data}({', '.join(parameters)}):"
        body = "\n    ".join([header, *self.lines])
        return python_module(body)

    def _unsigned(self, position: int) -> str | None:
        types = self.function.attributes.get("liftproof.c_types")
        declared = types.data[position] if isinstance(types, ArrayAttr) else None
        return unsigned_type(declared.data) if isinstance(declared, StringAttr) else None

    def _new_name(self) -> str:
        self.count += 1
        taken = set(self.names.values())
        while f"t{self.count}" in taken:
            self.count += 1
        return f"t{self.count}"

    def _assign(self, value: SSAValue, expression: str) -> str:
        name = self.names[value] = self._new_name()
        self.lines.append(f"{name} = {expression}")
        return name

    # ---- operations -----------------------------------------------------------------------------
    def _operation(self, op: Operation) -> None:
        match op:
            case func.ReturnOp():
                self._return(op)
            case arith.ConstantOp():
                is_index = isinstance(op.result.type, IndexType)
                self.names[op.result] = number(op, typed=not is_index)
            case arith.IndexCastOp() if isinstance(op.result.type, IndexType):
                self.names[op.result] = f"int({self.names[op.input]})"
            case tensor.DimOp():
                self.names[op.result] = f"{self.names[op.source]}.shape[{self.names[op.index]}]"
            case tensor.EmptyOp():
                shape = self._shape(op.tensor.type, list(op.dynamic_sizes))
                self._assign(op.tensor, f"np.empty({shape}, {_element(op.tensor)})")
            case linalg.FillOp():
                target = self.names[op.outputs[0]]
                fill = f"{target}.shape, {self._scalar(op.inputs[0])}, {_element(op.outputs[0])}"
                self._assign(op.results[0], f"np.full({fill})")
            case linalg.GenericOp():
                self._generic(op)
            case tensor.ExtractSliceOp():
                text = f"{self.names[op.source]}[{self._places(op)}]"
                if _runs_backwards(op):
                    sizes = self._mixed(op.static_sizes, list(op.sizes))
                    text += f"[{', '.join(f':{size}' for size in sizes)}]"
                self._assign(op.result, text)
            case tensor.InsertSliceOp():
                if _runs_backwards(op):
                    raise Diagnostic("no NumPy form for a part that is written backwards")
                name = self._assign(op.result, f"{self.names[op.dest]}.copy()")
                self.lines.append(f"{name}[{self._places(op)}] = {self.names[op.source]}")
            case tensor.ExpandShapeOp():
                shape = self._shape(op.result.type, list(op.dynamic_output_shape))
                self._assign(op.result, f"{self.names[op.src]}.reshape({shape})")
            case tensor.CollapseShapeOp():
                self._assign(op.result, f"{self.names[op.src]}.reshape({self._collapsed(op)})")
            case _:
                self._pure(op)

    def _pure(self, op: Operation) -> None:
        if not op.name.startswith(("arith.", "math.")) or len(op.results) != 1:
            raise Diagnostic(f"no NumPy form for the operation {op.name}")
        operands = [self._scalar(operand) for operand in op.operands]
        self._assign(op.results[0], scalar_expression(op, operands))

    def _scalar(self, value: SSAValue) -> str:
        """Return a scalar; a parameter as a NumPy number of its type."""
        name = self.names[value]
        if isinstance(value, BlockArgument) and value.owner is self.function.body.block:
            return f"{dtype(value.type)}({name})"
        return name

    def _return(self, op: func.ReturnOp) -> None:
        positions = self.function.attributes.get("liftproof.outputs")
        results: list[str] = []
        for place, value in enumerate(op.operands):
            text = self.names[value]
            text += ".copy()" if isinstance(value, BlockArgument) else ""
            if isinstance(positions, DenseArrayBase):
                declared = self._unsigned(int(positions.get_values()[place]))
                text += f".view({declared})" if declared else ""
            results.append(text)
        self.lines.append(f"return {', '.join(results)}")

    def _shape(self, kind: object, dynamic: list[SSAValue]) -> str:
        assert isinstance(kind, TensorType)
        remaining = iter(dynamic)
        sizes = [str(s) if s >= 0 else self.names[next(remaining)] for s in kind.get_shape()]
        return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"

    def _collapsed(self, op: tensor.CollapseShapeOp) -> str:
        """Return the shape with the dimensions of each group joined."""
        source = self.names[op.src]
        sizes: list[str] = []
        for group in op.reassociation:
            assert isinstance(group, ArrayAttr)
            places = [str(entry.value.data) for entry in group]
            sizes.append(" * ".join(f"{source}.shape[{place}]" for place in places))
        return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"

    def _places(self, op: tensor.ExtractSliceOp | tensor.InsertSliceOp) -> str:
        offsets = self._mixed(op.static_offsets, list(op.offsets))
        sizes = self._mixed(op.static_sizes, list(op.sizes))
        strides = self._mixed(op.static_strides, list(op.strides))
        places: list[str] = []
        for first, size, step in zip(offsets, sizes, strides, strict=True):
            if step.startswith("-"):
                places.append(f"{first}::{step}")  # to the beginning; cut to size afterwards
            elif step == "1":
                places.append(f":{size}" if first == "0" else f"{first}:{first} + {size}")
            else:
                places.append(f"{first}:{first} + {step} * ({size} - 1) + 1:{step}")
        return ", ".join(places) or "()"

    def _mixed(self, static: DenseArrayBase[IntegerType], dynamic: list[SSAValue]) -> list[str]:
        remaining = iter(dynamic)
        return [
            self.names[next(remaining)] if value == DYNAMIC_INDEX else str(value)
            for value in static.get_values()
        ]

    # ---- linalg.generic -------------------------------------------------------------------------
    def _generic(self, op: linalg.GenericOp) -> None:
        operands = [*op.inputs, *op.outputs]
        maps = [attribute.data for attribute in op.get_indexing_maps()]
        target = self._assign(op.results[0], f"{self.names[op.outputs[0]]}.copy()")
        count = op.get_num_loops()
        kept = {e.position for e in maps[-1].results if isinstance(e, AffineDimExpr)}
        extents = self._extents(operands, [map.results for map in maps], count)
        whole = [place for place in range(count) if place in kept]
        if whole:
            grid = ", ".join(f"0:{extents[place]}" for place in whole)
            names = ", ".join(f"d{place}" for place in whole)
            if len(whole) == 1:  # NumPy then gives an array and no tuple
                names, grid = f"{names},", f"{grid},"
            self.lines.append(f"{names} = np.ogrid[{grid}]")
        indent = ""
        for place in range(count):
            if place not in kept:
                self.lines.append(f"{indent}for d{place} in range({extents[place]}):")
                indent += "    "
        self._body(op, target, indent)

    def _body(self, op: linalg.GenericOp, target: str, indent: str) -> None:
        block = op.body.block
        maps = [attribute.data for attribute in op.get_indexing_maps()]
        sources = [*(self.names[value] for value in op.inputs), target]
        for argument, source, map in zip(block.args, sources, maps, strict=True):
            place = ", ".join(_affine(expression) for expression in map.results) or "()"
            self.names[argument] = f"{source}[{place}]"
        where = self.names[block.args[-1]]
        start = len(self.lines)
        for inner in block.ops:
            match inner:
                case linalg.YieldOp():
                    self.lines.append(f"{where} = {self._scalar(inner.operands[0])}")
                case linalg.IndexOp():
                    self.names[inner.results[0]] = f"np.int64(d{inner.dim.value.data})"
                case arith.ConstantOp():
                    self.names[inner.result] = number(inner, typed=True)
                case _:
                    self._pure(inner)
        self.lines[start:] = [indent + line for line in self.lines[start:]]

    def _extents(
        self, operands: list[SSAValue], maps: list[tuple[AffineExpr, ...]], count: int
    ) -> list[str]:
        """Return the number of iterations of each loop, from the shape of an operand."""
        found: dict[int, str] = {}
        for operand, results in zip(operands, maps, strict=True):
            for axis, expression in enumerate(results):
                if isinstance(expression, AffineDimExpr):
                    found.setdefault(expression.position, f"{self.names[operand]}.shape[{axis}]")
        return [found[place] for place in range(count)]


def _affine(expression: AffineExpr) -> str:
    match expression:
        case AffineDimExpr():
            return f"d{expression.position}"
        case AffineConstantExpr():
            return str(expression.value)
        case AffineBinaryOpExpr() if expression.kind in _SIGNS:
            left, right = _affine(expression.lhs), _affine(expression.rhs)
            return f"({left} {_SIGNS[expression.kind]} {right})"
        case _:
            raise Diagnostic(f"no NumPy form for the subscript {expression}")


def _element(value: SSAValue) -> str:
    assert isinstance(value.type, TensorType)
    return dtype(value.type.element_type)


def _runs_backwards(op: tensor.ExtractSliceOp | tensor.InsertSliceOp) -> bool:
    return any(step < 0 and step != DYNAMIC_INDEX for step in op.static_strides.get_values())
