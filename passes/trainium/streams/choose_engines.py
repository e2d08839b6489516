"""Which engine runs each instruction of a tile program, and who starts each of its moves.

An instruction that names no engine gets the one that the cycle model gives it at the tile level,
which leaves copies out of PSUM to the scalar engine. Loads are started by the sync engine, which
has nothing else to do, so that they run ahead; stores by GpSimd if it computes nothing, else by the
engine that computed what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from xdsl.dialects import func
from xdsl.dialects.builtin import FloatAttr
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from ....dialects import trn
from ....dialects.trn import Engine, Function, Operator, Space, is_float, view_of
from ....dialects.trn.dma import QUEUES
from ....hw.trainium.config import TrainiumConfig
from ....hw.trainium.timing.tile_program import engine_for
from ....hw.trainium.timing.views import root_of

Move = trn.DmaCopyOp | trn.DmaTransposeOp


@dataclass(frozen=True)
class Chain:
    """Instructions that are done in order: those of a stream, or the moves it puts in a queue."""

    engine: Engine
    queue: int | None = None


def name_engines(function: func.FuncOp, config: TrainiumConfig) -> None:
    """Give each instruction its engine, and the form in which that engine runs it."""
    for op in list(function.walk()):
        if isinstance(op, trn.EngineInstruction):
            engine = engine_for(op)
            if engine == Engine.ACT and config.version < 3:
                engine = _as_activation(op)
            elif not _accepts(op, engine):
                engine = op.chosen_engine
            if op.parent is not None and not isinstance(op, trn.ActivationOp):
                op.engine = trn.EngineAttr(engine)


def _accepts(op: trn.EngineInstruction, engine: Engine) -> bool:
    """Whether the operand rules allow an engine."""
    if engine not in op.ENGINES:
        return False
    before, op.engine = op.engine, trn.EngineAttr(engine)
    try:
        op.verify_()
    except VerifyException:
        return False
    finally:
        op.engine = before
    return True


def _as_activation(op: trn.EngineInstruction) -> Engine:
    """Replace a copy or a product with a scalar by an activation, as v2 needs it on ACT.

    Returns the engine of what then stands there: another one where there is no such activation.
    """
    if isinstance(op, trn.ActivationOp):
        return Engine.ACT
    made = _activation(op)
    if made is None:
        return op.usual_engine
    Rewriter().replace_op(op, made)
    return Engine.ACT


def _activation(op: trn.EngineInstruction) -> trn.ActivationOp | None:
    if not all(is_float(view_of(view).element_type) for view in op.views):
        return None
    if isinstance(op, trn.TensorCopyOp):
        return trn.ActivationOp(Function.COPY, op.src, op.dst)
    if not isinstance(op, trn.TensorScalarOp) or op.op1 is not None or op.reverse0 is not None:
        return None
    scale: SSAValue | float | None = op.scalar0
    if scale is None and isinstance(op.immediate0, FloatAttr):
        scale = op.immediate0.value.data
    if op.op0.data == Operator.MULTIPLY and scale is not None:
        return trn.ActivationOp(Function.COPY, op.data, op.dst, scale=scale)
    if op.op0.data == Operator.ADD and isinstance(scale, SSAValue):
        return trn.ActivationOp(Function.COPY, op.data, op.dst, bias=scale)
    return None


def chains_of(
    statements: Sequence[trn.Instruction],
) -> tuple[list[Chain], list[Chain]]:
    """For each statement the stream that issues it, and the chain in which it is done."""
    engines = _issuing(statements)
    moves = [isinstance(op, Move) for op in statements]
    turns = _queues([engine for engine, is_move in zip(engines, moves, strict=True) if is_move])
    done: list[Chain] = []
    for engine, is_move in zip(engines, moves, strict=True):
        done.append(Chain(engine, next(turns[engine]) if is_move else None))
    return [Chain(engine) for engine in engines], done


def _issuing(statements: Sequence[trn.Instruction]) -> list[Engine]:
    computing = {op.chosen_engine for op in statements if isinstance(op, trn.EngineInstruction)}
    writer: dict[SSAValue, Engine] = {}
    engines: list[Engine] = []
    for op in statements:
        if isinstance(op, trn.EngineInstruction):
            engines.append(op.chosen_engine)
            writer |= {root_of(view)[0]: op.chosen_engine for view in op.written}
        else:
            assert isinstance(op, Move)
            engines.append(_trigger(op, computing, writer))
    return engines


def _queues(starters: Sequence[Engine]) -> dict[Engine, Iterator[int]]:
    """The queues that each engine uses in turns, no two engines the same.

    One queue for each statement if there are enough, else as its share of the statements is.
    """
    engines = list(dict.fromkeys(starters))
    turns: dict[Engine, Iterator[int]] = {}
    first, left = 0, len(starters)
    for number, engine in enumerate(engines):
        own, later = starters.count(engine), len(engines) - number - 1
        free = QUEUES - first - later
        share = min(free, own if left <= QUEUES - first else max(1, free * own // left))
        turns[engine] = cycle(range(first, first + share))
        first, left = first + share, left - own
    return turns


def _trigger(op: Move, computing: set[Engine], writer: dict[SSAValue, Engine]) -> Engine:
    computed = writer.get(root_of(op.src)[0])
    if view_of(op.src).space.data != Space.SBUF or computed is None:
        return Engine.SP
    return computed if Engine.POOL in computing else Engine.POOL
