"""When iterations of a loop nest may run in another order.

The answer must be safe for any nest of tile operations, so each rule is a sufficient condition that
is read off the program; what no rule covers is refused. (Validation proves each result anyway.)
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import Float32Type, MemRefType
from xdsl.ir import Block, Operation, SSAValue

from ..dialects.tile import LoadOp, MatmulOp, StoreOp
from .index_math import SLT, constant_difference, constant_value, depends_on, linear_form, range_of
from .kernel import Access, accesses, enclosing_loops, iv_of, refusal
from .nests import perfect_band, same_tile, trip_count


def require_permutable(band: Sequence[scf.ForOp]) -> None:
    """Refuse unless the loops of a perfect nest, outermost first, may be put in any order.

    Float sums keep the order of their terms only if the loops that they run over keep theirs; see
    ``require_same_sum_order``.
    """
    body = list(accesses(band[-1]))
    innermost = perfect_band(band[-1])[-1]
    for op in body:
        match op:
            case StoreOp():
                _require_separate_targets(op, band)
            case LoadOp():
                _require_no_aliasing_store(op, body)
            case MatmulOp() if op.keep is not None:
                raise refusal(op, "keeps a tile of B from the last product, so order matters")
            case _:
                pass
    for buffer in _buffers(body):
        if _is_finished_in(buffer, body):
            require_private(buffer, body, innermost)
        else:
            _require_sums_only(buffer, body, band)


def require_same_sum_order(before: Sequence[scf.ForOp], after: Sequence[scf.ForOp]) -> None:
    """Refuse a new loop order that would add floating-point terms in another order."""
    for op in accesses(before[-1]):
        if not isinstance(op, MatmulOp) or not _is_float(op.c):
            continue
        slots = op.c_slot
        sums = [x for x in before if not any(depends_on(s, iv_of(x)) for s in slots)]
        if [loop for loop in after if loop in sums] != sums:
            raise refusal(op, "would add floating-point terms in another order")


def require_private(buffer: SSAValue, body: Sequence[Access], scope: scf.ForOp) -> None:
    """Refuse unless all that is read from ``buffer`` was written in the same iteration.

    ``body`` are the accesses inside ``scope``, the loop whose iterations are meant.
    """
    fills = [op for op in body if not isinstance(op, MatmulOp | StoreOp) and op.buffer is buffer]
    sums = [op for op in body if isinstance(op, MatmulOp) and op.c is buffer]
    for op in body:
        if isinstance(op, MatmulOp) and (op.a is buffer or op.b is buffer):
            writes: Sequence[Access] = fills
        elif isinstance(op, MatmulOp) and op.c is buffer and not _begins_sums(op, scope):
            writes = fills
        elif isinstance(op, StoreOp) and op.buffer is buffer:
            writes = [*fills, *sums]
        else:
            continue
        slot = slot_of(op, buffer)
        if not any(covers(write, slot_of(write, buffer), op, slot) for write in writes):
            raise refusal(op, "reads a buffer that an earlier iteration may have written")


def slot_of(op: Access, buffer: SSAValue) -> tuple[SSAValue, ...]:
    """The slot of ``buffer`` that ``op`` accesses."""
    if not isinstance(op, MatmulOp):
        return tuple(op.slot)
    for operand, slot in ((op.a, op.a_slot), (op.b, op.b_slot), (op.c, op.c_slot)):
        if operand is buffer:
            return tuple(slot)
    raise refusal(op, "does not access the buffer")


def covers(
    write: Operation,
    write_slot: Sequence[SSAValue],
    read: Operation,
    read_slot: Sequence[SSAValue],
) -> bool:
    """Whether ``write`` has written the slot that ``read`` reads, whenever ``read`` runs.

    That is so if it stands before it, under no condition, at the same slot, or at the slots of
    loops with the same bounds. Loops that it repeats in without need must run at least once.
    """
    own = _loops_before(write, read)
    if own is None or len(write_slot) != len(read_slot):
        return False
    variables = {iv_of(loop): loop for loop in own}
    for written, wanted in zip(write_slot, read_slot, strict=True):
        if written in variables:
            loop = variables.pop(written)
            if not _same_bound(loop, wanted) and not _within(loop, wanted):
                return False
        elif constant_difference(written, wanted) != 0:
            return False
    return all((range_of(loop.ub).low or 0) >= 1 for loop in variables.values())


def _loops_before(first: Operation, second: Operation) -> list[scf.ForOp] | None:
    """The loops around ``first`` only, if the statement that they form precedes ``second``."""
    own: list[scf.ForOp] = []
    op = first
    while (block := op.parent) is not None:
        other = block.find_ancestor_op_in_block(second)
        if other is not None:
            return own if op is not other and op.is_before_in_block(other) else None
        parent = block.parent_op()
        if not isinstance(parent, scf.ForOp) or constant_value(parent.lb) != 0:
            return None
        own.append(parent)
        op = parent
    return None


def _within(loop: scf.ForOp, slot: SSAValue) -> bool:
    """Whether ``slot`` is always one of those that a loop from 0 goes through."""
    count, wanted = constant_value(loop.ub), range_of(slot)
    if count is None or wanted.low is None or wanted.high is None:
        return False
    return wanted.low >= 0 and wanted.high < count


def _same_bound(loop: scf.ForOp, slot: SSAValue) -> bool:
    """Whether ``slot`` is the variable of a loop with the bounds of ``loop``."""
    block = slot.owner
    other = block.parent_op() if isinstance(block, Block) else None
    return (
        isinstance(other, scf.ForOp)
        and slot is iv_of(other)
        and constant_value(other.lb) == 0
        and linear_form(other.ub) == linear_form(loop.ub)
    )


def _buffers(body: Sequence[Access]) -> list[SSAValue]:
    found: dict[SSAValue, None] = {}
    for op in body:
        for buffer in (op.a, op.b, op.c) if isinstance(op, MatmulOp) else (op.buffer,):
            found[buffer] = None
    return list(found)


def _is_finished_in(buffer: SSAValue, body: Sequence[Access]) -> bool:
    """Whether ``body`` fills or stores ``buffer``, and does not only sum into it or read it."""
    return any(not isinstance(op, MatmulOp) and op.buffer is buffer for op in body)


def _require_separate_targets(store: StoreOp, band: Sequence[scf.ForOp]) -> None:
    for loop in band:
        separate = any(depends_on(index, iv_of(loop)) for index in store.indices)
        if not separate and trip_count(loop) != 1:
            raise refusal(store, f"writes the same elements in each iteration of {_name(loop)}")


def _require_no_aliasing_store(load: LoadOp, body: Sequence[Access]) -> None:
    for op in body:
        if not isinstance(op, StoreOp) or op.target is not load.source:
            continue
        if not same_tile(op.indices, load.indices):
            raise refusal(load, "reads an array that another tile's store writes")


def _require_sums_only(buffer: SSAValue, body: Sequence[Access], band: Sequence[scf.ForOp]) -> None:
    """A buffer filled outside of the nest: products may read it or sum into it."""
    for op in body:
        if isinstance(op, MatmulOp) and op.c is buffer and not _always_adds(op):
            loops = [loop for loop in (*band, *enclosing_loops(op, band[-1])) if _sums(op, loop)]
            counted = _counted_loops(op)
            if any(iv_of(loop) not in counted for loop in loops):
                raise refusal(op, "its accumulate flag does not count all loops of the sum")


def _always_adds(op: MatmulOp) -> bool:
    return op.accumulate is not None and bool(constant_value(op.accumulate))


def _sums(op: MatmulOp, loop: scf.ForOp) -> bool:
    """Whether the iterations of ``loop`` add to the same tile of C."""
    return trip_count(loop) != 1 and not any(depends_on(s, iv_of(loop)) for s in op.c_slot)


def _begins_sums(op: MatmulOp, scope: scf.ForOp) -> bool:
    """Whether ``op`` overwrites at the first of its iterations inside one of ``scope``."""
    if _always_adds(op):
        return False
    inside = enclosing_loops(op, scope)
    sums = {iv_of(loop) for loop in inside if _sums(op, loop)}
    if op.accumulate is None or constant_value(op.accumulate) == 0:
        return not sums
    counted = _counted_loops(op)
    return sums <= counted <= {iv_of(loop) for loop in inside}


def _counted_loops(op: MatmulOp) -> set[object]:
    """The loops of which the accumulate flag says whether one is past its first iteration."""
    if op.accumulate is None or constant_value(op.accumulate) is not None:
        return set()
    flag = op.accumulate.owner
    if isinstance(flag, arith.CmpiOp) and flag.predicate.value.data == SLT:
        form = linear_form(flag.rhs)
        positive = all(isinstance(atom, SSAValue) and factor > 0 for atom, factor in form.items())
        if constant_value(flag.lhs) == 0 and positive:
            return set(form)
    raise refusal(op, "its accumulate flag is not of the form 0 < loop variables")


def _is_float(buffer: SSAValue) -> bool:
    type = buffer.type
    return isinstance(type, MemRefType) and isinstance(type.element_type, Float32Type)


def _name(loop: scf.ForOp) -> str:
    return f"loop %{iv_of(loop).name_hint}"
