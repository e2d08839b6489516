"""A sample of a program's commands: loops with many iterations run only some of them.

Each loop that is cut runs its first iteration, a few in the middle that stand for all of those,
and its last ones. All addresses and conditions are those of the iterations that run, so what only
happens at the edges of a loop is in the sample. The sample's size depends on the loops of the
program and on ``budget``, not on how often the loops run.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from math import ceil, gcd, lcm, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, func, scf
from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Block, Operation, SSAValue

from ...dialects.gemmini import CONV_SIZES, LoopConvWsOp, LoopWsOp
from ..lanes import Scope
from ..stream import CommandStream
from .config import GemminiConfig
from .memory import MemoryLayout
from .unroll import Trace, Walk, unroll

LONGEST_PERIOD = 8
"""Loops whose iterations repeat their phases less often are not cut."""
_MARK = 253
"""``funct`` of rows that mark iterations; they are taken out of the stream again."""
_ROLE_BITS = 2
_CONV_TILES = {
    "batches": 1,
    "orows": 1,
    "ocols": 16,
    "pochs": 16,
    "krows": 1,
    "kcols": 1,
    "kchs": 16,
}
"""Extents of a hardware convolution, and how much of each one computation does (about: on an array
of 16 × 16)."""
_LINEAR = (
    arith.AddiOp
    | arith.SubiOp
    | arith.MuliOp
    | arith.FloorDivSIOp
    | arith.DivUIOp
    | arith.DivSIOp
    | arith.RemSIOp
    | arith.RemUIOp
)


class Role(IntEnum):
    """What begins at a mark."""

    HEAD = 0
    """The first iteration of a loop."""
    MIDDLE = 1
    """The iterations that stand for all but those at the edges."""
    TAIL = 2
    """The last iterations; before them lie those that were left out."""
    END = 3
    """What follows the loop."""


@dataclass(frozen=True)
class Mark:
    """A place in the sample where another part of a cut loop begins."""

    position: int
    """The command of the sample that comes next."""
    loop: int
    role: Role
    kept: int
    """Middle iterations that run."""
    middle: int
    """Middle iterations of the program."""


@dataclass(frozen=True)
class Sample:
    """Some commands of a program, in order."""

    stream: CommandStream
    weights: NDArray[np.int64]
    """For each command, how many commands of the program it stands for."""
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class _Kept:
    """The iterations of a loop that run."""

    numbers: NDArray[np.int64]
    roles: NDArray[np.int64]
    middle: int


def sample(
    function: func.FuncOp, config: GemminiConfig, layout: MemoryLayout, budget: int
) -> Sample:
    """At most about ``budget`` commands of ``function``, where its loops allow it.

    Raises what ``unroll`` raises.
    """
    cuts = _chosen(function, trip_counts(function, config, layout), budget)
    stream = unroll(function, config, layout, walk=partial(_SampledWalk, cuts=cuts))
    return _without_marks(stream, list(cuts.values()))


def commands_at_most(function: func.FuncOp, config: GemminiConfig, layout: MemoryLayout) -> int:
    """About how many commands ``function`` issues if each branch is taken, without unrolling it."""
    return count_commands(function.body.block, trip_counts(function, config, layout))


def trip_counts(
    function: func.FuncOp, config: GemminiConfig, layout: MemoryLayout
) -> dict[scf.ForOp, int]:
    """How often each loop runs, at most."""
    probe: dict[scf.ForOp, int] = {}
    unroll(function, config, layout, walk=partial(_Probe, trips=probe))
    return probe


class _Probe(Walk):
    """Runs a few iterations of each loop, to learn how often loops run at most."""

    def __init__(self, *arguments: Any, trips: dict[scf.ForOp, int]) -> None:
        super().__init__(*arguments)
        self.trips = trips

    def iterations(
        self, op: scf.ForOp, scope: Scope, trips: NDArray[np.int64]
    ) -> tuple[Scope, NDArray[np.int64]]:
        self.trips[op] = int(trips.max(initial=0))
        numbers = [_few(int(count)) for count in trips]
        return scope.child(_lengths(numbers), loops=True), _joined(numbers)


def _few(trips: int) -> NDArray[np.int64]:
    """The first iterations, one in the middle and the last."""
    return np.array(sorted({0, 1, trips // 2, trips - 1} & set(range(trips))), np.int64)


class _SampledWalk(Walk):
    """Runs some iterations of the loops in ``cuts``, which says how many in the middle."""

    def __init__(self, *arguments: Any, cuts: Mapping[scf.ForOp, int]) -> None:
        super().__init__(*arguments)
        self.cuts = cuts
        self.numbers = {op: number for number, op in enumerate(cuts)}

    def iterations(
        self, op: scf.ForOp, scope: Scope, trips: NDArray[np.int64]
    ) -> tuple[Scope, NDArray[np.int64]]:
        if op not in self.cuts:
            return super().iterations(op, scope, trips)
        numbers = [each.numbers for each in self._kept(op, trips)]
        return scope.child(_lengths(numbers), loops=True), _joined(numbers)

    def enter(
        self,
        op: scf.ForOp,
        body: Trace,
        trips: NDArray[np.int64],
        iteration: NDArray[np.int64],
    ) -> None:
        if op not in self.cuts:
            return
        words = [each.roles | each.middle << _ROLE_BITS for each in self._kept(op, trips)]
        body.issue((_MARK, self.numbers[op], _joined(words).astype(np.uint64)), 0)

    def leave(self, op: scf.ForOp, trace: Trace) -> None:
        if op in self.cuts:
            trace.issue((_MARK, self.numbers[op], int(Role.END)), 0)

    def _kept(self, op: scf.ForOp, trips: NDArray[np.int64]) -> list[_Kept]:
        return [_kept_iterations(int(count), self.cuts[op]) for count in trips]


def _lengths(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.array([len(part) for part in parts], np.int64)


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _kept_iterations(trips: int, kept: int) -> _Kept:
    """The first iteration, ``kept`` after it, and the last ones: the middle is a multiple of these.

    What is left out is so a multiple of the loop's period, and all phases follow each other.
    """
    middle = (trips - 2) // kept * kept
    if middle <= kept:
        return _Kept(np.arange(trips), np.full(trips, Role.HEAD, np.int64), 0)
    tail = trips - 1 - middle
    numbers = np.concatenate([np.arange(1 + kept), np.arange(trips - tail, trips)])
    roles = np.repeat([Role.HEAD, Role.MIDDLE, Role.TAIL], [1, kept, tail])
    return _Kept(numbers, roles.astype(np.int64), middle)


def _chosen(
    function: func.FuncOp, trips: dict[scf.ForOp, int], budget: int
) -> dict[scf.ForOp, int]:
    """The loops to cut, the longest first, and how many of their middle iterations run."""
    block = function.body.block
    runs = dict(trips)
    cuts: dict[scf.ForOp, int] = {}
    while count_commands(block, runs) > budget:
        totals = _totals(block, 1, runs)
        costs = {op: total for op, total in totals if op not in cuts and _can_be_cut(op, trips)}
        if not costs:
            return cuts
        longest = max(costs, key=lambda op: costs[op])
        cuts[longest] = period(longest)
        runs[longest] = _runs(trips[longest], cuts[longest])
    for op in cuts:
        runs[op], cuts[op] = _longest(op, trips[op], block, runs, budget)
    return cuts


def _longest(
    op: scf.ForOp, trips: int, block: Block, runs: Mapping[scf.ForOp, int], budget: int
) -> tuple[int, int]:
    """The most iterations of a loop that can run within ``budget``, and those in the middle."""
    every = period(op)
    found = runs[op], every
    for kept in range(every, trips - 1, every):
        count = _runs(trips, kept)
        if found[0] < count < trips and count_commands(block, {**runs, op: count}) <= budget:
            found = count, kept
    return found


def _runs(trips: int, kept: int) -> int:
    return len(_kept_iterations(trips, kept).numbers)


def _can_be_cut(op: scf.ForOp, trips: dict[scf.ForOp, int]) -> bool:
    every = period(op)
    # Loops of the core alone are no loops here: what they take is known.
    runs = trips.get(op, 0)
    return not op.iter_args and every <= LONGEST_PERIOD and runs >= 2 * every + 2


def period(loop: scf.ForOp) -> int:
    """Iterations after which the remainders that are computed in the loop's body repeat.

    Follows sums of multiples of the loop's variable, and their quotients.
    """
    start = (_constant(loop.step) or 1, 1)
    forms: dict[SSAValue, tuple[int, int]] = {loop.body.block.args[0]: start}
    """Values that grow by a numerator per iteration, divided by a denominator."""
    found = 1
    for op in loop.body.walk():
        if not isinstance(op, _LINEAR) or not {op.lhs, op.rhs} & forms.keys():
            continue
        left, right = forms.get(op.lhs, (0, 1)), forms.get(op.rhs, (0, 1))
        factor = _constant(op.rhs) or 1
        match op:
            case arith.AddiOp() | arith.SubiOp():
                sign = -1 if isinstance(op, arith.SubiOp) else 1
                of = left[1] * right[1]
                forms[op.result] = (left[0] * right[1] + sign * right[0] * left[1], of)
            case arith.MuliOp():
                forms[op.result] = (left[0] * factor, left[1])
            case arith.FloorDivSIOp() | arith.DivUIOp() | arith.DivSIOp():
                forms[op.result] = (left[0], left[1] * factor)
            case _:
                whole = left[1] * factor
                found = lcm(found, whole // gcd(whole, left[0]))
    return found


def _constant(value: SSAValue) -> int | None:
    if isinstance(value.owner, arith.ConstantOp) and isinstance(value.owner.value, IntegerAttr):
        return value.owner.value.value.data
    return None


def count_commands(block: Block, trips: Mapping[scf.ForOp, int]) -> int:
    """Commands of a block if each branch is taken and each loop runs as often as ``trips`` says."""
    count = 0
    for op in block.ops:
        inside = sum(
            count_commands(inner, trips) for region in op.regions for inner in region.blocks
        )
        count += inside * (trips.get(op, 0) if isinstance(op, scf.ForOp) else 1)
        count += _issued(op)
    return count


def _issued(op: Operation) -> int:
    """Commands of an operation, those of the hardware's loops among them."""
    if isinstance(op, LoopWsOp):
        rows, cols, depth = op.bounds.get_values()
        return 2 * rows * cols * depth + rows * depth + depth * cols + rows * cols
    if isinstance(op, LoopConvWsOp):
        sizes: dict[str, int] = dict(zip(CONV_SIZES, op.sizes.get_values(), strict=True))
        return 2 * prod(ceil(sizes[name] / unit) for name, unit in _CONV_TILES.items())
    return int(op.dialect_name() == "gemmini")


def _totals(
    block: Block, times: int, trips: Mapping[scf.ForOp, int]
) -> Generator[tuple[scf.ForOp, int]]:
    """Each loop, the outer ones first, and the commands that it issues in all."""
    for op in block.ops:
        inner = times
        if isinstance(op, scf.ForOp):
            inner = times * trips.get(op, 0)
            yield op, inner * count_commands(op.body.block, trips)
        for region in op.regions:
            for body in region.blocks:
                yield from _totals(body, inner, trips)


def _without_marks(stream: CommandStream, kept: list[int]) -> Sample:
    """Take the marks out of ``stream``; the core time before one belongs to the next command."""
    is_mark = stream.funct == _MARK
    positions = np.flatnonzero(is_mark)
    before = positions - np.arange(len(positions))
    words = zip(before, stream.rs1[positions], stream.rs2[positions], strict=True)
    marks = list(_marks([(int(p), int(loop), int(word)) for p, loop, word in words], kept))
    times = np.cumsum(stream.issue_cycles, dtype=np.int64)[~is_mark]
    waits = np.minimum(np.diff(times, prepend=0), np.iinfo(np.uint16).max)
    columns = {name: getattr(stream, name)[~is_mark] for name in ("funct", "rs1", "rs2", "origin")}
    left = replace(stream, issue_cycles=waits.astype(np.uint16), **columns)
    return Sample(left, _weights(len(left), marks), tuple(marks))


def _marks(words: list[tuple[int, int, int]], kept: list[int]) -> Generator[Mark]:
    """The places where a loop that is cut goes on with another role."""
    current: dict[int, Mark] = {}
    for position, loop, word in words:
        role, middle = Role(word & ((1 << _ROLE_BITS) - 1)), word >> _ROLE_BITS
        before = current.get(loop)
        if role == Role.END:
            if before is not None:
                yield replace(before, position=position, role=role)
            current.pop(loop, None)
        elif middle and (before is None or before.role != role):
            current[loop] = Mark(position, loop, role, kept[loop], middle)
            yield current[loop]


def _weights(count: int, marks: list[Mark]) -> NDArray[np.int64]:
    weights = np.ones(count, np.int64)
    factors: dict[int, int] = {}
    ends = [*(mark.position for mark in marks), count][1:]
    for mark, end in zip(marks, ends, strict=False):
        factors[mark.loop] = mark.middle // mark.kept if mark.role == Role.MIDDLE else 1
        weights[mark.position : end] = np.prod(list(factors.values()), dtype=np.int64)
    return weights
