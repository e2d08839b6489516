"""The arguments of a library call by name, as a function's signature would bind them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from .source import Source

IGNORED = frozenset({"name", "address", "lazy_initialization", "buffer_offset", "alignment"})
"""Arguments that do not change what is computed."""


class Arguments:
    """Values by parameter name; those that were not given are absent."""

    def __init__(
        self,
        source: Source,
        node: ast.AST,
        function: str,
        names: Sequence[str],
        given: Sequence[Any],
        named: dict[str, Any],
    ) -> None:
        self.source = source
        self.node = node
        self.function = function
        if len(given) > len(names):
            source.refuse(node, f"{function} takes {len(names)} arguments, got {len(given)}")
        self._values = dict(zip(names, given, strict=False))
        for name, value in named.items():
            if name in self._values:
                source.refuse(node, f"{function}: {name} is given twice")
            if name not in names and name not in IGNORED and value is not None:
                known = ", ".join(names)
                source.refuse(node, f"{function} has no {name!r} that is understood", known)
            self._values[name] = value

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def __getitem__(self, name: str) -> Any:
        """The value of an argument that must be given."""
        if self._values.get(name) is None:
            self.source.refuse(self.node, f"{self.function} needs {name!r}")
        return self._values[name]

    def get(self, name: str, default: Any = None) -> Any:
        value = self._values.get(name)
        return default if value is None else value


Handler = tuple[Sequence[str], Callable[[Any, Arguments], Any]]
"""The names of a library function's parameters, and what a call of it does."""
