"""Instructions in loops over affine places: what lowering a pooling is built of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from .chains.products import Counter
from .coalesce import Form
from .instruction_tree import Item, LoopOfItems

Make = Callable[[Form], list[Item]]


def plus(*forms: Form | int) -> dict[int | None, int]:
    """The sum of affine forms and numbers."""
    found: dict[int | None, int] = {}
    for form in forms:
        for loop, factor in ({None: form} if isinstance(form, int) else form).items():
            found[loop] = found.get(loop, 0) + factor
    return found


def times(form: Form, factor: int) -> dict[int | None, int]:
    """An affine form, multiplied."""
    return {loop: factor * amount for loop, amount in form.items()}


class Loops:
    """Makes loops, each with a counter of its own."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = count()

    def repeat(self, extent: int, name: str, make: Make) -> list[Item]:
        """What ``make`` gives at each place below ``extent``; a single place needs no loop."""
        if extent == 1:
            return make({})
        counter = Counter(next(self._numbers), extent, name)
        return [LoopOfItems(counter, make({counter.number: 1}))] if extent > 0 else []

    def pieces(
        self, extent: int, size: int, name: str, make: Callable[[Form, int], list[Item]]
    ) -> list[Item]:
        """What ``make`` gives at the start of each piece of ``size``, and the shorter last one."""
        whole, rest = divmod(extent, size)
        items = self.repeat(whole, name, lambda at: make(times(at, size), size)) if whole else []
        return [*items, *(make({None: whole * size}, rest) if rest else [])]
