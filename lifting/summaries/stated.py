"""Loop invariants that somebody states: a section for each loop, one condition a line.

    loop i:
        s == sum(a[:i])
        out == where(arange(n) < i, cumsum(a), out_0)

A section is for the loop with that counter (``loop i#2:`` for the second such loop). A name is what
the scalar or array holds when the counter begins its turn; ``out_0`` is an array parameter as the
caller passes it. ``array == expression`` says what all of an array holds. Whatever is not stated is
known from the loop's own recurrence, if it has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lark import Tree
from xdsl.dialects import scf
from xdsl.dialects.builtin import MemRefType
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from ...validation.execution.trial_sizes import parameter_names
from ..invariants.check import Derived, Invariant, Proposer
from ..invariants.derive import close_loop
from ..invariants.execution import (
    Contents,
    Execution,
    Memory,
    OutOfReach,
    subscripts,
    written_arrays,
)
from ..invariants.simplify import index
from ..invariants.summary import extents_of
from ..invariants.terms import Symbol, Term
from .elaborate import Elaborator
from .parser import Node, parse
from .read import conditions_of, scope_of
from .values import Value, broadcast, converted, scalar

_HEADER = re.compile(r"^\s*loop\s+([A-Za-z_]\w*)(?:#(\d+))?\s*:\s*$")
Sections = Mapping[scf.ForOp, Node]


@dataclass(frozen=True)
class StatedInvariant:
    """Stated conditions, on top of what the loop's own recurrence says."""

    function: FuncOp
    execution: Execution
    counter: str
    derived: Invariant | None
    equations: tuple[tuple[SSAValue, Node], ...]
    others: tuple[Node, ...]
    file: str
    holds_early: bool = False

    def at(self, counter: Term) -> Memory:
        memory = dict(self.derived.at(counter)) if self.derived is not None else {}
        scope = self._scope(counter)
        for array, node in self.equations:
            memory[array] = _contents(array, Elaborator(scope, self.file).value(node))
        return memory

    def conditions(self, counter: Term, memory: Memory) -> Sequence[Term]:
        scope = self._scope(counter) | _current(memory, self.function)
        return conditions_of(self.others, Elaborator(scope, self.file))

    def _scope(self, counter: Term) -> dict[str, Value]:
        """Parameters as they are at the start, and the counters of this and of outer loops."""
        scope: dict[str, Value] = {}
        for name, value in scope_of(self.function).items():
            scope[name] = value
            if value.rank:
                scope[f"{name}_0"] = value
        for value, term in self.execution.values.items():
            if isinstance(value, BlockArgument) and value.name_hint and isinstance(term, Symbol):
                scope[value.name_hint] = scalar(term)
        scope[self.counter] = scalar(counter)
        return scope


def _current(memory: Memory, function: FuncOp) -> dict[str, Value]:
    """What scalars and arrays hold, by name."""
    found: dict[str, Value] = {}
    names: dict[SSAValue, str] = dict(zip(function.args, parameter_names(function), strict=True))
    for array, contents in memory.items():
        name = names.get(array) or array.name_hint
        type = array.type
        assert isinstance(type, MemRefType)
        if name is None:
            continue
        if isinstance(array, BlockArgument):
            shape = extents_of(function, array.index)
        elif all(size >= 0 for size in type.get_shape()):
            shape = tuple(index(size) for size in type.get_shape())
        else:
            continue
        found[re.sub(r"\W", "_", name)] = Value(type.element_type, shape, contents.read)
    return found


def _contents(array: SSAValue, value: Value) -> Contents:
    type = array.type
    assert isinstance(type, MemRefType)
    formals = subscripts(type)
    broadcast(value)
    made = converted(value, type.element_type)
    return Contents(formals, made.at(formals[len(formals) - value.rank :]))


def read_invariants(text: str, function: FuncOp, file: str = "invariants") -> Sections:
    """The sections of ``text`` by loop; raises :class:`Diagnostic` with the place."""
    loops = _loops_by_name(function)
    sections: dict[scf.ForOp, list[str]] = {}
    lines = text.split("\n")
    current: scf.ForOp | None = None
    for number, line in enumerate(lines):
        place = SourceLocation(file, number + 1, 1)
        if (header := _HEADER.match(line)) is not None:
            current = _loop(loops, header.group(1), int(header.group(2) or 1), place)
            sections.setdefault(current, [""] * number)
            sections[current] += [""] * (number + 1 - len(sections[current]))
        elif line.split("#")[0].strip():
            if current is None:
                raise Diagnostic("a condition before any 'loop i:'", place)
            sections[current] += [""] * (number - len(sections[current])) + [line]
    return {loop: parse("\n".join(part), "conditions", file) for loop, part in sections.items()}


def _loops_by_name(function: FuncOp) -> dict[str, list[scf.ForOp]]:
    found: dict[str, list[scf.ForOp]] = {}
    for operation in function.walk():
        if isinstance(operation, scf.ForOp):
            name = operation.body.block.args[0].name_hint or "i"
            found.setdefault(name, []).append(operation)
    return found


def _loop(
    loops: dict[str, list[scf.ForOp]], name: str, number: int, place: SourceLocation
) -> scf.ForOp:
    if name not in loops or not 1 <= number <= len(loops[name]):
        raise Diagnostic(
            f"there is no loop '{name}'" + (f"#{number}" if number > 1 else ""),
            place,
            hint="loops are called by their counters: " + ", ".join(loops),
        )
    return loops[name][number - 1]


def proposer_of(sections: Sections, function: FuncOp, file: str = "invariants") -> Proposer:
    """Invariants for :class:`..invariants.check.Checker`: those stated, and the recurrences."""

    def propose(execution: Execution, loop: scf.ForOp, memory: Memory) -> Invariant:
        if loop not in sections:
            return Derived(close_loop(execution, loop, memory))
        derived: Invariant | None = None
        try:
            derived = Derived(close_loop(execution, loop, memory))
        except OutOfReach:
            derived = None  # the conditions have to say it all
        written = {
            name: array
            for array in written_arrays(loop)
            if (name := _name_of(array, function)) is not None
        }
        equations: list[tuple[SSAValue, Node]] = []
        others: list[Node] = []
        for node in sections[loop].children:
            assert isinstance(node, Tree)
            target = _equation_target(node, written)
            if target is None:
                others.append(node)
            else:
                right = node.children[2]
                assert isinstance(right, Tree)
                equations.append((target, right))
        counter = loop.body.block.args[0].name_hint or "i"
        return StatedInvariant(
            function, execution, counter, derived, tuple(equations), tuple(others), file
        )

    return propose


def _name_of(array: SSAValue, function: FuncOp) -> str | None:
    if isinstance(array, BlockArgument) and array.block is function.body.block:
        return parameter_names(function)[array.index]
    return array.name_hint


def _equation_target(node: Node, written: Mapping[str, SSAValue]) -> SSAValue | None:
    """The array of which ``array == expression`` says what it holds."""
    if node.data != "comparison" or len(node.children) != 3 or node.children[1] != "==":
        return None
    left = node.children[0]
    if not (isinstance(left, Tree) and left.data == "name"):
        return None
    array = written.get(str(left.children[0]))
    if array is None or not isinstance(array.type, MemRefType) or not array.type.get_shape():
        return None
    return array
