"""Is a target program a refinement of a source program? The public entry of validation.

``proved``: for every content of the arrays, if the source has no undefined behaviour, neither has
the target, and every element of every output ends with the same value. Any of the two may be loop,
tensor, tile or ISA IR.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ..hw.gemmini.config import GemminiConfig, load_config
from .assumptions import ASSUMPTIONS, assumptions_of, precondition_of
from .core.certificate import Certificate
from .core.checker import Violation
from .core.polyhedral import Unsupported, describe
from .core.terms import Term
from .core.values import slot_kind
from .engine import Analysed, Run, analyse, analyse_source, prove
from .execution.arithmetic import UnknownOperation
from .execution.counterexample import Counterexample, find_counterexample
from .execution.suspect_inputs import Summand, Suspicion, sums_floats
from .explain import Explanation, explain, last_writer
from .extract.extraction import extract, extract_without_offsets
from .extract.from_loops import symbol_name
from .generalize import generalizations
from .induction import prove_by_induction
from .interface import interface_difference
from .lemmas.inverses import INVERSES, computes_inverses, equal_with_inverses
from .limits import ValidationOptions
from .oracle.oracle_limit import OracleLimitError, limited_oracle
from .query_log import begin_part

Verdict = Literal["proved", "refuted", "unknown"]

ONE_SIZE = "proved for the sizes in the program only"


@dataclass(frozen=True)
class Validation:
    """The verdict on one pair of programs, and what it rests on."""

    verdict: Verdict
    assumptions: tuple[str, ...]
    obligations: int
    """Proof obligations that Z3 was asked."""
    solver: str
    seconds: float
    solver_seconds: float
    counterexample: Counterexample | None = None
    reason: str = ""
    """Why the verdict is not ``proved``: the obligation or the construct."""
    instruction: str = ""
    """The operation to which the failed obligation belongs."""
    explanation: Explanation = field(default_factory=Explanation)
    """The operations that a refutation is about."""
    certificate: Certificate | None = field(default=None, compare=False, repr=False)
    """What the oracle claimed, for a proof that can be checked again (see ``recheck``)."""
    target: PreparedSource | None = field(default=None, compare=False, repr=False)
    """The target of a proof by the first engine, ready to be the source of the next one."""


@dataclass
class PreparedSource:
    """A source program, analysed and checked once for many targets."""

    module: ModuleOp
    config: GemminiConfig
    analysed: Analysed
    obligations: int
    solver_seconds: float
    derived: dict[str, object] = field(default_factory=dict[str, object], repr=False)
    """What the second engine derives from the analysis, kept for the next target."""


def prepare(
    source: ModuleOp,
    config: GemminiConfig | None = None,
    options: ValidationOptions | None = None,
) -> PreparedSource:
    """Analyse a source program, so that many targets can be validated against it.

    Raises ``Unsupported`` for constructs outside the quasi-affine class, and ``Violation`` if the
    source itself reads or writes out of bounds or reads what was never written.
    """
    config = config or load_config()
    solver = (options or ValidationOptions()).solver()
    begin_part("source")
    with limited_oracle():
        analysed = analyse_source(extract(source, config), solver)
    return PreparedSource(source, config, analysed, solver.queries, solver.seconds)


def validate(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    *,
    config: GemminiConfig | None = None,
    options: ValidationOptions | None = None,
) -> Validation:
    """Prove that ``target`` computes what ``source`` computes, or find inputs where it does not.

    Never raises for a program that cannot be validated: the verdict is then ``unknown`` and
    ``reason`` names the construct or the obligation that was not decided.
    """
    with limited_oracle():
        return _validate(source, target, config, options or ValidationOptions())


def _validate(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    config: GemminiConfig | None,
    options: ValidationOptions,
) -> Validation:
    run = Run(options.solver())
    prepared: PreparedSource | None = None
    try:
        if isinstance(source, PreparedSource):
            prepared = source
        else:
            prepared = prepare(source, config, options)
        run.solver.queries += prepared.obligations
        run.solver.seconds += prepared.solver_seconds
        difference = interface_difference(prepared.module, target)
    except (Unsupported, Violation) as error:
        return _verdict(run, "unknown", reason=f"source: {error}")
    if difference is not None:
        return _verdict(run, "unknown", reason=f"the programs cannot be compared: {difference}")
    try:
        assumed = _proved(prepared, target, run)
    except Unsupported as error:
        # A proof that is too long says nothing about the program; the second engine may decide.
        leave = options.only_certain or isinstance(error, OracleLimitError)
        found = _Search() if leave else _search(prepared, target, Suspicion(), options)
        reason = f"target: {error}"
        if found.counterexample is not None:
            reason = f"running both programs shows it, no proof was tried ({reason})"
        return _explained(_not_proved(run, reason, found), prepared, run, None)
    except Violation as violation:
        found = _Search()
        if violation.certain or not options.only_certain:
            found = _search(prepared, target, _suspicion(prepared, violation, run), options)
        reason = str(violation)
        if violation.model is not None and options.counterexamples and found == _Search():
            reason = (
                f"internal: refutation did not replay: {reason}"
                if violation.certain
                else f"not decided: {reason}; no inputs were found that show a difference"
            )
        refuted = _not_proved(run, reason, found, describe(violation.origin))
        return _explained(refuted, prepared, run, violation.origin)
    limits = precondition_of(prepared.analysed.precondition, prepared.module)
    assumed = (*assumed, *assumptions_of(prepared.module, target), *limits)
    assert run.target is not None
    known = PreparedSource(target, prepared.config, run.target, 0, 0.0)
    verdict = _verdict(run, "proved", assumed)
    return replace(verdict, certificate=run.certificate, target=known)


def _proved(prepared: PreparedSource, target: ModuleOp, run: Run) -> tuple[str, ...]:
    """What is assumed in a proof that the programs are equal; raises ``Violation`` without one."""
    try:
        return prove(prepared.analysed, extract(target, prepared.config), run)
    except Violation:
        if run.target is None:
            raise
        found = prove_by_induction(prepared.module, prepared.analysed, run.target, run)
        if found is None:
            found = _proved_without_offsets(prepared, target, run)
        if found is None:
            found = _proved_with_inverses(prepared, target, run)
        if found is None:
            raise
        return found


def _proved_without_offsets(
    prepared: PreparedSource, target: ModuleOp, run: Run
) -> tuple[str, ...] | None:
    """The same, with products of factors plus constants as several summands of the source.

    There is no certificate of such a proof. None if there is no proof.
    """
    program = extract_without_offsets(prepared.module)
    count = len(prepared.analysed.program.statements)
    if program is None or len(program.statements) == count:
        return None
    again = Run(run.solver)
    try:
        source = analyse_source(program, run.solver)
        assumed = prove(source, extract(target, prepared.config), again)
    except Violation:
        return None
    run.target, run.certificate = again.target, None
    return assumed


def _proved_with_inverses(
    prepared: PreparedSource, target: ModuleOp, run: Run
) -> tuple[str, ...] | None:
    """The same, with products with an inverse as quotients, for programs that compute inverses.

    There is no certificate of such a proof. None if there is no proof.
    """
    if not any(map(computes_inverses, (prepared.module, target))):
        return None
    again = Run(run.solver)
    try:
        program = extract(target, prepared.config)
        assumed = prove(prepared.analysed, program, again, equal_with_inverses)
    except Violation:
        return None
    run.target, run.certificate = again.target, None
    return (*assumed, INVERSES)


def validate_generalized(
    source: ModuleOp,
    target: ModuleOp,
    *,
    config: GemminiConfig | None = None,
    options: ValidationOptions | None = None,
) -> Validation:
    """``validate`` for all sizes of the arrays at once, for loop IR and tensor IR.

    An assumption of the verdict names the sizes, each at least 1. If that proof fails, the programs
    are validated at the sizes they have, and an assumption says so.
    """
    options = options or ValidationOptions()
    start = time.perf_counter()
    try:
        for programs in generalizations(source, target):
            run = Run(options.solver())
            try:
                with limited_oracle():
                    assumed = prove(analyse(programs.source, run.solver), programs.target, run)
            except Violation:
                continue
            sizes = "; ".join(programs.sizes)
            scope = f"sizes >= 1 of {sizes}" if sizes else "values of the size parameters"
            return _verdict(run, "proved", (*assumed, f"proved for all {scope}"))
    except Unsupported:
        pass  # what one size cannot do either is the reason below
    result = validate(source, target, config=config, options=options)
    seconds = time.perf_counter() - start
    return replace(result, assumptions=(*result.assumptions, ONE_SIZE), seconds=seconds)


@dataclass(frozen=True)
class _Search:
    """A counterexample, or why none could be looked for."""

    counterexample: Counterexample | None = None
    problem: str = ""


def _search(
    prepared: PreparedSource, target: ModuleOp, suspicion: Suspicion, options: ValidationOptions
) -> _Search:
    """Run both programs on suspected and random inputs."""
    if not options.counterexamples:
        return _Search()
    try:
        found = find_counterexample(
            prepared.module, target, prepared.config, suspicion, options.seed
        )
    except (Unsupported, UnknownOperation) as error:
        return _Search(None, f"; no replay: {error}")
    return _Search(found)


def _not_proved(run: Run, reason: str, search: _Search, instruction: str = "") -> Validation:
    """A failed obligation is a refutation only with inputs on which the programs differ."""
    verdict: Verdict = "refuted" if search.counterexample is not None else "unknown"
    return _verdict(
        run,
        verdict,
        reason=reason + search.problem,
        counterexample=search.counterexample,
        instruction=instruction,
    )


def _explained(
    result: Validation, prepared: PreparedSource, run: Run, failed: Operation | None
) -> Validation:
    """The verdict with the operations that it is about."""
    instruction = None if _belongs_to(failed, prepared.module) else failed
    place = _place(result.counterexample)
    if instruction is None and run.target is not None and place is not None:
        instruction = last_writer(run.target.program, run.target.certificate, *place)
    return explained(result, prepared, instruction)


def explained(
    result: Validation, prepared: PreparedSource, instruction: Operation | None
) -> Validation:
    """The verdict on a target with its instruction, and what of the source computes the element."""
    found, operation = result.counterexample, None
    place = _place(found)
    if place is not None:
        source = prepared.analysed
        operation = last_writer(source.program, source.certificate, *place)
    explanation = explain(instruction, operation)
    if found is not None and found.instruction:
        explanation = replace(
            explanation,
            instruction=found.instruction,
            instruction_place=found.instruction_place,
        )
    return replace(result, explanation=explanation)


def _place(found: Counterexample | None) -> tuple[int, tuple[int, ...], dict[str, int]] | None:
    """Parameter, subscripts and sizes of the element that differs."""
    if found is None or not found.parameter:
        return None
    sizes = {
        symbol_name(position): int(array)
        for position, array in enumerate(found.inputs)
        if array.ndim == 0 and array.dtype.kind == "i"
    }
    return found.names.index(found.parameter), found.element, sizes


def _belongs_to(operation: Operation | None, module: ModuleOp) -> bool:
    while operation is not None and operation is not module:
        operation = operation.parent_op()
    return operation is module


def _suspicion(prepared: PreparedSource, violation: Violation, run: Run) -> Suspicion:
    """What the failed proof says about inputs that would show the difference."""
    found = tuple(islice(run.proposer.differences(), 4)) if run.proposer is not None else ()
    sizes = tuple(_scalars(violation.model or {}))
    for slot, value in violation.witness:
        kind, key = slot_kind(slot)
        if kind == "sum" and isinstance(key, tuple):
            source = prepared.analysed
            final = next(iter(source.program.outputs.values()))
            points = source.summands.of_first_element(final, *key)
            summands = tuple(Summand(shape, subscripts) for shape, subscripts in points)
            return Suspicion(found, summands, value, sizes)
    if run.target is None:
        return Suspicion(found, sizes=sizes)
    inexact = sums_floats(prepared.analysed.program, run.target.program)
    filled = tuple(_filled(violation.witness))
    return Suspicion(found, sizes=sizes, filled=filled, sums_floats=inexact)


def _filled(witness: Iterable[tuple[Term, int]]) -> Iterator[tuple[int, int]]:
    """The values of input elements in a witness, by parameter."""
    for slot, value in witness:
        kind, position = slot_kind(slot)
        if kind == "input" and isinstance(position, int):
            yield position, value


def _scalars(model: dict[str, int]) -> Iterator[tuple[int, int]]:
    """Values of the scalar parameters, which are the constants ``n<position>.<number>``."""
    for name, value in model.items():
        match = re.fullmatch(rf"{symbol_name('([0-9]+)')}\.[0-9]+", name)
        if match is not None:
            yield int(match[1]), value


def _verdict(
    run: Run,
    verdict: Verdict,
    assumed: tuple[str, ...] = (),
    *,
    reason: str = "",
    counterexample: Counterexample | None = None,
    instruction: str = "",
) -> Validation:
    return Validation(
        verdict,
        (*ASSUMPTIONS, *assumed),
        run.solver.queries,
        "z3",
        time.perf_counter() - run.start,
        run.solver.seconds,
        counterexample,
        reason,
        instruction,
    )
