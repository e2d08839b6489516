"""Validation by whichever engine decides: parametric first, at the real size where that is open."""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects.builtin import ModuleOp

from ..hw.gemmini.config import GemminiConfig
from .extraction import Level, level_of
from .polyhedral import Unsupported
from .validate import PreparedSource, Validation, ValidationOptions, validate


def decide(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    *,
    config: GemminiConfig | None = None,
    options: ValidationOptions | None = None,
) -> Validation:
    """``validate``; where its verdict is ``unknown`` and the target is ISA IR, run it symbolically.

    A verdict of the second engine says ``proved at size`` in its assumptions. Where neither engine
    decides, the reasons of both are given.
    """
    first = validate(source, target, config=config, options=options)
    if first.verdict != "unknown" or not _is_instructions(target):
        return first
    from .trace import validate_unrolled

    second = validate_unrolled(source, target, config, options=options)
    seconds = first.seconds + second.seconds
    if second.verdict != "unknown":
        return replace(second, seconds=seconds)
    return replace(first, seconds=seconds, reason=f"{first.reason}; at size: {second.reason}")


def _is_instructions(module: ModuleOp) -> bool:
    try:
        return level_of(module) is Level.ISA
    except Unsupported:
        return False
