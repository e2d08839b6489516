"""Joined loops touch the same elements, and join only where that is so."""

from __future__ import annotations

from itertools import product
from math import prod

from hypothesis import given
from hypothesis import strategies as st
from liftproof.passes.coalesce import View, coalesce, view_of

SIZES = st.integers(1, 4)


def touched(view: View, sizes: tuple[int, ...]) -> list[int]:
    """The elements that the iterations of all loops touch, by their place in memory, sorted."""
    places: list[int] = []
    for iteration in product(*map(range, sizes)):
        place = 0
        for extent, form in zip(view.extents, view.subscripts, strict=True):
            term = form.get(None, 0) + sum(
                factor * iteration[loop] for loop, factor in form.items() if loop is not None
            )
            place = place * extent + term
        places.append(place)
    return sorted(places)


@given(SIZES, SIZES, SIZES, st.integers(1, 2), st.integers(0, 2), st.booleans())
def test_joined_loops_touch_the_same_elements(
    rows: int, cols: int, channels: int, stride: int, border: int, always: bool
) -> None:
    """Whatever joins, every array is walked through as often and at the same places."""
    width = (cols - 1) * stride + 1 + border
    sizes = (rows, cols, channels)
    views = [
        view_of((rows, width, channels), ({0: 1}, {1: stride}, {2: 1})),
        view_of((rows, cols, channels), ({0: 1}, {1: 1}, {2: 1})),
    ]
    joined, seen = coalesce(sizes, (0, 1, 2), views, 2, always=always)
    assert prod(joined) == prod(sizes)
    for before, after in zip(views, seen, strict=True):
        assert touched(before, sizes) == touched(after, tuple(joined))
        assert [d for group in after.groups for d in group] == [0, 1, 2]


def test_pixels_of_a_dense_image_join() -> None:
    """Rows and columns of an image without a border are one dimension of pixels."""
    views = [view_of((7, 7, 64), ({0: 1}, {1: 1}, {2: 1}))]
    joined, (view,) = coalesce((7, 7, 64), (0, 1), views, 16, always=True)
    assert joined == [1, 49, 64]
    assert view.extents == (49, 64)
    assert view.groups == ((0, 1), (2,))


def test_pixels_with_a_border_stay_apart() -> None:
    """Behind the last pixel of a row comes the border and not the next row."""
    views = [view_of((9, 9, 64), ({0: 1}, {1: 1}, {2: 1}))]
    joined, seen = coalesce((7, 7, 64), (0, 1), views, 16, always=True)
    assert joined == [7, 7, 64]
    assert seen == views


def test_loops_join_for_fuller_tiles_only() -> None:
    """Columns of a window join with 3 channels, not with 16, which fill a tile on their own."""
    for channels, expected in ((3, [1, 21]), (16, [7, 16])):
        views = [view_of((229, channels), ({0: 1, 2: 2}, {1: 1}))]
        joined, _ = coalesce((7, channels), (0, 1), views, 16, always=False)
        assert joined == expected
