"""The variables in scope, and the state that control flow forks and joins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .values import DramArray, Held, Variable

Entity = Variable | DramArray


@dataclass(eq=False)
class Cell:
    """One element of a variable."""

    variable: Variable
    index: int

    @property
    def value(self) -> Held:
        return self.variable.cells[self.index]

    @value.setter
    def value(self, value: Held) -> None:
        self.variable.cells[self.index] = value


State = dict[Variable, tuple[Held, ...]]


class Scopes:
    """Names and what they stand for, innermost scope last."""

    _scopes: list[dict[str, Entity]]

    def __init__(self) -> None:
        self._scopes = [{}]

    def push(self) -> None:
        """Open a scope."""
        self._scopes.append({})

    def pop(self) -> None:
        """Close the innermost scope."""
        self._scopes.pop()

    def declare(self, entity: Entity) -> bool:
        """Add a name to the innermost scope; tell whether it was new there."""
        is_new = entity.name not in self._scopes[-1]
        self._scopes[-1][entity.name] = entity
        return is_new

    def replace(self, variable: Variable, array: DramArray) -> None:
        """Let the name of ``variable`` stand for ``array``."""
        for scope in self._scopes:
            if scope.get(variable.name) is variable:
                scope[variable.name] = array

    def find(self, name: str) -> Entity | None:
        """What ``name`` stands for, None if it is not declared."""
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return None

    def enter_function(self) -> list[dict[str, Entity]]:
        """Hide all but the file's own scope; returns what ``leave_function`` needs."""
        hidden = self._scopes
        self._scopes = [hidden[0], {}]
        return hidden

    def leave_function(self, hidden: list[dict[str, Entity]]) -> None:
        """Return to the scopes of the caller."""
        self._scopes = hidden

    def cells_of(self, names: set[str]) -> list[Cell]:
        """The cells of the visible variables with the given names, in order of declaration."""
        cells: list[Cell] = []
        for variable in self._visible():
            if variable.name in names and self.find(variable.name) is variable:
                cells.extend(Cell(variable, index) for index in range(len(variable.cells)))
        return cells

    def cells_of_file(self, names: set[str]) -> list[Cell]:
        """The cells of variables of the file, also of those that others hide."""
        found = (v for v in self._scopes[0].values() if isinstance(v, Variable) and v.name in names)
        return [Cell(variable, index) for variable in found for index in range(len(variable.cells))]

    def save(self) -> State:
        """The values of all variables, also of those that are hidden for now."""
        return {variable: tuple(variable.cells) for variable in self._visible()}

    def _visible(self) -> Iterator[Variable]:
        for scope in self._scopes:
            for entity in scope.values():
                if isinstance(entity, Variable):
                    yield entity


def restore(state: State) -> None:
    """Give all variables the values they had."""
    for variable, cells in state.items():
        variable.cells[:] = cells
