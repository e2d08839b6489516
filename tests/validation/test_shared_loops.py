"""What reads see is guessed from the loops around, and proved; isl is asked for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.validation.core.certificate import Source
from liftproof.validation.core.polyhedral import Program, Statement
from liftproof.validation.core.smt import RESOURCE_LIMIT
from liftproof.validation.engine import confirm_by
from liftproof.validation.extract.extraction import extract
from liftproof.validation.fuzz import parse_module
from liftproof.validation.oracle.dataflow import Dataflow
from liftproof.validation.oracle.shared_loops import guess_sources
from liftproof.validation.query_log import logging_queries

KERNELS = Path(__file__).parent / "kernels"


@pytest.fixture(scope="module")
def program() -> Program:
    """A convolution that loads ahead across all loops, with two buffers for each operand."""
    text = (KERNELS / "convolution_interleaved.mlir").read_text()
    return extract(parse_module(text), load_config())


def test_guesses_are_proved_and_name_the_writers_that_isl_finds(program: Program) -> None:
    """What is loaded ahead is found at the turn that it is for; no guess is in a proof's log."""
    prove = confirm_by(program, RESOURCE_LIMIT)
    guessed: list[tuple[Statement, int]] = []

    def confirm(reader: Statement, number: int, sources: Sequence[Source]) -> bool:
        is_proved = prove(reader, number, sources)
        guessed.extend([(reader, number)] if is_proved else [])
        return is_proved

    with logging_queries() as log:
        flow = Dataflow(program, confirm)
    assert not log.queries
    reader, number = next(read for read in guessed if read[0].reads[read[1]].array.name == "spad")
    claims = flow.certificate().sources[reader.name, number]
    assert prove(reader, number, claims)
    found = flow.sources(reader.name, number)
    assert {source.writer for source in claims} == {writer for writer, _, _ in found}


def test_a_wrong_guess_is_refused(program: Program) -> None:
    """A source that is said to be another write of the same buffer is no source."""
    writers = [s for s in program.statements if s.array.name == "spad"]
    reader = next(s for s in program.statements if s.reads and s.reads[0].array.name == "spad")
    (right,) = guess_sources(reader, 0, writers[-1:], accumulated=False)
    late = (*right.point[:-1], right.point[-1] + 1)
    assert not confirm_by(program, RESOURCE_LIMIT)(reader, 0, [replace(right, point=late)])
