"""Masks as late as possible: operations on masked data become masked operations on all of it.

Numbers are taken as real ones and infinities: a zero stays zero whatever finite number it is
multiplied by, and what is finite does not matter beside an infinity.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from xdsl.ir import Attribute

from ....dialects.trn import Function, Operator
from .graph import Access, Code, Guard, Masked, Operand, RowGraph

Known = float | None
"""A number, or ``None`` for one that is finite and else unknown."""


def pointwise(
    graph: RowGraph, code: Code, operands: Sequence[Operand], free: Sequence[int], type: Attribute
) -> Access:
    """The results of an operation on all elements of ``free``."""
    for guard in dict.fromkeys(mask.guard for mask in map(_mask, operands) if mask is not None):
        inside, fills = zip(*(_parts(operand, guard) for operand in operands), strict=True)
        fill = _result(code, fills)
        if fill is not None:
            return graph.masked(pointwise(graph, code, inside, free, type), guard, fill)
    return graph.pointwise(code, operands, free, type)


def _mask(operand: Operand) -> Masked | None:
    if isinstance(operand, Access) and isinstance(operand.node, Masked) and operand.is_whole:
        return operand.node
    return None


def _parts(operand: Operand, guard: Guard) -> tuple[Operand, Known]:
    """What an operand is where the guard holds, and where it fails."""
    mask = _mask(operand)
    if mask is not None and mask.guard == guard:
        return mask.data, mask.fill
    return operand, operand if isinstance(operand, float) else None


def _result(code: Code, operands: Sequence[Known]) -> float | None:
    """The result of an operation if it does not depend on what is unknown."""
    first, last = operands[0], operands[-1]
    match code:
        case "copy":
            return first
        case Function.EXP:
            return 0.0 if first == -inf else None
        case Operator.ADD:
            return _shifted(first, last)
        case Operator.SUBTRACT:
            return _shifted(first, None if last is None else -last)
        case Operator.MULTIPLY:
            return _scaled(first, last) if first is not None else _scaled(last, first)
        case Operator.DIVIDE:
            return _scaled(first, last) if last != 0 else None
        case _:
            return None


def _shifted(left: Known, right: Known) -> float | None:
    infinite = {one for one in (left, right) if one in (inf, -inf)}
    return infinite.pop() if len(infinite) == 1 else None


def _scaled(value: Known, factor: Known) -> float | None:
    """Zero times or over any finite number, or an infinity times or over a positive one."""
    if value == 0 and factor not in (inf, -inf):
        return 0.0
    if value in (inf, -inf) and factor is not None and 0 < factor < inf:
        return value
    return None
