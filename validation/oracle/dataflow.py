"""Array dataflow with isl: which write each read sees. An untrusted oracle; Z3 checks its claims.

Source of the method: Feautrier, "Dataflow analysis of array and scalar references" (1991), as isl
implements it (``isl_union_access_info_compute_flow``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat, zip_longest

import islpy as isl

from ..core.certificate import FlowCertificate, Source
from ..core.condition import Condition, all_of, negate
from ..core.index import Index, constant_index
from ..core.initialised import UNREAD
from ..core.polyhedral import Array, Program, Role, Statement
from .access import (
    Access,
    apart,
    completed,
    completed_point,
    read_access,
    without_idle,
    without_lanes,
    write_access,
)
from .inverse import solve, unique_values
from .presburger import domain_text, maps_of, pieces_of, symbol_prefix, tuple_text
from .shared_loops import guess_sources

Confirm = Callable[[Statement, int, Sequence[Source]], bool]
"""Whether the sources of one of a statement's reads are proved to be right."""
SourceMap = tuple[str, isl.Map, bool]
"""A writer, the map from reader to writer points, and whether additions lie in between."""
_SHIFT = "shift"
"""The name of the shift of some columns of schedules, which no result depends on."""


@dataclass(frozen=True)
class _Flow:
    """From reads to their last writes, between the counters that the accesses keep."""

    function: isl.Map
    accumulated: bool
    reader: Access
    writer: Access


class Dataflow:
    """The isl view of one program: domains, accesses, and the sources of all reads.

    What ``confirm`` proves of guesses is not searched for.
    """

    def __init__(self, program: Program, confirm: Confirm = lambda *_: False) -> None:
        self.program = program
        self._confirm = confirm
        self.prefix = symbol_prefix(program)
        self.symbols = [symbol.name for symbol in program.symbols]
        readers = list(program.readers())
        self.claims: dict[tuple[str, int], list[Source]] = defaultdict(list)
        """Sources that were found without a search, as they are claimed."""
        self.statements = {statement.name: statement for statement in readers}
        self.domains = {name: self._domain(s) for name, s in self.statements.items()}
        self._sources: dict[tuple[str, int], list[SourceMap]] = defaultdict(list)
        self._found: dict[tuple[str, int], list[_Flow]] = defaultdict(list)
        """The same, before what the accesses leave out is completed."""
        self._additions: dict[tuple[str, int], list[tuple[str, isl.Map]]] = {}
        for array in self._read_arrays():
            self._sources_of(array)

    def certificate(self) -> FlowCertificate:
        """The claims of this analysis as data."""
        result: dict[tuple[str, int], tuple[Source, ...]] = {}
        for statement in self.program.readers():
            for number, read in enumerate(statement.reads):
                key = statement.name, number
                if read.array.role is Role.INPUT:
                    continue
                if key in self.claims:
                    result[key] = tuple(self.claims[key])
                    continue
                result[key] = tuple(
                    source for flow in self._found[key] for source in self._claims_of(flow)
                )
        return FlowCertificate(result)

    def _claims_of(self, flow: _Flow) -> Iterator[Source]:
        """A flow as data."""
        reader, writer = flow.reader, flow.writer
        known = isl.Set(f"{self.prefix}{{ {reader.tuple_text} : {reader.domain_text} }}")
        names = [dim.name for dim in reader.kept]
        digits = self._digits(flow)
        function = flow.function
        for place, dim in reversed(list(enumerate(writer.kept))):
            if dim.name in digits:
                function = function.project_out(isl.dim_type.out, place, 1)
        for condition, point in pieces_of(function, names, self.symbols, known):
            others = iter(point)
            values = [digits.get(dim.name) or next(others) for dim in writer.kept]
            whole = completed_point(values, reader, writer)
            yield Source(writer.name, condition, whole, flow.accumulated)

    def _digits(self, flow: _Flow) -> dict[str, Index]:
        """Counters of the writer that the subscripts alone give, as one expression each.

        isl would tell a case for each value of a digit.
        """
        reader, writer = flow.reader, flow.writer
        equations = list(zip(writer.indices, reader.indices, strict=True))
        kept = {dim.name for dim in writer.kept}
        values = unique_values(writer.condition, equations)
        found = {name: value for name, value in values.items() if name in kept}
        # Counters of both programs may have the same names: those of the writer become numbers.
        point = [f"w{place}" for place in range(len(writer.kept))]
        same = " and ".join(
            f"{text} = {found[dim.name].isl}"
            for text, dim in zip(point, writer.kept, strict=True)
            if dim.name in found
        )
        if not found:
            return {}
        claimed = self.parse_map(reader.tuple_text, f"{writer.name}[{', '.join(point)}]", same)
        return found if flow.function.is_subset(claimed) else {}

    def parse_map(self, source: str, target: str, condition: str) -> isl.Map:
        return isl.Map(f"{self.prefix}{{ {source} -> {target} : {condition} }}")

    def _domain(self, statement: Statement) -> isl.Set:
        name = tuple_text(statement.name, statement.dims)
        return isl.Set(f"{self.prefix}{{ {name} : {domain_text(statement)} }}")

    def _read_arrays(self) -> list[Array]:
        arrays = [read.array for s in self.statements.values() for read in s.reads]
        return list(dict.fromkeys(a for a in arrays if a.role is not Role.INPUT))

    def write_map(self, statement: Statement) -> isl.Map:
        return self.parse_map(
            tuple_text(statement.name, statement.dims),
            tuple_text(statement.array.name, statement.indices),
            domain_text(statement),
        )

    def read_map(self, statement: Statement, number: int) -> isl.Map:
        read = statement.reads[number]
        return self.parse_map(
            tuple_text(statement.name, statement.dims),
            tuple_text(read.array.name, read.indices),
            domain_text(statement),
        )

    def sources(self, statement: str, number: int) -> Sequence[SourceMap]:
        """For one of a statement's reads: from points of the statement to those of writers."""
        key = statement, number
        if key in self.claims and key not in self._sources:
            self._search([(self.statements[statement], number)])
        return self._sources.get(key, ())

    def additions(self, statement: str, number: int) -> Sequence[tuple[str, isl.Map]]:
        """For a read that sees additions: adding statement, map from reader to its points."""
        key = statement, number
        if key not in self._additions:
            self._additions[key] = list(self._additions_of(self.statements[statement], number))
        return self._additions[key]

    def _additions_of(self, statement: Statement, number: int) -> Iterator[tuple[str, isl.Map]]:
        read = read_access(statement, number)
        writers = self._writers(statement.reads[number].array)
        adders = {s.name for s in writers if s.accumulates}
        if not adders:
            return
        groups = apart([*map(write_access, writers), read])
        (group,) = (without_lanes(group) for group in groups if read in group)
        *writes, read = sorted(group, key=lambda access: access.name == read.name)
        read = without_idle(read)
        known = {write.name: write for write in writes}
        changes = {name: self._element_map(write) for name, write in known.items()}
        kills = _union(change for name, change in changes.items() if name not in adders)
        adds = _union(change for name, change in changes.items() if name in adders)
        schedule = self._schedule([*writes, read])
        visible = _flow(self._element_map(read).to_union_map(), kills, adds, schedule)
        for _, adder, function in _by_reader(visible.intersect_domain(adds.domain())):
            full = completed(function, read, known[adder])
            yield adder, full.set_tuple_name(isl.dim_type.in_, statement.name)

    def _writers(self, array: Array) -> list[Statement]:
        return [s for s in self.program.writers(array) if not self.domains[s.name].is_empty()]

    def _sources_of(self, array: Array) -> None:
        writers = self._writers(array)
        readers = [
            (statement, number)
            for statement in self.program.readers()
            for number, read in enumerate(statement.reads)
            if read.array == array and not self.domains[statement.name].is_empty()
        ]
        if not any(writer.accumulates for writer in writers):
            assigns = {writer.name: self.write_map(writer) for writer in writers}
            if self._once_written(array, assigns, readers):
                return
        self._search([read for read in readers if not self._is_guessed(*read, writers)])

    def _search(self, readers: Sequence[tuple[Statement, int]]) -> None:
        """Find the sources of reads of one array by isl."""
        if not readers:
            return
        reader, number = readers[0]
        writers = self._writers(reader.reads[number].array)
        adders = {writer.name for writer in writers if writer.accumulates}
        accesses = [write_access(statement) for statement in writers]
        keys: dict[str, tuple[str, int]] = {}
        for statement, number in readers:
            accesses.append(read_access(statement, number))
            keys[accesses[-1].name] = statement.name, number
        for group in apart(accesses):
            self._sources_in(without_lanes(group), keys, adders)

    def _is_guessed(self, reader: Statement, number: int, writers: Sequence[Statement]) -> bool:
        """Claim the sources of a read that are easily found, if they are right."""
        adds = any(writer.accumulates for writer in writers)
        if adds and not self._is_unread(reader.name):
            return False
        read = read_access(reader, number)
        (near,) = (group for group in apart([read, *map(write_access, writers)]) if read in group)
        names = {access.name for access in near}
        assigning = [w for w in writers if w.name in names and not w.accumulates]
        found = guess_sources(reader, number, assigning, accumulated=adds)
        # That a statement sees itself may hold nowhere, and would be taken for a recurrence.
        sees_itself = any(source.writer == reader.name for source in found)
        if not found or sees_itself or not self._confirm(reader, number, found):
            return False
        self.claims[reader.name, number] = found
        return True

    def _sources_in(
        self, accesses: list[Access], keys: dict[str, tuple[str, int]], adders: set[str]
    ) -> None:
        """Find the sources of the reads among accesses that may meet."""
        reads = [without_idle(access) for access in accesses if access.name in keys]
        writes = [access for access in accesses if access.name not in keys]
        if not reads:
            return
        # Whether additions lie in between does not matter where nobody reads the value.
        demands = {read.name for read in reads if self._is_unread(keys[read.name][0])}
        sources, seen = self._flows(writes, reads, adders & {w.name for w in writes}, demands)
        known = {access.name: access for access in (*writes, *reads)}
        for reader, writer, function in sources:
            statement, number = keys[reader]
            for part, accumulated in _split(function, seen.get(reader)):
                if part.is_empty():
                    continue
                flow = _Flow(part, accumulated, known[reader], known[writer])
                self._found[statement, number].append(flow)
                full = completed(part, flow.reader, flow.writer)
                full = full.set_tuple_name(isl.dim_type.in_, statement)
                self._sources[statement, number].append((writer, full, accumulated))

    def _is_unread(self, reader: str) -> bool:
        return self.statements[reader].array.name.startswith(UNREAD)

    def _flows(
        self, writes: list[Access], reads: list[Access], adders: set[str], demands: set[str]
    ) -> tuple[list[tuple[str, str, isl.Map]], dict[str, isl.Set]]:
        """Read, last write and the map between them; and the points of reads that see additions.

        By isl's search, between the counters that the accesses keep.
        """
        schedule = self._schedule([*writes, *reads])
        sinks = {read.name: self._element_map(read) for read in reads}
        changes = {write.name: self._element_map(write) for write in writes}
        kills = _union(change for name, change in changes.items() if name not in adders)
        wanted = _union(sinks.values())
        last = _flow(wanted, kills, None, schedule)
        lost = wanted.subtract_domain(last.range())
        if not lost.is_empty():
            # isl's search loses sources on some domains with integer divisions (or the program
            # does read what nobody wrote); relations are slower, but lose none.
            last = last.union(_flow_by_relations(lost, kills, None, schedule))
        seen = {name: sinks[name].domain() for name in demands} if adders else {}
        if adders:
            adds = _union(changes[name] for name in adders)
            rest = _union(sink for name, sink in sinks.items() if name not in demands)
            added = _flow(rest, adds, None, schedule)
            seen |= _overtaken(last, added, schedule)
        return _by_reader(last), seen

    def _element_map(self, access: Access) -> isl.Map:
        element = f"[{', '.join(index.isl for index in access.indices)}]"
        return self.parse_map(access.tuple_text, element, access.domain_text)

    def _schedule(self, accesses: Sequence[Access]) -> isl.UnionMap:
        """Points of time, without the places at which all of these accesses have one number."""
        zero = constant_index(0)
        columns = list(zip_longest(*(access.schedule for access in accesses), fillvalue=zero))
        told = [_times(column) for column in columns]
        told = [column for column in told if column is not None]
        times = zip(*told, strict=True) if told else repeat(())
        parts = [
            f"{access.tuple_text} -> [{', '.join(time)}] : {access.domain_text}"
            for access, time in zip(accesses, times, strict=False)
        ]
        symbols = ", ".join([*self.symbols, _SHIFT])
        return isl.UnionMap(f"[{symbols}] -> {{ {'; '.join(parts)} }}")

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
                    self._sources[statement.name, number].append((name, part, False))
                    accesses = read_access(statement, number), write_access(self.statements[name])
                    part = part.set_tuple_name(isl.dim_type.in_, accesses[0].name)
                    self._found[statement.name, number].append(_Flow(part, False, *accesses))
            self._claim_inverses(statement, number)
        return True

    def _claim_inverses(self, reader: Statement, number: int) -> None:
        """Claim the one write of each element by solving its subscripts, initial values last."""
        writers = [name for name, _, _ in self.sources(reader.name, number)]
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


def _times(column: Sequence[Index]) -> list[str] | None:
    """A column of a schedule for isl; None if it has the same number for all accesses.

    isl takes numbers for the order of statements within a loop, and all else for loops: it mistakes
    ``4`` beside ``2·i``. Behind an unknown shift all of them are times of a loop.
    """
    constants = [time.is_constant for time in column]
    if all(constants) and len(set(column)) == 1:
        return None
    shift = f" + {_SHIFT}" if any(constants) and not all(constants) else ""
    return [f"{time.isl}{shift}" for time in column]


def _without_shift(flows: isl.UnionMap) -> isl.UnionMap:
    place = flows.find_dim_by_name(isl.dim_type.param, _SHIFT)
    return flows if place < 0 else flows.project_out(isl.dim_type.param, place, 1)


def _overtaken(
    first: isl.UnionMap, second: isl.UnionMap, schedule: isl.UnionMap
) -> dict[str, isl.Set]:
    """The points of reads, by name, for which ``second`` has a later write than ``first``."""
    pairs = (
        first.reverse().apply_range(schedule).range_product(second.reverse().apply_range(schedule))
    )
    found: dict[str, isl.Set] = {}
    for times in maps_of(_without_shift(pairs)):
        order = isl.Map.lex_lt(times.get_space().range().unwrap().domain())
        points = times.intersect_range(order.wrap()).domain()
        found[points.get_tuple_name()] = points
    return found


def _by_reader(flows: isl.UnionMap) -> list[tuple[str, str, isl.Map]]:
    """Reader, writer, and the map from points of the reader to those of the writer."""
    named: list[tuple[str, str, isl.Map]] = []
    for dependence in maps_of(flows):
        reader = dependence.get_tuple_name(isl.dim_type.out)
        writer = dependence.get_tuple_name(isl.dim_type.in_)
        named.append((reader, writer, dependence.reverse()))
    return named


def _split(function: isl.Map, added: isl.Set | None) -> list[tuple[isl.Map, bool]]:
    """Tell the reads that see additions from those that do not."""
    if added is None:
        return [(function, False)]
    return [(function.intersect_domain(added), True), (function.subtract_domain(added), False)]


def _union(maps: Iterable[isl.Map]) -> isl.UnionMap:
    result = isl.UnionMap("{ }")
    for part in maps:
        result = result.union(part.to_union_map())
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
    found = flow.get_must_dependence() if may is None else flow.get_may_dependence()
    return _without_shift(found)


def _flow_by_relations(
    sinks: isl.UnionMap, must: isl.UnionMap, may: isl.UnionMap | None, schedule: isl.UnionMap
) -> isl.UnionMap:
    later = schedule.lex_gt_union_map(schedule)
    before = sinks.apply_range(must.reverse()).intersect(later)
    last_time = before.apply_range(schedule).lexmax()
    last = last_time.apply_range(schedule.reverse()).intersect(before)
    if may is None:
        return _without_shift(last.reverse())
    added = sinks.apply_range(may.reverse()).intersect(later)
    overwritten = last.apply_range(later)
    return _without_shift(added.subtract(overwritten).reverse())
