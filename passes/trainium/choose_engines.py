"""Which engine runs each instruction of a tile program, and who starts each of its moves.

An instruction that names no engine first gets the usual one, as in the cycle model. Then the most
loaded engine hands instructions to others that can run them, as long as that makes the most loaded
one faster. Loads are started by the sync engine, which has nothing else to do, so that they run
ahead; stores by GpSimd if it computes nothing, else by the engine that computed what is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.dialects.builtin import FloatAttr
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from ...dialects import trn
from ...dialects.trn import Engine, Function, Operator, Space, is_float, view_of
from ...dialects.trn.dma import QUEUES
from ...hw.trainium.config import TrainiumConfig
from ...hw.trainium.timing.tile_program import engine_for
from ...hw.trainium.timing.views import root_of

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
    computing = {op.chosen_engine for op in statements if isinstance(op, trn.EngineInstruction)}
    streams: list[Chain] = []
    done: list[Chain] = []
    moves = 0
    writer: dict[SSAValue, Engine] = {}
    for op in statements:
        if isinstance(op, trn.EngineInstruction):
            engine, queue = op.chosen_engine, None
            writer |= {root_of(view)[0]: engine for view in op.written}
        else:
            assert isinstance(op, Move)
            engine, queue = _trigger(op, computing, writer), moves % QUEUES
            moves += 1
        streams.append(Chain(engine))
        done.append(Chain(engine, queue))
    return streams, done


def _trigger(op: Move, computing: set[Engine], writer: dict[SSAValue, Engine]) -> Engine:
    computed = writer.get(root_of(op.src)[0])
    if view_of(op.src).space.data != Space.SBUF or computed is None:
        return Engine.SP
    return computed if Engine.POOL in computing else Engine.POOL
