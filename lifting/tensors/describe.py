"""One line for people about what a tensor program does, such as ``matmul + bias + saturate``."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import arith, func, math, tensor
from xdsl.dialects.builtin import (
    FloatAttr,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    TensorType,
)
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import BlockArgument, Operation, SSAValue

from .limits import FloatLimit, as_float_limit
from .patterns import (
    Contraction,
    as_contraction,
    factors_of,
    plain_subscripts,
    reduction_body,
    yielded,
)

_WORDS: dict[type[Operation], str] = {
    math.FloorOp: "floor",
    math.CeilOp: "ceil",
    math.TruncOp: "round toward zero",
    math.RoundOp: "round half away from zero",
    math.SqrtOp: "sqrt",
    math.ExpOp: "exp",
    math.AbsFOp: "abs",
    math.AbsIOp: "abs",
    math.TanhOp: "tanh",
}

_ORDERED = (
    arith.SubiOp,
    arith.SubfOp,
    arith.DivSIOp,
    arith.DivUIOp,
    arith.DivfOp,
    arith.RemSIOp,
    arith.ShLIOp,
    arith.ShRSIOp,
    arith.ShRUIOp,
)
"""Operations that are described only if the constant is the right operand."""

_REDUCTIONS: dict[type[Operation], str] = {
    arith.AddiOp: "sum",
    arith.AddfOp: "sum",
    arith.MuliOp: "product",
    arith.MulfOp: "product",
    arith.MinSIOp: "minimum",
    arith.MaxSIOp: "maximum",
    arith.MinimumfOp: "minimum",
    arith.MaximumfOp: "maximum",
}

_SILENT = (
    FloatLimit,
    arith.SIToFPOp,
    arith.FPToSIOp,
    arith.ExtSIOp,
    arith.ExtFOp,
    arith.TruncFOp,
    math.RoundEvenOp,
)
"""Steps of every quantised kernel; they go without saying."""


def describe(module: ModuleOp) -> str:
    """Return what each output is, in the words of the field; outputs are separated by ``;``."""
    for op in module.ops:
        if isinstance(op, func.FuncOp) and op.body.blocks:
            last = op.body.block.last_op
            assert isinstance(last, func.ReturnOp)
            return "; ".join(" + ".join(_tensor(value)) for value in last.operands)
    return "nothing"


def _tensor(value: SSAValue) -> list[str]:
    """Return the steps that compute a tensor, first to last."""
    if isinstance(value, BlockArgument):
        return ["copy"]
    op = value.owner
    if isinstance(op, linalg.FillOp):
        return ["fill"]
    if isinstance(op, tensor.CollapseShapeOp | tensor.ExpandShapeOp):
        return _tensor(op.src)
    if isinstance(op, tensor.ExtractSliceOp):
        is_reversed = any(step < 0 for step in op.static_strides.get_values())
        return [*_inner(op.source), *(["reverse"] if is_reversed else [])]
    if isinstance(op, tensor.InsertSliceOp):
        return [*(_inner(op.source) or ["copy"]), "written to a part"]
    if not isinstance(op, linalg.GenericOp):
        return ["tensor program"]
    contraction = as_contraction(op)
    if contraction is not None:
        return [_product(contraction), *_start(op)]
    if (reduced := reduction_body(op)) is not None:
        name = f"{_REDUCTIONS.get(reduced[0], 'general')} reduction"
        return ["convolution" if _slides(op) else name, *_start(op)]
    steps = _spine(op)
    if steps is None:
        inner = [step for operand in dict.fromkeys(op.inputs) for step in _inner(operand)]
        return [*inner, "element-wise map"]
    source, words = steps
    return [*_inner(source), *words] or ["copy"]


def _slides(op: linalg.GenericOp) -> bool:
    """Return whether one operand is subscripted by sums of loops, and another weighs it."""
    maps = [attribute.data for attribute in op.get_indexing_maps()][:-1]
    sums = [plain_subscripts(map) is None for map in maps]
    reduced = reduction_body(op)
    return (
        sums.count(True) == 1
        and sums.count(False) == 1
        and reduced is not None
        and len(factors_of(reduced[1]) or ()) == len(maps)
    )


def _inner(value: SSAValue) -> list[str]:
    """Return the steps of an operand that is computed; parameters have none."""
    return [] if isinstance(value, BlockArgument) else _tensor(value)


def _product(contraction: Contraction) -> str:
    matmul = contraction.as_matmul()
    if matmul is None:
        letters = ",".join(factor.subscripts for factor in contraction.factors)
        return f"contraction {letters}->{contraction.result}"
    rank = sum(len(factor.subscripts) for factor, _ in matmul)
    name = {2: "dot product", 3: "matrix-vector product"}.get(rank, "matmul")
    flipped = [_name(factor.operand) for factor, is_transposed in matmul if is_transposed]
    return f"{name} ({' and '.join(flipped)} transposed)" if flipped else name


def _name(value: SSAValue) -> str:
    if isinstance(value.owner, tensor.ExpandShapeOp):
        return _name(value.owner.src)
    return value.name_hint or "operand"


def _start(op: linalg.GenericOp) -> list[str]:
    """Return the word for what a reduction starts from, if that is not zero."""
    init = op.outputs[0]
    if not isinstance(init.owner, linalg.FillOp):
        return ["bias"]
    value = init.owner.inputs[0].owner
    is_zero = isinstance(value, arith.ConstantOp) and _number(value) == 0
    return [] if is_zero else ["constant bias"]


@dataclass
class _Limits:
    """The clamp that is being read, from inside out."""

    low: float | None = None
    high: float | None = None

    def words(self, result: IntegerType | None, *, is_nonnegative: bool = False) -> list[str]:
        """Return the words for the clamp, given the integer type of the output.

        ``is_nonnegative`` says that the clamped value is never below 0 in any case.
        """
        if self.low is None and self.high is None:
            return []
        if result is not None:
            top = (1 << (result.width.data - 1)) - 1
            if self.high == top and (self.low == -top - 1 or is_nonnegative):
                return ["saturate"]
            if self.high == top and self.low == 0:
                return ["relu", "saturate"]
        if self.low == 0:
            return ["relu", *([] if self.high is None else [f"min {self.high:g}"])]
        limits = [("max", self.low), ("min", self.high)]
        return [f"{name} {limit:g}" for name, limit in limits if limit is not None]


def _spine(op: linalg.GenericOp) -> tuple[SSAValue, list[str]] | None:
    """Return the tensor that an element-wise operation transforms, and the words for how.

    ``None`` if it combines several tensors.
    """
    steps: list[Operation | FloatLimit] = []
    value = yielded(op)
    while not isinstance(value, BlockArgument):
        assert isinstance(value.owner, Operation)
        step = as_float_limit(value.owner) or value.owner
        steps.append(step)
        operands = [step.value] if isinstance(step, FloatLimit) else list(step.operands)
        varying = [o for o in operands if not isinstance(o.owner, arith.ConstantOp)]
        is_reversed = isinstance(step, _ORDERED) and varying[:1] == operands[1:]
        if len(varying) != 1 or is_reversed:
            return None
        (value,) = varying
    if value.owner is not op.body.block or value.index >= len(op.inputs):
        return None
    output = op.outputs[0].type
    assert isinstance(output, TensorType)
    result = output.element_type if isinstance(output.element_type, IntegerType) else None
    return op.inputs[value.index], _words(list(reversed(steps)), result)


def _words(steps: list[Operation | FloatLimit], result: IntegerType | None) -> list[str]:
    words: list[str] = []
    limits = _Limits()
    is_limited = False
    for step in steps:
        if _take_limit(step, limits):
            is_limited = True
            continue
        if isinstance(step, _SILENT):
            continue
        if isinstance(step, arith.TruncIOp) and is_limited:
            continue
        words += limits.words(result, is_nonnegative=_stays_nonnegative(words))
        limits = _Limits()
        words.append(_word(step))
    return words + limits.words(result, is_nonnegative=_stays_nonnegative(words))


def _stays_nonnegative(words: list[str]) -> bool:
    """Return whether a ReLU came before, and only scaling by a positive factor after it."""
    after = words[words.index("relu") + 1 :] if "relu" in words else ["?"]
    return all(word.startswith("scale ") and "-" not in word for word in after)


def _take_limit(step: Operation | FloatLimit, limits: _Limits) -> bool:
    """Note a minimum or a maximum with a constant; return whether the step was one."""
    match step:
        case FloatLimit():
            bound, is_upper = step.bound, step.is_upper
        case arith.MinSIOp() | arith.MaxSIOp() | arith.MinnumfOp() | arith.MaxnumfOp():
            constants = [o.owner for o in step.operands if isinstance(o.owner, arith.ConstantOp)]
            if not constants:
                return False
            bound = _number(constants[0])
            is_upper = isinstance(step, arith.MinSIOp | arith.MinnumfOp)
        case _:
            return False
    if is_upper:
        limits.high = bound if limits.high is None else min(bound, limits.high)
    else:
        limits.low = bound if limits.low is None else max(bound, limits.low)
    return True


def _word(step: Operation) -> str:
    if type(step) in _WORDS:
        return _WORDS[type(step)]
    numbers = [_number(o.owner) for o in step.operands if isinstance(o.owner, arith.ConstantOp)]
    constant = f"{numbers[0]:g}" if numbers else ""
    match step:
        case arith.MulfOp() | arith.MuliOp():
            inverse = 1 / numbers[0] if numbers and numbers[0] else 0.5
            is_fraction = inverse == int(inverse) and abs(inverse) > 1
            return f"scale 1/{inverse:g}" if is_fraction else f"scale {constant}"
        case arith.DivfOp() | arith.DivSIOp():
            return f"divide by {constant}"
        case arith.SubiOp() | arith.SubfOp():
            return f"subtract {constant}"
        case arith.AddiOp() | arith.AddfOp():
            return f"add {constant}"
        case arith.ShRSIOp():
            return f"shift right {constant}"
        case arith.TruncIOp():
            return f"truncate to {step.result.type}"
        case _:
            return step.name.partition(".")[2]


def _number(op: arith.ConstantOp) -> float:
    value = op.value
    if isinstance(value, IntegerAttr | FloatAttr):
        return float(value.value.data)
    return float("nan")
