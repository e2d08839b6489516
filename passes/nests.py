"""Loop nests around one move: recognise them, and build them anew elsewhere.

A *move nest* is a loop nest, with or without guards, whose only effect is one load, zero or store
of a tile. Schedule passes distribute moves out of the loops around the products into such nests,
and place them where they hide behind the products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import IndexType, MemRefType
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from ..dialects.tile import LoadOp, MatmulOp, StoreOp, ZeroOp
from .index_math import (
    IndexBuilder,
    constant_difference,
    constant_value,
    depends_on,
    is_index_math,
    never_equal,
    range_of,
)
from .kernel import Access, Move, iv_of, refusal

Mapping = dict[SSAValue, SSAValue]


def trip_count(loop: scf.ForOp) -> int | None:
    """Iterations of a loop ``0 … constant step 1``, else None."""
    if constant_value(loop.lb) != 0 or constant_value(loop.step) != 1 or loop.iter_args:
        return None
    return constant_value(loop.ub)


def largest_trip_count(loop: scf.ForOp) -> int:
    """Upper limit of the iterations of a loop from 0; refuses where there is none."""
    step = constant_value(loop.step)
    high = range_of(loop.ub).high
    if constant_value(loop.lb) != 0 or not step or high is None or loop.iter_args:
        raise refusal(loop, "is not a loop from 0 with a known largest trip count")
    return max(0, -(-high // step))


def insert_loop(
    index: IndexBuilder, upper: SSAValue, name: str, step: int = 1, *, lower: int = 0
) -> tuple[scf.ForOp, SSAValue]:
    """Insert an empty loop from ``lower`` to ``upper`` and continue inside of it."""
    body = Block(arg_types=[IndexType()])
    body.args[0].name_hint = name
    first, one = index.constant(lower), index.constant(step)
    loop = scf.ForOp(first, upper, one, [], body)
    index.insert(loop)
    Builder(InsertPoint.at_end(body)).insert(scf.YieldOp())
    assert body.last_op is not None
    index.at(InsertPoint.before(body.last_op))
    return loop, body.args[0]


def insert_if(index: IndexBuilder, condition: SSAValue) -> None:
    """Insert ``scf.if`` and continue inside of it; nothing where the condition is always true."""
    if constant_value(condition):
        return
    body = Block([scf.YieldOp()])
    index.insert(scf.IfOp(condition, [], Region(body)))
    assert body.first_op is not None
    index.at(InsertPoint.before(body.first_op))


def with_slot(
    op: Move, buffer: SSAValue, slot: Sequence[SSAValue], copy: Callable[[SSAValue], SSAValue]
) -> Move:
    """A new move like ``op`` on ``buffer[slot]``, its other operands passed through ``copy``."""
    match op:
        case LoadOp():
            return LoadOp(
                op.source,
                [copy(i) for i in op.indices],
                buffer,
                slot,
                copy(op.rows),
                copy(op.cols),
                broadcast=op.broadcast is not None,
                diagonal=op.diagonal is not None,
                border=op.border is not None,
                place=op.place,
                start=None if op.start is None else copy(op.start),
                fold=op.fold,
                term=None if op.term is None else copy(op.term),
                terms=op.terms,
            )
        case ZeroOp():
            return ZeroOp(buffer, slot, copy(op.rows), copy(op.cols))
        case StoreOp():
            return StoreOp(
                buffer,
                slot,
                op.target,
                [copy(i) for i in op.indices],
                copy(op.rows),
                copy(op.cols),
                scale=None if op.scale is None else op.scale.value.data,
                relu=op.relu is not None,
                place=op.place,
            )


def redirect(
    op: MatmulOp, old: SSAValue, new: SSAValue, slot: Callable[[Sequence[SSAValue]], list[SSAValue]]
) -> None:
    """Let a product access ``new`` at ``slot(old slot)`` where it accessed ``old``."""

    def operand(buffer: SSAValue, old_slot: Sequence[SSAValue]) -> tuple[SSAValue, list[SSAValue]]:
        return (new, slot(old_slot)) if buffer is old else (buffer, list(old_slot))

    replace_product(
        op, operand(op.a, op.a_slot), operand(op.b, op.b_slot), operand(op.c, op.c_slot)
    )


def replace_product(
    op: MatmulOp,
    a: tuple[SSAValue, Sequence[SSAValue]] | None = None,
    b: tuple[SSAValue, Sequence[SSAValue]] | None = None,
    c: tuple[SSAValue, Sequence[SSAValue]] | None = None,
    accumulate: SSAValue | None = None,
    keep: SSAValue | None = None,
) -> MatmulOp:
    """Put a product in the place of ``op`` that differs in the operands given."""
    new = MatmulOp(
        a or (op.a, op.a_slot),
        b or (op.b, op.b_slot),
        c or (op.c, op.c_slot),
        (op.m, op.n, op.depth),
        accumulate or op.accumulate,
        keep or op.keep,
        a_transpose=op.a_transpose is not None,
        b_transpose=op.b_transpose is not None,
    )
    Builder(InsertPoint.before(op)).insert(new)
    erase(op)
    return new


def copy_product(
    index: IndexBuilder,
    op: MatmulOp,
    mapping: Mapping,
    scope: Operation,
    keep: SSAValue | None,
) -> MatmulOp:
    """Insert ``op`` again with values replaced, and with another ``keep`` flag."""

    def copy(values: Sequence[SSAValue]) -> list[SSAValue]:
        return [index.copy(value, mapping, scope) for value in values]

    m, n, depth = copy([op.m, op.n, op.depth])
    new = MatmulOp(
        (op.a, copy(op.a_slot)),
        (op.b, copy(op.b_slot)),
        (op.c, copy(op.c_slot)),
        (m, n, depth),
        None if op.accumulate is None else copy([op.accumulate])[0],
        keep,
        a_transpose=op.a_transpose is not None,
        b_transpose=op.b_transpose is not None,
    )
    index.insert(new)
    return new


@dataclass(frozen=True)
class MoveNest:
    """One statement of a block: guards and loops, outermost first, around a single move."""

    statement: Operation
    around: tuple[scf.ForOp | scf.IfOp, ...]
    move: Move

    @property
    def loops(self) -> tuple[scf.ForOp, ...]:
        return tuple(op for op in self.around if isinstance(op, scf.ForOp))

    @property
    def guarded(self) -> bool:
        return any(isinstance(op, scf.IfOp) for op in self.around)


def move_nest(statement: Operation) -> MoveNest | None:
    """``statement`` as a move nest, or None if it is something else."""
    around: list[scf.ForOp | scf.IfOp] = []
    op = statement
    while isinstance(op, scf.ForOp | scf.IfOp):
        inner = _only_effect(op)
        if inner is None:
            return None
        around.append(op)
        op = inner
    if not isinstance(op, LoadOp | ZeroOp | StoreOp):
        return None
    return MoveNest(statement, tuple(around), op)


def _only_effect(op: scf.ForOp | scf.IfOp) -> Operation | None:
    if op.results or any(region.blocks for region in op.regions[1:]):
        return None
    effects = [inner for inner in op.regions[0].block.ops if not is_index_math(inner)]
    return effects[0] if len(effects) == 2 else None


def perfectly_nested(outer: scf.ForOp) -> scf.ForOp | None:
    """The loop that is the only effect in the body of ``outer``, if there is one."""
    inner = _only_effect(outer)
    return inner if isinstance(inner, scf.ForOp) else None


def perfect_band(loop: scf.ForOp) -> list[scf.ForOp]:
    """``loop`` and the loops perfectly nested in it, outermost first."""
    band = [loop]
    while (inner := perfectly_nested(band[-1])) is not None:
        band.append(inner)
    return band


def copy_nest(index: IndexBuilder, nest: MoveNest, mapping: Mapping, scope: Operation) -> Move:
    """Build ``nest`` again at the insertion point of ``index``, with values replaced.

    The insertion point is afterwards behind the new nest. Returns the new move.
    """
    resume = index.builder.insertion_point
    mapping = dict(mapping)
    for op in nest.around:
        if isinstance(op, scf.IfOp):
            insert_if(index, index.copy(op.cond, mapping, scope))
            continue
        upper = index.copy(op.ub, mapping, scope)
        step = constant_value(op.step)
        if constant_value(op.lb) != 0 or step is None:
            raise refusal(op, "does not begin at 0 or has no constant step")
        hint = iv_of(op).name_hint or "x"
        _, mapping[iv_of(op)] = insert_loop(index, upper, hint, step)
    move = copy_move(index, nest.move, mapping, scope)
    index.at(resume)
    return move


def copy_statements(index: IndexBuilder, block: Block, mapping: Mapping, scope: Operation) -> None:
    """Build the statements of ``block`` again at the insertion point, with values replaced.

    Arithmetic is folded with the values that replace others, so a guard may turn out to hold
    always or never. Refuses statements other than loops, guards and tile operations.
    """
    for op in block.ops:
        if is_index_math(op) or isinstance(op, scf.YieldOp):
            continue
        match op:
            case LoadOp() | ZeroOp() | StoreOp():
                copy_move(index, op, mapping, scope)
            case MatmulOp():
                keep = None if op.keep is None else index.copy(op.keep, mapping, scope)
                copy_product(index, op, mapping, scope, keep)
            case scf.IfOp() if not op.results and not op.false_region.blocks:
                condition = index.copy(op.cond, mapping, scope)
                if constant_value(condition) == 0:
                    continue
                resume = index.builder.insertion_point
                insert_if(index, condition)
                copy_statements(index, op.true_region.block, dict(mapping), scope)
                index.at(resume)
            case scf.ForOp() if not op.iter_args:
                _copy_loop(index, op, mapping, scope)
            case _:
                raise refusal(op, "is neither a loop, a guard nor a tile operation")


def _copy_loop(index: IndexBuilder, loop: scf.ForOp, mapping: Mapping, scope: Operation) -> None:
    lower, step = constant_value(loop.lb), constant_value(loop.step)
    if lower is None or step is None:
        raise refusal(loop, "does not begin at a constant or has no constant step")
    upper = index.copy(loop.ub, mapping, scope)
    resume = index.builder.insertion_point
    opened, variable = insert_loop(index, upper, iv_of(loop).name_hint or "x", step, lower=lower)
    opened.attributes.update(loop.attributes)
    copy_statements(index, loop.body.block, {**mapping, iv_of(loop): variable}, scope)
    index.at(resume)


def copy_move(index: IndexBuilder, move: Move, mapping: Mapping, scope: Operation) -> Move:
    """Insert ``move`` again with values replaced."""

    def copy(value: SSAValue) -> SSAValue:
        return index.copy(value, mapping, scope)

    new = with_slot(move, move.buffer, [copy(s) for s in move.slot], copy)
    index.insert(new)
    return new


def erase(op: Operation) -> None:
    """Detach and erase ``op`` with all that it contains."""
    op.detach()
    op.erase()


def array_of(move: Move) -> SSAValue | None:
    """The DRAM array that a move reads or writes."""
    match move:
        case LoadOp():
            return move.source
        case StoreOp():
            return move.target
        case ZeroOp():
            return None


@dataclass(frozen=True)
class Touch:
    """An access to a buffer or a DRAM array."""

    memory: SSAValue
    slot: tuple[SSAValue, ...]
    writes: bool


def touches(op: Access) -> list[Touch]:
    """All buffers and arrays that ``op`` reads or writes; arrays without a slot."""
    match op:
        case LoadOp():
            return [Touch(op.source, (), False), Touch(op.buffer, tuple(op.slot), True)]
        case ZeroOp():
            return [Touch(op.buffer, tuple(op.slot), True)]
        case StoreOp():
            return [Touch(op.buffer, tuple(op.slot), False), Touch(op.target, (), True)]
        case MatmulOp():
            return [
                Touch(op.a, tuple(op.a_slot), False),
                Touch(op.b, tuple(op.b_slot), False),
                Touch(op.c, tuple(op.c_slot), True),
            ]


def conflict(a: Access, b: Access) -> bool:
    """Whether two accesses may touch the same cells and one of them writes.

    Slots are compared by value, so shared loop variables must mean the same iteration: call it for
    operations of different nests in one loop body.
    """
    return any(
        x.memory is y.memory
        and (x.writes or y.writes)
        and not any(never_equal(s, t) for s, t in zip(x.slot, y.slot, strict=True))
        for x in touches(a)
        for y in touches(b)
    )


def same_tile(a: Sequence[SSAValue], b: Sequence[SSAValue]) -> bool:
    """Whether two index lists are equal in every iteration."""
    return len(a) == len(b) and all(
        constant_difference(x, y) == 0 for x, y in zip(a, b, strict=True)
    )


def loops_it_needs(values: Sequence[SSAValue], loops: Sequence[scf.ForOp]) -> list[scf.ForOp]:
    """The loops whose variables ``values`` or the bounds of such loops are computed from."""
    needed: list[scf.ForOp] = []
    for loop in reversed(loops):
        bounds = [inner.ub for inner in needed]
        if any(depends_on(value, iv_of(loop)) for value in (*values, *bounds)):
            needed.append(loop)
    return needed[::-1]


def resized(buffer: memref.AllocOp, slots: Sequence[int]) -> memref.AllocOp:
    """A new buffer like ``buffer`` with other slot dimensions, inserted before it."""
    old = buffer.memref.type
    assert isinstance(old, MemRefType)
    shape = [*slots, *old.get_shape()[-2:]]
    type: MemRefType[Attribute] = MemRefType(old.element_type, shape, old.layout, old.memory_space)
    new = memref.AllocOp([], [], type)
    new.memref.name_hint = buffer.memref.name_hint
    Builder(InsertPoint.before(buffer)).insert(new)
    return new
