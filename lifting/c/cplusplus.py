"""Brings what kernels use of C++ closer to C before it is parsed: tokens in, tokens out.

A vector type becomes one token; ``static_cast<float>(x)`` and ``float(x)`` become ``(float)(x)``;
``vector<int> v(n, 0)`` becomes ``vector<int> v = vector<int>(n, 0)``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from lark import Token

from ...diagnostics import Diagnostic
from .macros import location_of

_NAMESPACE = re.compile(r"\busing\s+namespace\s+std\s*;|\bstd\s*::|\busing\s+std\s*::\s*\w+\s*;")
_CPLUSPLUS = re.compile(r"\busing\s+namespace\b|\bstd\s*::|#\s*include\s*<(vector|cmath)>")
_NOT_BLANK = re.compile(r"\S")
_CASTS = ("static_cast",)
_BEFORE_OPERAND = frozenset(
    """= ( , [ + - * / % < > <= >= == != && || ! & | ^ ? : return""".split()  # noqa: SIM905
)
"""After one of these, a type that is followed by ``(`` converts the value in parentheses."""


def is_cplusplus(text: str, filename: str) -> bool:
    """Tell whether a file is C++: by its name, or by what only C++ has."""
    is_named = PurePath(filename).suffix in (".cc", ".cpp", ".cxx", ".hpp")
    return is_named or _CPLUSPLUS.search(text) is not None


def blank_namespace(text: str) -> str:
    """Return ``text`` with blanks in the place of ``using namespace std;`` and ``std::``."""
    return _NAMESPACE.sub(lambda found: _NOT_BLANK.sub(" ", found.group()), text)


def rewrite(tokens: Sequence[Token], filename: str, type_names: set[str]) -> list[Token]:
    """Return ``tokens`` in the notation of C, vector types as tokens of type ``VECTOR_TYPE``.

    ``type_names`` are the names, beside the keywords, that name types. Raises Diagnostic for a
    ``<`` that is not closed.
    """
    merged = _merge_types(tokens, filename)
    return _call_notation(_constructors(merged), type_names)


def _merge_types(tokens: Sequence[Token], filename: str) -> list[Token]:
    result: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        opens = position + 1 < len(tokens) and tokens[position + 1].value == "<"
        if token.type == "NAME" and opens and token.value in ("vector", *_CASTS):
            end = _closing_angle(tokens, position + 1, filename)
            words = tokens[position + 2 : end]
            if token.value == "vector":
                text = "vector<" + " ".join(word.value for word in words) + ">"
                result.append(Token.new_borrow_pos("VECTOR_TYPE", text, token))
            else:
                result += [
                    Token.new_borrow_pos("LPAR", "(", token),
                    *_merge_types(words, filename),
                    Token.new_borrow_pos("RPAR", ")", token),
                ]
            position = end + 1
            continue
        result.append(token)
        position += 1
    return result


def _closing_angle(tokens: Sequence[Token], opening: int, filename: str) -> int:
    """Return the position of the ``>`` (or ``>>``) that closes the ``<`` at ``opening``."""
    depth = 0
    for position in range(opening, len(tokens)):
        value = tokens[position].value
        depth += {"<": 1, ">": -1, ">>": -2}.get(value, 0)
        if depth <= 0:
            return position
        if value in (";", "{", "}"):
            break
    raise Diagnostic(
        "this '<' is not closed",
        location_of(tokens[opening], filename),
        hint="write the type as in 'vector<int>'",
    )


def _constructors(tokens: Sequence[Token]) -> list[Token]:
    """Turn ``vector<T> name(arguments)`` into ``vector<T> name = vector<T>(arguments)``."""
    result: list[Token] = []
    current: Token | None = None
    for position, token in enumerate(tokens):
        if token.type == "VECTOR_TYPE":
            current = token
        elif token.value in (";", "{", "}"):
            current = None
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        result.append(token)
        if current is None or token.type != "NAME" or following is None or following.value != "(":
            continue
        declares = tokens[position - 1] is current or tokens[position - 1].value == ","
        end = _closing_parenthesis(tokens, position + 1)
        ends = end is not None and end + 1 < len(tokens) and tokens[end + 1].value in (";", ",")
        if declares and ends and not _is_parameter_list(tokens, position + 2):
            result.append(Token.new_borrow_pos("ASSIGN", "=", token))
            result.append(Token.new_borrow_pos("VECTOR_TYPE", current.value, token))
    return result


def _is_parameter_list(tokens: Sequence[Token], first: int) -> bool:
    """Tell whether what follows ``(`` declares parameters: a type, and then a name."""
    types = ("TYPE_KEYWORD", "VECTOR_TYPE", "QUALIFIER")
    if first + 1 >= len(tokens) or tokens[first].value == ")":
        return True
    is_named = tokens[first].type == "NAME" and tokens[first + 1].type == "NAME"
    is_call = tokens[first + 1].value == "("
    return is_named or (tokens[first].type in types and not is_call)


def _closing_parenthesis(tokens: Sequence[Token], opening: int) -> int | None:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[position].value, 0)
        if depth == 0:
            return position
    return None


def _call_notation(tokens: Sequence[Token], type_names: set[str]) -> list[Token]:
    """Turn ``float(x)``, where a value is meant, into ``(float)(x)``."""
    result: list[Token] = []
    for position, token in enumerate(tokens):
        is_type = token.type == "TYPE_KEYWORD" or token.value in type_names
        before = tokens[position - 1].value if position else ""
        after = tokens[position + 1].value if position + 1 < len(tokens) else ""
        if is_type and before in _BEFORE_OPERAND and after == "(":
            result += [
                Token.new_borrow_pos("LPAR", "(", token),
                token,
                Token.new_borrow_pos("RPAR", ")", token),
            ]
        else:
            result.append(token)
    return result
