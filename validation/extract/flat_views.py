"""Arrays in DRAM that are seen with joined dimensions (trusted core)."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from xdsl.dialects import memref

from ..core.index import Index, constant_index
from ..core.polyhedral import Array, Unsupported


class FlatViews:
    """Which array is behind each view; all views of an array keep its order in memory."""

    def __init__(self) -> None:
        self._bases: dict[Array, tuple[Array, list[list[int]]]] = {}

    def view(self, base: Array, operation: memref.CollapseShapeOp) -> Array:
        """The array with each group of dimensions as one; raises ``Unsupported`` for symbols."""
        groups = [
            [base.extents[dimension.value.data] for dimension in group]
            for group in operation.reassociation
        ]
        if not all(extent.is_constant for group in groups for extent in group):
            raise Unsupported("joined dimensions that are no numbers", operation)
        sizes = [[extent.constant for extent in group] for group in groups]
        flat = replace(base, extents=tuple(constant_index(prod(group)) for group in sizes))
        if flat != base:
            self._bases[flat] = base, sizes
        return flat

    def element(self, array: Array, indices: tuple[Index, ...]) -> tuple[Array, tuple[Index, ...]]:
        """The element behind one of a view, which must lie within it; others stay as they are."""
        if array not in self._bases:
            return array, indices
        base, groups = self._bases[array]
        found: list[Index] = []
        for index, sizes in zip(indices, groups, strict=True):
            for place in range(len(sizes)):
                below = index // prod(sizes[place + 1 :])
                found.append(below % sizes[place] if place else below)
        return self.element(base, tuple(found))
