"""The text of a kernel as Python's syntax tree, and places in it. Nothing of it is executed."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field
from typing import NoReturn

from ...diagnostics import Diagnostic, SourceLocation

MAX_CHARACTERS = 1 << 20
MAX_DEPTH = 120
"""Nesting of the syntax tree: the reader is recursive, and so must be bounded."""


class NkiError(Diagnostic):
    """An NKI kernel that cannot be read; the location is that of the construct."""


@dataclass(frozen=True)
class Source:
    """A parsed file."""

    path: str
    tree: ast.Module
    _places: dict[tuple[ast.AST, int], ast.AST] = field(
        default_factory=dict[tuple[ast.AST, int], ast.AST]
    )

    def place(self, node: ast.AST, number: int) -> ast.AST:
        """A node that stands for one of several loops which a construct makes."""
        return self._places.setdefault((node, number), ast.copy_location(ast.Pass(), node))

    def location(self, node: ast.AST) -> SourceLocation | None:
        line = getattr(node, "lineno", None)
        if line is None:
            return None
        return SourceLocation(self.path, line, getattr(node, "col_offset", 0) + 1)

    def refuse(self, node: ast.AST, message: str, hint: str = "") -> NoReturn:
        """Raise the diagnostic for a construct."""
        raise NkiError(message, self.location(node), hint)


def parse_source(text: str, path: str) -> Source:
    """Parse Python text; raises ``NkiError`` where it is not Python, too long or too deep."""
    if len(text) > MAX_CHARACTERS:
        raise NkiError(f"{path}: over {MAX_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, path)
    except SyntaxError as error:
        place = SourceLocation(path, error.lineno or 1, max(1, error.offset or 1))
        raise NkiError(f"not Python: {error.msg}", place) from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise NkiError(f"{path}: the text is nested too deeply or holds a NUL") from error
    source = Source(path, tree)
    _check_depth(source)
    return source


def _check_depth(source: Source) -> None:
    level: list[ast.AST] = [source.tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    source.refuse(level[0], f"nested more than {MAX_DEPTH} deep")
