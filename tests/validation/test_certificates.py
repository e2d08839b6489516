"""The checker does not believe the oracle: false certificates are rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.validation.core.certificate import FlowCertificate, SumCertificate
from liftproof.validation.core.checker import Checker, Violation
from liftproof.validation.core.condition import FALSE, TRUE
from liftproof.validation.core.matching import Matcher
from liftproof.validation.core.smt import Solver
from liftproof.validation.core.values import Side
from liftproof.validation.engine import analyse
from liftproof.validation.extract.extraction import extract
from liftproof.validation.lemmas.equality import equal_for_all
from liftproof.validation.oracle.dataflow import Dataflow
from liftproof.validation.oracle.proposal import Proposer

CONFIG = load_config()


def honest(module) -> tuple:
    program = extract(module, CONFIG)
    return program, Dataflow(program).certificate()


def check(program, certificate) -> None:
    Checker(program, certificate, Solver()).run()


def test_honest_certificate_is_accepted(kernel) -> None:
    """What isl says of a correct program passes."""
    check(*honest(kernel(20, 24, 40).module("instructions")))


@pytest.mark.parametrize("lie", ["drop", "shift", "never", "always", "other writer"])
def test_false_sources_are_rejected(kernel, lie: str) -> None:
    """Changing any source of any read in one of these ways is noticed."""
    program, certificate = honest(kernel(20, 24, 40).module("instructions"))
    rejected = 0
    for key, sources in certificate.sources.items():
        for place, source in enumerate(sources):
            changed = list(sources)
            if lie == "drop":
                del changed[place]
            elif lie == "shift":
                changed[place] = replace(source, point=tuple(p + 1 for p in source.point))
            elif lie == "never":
                changed[place] = replace(source, condition=FALSE)
            elif lie == "always":
                if len(sources) == 1:
                    continue
                changed[place] = replace(source, condition=TRUE)
            else:
                others = [s for s in program.statements if len(s.dims) == len(source.point)]
                other = next((s for s in others if s.name != source.writer), None)
                if other is None:
                    continue
                changed[place] = replace(source, writer=other.name)
            if lie == "shift" and not source.point:
                continue
            false = FlowCertificate({**certificate.sources, key: tuple(changed)})
            with pytest.raises(Violation):
                check(program, false)
            rejected += 1
    assert rejected > 3


def test_certificate_of_another_program_is_rejected(kernel) -> None:
    """The certificate of the correct program does not prove a wrong one."""
    program = kernel(20, 24, 40)
    _, certificate = honest(program.module("instructions"))
    wrong = extract(
        program.module("instructions", ("arith.remsi %next", "arith.remsi %ko")), CONFIG
    )
    with pytest.raises(Violation):
        check(wrong, certificate)


def test_hiding_additions_is_rejected(kernel) -> None:
    """Claiming that nothing was added between the start and the read is noticed."""
    program, certificate = honest(kernel(20, 24, 40).module("loops"))
    sources = {
        key: tuple(replace(source, accumulated=False) for source in found)
        for key, found in certificate.sources.items()
    }
    assert sources != certificate.sources
    with pytest.raises(Violation):
        check(program, FlowCertificate(sources))


@pytest.mark.parametrize("lie", ["none", "empty", "one partner", "swapped", "half"])
def test_false_pairings_are_rejected(kernel, lie: str) -> None:
    """Only a true bijection between the summands proves two sums equal."""
    program = kernel(20, 24, 40)
    solver = Solver()
    source, target = (
        analyse(extract(program.module(level), CONFIG), solver)
        for level in ("loops", "instructions")
    )
    proposer = Proposer(source.summands, target.summands)

    def propose(question) -> SumCertificate:
        truth = proposer.certificate(question)
        if lie == "empty":
            return SumCertificate((), ())
        if lie == "one partner":
            first = tuple(
                replace(p, point=tuple(index * 0 for index in p.point)) for p in truth.forward
            )
            return SumCertificate(first, truth.backward)
        if lie == "swapped":
            return SumCertificate(truth.backward, truth.forward)
        if lie == "half":
            return SumCertificate(truth.forward, ())
        return truth

    matcher = Matcher(
        Side(source.program, source.certificate),
        Side(target.program, target.certificate),
        solver,
        propose,
        equal_for_all,
    )
    if lie == "none":
        matcher.output(2)
        return
    with pytest.raises(Violation):
        matcher.output(2)
