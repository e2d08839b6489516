"""Array dataflow with isl: which write each read sees. An untrusted oracle; Z3 checks its claims.

Source of the method: Feautrier, "Dataflow analysis of array and scalar references" (1991), as isl
implements it (``isl_union_access_info_compute_flow``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import islpy as isl

from ..core.certificate import FlowCertificate, Source
from ..core.condition import Condition, all_of, negate
from ..core.initialised import UNREAD
from ..core.polyhedral import Array, Program, Role, Statement
from .inverse import solve
from .presburger import domain_text, maps_of, pieces_of, symbol_prefix, tuple_text


class Dataflow:
    """The isl view of one program: domains, accesses, and the sources of all reads."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.prefix = symbol_prefix(program)
        self.symbols = [symbol.name for symbol in program.symbols]
        readers = list(program.readers())
        schedules = [s.schedule for s in readers] + [r.schedule for s in readers for r in s.reads]
        self.claims: dict[tuple[str, int], list[Source]] = defaultdict(list)
        """Sources of final reads that were found without isl, as they are claimed."""
        self._length = max(len(schedule) for schedule in schedules)
        self.statements = {statement.name: statement for statement in readers}
        self.domains = {name: self._domain(s) for name, s in self.statements.items()}
        self.sources: dict[tuple[str, int], list[tuple[str, isl.Map, bool]]] = defaultdict(list)
        """For each read: writer, map from reader to writer points, and whether it accumulates."""
        self.additions: dict[tuple[str, int], list[tuple[str, isl.Map]]] = defaultdict(list)
        """For each read that sees additions: adding statement, map from reader to its points."""
        for array in self._read_arrays():
            self._sources_of(array)

    def certificate(self) -> FlowCertificate:
        """The claims of this analysis as data."""
        result: dict[tuple[str, int], tuple[Source, ...]] = {}
        for statement in self.program.readers():
            names = [dim.name for dim in statement.dims]
            for number, read in enumerate(statement.reads):
                if read.array.role is Role.INPUT:
                    continue
                known = self.domains[statement.name]
                if (statement.name, number) in self.claims:
                    result[statement.name, number] = tuple(self.claims[statement.name, number])
                    continue
                result[statement.name, number] = tuple(
                    Source(writer, condition, point, accumulated)
                    for writer, function, accumulated in self.sources[statement.name, number]
                    for condition, point in pieces_of(function, names, self.symbols, known)
                )
        return FlowCertificate(result)

    def parse_map(self, source: str, target: str, condition: str) -> isl.Map:
        return isl.Map(f"{self.prefix}{{ {source} -> {target} : {condition} }}")

    def _domain(self, statement: Statement) -> isl.Set:
        name = tuple_text(statement.name, statement.dims)
        return isl.Set(f"{self.prefix}{{ {name} : {domain_text(statement)} }}")

    def _read_arrays(self) -> list[Array]:
        arrays = [read.array for s in self.statements.values() for read in s.reads]
        return list(dict.fromkeys(a for a in arrays if a.role is not Role.INPUT))

    def _schedule_text(self, schedule: Sequence[object]) -> str:
        texts = [part.isl for part in schedule]  # pyright: ignore[reportAttributeAccessIssue]
        return f"[{', '.join([*texts, *['0'] * (self._length - len(texts))])}]"

    def write_map(self, statement: Statement) -> isl.Map:
        return self.parse_map(
            tuple_text(statement.name, statement.dims),
            tuple_text(statement.array.name, statement.indices),
            domain_text(statement),
        )

    def read_map(self, statement: Statement, number: int, name: str | None = None) -> isl.Map:
        read = statement.reads[number]
        return self.parse_map(
            tuple_text(name or statement.name, statement.dims),
            tuple_text(read.array.name, read.indices),
            domain_text(statement),
        )

    def _sources_of(self, array: Array) -> None:
        writers = [s for s in self.program.writers(array) if not self.domains[s.name].is_empty()]
        readers = [
            (statement, number)
            for statement in self.program.readers()
            for number, read in enumerate(statement.reads)
            if read.array == array and not self.domains[statement.name].is_empty()
        ]
        assigns = {s.name: self.write_map(s) for s in writers if not s.accumulates}
        additions = {s.name: self.write_map(s) for s in writers if s.accumulates}
        if not additions and self._once_written(array, assigns, readers):
            return
        schedule = self._schedule(writers, readers)
        reads = _union(
            self.read_map(statement, number, f"{statement.name}_r{number}").to_union_map()
            for statement, number in readers
        )
        kills = _union(m.to_union_map() for m in assigns.values())
        last = _flow(reads, kills, None, schedule)
        lost = reads.subtract_domain(last.range())
        if not lost.is_empty():
            # isl's search loses sources on some domains with integer divisions (or the program
            # does read what nobody wrote); relations are slower, but lose none.
            last = last.union(_flow_by_relations(lost, kills, None, schedule))
        seen: dict[str, isl.Set] = {}
        if additions:
            # Whether additions lie in between does not matter where nobody reads the value.
            demands = {f"{s.name}_r{n}" for s, n in readers if s.array.name.startswith(UNREAD)}
            sinks = {m.get_tuple_name(isl.dim_type.in_): m for m in maps_of(reads)}
            seen = {name: m.domain() for name, m in sinks.items() if name in demands}
            rest = [m.to_union_map() for name, m in sinks.items() if name not in demands]
            adds = _union(m.to_union_map() for m in additions.values())
            visible = _flow(_union(rest), kills, adds, schedule)
            added = visible.intersect_domain(adds.domain())
            added.range().foreach_set(lambda points: seen.update({points.get_tuple_name(): points}))
            for dependence in maps_of(added):
                reader, number = dependence.get_tuple_name(isl.dim_type.out).rsplit("_r", 1)
                function = dependence.reverse().set_tuple_name(isl.dim_type.in_, reader)
                adder = dependence.get_tuple_name(isl.dim_type.in_)
                self.additions[reader, int(number)].append((adder, function))
        for dependence in maps_of(last):
            sink = dependence.get_tuple_name(isl.dim_type.out)
            reader, number = sink.rsplit("_r", 1)
            writer = dependence.get_tuple_name(isl.dim_type.in_)
            claims = self.sources[reader, int(number)]
            function = dependence.reverse()
            for part, accumulated in _split(function, seen.get(sink)):
                if not part.is_empty():
                    part = part.set_tuple_name(isl.dim_type.in_, reader)
                    claims.append((writer, part, accumulated))

    def _schedule(
        self, writers: Iterable[Statement], readers: Iterable[tuple[Statement, int]]
    ) -> isl.UnionMap:
        parts: list[str] = []
        for statement in writers:
            name = tuple_text(statement.name, statement.dims)
            parts.append(
                f"{name} -> {self._schedule_text(statement.schedule)} : {domain_text(statement)}"
            )
        for statement, number in readers:
            name = tuple_text(f"{statement.name}_r{number}", statement.dims)
            time = self._schedule_text(statement.reads[number].schedule)
            parts.append(f"{name} -> {time} : {domain_text(statement)}")
        return isl.UnionMap(f"{self.prefix}{{ {'; '.join(parts)} }}")

    def _once_written(
        self, array: Array, writes: dict[str, isl.Map], readers: Sequence[tuple[Statement, int]]
    ) -> bool:
        """Claim sources without a search where each element is written once (or is initial).

        A search for the last write grows quickly with the number of statements.
        """
        finals = all(statement.name.startswith("final_") for statement, _ in readers)
        initial = f"initial_{array.name}"
        proper = [m for name, m in writes.items() if name != initial]
        if not finals or not all(m.is_injective() for m in proper):
            return False
        ranges = [m.range() for m in proper]
        if any(not a.is_disjoint(b) for n, a in enumerate(ranges) for b in ranges[:n]):
            return False
        for statement, number in readers:
            function = self.read_map(statement, number)
            for name, write in writes.items():
                part = function.apply_range(write.reverse())
                if name == initial:
                    for range in ranges:
                        covered = function.intersect_range(range).domain()
                        part = part.subtract_domain(covered)
                if not part.is_empty():
                    self.sources[statement.name, number].append((name, part, False))
            self._claim_inverses(statement, number)
        return True

    def _claim_inverses(self, reader: Statement, number: int) -> None:
        """Claim the one write of each element by solving its subscripts, initial values last."""
        writers = [name for name, _, _ in self.sources[reader.name, number]]
        found: list[Source] = []
        rest: list[Condition] = []
        cell = reader.reads[number].indices
        for name in sorted(writers, key=lambda name: name.startswith("initial_")):
            writer = self.statements[name]
            solved = solve(writer, list(zip(writer.indices, cell, strict=True)))
            if solved is None:
                return
            inside, point = solved
            found.append(Source(name, all_of([*rest, inside]), point))
            rest.append(negate(inside))
        self.claims[reader.name, number] = found


def _split(function: isl.Map, added: isl.Set | None) -> list[tuple[isl.Map, bool]]:
    """Tell the reads that see additions from those that do not."""
    if added is None:
        return [(function, False)]
    return [(function.intersect_domain(added), True), (function.subtract_domain(added), False)]


def _union(maps: Iterable[isl.UnionMap]) -> isl.UnionMap:
    result = isl.UnionMap("{ }")
    for part in maps:
        result = result.union(part)
    return result


def _flow(
    sinks: isl.UnionMap, must: isl.UnionMap, may: isl.UnionMap | None, schedule: isl.UnionMap
) -> isl.UnionMap:
    """What each read sees: its last write in ``must``, or else the ``may`` writes since that."""
    access = isl.UnionAccessInfo.from_sink(sinks).set_must_source(must)
    if may is not None:
        access = access.set_may_source(may)
    try:
        flow = access.set_schedule_map(schedule).compute_flow()
    except isl.Error:
        # isl's search fails on some domains with integer divisions; relations are slower, but
        # know no such exception.
        return _flow_by_relations(sinks, must, may, schedule)
    return flow.get_must_dependence() if may is None else flow.get_may_dependence()


def _flow_by_relations(
    sinks: isl.UnionMap, must: isl.UnionMap, may: isl.UnionMap | None, schedule: isl.UnionMap
) -> isl.UnionMap:
    later = schedule.lex_gt_union_map(schedule)
    before = sinks.apply_range(must.reverse()).intersect(later)
    last_time = before.apply_range(schedule).lexmax()
    last = last_time.apply_range(schedule.reverse()).intersect(before)
    if may is None:
        return last.reverse()
    added = sinks.apply_range(may.reverse()).intersect(later)
    overwritten = last.apply_range(later)
    return added.subtract(overwritten).reverse()
