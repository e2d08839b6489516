"""Reads C source text and refuses, fast and by name, what cannot be a kernel.

The limits keep every later stage within about a second and far from Python's recursion limit,
whatever the input.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...diagnostics import Diagnostic, SourceLocation

SIZE_LIMIT = 1 << 20
"""Bytes of a source file that are accepted (1 MiB)."""
NESTING_LIMIT = 60
"""Brackets that may be open at once; C17 5.2.4.1 asks a compiler for 63 nested parentheses."""

_COMMENT_OR_LITERAL = re.compile(
    r"""//(?:\\\r?\n|[^\n])* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | /\*""",
    re.DOTALL | re.VERBOSE,
)
_BRACKET = re.compile(r"[()\[\]{}]")
_NOT_BLANK = re.compile(r"[^\r\n]")


def read_source(path: str | Path) -> str:
    """Return the text of the C file at ``path``.

    Raises Diagnostic if it is missing, not a file, unreadable, too large or not UTF-8 text.
    """
    path = Path(path)
    start = SourceLocation(str(path), 1, 1)
    try:
        if path.is_dir():
            raise Diagnostic(f"'{path}' is a directory", hint="name a C file")
        if path.exists() and not path.is_file():
            raise Diagnostic(f"'{path}' is not a regular file", hint="name a C file")
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise Diagnostic(f"no such file: '{path}'", hint="check the path") from None
    except (OSError, ValueError) as error:
        raise Diagnostic(f"cannot read '{path}': {error}") from None
    if len(content) > SIZE_LIMIT:
        raise _too_large(start)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise Diagnostic(
            f"byte 0x{content[error.start]:02x} is not UTF-8 text",
            SourceLocation(str(path), line, column),
            hint="give C source text, not a binary file",
        ) from None


def check_source(text: str, filename: str) -> None:
    """Raise Diagnostic if ``text`` is empty, too large, or holds bytes that no C source has."""
    if len(text.encode("utf-8", "surrogatepass")) > SIZE_LIMIT:
        raise _too_large(SourceLocation(filename, 1, 1))
    if not text.strip():
        raise Diagnostic(
            "the file is empty", SourceLocation(filename, 1, 1), hint="write a C function"
        )
    if (position := text.find("\0")) >= 0:
        raise Diagnostic(
            "the file holds a NUL byte",
            location_at(text, position, filename),
            hint="give C source text, not a binary file",
        )


def blank_comments(text: str, filename: str) -> str:
    """Return ``text`` with each comment replaced by blanks, so that places stay the same.

    Raises Diagnostic for a comment that does not end.
    """

    def blank(match: re.Match[str]) -> str:
        found = match.group()
        if found == "/*":
            raise Diagnostic(
                "this comment does not end",
                location_at(text, match.start(), filename),
                hint="close it with */",
            )
        return _NOT_BLANK.sub(" ", found) if found[0] == "/" else found

    return _COMMENT_OR_LITERAL.sub(blank, text)


def check_nesting(text: str, filename: str) -> None:
    """Raise Diagnostic if more brackets are open at once than the front end follows."""
    depth = 0
    for match in _BRACKET.finditer(text):
        depth += 1 if match.group() in "([{" else -1
        if depth > NESTING_LIMIT:
            raise Diagnostic(
                "brackets are nested too deeply",
                location_at(text, match.start(), filename),
                hint=f"at most {NESTING_LIMIT} brackets may be open at once",
            )


def location_at(text: str, position: int, filename: str) -> SourceLocation:
    """Return the place of character ``position`` of ``text``."""
    line = text.count("\n", 0, position) + 1
    return SourceLocation(filename, line, position - text.rfind("\n", 0, position))


def _too_large(location: SourceLocation) -> Diagnostic:
    return Diagnostic(
        f"the file is larger than {SIZE_LIMIT // 1024} KiB",
        location,
        hint="give the kernel alone, without its test data",
    )
