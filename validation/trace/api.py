"""Is a command stream a refinement of a source program, at the size of the stream?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ...diagnostics import Diagnostic
from ...hw.gemmini.commands import instructions
from ...hw.gemmini.config import GemminiConfig, load_config
from ...hw.gemmini.functional import expanded
from ...hw.gemmini.isa import Funct
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.unroll import stream_of_module
from ...hw.stream import FENCE, CommandStream, StreamError
from ..core.certificate import SizeCertificate
from ..core.checker import Violation
from ..core.polyhedral import Unsupported
from ..execution.counterexample import Counterexample, find_counterexample
from ..extract.structured import single_function
from ..validate import (
    ASSUMPTIONS,
    PreparedSource,
    Validation,
    ValidationOptions,
    Verdict,
    explained,
    prepare,
)
from .finding import Finding
from .parameters import SOLVER, assumptions_at, require_same_parameters
from .prove import Proof
from .replay import replay
from .specify import specify
from .state import OutOfRange


def validate_stream(
    source: ModuleOp | PreparedSource,
    stream: CommandStream,
    layout: MemoryLayout,
    config: GemminiConfig | None = None,
    *,
    hazards: bool = True,
    options: ValidationOptions | None = None,
    operations: Sequence[Operation] = (),
) -> Validation:
    """Prove that ``stream``, on arrays placed as ``layout`` says, computes what ``source`` does.

    The arrays of the layout are the source's parameters, in order. Every command is executed over
    symbolic values, so the proof holds for all contents of the arrays, at these sizes. With
    ``hazards``, the stream must not need any ordering that Gemmini does not give; a hazard refutes
    it without a counterexample, for the functional simulator runs commands in order. ``operations``
    are those that the commands' ``origin`` numbers; a refutation names the one that it is about.
    Never raises for a stream that cannot be validated: the verdict is then ``unknown``, ``reason``
    says why.
    """
    start = time.perf_counter()
    options = options or ValidationOptions()
    try:
        if isinstance(source, ModuleOp):
            source = prepare(source, config or load_config(), options)
        specification = specify(source)
        require_same_parameters(source.module, layout)
    except (Unsupported, Violation) as error:
        return _verdict("unknown", f"source: {error}", start)
    try:
        plain, index_of = expanded(stream, source.config)
    except StreamError as error:
        return _verdict("unknown", f"stream: {error}", start, source)
    try:
        proof = Proof(specification, plain, layout, source.config)
        proof.run(hazards=hazards)
    except (Unsupported, OutOfRange) as error:
        return _verdict("unknown", f"stream: {error}", start, source)
    except Finding as finding:
        command = int(index_of[finding.command]) if finding.command >= 0 else -1
        judged = _judge(source, stream, layout, finding, command, start, options)
        return explained(judged, source, _operation(stream, operations, command))
    obligations = source.obligations + specification.obligations + proof.lemmas
    assumed = (*assumptions_at(source.module, layout, source.config), *proof.assumptions)
    proved = _verdict("proved", "", start, source, assumed, obligations)
    if not hazards:
        return proved
    claims = SizeCertificate(source.analysed.certificate, specification.claims)
    return replace(proved, certificate=claims)


def validate_unrolled(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    config: GemminiConfig | None = None,
    *,
    hazards: bool = True,
    options: ValidationOptions | None = None,
) -> Validation:
    """``validate_stream`` of the commands of an ISA IR module."""
    start = time.perf_counter()
    config = source.config if isinstance(source, PreparedSource) else config or load_config()
    try:
        stream, layout = stream_of_module(target, config)
    except (Diagnostic, StreamError) as error:
        return _not_unrolled(source, target, config, f"target: {error}", start, options)
    operations = instructions(single_function(target))
    return validate_stream(
        source, stream, layout, config, hazards=hazards, options=options, operations=operations
    )


def _not_unrolled(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    config: GemminiConfig,
    reason: str,
    start: float,
    options: ValidationOptions | None,
) -> Validation:
    """No commands: refuted if executing the target is a fault where the source has a meaning."""
    options = options or ValidationOptions()
    module = source.module if isinstance(source, PreparedSource) else source
    found: Counterexample | None = None
    if options.counterexamples:
        try:
            found = find_counterexample(module, target, config, seed=options.seed)
        except Unsupported as error:
            reason += f"; no replay: {error}"
    return _verdict("refuted" if found is not None else "unknown", reason, start, found=found)


def _judge(
    source: PreparedSource,
    stream: CommandStream,
    layout: MemoryLayout,
    finding: Finding,
    command: int,
    start: float,
    options: ValidationOptions,
) -> Validation:
    """A finding becomes a refutation if it is certain or if a run of both programs shows it."""
    found: Counterexample | None = None
    reason = finding.reason
    if command >= 0:
        reason = f"command {command}: {reason}"
    if finding.clue is not None and options.counterexamples:
        try:
            found = replay(source, stream, layout, finding.clue, options.seed)
        except Unsupported as error:
            reason += f"; no replay: {error}"
    verdict: Verdict = "refuted" if finding.is_certain or found is not None else "unknown"
    if verdict == "unknown" and finding.is_suspicion and options.counterexamples:
        reason = f"internal: refutation did not replay: {reason}"
    return _verdict(
        verdict, reason, start, source, found=found, instruction=_describe(stream, command)
    )


def _operation(
    stream: CommandStream, operations: Sequence[Operation], command: int
) -> Operation | None:
    """The operation that a command comes from."""
    number = int(stream.origin[command]) if 0 <= command < len(stream) else -1
    return operations[number] if 0 <= number < len(operations) else None


def _describe(stream: CommandStream, command: int) -> str:
    """The command as a line of a ``.rocc`` file, with its name."""
    if not 0 <= command < len(stream):
        return ""
    funct = int(stream.funct[command])
    name = "FENCE" if funct == FENCE else Funct(funct).name if funct in set(Funct) else "?"
    return f"{name} {int(stream.rs1[command]):#x} {int(stream.rs2[command]):#x}"


def _verdict(
    verdict: Verdict,
    reason: str,
    start: float,
    source: PreparedSource | None = None,
    assumptions: tuple[str, ...] = ASSUMPTIONS,
    obligations: int | None = None,
    *,
    found: Counterexample | None = None,
    instruction: str = "",
) -> Validation:
    asked = source.obligations if source is not None else 0
    return Validation(
        verdict,
        assumptions,
        asked if obligations is None else obligations,
        SOLVER,
        time.perf_counter() - start,
        source.solver_seconds if source is not None else 0.0,
        found,
        reason,
        instruction,
    )
