"""What every part of reading a kernel shares."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from xdsl.ir import Block

from ...diagnostics import SourceLocation
from ..c import syntax
from ..c.polynomial import Interval
from ..c.traversal import descendants
from ..c.types import CInteger
from .counted_loop import assignments
from .emitter import Emitter
from .expressions import Expressions
from .scopes import Scopes
from .terms import ALWAYS, Atom, Condition, atom
from .values import Number, Value, Variable

Instruction = Callable[[syntax.Call], None]
STATEMENT_LIMIT = 1 << 14
"""Statements that are run in iterations one by one, also those of an analysis."""


@dataclass
class Steps:
    """Running loops iteration by iteration, where reading them as loops fails."""

    allowed: bool = False
    left: int = field(default_factory=lambda: STATEMENT_LIMIT)
    """Statements that may still be run so."""
    loop_level: int | None = None
    """Depth of the innermost loop that runs so; ``break`` must not be deeper, under a condition."""
    function_level: int = 0
    """The same of the function."""
    notes: dict[SourceLocation, str] = field(default_factory=dict[SourceLocation, str])


@dataclass
class Context:
    """What reading a kernel needs everywhere."""

    scopes: Scopes
    expressions: Expressions
    emitter: Emitter
    instruction: Instruction
    """Emits the instruction that a call stands for."""
    functions: dict[str, syntax.Function]
    analysing: bool = False
    """While true, variables are followed but nothing is emitted."""
    level: int = 0
    """Depth of the region that is being read; 0 is the function's body."""
    steps: Steps = field(default_factory=lambda: Steps())

    def fresh(self, name: str, interval: Interval) -> Atom:
        """An unknown integer of the region that is being read."""
        return Atom(name, interval, self.level)

    def called(self, node: syntax.Node) -> set[str]:
        """Functions that run where ``node`` does, those that helpers call included."""
        names: set[str] = set()
        pending = [node]
        while pending:
            for found in descendants(pending.pop()):
                if isinstance(found, syntax.Call) and found.function not in names:
                    names.add(found.function)
                    if found.function in self.functions:
                        pending.append(self.functions[found.function].body)
        return names

    def changed_by_calls(self, node: syntax.Node) -> set[str]:
        """Names that functions which are called below ``node`` assign, their own and the file's."""
        bodies = [self.functions[name].body for name in self.called(node) & self.functions.keys()]
        return {name for body in bodies for name, _ in assignments(body)}

    def acts(self, node: syntax.Node) -> bool:
        """Whether calls below ``node`` issue instructions or change variables of the file."""
        instructions = self.called(node) - self.functions.keys() - {"__builtin_expect"}
        return bool(instructions or self.scopes.cells_of_file(self.changed_by_calls(node)))

    def unknown(self, variable: Variable) -> Value | None:
        """Any integer that ``variable`` may hold; None where it holds something else."""
        if variable.is_pointer or not isinstance(variable.type, CInteger):
            return None
        bounds = Interval(variable.type.lowest, variable.type.highest)
        return Number(variable.type, atom(self.fresh(variable.name, bounds)))

    @contextmanager
    def scope(self) -> Generator[None]:
        """Open a scope within the ``with`` statement."""
        self.scopes.push()
        try:
            yield
        finally:
            self.scopes.pop()

    @contextmanager
    def region(
        self, block: Block | None, *, is_loop: bool, condition: Condition = ALWAYS
    ) -> Generator[None]:
        """Read a region of the operation that comes next; without a block only analyse it.

        ``condition`` is what holds whenever the region runs.
        """
        self.level += 1
        try:
            if block is None:
                yield
            else:
                with self.emitter.region(block, is_loop=is_loop, condition=condition):
                    yield
        finally:
            self.level -= 1
