"""Words the parser's errors for people: what stands there, and what may stand there."""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token
from lark.exceptions import UnexpectedInput, UnexpectedToken

from ...diagnostics import Diagnostic, SourceLocation
from .macros import location_of

_EXPECTED_NAMES = {
    "SEMICOLON": "';'", "RPAR": "')'", "RSQB": "']'", "RBRACE": "'}'", "LBRACE": "'{'",
    "LPAR": "'('", "LSQB": "'['", "COMMA": "','", "COLON": "':'", "NAME": "a name",
    "TYPE_NAME": "a type", "ASSIGN": "'='", "$END": "the end of the file",
}  # fmt: skip
"""Terminals worth naming in "expected ..."; operators would only make the list long."""
_OPERANDS = {"NAME", "TYPE_NAME", "NUMBER", "CHARACTER", "STRING"}
_SUBSET = (
    "a kernel is a C function over arrays and scalars with for, if, local variables, "
    "assignments and expressions"
)


def syntax_error(error: UnexpectedInput, tokens: Sequence[Token], filename: str) -> Diagnostic:
    """Return the diagnostic for ``error``, which the parser met while it read ``tokens``."""
    if not isinstance(error, UnexpectedToken):
        return Diagnostic("syntax error", SourceLocation(filename, error.line, error.column))
    token = error.token
    expected = set(error.expected)
    if token.type == "$END":
        return _early_end(tokens, expected, filename)
    if (unknown := _unknown_type(token, tokens, expected)) is not None:
        return Diagnostic(
            f"unknown type name '{unknown}'",
            location_of(unknown, filename),
            hint="use a C type such as int8_t, int32_t or float, or define it with typedef",
        )
    names = [_EXPECTED_NAMES[name] for name in sorted(expected) if name in _EXPECTED_NAMES]
    hint = f"expected {' or '.join(names)}" if 0 < len(names) <= 4 else _SUBSET
    if token.type in _OPERANDS and not expected.isdisjoint(("COMMA", "SEMICOLON")):
        hint = "an operator, a ',' or a ';' may be missing in front of it"
    return Diagnostic(
        f"syntax error: unexpected '{token}'", location_of(token, filename), hint=hint
    )


def _early_end(tokens: Sequence[Token], expected: set[str], filename: str) -> Diagnostic:
    location = SourceLocation(filename, 1, 1)
    if tokens:
        last = tokens[-1]
        location = SourceLocation(
            filename, last.end_line or last.line or 1, last.end_column or last.column or 1
        )
    missing = next((name for name in ("RBRACE", "RPAR", "SEMICOLON") if name in expected), None)
    what = f", {_EXPECTED_NAMES[missing]} expected" if missing is not None else ""
    return Diagnostic(f"the file ends too early{what}", location, hint="close what is open")


def _unknown_type(token: Token, tokens: Sequence[Token], expected: set[str]) -> Token | None:
    """Return the name that was meant as a type: two names in a row, or one where a type must be."""
    if token.type != "NAME":
        return None
    position = next((i for i, other in enumerate(tokens) if other is token), 0)
    if position > 0 and tokens[position - 1].type == "NAME":
        return None if _is_argument(tokens, position) else tokens[position - 1]
    starts_declaration = "TYPE_KEYWORD" in expected and "NAME" not in expected
    return token if starts_declaration else None


def _is_argument(tokens: Sequence[Token], position: int) -> bool:
    """Tell whether a token stands among the arguments of a call in a function's body."""
    callers: list[bool] = []
    braces = 0
    for previous, token in zip([None, *tokens], tokens[:position], strict=False):
        if token == "(":
            callers.append(previous is not None and previous.type == "NAME" and braces > 0)
        elif token == ")" and callers:
            callers.pop()
        braces += {"{": 1, "}": -1}.get(token.value, 0)
    return bool(callers) and callers[-1]
