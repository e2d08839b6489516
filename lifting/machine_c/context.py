"""What every part of reading a kernel shares."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from xdsl.ir import Block

from ..c import syntax
from ..c.polynomial import Interval
from ..c.types import CInteger
from .emitter import Emitter
from .expressions import Expressions
from .scopes import Scopes
from .terms import ALWAYS, Atom, Condition, atom
from .values import Number, Value, Variable

Instruction = Callable[[syntax.Call], None]


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

    def fresh(self, name: str, interval: Interval) -> Atom:
        """An unknown integer of the region that is being read."""
        return Atom(name, interval, self.level)

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
