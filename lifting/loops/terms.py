"""Values as the lifter sees them: what a cell holds, as a function of the inputs and the indices.

Terms are immutable and interned: two terms with the same structure are one object, so that they
are compared and used as dictionary keys at no cost, however much they share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

from xdsl.dialects.builtin import IndexType
from xdsl.ir import Attribute, Operation, SSAValue

from ...diagnostics import SourceLocation
from .index import IndexExpression, LoopVariable

Properties = tuple[tuple[str, Attribute], ...]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Term:
    """A value of element type ``type``; ``free`` are the loop variables that it depends on."""

    type: Attribute
    free: frozenset[LoopVariable]


@dataclass(frozen=True, eq=False, slots=True)
class Constant(Term):
    """A number; integers are kept signed, in the range of their type."""

    value: int | float


@dataclass(frozen=True, eq=False, slots=True)
class Scalar(Term):
    """A scalar parameter of the function."""

    argument: SSAValue


@dataclass(frozen=True, eq=False, slots=True)
class IndexValue(Term):
    """An index expression used as a value (``linalg.index`` and arithmetic on it)."""

    expression: IndexExpression


@dataclass(frozen=True, eq=False, slots=True)
class Read(Term):
    """The cell ``array[indices]``, as it was when the scope ``depth`` was entered.

    Scopes are loop bodies and branches, counted from the function body (0); a read at depth 0 is
    thus the content that the caller passes.
    """

    array: SSAValue
    indices: tuple[IndexExpression, ...]
    depth: int


@dataclass(frozen=True, eq=False, slots=True)
class Apply(Term):
    """A side-effect free operation with one result, applied to ``operands``."""

    operation: type[Operation]
    operands: tuple[Term, ...]
    properties: Properties


@dataclass(frozen=True, eq=False, slots=True)
class Accumulator(Term):
    """Inside the body of a :class:`Reduction`: the value accumulated so far."""


@dataclass(frozen=True, eq=False, slots=True)
class Reduction(Term):
    """``init``, updated by ``body`` for all values of ``variables`` in lexicographic order."""

    variables: tuple[LoopVariable, ...]
    body: Term
    init: Term


@dataclass(frozen=True, eq=False, slots=True)
class Unliftable(Term):
    """A value that cannot be expressed; it is an error only if an output needs it."""

    reason: str
    location: SourceLocation | None


TermT = TypeVar("TermT", bound=Term)
_INTERNED: WeakValueDictionary[tuple[object, ...], Term] = WeakValueDictionary()


def _intern(key: tuple[object, ...], make: Callable[[], TermT]) -> TermT:
    found = _INTERNED.get(key)
    if found is None:
        found = _INTERNED.setdefault(key, make())
    return found  # pyright: ignore[reportReturnType]  # the key starts with the class


def constant(value: int | float, type: Attribute) -> Constant:
    """Return the number as a term; the text of ``value`` keeps 0.0, -0.0 and NaN apart."""
    key = (Constant, type, repr(value))
    return _intern(key, lambda: Constant(type, frozenset(), value))


def scalar(argument: SSAValue) -> Scalar:
    """Return the scalar parameter as a term."""
    return _intern((Scalar, argument), lambda: Scalar(argument.type, frozenset(), argument))


def index_value(expression: IndexExpression, type: Attribute) -> Term:
    """Return the index expression as a value of ``type``; numbers become constants."""
    if (number := expression.constant) is not None:
        return constant(number, type)
    key = (IndexValue, type, expression)
    return _intern(key, lambda: IndexValue(type, expression.variables, expression))


def read(
    array: SSAValue, indices: tuple[IndexExpression, ...], depth: int, type: Attribute
) -> Read:
    """Return the cell as a term."""
    free = frozenset[LoopVariable]().union(*(index.variables for index in indices))
    key = (Read, array, indices, depth)
    return _intern(key, lambda: Read(type, free, array, indices, depth))


def raw_apply(
    operation: type[Operation],
    operands: tuple[Term, ...],
    type: Attribute,
    properties: Properties = (),
) -> Apply:
    """Return the application as it is; use :func:`simplify.apply` to have it simplified."""
    free = frozenset[LoopVariable]().union(*(operand.free for operand in operands))
    key = (Apply, operation, operands, type, properties)
    return _intern(key, lambda: Apply(type, free, operation, operands, properties))


def accumulator(type: Attribute) -> Accumulator:
    """Return the value accumulated so far, of ``type``."""
    return _intern((Accumulator, type), lambda: Accumulator(type, frozenset()))


def reduction(variables: tuple[LoopVariable, ...], body: Term, init: Term) -> Term:
    """Return the reduction of ``body`` over ``variables``; what cannot be expressed stays so."""
    for part in (body, init):
        if isinstance(part, Unliftable):
            return part
    bounds = frozenset[LoopVariable]().union(*(v.range_variables() for v in variables))
    free = (body.free | bounds).difference(variables) | init.free
    key = (Reduction, variables, body, init)
    return _intern(key, lambda: Reduction(init.type, free, variables, body, init))


def unliftable(type: Attribute, reason: str, location: SourceLocation | None) -> Unliftable:
    """Return a value that cannot be expressed, with the reason for the user."""
    key = (Unliftable, type, reason, location)
    return _intern(key, lambda: Unliftable(type, frozenset(), reason, location))


def as_index(term: Term) -> IndexExpression | None:
    """Return the term as an index expression, or ``None`` if it is not one."""
    if isinstance(term, IndexValue):
        return term.expression
    if isinstance(term, Constant) and isinstance(term.value, int):
        return IndexExpression.of(term.value)
    return None


def is_index(term: Term) -> bool:
    """Return whether the term is an index expression with symbols, or of type ``index``."""
    return isinstance(term, IndexValue) or isinstance(term.type, IndexType)


def children(term: Term) -> tuple[Term, ...]:
    """Return the direct sub-terms."""
    match term:
        case Apply(operands=operands):
            return operands
        case Reduction(body=body, init=init):
            return (body, init)
        case _:
            return ()


def walk(term: Term) -> Iterator[Term]:
    """Yield the term and all that it is made of, each once."""
    seen: set[Term] = set()
    stack = [term]
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        stack.extend(reversed(children(current)))
