"""Which code is sure to run, and which operations may run even where C would not run them.

``c ? a : b`` becomes a select, and ``a && b`` a logical and, only if evaluating both sides cannot
do harm: no store, no division by what may be 0, no load that may leave its array.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable
from contextlib import contextmanager

from xdsl.dialects import arith, builtin, math, memref
from xdsl.ir import Block, Operation

from .emitter import Emitter
from .guards import Fact

_DIVISIONS = (arith.DivSIOp, arith.DivUIOp, arith.RemSIOp, arith.RemUIOp)


class Paths:
    """Follows the branches of one function while it is lowered."""

    certain: bool
    """Whether the current code runs in every iteration of the loops around it."""

    def __init__(self, emitter: Emitter) -> None:
        self.certain = True
        self.facts: tuple[Fact, ...] = ()
        self._emitter = emitter
        self._safe_loads: set[Operation] = set()
        self._accessed: set[Hashable] = set()

    @contextmanager
    def branch(self, certain: bool = False, facts: tuple[Fact, ...] = ()) -> Generator[Block]:
        """Emit into a new block that may not run, within the ``with`` statement.

        ``facts`` hold wherever it runs.
        """
        outer = self.certain, set(self._accessed), self.facts
        self.facts = (*self.facts, *facts)
        self.certain = self.certain and certain
        try:
            with self._emitter.inside(Block()) as block:
                yield block
        finally:
            self.certain, self._accessed, self.facts = outer

    def access(self, key: Hashable) -> bool:
        """Record an access of an array element; return whether it surely happened before."""
        seen = key in self._accessed
        self._accessed.add(key)
        return seen

    def mark_safe(self, load: memref.LoadOp) -> None:
        """Record that ``load`` cannot leave its array."""
        self._safe_loads.add(load)

    def may_run_always(self, block: Block) -> bool:
        """Tell whether running ``block`` where C would not run it changes and risks nothing."""
        return all(self._is_harmless(op) for op in block.ops)

    def append(self, block: Block) -> None:
        """Move the operations of ``block`` to the insertion point."""
        for op in list(block.ops):
            op.detach()
            self._emitter.block.add_op(op)

    def discard(self, block: Block) -> None:
        """Erase the operations of ``block``, which turned out not to be part of the program."""
        for op in reversed(list(block.ops)):
            op.detach()
            op.erase()

    def _is_harmless(self, op: Operation) -> bool:
        if isinstance(op, memref.LoadOp):
            return op in self._safe_loads
        if isinstance(op, _DIVISIONS):
            return _is_safe_divisor(op)
        return is_computation(op)


def is_computation(op: Operation) -> bool:
    """Tell whether ``op`` only computes its results from its operands."""
    return op.dialect_name() in (arith.Arith.name, math.Math.name)


def _is_safe_divisor(op: Operation) -> bool:
    """Tell whether the divisor is a constant other than 0 and -1 (which may overflow)."""
    divisor = op.operands[1].owner
    if not isinstance(divisor, arith.ConstantOp):
        return False
    value = divisor.value
    return isinstance(value, builtin.IntegerAttr) and value.value.data not in (0, -1)
