"""Random mutants: nothing wrong is proved."""

from __future__ import annotations

import random

import pytest
from liftproof.validation.fuzz import fuzz
from liftproof.validation.mutate import MUTATIONS, mutate


@pytest.mark.parametrize(("level", "count"), [("instructions", 16), ("tiles", 10)])
def test_no_wrong_mutant_is_proved(kernel, level: str, count: int) -> None:
    """Mutants that differ from the source when executed are never proved."""
    program = kernel(18, 17, 20)
    report = fuzz(program.module("loops"), program.module(level), count, seed=11)
    assert sum(report.counts.values()) >= count // 2
    assert report.unsound == []


def test_every_operator_applies(kernel) -> None:
    """Each mutation operator changes some program of the corpus, and never the original."""
    program = kernel(18, 17, 20)
    originals = [program.module(level) for level in ("instructions", "tiles", "loops")]
    texts = [str(module) for module in originals]
    seen: set[str] = set()
    rng = random.Random(5)
    for module in originals:
        for _ in range(60):
            mutant = mutate(module, rng)
            assert mutant is not None
            seen.add(mutant[1].split(":")[0])
    assert seen == set(MUTATIONS)
    assert [str(module) for module in originals] == texts
