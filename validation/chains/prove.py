"""Is a command stream a refinement of a chain of products in loop IR, at the size of both?"""

from __future__ import annotations

import time
from dataclasses import replace

from xdsl.dialects.builtin import ModuleOp

from ...diagnostics import Diagnostic
from ...hw.gemmini.config import GemminiConfig, load_config
from ...hw.stream import StreamError
from ..core.certificate import ChainCertificate
from ..core.checker import Violation
from ..core.polyhedral import Unsupported
from ..execution.common import ExecutionFault, TooExpensive
from ..execution.counterexample import find_counterexample
from ..extract.extraction import Level, level_of
from ..trace.specify import specify
from ..validate import (
    ASSUMPTIONS,
    PreparedSource,
    Validation,
    ValidationOptions,
    Verdict,
    explained,
    prepare,
)
from .comparison import SOLVER, Mismatch, compare_chain


def is_chain(
    source: ModuleOp | PreparedSource, config: GemminiConfig, options: ValidationOptions
) -> bool:
    """Whether ``source`` is loop IR that is more than one sum of products of its inputs."""
    try:
        if isinstance(source, ModuleOp):
            source = prepare(source, config, options)
        if level_of(source.module) is not Level.LOOPS:
            return False
    except (Unsupported, Violation):
        return False
    try:
        specify(source)
    except (Unsupported, Violation):
        return True
    return False


def validate_chain(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    config: GemminiConfig | None = None,
    *,
    options: ValidationOptions | None = None,
) -> Validation:
    """Prove that the commands of ``target`` compute what ``source``, loop IR, does.

    Both are executed over expressions of the inputs, so the proof holds for all contents of the
    arrays, at these sizes. A difference in normal form is refuted by inputs that show it; a hazard
    is without. Never raises: where the programs cannot be executed, or no inputs show that they
    differ, the verdict is ``unknown``.
    """
    start = time.perf_counter()
    options = options or ValidationOptions()
    try:
        if isinstance(source, ModuleOp):
            source = prepare(source, config or load_config(), options)
        found = _validate(source, target, options)
    except (Unsupported, Violation, Diagnostic, StreamError, ExecutionFault, TooExpensive) as error:
        found = _verdict("unknown", str(error))
    return replace(found, seconds=time.perf_counter() - start)


def _validate(source: PreparedSource, target: ModuleOp, options: ValidationOptions) -> Validation:
    try:
        compared = compare_chain(source.module, target, source.config)
    except Mismatch as mismatch:
        if mismatch.is_certain:
            found = _verdict("refuted", mismatch.reason)
        else:
            found = _refuted(source, target, mismatch.reason, options)
        return explained(found, source, mismatch.operation)
    obligations = source.obligations + compared.elements
    proved = _verdict("proved", "", compared.assumptions, obligations)
    return replace(proved, certificate=ChainCertificate(source.analysed.certificate))


def _refuted(
    source: PreparedSource, target: ModuleOp, difference: str, options: ValidationOptions
) -> Validation:
    """The verdict on programs that differ in normal form: run both to see it."""
    found = None
    if options.counterexamples:
        found = find_counterexample(source.module, target, source.config, seed=options.seed)
    verdict = _verdict("unknown" if found is None else "refuted", difference)
    return replace(verdict, counterexample=found)


def _verdict(
    verdict: Verdict, reason: str, assumptions: tuple[str, ...] = ASSUMPTIONS, obligations: int = 0
) -> Validation:
    return Validation(verdict, assumptions, obligations, SOLVER, 0.0, 0.0, reason=reason)
