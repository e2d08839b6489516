"""The one way in which Liftproof tells a user that an input is not acceptable.

Every room raises a ``Diagnostic`` (or a subclass) for bad input; the command line catches it,
prints ``render`` and exits with a status other than 0. It imports nothing from the project, so that
every room may use it.
"""

from __future__ import annotations

from dataclasses import dataclass

EXCERPT_LIMIT = 160
"""Characters of a source line that are shown around the caret; machine-made lines can be huge."""


@dataclass(frozen=True)
class SourceLocation:
    """A place in a text file; ``line`` and ``column`` count from 1, as compilers and editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Diagnostic(Exception):  # noqa: N818 - it names what the user reads, as in every compiler
    """Input that cannot be accepted: what is wrong, where, and what would be accepted instead."""

    message: str
    location: SourceLocation | None
    hint: str

    def __init__(
        self, message: str, location: SourceLocation | None = None, hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.hint = hint

    def __str__(self) -> str:
        return self.render(None)

    def render(self, source: str | None) -> str:
        """Return the text to print: ``file:line:col: error: message``, then line, caret and hint.

        ``source`` is the text of the file; without it (or without a location) the line and the
        caret are left out.
        """
        where = f"{self.location}: " if self.location is not None else ""
        lines = [f"{where}error: {self.message}"]
        lines.extend(_excerpt(source, self.location))
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


def describe_os_error(error: OSError) -> str:
    """What is wrong with which file or folder."""
    return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)


def _excerpt(source: str | None, location: SourceLocation | None) -> list[str]:
    """Return the source line and a caret under the column, or nothing if it is not known."""
    if source is None or location is None:
        return []
    source_lines = source.split("\n")
    if not 1 <= location.line <= len(source_lines):
        return []
    start = max(0, location.column - 1 - EXCERPT_LIMIT // 2)
    line = source_lines[location.line - 1].rstrip("\r")[start : start + EXCERPT_LIMIT]
    shown = "".join(c if c.isprintable() or c == "\t" else "?" for c in line)
    # Tabs are kept in front of the caret, so that it lines up whatever the tab width.
    indent = "".join(c if c == "\t" else " " for c in shown[: location.column - 1 - start])
    return [f"    {shown}", f"    {indent}^"]
