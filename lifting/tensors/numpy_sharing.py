"""Names for what a NumPy view needs more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from xdsl.ir import SSAValue

_SHORT = 24
"""Expressions up to this length are repeated rather than named."""


@dataclass
class Sharing:
    """Names for the expressions that are needed more than once.

    A first pass counts how often each value is used; in the second, such a value is computed where
    it is met first, by an assignment expression or, if ``statements`` is a list, by a statement
    before.
    """

    uses: Counter[SSAValue] = field(default_factory=Counter[SSAValue])
    counting: bool = True
    texts: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    taken: set[str] = field(default_factory=set[str])
    statements: list[str] | None = None

    def start_writing(self) -> None:
        """End the first pass."""
        self.counting = False
        self.texts.clear()

    def text(self, value: SSAValue, write: Callable[[], str]) -> str:
        """Return the expression of ``value``, which ``write`` makes, or its name."""
        if self.counting:
            self.uses[value] += 1
        if value in self.texts:
            return self.texts[value]
        text = write()
        if self.counting or self.uses[value] < 2 or len(text) <= _SHORT:
            self.texts[value] = text
            return text
        name = self.texts[value] = self.new_name()
        if self.statements is None:
            return f"({name} := {text})"
        self.statements.append(f"{name} = {text}")
        return name

    def new_name(self) -> str:
        """Return a name that nothing has yet."""
        number = 1
        while f"t{number}" in self.taken:
            number += 1
        self.taken.add(f"t{number}")
        return f"t{number}"
