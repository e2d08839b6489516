"""Prove two extracted programs equal: the oracle proposes, the checker decides."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import islpy as isl

from .core.certificate import (
    Certificate,
    FlowCertificate,
    ProofCertificate,
    Source,
    SumCertificate,
    SumQuestion,
)
from .core.checker import Checker, Violation
from .core.condition import TRUE, Condition, all_of
from .core.identity import same_program
from .core.matching import DecideShapes, Matcher
from .core.polyhedral import Program, Statement, Unsupported
from .core.smt import Solver
from .core.sum_ranges import refined
from .core.values import Side
from .hazards.dram_order import check_dram_order
from .hazards.row_order import check_row_order, orders_presumed
from .lemmas.equality import equal_for_all
from .oracle.dataflow import Confirm, Dataflow
from .oracle.oracle_limit import check_oracle_limit
from .oracle.pairing import SummandMaps
from .oracle.proposal import Proposer
from .preconditions import defined_sizes
from .query_log import begin_part, without_log


@dataclass
class Analysed:
    """A program with its checked certificate."""

    program: Program
    flow: Dataflow
    certificate: FlowCertificate
    summands: SummandMaps
    precondition: Condition = TRUE
    """Sizes for which the program stays within its arrays."""


@dataclass
class Run:
    """One validation in progress."""

    solver: Solver
    start: float = field(default_factory=time.perf_counter)
    proposer: Proposer | None = None
    target: Analysed | None = None
    certificate: Certificate | None = None
    """What the oracle claimed, once everything is proved."""


def analyse_source(program: Program, solver: Solver) -> Analysed:
    """``analyse`` for the sizes for which the program is defined."""
    precondition = defined_sizes(program)
    program.context = all_of([program.context, precondition])
    return replace(analyse(program, solver), precondition=precondition)


def analyse(program: Program, solver: Solver) -> Analysed:
    """Ask the oracle for a certificate and check it."""
    try:
        flow = Dataflow(program, confirm_by(program, solver.resource_limit))
        certificate = flow.certificate()
    except isl.Error as error:
        check_oracle_limit(error)
        raise Unsupported(f"the dataflow oracle fails: {error}") from error
    Checker(program, certificate, solver).run()
    check_dram_order(program, solver)
    check_row_order(program, solver)
    return Analysed(program, flow, certificate, SummandMaps(flow, certificate))


GUESS_LIMIT = 2_000_000
"""Z3 resource units for one query about a guess; a harder one is left to isl."""


def confirm_by(program: Program, resource_limit: int) -> Confirm:
    """Proofs of guesses; the obligations come again, and then Z3 need not decide them again."""
    solver = Solver(resource_limit=min(resource_limit, GUESS_LIMIT))

    def confirm(reader: Statement, number: int, sources: Sequence[Source]) -> bool:
        claimed = FlowCertificate({(reader.name, number): tuple(sources)})
        try:
            with without_log():
                Checker(program, claimed, solver).check_read(reader, number)
        except Violation:
            return False
        return True

    return confirm


def prove(
    source: Analysed, target: Program, run: Run, equal: DecideShapes = equal_for_all
) -> tuple[str, ...]:
    """Discharge all obligations; returns what was assumed, or raises ``Violation``.

    ``equal`` decides which values count as the same.
    """
    if target.outputs.keys() != source.program.outputs.keys():
        raise Unsupported("the programs do not write the same parameters")
    # Integer parameters are the same symbols in both programs.
    target.context = all_of([target.context, source.precondition])
    if same_program(source.program, target):
        check_row_order(target, run.solver)
        run.target = source
        run.certificate = ProofCertificate(
            source.certificate, FlowCertificate(), {}, source.precondition
        )
        return tuple(orders_presumed([source.program, target]))
    begin_part("target")
    analysed = replace(analyse(target, run.solver), precondition=source.precondition)
    run.target = analysed
    begin_part("equality")

    proposer = Proposer(source.summands, analysed.summands)
    run.proposer = proposer
    sums: dict[SumQuestion, SumCertificate] = {}

    def propose(question: SumQuestion) -> SumCertificate:
        try:
            claimed = proposer.certificate(question)
        except isl.Error as error:
            check_oracle_limit(error)
            # The oracle may fail; then it claims nothing, and nothing is proved.
            claimed = SumCertificate((), ())
        sums[question] = claimed
        return claimed

    left = Side(source.program, source.certificate)
    right = Side(target, analysed.certificate)
    source.summands.refine = lambda shape: refined(left, shape, run.solver)
    analysed.summands.refine = lambda shape: refined(right, shape, run.solver)
    matcher = Matcher(
        left,
        right,
        run.solver,
        propose,
        equal,
    )
    for position in source.program.outputs:
        matcher.output(position)
    run.certificate = ProofCertificate(
        source.certificate, analysed.certificate, sums, source.precondition
    )
    return (*matcher.assumptions, *orders_presumed([source.program, target]))
