"""Text of summaries and invariants to syntax trees; nothing is ever executed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from ...diagnostics import Diagnostic, SourceLocation

MOST_CHARACTERS = 20_000
MOST_OPEN = 60
"""Brackets, and other things that nest, that may be open at once: what reads the tree recurses."""
Node = Tree[Token]


def parse(text: str, start: Literal["summary", "conditions"], name: str = "summary") -> Node:
    """The syntax tree of a summary or of the conditions of an invariant.

    ``name`` stands for the file in messages. Raises :class:`Diagnostic` with the place.
    """
    _check_size(text, name)
    joined = _joined(text)
    try:
        return _parser().parse(joined, start=start)
    except UnexpectedCharacters as error:
        raise Diagnostic(
            f"the character {joined[error.pos_in_stream]!r} has no meaning here",
            SourceLocation(name, error.line, error.column),
        ) from None
    except UnexpectedToken as error:
        place = SourceLocation(name, max(error.line, 1), max(error.column, 1))
        found = str(error.token) if error.token.type != "$END" else "the end"
        raise Diagnostic(
            f"{found.strip() or 'the end of the line'!r} is not expected here",
            place,
            hint="write one expression for each output: name = expression",
        ) from None
    except UnexpectedInput as error:
        raise Diagnostic(str(error), SourceLocation(name, 1, 1)) from None


def _check_size(text: str, name: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise Diagnostic(f"the {name} has over {MOST_CHARACTERS} characters")
    if not text.strip():
        raise Diagnostic(f"the {name} is empty")
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if depth > MOST_OPEN:
            raise Diagnostic(f"the {name} has over {MOST_OPEN} open brackets")
    for word in ("lambda", "not ", "~", "else", "-"):
        if text.count(word) > 10 * MOST_OPEN:
            raise Diagnostic(f"the {name} has over {10 * MOST_OPEN} times '{word.strip()}'")


def _joined(text: str) -> str:
    """The text with line breaks inside of brackets as blanks, as Python reads them."""
    depth = 0
    characters: list[str] = []
    in_comment = False
    for character in text:
        in_comment = character == "#" or (in_comment and character != "\n")
        if not in_comment:
            depth += (character in "([{") - (character in ")]}")
        is_break = character in "\r\n" and depth > 0
        characters.append(" " if is_break or (in_comment and depth > 0) else character)
    return "".join(characters)


@cache
def _parser() -> Lark:
    grammar = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        start=["summary", "conditions"],
        propagate_positions=True,
        maybe_placeholders=True,
    )
