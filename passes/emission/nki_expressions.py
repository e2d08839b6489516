"""Spell values and access patterns of the Trainium tile level as NKI expressions."""

from __future__ import annotations

import keyword

from xdsl.dialects import affine, arith
from xdsl.dialects.builtin import Float32Type, IntegerAttr, IntegerType, MemRefType, Signedness
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.ir.affine import AffineBinaryOpExpr, AffineConstantExpr, AffineDimExpr, AffineExpr

from ...dialects.trn import ViewOp
from ..kernel import refusal

DTYPES = {
    "f32": "nl.float32",
    "bf16": "nl.bfloat16",
    "f16": "nl.float16",
    "tf32": "nl.tfloat32",
    "f8E4M3": "nl.float8_e4m3",
    "f8E5M2": "nl.float8_e5m2",
}
RESERVED = {"nki", "nl", "nisa", "range"}
_BINARY: dict[type[Operation], str] = {
    arith.AddiOp: "+",
    arith.SubiOp: "-",
    arith.MuliOp: "*",
    arith.FloorDivSIOp: "//",
    arith.OrIOp: "or",
    arith.AndIOp: "and",
}
_AFFINE = {"+": "+", "*": "*", "mod": "%", "floordiv": "//"}
_PREDICATES = {0: "==", 1: "!=", 2: "<", 3: "<=", 4: ">", 5: ">="}


def dtype_name(element: Attribute) -> str:
    """The name of an element type in ``nki.language``."""
    if isinstance(element, IntegerType):
        sign = "u" if element.signedness.data == Signedness.UNSIGNED else ""
        return f"nl.{sign}int{element.width.data}"
    if element.name not in DTYPES:
        raise ValueError(f"NKI has no element type {element}")
    return DTYPES[element.name]


def short_dtype(element: Attribute) -> str:
    """The element type as a parameter's annotation writes it."""
    if isinstance(element, Float32Type):
        return "float32"
    return dtype_name(element).removeprefix("nl.")


class Names:
    """One Python name for each value."""

    def __init__(self) -> None:
        self._names: dict[SSAValue, str] = {}
        self._taken = set(RESERVED)

    def declare(self, value: SSAValue, fallback: str) -> str:
        """Give a value a name of its own, after its hint if it has one."""
        hint = value.name_hint or fallback
        base = hint if hint.isidentifier() and not keyword.iskeyword(hint) else fallback
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        self._names[value] = name
        return name

    def __getitem__(self, value: SSAValue) -> str:
        return self._names[value]

    def __contains__(self, value: SSAValue) -> bool:
        return value in self._names


def index_text(value: SSAValue, names: Names) -> str:
    """An index or condition as a Python expression; compound ones are in parentheses."""
    if value in names:
        return names[value]
    op = value.owner
    if isinstance(op, Block):
        raise ValueError("a value without a name")
    if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr):
        number = op.value.value.data
        return ("True" if number else "False") if value.type == IntegerType(1) else str(number)
    if isinstance(op, affine.ApplyOp):
        operands = [index_text(operand, names) for operand in op.operands]
        return _affine_text(op.map.data.results[0], operands)
    if isinstance(op, arith.CmpiOp) and op.predicate.value.data in _PREDICATES:
        symbol = _PREDICATES[op.predicate.value.data]
        return f"({index_text(op.lhs, names)} {symbol} {index_text(op.rhs, names)})"
    symbol = _BINARY.get(type(op))
    if symbol is None:
        raise refusal(op, "NKI has no spelling for this index")
    left, right = (index_text(operand, names) for operand in op.operands)
    return f"({left} {symbol} {right})"


def _affine_text(expression: AffineExpr, operands: list[str]) -> str:
    if isinstance(expression, AffineConstantExpr):
        return str(expression.value)
    if isinstance(expression, AffineDimExpr):
        return operands[expression.position]
    assert isinstance(expression, AffineBinaryOpExpr)
    left, right = (_affine_text(part, operands) for part in (expression.lhs, expression.rhs))
    symbol = _AFFINE[expression.kind.get_token()]
    return f"({left} {symbol} {right})"


def bare(text: str) -> str:
    """An expression without the parentheses around all of it."""
    if not text.startswith("("):
        return text
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:-1] if place == len(text) - 1 else text
    return text


def _plus(text: str, amount: int | str) -> str:
    if isinstance(amount, str):
        return bare(amount) if text == "0" else f"{bare(text)} + {bare(amount)}"
    if text.lstrip("-").isdigit():
        return str(int(text) + amount)
    return f"{bare(text)} + {amount}"


def _span(size: int | str, step: int) -> int | str:
    """From the first of ``size`` elements to behind the last one."""
    if isinstance(size, int):
        return (size - 1) * step + 1
    return size if step == 1 else f"(({size} - 1) * {step} + 1)"


def view_text(view: SSAValue, names: Names) -> str:
    """An access pattern as a subscript of its array."""
    op = view.owner
    assert isinstance(op, ViewOp)
    shape = [size if isinstance(size, int) else index_text(size, names) for size in op.size_list]
    buffer = op.source.type
    assert isinstance(buffer, MemRefType)
    offsets = [
        str(offset) if isinstance(offset, int) else index_text(offset, names)
        for offset in op.offset_list
    ]
    name = names[op.source]
    repeated = [
        place
        for place, (size, step) in enumerate(zip(shape, op.step_list, strict=True))
        if step == 0 and size != 1
    ]
    inner: list[int | str] = [1 if place in repeated else size for place, size in enumerate(shape)]
    text = _plain(op, name, offsets, inner, buffer.get_shape()) or _with_grids(
        op, name, offsets, inner
    )
    if not repeated:
        return text
    return f"{text}.broadcast_to(({', '.join(map(str, shape))},))"


def _plain(
    op: ViewOp, name: str, offsets: list[str], shape: list[int | str], extents: tuple[int, ...]
) -> str | None:
    """With slices; None if the dimensions are not in order, or one repeats."""
    if list(op.dimensions) != sorted(set(op.dimensions)) or any(s <= 0 for s in op.step_list):
        return None
    if list(op.dimensions) == list(range(len(extents))) and all(
        offset == "0" and size == extent and step == 1
        for offset, size, extent, step in zip(offsets, shape, extents, op.step_list, strict=True)
    ):
        return name
    items = [bare(offset) for offset in offsets]
    for along, size, step in zip(op.dimensions, shape, op.step_list, strict=True):
        end = _plus(offsets[along], _span(size, step))
        items[along] = f"{bare(offsets[along])} : {end}" + (f" : {step}" if step != 1 else "")
    return f"{name}[{', '.join(items)}]"


def _with_grids(op: ViewOp, name: str, offsets: list[str], shape: list[int | str]) -> str:
    """With index tiles, one for each dimension of the view."""
    items = [bare(offset) for offset in offsets]
    for place, (along, size, step) in enumerate(
        zip(op.dimensions, shape, op.step_list, strict=True)
    ):
        axes = ", ".join(":" if own == place else "None" for own in range(len(shape)))
        length = bare(size) if isinstance(size, str) else size
        grid = f"nl.arange({length})[{axes}]" + (f" * {step}" if step not in (0, 1) else "")
        items[along] = grid if items[along] == "0" else f"{items[along]} + {grid}"
    return f"{name}[{', '.join(items)}]"
