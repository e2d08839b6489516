"""What an expression evaluates to while it is lowered, and the variables that hold such values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.ir import SSAValue

from ...diagnostics import SourceLocation
from . import syntax
from .constants import Number
from .guards import NO_FACTS, Facts
from .polynomial import Interval, Polynomial
from .types import LONG, CInteger, CScalar


@dataclass(frozen=True, eq=False)
class Value:
    """A C value of type ``type``: a constant, or computed by operations that are already emitted.

    What turns out not to be used (the C form of a subscript, say) is erased at the end.
    """

    type: CScalar
    constant: Number | None = None
    ssa: SSAValue | None = None
    """The value in the MLIR type of ``type``; absent only for a constant."""
    condition: SSAValue | None = None
    """An ``i1`` that is true where the value is 1 and false where it is 0."""
    compared: tuple[str, Polynomial, Polynomial] | None = None
    """If ``condition`` compares index arithmetic: the comparison."""
    facts: Facts = NO_FACTS
    """If the value is 1 or 0: what that says about index arithmetic."""
    polynomial: Polynomial | None = None
    """Equals the value, for 64-bit types modulo 2**64, if the C source has no overflow that C
    leaves undefined."""

    @property
    def interval(self) -> Interval:
        """Return bounds of an integer value."""
        assert isinstance(self.type, CInteger)
        whole = Interval(self.type.lowest, self.type.highest)
        if self.condition is not None:
            return Interval(0, 1)
        if self.polynomial is None:
            return whole
        found = self.polynomial.interval
        # Unsigned arithmetic wraps, and 64-bit polynomials hold modulo 2**64 only, so that bounds
        # outside of these types say nothing. Elsewhere C leaves overflow undefined.
        may_wrap = not self.type.signed or self.type.bits == LONG.bits
        if may_wrap and not self.type.holds(found.low, found.high):
            return whole
        return found.intersect(whole)


@dataclass(frozen=True, eq=False)
class ScalarVariable:
    """A scalar in scope: in memory if it is assigned after its declaration, else a value."""

    name: str
    type: CScalar
    const: bool
    location: SourceLocation
    storage: SSAValue | None = None
    """A ``memref`` of rank 0."""
    value: Value | None = None
    is_loop_variable: bool = False
    walks: syntax.Declarator | None = None
    """Its declaration, if each assignment changes ``value``, which then has a polynomial."""


@dataclass(frozen=True)
class Layout:
    """How one subscript of C is split over several dimensions of a ``memref``."""

    strides: tuple[Polynomial, ...]
    """How far apart elements are along each dimension; monomials, the last one 1."""
    extents: tuple[Polynomial, ...]


@dataclass(frozen=True, eq=False)
class ArrayVariable:
    """An array in scope, or a part of it: a row, or what a pointer into it can reach."""

    name: str
    element: CScalar
    const: bool
    location: SourceLocation
    memref: SSAValue
    extents: tuple[Polynomial | None, ...]
    """One per dimension of ``memref``; None if unknown (a pointer parameter)."""
    fixed: tuple[Polynomial, ...] = ()
    """Leading subscripts that are already given."""
    offset: Polynomial = Polynomial.constant(0)  # noqa: RUF009 - never changed in place
    """Added to the next subscript."""
    movable: bool = False
    """Whether it is a pointer, which may be set and moved, and no array."""
    vector: str = ""
    """The parameter, a C++ vector, that it is or is a part of; its sizes are parameters, too."""
    key: str = ""
    """Under which name its accesses are noted; empty if its extents are known."""
    length: Polynomial | None = None
    """How many elements a growing vector has so far."""
    layouts: tuple[Layout, ...] | None = None
    """If ``memref`` has more dimensions than C subscripts lead to an element: one per subscript."""

    @property
    def rank(self) -> int:
        """Return how many subscripts lead to an element."""
        return len(self.extents) - len(self.fixed)

    def subscripts(self, index: Polynomial) -> tuple[Polynomial, ...]:
        """Return the leading subscripts if the next one is ``index``."""
        return (*self.fixed, self.offset + index)

    def part(self, index: Polynomial) -> ArrayVariable:
        """Return the sub-array ``self[index]``."""
        start = Polynomial.constant(0)
        return replace(self, fixed=self.subscripts(index), offset=start, length=None)

    def moved(self, distance: Polynomial) -> ArrayVariable:
        """Return what the pointer ``self + distance`` reaches."""
        return replace(self, offset=self.offset + distance)


@dataclass(frozen=True, eq=False)
class UnsetPointer:
    """A pointer in scope that does not point anywhere, or not to a known place."""

    name: str
    element: CScalar
    const: bool
    location: SourceLocation
    movable: bool = True


Variable = ScalarVariable | ArrayVariable | UnsetPointer
Bindings = list[dict[str, Variable]]
"""The variables of each scope."""


class Scopes:
    """The names that are visible, innermost scope last."""

    _scopes: list[dict[str, Variable]]

    def __init__(self) -> None:
        self._scopes = [{}]

    def push(self) -> None:
        """Open a scope."""
        self._scopes.append({})

    def pop(self) -> None:
        """Close the innermost scope."""
        self._scopes.pop()

    def declare(self, variable: Variable) -> Variable | None:
        """Add ``variable``; return the one of the same name in the same scope, if there is one."""
        previous = self._scopes[-1].get(variable.name)
        self._scopes[-1][variable.name] = variable
        return previous

    def bindings(self) -> Bindings:
        """Return what each name means now."""
        return [dict(scope) for scope in self._scopes]

    def restore(self, bindings: Bindings) -> None:
        """Go back to what the names meant when ``bindings`` was taken, in the same scope."""
        self._scopes = [dict(scope) for scope in bindings]

    def rebind(self, variable: Variable) -> None:
        """Put ``variable`` in the place of the innermost one of its name."""
        for scope in reversed(self._scopes):
            if variable.name in scope:
                scope[variable.name] = variable
                return

    def find(self, name: str) -> Variable | None:
        """Return what ``name`` means here, None if it is not declared."""
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return None

    def file_scope(self) -> Scopes:
        """Return new scopes that see only what the whole file sees."""
        scopes = Scopes()
        scopes._scopes = [self._scopes[0], {}]
        return scopes
