"""Turns symbolic integers and conditions into operations, each once and outside of as many loops
as its operands allow: where a compiler would compute it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import (
    FileLineColLoc,
    IndexType,
    IntAttr,
    IntegerAttr,
    MemRefType,
    StringAttr,
    i1,
)
from xdsl.ir import Block, Operation, SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from .algebra import is_possible
from .dead_values import drop_dead_values
from .terms import (
    ALWAYS,
    Atom,
    Bitwise,
    Choice,
    Comparison,
    Condition,
    Connective,
    Product,
    Quotient,
    Remainder,
    Sum,
    Term,
    Truth,
    atom,
    constant,
)

OPERATION_LIMIT = 200_000
"""Operations of one program; helper functions that call others twice could ask for billions."""
_BITWISE: dict[str, Callable[[SSAValue, SSAValue], Operation]] = {
    "&": arith.AndIOp,
    "|": arith.OrIOp,
    "^": arith.XOrIOp,
}
_PREDICATES = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}

_Operation = TypeVar("_Operation", bound=Operation)


@dataclass
class _Frame:
    """One open region, with what was already computed in it."""

    block: Block
    is_loop: bool
    condition: Condition
    """What is known to hold inside of the region and not outside."""
    computed: dict[object, SSAValue] = field(default_factory=dict[object, SSAValue])


class Emitter:
    """The function that is being built, with its open regions."""

    location: SourceLocation
    """The place in the source that new operations come from."""
    _frames: list[_Frame]
    _constants: Block
    _emitted: int

    def __init__(self, body: Block, location: SourceLocation) -> None:
        self.location = location
        self._constants = Block()
        self._constant_values: dict[tuple[int, bool], SSAValue] = {}
        self._frames = [_Frame(body, is_loop=False, condition=ALWAYS)]
        self._emitted = 0

    @property
    def level(self) -> int:
        """Depth of the innermost open region; 0 is the function's body."""
        return len(self._frames) - 1

    @contextmanager
    def region(
        self, block: Block, *, is_loop: bool, condition: Condition = ALWAYS
    ) -> Generator[None]:
        """Append to ``block``, a region of the operation that comes next, within the ``with``.

        ``condition`` is what holds whenever the region runs.
        """
        self._frames.append(_Frame(block, is_loop, condition))
        try:
            yield
        except Diagnostic:
            block.drop_all_references()  # nobody will have this block
            raise
        finally:
            self._frames.pop()

    def is_reachable(self, condition: Condition) -> bool:
        """Whether ``condition`` may hold here, as far as the conditions around tell."""
        facts = [frame.condition for frame in self._frames if frame.condition != ALWAYS]
        return is_possible([*facts, condition])

    def emit(self, op: _Operation) -> _Operation:
        """Append an operation to the innermost open region."""
        self._add(op, self._frames[-1].block)
        return op

    def allocate(self, type: MemRefType, name: str) -> SSAValue:
        """An array of the function itself."""
        alloc = memref.AllocOp([], [], type)
        alloc.memref.name_hint = name
        self._add(alloc, self._constants)
        return alloc.memref

    def finish(self) -> None:
        """Put the constants and arrays in front of the function, and drop what nothing uses."""
        body = self._frames[0].block
        drop_dead_values(body)
        for op in reversed(list(self._constants.ops)):
            op.detach()
            if not op.results[0].uses:
                op.erase()
            elif body.first_op is not None:
                body.insert_op_before(op, body.first_op)
            else:
                body.add_op(op)

    def _add(self, op: Operation, block: Block) -> None:
        self._emitted += 1
        if self._emitted > OPERATION_LIMIT:
            raise Diagnostic(
                f"the program needs more than {OPERATION_LIMIT} operations", self.location
            )
        place = self.location
        op.location = FileLineColLoc(
            StringAttr(place.file), IntAttr(place.line), IntAttr(place.column)
        )
        block.add_op(op)

    # ---- values -------------------------------------------------------------------------------
    def index(self, value: Sum) -> SSAValue:
        """The ``index`` that equals ``value``."""
        terms = sorted(value.terms, key=lambda term: (self._home(term[0].level), term[1] < 0))
        total: SSAValue | None = None
        level, done = 0, constant(0)
        for number, (term, factor) in enumerate(terms):
            if total is None and factor < 0:
                # Only negative factors are left: begin with the constant.
                total, done = self._constant(value.constant), constant(value.constant)
            level = max(level, term.level)
            done += Sum(((term, factor),))
            total = self._plus(total, term, factor, level, done)
            is_last = number + 1 == len(terms)
            if is_last and done != value:
                total = self._shifted(total, value, level)
        return self._constant(value.constant) if total is None else total

    def _plus(
        self, total: SSAValue | None, term: Term, factor: int, level: int, key: Sum
    ) -> SSAValue:
        """``total + term * factor``."""
        if total is None:
            return self._scaled(term, factor)
        summand = self._scaled(term, abs(factor))
        build = arith.AddiOp if factor > 0 else arith.SubiOp
        return self.shared(key, level, lambda: build(total, summand))

    def _shifted(self, total: SSAValue, value: Sum, level: int) -> SSAValue:
        number = self._constant(value.constant)
        return self.shared(value, level, lambda: arith.AddiOp(total, number))

    def _scaled(self, term: Term, factor: int) -> SSAValue:
        if isinstance(term, Choice) and term.then.is_constant and term.otherwise.is_constant:
            return self._select(
                term.condition, term.then.scaled(factor), term.otherwise.scaled(factor)
            )
        single = self._term(term)
        if factor == 1:
            return single
        number = self._constant(factor)
        key = Sum(((term, factor),))
        return self.shared(key, term.level, lambda: arith.MuliOp(single, number))

    def _term(self, term: Term) -> SSAValue:
        match term:
            case Atom(value=value):
                assert value is not None
                return value
            case Choice():
                return self._choice(term)
            case Quotient():
                return self._division(term)
            case Remainder():
                left, right = self.index(term.dividend), self._constant(term.divisor)
                return self.shared(atom(term), term.level, lambda: arith.RemSIOp(left, right))
            case Product():
                left, right = self.index(term.left), self.index(term.right)
                return self.shared(atom(term), term.level, lambda: arith.MuliOp(left, right))
            case Bitwise():
                left, right = self.index(term.left), self.index(term.right)
                build = _BITWISE[term.operator]
                return self.shared(atom(term), term.level, lambda: build(left, right))

    def _division(self, term: Quotient) -> SSAValue:
        left, right = self.index(term.dividend), self._constant(term.divisor)
        build = arith.FloorDivSIOp if term.dividend.interval.low >= 0 else arith.DivSIOp
        return self.shared(atom(term), term.level, lambda: build(left, right))

    def _choice(self, term: Choice) -> SSAValue:
        if not (term.is_minimum or term.is_maximum):
            return self._select(term.condition, term.then, term.otherwise)
        build = arith.MinSIOp if term.is_minimum else arith.MaxSIOp
        left, right = self.index(term.then), self.index(term.otherwise)
        return self.shared(atom(term), term.level, lambda: build(left, right))

    def _select(self, condition: Condition, then: Sum, otherwise: Sum) -> SSAValue:
        key = Choice(condition, then, otherwise)
        decides = self.condition(condition)
        left, right = self.index(then), self.index(otherwise)
        return self.shared(key, key.level, lambda: arith.SelectOp(decides, left, right))

    def condition(self, condition: Condition) -> SSAValue:
        """The ``i1`` that tells whether ``condition`` holds."""
        match condition:
            case Truth():
                return self._constant(int(condition.holds), truth=True)
            case Comparison():
                left, right = self.index(condition.left), self.index(condition.right)
                predicate = _PREDICATES[condition.predicate]
                return self.shared(
                    condition, condition.level, lambda: arith.CmpiOp(left, right, predicate)
                )
            case Connective():
                left, right = self.condition(condition.left), self.condition(condition.right)
                build = arith.AndIOp if condition.operator == "and" else arith.OrIOp
                return self.shared(condition, condition.level, lambda: build(left, right))

    def shared(self, key: object, level: int, build: Callable[[], Operation]) -> SSAValue:
        """The result of the operation known as ``key``, built outside of loops deeper than needed.

        ``level`` is that of its operands.
        """
        home = self._home(level)
        for frame in self._frames[home::-1]:
            if key in frame.computed:
                return frame.computed[key]
        op = build()
        self._add(op, self._frames[home].block)
        self._frames[home].computed[key] = op.results[0]
        return op.results[0]

    def _home(self, level: int) -> int:
        """The region where a value of the given level is computed: just outside of the outermost
        loop that does not change it, but under the conditions that it was written under.
        """
        for depth in range(level + 1, len(self._frames)):
            if self._frames[depth].is_loop:
                return depth - 1
        return self.level

    def _constant(self, value: int, *, truth: bool = False) -> SSAValue:
        key = (value, truth)
        if key not in self._constant_values:
            op = arith.ConstantOp(IntegerAttr(value, i1 if truth else IndexType()))
            self._add(op, self._constants)
            name = ("true" if value else "false") if truth else f"c{value}".replace("-", "m")
            op.result.name_hint = name
            self._constant_values[key] = op.result
        return self._constant_values[key]
