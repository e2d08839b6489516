"""Accumulation groups in PSUM: which products overwrite a tile, and which add to it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .index import LoopVariable, UnrollRequest
from .values import View

if TYPE_CHECKING:
    from .reader import KernelReader


def begin_at_zero(reader: KernelReader, view: View) -> bool:
    """Note that a whole PSUM tile is zero from here on: its next product overwrites.

    False if an instruction must set it to zero, since it may hold something else.
    """
    array = view.array
    if array.branches < len(reader.branches):
        raise UnrollRequest(reader.branches[array.branches])
    is_new = array.loops == len(reader.variables) and not (array.products or array.others)
    array.products.clear()
    array.others.clear()
    array.group_loops = len(reader.variables)
    array.zero_pending = is_new
    return is_new


def adds(reader: KernelReader, dst: View, node: ast.AST) -> bool | list[LoopVariable]:
    """Whether earlier products have written ``dst``: always, never, or past some first trip."""
    array = dst.array
    if dst in array.products:
        return True
    if any(_overlap(earlier, dst) for earlier in array.products):
        reader.request_unrolling(node, "products write overlapping parts of one PSUM tile")
    if any(_overlap(other, dst) for other in array.others):
        hint = "set the tile to zero first, or say accumulate="
        reader.source.refuse(node, "a product would be added to what no product wrote", hint)
    used = {variable for offset in dst.offsets for variable in offset.terms}
    carried = [own for own in reader.variables[array.group_loops :] if own not in used]
    return carried or False


def _overlap(left: View, right: View) -> bool:
    """Whether two parts of one array may share an element."""
    for axis, (one, two) in enumerate(zip(left.offsets, right.offsets, strict=True)):
        distance = two - one
        if not distance.is_constant:
            continue
        first, second = _extent(left, axis), _extent(right, axis)
        if distance.constant >= first or -distance.constant >= second:
            return False
    return True


def _extent(view: View, axis: int) -> int:
    """Elements from the first to behind the last along a dimension of the buffer."""
    return 1 + sum((d.size - 1) * abs(d.step) for d in view.dimensions if d.along == axis)
