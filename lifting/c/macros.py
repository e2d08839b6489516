"""Macro definitions and their expansion in a list of tokens (C17 6.10.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lark import Token

from ...diagnostics import Diagnostic, SourceLocation
from .wording import counted

TOKEN_LIMIT = 50_000
"""Tokens of a source after expansion; a handful of nested macros can ask for billions."""


@dataclass(frozen=True)
class Macro:
    """``#define name body``, or ``#define name(parameters) body``."""

    name: str
    body: tuple[Token, ...]
    parameters: tuple[str, ...] | None = None
    """None for an object-like macro."""


def location_of(token: Token, filename: str) -> SourceLocation:
    """Return where ``token`` stands in the source."""
    return SourceLocation(filename, token.line or 1, token.column or 1)


class MacroExpander:
    """Expands the macros that are defined at one point of a file."""

    macros: dict[str, Macro]
    filename: str
    _token_limit: int
    _produced: int

    def __init__(self, filename: str, token_limit: int = TOKEN_LIMIT) -> None:
        self.macros = {}
        self.filename = filename
        self._token_limit = token_limit
        self._produced = 0

    def expand(self, tokens: Sequence[Token], hidden: frozenset[str] = frozenset()) -> list[Token]:
        """Return ``tokens`` with every macro in it replaced, the replacement rescanned.

        A replacement takes the place of the macro's name in the source. ``hidden`` are the macros
        being expanded: their own names are left alone. Raises Diagnostic for a call with the wrong
        number of arguments and when the result grows without measure.
        """
        result: list[Token] = []
        position = 0
        while position < len(tokens):
            token = tokens[position]
            position += 1
            macro = self.macros.get(token.value) if token.type == "NAME" else None
            if macro is None or macro.name in hidden:
                result.append(token)
                continue
            if macro.parameters is None:
                body: Sequence[Token] = macro.body
            elif position < len(tokens) and tokens[position].value == "(":
                arguments, position = self._arguments(tokens, position, macro, token, hidden)
                body = _substitute(macro, arguments)
            else:
                result.append(token)
                continue
            self._count(len(body), token)
            moved = [Token.new_borrow_pos(part.type, part.value, token) for part in body]
            result.extend(self.expand(moved, hidden | {macro.name}))
        return result

    def _arguments(
        self,
        tokens: Sequence[Token],
        opening: int,
        macro: Macro,
        use: Token,
        hidden: frozenset[str],
    ) -> tuple[dict[str, list[Token]], int]:
        """Return the expanded arguments by parameter and the position after the closing ``)``."""
        arguments: list[list[Token]] = [[]]
        depth = 0
        for position in range(opening, len(tokens)):
            token = tokens[position]
            depth += {"(": 1, ")": -1}.get(token.value, 0)
            if depth == 0:
                return self._bind(macro, arguments, use, hidden), position + 1
            if token.value == "," and depth == 1:
                arguments.append([])
            elif position > opening:
                arguments[-1].append(token)
        raise Diagnostic(
            f"the arguments of macro '{macro.name}' do not end",
            location_of(use, self.filename),
            hint="close them with )",
        )

    def _bind(
        self, macro: Macro, arguments: list[list[Token]], use: Token, hidden: frozenset[str]
    ) -> dict[str, list[Token]]:
        parameters = macro.parameters or ()
        if not parameters and arguments == [[]]:
            return {}
        if len(parameters) != len(arguments):
            raise Diagnostic(
                f"macro '{macro.name}' takes {counted(len(parameters), 'argument')}, "
                f"{len(arguments)} given",
                location_of(use, self.filename),
                hint="arguments are separated by commas",
            )
        expanded = [self.expand(argument, hidden) for argument in arguments]
        return dict(zip(parameters, expanded, strict=True))

    def _count(self, tokens: int, use: Token) -> None:
        self._produced += tokens
        if self._produced > self._token_limit:
            raise Diagnostic(
                f"macro '{use.value}' expands to too many tokens",
                location_of(use, self.filename),
                hint=f"at most {self._token_limit} tokens are accepted",
            )


def _substitute(macro: Macro, arguments: dict[str, list[Token]]) -> list[Token]:
    body: list[Token] = []
    for token in macro.body:
        body.extend(arguments.get(token.value, [token]) if token.type == "NAME" else [token])
    return body
