"""Compare the cycle model with the measured points, or fit a parameter on them.

``python benchmarks/trainium/fit.py`` prints the table; ``--set dma_descriptor_ns=66`` tries other
values (of ``trainium1``), ``--scan dma_descriptor_ns=50,60,70`` prints the mean error for each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

from liftproof.hw.trainium.config import TrainiumConfig, load_config
from liftproof.hw.trainium.timing import simulate_tiles
from liftproof.lifting.nki import parse_shapes, read_nki
from points import POINTS, Point
from xdsl.dialects import func


@cache
def function_of(point: Point) -> func.FuncOp:
    """The kernel of a point as a tile program."""
    text = point.path.read_text(encoding="utf-8")
    module = read_nki(text, str(point.path), parse_shapes(list(point.shapes)))
    return next(op for op in module.walk() if isinstance(op, func.FuncOp))


def configured(name: str, changes: dict[str, float]) -> TrainiumConfig:
    """The named configuration; ``changes`` apply to ``trainium1`` only."""
    config = load_config(name)
    return replace(config, **changes) if name == "trainium1" else config  # pyright: ignore[reportArgumentType]


def predictions(changes: dict[str, float]) -> list[float]:
    """The model's µs for each point."""
    return [
        simulate_tiles(function_of(point), configured(point.config, changes))[0].nanoseconds / 1000
        for point in POINTS
    ]


def mean_error(predicted: Sequence[float]) -> float:
    """Mean absolute error in percent of the measured time."""
    errors = [abs(us / point.microseconds - 1) for us, point in zip(predicted, POINTS, strict=True)]
    return 100 * sum(errors) / len(errors)


def wrong_orders(predicted: Sequence[float]) -> list[str]:
    """Neighbouring variants of one kernel that the model orders the other way."""
    groups: dict[str, list[tuple[float, float, str]]] = {}
    for us, point in zip(predicted, POINTS, strict=True):
        if point.group:
            groups.setdefault(point.group, []).append((point.microseconds, us, point.name))
    return [
        f"{one[2]} / {two[2]}"
        for own in groups.values()
        for one, two in pairwise(sorted(own))
        if one[1] >= two[1]
    ]


def print_table(predicted: Sequence[float]) -> None:
    print("| kernel | measured µs | model µs | error |\n|---|---|---|---|")
    for us, point in zip(predicted, POINTS, strict=True):
        error = 100 * (us / point.microseconds - 1)
        print(f"| {point.name} | {point.microseconds:,.0f} | {us:,.0f} | {error:+.1f} % |")
    print(f"\nmean absolute error {mean_error(predicted):.1f} %")
    print(f"wrong orders: {', '.join(wrong_orders(predicted)) or 'none'}")


def _values(text: str) -> tuple[str, list[float]]:
    name, _, numbers = text.partition("=")
    kind = type(getattr(TrainiumConfig, name))
    return name, [kind(float(number)) for number in numbers.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--scan", metavar="KEY=A,B,C")
    options = parser.parse_args()
    changes = {name: values[0] for name, values in map(_values, options.set)}
    if options.scan is None:
        return print_table(predictions(changes))
    name, values = _values(options.scan)
    for value in values:
        predicted = predictions({**changes, name: value})
        wrong = ", ".join(wrong_orders(predicted)) or "none"
        print(f"{name} = {value}: {mean_error(predicted):.2f} %, wrong orders: {wrong}")
    return None


if __name__ == "__main__":
    main()
