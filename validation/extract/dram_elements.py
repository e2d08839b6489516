"""Which element of a DRAM array a move touches (trusted core)."""

from __future__ import annotations

from xdsl.ir import Operation

from ..core.index import Index
from ..core.polyhedral import Array, Unsupported
from ..core.terms import bit_width


def dram_element(
    array: Array,
    indices: tuple[Index, ...],
    type: str,
    stride: int,
    row: Index,
    col: Index,
    operation: Operation,
) -> tuple[Index, ...]:
    """The subscripts of element ``(row, col)`` of a move that starts at ``indices``.

    The hardware adds bytes; here the byte stride between rows becomes steps along one dimension.
    That all subscripts stay within the extents is an obligation of its own, so both agree.
    """
    if array.element_type != type:
        raise Unsupported(
            f"a move of {type} elements of an array of {array.element_type}", operation
        )
    if not indices:
        raise Unsupported("a move of an array of rank 0", operation)
    element_bytes = bit_width(type) // 8
    subscripts = [*indices]
    subscripts[-1] = subscripts[-1] + col
    if stride == 0 or row.interval == (0, 0):
        return tuple(subscripts)
    if stride % element_bytes:
        raise Unsupported(f"a row stride of {stride} bytes for {type} elements", operation)
    steps = stride // element_bytes
    size = 1
    place = len(indices) - 1
    for dimension in reversed(range(1, len(indices))):
        extent = array.extents[dimension]
        if not extent.is_constant:
            raise Unsupported("a move of an array with symbolic extents", operation)
        if steps % (size * extent.constant):
            break
        size *= extent.constant
        place = dimension - 1
    subscripts[place] = subscripts[place] + row * (steps // size)
    return tuple(subscripts)
