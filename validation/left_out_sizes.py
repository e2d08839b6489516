"""Whether a certificate leaves out only sizes for which the source is undefined (trusted core)."""

from __future__ import annotations

import z3

from .core.checker import Violation
from .core.condition import TRUE, Condition, all_of, at_least
from .core.index import Index, Variable
from .core.polyhedral import Program, Requirement
from .core.smt import Names, Solver, conjunction, holds, negation, ranges, with_symbols
from .query_log import QUANTIFIED, note

STATES = "the certificate leaves out only sizes for which the source leaves its arrays"


def require_all_defined_sizes(program: Program, limits: Condition, solver: Solver) -> None:
    """Raise ``Violation`` if a source may be defined for sizes of at least 1 beyond ``limits``.

    ``program`` is the source before it is limited. It is defined where its requirements hold at all
    of their points: the one question about programs that has quantifiers.
    """
    if limits == TRUE:
        return
    query, names = with_symbols(program)
    proper = all_of([at_least(Index.of(Variable(size.name)), 1) for size in program.symbols])
    query.add(holds(proper, names))
    query.add(negation(holds(limits, names)))
    for requirement in program.requirements:
        query.add(_everywhere(requirement, names))
    z3_solver = z3.Solver()
    z3_solver.set("rlimit", solver.resource_limit)
    z3_solver.from_string(query.text())
    answer = z3_solver.check()
    solver.queries += 1
    note(STATES, QUANTIFIED, query.text, str(answer))
    if answer != z3.unsat:
        raise Violation(STATES, {} if answer == z3.sat else None)


def _everywhere(requirement: Requirement, sizes: Names) -> str:
    """That a requirement holds at every point of its domain."""
    own = {dim.name: f"each.{dim.name}" for dim in requirement.dims}
    names = {**sizes, **own}
    inside = [ranges(requirement.dims, names), holds(requirement.condition, names)]
    claim = f"(=> {conjunction(inside)} {holds(requirement.holds, names)})"
    bound = " ".join(f"({name} Int)" for name in own.values())
    return f"(forall ({bound}) {claim})" if own else claim
