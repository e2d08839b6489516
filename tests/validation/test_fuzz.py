"""Random mutants: nothing wrong is proved, nothing right is refuted."""

from __future__ import annotations

import random

import pytest
from liftproof.validation.fuzz import fuzz, fuzz_lemmas
from liftproof.validation.mutate import OPERATORS, apply, mutate


@pytest.mark.parametrize(
    ("level", "count"), [("instructions", 10), ("tiles", 8), ("loops", 12), ("tensors", 12)]
)
def test_verdicts_on_mutants_are_what_running_them_says(kernel, level: str, count: int) -> None:
    """Mutants that differ from the source are not proved, those that agree are not refuted."""
    program = kernel(18, 17, 20)
    report = fuzz(program.module("loops"), program.module(level), count, seed=11)
    assert report.total >= count // 2
    assert report.is_sound, report.notes


def test_lemmas_on_random_terms_are_what_their_values_say() -> None:
    """Terms said to be equal agree at random points; those said to differ do so at the witness."""
    report = fuzz_lemmas(40, seed=5)
    assert report.answers["equal"] >= 8
    assert report.answers["different"] >= 15
    assert not report.wrong, report.wrong


def test_mutation_leaves_the_original_alone(kernel) -> None:
    """No operator changes the module that it is given."""
    program = kernel(18, 17, 20)
    originals = [program.module(level) for level in ("instructions", "tiles", "loops", "tensors")]
    texts = [str(module) for module in originals]
    rng = random.Random(5)
    changed = [apply(name, module, rng) for name in OPERATORS for module in originals]
    assert sum(mutant is not None for mutant in changed) > len(OPERATORS)
    assert [str(module) for module in originals] == texts


def test_mutants_depend_on_the_seed_only(kernel) -> None:
    """The same seed gives the same mutants, so that every case can be repeated."""
    module = kernel(18, 17, 20).module("instructions")
    first, second = (
        [str((mutate(module, rng) or (None,))[0]) for _ in range(10)]
        for rng in (random.Random(3), random.Random(3))
    )
    assert first == second
