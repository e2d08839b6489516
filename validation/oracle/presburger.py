"""Between affine statements and isl, the Presburger library; its results are only proposals."""

from __future__ import annotations

from collections.abc import Sequence

import islpy as isl

from ..core.condition import FALSE, Condition, all_of, any_of, compare
from ..core.index import Index, Variable, constant_index
from ..core.polyhedral import Program, Statement

_IN, _PARAM, _SET, _DIV = isl.dim_type.in_, isl.dim_type.param, isl.dim_type.set, isl.dim_type.div
_OUT = isl.dim_type.out


def symbol_prefix(program: Program) -> str:
    """The declaration of the symbolic sizes that each isl text starts with."""
    return (
        f"[{', '.join(symbol.name for symbol in program.symbols)}] -> " if program.symbols else ""
    )


def range_text(dims: Sequence[Variable]) -> str:
    parts = ["true"]
    for dim in dims:
        low = "" if dim.low is None else f"{dim.low} <= "
        high = "" if dim.high is None else f" <= {dim.high}"
        parts.append(f"{low}{dim.name}{high}" if low or high else "true")
    return " and ".join(parts)


def domain_text(statement: Statement) -> str:
    return f"{range_text(statement.dims)} and {statement.condition.isl}"


def tuple_text(name: str, parts: Sequence[Index | Variable | str]) -> str:
    texts = [part if isinstance(part, str) else part.isl for part in parts]
    return f"{name}[{', '.join(texts)}]"


def aff_to_index(aff: isl.Aff, names: Sequence[str], symbols: Sequence[str]) -> Index:
    """An isl affine expression; a rational one is rounded down."""
    denominator = aff.get_denominator_val().to_python()
    if denominator != 1:
        aff = aff.scale_val(isl.Val.int_from_si(aff.get_ctx(), denominator))
    result = constant_index(aff.get_constant_val().to_python())
    for kind, labels in ((_PARAM, symbols), (_IN, names)):
        for number, label in enumerate(labels):
            factor = aff.get_coefficient_val(kind, number).to_python()
            if factor:
                result += Index.of(Variable(label)) * factor
    for number in range(aff.dim(_DIV)):
        factor = aff.get_coefficient_val(_DIV, number).to_python()
        if factor:
            result += aff_to_index(aff.get_div(number), names, symbols) * factor
    return result // denominator


def _basic_set_to_condition(
    part: isl.BasicSet, names: Sequence[str], symbols: Sequence[str]
) -> Condition:
    space = part.get_local_space()
    divisions = [
        aff_to_index(space.get_div(number), names, symbols) for number in range(space.dim(_DIV))
    ]
    conditions: list[Condition] = []
    for constraint in part.get_constraints():
        value = constant_index(constraint.get_constant_val().to_python())
        atoms = (
            (_PARAM, [Index.of(Variable(name)) for name in symbols]),
            (_SET, [Index.of(Variable(name)) for name in names]),
            (_DIV, divisions),
        )
        for kind, expressions in atoms:
            for number, expression in enumerate(expressions):
                factor = constraint.get_coefficient_val(kind, number).to_python()
                if factor:
                    value += expression * factor
        conditions.append(compare(value, constraint.is_equality()))
    return all_of(conditions)


def set_to_condition(points: isl.Set, names: Sequence[str], symbols: Sequence[str]) -> Condition:
    parts = points.compute_divs().get_basic_sets()
    if not parts:
        return FALSE
    return any_of([_basic_set_to_condition(part, names, symbols) for part in parts])


def pieces_of(
    function: isl.Map, names: Sequence[str], symbols: Sequence[str], known: isl.Set | None = None
) -> list[tuple[Condition, tuple[Index, ...]]]:
    """The cases of a single-valued map: a condition on the input and the output as expressions.

    Within ``known`` the conditions may be simplified.
    """
    found: list[tuple[Condition, tuple[Index, ...]]] = []
    for points, values in simple_pieces(function):
        if known is not None:
            points = points.gist(known)
        indices = tuple(
            aff_to_index(values.get_at(number), names, symbols)
            for number in range(values.dim(_OUT))
        )
        found.append((set_to_condition(points, names, symbols), indices))
    return found


def simple_pieces(function: isl.Map) -> list[tuple[isl.Set, isl.MultiAff]]:
    """The cases of a single-valued map, as few as one expression each can cover."""
    pieces: list[tuple[isl.Set, isl.MultiAff]] = []
    function.as_pw_multi_aff().foreach_piece(lambda s, a: pieces.append((s, a)))
    if len(pieces) < 2:
        return pieces
    pieces.sort(key=lambda piece: -_generality(piece[1]))
    found: list[tuple[isl.Set, isl.MultiAff]] = []
    rest = function
    for _, values in pieces:
        agreeing = rest.intersect(values.as_map())
        if agreeing.is_empty():
            continue
        found.append((agreeing.domain().coalesce(), values))
        rest = rest.subtract(agreeing)
        if rest.is_empty():
            break
    return found


def _generality(values: isl.MultiAff) -> int:
    """How many inputs an expression uses: the one for the general case uses most."""
    return sum(
        values.get_at(number).involves_dims(_IN, place, 1)
        for number in range(values.dim(_OUT))
        for place in range(values.dim(_IN))
    )


def simple_map(function: isl.Map, domain: isl.Set) -> isl.Map:
    """The same single-valued map as one basic map, if one expression covers its ``domain``."""
    if function.n_basic_map() < 2:
        return function
    pieces = simple_pieces(function)
    if len(pieces) > 1:
        return function
    here = domain if pieces[0][0].is_equal(domain) else pieces[0][0]
    return pieces[0][1].as_map().intersect_domain(here)


def maps_of(union: isl.UnionMap) -> list[isl.Map]:
    found: list[isl.Map] = []
    union.foreach_map(found.append)
    return found
