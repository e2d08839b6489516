"""Validation of Trainium's ISA level: first the order of its streams, then their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.transforms.dead_code_elimination import dce

from ..dialects import trn
from ..hw.trainium.config import TrainiumConfig, load_config

if TYPE_CHECKING:
    from .hazards.streams import StreamHazard

ORDER_ASSUMPTIONS = (
    "an engine starts an instruction when those before it in its stream are done, and a DMA queue"
    " carries out its moves in order",
)


class HazardError(Exception):
    """The results of a program depend on the speed of its engines, or it never ends."""

    def __init__(self, hazard: StreamHazard) -> None:
        super().__init__(str(hazard))
        self.hazard = hazard


def has_streams(module: ModuleOp) -> bool:
    """Whether a module is at Trainium's ISA level."""
    return _streams_in(module)


def _streams_in(op: Operation) -> bool:
    return any(isinstance(inner, trn.StreamOp) for inner in op.walk())


def without_streams(module: ModuleOp, config: TrainiumConfig | None = None) -> ModuleOp:
    """The tile program that does what the streams of a module do; other modules as they are.

    Raises ``HazardError`` if the streams have a hazard, ``Unsupported`` if they cannot be put in
    order, ``Diagnostic`` if they break a rule of the machine (``trainium1`` by default).
    """
    if not has_streams(module):
        return module
    ordered = ModuleOp([], dict(module.attributes))
    for op in module.body.block.ops:
        ordered.body.block.add_op(_sequential(op, config or load_config()))
    dce(ordered)
    ordered.verify()
    return ordered


def _sequential(function: Operation, config: TrainiumConfig) -> Operation:
    if not isinstance(function, func.FuncOp) or not _streams_in(function):
        return function.clone()
    # Few programs have streams; what reads them brings the simulator.
    from .hazards.sequential import sequential
    from .hazards.streams import StreamHazard, examine_streams

    found = examine_streams(function, config)
    if isinstance(found, StreamHazard):
        raise HazardError(found)
    return sequential(function, found.program, found.order)
