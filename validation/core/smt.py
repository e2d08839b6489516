"""Queries to Z3 in SMT-LIB text, under a deterministic resource limit (trusted core).

A query is a conjunction; to prove a property, its negation is asserted and ``unsat`` is the proof.
Text is built with ``str.format_map`` from the templates that expressions and conditions carry,
because building Z3 terms object by object costs more than solving them.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from itertools import combinations

import z3
from xdsl.ir import Operation

from ..query_log import INTEGERS, note
from .condition import Condition
from .index import Index, Variable, smt_integer
from .polyhedral import Fence, Program, RowAccess, Statement, describe

RESOURCE_LIMIT = 20_000_000
"""Z3 resource units for one query, some seconds; the count does not depend on the machine."""


class Answer(Enum):
    UNSAT = "unsat"
    SAT = "sat"
    UNKNOWN = "unknown"


Names = Mapping[str, str]
"""SMT constants by the name of the variable that they stand for."""


@dataclass
class Query:
    """Declarations and assertions of one query."""

    declarations: list[str] = field(default_factory=list[str])
    assertions: list[str] = field(default_factory=list[str])
    _count: int = 0

    def copy(self) -> Query:
        return Query(list(self.declarations), list(self.assertions), self._count)

    def add(self, text: str) -> None:
        if text != "true":
            self.assertions.append(text)

    def constant(self, label: str) -> str:
        """A fresh integer constant."""
        self._count += 1
        name = f"{label}.{self._count}"
        self.declarations.append(name)
        return name

    def define(self, label: str, text: str) -> str:
        """A fresh constant that equals ``text``; a plain name or number stays as it is."""
        if "(" not in text:
            return text
        name = self.constant(label)
        self.assertions.append(f"(= {name} {text})")
        return name

    def constants(self, dims: Sequence[Variable]) -> dict[str, str]:
        return {dim.name: self.constant(dim.name) for dim in dims}

    def text(self) -> str:
        lines = [f"(declare-const {name} Int)" for name in self.declarations]
        lines.extend(f"(assert {assertion})" for assertion in self.assertions)
        return "\n".join(lines)


@dataclass
class Solver:
    """Runs queries and keeps count."""

    queries: int = 0
    seconds: float = 0.0
    resource_limit: int = RESOURCE_LIMIT

    def unproved(self, obligation: str, answer: Answer) -> str:
        """What to say of an obligation that does not hold, or on which Z3 gave up."""
        if answer is not Answer.UNKNOWN:
            return obligation
        limit = f"Z3 gave up after {self.resource_limit:,} resource units, see --rlimit"
        return f"{obligation} ({limit})"

    def check(
        self, query: Query, states: str, origin: Operation | None = None
    ) -> tuple[Answer, dict[str, int]]:
        """Satisfiable or not; with values of the constants if it is.

        ``states`` says what follows if it is not, for a reader of the query log; a question whose
        answer may be either ends with a question mark.
        """
        return next(self.check_each(query, ["true"], states, origin))

    def check_each(
        self, query: Query, cases: Sequence[str], states: str, origin: Operation | None = None
    ) -> Iterator[tuple[Answer, dict[str, int]]]:
        """``check`` of the query with each of the cases in turn, the query read only once."""
        text = query.text()
        solver: z3.Solver | None = None
        for number, case in enumerate(cases):
            start = time.perf_counter()
            key = sha256(f"{text} {case}".encode()).digest()
            limit = _UNSATISFIABLE.get(key)
            answer, model = Answer.UNSAT, dict[str, int]()
            if limit is None or limit > self.resource_limit:
                limit = self.resource_limit
                solver = solver or self._solver(query, cases)
                answer, model = _answer(solver, number)
            if answer is Answer.UNSAT:
                _remember(key, limit)
            self.queries += 1
            self.seconds += time.perf_counter() - start
            note(
                states,
                INTEGERS,
                lambda case=case: _with_case(query, case),
                answer.value,
                origin=lambda: describe(origin),
            )
            yield answer, model

    def _solver(self, query: Query, cases: Sequence[str]) -> z3.Solver:
        """A solver that has read a query, and each case behind a constant of its own."""
        solver = z3.SimpleSolver()
        solver.set("rlimit", self.resource_limit)
        # Without quantifiers, relevancy only costs: four times less time on our queries.
        solver.set("smt.relevancy", 0)
        # Cuts from Hermite normal forms find no contradiction here that others do not find sooner.
        solver.set("smt.arith.enable_hnf", False)
        lines = [query.text(), *orders_of_copies(query.declarations)]
        for number, case in enumerate(cases):
            lines.append(f"(declare-const case.{number} Bool)")
            lines.append(f"(assert (=> case.{number} {case}))")
        solver.from_string("\n".join(lines))
        return solver


COUNTER_COPIES = 4
"""Constants for one counter up to which each two of them are compared."""


def orders_of_copies(constants: Sequence[str]) -> Iterator[str]:
    """Truisms: of two constants for one counter, one is less, or they are equal.

    Points of time are sums of counters. Deciding the counters one by one, outer ones first, shows
    what is not in between, where cuts of the sums may take a hundred times as long.
    """
    copies: dict[str, list[str]] = {}
    for name in constants:
        copies.setdefault(name.rpartition(".")[0], []).append(name)
    for names in copies.values():
        if len(names) <= COUNTER_COPIES:
            for a, b in combinations(names, 2):
                yield f"(assert (or (< {a} {b}) (= {a} {b}) (> {a} {b})))"


REMEMBERED = 100_000
"""Queries without a solution that one process remembers, 32 bytes each."""
_UNSATISFIABLE: OrderedDict[bytes, int] = OrderedDict()
"""Hashes of queries that Z3 found to have no solution, with the limit under which it did.

It need not do so again, under this limit or a greater one. Passes leave most of a program alone, so
many obligations come again word by word.
"""


def _remember(key: bytes, limit: int) -> None:
    _UNSATISFIABLE[key] = limit
    _UNSATISFIABLE.move_to_end(key)
    if len(_UNSATISFIABLE) > REMEMBERED:
        _UNSATISFIABLE.popitem(last=False)


def _answer(solver: z3.Solver, number: int) -> tuple[Answer, dict[str, int]]:
    result = solver.check(z3.Bool(f"case.{number}"))
    return Answer(str(result)), _integers(solver.model()) if result == z3.sat else {}


def _with_case(query: Query, case: str) -> str:
    return query.text() if case == "true" else f"{query.text()}\n(assert {case})"


def _integers(model: z3.ModelRef) -> dict[str, int]:
    found: dict[str, int] = {}
    for symbol in model.decls():
        value = model[symbol]
        if isinstance(value, z3.IntNumRef):
            found[symbol.name()] = value.as_long()
    return found


def conjunction(parts: Iterable[str]) -> str:
    kept = [part for part in parts if part != "true"]
    if not kept:
        return "true"
    if "false" in kept:
        return "false"
    return kept[0] if len(kept) == 1 else f"(and {' '.join(kept)})"


def disjunction(parts: Iterable[str]) -> str:
    kept = [part for part in parts if part != "false"]
    if not kept:
        return "false"
    if "true" in kept:
        return "true"
    return kept[0] if len(kept) == 1 else f"(or {' '.join(kept)})"


def negation(text: str) -> str:
    return {"true": "false", "false": "true"}.get(text, f"(not {text})")


def equalities(left: Sequence[str], right: Sequence[str]) -> str:
    return conjunction(f"(= {a} {b})" for a, b in zip(left, right, strict=True) if a != b)


def ranges(dims: Sequence[Variable], names: Names) -> str:
    parts: list[str] = []
    for dim in dims:
        if dim.low is not None:
            parts.append(f"(<= {smt_integer(dim.low)} {names[dim.name]})")
        if dim.high is not None:
            parts.append(f"(<= {names[dim.name]} {smt_integer(dim.high)})")
    return conjunction(parts)


def holds(condition: Condition, names: Names) -> str:
    return condition.smt.format_map(names)


def values(indices: Sequence[Index], names: Names) -> list[str]:
    return [index.smt.format_map(names) for index in indices]


def in_domain(statement: Statement | Fence | RowAccess, names: Names) -> str:
    return conjunction([ranges(statement.dims, names), holds(statement.condition, names)])


def earlier(
    left: Sequence[Index], left_names: Names, right: Sequence[Index], right_names: Names
) -> str:
    """Lexicographic order of two points of time; constants decide as early as they can."""
    equal_so_far: list[str] = []
    cases: list[str] = []
    for a, b in zip(left, right, strict=False):
        if a.is_constant and b.is_constant:
            if a.constant < b.constant:
                cases.append(conjunction(equal_so_far))
            if a.constant != b.constant:
                return disjunction(cases)
            continue
        before, after = a.smt.format_map(left_names), b.smt.format_map(right_names)
        if before == after:
            continue
        cases.append(conjunction([*equal_so_far, f"(< {before} {after})"]))
        equal_so_far.append(f"(= {before} {after})")
    return disjunction(cases)


def with_symbols(program: Program) -> tuple[Query, dict[str, str]]:
    """A query that knows the symbolic sizes and what the program assumes of them."""
    query = Query()
    names = query.constants(program.symbols)
    query.add(ranges(program.symbols, names))
    query.add(holds(program.context, names))
    return query, names
