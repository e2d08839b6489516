"""The preprocessor: directives and macros out, tokens with their places in the source remain.

``#include`` and ``#pragma`` lines are skipped: the names of the standard headers that kernels use
are known to the front end. Conditional directives select lines as in C.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lark import Token

from ...diagnostics import Diagnostic
from .cplusplus import blank_namespace, rewrite
from .macros import TOKEN_LIMIT, Macro, MacroExpander, location_of
from .source import blank_comments, check_nesting, check_source
from .types import STANDARD_TYPE_NAMES

Tokenizer = Callable[[str, Token | None], Iterable[Token]]
"""Splits text into tokens of the grammar. The places of the tokens (and errors) are those in the
text, or that of the directive which holds the text."""
ConditionEvaluator = Callable[[Sequence[Token]], bool]
"""Tells whether the tokens of an ``#if`` condition are a non-zero constant expression."""

_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*([A-Za-z_]*)(.*)", re.DOTALL)
_CONTINUATION = re.compile(r"\\[ \t]*\r?\n")
_DEFINE = re.compile(r"[ \t]*([A-Za-z_]\w*)(\(([^()]*)\))?(.*)", re.DOTALL | re.ASCII)
_NAME = re.compile(r"[ \t]*([A-Za-z_]\w*)\s*", re.ASCII)
_IGNORED = {"include", "pragma", "line", "ident", ""}

_STANDARD_MACROS = "\n".join(
    [
        *(f"INT{b}_MAX {(1 << (b - 1)) - 1}" for b in (8, 16, 32)),
        *(f"INT{b}_MIN (-{(1 << (b - 1)) - 1} - 1)" for b in (8, 16, 32)),
        *(f"UINT{b}_MAX {(1 << b) - 1}{'u' if b == 32 else ''}" for b in (8, 16, 32)),
        f"INT64_MAX {(1 << 63) - 1}L",
        f"INT64_MIN (-{(1 << 63) - 1}L - 1)",
        f"UINT64_MAX {(1 << 64) - 1}UL",
        f"SIZE_MAX {(1 << 64) - 1}UL",
        "SCHAR_MAX 127",
        "SCHAR_MIN (-128)",
        "UCHAR_MAX 255",
        "SHRT_MAX 32767",
        "SHRT_MIN (-32768)",
        "USHRT_MAX 65535",
        f"INT_MAX {(1 << 31) - 1}",
        f"INT_MIN (-{(1 << 31) - 1} - 1)",
        f"UINT_MAX {(1 << 32) - 1}u",
        f"LONG_MAX {(1 << 63) - 1}L",
        f"LONG_MIN (-{(1 << 63) - 1}L - 1)",
        f"ULONG_MAX {(1 << 64) - 1}UL",
        "FLT_MAX 3.40282346638528859811704183484516925e+38F",
        "FLT_MIN 1.17549435082228750796873653722224568e-38F",
        "FLT_EPSILON 1.19209289550781250000000000000000000e-7F",
        "DBL_MAX 1.79769313486231570814527423731704357e+308",
        # Too large for a float: rounded to infinity, as glibc's own definition for old compilers.
        "INFINITY 1e39F",
        "HUGE_VALF 1e39F",
        "M_PI 3.14159265358979323846",
        "true 1",
        "false 0",
    ]
)
"""Limits that ``<stdint.h>``, ``<limits.h>`` and ``<float.h>`` define (LP64), and a few others."""

KERNEL_KEYWORDS: Mapping[str, str] = {
    "switch": "use 'if' and 'else'",
    "case": "use 'if' and 'else'",
    "default": "use 'if' and 'else'",
    "goto": "use 'for', 'if' and 'else'",
    "union": "pass arrays and scalars as separate parameters",
    "volatile": "a kernel's memory is only changed by the kernel; leave 'volatile' out",
    "asm": "write it in plain C",
    "__asm__": "write it in plain C",
    "_Complex": "use two real arrays",
    "_Atomic": "a kernel is sequential; leave it out",
    "_Thread_local": "a kernel is sequential; leave it out",
    "_Alignas": "leave alignment to the compiler",
    "_Generic": "call the function for the type at hand",
    "_Static_assert": "leave it out",
    "class": "use plain functions",
    "template": "write the function for the type at hand",
    "namespace": "leave it out",
    "using": "of C++, only 'using namespace std;' is supported",
}
"""Keywords of constructs that no kernel may use, with what to do instead."""

_OF_THE_CORE = ("switch", "case", "default", "volatile")
MACHINE_C_KEYWORDS: Mapping[str, str] = {
    **{k: v for k, v in KERNEL_KEYWORDS.items() if k not in _OF_THE_CORE},
    "struct": "pass arrays and scalars as separate parameters",
}
"""The same for programs of machine instructions, which are closer to C's core."""


@dataclass
class _Conditional:
    """One open ``#if``: whether its lines are kept, and whether a branch was already taken."""

    directive: Token
    kept: bool
    taken: bool


class Preprocessor:
    """Turns one file into the tokens that the parser reads."""

    filename: str
    _tokenize: Tokenizer
    _condition: ConditionEvaluator
    _token_limit: int
    _expander: MacroExpander
    _conditionals: list[_Conditional]
    _type_names: set[str]

    def __init__(
        self,
        filename: str,
        tokenize: Tokenizer,
        condition: ConditionEvaluator,
        type_names: Iterable[str] = (),
        token_limit: int = TOKEN_LIMIT,
        refused: Mapping[str, str] = KERNEL_KEYWORDS,
    ) -> None:
        self.filename = filename
        self._refused = refused
        self._tokenize = tokenize
        self._condition = condition
        self._token_limit = token_limit
        self._expander = MacroExpander(filename, token_limit)
        self._conditionals = []
        self._type_names = {*STANDARD_TYPE_NAMES, *type_names}
        for line in _STANDARD_MACROS.splitlines():
            self._define(line, Token("DIRECTIVE", line))

    def run(self, text: str) -> list[Token]:
        """Return the tokens of ``text``. Raises Diagnostic for what cannot be tokenized."""
        check_source(text, self.filename)
        text = blank_namespace(blank_comments(text, self.filename))
        check_nesting(text, self.filename)
        directives, rest = _split_directives(text)
        tokens = self._bounded(self._tokenize(rest, None))
        result: list[Token] = []
        position = 0
        for directive in [*directives, None]:
            end = position
            while end < len(tokens) and (directive is None or _before(tokens[end], directive)):
                end += 1
            if self._kept:
                result.extend(self._expander.expand(tokens[position:end]))
            position = end
            if directive is not None:
                self._directive(directive)
        if self._conditionals:
            raise self._error("this conditional has no '#endif'", self._conditionals[-1].directive)
        return self._classify(rewrite(result, self.filename, self._type_names))

    @property
    def _kept(self) -> bool:
        return all(conditional.kept for conditional in self._conditionals)

    def _bounded(self, tokens: Iterable[Token]) -> list[Token]:
        result: list[Token] = []
        for token in tokens:
            result.append(token)
            if len(result) > self._token_limit:
                raise self._error(
                    f"the file has more than {self._token_limit} tokens",
                    token,
                    "give the kernel alone, without its test data",
                )
        return result

    def _directive(self, directive: Token) -> None:
        match = _DIRECTIVE.fullmatch(directive.value)
        name, rest = match.groups() if match else ("", "")
        if name in ("if", "ifdef", "ifndef", "elif", "else", "endif"):
            self._conditional(name, rest, directive)
        elif not self._kept or name in _IGNORED:
            return
        elif name == "define":
            self._define(rest, directive)
        elif name == "undef":
            self._expander.macros.pop(self._macro_name(rest, directive), None)
        elif name == "error":
            raise self._error(f"#error {rest.strip()}", directive)
        elif name != "warning":
            raise self._error(
                f"unknown directive '#{name}'",
                directive,
                "supported: #include, #define, #undef, #if, #ifdef, #else, #endif, #pragma",
            )

    def _define(self, rest: str, directive: Token) -> None:
        match = _DEFINE.fullmatch(rest)
        if match is None:
            raise self._error("'#define' without a name", directive)
        name, call, parameters, body = match.groups()
        if "#" in body or (parameters and "..." in parameters):
            raise self._error(
                f"macro '{name}' uses '#', '##' or '...', which are not supported",
                directive,
                "define constants, expressions or a 'static inline' function",
            )
        body = _CONTINUATION.sub(" ", body)
        tokens = tuple(self._bounded(self._tokenize(body, directive)))
        names = [part.strip() for part in parameters.split(",")] if parameters else []
        names = [part for part in names if part]
        self._expander.macros[name] = Macro(name, tokens, tuple(names) if call else None)

    def _conditional(self, name: str, rest: str, directive: Token) -> None:
        if name in ("if", "ifdef", "ifndef"):
            # Inside lines that are left out, a condition need not even make sense.
            holds = self._kept and self._holds(name, rest, directive)
            self._conditionals.append(_Conditional(directive, holds, holds or not self._kept))
            return
        if not self._conditionals:
            raise self._error(f"'#{name}' without '#if'", directive)
        current = self._conditionals[-1]
        if name == "endif":
            self._conditionals.pop()
            return
        current.kept = not current.taken and (name == "else" or self._holds("if", rest, directive))
        current.taken = current.taken or current.kept

    def _holds(self, name: str, rest: str, directive: Token) -> bool:
        if name != "if":
            return (self._macro_name(rest, directive) in self._expander.macros) == (name == "ifdef")
        text = re.sub(
            r"\bdefined\s*(?:\(\s*(\w+)\s*\)|(\w+))",
            lambda match: str(int((match[1] or match[2]) in self._expander.macros)),
            _CONTINUATION.sub(" ", rest),
        )
        expanded = self._expander.expand(self._bounded(self._tokenize(text, directive)))
        # A name that is not a macro counts as 0 (C17 6.10.1).
        return self._condition(
            [
                Token.new_borrow_pos("NUMBER", "0", token) if token.type == "NAME" else token
                for token in expanded
            ]
        )

    def _macro_name(self, rest: str, directive: Token) -> str:
        match = _NAME.fullmatch(_CONTINUATION.sub(" ", rest))
        if match is None:
            raise self._error("this directive needs the name of a macro", directive)
        return match[1]

    def _classify(self, tokens: list[Token]) -> list[Token]:
        """Mark the names of types, drop GNU attributes, refuse keywords of no supported construct.

        The name that a ``typedef`` defines is the last one before its ``;`` or its extents.
        """
        result: list[Token] = []
        in_typedef = False
        depth = 0
        tokens = list(_without_attributes(tokens))
        for token, following in zip(tokens, [*tokens, None][1:], strict=True):
            if token.value in self._refused and token.type not in ("STRING", "CHARACTER"):
                raise self._error(
                    f"'{token.value}' is not supported", token, self._refused[token.value]
                )
            depth += {"{": 1, "}": -1}.get(token.value, 0)
            previous = result[-1].value if result else ""
            if token.value == "typedef":
                in_typedef, depth = True, 0
            elif previous == "struct" and token.type == "NAME":
                if following is not None and following.value == "{" and not in_typedef:
                    self._type_names.add(token.value)
            elif in_typedef and token.value == ";" and depth == 0:
                in_typedef = False
                self._type_names.update(_last_name(result))
            elif in_typedef and depth == 0 and following is not None and following.value in ";[":
                pass  # a type may be given the name that it is known by anyway
            elif token.type == "NAME" and token.value in self._type_names:
                token = Token.new_borrow_pos("TYPE_NAME", token.value, token)
            result.append(token)
        return result

    def _error(self, message: str, token: Token, hint: str = "") -> Diagnostic:
        return Diagnostic(message, location_of(token, self.filename), hint)


def _last_name(tokens: list[Token]) -> list[str]:
    """Return the name that a typedef ending here defines: before its extents, if it has any."""
    depth = 0
    for token in reversed(tokens):
        depth += {"]": 1, "[": -1}.get(token.value, 0)
        if depth == 0 and token.value != "[":
            return [token.value] if token.type == "NAME" else []
    return []


def _before(token: Token, directive: Token) -> bool:
    return (token.line or 0) < (directive.line or 0)


def _split_directives(text: str) -> tuple[list[Token], str]:
    """Return the directives, and the text with their lines (and continuations) blank."""
    directives: list[Token] = []
    kept: list[str] = []
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        first = number
        if _DIRECTIVE.match(lines[first]) is None:
            kept.append(lines[first])
            number += 1
            continue
        while lines[number].rstrip().endswith("\\") and number + 1 < len(lines):
            number += 1
        number += 1
        column = len(lines[first]) - len(lines[first].lstrip()) + 1
        content = "\n".join(lines[first:number]).rstrip("\r")
        directives.append(Token("DIRECTIVE", content, line=first + 1, column=column))
        kept.extend([""] * (number - first))
    return directives, _CONTINUATION.sub(lambda found: f" {found[0][1:]}", "\n".join(kept))


def _without_attributes(tokens: Sequence[Token]) -> Iterable[Token]:
    """Leave out ``__attribute__((...))``: it may not change what a kernel computes."""
    position = 0
    while position < len(tokens):
        token = tokens[position]
        position += 1
        if token.value != "__attribute__":
            yield token
            continue
        depth = 0
        while position < len(tokens):
            depth += {"(": 1, ")": -1}.get(tokens[position].value, 0)
            position += 1
            if depth <= 0:
                break
