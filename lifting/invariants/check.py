"""Proofs by loop invariants: initiation, consecution, and what follows at the end (trusted core).

An invariant says of each array and scalar that a loop writes what it holds when the counter has the
value ``i``. It is proved for all sizes: it holds before the first iteration (for a loop without
iterations as well), and one iteration takes it from ``i`` to ``i + 1``, where the body is executed
symbolically and inner loops are replaced by invariants of their own, proved at that place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import z3
from xdsl.dialects import scf
from xdsl.dialects.builtin import MemRefType
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, SSAValue

from ...diagnostics import Diagnostic
from ...validation.core.smt import RESOURCE_LIMIT
from ...validation.lemmas.encoding import ask
from ..loops.evaluate import location_of
from .derive import ClosedForms, Range, close_loop, range_of
from .encode import Encoder
from .execution import Contents, Execution, Memory, OutOfReach, subscripts, written_arrays
from .simplify import add, compare, index, select
from .summary import extents_of, within
from .terms import INDEX, Symbol, Term, carried, same

ROUNDS = 2
"""How often recurrences are unfolded: proofs by induction need it once, rarely twice."""


class Invariant(Protocol):
    """What holds at the head of one loop."""

    @property
    def holds_early(self) -> bool:
        """Whether it is also claimed for counters below the first one: of a loop that is empty."""
        ...

    def at(self, counter: Term) -> Memory:
        """Contents that are known when the counter has that value, by array."""
        ...

    def conditions(self, counter: Term, memory: Memory) -> Sequence[Term]:
        """What else holds then, of the contents in ``memory``."""
        ...


@dataclass(frozen=True)
class Derived:
    """An invariant that is a loop's own recurrence."""

    forms: ClosedForms
    holds_early: bool = True

    def at(self, counter: Term) -> Memory:
        return self.forms.at(counter)

    def conditions(self, counter: Term, memory: Memory) -> Sequence[Term]:
        return ()


Proposer = Callable[[Execution, scf.ForOp, Memory], Invariant]


def derived(execution: Execution, loop: scf.ForOp, memory: Memory) -> Invariant:
    """The recurrence of the loop as its invariant; raises :class:`Diagnostic` if none is found."""
    return Derived(close_loop(execution, loop, memory))


@dataclass(frozen=True)
class Obligation:
    """Something that had to be proved, in words, and what came of it."""

    states: str
    proved: bool
    cause: str = ""
    """Why it is not proved: it may be false, Z3 gave up, or its premises contradict each other."""

    def __str__(self) -> str:
        return f"{self.states}: {'proved' if self.proved else self.cause}"


@dataclass
class Prover:
    """Proves equations and conditions under assumptions, and keeps a record."""

    preconditions: tuple[Term, ...] = ()
    resource_limit: int = RESOURCE_LIMIT
    obligations: list[Obligation] = field(default_factory=list[Obligation])

    def require_equal(
        self, left: Term, right: Term, assumptions: Sequence[Term], states: str
    ) -> None:
        """Record whether two terms are equal whenever the assumptions hold."""
        self.require(same(left, right), assumptions, states)

    def require(self, goal: Term, assumptions: Sequence[Term], states: str) -> None:
        """Record whether a condition holds whenever the assumptions do."""
        self.obligations.append(self.attempt(goal, assumptions, states))

    def attempt(self, goal: Term, assumptions: Sequence[Term], states: str) -> Obligation:
        """Whether a condition holds whenever the assumptions do; the sizes help if need be."""
        found = self._attempt(states, assumptions, goal)
        if not found.proved and self.preconditions:
            found = self._attempt(states, [*self.preconditions, *assumptions], goal)
        return found

    def _attempt(self, states: str, assumptions: Sequence[Term], goal: Term) -> Obligation:
        opaque = Encoder(opaque=True)
        found = self._solved(opaque, states, assumptions, goal)
        if not found.proved and opaque.has_opaque:
            found = self._solved(Encoder(), states, assumptions, goal)
        return found

    def _solved(
        self, encoder: Encoder, states: str, assumptions: Sequence[Term], goal: Term
    ) -> Obligation:
        violated = z3.Not(encoder.condition(goal))
        premises = [encoder.condition(assumption) for assumption in assumptions]
        answer: Any = z3.unknown
        for _ in range(ROUNDS):
            premises += encoder.facts(1)
            answer, _ = ask([*premises, violated], states, self.resource_limit)
            if answer != z3.sat:
                break
        if answer == z3.unknown:
            limit = f"Z3 gave up after {self.resource_limit:,} resource units"
            return Obligation(states, False, limit)
        if answer == z3.sat:
            return Obligation(states, False, "not so for all inputs, as far as Z3 knows")
        # Premises that contradict each other would prove anything.
        can_be_met, _ = ask(premises, "premises: they can be met", self.resource_limit)
        if can_be_met != z3.sat:
            return Obligation(states, False, "its premises contradict each other, or may do so")
        return Obligation(states, True)


@dataclass(frozen=True)
class LoopInvariant:
    """What was proved to hold at the head of a loop, for people."""

    loop: scf.ForOp
    counter: Symbol
    memory: Memory
    conditions: tuple[Term, ...]


@dataclass
class Checker:
    """Executes a function with every loop replaced by an invariant that is proved there."""

    prover: Prover
    propose: Proposer
    invariants: dict[scf.ForOp, LoopInvariant] = field(
        default_factory=dict[scf.ForOp, LoopInvariant]
    )

    def on_loop(self, execution: Execution, loop: scf.ForOp, memory: Memory) -> None:
        """Prove the invariant of ``loop`` and change the memory as it says."""
        range = range_of(execution, loop)
        if range.step != 1:
            raise OutOfReach("no invariants for loops with steps over 1", location_of(loop))
        invariant = self.propose(execution, loop, memory)
        arrays = [array for array in written_arrays(loop) if array in memory]
        self._initiation(execution, invariant, range, memory, arrays)
        self._consecution(execution, invariant, range, memory, arrays, loop)
        end = range.upper
        if not invariant.holds_early and not self._is_entered(execution, range):
            end = select(compare("sle", range.lower, end), end, range.lower)
        memory.update(_havoc(arrays) | _only(invariant.at(end), arrays))
        execution.path.extend(invariant.conditions(end, memory))

    def _is_entered(self, execution: Execution, range: Range) -> bool:
        """Whether the counter surely reaches its upper bound."""
        ordered = compare("sle", range.lower, range.upper)
        return self.prover.attempt(ordered, execution.path, "the range is not negative?").proved

    def _initiation(
        self,
        execution: Execution,
        invariant: Invariant,
        range: Range,
        memory: Memory,
        arrays: list[SSAValue],
    ) -> None:
        start = Symbol(INDEX, range.counter.name)
        relation = "sle" if invariant.holds_early else "eq"
        assumptions = [*execution.path, compare(relation, start, range.lower)]
        held = _only(invariant.at(start), arrays)
        for array, contents in held.items():
            states = f"initiation: '{_name(array)}' before loop '{range.counter.name}'"
            before = memory[array].read(contents.formals)
            premises = [*assumptions, *_inside(array, contents)]
            self.prover.require_equal(before, contents.body, premises, states)
        for condition in invariant.conditions(start, memory):
            states = f"initiation: a condition before loop '{range.counter.name}'"
            self.prover.require(condition, assumptions, states)

    def _consecution(
        self,
        execution: Execution,
        invariant: Invariant,
        range: Range,
        memory: Memory,
        arrays: list[SSAValue],
        loop: scf.ForOp,
    ) -> None:
        counter = Symbol(INDEX, range.counter.name)
        body = memory | _havoc(arrays) | _only(invariant.at(counter), arrays)
        within = (compare("sle", range.lower, counter), compare("slt", counter, range.upper))
        conditions = invariant.conditions(counter, body)
        held = {array: body[array] for array in arrays}
        self.invariants[loop] = LoopInvariant(loop, counter, held, tuple(conditions))
        path = [*execution.path, *within, *conditions]
        inner = Execution(self.on_loop, dict(execution.values), path)
        inner.values[loop.body.block.args[0]] = counter
        inner.run(loop.body.block, body)
        following = add(counter, 1)
        for array, contents in _only(invariant.at(following), arrays).items():
            states = f"consecution: '{_name(array)}' in loop '{range.counter.name}'"
            after = body[array].read(contents.formals)
            premises = [*inner.path, *_inside(array, contents)]
            self.prover.require_equal(after, contents.body, premises, states)
        for condition in invariant.conditions(following, body):
            states = f"consecution: a condition in loop '{range.counter.name}'"
            self.prover.require(condition, inner.path, states)


def _inside(array: SSAValue, contents: Contents) -> list[Term]:
    """That the subscripts lie in the array: nothing else is ever read, or the kernel is undefined.

    Without extents, the contents are compared at all subscripts.
    """
    type = array.type
    assert isinstance(type, MemRefType)
    if isinstance(array, BlockArgument) and isinstance(function := array.block.parent_op(), FuncOp):
        try:
            return within(contents, extents_of(function, array.index))
        except Diagnostic:
            return []
    if any(size < 0 for size in type.get_shape()):
        return []
    return within(contents, [index(size) for size in type.get_shape()])


def _only(memory: Memory, arrays: list[SSAValue]) -> Memory:
    return {array: memory[array] for array in arrays if array in memory}


def _havoc(arrays: list[SSAValue]) -> Memory:
    """Contents of which nothing is known."""
    scope = Symbol(INDEX, "any")
    found: Memory = {}
    for array in arrays:
        assert isinstance(array.type, MemRefType)
        formals = subscripts(array.type)
        found[array] = Contents(formals, carried(array, scope, formals, array.type.element_type))
    return found


def _name(array: SSAValue) -> str:
    return array.name_hint or "an array"
