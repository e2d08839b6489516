"""What the arrays hold after a part of the program, relative to what they held before it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from xdsl.dialects import arith
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ...diagnostics import SourceLocation
from .index import IndexExpression, LoopVariable
from .index_tests import compared
from .rewrite import rename, replace_reads, substitute
from .simplify import apply
from .solve import Outcome, Subscripts, solve, solve_under_conditions
from .terms import Read, Term, read, unliftable


@dataclass(frozen=True)
class Update:
    """For all values of ``variables``: ``array[indices] = value``, each cell at most once.

    ``indices`` is ``None`` if nothing is known about which cells are written; ``value`` then says
    why.
    """

    array: SSAValue
    variables: tuple[LoopVariable, ...]
    indices: Subscripts | None
    value: Term
    location: SourceLocation | None = None


def clobber(array: SSAValue, reason: str, location: SourceLocation | None) -> Update:
    """Return the update that makes all of ``array`` unknown, for ``reason``."""
    return Update(array, (), None, unliftable(element_type(array), reason, location), location)


def element_type(array: SSAValue):
    """Return the element type of a memref."""
    assert isinstance(array.type, MemRefType)
    return array.type.element_type


@dataclass
class ArrayState:
    """The updates of each array since the scope of ``depth`` was entered, oldest first."""

    depth: int
    names: dict[SSAValue, str]
    updates: dict[SSAValue, list[Update]] = field(default_factory=dict[SSAValue, list[Update]])
    conditional: bool = False
    """Whether a read may depend on where in the array it is, as after writes to a triangle."""
    locals: set[SSAValue] = field(default_factory=set[SSAValue])
    """Arrays that begin in this scope, with undefined content."""
    stages: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """What stands for the content of arrays that stay (see ``stages``), until they are written."""

    def inner(self) -> ArrayState:
        """Return the empty state of a scope inside this one."""
        return ArrayState(self.depth + 1, self.names, conditional=self.conditional)

    def clone(self) -> ArrayState:
        """Return a copy that can be changed independently."""
        copied = {array: list(updates) for array, updates in self.updates.items()}
        return replace(self, updates=copied, locals=set(self.locals), stages=dict(self.stages))

    def declare(self, array: SSAValue) -> None:
        """Begin the life of a local array."""
        self.locals.add(array)
        self.updates.pop(array, None)

    def read(self, array: SSAValue, indices: Subscripts) -> Term:
        """Return what ``array[indices]`` holds now."""
        if array in self.stages and any(_is_moved(index) for index in indices):
            return read(self.stages[array], indices, self.depth, element_type(array))
        return self._read_before(array, indices, len(self.updates.get(array, ())))

    def _read_before(self, array: SSAValue, indices: Subscripts, count: int) -> Term:
        """Return what ``array[indices]`` holds after the first ``count`` updates of the array."""
        type = element_type(array)
        updates = self.updates.get(array, [])
        for position in range(count - 1, -1, -1):
            update = updates[position]
            if update.indices is None:
                return update.value
            variables, indices_of, value = _apart(update, indices)
            solution = solve(variables, indices_of, indices)
            match solution.outcome:
                case Outcome.HIT:
                    return substitute(value, solution.values)
                case Outcome.MISS:
                    continue
                case Outcome.UNKNOWN:
                    if self.conditional:
                        found = self._read_under_condition(array, indices, position)
                        if found is not None:
                            return found
                    reason = (
                        f"cannot tell which write to '{self.name(array)}' element"
                        f" {self.cell(array, indices)} holds"
                    )
                    return unliftable(type, reason, update.location)
        if array in self.locals:
            reason = f"'{self.name(array)}' is read before it is written"
            return unliftable(type, reason, None)
        return read(array, indices, self.depth, type)

    def _read_under_condition(
        self, array: SSAValue, indices: Subscripts, position: int
    ) -> Term | None:
        """Return a choice between what an update writes and what was there before."""
        variables, indices_of, value = _apart(self.updates[array][position], indices)
        solution = solve_under_conditions(variables, indices_of, indices)
        if solution is None:
            return None
        tests = [compared("eq", zero) for zero in solution.zeros]
        tests += [compared("sge", distance) for distance in solution.nonnegative]
        before = self._read_before(array, indices, position)
        written = substitute(value, solution.values)
        for test in tests:
            written = apply(arith.SelectOp, (test, written, before), written.type)
        return written

    def resolve(self, term: Term, depth: int) -> Term:
        """Return the term with the reads of scope ``depth`` replaced by what this state holds."""

        def current(cell: Read) -> Term:
            return self.read(cell.array, cell.indices) if cell.depth == depth else cell

        return replace_reads(term, current)

    def write(self, update: Update) -> None:
        """Record an update whose value refers to the start of this scope."""
        self.stages.pop(update.array, None)
        previous = self.updates.get(update.array, [])
        kept = [old for old in previous if not _covers(update, old)]
        self.updates[update.array] = [*kept, update]

    def absorb(self, updates: list[Update], depth: int) -> None:
        """Record updates that happen at once, and whose values refer to the state before them."""
        resolved = [replace(u, value=self.resolve(u.value, depth)) for u in updates]
        for update in resolved:
            self.write(update)

    def all_updates(self) -> list[Update]:
        """Return the updates of the arrays that outlive this scope."""
        return [
            update
            for array, updates in self.updates.items()
            if array not in self.locals
            for update in updates
        ]

    def name(self, array: SSAValue) -> str:
        """Return the name of an array in the source."""
        return self.names.get(array) or array.name_hint or "local variable"

    def cell(self, array: SSAValue, indices: Subscripts) -> str:
        """Return a cell as C writes it."""
        return self.name(array) + "".join(f"[{index}]" for index in indices)


def _is_moved(index: IndexExpression) -> bool:
    """Return whether a subscript depends on loops, but is none of them by itself."""
    return bool(index.variables) and index.single_variable is None


def _apart(
    update: Update, indices: Subscripts
) -> tuple[tuple[LoopVariable, ...], Subscripts, Term]:
    """Return variables, subscripts and value of an update, with no variable of ``indices``."""
    assert update.indices is not None
    used = frozenset[LoopVariable]().union(*(index.variables for index in indices))
    if used.isdisjoint(update.variables):
        return update.variables, update.indices, update.value
    variables, scope = rename(update.variables, {}, fresh=True)
    return (
        variables,
        tuple(index.substitute(scope) for index in update.indices),
        substitute(update.value, scope),
    )


def _covers(new: Update, old: Update) -> bool:
    """Return whether ``new`` overwrites every cell that ``old`` wrote."""
    if new.indices is None:
        return True
    if old.indices is None:
        return False
    if new.indices == old.indices and new.variables == old.variables:
        return True
    variables, indices, _ = _apart(new, old.indices)
    return solve(variables, indices, old.indices).outcome is Outcome.HIT


def occurrences(indices: Subscripts) -> frozenset[LoopVariable]:
    """Return the loop variables that occur in the subscripts."""
    return frozenset[LoopVariable]().union(*(index.variables for index in indices))
