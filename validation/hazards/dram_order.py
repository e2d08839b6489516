"""Order of DRAM accesses that the machine does not keep by itself (trusted core).

Loads and stores have queues of their own, and nothing compares their DRAM addresses. A program that
moves an array in and out must therefore not depend on the order of two such moves, except where
they use the same local rows: a store waits for all earlier loads of the rows that it reads
(ReservationStation.scala:331-375). A fence waits for all moves. The host does not wait for moves
either: only behind a fence may it read what they store, or write what they load or store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.index import Index
from ..core.polyhedral import Program, Read, Statement, Unsupported
from ..core.smt import (
    Answer,
    Solver,
    conjunction,
    disjunction,
    earlier,
    equalities,
    in_domain,
    negation,
    values,
    with_symbols,
)

Moment = tuple[tuple[Index, ...], Mapping[str, str]]
"""A schedule, and the values of its loop counters."""


def check_dram_order(program: Program, solver: Solver) -> None:
    """Raise ``Unsupported`` if a move-in and a move-out of one element need an order.

    No inputs would show it: the simulator runs moves in the order of the program.
    """
    moves = [statement for statement in program.statements if statement.name in program.moves]
    for load in moves:
        for read in load.reads:
            for store in moves:
                if store.array == read.array and read.array.name not in program.local_memories:
                    _check(program, solver, load, store)
    for host in program.statements:
        if host.name not in program.moves:
            for move in moves:
                _check_host(program, solver, host, move)


def _check(program: Program, solver: Solver, load: Statement, store: Statement) -> None:
    query, symbols = with_symbols(program)
    here = symbols | query.constants(load.dims)
    there = symbols | query.constants(store.dims)
    query.add(in_domain(load, here))
    query.add(in_domain(store, there))
    from_dram = next(read for read in load.reads if read.array == store.array)
    query.add(equalities(values(from_dram.indices, here), values(store.indices, there)))
    local = next(iter(store.reads), None)
    same_rows = "false"
    if local is not None and local.array == load.array:
        same_rows = equalities(values(load.indices, here), values(local.indices, there))
    stored, loaded = (store.schedule, there), (from_dram.schedule, here)
    cases = [
        conjunction([earlier(*stored, *loaded), _unfenced(program, stored, loaded)]),
        conjunction(
            [earlier(*loaded, *stored), negation(same_rows), _unfenced(program, loaded, stored)]
        ),
    ]
    texts = (
        "the hardware may move an element in before an earlier move-out of it",
        "the hardware may move an element out before an earlier move-in of it",
    )
    states = "no move depends on one in the other direction that the hardware may overtake"
    answers = solver.check_each(query, cases, states, load.origin)
    for text, (answer, _) in zip(texts, answers, strict=True):
        if answer is not Answer.UNSAT:
            raise Unsupported(text, load.origin)


def _check_host(program: Program, solver: Solver, host: Statement, move: Statement) -> None:
    """Raise ``Unsupported`` if the host touches an element that an earlier move may still use."""
    for stores, mine in _accesses(host):
        for moves_out, theirs in _accesses(move):
            shared = mine.array == theirs.array and mine.array.name not in program.local_memories
            if not shared or not (stores or moves_out):
                continue
            query, symbols = with_symbols(program)
            here = symbols | query.constants(host.dims)
            there = symbols | query.constants(move.dims)
            query.add(in_domain(host, here))
            query.add(in_domain(move, there))
            query.add(equalities(values(mine.indices, here), values(theirs.indices, there)))
            moved, used = (theirs.schedule, there), (mine.schedule, here)
            query.add(conjunction([earlier(*moved, *used), _unfenced(program, moved, used)]))
            states = "the host touches no element that an earlier move may still use"
            if solver.check(query, states, host.origin)[0] is not Answer.UNSAT:
                text = "the host may touch an element before an earlier move of it ends"
                raise Unsupported(text, host.origin)


def _accesses(statement: Statement) -> Iterator[tuple[bool, Read]]:
    """What a statement touches, and whether it writes it."""
    yield True, Read(statement.array, statement.indices, statement.schedule)
    for read in statement.reads:
        yield False, read


def _unfenced(program: Program, before: Moment, after: Moment) -> str:
    """That no fence stands between two points of time.

    Of a fence in loops, the iterations of either point are considered.
    """
    between: list[str] = []
    for fence in program.fences:
        for _, names in (before, after):
            if all(dim.name in names for dim in fence.dims):
                parts = (
                    in_domain(fence, names),
                    earlier(*before, fence.schedule, names),
                    earlier(fence.schedule, names, *after),
                )
                between.append(conjunction(parts))
    return negation(disjunction(between))
