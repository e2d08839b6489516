"""For which sizes a program stays within its arrays: what a proof about it may take for granted.

A source that leaves its arrays for some sizes is undefined for these, and any target would do. The
condition is proposed by isl; the checker proves that every requirement holds under it, and that
some sizes meet it.
"""

from __future__ import annotations

import islpy as isl

from .core.condition import TRUE, Condition, negate
from .core.polyhedral import Program, Requirement
from .oracle.presburger import range_text, set_to_condition, symbol_prefix, tuple_text


def defined_sizes(program: Program) -> Condition:
    """A condition on the symbolic sizes under which all requirements hold, beyond the context.

    Where one is needed, the sizes are at least 1: for empty loops anything would be in bounds, and
    nobody asks for these.
    """
    if not program.symbols:
        return TRUE
    prefix = symbol_prefix(program)
    bad = isl.Set(f"{prefix}{{ : false }}")
    for requirement in program.requirements:
        bad = bad.union(_violating(requirement, prefix))
    context = isl.Set(f"{prefix}{{ : {range_text(program.symbols)} and {program.context.isl} }}")
    if bad.intersect(context).is_empty():
        return TRUE
    names = [symbol.name for symbol in program.symbols]
    proper = " and ".join(f"{name} >= 1" for name in names)
    good = context.subtract(bad).intersect(isl.Set(f"{prefix}{{ : {proper} }}"))
    return set_to_condition(good.gist(context).coalesce(), [], names)


def _violating(requirement: Requirement, prefix: str) -> isl.Set:
    """The sizes for which some point violates a requirement."""
    parts = (
        range_text(requirement.dims),
        requirement.condition.isl,
        negate(requirement.holds).isl,
    )
    points = tuple_text("", requirement.dims)
    return isl.Set(f"{prefix}{{ {points} : {' and '.join(parts)} }}").params()
