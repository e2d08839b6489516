"""The program form that validation works on: affine statements over arrays (trusted core).

Whatever level a program comes from, it becomes arrays and *statements*. A statement is executed for
every integer point of its domain, in the order of its schedule; an execution reads some elements,
computes a value from them, and assigns it to one element or adds it to it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from xdsl.ir import Operation

from .condition import FALSE, TRUE, Condition, all_of, at_least, within
from .folds import ADDITION
from .index import Index, Variable
from .terms import Term


class Unsupported(Exception):  # noqa: N818 - it states a property of the input
    """A construct that validation cannot express; the verdict is then ``unknown``, never proved."""

    def __init__(self, reason: str, operation: Operation | None = None) -> None:
        where = f" in `{describe(operation)}`" if operation is not None else ""
        super().__init__(f"{reason}{where}")


def describe(operation: Operation | None) -> str:
    """The text of an operation on one line, without nested regions."""
    if operation is None:
        return ""
    text = str(operation).split("{\n")[0] if operation.regions else str(operation)
    return " ".join(text.split())


class Role(Enum):
    INPUT = "input"
    """The contents of a parameter before the program starts; never written."""
    MEMORY = "memory"
    """Anything else: a local array, a local memory, or a parameter that the program writes."""


@dataclass(frozen=True)
class Array:
    """A named array; ``position`` is the parameter behind an input or a written parameter."""

    name: str
    element_type: str
    extents: tuple[Index, ...]
    role: Role = Role.MEMORY
    position: int | None = None


@dataclass(frozen=True)
class Read:
    """One element that a statement reads, at a point of time of its own."""

    array: Array
    indices: tuple[Index, ...]
    schedule: tuple[Index, ...]


@dataclass(frozen=True)
class Statement:
    """``array[indices] = value`` (or ``+=``) for every point of ``dims`` within ``condition``.

    What accumulates is added, or combined by another ``fold``.

    The ranges of ``dims`` are part of the domain. ``unordered`` counts the trailing dimensions that
    are not in the schedule: element counters within one instruction.
    """

    name: str
    dims: tuple[Variable, ...]
    condition: Condition
    schedule: tuple[Index, ...]
    array: Array
    indices: tuple[Index, ...]
    value: Term
    reads: tuple[Read, ...]
    accumulates: bool = False
    unordered: int = 0
    origin: Operation | None = field(default=None, compare=False)
    fold: str = ADDITION


@dataclass(frozen=True)
class Requirement:
    """A property that must hold at every point of a domain: a legal size, an address in range."""

    dims: tuple[Variable, ...]
    condition: Condition
    holds: Condition
    description: str
    origin: Operation | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Fence:
    """A point of time between moves: all before it have ended when one behind it begins."""

    dims: tuple[Variable, ...]
    condition: Condition
    schedule: tuple[Index, ...]


@dataclass(frozen=True)
class RowAccess:
    """Rows of a local memory that a command of a machine with queues needs an order on."""

    kind: str
    """``load``; ``operand`` or ``result`` of a computation, if in the scratchpad; or ``use``."""
    dims: tuple[Variable, ...]
    condition: Condition
    schedule: tuple[Index, ...]
    memory: str
    first: Index
    rows: Index
    """Rows from ``first`` on that are read or written."""
    tracked: Index
    """Rows from ``first`` on by which the machine orders the command with others."""
    adds: Condition = FALSE
    """Where a load adds to what is there."""
    loaded: tuple[Hashable, ...] = ()
    """What a load moves, and how; nothing for zeros."""
    at: tuple[Index, ...] = ()
    """Where in DRAM it begins, and its extents."""
    origin: Operation | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Rolled:
    """Which operation a statement stands for, by the values of some of its counters."""

    counters: tuple[str, ...]
    origins: dict[tuple[int, ...], Operation | None]


@dataclass
class Program:
    """Statements over arrays, with what an observer sees at the end.

    ``outputs`` maps the position of each written parameter to the final read of it: a statement
    that is executed for each of its elements after everything else.
    """

    symbols: tuple[Variable, ...] = ()
    """Symbolic sizes."""
    context: Condition = TRUE
    statements: list[Statement] = field(default_factory=list[Statement])
    requirements: list[Requirement] = field(default_factory=list[Requirement])
    outputs: dict[int, Statement] = field(default_factory=dict[int, Statement])
    moves: set[str] = field(default_factory=set[str])
    """Names of statements whose DRAM accesses the machine does not order (see ``dram_order``)."""
    rolled: dict[str, Rolled] = field(default_factory=dict[str, Rolled])
    """Statements that stand for several operations (see ``unrolled``)."""
    fences: list[Fence] = field(default_factory=list[Fence])
    drains: list[Fence] = field(default_factory=list[Fence])
    """Points of time at which all results of the array have been written."""
    row_accesses: list[RowAccess] = field(default_factory=list[RowAccess])
    """What commands do with local rows, in order (see ``hazards.row_order``)."""
    loads_in_flight: int = 1
    """How many loads of local rows may end in any order."""
    presumes_load_order: bool = False
    """Whether the order of its rows was shown with what ``hazards.load_order`` assumes."""
    local_memories: frozenset[str] = frozenset()
    """Names of the arrays whose accesses the machine does order."""

    def writers(self, array: Array) -> Iterator[Statement]:
        return (statement for statement in self.statements if statement.array == array)

    def fold_of(self, array: Array) -> str | None:
        """How statements combine values in an array; ``None`` if they do in several ways."""
        folds = {statement.fold for statement in self.writers(array) if statement.accumulates}
        return folds.pop() if len(folds) == 1 else None

    def readers(self) -> Iterator[Statement]:
        """All statements, the final reads of the outputs included."""
        yield from self.statements
        yield from self.outputs.values()


def element_variables(prefix: str, extents: tuple[Index, ...]) -> tuple[Variable, ...]:
    """One variable per dimension of an array, ranging over its extent where that is a number."""
    return tuple(
        Variable(f"{prefix}{number}", 0, extent.constant - 1 if extent.is_constant else None)
        for number, extent in enumerate(extents)
    )


def all_within(indices: tuple[Index, ...], extents: tuple[Index, ...]) -> Condition:
    """Each index lies in ``0 <= index < extent``."""
    return all_of([within(i, 0, e) for i, e in zip(indices, extents, strict=True)])


def non_negative(dims: tuple[Variable, ...]) -> Condition:
    return all_of([at_least(Index.of(dim), 0) for dim in dims])
