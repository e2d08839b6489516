"""Concrete inputs on which a stream and its source differ, found by running both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.functional import run
from ...hw.gemmini.memory import MemoryLayout
from ...hw.stream import CommandStream, StreamError
from ..core.polyhedral import Unsupported
from ..core.terms import Term, term
from ..execution.common import ExecutionFault, TooExpensive
from ..execution.counterexample import (
    Counterexample,
    first_difference,
    parameter_names,
)
from ..execution.execute import execute, parameter_shapes
from ..execution.random_inputs import LIKELY_MAGNITUDES, OTHER_MAGNITUDES, Arrays, RandomInputs
from ..execution.suspect_inputs import Summand, arrays_for_difference, arrays_for_sum
from ..extract.structured import single_function
from ..oracle import pairing
from ..validate import PreparedSource
from .difference import Factors
from .finding import Clue, locate


def replay(
    source: PreparedSource,
    stream: CommandStream,
    layout: MemoryLayout,
    clue: Clue,
    seed: int = 0,
) -> Counterexample | None:
    """Inputs on which stream and source end with different arrays, ``None`` if no try shows any.

    Raises ``Unsupported`` if the source cannot be executed.
    """
    names = parameter_names(single_function(source.module))
    for inputs in _tries(source, layout, clue, seed):
        try:
            expected = execute(source.module, inputs, source.config, strict=True)
        except ExecutionFault:
            continue
        except TooExpensive as error:
            raise Unsupported(f"the source is too large to run: {error}") from error
        found = _compare(names, inputs, expected, stream, layout, source.config)
        if found is not None:
            return found
    return None


def _compare(
    names: tuple[str, ...],
    inputs: Arrays,
    expected: Sequence[NDArray[Any]],
    stream: CommandStream,
    layout: MemoryLayout,
    config: GemminiConfig,
) -> Counterexample | None:
    memory = layout.image(inputs)
    try:
        run(stream, config, memory, layout=layout)
    except StreamError as error:
        return Counterexample(names, tuple(inputs), fault=str(error))
    for name, left, right in zip(names, expected, layout.read(memory), strict=True):
        element = first_difference(left, right)
        if element is not None:
            return Counterexample(
                names, tuple(inputs), name, element, str(left[element]), str(right[element])
            )
    return None


def _tries(source: PreparedSource, layout: MemoryLayout, clue: Clue, seed: int) -> Iterator[Arrays]:
    """Inputs to try: first those that show the suspected difference, then random ones."""
    shapes = parameter_shapes(single_function(source.module))
    inputs = RandomInputs(shapes, source.analysed.program.outputs, seed)
    if clue.difference is not None:
        for factors in (*clue.difference.missing[:1], *clue.difference.extra[:1]):
            for magnitude in (1, 127, 11):
                arrays = _with_term(inputs.blank(), layout, factors, magnitude)
                if arrays is not None:
                    yield arrays
    if clue.witness is not None:
        summands = [_summand(layout, factors) for factors in clue.terms]
        known = [summand for summand in summands if summand is not None]
        arrays = arrays_for_sum(inputs.blank(), known, clue.witness)
        if arrays is not None:
            yield arrays
    yield from _extremes(layout)
    for magnitude in (*LIKELY_MAGNITUDES, *OTHER_MAGNITUDES):
        yield inputs.random(magnitude)


def _extremes(layout: MemoryLayout) -> Iterator[Arrays]:
    """Narrow integers at the ends of their range: the largest and smallest sums of products."""
    narrow = [array.dtype.kind in "iu" and array.dtype.itemsize == 1 for array in layout.arrays]
    for signs in ((-1, -1), (-1, 1)):
        arrays: Arrays = []
        for place, array in enumerate(layout.arrays):
            limits = np.iinfo(array.dtype) if narrow[place] else None
            end = 0 if limits is None else limits.min if signs[place % 2] < 0 else limits.max
            arrays.append(np.full(array.shape, end, array.dtype))
        yield arrays


def _with_term(
    arrays: Arrays, layout: MemoryLayout, factors: Factors, magnitude: int
) -> Arrays | None:
    summand = _summand(layout, factors)
    if summand is None:
        return None
    suspect = pairing.Difference(True, summand.shape, (), summand.subscripts)
    return arrays_for_difference(arrays, suspect, magnitude)


def _summand(layout: MemoryLayout, factors: Factors) -> Summand | None:
    """A term as the first engine writes it; ``None`` if a factor is no input element."""
    slots: list[Term] = []
    subscripts: list[int] = []
    for place, factor in enumerate(factors):
        located = locate(layout, factor)
        if located is None:
            return None
        slots.append(term("slot", "int", payload=("input", located[0], place)))
        subscripts += located[1]
    shape = slots[0] if len(slots) == 1 else term("mul", "int", *slots)
    return Summand(shape, tuple(subscripts))
