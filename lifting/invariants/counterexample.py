"""Arrays on which a kernel and a summary differ, found by running one and evaluating the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import MemRefType, ModuleOp

from ...diagnostics import Diagnostic
from ...hw.gemmini.config import load_config
from ...validation.core.polyhedral import Unsupported
from ...validation.execution.arithmetic import UnknownOperation, numpy_type
from ...validation.execution.common import ExecutionFault, TooExpensive
from ...validation.execution.counterexample import Counterexample, compare_runs
from ...validation.execution.execute import execute, random_array
from ...validation.execution.trial_sizes import Sizes, smallest, trials
from ...validation.extract.pure_operations import type_name
from .evaluate import evaluate, evaluate_term
from .summary import Summary, extents_of, sizes_of

MAGNITUDES: tuple[int | None, ...] = (1, 1, 2, 3, 20, None, 1, 2, 100, None)
"""Ranges of random inputs: small ones hit equalities, large ones wrap around."""
FEW = 3
"""Up to this magnitude floats are whole numbers: so that some are equal."""
SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 1.0, -1.5)
"""Floats at which minima, maxima and comparisons differ."""
MOST_SIZES = 20


def find_difference(
    source: ModuleOp, summary: Summary, seed: int = 0, most_sizes: int = MOST_SIZES
) -> Counterexample | None:
    """The smallest inputs that are found on which the summary is wrong; ``None`` if none is.

    ``most_sizes`` is how many combinations of sizes are tried, from small to large ones.
    Raises :class:`Diagnostic` if the kernel cannot be run or the extents of its arrays are unknown.
    """
    search = _Search(source, summary, seed)
    positions = sizes_of(summary.function)
    try:
        for number, sizes in enumerate(trials(positions, {})):
            if number == most_sizes:
                return None
            found = search.at(sizes)
            if found is not None:
                best = smallest(sizes, lambda smaller: search.at(smaller) is not None)
                return search.at(best)
            if not sizes:
                return None
    except TooExpensive:
        return None  # larger sizes would be more expensive still
    except (Unsupported, UnknownOperation) as error:
        raise Diagnostic(f"cannot run the kernel: {error}") from error
    return None


@dataclass(frozen=True)
class _Search:
    source: ModuleOp
    summary: Summary
    seed: int

    def at(self, sizes: Sizes) -> Counterexample | None:
        """A counterexample at these sizes, the same one each time."""
        for inputs in self._tries(sizes):
            if any(array.size == 0 for array in inputs):
                return None
            try:
                expected = execute(self.source, inputs, load_config())
            except ExecutionFault:
                continue  # the kernel is undefined for these inputs
            found = compare(self.summary, inputs, expected)
            if found is not None:
                return found
        return None

    def _tries(self, sizes: Sizes) -> Iterator[list[NDArray[Any]]]:
        rng = np.random.default_rng(self.seed)
        for magnitude in MAGNITUDES:
            yield self._inputs(rng, sizes, magnitude)
        for _ in range(2):
            drawn = self._inputs(rng, sizes, 2)
            yield [_specials(rng, array) if array.ndim else array for array in drawn]
        for sign in (-1, 1):
            drawn = self._inputs(rng, sizes, 20)
            yield [_of_sign(array, sign) if array.ndim else array for array in drawn]

    def _inputs(
        self, rng: np.random.Generator, sizes: Sizes, magnitude: int | None
    ) -> list[NDArray[Any]]:
        function = self.summary.function
        inputs: list[NDArray[Any]] = []
        for position, argument in enumerate(function.args):
            if isinstance(argument.type, MemRefType):
                inputs.append(np.empty(()))
            elif position in sizes:
                inputs.append(np.asarray(sizes[position], numpy_type(type_name(argument.type))))
            else:
                inputs.append(_random(rng, (), type_name(argument.type), magnitude))
        for position, argument in enumerate(function.args):
            if isinstance(argument.type, MemRefType):
                extents = extents_of(function, position)
                shape = tuple(max(0, int(evaluate_term(extent, inputs))) for extent in extents)
                type = type_name(argument.type.element_type)
                inputs[position] = _random(rng, shape, type, magnitude)
        return inputs


def compare(
    summary: Summary, inputs: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]
) -> Counterexample | None:
    """Where the summary says something else than ``expected``; ``None`` if nowhere.

    Floats are compared bit by bit: a summary keeps the order of all operations.
    """
    try:
        actual = evaluate(summary, inputs)
    except ExecutionFault as fault:
        return Counterexample(summary.names, tuple(inputs), fault=f"needs {fault}")
    found = compare_runs(summary.names, inputs, expected, actual)
    if found is not None:
        return found
    for name, left, right in zip(summary.names, expected, actual, strict=True):
        differ = ~((left == right) | ((left != left) & (right != right)))
        if np.any(differ):
            place = tuple(int(axis[0]) for axis in np.nonzero(np.atleast_1d(differ)))[: left.ndim]
            texts = repr(left[place]), repr(right[place])
            return Counterexample(summary.names, tuple(inputs), name, place, *texts)
    return None


def _random(
    rng: np.random.Generator, shape: tuple[int, ...], type: str, magnitude: int | None
) -> NDArray[Any]:
    drawn = random_array(rng, shape, type, magnitude)
    if drawn.dtype.kind == "f" and magnitude is not None and magnitude <= FEW:
        return np.asarray(np.rint(drawn), drawn.dtype)
    return drawn


def _specials(rng: np.random.Generator, array: NDArray[Any]) -> NDArray[Any]:
    """Floats with some that are not numbers or not finite; integers as they are."""
    if array.dtype.kind != "f":
        return array
    chosen = rng.choice(np.asarray(SPECIAL, array.dtype), array.shape)
    return np.where(rng.random(array.shape) < 0.6, chosen, array).astype(array.dtype)


def _of_sign(array: NDArray[Any], sign: int) -> NDArray[Any]:
    """Numbers that are all positive or all negative, as far as their type has such."""
    magnitudes = np.abs(array) + np.ones_like(array)
    return magnitudes * sign if array.dtype.kind in "if" else magnitudes
