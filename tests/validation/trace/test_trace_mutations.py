"""Mutated streams: the verdict agrees with running them; what is wrong is refuted."""

from __future__ import annotations

import random

import numpy as np
import pytest
from liftproof.hw.gemmini.functional import run
from liftproof.hw.stream import StreamError
from liftproof.validation.mutate.commands import COMMAND_OPERATORS
from liftproof.validation.trace.api import validate_stream
from liftproof.validation.validate import prepare

PRODUCTS = (
    {"m": 20, "n": 18, "k": 33, "row_offset": 2},
    {"m": 32, "n": 16, "k": 48, "bias": "matrix"},
    {"m": 33, "n": 20, "k": 20, "bias": "row", "full": True},
    {"m": 33, "n": 17, "k": 20, "b_transposed": True},
    {"m": 18, "n": 20, "k": 40, "a_transposed": True},
    {"m": 12, "n": 14, "k": 40, "full": True, "a_stride": 2, "c_stride": 3, "bias": "matrix"},
    {"m": 16, "n": 32, "k": 50, "phases": 1},
)


def runs_right(product, stream, config) -> bool:
    """Whether the simulator's result is NumPy's, on random inputs of several magnitudes."""
    rng = np.random.default_rng(0)
    layout = product.layout()
    for magnitude in (1, 127, 3, 127, 20):
        arrays = [
            rng.integers(-magnitude, magnitude, array.shape, array.dtype, endpoint=True)
            for array in layout.arrays
        ]
        memory = layout.image(arrays)
        try:
            run(stream, config, memory, layout=layout)
        except StreamError:
            return False
        arrays[-1] = product.expected(arrays)
        after = layout.read(memory)
        if any((left != right).any() for left, right in zip(after, arrays, strict=True)):
            return False
    return True


@pytest.fixture(scope="module")
def products(gemm, config):
    """The products to mutate, with their prepared kernels."""
    found = [gemm(**fields_) for fields_ in PRODUCTS]
    return [(product, prepare(product.kernel(), config)) for product in found]


def check_agreement(product, source, stream, config) -> str:
    """Assert that the verdict is what running the stream says, and return it."""
    right = runs_right(product, stream, config)
    result = validate_stream(source, stream, product.layout(), config)
    if "hazard: " in result.reason:
        assert result.verdict == "refuted"
        return "hazard"
    assert result.verdict == ("proved" if right else "refuted"), result.reason
    assert (result.counterexample is None) == right
    return result.verdict


@pytest.mark.parametrize("name", COMMAND_OPERATORS)
def test_each_mutation_is_refuted_where_it_is_wrong(name, products, streams, config):
    """Of each kind of mutation, a wrong one is found and refuted with replayed inputs."""
    rng = random.Random(name)
    for _ in range(40):
        product, source = rng.choice(products)
        rows = COMMAND_OPERATORS[name](rng, product.commands())
        if rows is not None and check_agreement(product, source, streams(rows), config) in (
            "refuted",
            "hazard",
        ):
            return
    pytest.fail("no mutant of this kind was refuted")


def test_random_mutants_agree_with_the_simulator(products, streams, config):
    """Verdicts on random mutants are what running them says: none accepted wrong."""
    rng = random.Random(7)
    verdicts: set[str] = set()
    for _ in range(60):
        product, source = rng.choice(products)
        rows = product.commands()
        for _ in range(rng.choice((1, 1, 2))):
            rows = COMMAND_OPERATORS[rng.choice(list(COMMAND_OPERATORS))](rng, rows) or rows
        verdicts.add(check_agreement(product, source, streams(rows), config))
    assert {"proved", "refuted"} <= verdicts
