"""Operands of the tensor engine: parts of arrays with the summed dimension in the partitions."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from .blocks.emission import BlockCode, Part, Place
from .blocks.plan import Needed, Plan
from .loop_nests import Number
from .spans import Lane, Span


@dataclass(frozen=True)
class Operand:
    """A part of a parameter, and the dimension over which is summed."""

    value: SSAValue
    summed: int
    spans: tuple[Span, ...]
    """For each dimension; that of the summed one does not matter."""


def tile_of(
    plan: Plan, builder: Builder, operand: Operand, start: int, count: int, number: Number
) -> Part:
    """Load ``count`` places of the summed dimension, from ``start`` on, into partitions."""
    lane = Lane(operand.summed, 1, 0)
    alone = Plan(plan.parameters, {}, loads={(operand.value, lane): Needed(lane, operand.spans)})
    code = BlockCode(alone, builder, Place(start, count, number))
    code.load_all()
    return code.loaded[operand.value, lane]
