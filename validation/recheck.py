"""Check a proof from its certificate: Z3 and the semantics, without the oracle (trusted core).

The modules of the oracle (``dataflow``, ``pairing``, ``proposal`` and what they import) and isl are
not loaded here.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from ..hw.gemmini.config import GemminiConfig
from .assumptions import ASSUMPTIONS, assumptions_of, precondition_of
from .core.certificate import ProofCertificate, SumCertificate, SumQuestion
from .core.checker import Checker, Violation
from .core.condition import all_of
from .core.identity import same_program
from .core.matching import Matcher
from .core.polyhedral import Unsupported
from .core.smt import Solver
from .core.values import Side
from .extract.extraction import extract
from .hazards.dram_order import check_dram_order
from .lemmas.equality import equal_for_all
from .limits import ValidationOptions
from .query_log import begin_part


@dataclass(frozen=True)
class Rechecked:
    """What a certificate proves."""

    assumptions: tuple[str, ...]
    obligations: int
    solver_seconds: float


def check_certificate(
    source: ModuleOp,
    target: ModuleOp,
    certificate: ProofCertificate,
    config: GemminiConfig,
    options: ValidationOptions | None = None,
) -> Rechecked:
    """Prove ``target`` equal to ``source`` with the claims of a certificate.

    Raises ``Violation`` if a claim does not hold or does not fit the programs, and ``Unsupported``
    for programs outside the quasi-affine class.
    """
    solver = (options or ValidationOptions()).solver()
    try:
        assumed = _check(source, target, certificate, config, solver)
    except (KeyError, ValueError) as error:
        # Claims about statements or counters that these programs do not have.
        raise Violation(f"the certificate fits the programs ({error})", None) from error
    assumptions = (
        *ASSUMPTIONS,
        *assumed,
        *assumptions_of(source, target),
        *precondition_of(certificate.precondition, source),
    )
    return Rechecked(assumptions, solver.queries, solver.seconds)


def _check(
    source: ModuleOp,
    target: ModuleOp,
    certificate: ProofCertificate,
    config: GemminiConfig,
    solver: Solver,
) -> list[str]:
    # The source's requirements are proved under it, and that some sizes meet it.
    limits = certificate.precondition
    programs = [extract(module, config) for module in (source, target)]
    for program in programs:
        program.context = all_of([program.context, limits])
    same = same_program(*programs)
    sides: list[Side] = []
    flows = (("source", certificate.source), ("target", certificate.target))
    for (part, flow), program in zip(flows, programs, strict=True):
        if same and sides:
            return []
        begin_part(part)
        Checker(program, flow, solver).run()
        check_dram_order(program, solver)
        sides.append(Side(program, flow))
    begin_part("equality")
    left, right = sides
    if left.program.outputs.keys() != right.program.outputs.keys():
        raise Unsupported("the programs do not write the same parameters")

    def claimed(question: SumQuestion) -> SumCertificate:
        return certificate.sums[question]

    matcher = Matcher(left, right, solver, claimed, equal_for_all)
    for position in left.program.outputs:
        matcher.output(position)
    return matcher.assumptions
