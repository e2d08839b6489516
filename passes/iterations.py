"""The iteration before or after the current one, across the ends of nested loops."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.dialects import scf
from xdsl.ir import Operation, SSAValue

from .index_math import IndexBuilder, name
from .kernel import iv_of, loop_name, refusal
from .nests import trip_count

Neighbour = tuple[SSAValue, dict[SSAValue, SSAValue]]
"""Whether there is such an iteration, and the value of each loop variable in it."""


@dataclass(frozen=True)
class IterationSpace:
    """Nested loops, outermost first, of which each is a statement of the one before."""

    loops: tuple[scf.ForOp, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return prod(self.counts)

    def first(self, index: IndexBuilder) -> dict[SSAValue, SSAValue]:
        """The loop variables in the very first iteration."""
        return {iv_of(loop): index.constant(0) for loop in self.loops}

    def last(self, index: IndexBuilder) -> dict[SSAValue, SSAValue]:
        """The loop variables in the very last iteration."""
        return {
            iv_of(loop): index.constant(count - 1)
            for loop, count in zip(self.loops, self.counts, strict=True)
        }

    def parity(self, index: IndexBuilder, ahead: int = 0) -> SSAValue:
        """The number of the iteration ``ahead`` of this one, modulo 2."""
        number = index.constant(0)
        weight = 1
        for loop, count in reversed(list(zip(self.loops, self.counts, strict=True))):
            if weight % 2:
                number = index.add(iv_of(loop), number)
            weight *= count
        return name(index.rem(index.add(number, ahead), 2), "next_phase" if ahead else "phase")

    def following(self, index: IndexBuilder) -> Neighbour:
        """The next iteration: where a loop ends, it starts again and the one around goes on."""
        values: dict[SSAValue, SSAValue] = {}
        carry = index.constant(1)
        for loop, count in reversed(list(zip(self.loops, self.counts, strict=True))):
            total = index.add(iv_of(loop), carry)
            if loop is self.loops[0]:
                values[iv_of(loop)] = name(total, f"next_{loop_name(loop)}")
                return name(index.less(total, index.constant(count)), "has_next"), values
            carry = index.carry(total, count)
            following = index.sub(total, index.mul(carry, count))
            values[iv_of(loop)] = name(following, f"next_{loop_name(loop)}")
        raise AssertionError("an iteration space has a loop")

    def previous(self, index: IndexBuilder) -> Neighbour:
        """The last iteration before this one; the loop variables in it are never negative."""
        values: dict[SSAValue, SSAValue] = {}
        position = index.constant(0)
        stays = index.constant(0)
        for loop, count in reversed(list(zip(self.loops, self.counts, strict=True))):
            position = index.add(position, iv_of(loop))
            total = index.add(index.add(iv_of(loop), stays), -1)
            if loop is self.loops[0]:
                previous = index.maximum(total, index.constant(0))
                values[iv_of(loop)] = name(previous, f"previous_{loop_name(loop)}")
                return name(index.positive(position), "has_previous"), values
            total = index.add(total, count)
            stays = index.carry(total, count)
            previous = index.sub(total, index.mul(stays, count))
            values[iv_of(loop)] = name(previous, f"previous_{loop_name(loop)}")
        raise AssertionError("an iteration space has a loop")


def iteration_space(innermost: scf.ForOp) -> IterationSpace:
    """``innermost`` and the loops around it, as far out as all trip counts are constant."""
    loops: list[scf.ForOp] = []
    counts: list[int] = []
    op: Operation | None = innermost
    while isinstance(op, scf.ForOp) and (count := trip_count(op)):
        loops.insert(0, op)
        counts.insert(0, count)
        op = op.parent_op()
    if not loops:
        raise refusal(innermost, "is not a loop from 0 to a constant")
    # Loops around that run only once have no next iteration.
    while len(loops) > 1 and counts[0] == 1:
        loops, counts = loops[1:], counts[1:]
    return IterationSpace(tuple(loops), tuple(counts))
