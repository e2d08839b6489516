"""Adding to a cell reads it: nobody may add to a cell that was never written (trusted core)."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Operation

from ..extract.structured import Extractor
from .condition import FALSE, Condition, all_of
from .index import Index, Variable, constant_index
from .polyhedral import Array

UNREAD = "unread"
"""How the names of the arrays begin that nobody reads."""


def require_initialised(
    extractor: Extractor,
    memory: Array,
    cell: tuple[Index, ...],
    operation: Operation,
    dims: Sequence[Variable],
    condition: Sequence[Condition],
) -> None:
    """Demand that the cells which an instruction is about to add to have been written.

    The cells are copied to an array that nobody reads, so that the demand is an ordinary read, with
    a source that the checker asks for. A sum that only later turns out to be unused needs it too:
    the machine model refuses such an instruction.
    """
    if all_of([*condition]) == FALSE:
        return
    extents = tuple(constant_index((dim.high or 0) + 1) for dim in dims)
    places = tuple(Index.of(dim) for dim in dims)
    unread = Array(extractor.fresh(UNREAD), memory.element_type, extents)
    value = extractor.read_element(memory, cell)
    extractor.emit(unread, places, value, operation, dims=dims, condition=condition)
