"""Summaries: what each output of a kernel holds at the end, as a function of its subscripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from xdsl.dialects import arith
from xdsl.dialects.builtin import ArrayAttr, MemRefType, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from ...diagnostics import Diagnostic
from ...validation.execution.trial_sizes import parameter_names
from ...validation.extract.extent_text import parse_extent
from .execution import Contents
from .simplify import add, apply, both, compare, constant, index, select
from .terms import INDEX, Apply, Constant, Term, children, parameter


@dataclass(frozen=True)
class Output:
    """The final contents of one array parameter."""

    position: int
    contents: Contents


@dataclass(frozen=True)
class Summary:
    """The final contents of all outputs of a function."""

    function: FuncOp
    """The function whose parameters the terms mean."""
    outputs: tuple[Output, ...]

    @property
    def c_types(self) -> tuple[str, ...]:
        """C types of the parameters, as far as they are known."""
        listed = self.function.attributes.get("liftproof.c_types")
        entries = listed.data if isinstance(listed, ArrayAttr) else ()
        return tuple(entry.data for entry in entries if isinstance(entry, StringAttr))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return parameter_names(self.function)


def extents_of(function: FuncOp, position: int) -> tuple[Term, ...]:
    """The extents of an array parameter as index terms.

    Raises :class:`Diagnostic` for an extent that is no polynomial of the parameters.
    """
    type = function.args[position].type
    assert isinstance(type, MemRefType)
    rows = function.attributes.get("liftproof.extents")
    row = rows.data[position] if isinstance(rows, ArrayAttr) and rows.data else None
    texts = list(row) if isinstance(row, ArrayAttr) else []
    found: list[Term] = []
    for dimension, size in enumerate(type.get_shape()):
        entry = texts[dimension] if dimension < len(texts) else None
        if size >= 0:
            found.append(index(size))
        elif isinstance(entry, StringAttr):
            found.append(_polynomial(function, entry.data))
        else:
            name = parameter_names(function)[position]
            raise Diagnostic(f"the extents of '{name}' are not known", hint="declare it as T a[n]")
    return tuple(found)


def _polynomial(function: FuncOp, text: str) -> Term:
    names = parameter_names(function)
    products = parse_extent(text)
    if products is None or any(name not in names for factors, _ in products for name in factors):
        raise Diagnostic(f"the extent {text} is no polynomial of the parameters")
    total: Term = index(0)
    for factors, coefficient in products:
        sizes = [as_index(parameter_of(function, names.index(name))) for name in factors]
        product = reduce(lambda a, b: apply(arith.MuliOp, (a, b), INDEX), sizes, index(coefficient))
        total = add(total, product)
    return total


def parameter_of(function: FuncOp, position: int) -> Term:
    """The scalar parameter as a term."""
    return parameter(position, function.args[position].type)


def as_index(term: Term) -> Term:
    """An integer as an index."""
    if term.type == INDEX:
        return term
    return apply(arith.IndexCastOp, (term,), INDEX)


def preconditions_of(function: FuncOp) -> tuple[Term, ...]:
    """What is taken for granted of the sizes: no array is empty."""
    found: dict[Term, None] = {}
    for position, argument in enumerate(function.args):
        if isinstance(argument.type, MemRefType) and _has_extents(function, position):
            for extent in extents_of(function, position):
                found[compare("sle", index(1), extent)] = None
    return tuple(term for term in found if not isinstance(term, Constant))


def precondition_texts(function: FuncOp) -> tuple[str, ...]:
    """:func:`preconditions_of` in words."""
    found = {
        f"{entry.data} >= 1": None
        for row in _rows(function)
        for entry in (row if isinstance(row, ArrayAttr) else ())
        if isinstance(entry, StringAttr) and entry.data
    }
    return tuple(found)


def sizes_of(function: FuncOp) -> tuple[int, ...]:
    """The positions of the scalar parameters that extents of arrays depend on."""
    names = parameter_names(function)
    used: set[str] = set()
    for row in _rows(function):
        for entry in row if isinstance(row, ArrayAttr) else ():
            if isinstance(entry, StringAttr):
                products = parse_extent(entry.data) or ()
                used |= {name for factors, _ in products for name in factors}
    return tuple(position for position, name in enumerate(names) if name in used)


def _rows(function: FuncOp) -> Sequence[Attribute]:
    rows = function.attributes.get("liftproof.extents")
    return list(rows) if isinstance(rows, ArrayAttr) else []


def _has_extents(function: FuncOp, position: int) -> bool:
    try:
        extents_of(function, position)
    except Diagnostic:
        return False
    return True


def within(contents: Contents, extents: Sequence[Term]) -> list[Term]:
    """The conditions under which the subscripts of an output lie inside of it."""
    found: list[Term] = []
    for formal, extent in zip(contents.formals, extents, strict=True):
        found += [compare("sle", index(0), formal), compare("slt", formal, extent)]
    return found


def simplified(
    term: Term, assumptions: Sequence[Term], implies: Callable[[Sequence[Term], Term], bool]
) -> Term:
    """``term`` without the choices that the assumptions decide, looked at from the outside."""
    if not (isinstance(term, Apply) and term.operation is arith.SelectOp):
        return term
    condition, then, otherwise = children(term)
    kept = _undecided(condition, assumptions, implies)
    return select(
        kept,
        simplified(then, [*assumptions, condition], implies),
        simplified(otherwise, assumptions, implies),
    )


def _undecided(
    condition: Term, assumptions: Sequence[Term], implies: Callable[[Sequence[Term], Term], bool]
) -> Term:
    """The conjuncts of a condition that do not follow from the assumptions."""
    if isinstance(condition, Apply) and condition.operation is arith.AndIOp:
        left, right = (_undecided(part, assumptions, implies) for part in condition.operands)
        return both(left, right)
    if implies(assumptions, condition):
        return constant(1, condition.type)
    return condition
