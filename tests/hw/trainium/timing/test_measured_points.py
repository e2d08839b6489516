"""The cycle model against the measured kernels in benchmarks/trainium."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[4] / "benchmarks" / "trainium"


@pytest.fixture(scope="module")
def fit():
    """The fit script as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield import_module("fit")


@pytest.fixture(scope="module")
def predicted(fit):
    """The model's time for each point, in µs."""
    return fit.predictions({})


def test_mean_absolute_error_is_small(fit, predicted):
    """Over all measured points the model is within 10 % on average."""
    assert fit.mean_error(predicted) < 10.0


def test_variants_are_in_their_measured_order(fit, predicted):
    """A variant that was measured to be faster is faster in the model."""
    assert fit.wrong_orders(predicted) == []


def test_products_are_close(fit, predicted):
    """No matrix product is off by more than 10 %, on either version of the machine."""
    for point, microseconds in zip(fit.POINTS, predicted, strict=True):
        if "matmul" in point.kernel:
            assert microseconds == pytest.approx(point.microseconds, rel=0.10), point.name


def test_nothing_is_faster_than_its_bound(fit):
    """The simulated time of each kernel is at least the bound that counts work per resource."""
    from liftproof.hw.trainium.timing import simulate_tiles

    for point in fit.POINTS[:8]:
        config = fit.configured(point.config, {})
        result, _ = simulate_tiles(fit.function_of(point), config)
        assert result.nanoseconds >= result.bound.nanoseconds > 0, point.name
