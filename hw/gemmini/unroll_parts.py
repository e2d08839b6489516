"""A long program's commands part by part, in memory that does not depend on its length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from xdsl.dialects import func, scf
from xdsl.ir import Block

from .. import core
from ..lanes import Scope
from ..stream import CommandStream
from .config import GemminiConfig
from .memory import MemoryLayout
from .sampling import count_commands, trip_counts
from .unroll import MAX_COMMANDS, Trace, Walk, new_walk, stream_of

PART = 1 << 17
"""Commands of a part, about: enough that what is done once for each part does not count."""


def unroll_in_parts(
    function: func.FuncOp, config: GemminiConfig, layout: MemoryLayout, size: int = PART
) -> Iterator[CommandStream]:
    """The commands of ``unroll``, in parts of about ``size`` as far as loops can be cut.

    Loops that carry values are not. Raises what ``unroll`` raises, when it comes to it.
    """
    trips = trip_counts(function, config, layout)
    issued = {loop: count_commands(loop.body.block, trips) for loop in trips}
    make = partial(_WalkInParts, issued=issued, size=size)
    walk = new_walk(function, config, layout, MAX_COMMANDS, make)
    found: list[CommandStream] = []
    waited = 0
    for trace in walk.parts(function.body.block, Scope(1)):
        stream, waited = stream_of(trace, MAX_COMMANDS, waited)
        found.append(stream)
        if sum(map(len, found)) >= size:
            yield CommandStream.joined(found)
            found = []
    yield CommandStream.joined(found)


class _WalkInParts(Walk):
    """Runs long loops some iterations at a time."""

    def __init__(self, *arguments: Any, issued: dict[scf.ForOp, int], size: int) -> None:
        super().__init__(*arguments)
        self.issued = issued
        """Commands of one iteration of each loop, at most."""
        self.size = size

    def parts(self, block: Block, scope: Scope) -> Iterator[Trace]:
        """What a block does in a scope of one lane."""
        trace = Trace(scope)
        for op in block.ops:
            if isinstance(op, scf.ForOp) and self._is_long(op, scope):
                yield trace
                yield from self._loop_parts(op, scope)
                trace = Trace(scope)
            else:
                self.operation(op, trace)
        yield trace

    def _is_long(self, op: scf.ForOp, scope: Scope) -> bool:
        return not op.iter_args and int(self.runs(op, scope)[0]) * self.issued[op] > self.size

    def _loop_parts(self, op: scf.ForOp, scope: Scope) -> Iterator[Trace]:
        trips = int(self.runs(op, scope)[0])
        yield _spent(scope, core.LOOP_ENTRY)
        step = max(1, self.size // self.issued[op])
        for first in range(0, trips, step):
            numbers = np.arange(first, min(first + step, trips))
            body = scope.child(np.array([len(numbers)]), loops=True)
            self.count_up(op, body, numbers)
            if self.issued[op] > self.size:
                yield from self.parts(op.body.block, body)
                yield _spent(body, core.LOOP_ITERATION)
                continue
            inner, outer = Trace(body), Trace(scope)
            self.block(op.body.block, inner)
            inner.spend(core.LOOP_ITERATION)
            outer.nest(inner)
            yield outer


def _spent(scope: Scope, cycles: int) -> Trace:
    trace = Trace(scope)
    trace.spend(cycles)
    return trace
