"""From the final state of an output array to the tensor that holds it."""

from __future__ import annotations

from xdsl.ir import SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from ..tensors.emit import TensorEmitter
from ..tensors.layout import LinearLayout, linear_layout
from ..tensors.slices import Slice, insert_slice
from .index import IndexExpression, LoopVariable, reversals
from .normalise import normalise
from .solve import Subscripts
from .stages import loops_over
from .state import ArrayState, Update
from .terms import Term, Unliftable, walk

_HINT = "supported are element-wise maps and reductions with affine subscripts"


def emit_output(state: ArrayState, array: SSAValue, emitter: TensorEmitter) -> SSAValue:
    """Return the tensor with the content of ``array`` at the end of the program.

    One formula for all elements is preferred; if there is none, each update is inserted into what
    was there before. Raises :class:`Diagnostic` with the statement and the reason if both fail.
    """
    updates = state.updates.get(array, [])
    location = updates[-1].location if updates else None
    try:
        layouts = _output_layouts(updates, emitter.extents[array])
        loops = loops_over(tuple(extent for layout in layouts for extent in layout.shape))
        value = normalise(state.read(array, _cell(layouts, loops)))
        if _unliftable(value) is None:
            tensor = emitter.emit(value, loops)
            return emitter.collapse(tensor, tuple(layout.shape for layout in layouts))
        return _emit_in_parts(state, array, value, emitter)
    except Diagnostic as problem:
        if problem.location is not None or location is None:
            raise
        raise Diagnostic(problem.message, location, problem.hint or _HINT) from None


def _emit_in_parts(
    state: ArrayState, array: SSAValue, whole: Term, emitter: TensorEmitter
) -> SSAValue:
    """Return the old content with the updates inserted, each into a slice."""
    updates = state.updates.get(array, [])
    for update in updates:
        part = _unliftable(update.value)
        if part is not None:
            raise _refusal(state, array, part.reason, part.location)
    slices = [_slice_of(update) for update in updates]
    if None in slices:
        part = _unliftable(whole)
        assert part is not None
        raise _refusal(state, array, part.reason, part.location)
    tensor = emitter.parameters[array]
    for place in slices:
        assert place is not None
        values = emitter.emit(normalise(place.value), place.loops)
        if place.sizes == emitter.extents[array]:
            tensor = values
            continue
        tensor = insert_slice(emitter, values, tensor, place.offsets, place.sizes, place.strides)
    return tensor


def _refusal(
    state: ArrayState, array: SSAValue, reason: str, location: SourceLocation | None
) -> Diagnostic:
    return Diagnostic(f"cannot lift output '{state.name(array)}': {reason}", location, _HINT)


def _unliftable(value: Term) -> Unliftable | None:
    return next((part for part in walk(value) if isinstance(part, Unliftable)), None)


def _slice_of(update: Update) -> Slice | None:
    """Return the slice that an update fills, or ``None`` if its cells are no slice."""
    assert update.indices is not None
    return Slice.of(update.variables, update.indices, update.value)


def _output_layouts(updates: list[Update], extents: Subscripts) -> tuple[LinearLayout, ...]:
    """Return how each dimension of the output is subscripted: by one loop, or linearised."""
    layouts: list[LinearLayout] = []
    for dimension, extent in enumerate(extents):
        written = [u.indices[dimension] for u in updates if u.indices is not None]
        found = [linear_layout(index.substitute(reversals(index)), extent) for index in written]
        linear = next((layout for layout in found if layout is not None), None)
        layouts.append(linear or LinearLayout((), (extent,)))
    return tuple(layouts)


def _cell(layouts: tuple[LinearLayout, ...], loops: tuple[LoopVariable, ...]) -> Subscripts:
    """Return the subscripts of an output element, given one loop per dimension of the layouts."""
    subscripts: list[IndexExpression] = []
    remaining = [IndexExpression.of(loop) for loop in loops]
    for layout in layouts:
        count = len(layout.shape)
        subscripts.append(layout.index(tuple(remaining[:count])))
        del remaining[:count]
    return tuple(subscripts)
