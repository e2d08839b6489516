"""``trn-lower-streams``: from a tile program to streams of engines that wait for each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...diagnostics import Diagnostic
from ...dialects import trn
from ...hw.trainium.config import DEFAULT_CONFIG, load_config
from ...hw.trainium.timing.hoist import hoist_invariants
from ...hw.trainium.timing.tile_program import unroll_tiles
from .streams.choose_engines import chains_of, name_engines
from .streams.emission import Plan, emit_streams
from .streams.place_buffers import place_buffers
from .streams.synchronise import synchronise
from .streams.write_out_loops import bounds_of, write_out_irregular_loops
from .tensor_functions import lower_functions, replace_function


@dataclass(frozen=True)
class LowerStreamsPass(ModulePass):
    """Lower a tile program of Trainium to the ISA level: one stream for each engine.

    Buffers get places in SBUF and PSUM, those in loops up to ``copies`` of them, taken in turns.
    Each engine does its instructions in the order of the program; loads run ahead of them. The
    semaphores are those that the dependences between all executions need, and no others. Loops of
    constant bounds stay loops, others are written out. Guarantees that no semaphore can make the
    program wait forever, and that it does the same.
    """

    name = "trn-lower-streams"

    copies: int = 2
    config: str = DEFAULT_CONFIG

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.copies < 1:
            raise PassFailedException(f"{self.name}: copies must be at least 1")
        lower_functions(op, self._lower)

    def _lower(self, function: func.FuncOp) -> None:
        _require_tiles(function)
        config = load_config(self.config)
        write_out_irregular_loops(function)
        hoist_invariants(function)
        name_engines(function, config)
        placement = place_buffers(function, config, self.copies)
        try:
            tiles = unroll_tiles(function, config, placement.allocation)
        except Diagnostic as error:
            raise PassFailedException(str(error)) from error
        streams, done = chains_of(tiles.statements)
        chains = list(dict.fromkeys([*streams, *done]))
        trips = [_trips(op) for op in tiles.statements]
        numbers = [[chains.index(one) for one in every] for every in (streams, done)]
        synchronisation = synchronise(tiles, trips, chains, *numbers)
        plan = Plan(placement, tiles.statements, chains, numbers[1], synchronisation)
        replace_function(function, emit_streams(function, plan))

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """Two, three or four copies of the buffers in loops, for a tile program."""
        names = {op.name.split(".")[0] for op in module_op.walk()}
        streams = any(isinstance(op, trn.StreamOp) for op in module_op.walk())
        return tuple(cls(copies) for copies in (2, 3, 4)) if "trn" in names and not streams else ()


def _require_tiles(function: func.FuncOp) -> None:
    ops = list(function.walk())
    if any(isinstance(op, trn.StreamOp) for op in ops):
        raise PassFailedException("trn-lower-streams: the program has streams already")
    if not any(isinstance(op, trn.Instruction) for op in ops):
        raise PassFailedException("trn-lower-streams needs a tile program of Trainium")


def _trips(op: Operation) -> tuple[int, ...]:
    """The iterations of the loops around an operation, the outermost first."""
    found: list[int] = []
    parent = op.parent_op()
    while parent is not None:
        if isinstance(parent, scf.ForOp):
            bounds = bounds_of(parent)
            assert bounds is not None
            found.insert(0, bounds[2])
        parent = parent.parent_op()
    return tuple(found)
