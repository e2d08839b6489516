"""Concrete inputs on which two programs differ, found by running both.

A failed obligation is only a suspicion. It becomes a refutation when both programs, executed on the
same arrays, end with different contents (or only the target does something illegal).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from ...hw.gemmini.config import GemminiConfig
from ..core.polyhedral import Unsupported, describe
from ..explain import place_of
from ..extract.extraction import Level, extract, level_of
from ..extract.from_loops import output_positions
from ..extract.structured import single_function
from ..oracle.pairing import Difference
from .arithmetic import wide_floats
from .common import ExecutionFault, TooExpensive
from .execute import execute
from .random_inputs import LIKELY_MAGNITUDES, OTHER_MAGNITUDES, Arrays, RandomInputs
from .suspect_inputs import (
    Summand,
    Suspicion,
    arrays_for_difference,
    arrays_for_sum,
    sums_floats,
)
from .trial_sizes import Sizes, parameter_names, shapes_at, size_parameters, smallest, trials

_REORDERED = 64
"""How much further from exact results sums in another order may be than those of the source."""
FLOAT_TRIES = 4
"""Runs on zeros of both signs, infinities, NaN, subnormal and long numbers."""


@dataclass(frozen=True)
class Counterexample:
    """Inputs, and where the two programs first differ on them."""

    names: tuple[str, ...]
    """Names of the parameters, in order."""
    inputs: tuple[NDArray[Any], ...] = field(compare=False)
    """Contents of the parameters before the run."""
    parameter: str = ""
    """The parameter whose contents differ; empty if the target stopped with a fault."""
    element: tuple[int, ...] = ()
    expected: str = ""
    """The source's value of the element."""
    actual: str = ""
    """The target's value of the element."""
    fault: str = ""
    """What the target did that is illegal."""
    instruction: str = ""
    """The operation of the target that did it."""
    instruction_place: str = ""

    def describe(self) -> str:
        """One line for people."""
        if self.fault:
            return f"the target is illegal: {self.fault}"
        place = "".join(f"[{index}]" for index in self.element)
        return f"{self.parameter}{place} is {self.actual} instead of {self.expected}"

    def save(self, path: Path | str) -> None:
        """Write the inputs as ``.npz``, by parameter name."""
        np.savez_compressed(path, **dict(zip(self.names, self.inputs, strict=True)))  # pyright: ignore[reportArgumentType]


def find_counterexample(
    source: ModuleOp,
    target: ModuleOp,
    config: GemminiConfig,
    suspicion: Suspicion | None = None,
    seed: int = 0,
) -> Counterexample | None:
    """Inputs on which the programs differ, or ``None`` if the tries find none.

    Where sizes are parameters, they are as small as the search finds a difference for. Raises
    ``Unsupported`` if one of the programs cannot be executed.
    """
    search = _InputSearch(source, target, config, suspicion or Suspicion(), seed)
    if not search.sized:
        return search.at({}, search.likely) or search.at({}, search.others)
    if level_of(target) is Level.ISA:
        raise Unsupported("the machine's programs run at sizes that are numbers only")
    return search.at_some_size(search.likely) or search.at_some_size(search.others)


@dataclass(frozen=True)
class _InputSearch:
    """Runs both programs on suspected and on random inputs."""

    source: ModuleOp
    target: ModuleOp
    config: GemminiConfig
    suspicion: Suspicion
    seed: int

    @cached_property
    def function(self) -> FuncOp:
        return single_function(self.source)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return parameter_names(self.function)

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        return tuple(output_positions(self.function))

    @cached_property
    def sized(self) -> tuple[int, ...]:
        """Positions of the parameters that are sizes."""
        return size_parameters(self.function, self.names)

    def at_some_size(self, tries: _Tries) -> Counterexample | None:
        """A counterexample at sizes as small as ``tries`` show a difference for."""
        for sizes in trials(self.sized, dict(self.suspicion.sizes)):
            if self.at(sizes, tries) is not None:
                best = smallest(sizes, lambda smaller: self.at(smaller, tries) is not None)
                return self.at(best, tries)
        return None

    def at(self, sizes: Sizes, tries: _Tries) -> Counterexample | None:
        """A counterexample at these sizes, the same one each time."""
        shapes = shapes_at(self.function, self.names, sizes)
        for inputs in tries(RandomInputs(shapes, self.outputs, self.seed, sizes)):
            try:
                expected = execute(self.source, inputs, self.config, strict=True)
            except ExecutionFault:
                # The source is undefined for these inputs; any target would do.
                continue
            except TooExpensive as error:
                raise Unsupported(f"the source is too large to run: {error}") from error
            exact = not self.suspicion.sums_floats
            found = _compare(self.names, inputs, expected, self.target, self.config, exact=exact)
            if found is not None and (exact or self._is_beyond_rounding(found, expected)):
                return found
        return None

    def _is_beyond_rounding(self, found: Counterexample, expected: Sequence[NDArray[Any]]) -> bool:
        """Whether the programs differ by more than the source does from a run in 64-bit floats.

        Sums in another order are allowed to; where numbers cancel, they may differ by much.
        """
        if found.fault:
            return True
        place = found.names.index(found.parameter)
        try:
            with wide_floats():
                wide = execute(self.source, found.inputs, self.config)
        except (ExecutionFault, Unsupported):
            return True
        same = (expected[place] == wide[place]) | np.isnan(expected[place]) & np.isnan(wide[place])
        with np.errstate(invalid="ignore"):
            moved = np.where(same, 0, np.abs(expected[place] - wide[place]))
            distance = abs(float(found.actual) - float(found.expected))
        rounding = float(np.max(moved, initial=0))
        return math.isfinite(rounding) and not distance <= _REORDERED * rounding

    def likely(self, inputs: RandomInputs) -> Iterator[Arrays]:
        """Inputs that show the suspected difference, then some random ones."""
        for difference in self.suspicion.differences[:2]:
            for magnitude in (1, 127, 11):
                arrays = arrays_for_difference(inputs.blank(), difference, magnitude)
                if arrays is not None:
                    yield arrays
        if self.suspicion.witness is not None:
            summands, witness = self.suspicion.summands, self.suspicion.witness
            arrays = arrays_for_sum(inputs.blank(), summands, witness)
            if arrays is not None:
                yield arrays
        if self.suspicion.filled:
            arrays = inputs.blank()
            for position, value in self.suspicion.filled:
                arrays[position] = np.full_like(arrays[position], value)
            yield arrays
        for magnitude in LIKELY_MAGNITUDES:
            yield inputs.random(magnitude)

    def others(self, inputs: RandomInputs) -> Iterator[Arrays]:
        """More random inputs, and extreme ones."""
        for magnitude in OTHER_MAGNITUDES:
            yield inputs.random(magnitude)
        for sign in (-1, 1):
            # A minimum or maximum that starts from the wrong number shows where all are beyond it.
            yield inputs.of_sign(sign)
        for extreme in (0, -1, 2**63, -(2**63)):
            # Sums of narrow types overflow where all numbers are as large as they can be.
            yield inputs.filled(extreme)
        # Proofs about sums of floats take them to be finite, and zeros of either sign to be equal.
        if not self.suspicion.sums_floats and inputs.has_floats:
            for _ in range(FLOAT_TRIES):
                yield inputs.awkward()


_Tries = Callable[[RandomInputs], Iterator[Arrays]]


def replay(
    source: ModuleOp, target: ModuleOp, config: GemminiConfig, inputs: Sequence[NDArray[Any]]
) -> Counterexample | None:
    """Where the programs differ on given arrays; ``None`` if they do not.

    Raises ``ExecutionFault`` if the source is undefined for these arrays, and ``Unsupported`` if
    one of the programs cannot be executed.
    """
    names = parameter_names(single_function(source))
    expected = execute(source, inputs, config, strict=True)
    exact = not sums_floats(extract(source, config), extract(target, config))
    return _compare(names, list(inputs), expected, target, config, exact=exact)


def _compare(
    names: tuple[str, ...],
    inputs: list[NDArray[Any]],
    expected: Sequence[NDArray[Any]],
    target: ModuleOp,
    config: GemminiConfig,
    *,
    exact: bool,
) -> Counterexample | None:
    try:
        actual = execute(target, inputs, config)
    except ExecutionFault as fault:
        return Counterexample(
            names,
            tuple(inputs),
            fault=str(fault),
            instruction=describe(fault.origin),
            instruction_place=place_of(fault.origin),
        )
    except TooExpensive as error:
        raise Unsupported(f"the target is too large to run: {error}") from error
    return compare_runs(names, inputs, expected, actual, exact=exact)


def compare_runs(
    names: tuple[str, ...],
    inputs: Sequence[NDArray[Any]],
    expected: Sequence[NDArray[Any]],
    actual: Sequence[NDArray[Any]],
    *,
    exact: bool = False,
) -> Counterexample | None:
    """The first difference between the contents of all parameters after two runs."""
    for name, left, right in zip(names, expected, actual, strict=True):
        element = first_difference(left, right, exact=exact)
        if element is not None:
            return Counterexample(
                names, tuple(inputs), name, element, str(left[element]), str(right[element])
            )
    return None


def first_difference(
    left: NDArray[Any], right: NDArray[Any], *, exact: bool = False
) -> tuple[int, ...] | None:
    """The first element, in order of storage, in which two arrays differ; NaN equals NaN.

    Unless ``exact``, floats may differ as sums in another order do, an assumption of the verdict.
    """
    if not np.issubdtype(left.dtype, np.floating):
        same = left == right
    elif exact:
        equal = (left == right) & (np.signbit(left) == np.signbit(right))
        same = equal | (np.isnan(left) & np.isnan(right))
    else:
        same = np.isclose(left, right, rtol=1e-3, atol=1e-3, equal_nan=True)
    if same.all():
        return None
    return tuple(int(place[0]) for place in np.nonzero(~np.atleast_1d(same)))[: left.ndim]


__all__ = ["Counterexample", "Difference", "Summand", "Suspicion", "find_counterexample"]
