"""Looks for what a loop computes: its own recurrence as a closed form (a proposal, not trusted).

After ``t`` iterations, a scalar is a state of a fold up to ``t``. An array of which each iteration
writes its own part holds what iteration ``d - c`` wrote at subscript ``d``, if that has happened;
what earlier iterations wrote is remembered in further states. An array that is updated at places
known at run time only is a fold for each of its elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ..loops.evaluate import location_of
from .execution import Contents, Execution, Memory, OutOfReach, subscripts, written_arrays
from .simplify import (
    add,
    both,
    compare,
    constant,
    index,
    make_fold,
    offset,
    rewrite,
    select,
    substitute,
    subtract,
)
from .terms import INDEX, Apply, Carried, Constant, Fold, Symbol, Term, carried, walk


@dataclass(frozen=True)
class ClosedForms:
    """What the arrays and scalars of a loop hold when its counter is ``counter``."""

    counter: Symbol
    contents: dict[SSAValue, Contents]

    def at(self, counter: Term) -> Memory:
        """The contents when the counter has that value."""
        values = {self.counter: counter}
        return {
            array: Contents(held.formals, substitute(held.body, values))
            for array, held in self.contents.items()
        }


@dataclass(frozen=True)
class Range:
    """The values of a loop's counter, as terms."""

    counter: Symbol
    lower: Term
    upper: Term
    step: int


def range_of(execution: Execution, loop: scf.ForOp) -> Range:
    """The range of a loop; raises :class:`OutOfReach` for steps that are not numbers above 0."""
    step = offset(execution.term(loop.step), index(0))
    if step is None or step < 1:
        raise OutOfReach("the step of the loop is not a number above 0", location_of(loop))
    name = loop.body.block.args[0].name_hint or "i"
    return Range(Symbol(INDEX, name), execution.term(loop.lb), execution.term(loop.ub), step)


def close_loop(execution: Execution, loop: scf.ForOp, memory: Memory) -> ClosedForms:
    """Closed forms of what the loop writes, from the memory before it.

    Raises :class:`OutOfReach` where an element depends on others in a way that has no such form.
    """
    range = range_of(execution, loop)
    if range.step != 1:
        raise OutOfReach(f"a recurrence with step {range.step}", location_of(loop))
    arrays = [array for array in written_arrays(loop) if array in memory]
    inner = Execution(on_loop, dict(execution.values))
    body: Memory = dict(memory)
    closer = _Closer(loop, range, memory)
    for array in arrays:
        assert isinstance(array.type, MemRefType)
        formals = subscripts(array.type)
        type = array.type.element_type
        if formals:
            body[array] = Contents(formals, carried(array, range.counter, formals, type))
        else:
            closer.states[array] = Symbol(type, array.name_hint or "state")
            body[array] = Contents((), closer.states[array])
    inner.values[loop.body.block.args[0]] = range.counter
    inner.run(loop.body.block, body)
    closer.after = {array: body[array] for array in arrays}
    return ClosedForms(range.counter, {array: closer.closed(array) for array in arrays})


def on_loop(execution: Execution, loop: scf.ForOp, memory: Memory) -> None:
    """Change the memory as the loop does, by its closed form."""
    closed = close_loop(execution, loop, memory)
    memory.update(closed.at(execution.term(loop.ub)))


@dataclass
class _States:
    """_States beside the program's own scalars."""

    states: list[Symbol] = field(default_factory=list[Symbol])
    inits: list[Term] = field(default_factory=list[Term])
    steps: list[Term] = field(default_factory=list[Term])

    def add(self, init: Term, name: str, state: Symbol | None = None) -> None:
        self.states.append(state or Symbol(init.type, name))
        self.inits.append(init)
        self.steps.append(self.states[-1])

    def renew(self, value: Term) -> None:
        """Let the states remember what the last iterations computed as ``value``."""
        for position in range(len(self.states)):
            self.steps[position] = self.states[position - 1] if position else value


@dataclass
class _Closer:
    """Closes one loop; arrays may depend on scalars and on each other, but not in circles."""

    loop: scf.ForOp
    range: Range
    before: Memory
    states: dict[SSAValue, Symbol] = field(default_factory=dict[SSAValue, Symbol])
    """The scalars before an iteration."""
    after: Memory = field(default_factory=dict[SSAValue, Contents])
    """Scalars and arrays after an iteration, by those before it."""
    found: dict[SSAValue, Contents] = field(default_factory=dict[SSAValue, Contents])
    pending: list[SSAValue] = field(default_factory=list[SSAValue])

    def closed(self, array: SSAValue) -> Contents:
        """The contents of ``array`` as a function of the counter."""
        if array not in self.found:
            if array in self.pending:
                raise self._fail(array, "depends on itself through another array")
            self.pending.append(array)
            self.found[array] = self._scalar(array) if array in self.states else self._array(array)
            self.pending.pop()
        return self.found[array]

    def _fail(self, array: SSAValue, problem: str) -> OutOfReach:
        name = array.name_hint or "an array"
        return OutOfReach(
            f"no closed form: '{name}' {problem} in loop '{self.range.counter.name}'",
            location_of(self.loop),
        )

    # Scalars.

    def _scalar(self, array: SSAValue) -> Contents:
        extra = _States()
        return Contents((), self._state(self.states[array], extra, self.range.counter))

    def _state(self, wanted: Symbol, extra: _States, upper: Term) -> Term:
        """The state when the counter is ``upper``; ``extra`` states run along."""
        scalars = list(self.states)
        states = [*(self.states[s] for s in scalars), *extra.states]
        inits = [*(self.before[s].body for s in scalars), *extra.inits]
        steps = [*(self.after[s].body for s in scalars), *extra.steps]
        needed = _closure(states, steps, wanted)
        steps = [
            self._without_carried(step) if state in needed else state
            for state, step in zip(states, steps, strict=True)
        ]
        return make_fold(
            self.range.counter,
            self.range.lower,
            tuple(states),
            tuple(inits),
            tuple(steps),
            states.index(wanted),
            upper,
        )

    def _without_carried(self, term: Term) -> Term:
        """The term with closed forms in place of the contents before the iteration."""
        return deep_rewrite(term, self._held)

    def _held(self, term: Term) -> Term | None:
        if not isinstance(term, Carried) or term.scope is not self.range.counter:
            return None
        indices = tuple(self._without_carried(part) for part in term.indices)
        return self.closed(term.array).read(indices)

    # Arrays.

    def _array(self, array: SSAValue) -> Contents:
        held = self.after[array]
        for place, shift in self._own_parts(held):
            if (found := self._private(array, held, place, shift)) is not None:
                return found
        found = self._by_element(array, held)
        if found is None:
            raise self._fail(array, "depends on what earlier iterations wrote")
        return found

    def _own_parts(self, held: Contents) -> Iterator[tuple[int, int]]:
        """Dimensions and shifts ``c`` so that an iteration ``k`` seems to write at ``k + c``."""
        seen: set[tuple[int, int]] = set()
        for term in walk(held.body):
            for formal, own in _equalities(term):
                shift = offset(own, self.range.counter)
                if formal in held.formals and shift is not None:
                    seen.add((held.formals.index(formal), shift))
        yield from sorted(seen)

    def _private(self, array: SSAValue, held: Contents, place: int, shift: int) -> Contents | None:
        """The closed form of an array of which iteration ``k`` writes at ``k + shift`` only."""
        unchanged = carried(array, self.range.counter, held.formals, held.body.type)
        mark = held.formals[place]
        own = add(self.range.counter, shift)
        if not _is_guarded(held.body, mark, own, unchanged):
            return None
        value = substitute(held.body, {mark: own})
        extra = _States()
        value = self._with_ghosts(array, held, place, own, value, extra)
        if value is None:
            return None
        extra.renew(value)
        iteration = subtract(mark, shift)
        result = self._value_at(value, extra, iteration)
        happened = both(
            compare("sle", self.range.lower, iteration),
            compare("slt", iteration, self.range.counter),
        )
        return Contents(
            held.formals, select(happened, result, self.before[array].read(held.formals))
        )

    def _value_at(self, value: Term, extra: _States, iteration: Term) -> Term:
        """What an iteration computes as ``value``, from closed forms of the states before it."""
        for array, state in self.states.items():
            if self.after[array].body is value and array in self.states:
                return self._state(state, extra, add(iteration, 1))
        known = {*self.states.values(), *extra.states}
        needed = [term for term in walk(value) if isinstance(term, Symbol) and term in known]
        if len(extra.states) == 1 and extra.states[0] in needed:
            return self._state(extra.states[0], extra, add(iteration, 1))
        values: dict[Term, Term] = {s: self._state(s, extra, iteration) for s in needed}
        here = {self.range.counter: iteration}
        return substitute(
            substitute(self._without_carried(value), here),
            values,
        )

    def _with_ghosts(
        self,
        array: SSAValue,
        held: Contents,
        place: int,
        own: Term,
        value: Term,
        extra: _States,
    ) -> Term | None:
        """``value`` with states in place of what earlier iterations wrote; ``None``: not so."""
        others = [f for position, f in enumerate(held.formals) if position != place]
        deepest = 0
        for term in self._reads(value, array):
            distance = offset(own, term.indices[place])
            rest = [part for position, part in enumerate(term.indices) if position != place]
            if distance is None or distance < 0 or (distance and rest != others):
                return None
            deepest = max(deepest, distance)
        before = self.before[array]
        for distance in range(1, deepest + 1):
            indices: list[Term] = list(held.formals)
            indices[place] = add(self.range.lower, offset(own, self.range.counter) or 0)
            indices[place] = subtract(indices[place], distance)
            extra.add(_within(before.read(indices), indices[place]), f"back{distance}")

        def earlier(term: Term) -> Term | None:
            if not isinstance(term, Carried) or not self._is_own(term, array):
                return None
            distance = offset(own, term.indices[place])
            assert distance is not None
            return extra.states[distance - 1] if distance else before.read(term.indices)

        return deep_rewrite(value, earlier)

    def _is_own(self, term: Carried, array: SSAValue) -> bool:
        return term.array is array and term.scope is self.range.counter

    def _reads(self, term: Term, array: SSAValue) -> Iterator[Carried]:
        for part in walk(term, into_folds=True):
            if isinstance(part, Carried) and self._is_own(part, array):
                yield part

    def _by_element(self, array: SSAValue, held: Contents) -> Contents | None:
        """A fold for each element, if its new value depends on its own old one only."""
        cell = Symbol(held.body.type, "element")
        own = carried(array, self.range.counter, held.formals, held.body.type)
        body = _at_own_place(held.body, {}, own)
        step = rewrite(body, lambda term: cell if term is own else None)
        if next(self._reads(step, array), None) is not None:
            return None
        extra = _States()
        extra.add(self.before[array].read(held.formals), "element", cell)
        extra.steps[0] = step
        return Contents(held.formals, self._state(cell, extra, self.range.counter))


def _within(value: Term, place: Term) -> Term:
    """``value``, unless its subscript is a negative number: there is no such element."""
    is_outside = isinstance(place, Constant) and place.value < 0
    return constant(0, value.type) if is_outside else value


def _closure(states: list[Symbol], steps: list[Term], wanted: Symbol) -> set[Symbol]:
    """The states on which ``wanted`` depends."""
    found, pending = {wanted}, [wanted]
    while pending:
        used = set(walk(steps[states.index(pending.pop())]))
        for state in states:
            if state in used and state not in found:
                found.add(state)
                pending.append(state)
    return found


def _equalities(term: Term) -> Iterator[tuple[Term, Term]]:
    """The equations of a comparison, or of a conjunction of them, in both directions."""
    if not isinstance(term, Apply):
        return
    if term.operation is arith.AndIOp:
        for operand in term.operands:
            yield from _equalities(operand)
    elif term is compare("eq", *term.operands) if term.operation is arith.CmpiOp else False:
        left, right = term.operands
        yield left, right
        yield right, left


def _is_guarded(term: Term, mark: Symbol, own: Term, unchanged: Term) -> bool:
    """Whether ``term`` is ``unchanged`` unless ``mark == own``."""
    if term is unchanged:
        return True
    if not (isinstance(term, Apply) and term.operation is arith.SelectOp):
        return False
    condition, then, otherwise = term.operands
    guarded = any(left is mark and right is own for left, right in _equalities(condition))
    first = guarded or _is_guarded(then, mark, own, unchanged)
    return first and _is_guarded(otherwise, mark, own, unchanged)


def _at_own_place(term: Term, equal: dict[Term, Term], element: Carried) -> Term:
    """The term with reads of ``element``, where conditions say that a read is of that."""
    if isinstance(term, Apply) and term.operation is arith.SelectOp:
        condition, then, otherwise = term.operands
        known = dict(equal)
        for left, right in _equalities(condition):
            if left in element.indices:
                known[right] = left
        return select(
            condition,
            _at_own_place(then, known, element),
            _at_own_place(otherwise, equal, element),
        )

    def own(part: Term) -> Term | None:
        if not isinstance(part, Carried) or part.array is not element.array:
            return None
        if part.scope is not element.scope:
            return None
        places = tuple(equal.get(index, index) for index in part.indices)
        return element if places == element.indices else None

    return rewrite(term, own)


def deep_rewrite(term: Term, rule: Callable[[Term], Term | None]) -> Term:
    """:func:`rewrite`, also of what is inside of folds; they are closed again."""

    def visit(part: Term) -> Term | None:
        replaced = rule(part)
        if replaced is not None:
            return replaced
        if not isinstance(part, Fold) or not _holds_carried(part):
            return None
        return _reopened(part, visit)

    return rewrite(term, visit)


def _holds_carried(fold: Fold) -> bool:
    closed = fold.recurrence
    parts = walk(closed.lower, *closed.inits, *closed.steps, into_folds=True)
    return any(isinstance(part, Carried) for part in parts)


def _reopened(fold: Fold, visit: Callable[[Term], Term | None]) -> Term:
    closed = fold.recurrence
    names: dict[Term, Term] = dict(zip(closed.formals, fold.arguments, strict=True))
    fresh = tuple(Symbol(state.type, state.name) for state in closed.states)
    counter = Symbol(closed.counter.type, closed.counter.name)
    names |= dict(zip(closed.states, fresh, strict=True)) | {closed.counter: counter}

    def opened(term: Term) -> Term:
        return rewrite(substitute(term, names), visit)

    return make_fold(
        counter,
        opened(closed.lower),
        fresh,
        tuple(map(opened, closed.inits)),
        tuple(map(opened, closed.steps)),
        fold.which,
        rewrite(fold.upper, visit),
    )
