"""Validation by whichever engine decides: parametric first, at the real size where that is open."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp

from ..diagnostics import Diagnostic
from ..dialects.gemmini import GEMMINI, LoopConvWsOp, LoopWsOp
from ..hw.gemmini.config import GemminiConfig, load_config
from ..hw.stream import StreamError
from ..hw.trainium.config import TrainiumConfig
from .assumptions import ASSUMPTIONS
from .core.polyhedral import Unsupported, describe
from .explain import explain
from .extract.extraction import Level, level_of
from .extract.structured import single_function
from .hazards.final_fence import store_without_fence, with_final_fence
from .interface import interface_difference
from .streams import ORDER_ASSUMPTIONS, HazardError, without_streams
from .validate import PreparedSource, Validation, ValidationOptions, validate

if TYPE_CHECKING:
    from .hazards.streams import StreamHazard

_STREAM_SOLVER = "order of events"
LONG_PROGRAM = 200
"""Operations of the accelerator in a program's text from which on the second engine comes first."""


def decide(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    *,
    config: GemminiConfig | None = None,
    options: ValidationOptions | None = None,
    neuron: TrainiumConfig | None = None,
) -> Validation:
    """``validate``, for programs that may be streams of Trainium too, and with a second engine.

    Streams are checked for hazards, on the machine ``neuron`` (by default ``trainium1``), and put
    in order first: a hazard of the target refutes it. Where ``validate`` leaves ISA IR open, it is
    run symbolically.

    A verdict of the second engine says ``proved at size`` in its assumptions; so does one of the
    third, to which chains of floating-point products go first. Where neither of the first two
    decides, the reasons of both are given. A program that only lacks the fence at its end is
    refuted as such.
    """
    try:
        if isinstance(source, ModuleOp):
            source = without_streams(source, neuron)
    except (HazardError, Unsupported) as error:
        return _not_in_order(f"source: {error}")
    try:
        ordered = without_streams(target, neuron)
    except HazardError as error:
        return _refuted_by(error.hazard)
    except Unsupported as error:
        return _not_in_order(f"target: {error}")
    found = _decide(source, ordered, config, options)
    if ordered is target:
        return found
    return replace(found, assumptions=(*found.assumptions, *ORDER_ASSUMPTIONS))


def _refuted_by(hazard: StreamHazard) -> Validation:
    """The verdict on a program whose streams have a hazard; the reason names both instructions."""
    places = explain(hazard.command.op, hazard.other.op)
    return Validation(
        "refuted",
        (*ASSUMPTIONS, *ORDER_ASSUMPTIONS),
        0,
        _STREAM_SOLVER,
        0.0,
        0.0,
        reason=f"hazard: {hazard}",
        instruction=describe(hazard.command.op),
        explanation=places,
    )


def _not_in_order(reason: str) -> Validation:
    """The verdict where streams cannot be put in order."""
    return Validation("unknown", ASSUMPTIONS, 0, _STREAM_SOLVER, 0.0, 0.0, reason=reason)


def _decide(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    config: GemminiConfig | None,
    options: ValidationOptions | None,
) -> Validation:
    if not _is_instructions(target):
        return validate(source, target, config=config, options=options)
    store = store_without_fence(single_function(target).body.block)
    if store is None:
        return _by_either_engine(source, target, config, options)
    fenced = _by_either_engine(source, with_final_fence(target), config, options)
    if fenced.verdict != "proved":
        return fenced
    return replace(
        fenced,
        verdict="refuted",
        reason="hazard: no fence follows the last store, so the host may read too early; "
        "with a fence at its end the program is proved",
        instruction=describe(store),
        explanation=explain(store, None),
        certificate=None,
    )


def _by_either_engine(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    config: GemminiConfig | None,
    options: ValidationOptions | None,
) -> Validation:
    options = options or ValidationOptions()
    if _differs(source, target):
        return validate(source, target, config=config, options=options)
    chain = _as_chain(source, target, config, options)
    if chain is not None and chain.verdict != "unknown":
        return chain
    from .trace.api import validate_unrolled

    second: Validation | None = None
    if _is_long(target):
        second = validate_unrolled(source, target, config, options=options)
        if second.verdict != "unknown":
            return second
    first = validate(source, target, config=config, options=replace(options, only_certain=True))
    if first.verdict != "unknown":
        return first
    second = second or validate_unrolled(source, target, config, options=options)
    seconds = first.seconds + second.seconds
    if second.verdict != "unknown":
        return replace(second, seconds=seconds)
    if chain is None:
        chain = _as_chain(source, target, config, options, anyway=True)
        if chain is not None and chain.verdict == "proved":
            return replace(chain, seconds=seconds + chain.seconds)
    third = _without_hardware_loops(source, target, config, options)
    if third is not None and third.verdict == "proved":
        return replace(third, seconds=seconds + third.seconds)
    # Look for inputs that show a difference, with what the first engine knows about them.
    last = validate(source, target, config=config, options=options)
    seconds += last.seconds
    if last.verdict != "unknown":
        return replace(last, seconds=seconds)
    reason = f"{last.reason}; at size: {second.reason}"
    reason = reason if chain is None else f"{chain.reason}; {reason}"
    return replace(last, seconds=seconds, reason=reason)


def _without_hardware_loops(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    config: GemminiConfig | None,
    options: ValidationOptions,
) -> Validation | None:
    """The first engine's verdict on the instructions of hardware loops; None without any."""
    if not any(isinstance(op, LoopWsOp | LoopConvWsOp) for op in target.walk()):
        return None
    from .plain_commands import with_plain_commands

    machine = source.config if isinstance(source, PreparedSource) else config or load_config()
    try:
        plain = with_plain_commands(target, machine)
    except (Unsupported, Diagnostic, StreamError):
        return None
    found = validate(source, plain, config=config, options=replace(options, only_certain=True))
    # Its certificate is about another program than the target.
    return replace(found, certificate=None, target=None)


def _is_long(target: ModuleOp) -> bool:
    """Whether a program spells out so many instructions that executing it is faster."""
    found = (op for op in target.walk() if op.dialect_name() == GEMMINI.name)
    return len(tuple(islice(found, LONG_PROGRAM))) == LONG_PROGRAM


def _differs(source: ModuleOp | PreparedSource, target: ModuleOp) -> bool:
    """Whether the programs take different parameters, so that no engine can compare them."""
    module = source.module if isinstance(source, PreparedSource) else source
    try:
        return interface_difference(module, target) is not None
    except Unsupported:
        return False


def _as_chain(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    config: GemminiConfig | None,
    options: ValidationOptions,
    *,
    anyway: bool = False,
) -> Validation | None:
    """What the engine for chains of products says; None where the programs are not for it.

    ``anyway`` asks it about other sources too, such as sums of which the target adds negated terms.
    """
    machine = source.config if isinstance(source, PreparedSource) else config or load_config()
    if machine.is_integer:
        return None
    from .chains.prove import is_chain, validate_chain

    if not anyway and not is_chain(source, machine, options):
        return None
    return validate_chain(source, target, machine, options=options)


def _is_instructions(module: ModuleOp) -> bool:
    try:
        return level_of(module) is Level.ISA
    except Unsupported:
        return False
