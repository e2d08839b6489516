"""Order of local rows that the machine does not keep by itself (trusted core).

Loads, computations and stores have queues of their own, each issued in order. A command waits for
older ones of another queue where the rows overlap that the reservation station tracks, but

* loads that are in flight at once end in any order (LoadController.scala:84): two of them may write
  a row only if a command in between needs it, so that the second load waits for that, or if other
  loads lie in between, of which ``load_order`` tells what is assumed;
* what a transposed B is read by are columns, and what is tracked of it are rows;
* a computation waits for an unfinished result in the scratchpad only if it reads from the row where
  that begins, or the array was drained since (ExecuteController.scala:212-226).

``check`` finds the same in a stream of commands; here loops stay loops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.condition import FALSE, TRUE, Comparison, Condition, all_of, at_least, less_than, within
from ..core.index import Index, Variable
from ..core.polyhedral import Fence, Program, RowAccess
from ..core.smt import Solver, conjunction, disjunction, equalities, holds, negation, values
from .between import Pair, Point, always
from .load_order import load_order

ROW = Variable("row")
"""A local row that both executions of a pair use."""
OLDER, NEWER = (
    (Variable(f"{label}_first"), Variable(f"{label}_end")) for label in ("older", "newer")
)
"""The rows that the two executions use."""


def check_row_order(program: Program, solver: Solver) -> None:
    """Raise ``Unsupported`` if two commands that use one row need an order.

    No inputs would show it: the simulator runs commands in the order of the program.
    """
    loads, operands, results = (
        [access for access in program.row_accesses if access.kind == kind]
        for kind in ("load", "operand", "result")
    )
    for older, newer, have_others in _load_pairs(loads, program.loads_in_flight):
        if not have_others:
            _check_loads(program, solver, older, newer)
        elif not _visibly_apart(older, newer):
            program.presumes_load_order = True
    for operand in operands:
        for result in results:
            _check_result(program, solver, result, operand)
        for load in loads if _may_exceed(operand) else ():
            _check_untracked(program, solver, operand, load)
            _check_untracked(program, solver, load, operand)


def orders_presumed(programs: Sequence[Program]) -> list[str]:
    """What the order of rows rests on in programs that were checked."""
    in_flight = [one.loads_in_flight for one in programs if one.presumes_load_order]
    return list(dict.fromkeys(map(load_order, in_flight)))


def _load_pairs(
    loads: Sequence[RowAccess], in_flight: int
) -> Iterator[tuple[RowAccess, RowAccess, bool]]:
    """Older and newer loads, and whether the text of the program has enough others in between.

    Zeros do not come from memory: they are written before data that is asked for after them.
    """
    places = range(len(loads))
    facts = [_facts(load) for load in loads]
    for old, older in enumerate(loads):
        for new, newer in enumerate(loads):
            around = _shared_loops(older, newer)
            if not older.loaded or (new <= old and not around):
                continue
            siblings = [place for place in places if loads[place].schedule[:-1] == around]
            behind = {at for at in siblings if at > old and facts[at] <= facts[old]}
            before = {at for at in siblings if at < new and facts[at] <= facts[new]}
            gaps = [len(behind) + len(before)] if around else []
            if new > old:
                within = range(old + 1, new)
                gaps.append(len({at for at in behind | before if at in within}))
            yield older, newer, min(gaps) >= in_flight - 1


def _facts(load: RowAccess) -> frozenset[Condition]:
    """When a load is executed, whatever it has for blocks: there is at least one."""
    own = load.dims[-1].name
    return frozenset(part for part in _conjuncts(load.condition) if own not in _variables(part))


def _conjuncts(condition: Condition) -> frozenset[Condition]:
    if isinstance(condition, Comparison) or condition.kind == "or":
        return frozenset((condition,))
    return frozenset[Condition]().union(*map(_conjuncts, condition.parts))


def _variables(condition: Condition) -> frozenset[str]:
    if isinstance(condition, Comparison):
        return condition.expression.variables
    return frozenset[str]().union(*map(_variables, condition.parts))


def _shared_loops(left: RowAccess, right: RowAccess) -> tuple[Index, ...]:
    """The points of time of the loops around both, up to the body of the innermost one."""
    count = 0
    while left.schedule[count : count + 2] == right.schedule[count : count + 2]:
        if count + 2 >= min(len(left.schedule), len(right.schedule)):
            break
        count += 2
    return left.schedule[:count]


def _may_exceed(operand: RowAccess) -> bool:
    """Whether a command may use more rows than are tracked."""
    least = (operand.tracked - operand.rows).interval[0]
    return least is None or least < 0


def _check_loads(program: Program, solver: Solver, older: RowAccess, newer: RowAccess) -> None:
    """Two loads of one row need a command in between, unless they add or load the same."""
    pair = _pair(program, older, newer)
    if pair is None:
        return
    adds = holds(older.adds, pair.here), holds(newer.adds, pair.there)
    pair.query.add(negation(conjunction(adds)))
    if older.loaded == newer.loaded:
        mine = values((older.first, *older.at), pair.here)
        theirs = values((newer.first, *newer.at), pair.there)
        pair.query.add(disjunction([*adds, negation(equalities(mine, theirs))]))
    points = [*program.row_accesses, *program.fences]
    hazard = "loads that may be in flight at once write the same rows"
    by_loads = pair.keep_apart(solver, points, _waits, hazard, loads=program.loads_in_flight - 1)
    program.presumes_load_order |= by_loads


def _waits(point: Point) -> Condition:
    """Whether the older load has ended before a command, and that before the newer one begins."""
    if isinstance(point, Fence):
        return TRUE
    return FALSE if point.kind == "load" else all_of([_meets(point, OLDER), _meets(point, NEWER)])


def _check_result(program: Program, solver: Solver, result: RowAccess, operand: RowAccess) -> None:
    """What is read must begin where an unfinished result does."""
    pair = _pair(program, result, operand)
    if pair is None:
        return
    begins = equalities(values([result.first], pair.here), values([operand.first], pair.there))
    pair.query.add(negation(begins))
    hazard = "a computation may read rows before an earlier one has written them"
    pair.keep_apart(solver, [*program.drains, *program.fences], always, hazard)


def _check_untracked(program: Program, solver: Solver, older: RowAccess, newer: RowAccess) -> None:
    """Rows of an operand beyond those that are tracked must be loaded with some that are."""
    pair = _pair(program, older, newer)
    if pair is None:
        return
    both = (older, pair.here), (newer, pair.there)
    (operand, names), (load, theirs) = both if older.kind == "operand" else both[::-1]
    pair.query.add(negation(holds(_tracks(operand), names)))
    ends = values([operand.first, operand.first + operand.tracked - 1], names)
    together = disjunction(holds(_has(load), {**theirs, ROW.name: row}) for row in ends)
    some = holds(at_least(operand.tracked, 1), names)
    pair.query.add(negation(conjunction([some, together])))
    hazard = "rows of a transposed operand are not ordered with a load"
    pair.keep_apart(solver, program.fences, always, hazard)


# Rows.


def _pair(program: Program, older: RowAccess, newer: RowAccess) -> Pair | None:
    """Two executions that have a row in common; none if it is plain that they have not."""
    pair = None if _visibly_apart(older, newer) else Pair.of(program, older, newer)
    if pair is None:
        return None
    for variable, value, names in (
        (OLDER[0], older.first, pair.here),
        (OLDER[1], older.first + older.rows, pair.here),
        (NEWER[0], newer.first, pair.there),
        (NEWER[1], newer.first + newer.rows, pair.there),
    ):
        text = values([value], names)[0]
        pair.here[variable.name] = pair.there[variable.name] = pair.query.constant(variable.name)
        pair.query.add(f"(= {pair.here[variable.name]} {text})")
    pair.here[ROW.name] = pair.there[ROW.name] = pair.query.constant(ROW.name)
    pair.query.add(holds(_has(older), pair.here))
    pair.query.add(holds(_has(newer), pair.there))
    return pair


def _meets(access: RowAccess, rows: tuple[Variable, Variable]) -> Condition:
    """Whether the machine orders an execution with the older or the newer one."""
    first, end = (Index.of(variable) for variable in rows)
    begins, ends = access.first, access.first + access.tracked
    return all_of([less_than(begins, end), less_than(first, ends), less_than(begins, ends)])


def _has(access: RowAccess) -> Condition:
    """Whether an execution reads or writes the row."""
    return within(Index.of(ROW), access.first, access.first + access.rows)


def _tracks(access: RowAccess) -> Condition:
    """Whether the machine orders an execution with others by the row."""
    return within(Index.of(ROW), access.first, access.first + access.tracked)


def _visibly_apart(left: RowAccess, right: RowAccess) -> bool:
    (low, high), (least, greatest) = (
        (access.first.interval[0], (access.first + access.rows).interval[1])
        for access in (left, right)
    )
    above = low is not None and greatest is not None and low >= greatest
    apart = above or (high is not None and least is not None and high <= least)
    return apart or left.memory != right.memory
