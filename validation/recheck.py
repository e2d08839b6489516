"""Check a proof from its certificate: Z3 and the semantics, without the oracle (trusted core).

The modules of the oracle (``dataflow``, ``pairing``, ``proposal`` and what they import) and isl are
not loaded here. Where a proof is at the sizes of instructions, these are executed again: what they
do is semantics, and needs no claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xdsl.dialects.builtin import ModuleOp

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import GemminiConfig
from ..hw.gemmini.functional import expanded
from ..hw.gemmini.memory import MemoryLayout
from ..hw.gemmini.unroll import stream_of_module
from ..hw.stream import CommandStream, StreamError
from .assumptions import ASSUMPTIONS, assumptions_of, precondition_of
from .core.certificate import (
    Certificate,
    ChainCertificate,
    FlowCertificate,
    InductionCertificate,
    ProofCertificate,
    SizeCertificate,
    SumCertificate,
    SumQuestion,
)
from .core.checker import Checker, Violation
from .core.condition import all_of
from .core.identity import same_program
from .core.matching import Matcher
from .core.polyhedral import Program, Unsupported
from .core.smt import Solver
from .core.values import Side
from .execution.common import ExecutionFault, TooExpensive
from .extract.extraction import extract
from .hazards.dram_order import check_dram_order
from .hazards.row_order import check_row_order, orders_presumed
from .interface import interface_difference
from .left_out_sizes import require_all_defined_sizes
from .lemmas.equality import equal_for_all
from .limits import ValidationOptions
from .query_log import begin_part
from .recurrences import cut, steps_of_source, steps_of_target, with_running_sums


@dataclass(frozen=True)
class Rechecked:
    """What a certificate proves."""

    assumptions: tuple[str, ...]
    obligations: int
    solver_seconds: float
    solver: str = "z3"


def check_certificate(
    source: ModuleOp,
    target: ModuleOp,
    certificate: Certificate,
    config: GemminiConfig,
    options: ValidationOptions | None = None,
) -> Rechecked:
    """Prove ``target`` equal to ``source`` with the claims of a certificate.

    Raises ``Violation`` if a claim does not hold or does not fit the programs, and ``Unsupported``
    for programs outside the quasi-affine class.
    """
    difference = interface_difference(source, target)
    if difference is not None:
        raise Unsupported(f"the programs cannot be compared: {difference}")
    if isinstance(certificate, SizeCertificate):
        try:
            stream, layout = stream_of_module(target, config)
        except (Diagnostic, StreamError) as error:
            raise Unsupported(f"target: {error}") from error
        return check_stream(source, stream, layout, certificate, config, options)
    try:
        solver = (options or ValidationOptions()).solver()
        if isinstance(certificate, ChainCertificate):
            return _check_chain(source, target, certificate, config, solver)
        return _check(source, target, certificate, config, solver)
    except (KeyError, ValueError) as error:
        raise _misfit(error) from error


def _check(
    source: ModuleOp,
    target: ModuleOp,
    certificate: ProofCertificate | InductionCertificate,
    config: GemminiConfig,
    solver: Solver,
) -> Rechecked:
    by_induction = isinstance(certificate, InductionCertificate)
    proof = certificate.cut if by_induction else certificate
    # The source's requirements are proved under it, and that some sizes meet it.
    limits = proof.precondition
    programs = [extract(module, config) for module in (source, target)]
    unlimited = replace(programs[0])
    for program in programs:
        program.context = all_of([program.context, limits])
    if by_induction:
        programs = _cut(source, programs, certificate, solver)
    assumed = _equal(programs, proof, solver)
    require_all_defined_sizes(unlimited, limits, solver)
    assumptions = (
        *ASSUMPTIONS,
        *assumed,
        *assumptions_of(source, target),
        *precondition_of(limits, source),
    )
    return Rechecked(assumptions, solver.queries, solver.seconds)


def _cut(
    module: ModuleOp,
    programs: Sequence[Program],
    certificate: InductionCertificate,
    solver: Solver,
) -> list[Program]:
    """The programs cut into the claimed steps, each checked as it was before."""
    source, target = with_running_sums(module, programs[0]), programs[1]
    source.context = programs[0].context
    begin_part("source")
    _checked(source, certificate.source, solver)
    begin_part("target")
    _checked(target, certificate.target, solver)
    mine = steps_of_source(source, certificate.source)
    theirs = steps_of_target(mine, target, certificate.steps)
    return [cut(source, certificate.source, mine), cut(target, certificate.target, theirs)]


def _checked(program: Program, flow: FlowCertificate, solver: Solver) -> Side:
    Checker(program, flow, solver).run()
    check_dram_order(program, solver)
    check_row_order(program, solver)
    return Side(program, flow)


def _equal(programs: Sequence[Program], certificate: ProofCertificate, solver: Solver) -> list[str]:
    """Prove all outputs equal; what is assumed for it."""
    begin_part("source")
    left = _checked(programs[0], certificate.source, solver)
    if same_program(programs[0], programs[1]):
        check_row_order(programs[1], solver)
        return orders_presumed(programs)
    begin_part("target")
    right = _checked(programs[1], certificate.target, solver)
    begin_part("equality")
    if left.program.outputs.keys() != right.program.outputs.keys():
        raise Unsupported("the programs do not write the same parameters")

    def claimed(question: SumQuestion) -> SumCertificate:
        return certificate.sums[question]

    matcher = Matcher(left, right, solver, claimed, equal_for_all)
    for position in left.program.outputs:
        matcher.output(position)
    return [*matcher.assumptions, *orders_presumed(programs)]


def _check_chain(
    source: ModuleOp,
    target: ModuleOp,
    certificate: ChainCertificate,
    config: GemminiConfig,
    solver: Solver,
) -> Rechecked:
    from .chains.comparison import SOLVER, Mismatch, compare_chain

    begin_part("source")
    _checked(extract(source, config), certificate.source, solver)
    try:
        compared = compare_chain(source, target, config)
    except Mismatch as mismatch:
        raise Violation(mismatch.reason, None) from mismatch
    except (Diagnostic, StreamError, ExecutionFault, TooExpensive) as error:
        raise Unsupported(f"target: {error}") from error
    obligations = solver.queries + compared.elements
    return Rechecked(compared.assumptions, obligations, solver.seconds, SOLVER)


def check_stream(
    source: ModuleOp,
    stream: CommandStream,
    layout: MemoryLayout,
    certificate: SizeCertificate,
    config: GemminiConfig,
    options: ValidationOptions | None = None,
) -> Rechecked:
    """``check_certificate`` of a command stream, as ``trace.api.validate_stream`` proves it."""
    # Most certificates need none of this, which compiles code when it is imported.
    from .trace.finding import Finding
    from .trace.parameters import SOLVER, assumptions_at, require_same_parameters
    from .trace.prove import Proof
    from .trace.specification import specification_of
    from .trace.state import OutOfRange

    solver = (options or ValidationOptions()).solver()
    try:
        require_same_parameters(source, layout)
        begin_part("source")
        side = _checked(extract(source, config), certificate.source, solver)
        specification = specification_of(side, certificate.outputs, solver)
        begin_part("equality")
        plain, _ = expanded(stream, config)
        proof = Proof(specification, plain, layout, config)
        proof.run(hazards=True)
    except (KeyError, ValueError) as error:
        raise _misfit(error) from error
    except Finding as finding:
        raise Violation(finding.reason, None) from finding
    except (StreamError, OutOfRange) as error:
        raise Unsupported(f"target: {error}") from error
    assumed = (*assumptions_at(source, layout, config), *proof.assumptions)
    return Rechecked(assumed, solver.queries + proof.lemmas, solver.seconds, SOLVER)


def _misfit(error: KeyError | ValueError) -> Violation:
    """Claims about statements or counters that these programs do not have."""
    return Violation(f"the certificate fits the programs ({error})", None)
