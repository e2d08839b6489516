"""The level-2 cache while a sample of a program runs.

Iterations that are left out would have filled lines. Those lines push out what was used before
them, and nothing that they use too: lines of a loop's middle iterations that its last ones use
again are used by all; others grow old by what was left out, once the loop is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sampling import Mark, Role
from .timing.level2 import NO_TAG

GONE = NO_TAG - 1
"""Tag of a way that holds a line which the sample does not ask for."""


@dataclass
class _Loop:
    """Accesses to the cache before the parts of a loop, and lines filled."""

    middle: int = 0
    tail: int = 0
    filled_before: int = 0
    """Lines filled before the middle iterations."""
    left_out: int = 0
    """Lines that would be filled in the iterations that are left out."""


class SampledCache:
    """Ages the lines of a simulated cache at the marks of a sample."""

    def __init__(self, level2: Any, lines: NDArray[Any]) -> None:
        """``level2`` and ``lines`` are the simulation's own; ``lines`` is changed in place."""
        self.level2 = level2
        self.lines = lines
        self._age = np.zeros(len(lines), np.int64)
        """Lines that were filled, besides those in the sample, since each line's last use."""
        self._last_use = np.zeros(len(lines), np.int64)
        self._loops: dict[int, _Loop] = {}
        self._left_out = 0

    def pass_mark(self, mark: Mark) -> None:
        """Let the cache be as it would be where ``mark`` is."""
        loop = self._loops.setdefault(mark.loop, _Loop())
        accesses = int(self.level2["accesses"])
        filled = int(self.level2["misses"]) + self._left_out
        match mark.role:
            case Role.HEAD:
                pass
            case Role.MIDDLE:
                loop.middle, loop.filled_before = accesses, filled
            case Role.TAIL:
                times = mark.middle // mark.kept - 1
                loop.tail, loop.left_out = accesses, times * (filled - loop.filled_before)
                self._left_out += loop.left_out
                self._grow_old(loop.left_out, 0, loop.middle)
            case Role.END:
                self._grow_old(loop.left_out, loop.middle, loop.tail)

    def _grow_old(self, fills: int, first: int, end: int) -> None:
        """Age the lines last used from access ``first`` up to ``end``; the oldest are gone."""
        if not fills:
            return
        used = self.lines["used"]
        self._age[self._last_use != used] = 0
        self._last_use[:] = used
        chosen = (used >= first) & (used < end) & (self.lines["tag"] >= 0)
        self._age[chosen] += fills
        used_later = np.empty(len(used), np.int64)
        used_later[np.argsort(-used, kind="stable")] = np.arange(len(used))
        gone = chosen & (used_later + self._age >= len(used))
        self.lines["tag"][gone] = GONE
        self.lines["dirty"][gone] = 0
        self.lines["used"][gone] = -1
