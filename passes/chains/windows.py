"""Arrays of which a loop over time needs a few steps at once: their steps take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .products import Affine, Counter, Loop, Node, assignments
from .tiles import Layout, Tile, Tiler

SLACK = 2
"""Times the steps that are needed at once: stores of a step may go on while others are computed."""


@dataclass(frozen=True)
class Window:
    """Step n of an array lies where step n - ``steps`` lay, which nothing needs any more."""

    dimension: int
    """The dimension along which the loop walks, one step in each iteration."""
    steps: int
    first: int
    """The outermost step that the first iteration needs, on the side of those of the past."""
    ascending: bool

    @property
    def extents(self) -> Mapping[int, int]:
        """What is kept along the dimension."""
        return {self.dimension: self.steps}

    def holds_at_first(self, tile: Tile) -> bool:
        """Whether a tile can be there before the loop begins: no earlier step has its rows."""
        step = tile.first[self.dimension].get(None, 0)
        return step < self.first + self.steps if self.ascending else step > self.first - self.steps


def find_windows(nodes: Sequence[Node], tiler: Tiler) -> dict[Layout, Window]:
    """The arrays that one loop of the whole program writes and reads, and nothing else touches."""
    uses: dict[Layout, list[tuple[Node, Tile]]] = {}
    written: set[Layout] = set()
    for node in nodes:
        for tile_sum in (s for assign in assignments([node]) for s in tiler.sums(assign)):
            written.add(tile_sum.target.layout)
            for tile in (tile_sum.target, *tile_sum.tiles):
                uses.setdefault(tile.layout, []).append((node, tile))
    found: dict[Layout, Window] = {}
    for layout in (layout for layout in uses if layout in written):
        node = uses[layout][0][0]
        if isinstance(node, Loop) and all(other is node for other, _ in uses[layout]):
            window = _window(layout, [tile for _, tile in uses[layout]], node.counter)
            if window is not None:
                found[layout] = window
    return found


def _window(layout: Layout, tiles: Sequence[Tile], counter: Counter) -> Window | None:
    for dimension, extent in enumerate(layout.shape):
        forms = [tile.first[dimension] for tile in tiles]
        factor = forms[0].get(counter.number, 0)
        if abs(factor) != 1 or not all(_walks(form, counter, factor) for form in forms):
            continue
        places = [form.get(None, 0) for form in forms]
        steps = SLACK << (max(places) - min(places)).bit_length()
        if steps < extent and dimension not in (layout.rows, layout.cols):
            first = min(places) if factor > 0 else max(places)
            return Window(dimension, steps, first, factor > 0)
    return None


def _walks(form: Affine, counter: Counter, factor: int) -> bool:
    return {key: n for key, n in form.items() if key is not None} == {counter.number: factor}
