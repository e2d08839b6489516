"""The certificate checker: Z3 verifies what the dataflow oracle claims (trusted core).

For one program and its ``FlowCertificate`` it proves, for every content of the arrays and every
symbolic size at once:

R   each requirement holds: subscripts within extents, legal sizes and addresses;
I   no two element writes of one instruction hit the same cell;
S   each read has a source: the claimed write exists, writes that cell, and is earlier
    (so nothing uninitialised is read);
L   the claimed source is the last write: no other write to that cell lies in between. Where the
    claim says "accumulated", additions may lie in between, and the value is their sum.

All are quantifier-free statements of linear integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Operation

from .certificate import FlowCertificate, Source
from .condition import TRUE
from .index import Index
from .polyhedral import Program, Read, Requirement, Role, Statement
from .smt import (
    Answer,
    Names,
    Query,
    Solver,
    conjunction,
    disjunction,
    earlier,
    equalities,
    holds,
    in_domain,
    negation,
    ranges,
    values,
    with_symbols,
)
from .terms import Term


class Violation(Exception):  # noqa: N818 - it names the finding
    """A proof obligation that does not hold (``model`` given) or was not decided."""

    def __init__(
        self,
        obligation: str,
        model: dict[str, int] | None,
        origin: Operation | None = None,
        witness: tuple[tuple[Term, int], ...] = (),
        certain: bool = False,
    ) -> None:
        super().__init__(obligation if model is not None else f"not decided: {obligation}")
        self.obligation = obligation
        self.model = model
        self.origin = origin
        self.witness = witness
        """Values of slots for which the outputs differ, from a lemma that does not hold."""
        self.certain = certain
        """Whether every run shows it: an illegal instruction, for example. What is read where
        nothing was written may still not matter, and unpaired summands may cancel."""


class Checker:
    """Checks one program; raises ``Violation`` at the first obligation that fails."""

    def __init__(self, program: Program, certificate: FlowCertificate, solver: Solver) -> None:
        self.program = program
        self.certificate = certificate
        self.solver = solver
        self.statements = {statement.name: statement for statement in program.readers()}

    def run(self) -> None:
        self._premises_are_satisfiable()
        for requirement in self.program.requirements:
            self._requirement(requirement)
        for statement in self.program.statements:
            self._writes_once_per_instruction(statement)
        for statement in self.program.readers():
            for number, read in enumerate(statement.reads):
                if read.array.role is not Role.INPUT:
                    self.check_read(statement, number)

    def query(self) -> tuple[Query, dict[str, str]]:
        return with_symbols(self.program)

    def prove(self, query: Query, obligation: str, origin: Operation | None = None) -> None:
        """Prove that the query has no solution."""
        answer, model = self.solver.check(query, obligation, origin)
        if answer is Answer.SAT:
            raise Violation(obligation, model, origin)
        if answer is Answer.UNKNOWN:
            raise Violation(self.solver.unproved(obligation, answer), None, origin)

    def _premises_are_satisfiable(self) -> None:
        """A proof from contradictory assumptions would prove anything."""
        if not self.program.symbols and self.program.context == TRUE:
            return
        query, _ = self.query()
        premises = "the assumptions on the symbolic sizes can be met"
        if self.solver.check(query, f"premises: {premises}")[0] is not Answer.SAT:
            raise Violation(premises, None)

    def _requirement(self, requirement: Requirement) -> None:
        query, names = self.query()
        names |= query.constants(requirement.dims)
        query.add(ranges(requirement.dims, names))
        query.add(holds(requirement.condition, names))
        query.add(negation(holds(requirement.holds, names)))
        try:
            self.prove(query, requirement.description, requirement.origin)
        except Violation as violation:
            origin = requirement.origin
            violation.certain = (
                violation.model is not None
                and origin is not None
                and origin.name.startswith("gemmini.")
            )
            raise

    def _writes_once_per_instruction(self, statement: Statement) -> None:
        if not statement.unordered or statement.accumulates:
            return
        shared = statement.dims[: -statement.unordered]
        own = statement.dims[-statement.unordered :]
        if _visibly_distinct(statement, [dim.name for dim in own]):
            return
        query, names = self.query()
        names |= query.constants(shared)
        first = names | query.constants(own)
        second = names | query.constants(own)
        query.add(in_domain(statement, first))
        query.add(in_domain(statement, second))
        query.add(equalities(values(statement.indices, first), values(statement.indices, second)))
        query.add(negation(equalities([first[d.name] for d in own], [second[d.name] for d in own])))
        obligation = f"no two elements of one instruction share a cell of {statement.array.name}"
        self.prove(query, obligation, statement.origin)

    def check_read(self, statement: Statement, number: int) -> None:
        """Prove what the certificate says of one read (S and L)."""
        read = statement.reads[number]
        sources = self.certificate.sources.get((statement.name, number), ())
        query, names = self.query()
        names |= query.constants(statement.dims)
        query.add(in_domain(statement, names))
        cell = [query.define("cell", text) for text in values(read.indices, names)]
        self._source_exists(query, names, cell, statement, read, sources)
        for source in sources:
            self._source_is_last(query, names, cell, statement, read, source)

    def _source_exists(
        self,
        query: Query,
        names: Names,
        cell: list[str],
        statement: Statement,
        read: Read,
        sources: Sequence[Source],
    ) -> None:
        query = query.copy()
        missing = [negation(disjunction(holds(source.condition, names) for source in sources))]
        for source in sources:
            writer, point = self._writer(query, names, source)
            is_source = conjunction(
                [
                    in_domain(writer, point),
                    equalities(values(writer.indices, point), cell),
                    earlier(writer.schedule, point, read.schedule, names),
                ]
            )
            if writer.array != read.array or writer.accumulates:
                is_source = "false"
            missing.append(conjunction([holds(source.condition, names), negation(is_source)]))
        query.add(disjunction(missing))
        obligation = f"every element of {read.array.name} is initialised before it is read"
        self.prove(query, obligation, statement.origin)

    def _writer(self, query: Query, names: Names, source: Source) -> tuple[Statement, Names]:
        writer = self.statements.get(source.writer)
        if writer is None or len(writer.dims) != len(source.point):
            raise Violation(f"the certificate names no statement {source.writer}", None)
        symbols = {symbol.name: names[symbol.name] for symbol in self.program.symbols}
        point = {
            dim.name: query.define(dim.name, text)
            for dim, text in zip(writer.dims, values(source.point, names), strict=True)
        }
        return writer, symbols | point

    def _source_is_last(
        self,
        query: Query,
        names: Names,
        cell: list[str],
        statement: Statement,
        read: Read,
        source: Source,
    ) -> None:
        query = query.copy()
        query.add(holds(source.condition, names))
        writer, point = self._writer(query, names, source)
        between: list[str] = []
        for other in self.program.writers(read.array):
            if (source.accumulated and other.accumulates) or _visibly_apart(other, read.indices):
                continue
            after = _order(writer.schedule, other.schedule)
            before = _order(other.schedule, read.schedule)
            if after == "after" or before == "after":
                continue
            theirs = dict(names) | query.constants(other.dims)
            between.append(
                conjunction(
                    [
                        in_domain(other, theirs),
                        equalities(values(other.indices, theirs), cell),
                        earlier(writer.schedule, point, other.schedule, theirs),
                        earlier(other.schedule, theirs, read.schedule, names),
                    ]
                )
            )
        if disjunction(between) == "false":
            return
        query.add(disjunction(between))
        obligation = (
            f"what is read from {read.array.name} is what was written there last on purpose:"
            f" nothing overwrites it in between"
        )
        self.prove(query, obligation, statement.origin)


def _visibly_distinct(statement: Statement, own: Sequence[str]) -> bool:
    """Whether each own dimension stands alone, with factor ±1, in a subscript of its own."""
    return all(any(_isolates(index, name, own) for index in statement.indices) for name in own)


def _isolates(index: Index, name: str, own: Sequence[str]) -> bool:
    plain = [atom.isl == name and abs(factor) == 1 for atom, factor in index.terms]
    others = [atom for atom, _ in index.terms if atom.isl != name]
    involved = {variable for atom in others for variable in Index.of(atom).variables}
    return any(plain) and involved.isdisjoint(own)


def _visibly_apart(writer: Statement, cell: Sequence[Index]) -> bool:
    """Whether the ranges of the subscripts show that writer and reader never share a cell."""
    for left, right in zip(writer.indices, cell, strict=True):
        low, high = left.interval
        least, greatest = right.interval
        if low is not None and greatest is not None and low > greatest:
            return True
        if high is not None and least is not None and high < least:
            return True
    return False


def _order(left: Sequence[Index], right: Sequence[Index]) -> str:
    """``before`` or ``after`` where the leading constants decide, else ``mixed``."""
    for a, b in zip(left, right, strict=False):
        if not (a.is_constant and b.is_constant):
            return "mixed"
        if a.constant != b.constant:
            return "before" if a.constant < b.constant else "after"
    return "mixed"
