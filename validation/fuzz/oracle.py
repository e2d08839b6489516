"""What running two programs shows: the judge of the validator's verdicts.

The oracle uses the executors and the functional simulator only, nothing of the proof machinery.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from ...diagnostics import Diagnostic
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.functional import run
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.unroll import stream_of_module
from ...hw.stream import CommandStream, StreamError
from ..core.polyhedral import Unsupported
from ..execution.common import ExecutionFault
from ..execution.counterexample import compare_runs, parameter_names
from ..execution.execute import execute, parameter_shapes, random_array
from ..extract.extraction import Level, level_of
from ..extract.structured import single_function

MAGNITUDES: tuple[int | None, ...] = (1, None, 3, 40)
"""Ranges of random inputs; small ones keep saturation from hiding a difference."""

Arrays = list[NDArray[Any]]


class Oracle:
    """Runs mutants on random and adversarial inputs and compares with the source."""

    def __init__(self, source: ModuleOp, config: GemminiConfig, seed: int) -> None:
        function = single_function(source)
        self._config = config
        self._names = parameter_names(function)
        self._cases: list[tuple[Arrays, Arrays]] = []
        for inputs in _inputs(parameter_shapes(function), seed):
            try:
                self._cases.append((inputs, execute(source, inputs, config)))
            except ExecutionFault:
                # The source has no meaning for these inputs; a target may do anything.
                continue
        if not self._cases:
            raise Unsupported("the source is undefined on all inputs that were tried")

    def agrees(self, mutant: ModuleOp) -> bool | None:
        """Whether all runs agree; ``None`` if the mutant cannot be executed here."""
        try:
            if level_of(mutant) is Level.ISA:
                return self.stream_agrees(*stream_of_module(mutant, self._config))
            return all(
                self._same(inputs, expected, execute(mutant, inputs, self._config))
                for inputs, expected in self._cases
            )
        except (ExecutionFault, StreamError, Diagnostic):
            return False
        except Unsupported:
            return None

    def stream_agrees(self, stream: CommandStream, layout: MemoryLayout) -> bool:
        """Whether all runs of a command stream agree."""
        for inputs, expected in self._cases:
            memory = layout.image(inputs)
            try:
                run(stream, self._config, memory, layout=layout)
            except StreamError:
                return False
            if not self._same(inputs, expected, layout.read(memory)):
                return False
        return True

    def _same(self, inputs: Arrays, expected: Arrays, actual: Arrays) -> bool:
        return compare_runs(self._names, inputs, expected, actual) is None


def _inputs(shapes: list[tuple[tuple[int, ...], str]], seed: int) -> Iterator[Arrays]:
    rng = np.random.default_rng(seed)
    for magnitude in MAGNITUDES:
        yield [random_array(rng, shape, type, magnitude) for shape, type in shapes]
    for adversary in (_extremes, _alternating):
        yield [adversary(random_array(rng, shape, type)) for shape, type in shapes]


def _extremes(array: NDArray[Any]) -> NDArray[Any]:
    """The smallest number everywhere: sums as large as they get, products that overflow first."""
    if array.dtype.kind != "i":
        return np.full_like(array, -1)
    return np.full_like(array, np.iinfo(array.dtype).min)


def _alternating(array: NDArray[Any]) -> NDArray[Any]:
    """Both limits in turn: sums that cancel, results that saturate on either side."""
    if array.dtype.kind != "i":
        return array
    limits = np.iinfo(array.dtype)
    places = np.indices(array.shape).sum(axis=0) if array.ndim else np.zeros((), np.int64)
    return np.where(places % 3 == 0, limits.max, limits.min).astype(array.dtype)
