"""Join loops of a contraction that walk through memory as one loop would.

Two loops join where, in each array, the outer one steps exactly as far as all iterations of the
inner one together: the rows of an image and its columns in a 1×1 convolution, or the columns of a
window and the channels, which lie side by side. The array tiles of the joined loop are full where
those of its parts are short. The dimensions of an array that a joined loop walks along are seen as
one (``memref.collapse_shape``), which moves no data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import prod

Form = Mapping[int | None, int]
"""A subscript: factor of each loop; the key ``None`` holds the constant."""


@dataclass(frozen=True)
class View:
    """An array of a contraction: its extents, and how loops walk through it."""

    extents: tuple[int, ...]
    subscripts: tuple[Form, ...]
    groups: tuple[tuple[int, ...], ...]
    """For each dimension of the view, the array's dimensions that it joins."""
    border: frozenset[int] = frozenset()
    """Dimensions whose subscripts go beyond the array."""

    def steps(self, loop: int | None) -> int:
        """Elements from one iteration of ``loop`` to the next; for None, to the first."""
        return sum(
            form.get(loop, 0) * prod(self.extents[place + 1 :])
            for place, form in enumerate(self.subscripts)
        )

    def flat(self) -> View:
        """The same array, seen as one line."""
        form = {loop: self.steps(loop) for form in self.subscripts for loop in form}
        whole = tuple(d for group in self.groups for d in group)
        return View((prod(self.extents),), (form,), (whole,))

    def uses(self, loop: int) -> bool:
        """Whether ``loop`` walks through the array."""
        return any(loop in form for form in self.subscripts)

    def rows_along(self, loop: int) -> tuple[int, int]:
        """The dimension along which ``loop`` walks, and its elements from one iteration on."""
        return next((d, form[loop]) for d, form in enumerate(self.subscripts) if loop in form)

    def crosses_border(self, outer: int, inner: int) -> bool:
        """Whether the dimensions that two loops walk along go beyond the array."""
        places = [d for d, form in enumerate(self.subscripts) if inner in form or outer in form]
        return any(min(places) <= d <= max(places) for d in self.border if places)

    def joined(self, outer: int, inner: int, size: int) -> View:
        """The same array with ``inner`` in the place of both loops, of which it had ``size``."""
        places = [d for d, form in enumerate(self.subscripts) if inner in form or outer in form]
        if not places:
            return self
        first, last = places[0], places[-1]
        flat: dict[int | None, int] = {}
        for place in range(first, last + 1):
            stride = prod(self.extents[place + 1 : last + 1])
            for loop, factor in self.subscripts[place].items():
                flat[loop] = flat.get(loop, 0) + factor * stride
        assert flat[outer] == flat[inner] * size
        del flat[outer]
        group = tuple(d for part in self.groups[first : last + 1] for d in part)
        return View(
            (
                *self.extents[:first],
                prod(self.extents[first : last + 1]),
                *self.extents[last + 1 :],
            ),
            (*self.subscripts[:first], flat, *self.subscripts[last + 1 :]),
            (*self.groups[:first], group, *self.groups[last + 1 :]),
            frozenset(d if d < first else d - (last - first) for d in self.border),
        )


def view_of(
    extents: Sequence[int], subscripts: Sequence[Form], border: frozenset[int] = frozenset()
) -> View:
    """An array as it is."""
    groups = tuple((d,) for d in range(len(extents)))
    return View(tuple(extents), tuple(subscripts), groups, border)


def coalesce(
    sizes: Sequence[int], loops: Sequence[int], views: Sequence[View], dim: int, *, always: bool
) -> tuple[list[int], list[View]]:
    """Join pairs of ``loops`` as long as there is one; the outer loop of a pair gets size 1.

    Pairs join where that makes fewer tiles of ``dim`` iterations, or ``always``. Returns the sizes
    of all loops, and the views with fewer dimensions.
    """
    sizes, views = list(sizes), list(views)
    joining = True
    while joining:
        joining = False
        for outer, inner in permutations(loops, 2):
            size = sizes[inner]
            least = 2 if always else 1  # a window of one channel has terms side by side, too
            if sizes[outer] < 2 or size < least or not _continues(outer, inner, size, views):
                continue
            separate = sizes[outer] * -(-size // dim)
            if always or -(-sizes[outer] * size // dim) < separate:
                views = [view.joined(outer, inner, size) for view in views]
                sizes[inner], sizes[outer] = sizes[outer] * size, 1
                joining = True
    return sizes, views


def _continues(outer: int, inner: int, size: int, views: Sequence[View]) -> bool:
    """Whether each iteration of ``outer`` begins where ``inner`` would go on, in all arrays."""
    return all(
        view.steps(outer) == size * view.steps(inner) and not view.crosses_border(outer, inner)
        for view in views
    )
