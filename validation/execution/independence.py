"""Which loops may run all their iterations at once: a syntactic, conservative test.

Iterations are independent if, for every array that the body writes, all accesses to it use one and
the same subscript ``c · counter + rest`` in some dimension, with c ≠ 0 and a ``rest`` that the body
does not change; and if every rank-0 cell from outside is written before it is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Block, Operation, SSAValue

Linear: TypeAlias = tuple[frozenset[tuple[SSAValue, int]], int]
"""A sum of values times factors, and a constant."""


@lru_cache(maxsize=64)
def runs_in_lanes(loop: scf.ForOp) -> bool:
    """Whether the iterations of a loop are independent, as far as this test can tell."""
    accesses: dict[SSAValue, list[list[SSAValue]]] = defaultdict(list)
    written: set[SSAValue] = set()
    for operation in loop.body.walk():
        if isinstance(operation, memref.LoadOp):
            accesses[operation.memref].append(list(operation.indices))
        elif isinstance(operation, memref.StoreOp):
            accesses[operation.memref].append(list(operation.indices))
            written.add(operation.memref)
        elif not _is_known(operation):
            return False
    outside = [array for array in written if not _inside(array, loop)]
    for array in outside:
        if not accesses[array][0]:
            if _read_before_written(loop.body.block, array):
                return False
        elif not _separated(loop, accesses[array]):
            return False
    return True


def _is_known(operation: Operation) -> bool:
    if isinstance(operation, scf.ForOp | scf.IfOp | scf.YieldOp):
        return True
    if isinstance(operation, memref.AllocaOp | memref.AllocOp | memref.DeallocOp):
        return True
    return operation.name.startswith(("arith.", "math."))


def _inside(value: SSAValue, loop: scf.ForOp) -> bool:
    owner = value.owner
    block = owner if isinstance(owner, Block) else owner.parent_block()
    while block is not None:
        parent = block.parent_op()
        if parent is loop:
            return True
        block = parent.parent_block() if parent is not None else None
    return False


def _read_before_written(block: Block, cell: SSAValue) -> bool:
    """Whether a read in the block may see what the cell held before the block."""
    for operation in block.ops:
        if isinstance(operation, memref.StoreOp) and operation.memref is cell:
            return False
        if isinstance(operation, memref.LoadOp) and operation.memref is cell:
            return True
        inner = [block for region in operation.regions for block in region.blocks]
        if any(_read_before_written(block, cell) for block in inner):
            return True
    return False


def _separated(loop: scf.ForOp, accesses: list[list[SSAValue]]) -> bool:
    """Whether one dimension tells the iterations apart in all accesses."""
    counter = loop.body.block.args[0]
    for place in range(len(accesses[0])):
        forms = {linear_form(indices[place]) for indices in accesses}
        if len(forms) == 1 and _moves_with(next(iter(forms)), counter, loop):
            return True
    return False


def _moves_with(form: Linear, counter: SSAValue, loop: scf.ForOp) -> bool:
    factors = dict(form[0])
    if factors.pop(counter, 0) == 0:
        return False
    return not any(_inside(value, loop) for value in factors)


def linear_form(value: SSAValue) -> Linear:
    """A value as a linear combination of values that are not sums themselves."""
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return frozenset(), owner.value.value.data
    if isinstance(owner, arith.IndexCastOp):
        return linear_form(owner.input)
    if isinstance(owner, arith.AddiOp | arith.SubiOp):
        sign = 1 if isinstance(owner, arith.AddiOp) else -1
        return _combine(linear_form(owner.lhs), linear_form(owner.rhs), sign)
    if isinstance(owner, arith.MuliOp):
        left, right = linear_form(owner.lhs), linear_form(owner.rhs)
        for terms, factor in ((left, right), (right, left)):
            if not factor[0]:
                return _combine((frozenset(), 0), terms, factor[1])
    return frozenset({(value, 1)}), 0


def _combine(left: Linear, right: Linear, factor: int) -> Linear:
    factors: dict[SSAValue, int] = defaultdict(int)
    scaled: Iterable[tuple[SSAValue, int]] = ((v, f * factor) for v, f in right[0])
    for value, amount in [*left[0], *scaled]:
        factors[value] += amount
    kept = frozenset((value, amount) for value, amount in factors.items() if amount)
    return kept, left[1] + factor * right[1]
