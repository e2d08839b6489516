"""Variables that walk: pointers and counters whose position is a formula in the loop variables.

``*p++`` in a loop reads ``p[k]`` in iteration k. A loop body is lowered once on trial, with an
unknown position at its start, to see how far it moves each variable; if that is the same in every
iteration, the position at the start of iteration k is known, and so is the one after the loop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.ir import SSAValue

from . import syntax
from .polynomial import Atom, Interval, Polynomial
from .traversal import descendants, root_name
from .types import LONG
from .values import ArrayVariable, ScalarVariable, Scopes, UnsetPointer, Value, Variable

_ANYWHERE = Interval(LONG.lowest, LONG.highest)
GROWING = ("push_back", "emplace_back", "clear")
"""Methods that change how long a vector is."""


class CannotWalkError(Exception):
    """A scalar has no formula; it must live in memory. Caught by the lowering of the kernel."""

    def __init__(self, declarator: syntax.Declarator) -> None:
        super().__init__(declarator.name)
        self.declarator = declarator


@dataclass(frozen=True)
class Motion:
    """What one iteration of a loop does to a variable."""

    start: Variable
    """The variable before the loop."""
    step: Polynomial | None
    """How far it moves; ``None`` if each iteration sets it anew."""
    end: Variable
    """The variable at the end of an iteration, if each sets it anew."""


def moving_names(body: syntax.Statement) -> set[str]:
    """Return the names of the variables that ``body`` may set or step, and vectors it may grow."""
    names: set[str] = set()
    for node in descendants(body):
        match node:
            case syntax.Assignment(target=target) | syntax.Increment(target=target):
                if isinstance(target, syntax.Identifier):
                    names.add(target.name)
            case syntax.MethodCall(target=target, method=method) if method in GROWING:
                names |= root_name(target)
            case _:
                pass
    return names


def walking_variables(scopes: Scopes, names: set[str]) -> dict[str, Variable]:
    """Return which of ``names`` are variables that walk here."""
    found = {name: scopes.find(name) for name in sorted(names)}
    return {
        name: variable
        for name, variable in found.items()
        if isinstance(variable, ArrayVariable | UnsetPointer)
        or (isinstance(variable, ScalarVariable) and variable.walks is not None)
    }


def position(variable: Variable) -> Polynomial | None:
    """Return where the variable stands; ``None`` if that is not known."""
    if isinstance(variable, ArrayVariable):
        return variable.offset if variable.length is None else variable.length
    if isinstance(variable, ScalarVariable) and variable.value is not None:
        return variable.value.polynomial
    return None


def placed(variable: Variable, where: Polynomial) -> Variable:
    """Return the variable standing at ``where``."""
    if isinstance(variable, ArrayVariable):
        if variable.length is None:
            return replace(variable, offset=where)
        return replace(variable, length=where)
    assert isinstance(variable, ScalarVariable)
    return replace(variable, value=Value(variable.type, polynomial=where))


def lost(variable: Variable) -> Variable:
    """Return the variable standing nowhere that is known."""
    if isinstance(variable, ScalarVariable):
        return replace(variable, value=None)
    if isinstance(variable, ArrayVariable):
        return UnsetPointer(variable.name, variable.element, variable.const, variable.location)
    return variable


def mark_of(name: str, zero: SSAValue) -> Atom:
    """Return an atom that stands for an unknown position; ``zero`` takes its place in the IR."""
    return Atom(name, zero, _ANYWHERE, exact=False)


def motion_of(start: Variable, mark: Atom | None, end: Variable, newest: int) -> Motion:
    """Return what an iteration does that takes the variable from ``mark`` to ``end``.

    Atoms with a serial number from ``newest`` on belong to the iteration. Raises
    CannotWalkError for a scalar that neither moves steadily nor is set anew.
    """
    reached = position(end)
    if mark is None or reached is None:
        return Motion(start, None, end)
    if _same_array(start, end):
        step = reached - Polynomial.atom(mark)
        if all(atom is not mark and atom.serial < newest for atom in step.atoms()):
            return Motion(start, step, end)
    if all(atom is not mark for atom in reached.atoms()):
        return Motion(start, None, end)
    if isinstance(start, ScalarVariable) and start.walks is not None:
        raise CannotWalkError(start.walks)
    return Motion(start, None, lost(end))


def _same_array(start: Variable, end: Variable) -> bool:
    if not isinstance(start, ArrayVariable) or not isinstance(end, ArrayVariable):
        return isinstance(start, ScalarVariable)
    same_row = len(start.fixed) == len(end.fixed) and all(
        left.same_as(right) for left, right in zip(start.fixed, end.fixed, strict=True)
    )
    return start.memref is end.memref and same_row


def at_iteration(motion: Motion, number: Polynomial | None) -> Variable:
    """Return the variable at the start of iteration ``number`` (from 0)."""
    start = position(motion.start)
    if motion.step is None or start is None:
        return lost(motion.start)
    if not motion.step.terms:
        return motion.start
    return _moved(motion.start, start, motion.step, number)


def after_loop(
    motion: Motion, trips: Polynomial | None, last: tuple[Atom, Polynomial] | None, newest: int
) -> Variable:
    """Return the variable after the loop.

    ``last`` pairs the loop variable with its last value, if the loop surely runs.
    """
    start, end = position(motion.start), position(motion.end)
    if motion.step is not None and start is not None:
        if not motion.step.terms:
            return motion.start
        return _moved(motion.start, start, motion.step, trips)
    if last is None or end is None:
        return lost(motion.start)
    final = end.substitute(*last)
    if any(atom.serial >= newest for atom in final.atoms()):
        return lost(motion.start)
    fixed = motion.end.fixed if isinstance(motion.end, ArrayVariable) else ()
    if any(atom.serial >= newest for part in fixed for atom in part.atoms()):
        return lost(motion.start)
    return placed(motion.end, final)


def _moved(
    variable: Variable, start: Polynomial, step: Polynomial, times: Polynomial | None
) -> Variable:
    return lost(variable) if times is None else placed(variable, start + step * times)


def merged(then: Variable, otherwise: Variable) -> Variable:
    """Return the variable after a condition that left it as one or the other.

    Raises CannotWalkError for a scalar that they leave at different positions.
    """
    if then is otherwise:
        return then
    left, right = position(then), position(otherwise)
    is_same = left is not None and right is not None and left.same_as(right)
    if is_same and _same_array(then, otherwise):
        return then
    if isinstance(then, ScalarVariable) and then.walks is not None:
        raise CannotWalkError(then.walks)
    return lost(then)
