"""Values as functions of the inputs, where subscripts may be any value and loops may carry state.

The lifter's own terms (:mod:`..loops.terms`) admit subscripts that are polynomials, and reductions
of one value. Here a subscript is a term, and a :class:`Fold` runs several states at once, which
is what scans, filters, searches and arg-reductions need. Terms are immutable and interned: equal
terms are one object.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakValueDictionary

from xdsl.dialects import memref
from xdsl.dialects.builtin import IndexType, i1
from xdsl.ir import Attribute, Operation, SSAValue

Properties = tuple[tuple[str, Attribute], ...]
INDEX = IndexType()
_SERIAL = itertools.count()


@dataclass(frozen=True, eq=False)
class Term:
    """A value of ``type``."""

    type: Attribute
    serial: int = field(default_factory=lambda: next(_SERIAL), init=False, repr=False)
    """Order in which terms were made: the order of the addends of an index."""


@dataclass(frozen=True, eq=False)
class Constant(Term):
    """A number; integers are kept signed, in the range of their type."""

    value: int | float


@dataclass(frozen=True, eq=False)
class Parameter(Term):
    """A scalar parameter of the function."""

    position: int


@dataclass(frozen=True, eq=False)
class Symbol(Term):
    """A loop counter, a subscript, or a state of a fold; each object is a symbol of its own."""

    name: str


@dataclass(frozen=True, eq=False)
class Element(Term):
    """The element of an array parameter at ``indices``, as the caller passes it."""

    position: int
    indices: tuple[Term, ...]


@dataclass(frozen=True, eq=False)
class Carried(Term):
    """The element of ``array`` before an iteration; only while a closed form is looked for."""

    array: SSAValue
    scope: Symbol
    """The counter of the loop whose iteration it is."""
    indices: tuple[Term, ...]


@dataclass(frozen=True, eq=False)
class Apply(Term):
    """A side-effect free operation of ``arith`` or ``math`` with one result."""

    operation: type[Operation]
    operands: tuple[Term, ...]
    properties: Properties


def is_uninitialised(term: Term) -> bool:
    """Whether a term is what an array holds that nothing was written to."""
    return isinstance(term, Apply) and term.operation is memref.LoadOp


@dataclass(frozen=True, eq=False)
class Same(Term):
    """Whether two values are the same, bit for bit (a NaN is itself); only proofs use it."""

    left: Term
    right: Term


@dataclass(frozen=True, eq=False)
class Recurrence:
    """States that start at ``inits`` and that ``steps`` renews for each value of ``counter``.

    Closed: apart from parameters and elements of the inputs, its terms hold no symbols but
    ``formals``, ``counter`` and ``states`` (``lower`` and ``inits``: ``formals`` only).
    """

    formals: tuple[Symbol, ...]
    counter: Symbol
    lower: Term
    states: tuple[Symbol, ...]
    inits: tuple[Term, ...]
    steps: tuple[Term, ...]
    serial: int = field(default_factory=lambda: next(_SERIAL), init=False, repr=False)


@dataclass(frozen=True, eq=False)
class Fold(Term):
    """State ``which`` of a recurrence after its counter went from ``lower`` to ``upper - 1``."""

    recurrence: Recurrence
    which: int
    arguments: tuple[Term, ...]
    """Values of the recurrence's formals."""
    upper: Term


Value = TypeVar("Value")
_INTERNED: WeakValueDictionary[tuple[object, ...], Term | Recurrence] = WeakValueDictionary()


def _intern(key: tuple[object, ...], make: Callable[[], Value]) -> Value:
    found = _INTERNED.get(key)
    if found is None:
        found = _INTERNED.setdefault(key, make())  # pyright: ignore[reportArgumentType]
    return found  # pyright: ignore[reportReturnType]  # the key starts with the class


def raw_constant(value: int | float, type: Attribute) -> Constant:
    """The number as it is; its text keeps 0.0, -0.0 and NaN apart."""
    return _intern((Constant, type, repr(value)), lambda: Constant(type, value))


def parameter(position: int, type: Attribute) -> Parameter:
    return _intern((Parameter, type, position), lambda: Parameter(type, position))


def element(position: int, indices: tuple[Term, ...], type: Attribute) -> Element:
    key = (Element, type, position, indices)
    return _intern(key, lambda: Element(type, position, indices))


def carried(array: SSAValue, scope: Symbol, indices: tuple[Term, ...], type: Attribute) -> Carried:
    key = (Carried, type, array, scope, indices)
    return _intern(key, lambda: Carried(type, array, scope, indices))


def raw_apply(
    operation: type[Operation],
    operands: tuple[Term, ...],
    type: Attribute,
    properties: Properties = (),
) -> Apply:
    """The application as it is; :func:`.simplify.apply` simplifies."""
    key = (Apply, operation, operands, type, properties)
    return _intern(key, lambda: Apply(type, operation, operands, properties))


def same(left: Term, right: Term) -> Same:
    """Whether the values are the same, as an ``i1``."""
    return _intern((Same, left, right), lambda: Same(i1, left, right))


def raw_fold(recurrence: Recurrence, which: int, arguments: tuple[Term, ...], upper: Term) -> Fold:
    """A state of a recurrence that is already closed."""
    key = (Fold, recurrence, which, arguments, upper)
    type = recurrence.states[which].type
    return _intern(key, lambda: Fold(type, recurrence, which, arguments, upper))


def children(term: Term) -> tuple[Term, ...]:
    """The direct sub-terms; those of a recurrence are closed and do not count."""
    match term:
        case Element(indices=indices) | Carried(indices=indices):
            return indices
        case Apply(operands=operands):
            return operands
        case Same(left=left, right=right):
            return (left, right)
        case Fold(arguments=arguments, upper=upper):
            return (*arguments, upper)
        case _:
            return ()


def walk(*terms: Term, into_folds: bool = False) -> Iterator[Term]:
    """The terms and all that they are made of, each once."""
    seen: set[Term] = set()
    stack = list(reversed(terms))
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        stack.extend(reversed(children(current)))
        if into_folds and isinstance(current, Fold):
            closed = current.recurrence
            stack.extend((closed.lower, *closed.inits, *closed.steps))


def symbols(*terms: Term) -> list[Symbol]:
    """The free symbols, in the order of their first occurrence."""
    return [term for term in walk(*terms) if isinstance(term, Symbol)]


def recurrence(
    formals: tuple[Symbol, ...],
    counter: Symbol,
    lower: Term,
    states: tuple[Symbol, ...],
    inits: tuple[Term, ...],
    steps: tuple[Term, ...],
) -> Recurrence:
    """The recurrence; the same object for recurrences that differ in the names of symbols only."""
    bound = (*formals, counter, *states)
    names: dict[Term, Term] = {symbol: _place(i, symbol.type) for i, symbol in enumerate(bound)}
    parts = (lower, *inits, *steps)
    key = (Recurrence, len(formals), tuple(_renamed(part, names) for part in parts))
    made = lambda: Recurrence(formals, counter, lower, states, inits, steps)  # noqa: E731
    return _intern(key, made)


def _place(number: int, type: Attribute) -> Symbol:
    """The symbol that stands for the bound symbol ``number`` of any recurrence."""
    return _intern((Symbol, type, number), lambda: Symbol(type, f"${number}"))


def _renamed(term: Term, names: dict[Term, Term]) -> Term:
    """The term with other symbols, not simplified again: a key for comparison."""
    if term not in names:
        parts = tuple(_renamed(child, names) for child in children(term))
        names[term] = with_children(term, parts)
    return names[term]


def with_children(term: Term, parts: tuple[Term, ...]) -> Term:
    """The term with other sub-terms, as they are."""
    if parts == children(term):
        return term
    match term:
        case Element():
            return element(term.position, parts, term.type)
        case Carried():
            return carried(term.array, term.scope, parts, term.type)
        case Apply():
            return raw_apply(term.operation, parts, term.type, term.properties)
        case Same():
            return same(*parts)
        case Fold():
            return raw_fold(term.recurrence, term.which, parts[:-1], parts[-1])
        case _:
            return term
