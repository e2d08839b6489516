"""Arrays that a nest of loops computes from sums before other nests read them elsewhere.

What a cell holds is usually put in the place of its read. A sum that is read by a window, as in a
convolution or a pooling behind another layer, would then be computed once for each read. Such an
array stays: reads of it stand for a new array whose content is known, a *stage*.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, SSAValue

from .index import IndexExpression, LoopVariable
from .normalise import normalise
from .solve import Subscripts
from .state import ArrayState
from .terms import Reduction, Term, Unliftable, walk

_LOOP_NAMES = "ijlmnpqr"


@dataclass(frozen=True)
class Stage:
    """The content of an array between two nests: ``value`` at the cell ``loops``."""

    array: SSAValue
    """What reads of it name."""
    value: Term
    loops: tuple[LoopVariable, ...]
    extents: Subscripts


def stage_of(state: ArrayState, array: SSAValue) -> Stage | None:
    """The content of ``array`` now, if it is known, of known extents, and computed from sums."""
    kind = array.type
    assert isinstance(kind, MemRefType)
    if kind.get_num_dims() < 2 or any(extent < 0 for extent in kind.get_shape()):
        return None
    extents = tuple(IndexExpression.of(extent) for extent in kind.get_shape())
    loops = loops_over(extents)
    value = normalise(state.read(array, tuple(IndexExpression.of(loop) for loop in loops)))
    parts = list(walk(value))
    if any(isinstance(part, Unliftable) for part in parts):
        return None
    if not any(isinstance(part, Reduction) for part in parts):
        return None
    content = Block(arg_types=[kind]).args[0]
    content.name_hint = state.name(array)
    return Stage(content, value, loops, extents)


def loops_over(extents: Subscripts) -> tuple[LoopVariable, ...]:
    """Loops from 0 over all cells of an array."""
    zero = IndexExpression.of(0)
    return tuple(
        LoopVariable(_LOOP_NAMES[d % len(_LOOP_NAMES)], zero, (extent,))
        for d, extent in enumerate(extents)
    )
