"""Parses C source text into a syntax tree (Lark, LALR), and words the syntax errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, VisitError
from lark.lexer import BasicLexer, Lexer, LexerState
from lark.utils import TextSlice

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .constants import evaluate_constant
from .cplusplus import is_cplusplus
from .macros import TOKEN_LIMIT, location_of
from .preprocess import KERNEL_KEYWORDS, Preprocessor
from .syntax_errors import syntax_error
from .traversal import children
from .tree_builder import TreeBuilder
from .types import CType

EXPRESSION_DEPTH_LIMIT = 150
"""Operators nested in each other; ``a + b + c`` nests as deep as it has operators."""
STATEMENT_DEPTH_LIMIT = 60
"""Statements nested in each other, ``else if`` chains included."""

TokenSource = Callable[["_PreprocessedLexer"], Sequence[Token]]
"""Computes the tokens to parse, given the lexer that can split text."""


class _PreprocessedLexer(Lexer):
    """A Lark lexer whose input is a token source instead of text."""

    def __init__(self, lexer_conf: Any) -> None:
        self._lexer = BasicLexer(lexer_conf)

    def lex(self, lexer_state: Any, parser_state: Any = None) -> Iterator[Token]:
        yield from cast(TokenSource, lexer_state)(self)

    def tokenize(self, text: str, filename: str, directive: Token | None) -> Iterator[Token]:
        """Yield the tokens of ``text``; see ``c_preprocess.Tokenizer``."""
        state = LexerState(TextSlice.cast_from(text))
        try:
            for token in self._lexer.lex(state, None):
                if directive is not None:
                    token = Token.new_borrow_pos(token.type, token.value, directive)
                yield token
        except UnexpectedCharacters as error:
            location = SourceLocation(filename, error.line, error.column)
            if directive is not None:
                location = location_of(directive, filename)
            raise Diagnostic(
                f"unexpected character {error.char!r}",
                location,
                hint="only the characters of C programs are accepted",
            ) from None


@cache
def _grammar() -> Lark:
    text = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    return Lark(
        text,
        parser="lalr",
        lexer=_PreprocessedLexer,
        propagate_positions=True,
        maybe_placeholders=True,
        start=["translation_unit", "conditional_expression"],
    )


def parse_c(
    text: str,
    filename: str,
    types: Mapping[str, CType] | None = None,
    token_limit: int = TOKEN_LIMIT,
    refused: Mapping[str, str] = KERNEL_KEYWORDS,
) -> syntax.TranslationUnit:
    """Return the syntax tree of the C source ``text``.

    ``types`` are names of types that a header defines, beside the standard ones; ``refused`` are
    keywords that may not occur, each with what to write instead.

    Raises Diagnostic for text that cannot be a kernel (empty, binary, too large, too deep),
    preprocessor errors, syntax errors and keywords of unsupported constructs.
    """

    def preprocessed(lexer: _PreprocessedLexer) -> Sequence[Token]:
        preprocessor = Preprocessor(
            filename,
            lambda part, directive: lexer.tokenize(part, filename, directive),
            lambda tokens: _condition_holds(tokens, filename),
            types or (),
            token_limit,
            refused,
        )
        return preprocessor.run(text)

    unit = cast(syntax.TranslationUnit, _parse(preprocessed, "translation_unit", filename, types))
    unit = replace(unit, is_cplusplus=is_cplusplus(text, filename))
    for function in unit.functions.values():
        _check_depth(function.body)
    for declaration in unit.declarations:
        _check_depth(declaration)
    return unit


def _condition_holds(tokens: Sequence[Token], filename: str) -> bool:
    expression = _parse(lambda _: tokens, "conditional_expression", filename)
    _check_depth(expression)
    return evaluate_constant(expression, {}) != 0


def _parse(
    source: TokenSource, start: str, filename: str, types: Mapping[str, CType] | None = None
) -> Any:
    tokens: list[Token] = []

    def remembered(lexer: _PreprocessedLexer) -> Sequence[Token]:
        tokens.extend(source(lexer))
        return tokens

    try:
        # Lark hands whatever it is given to the lexer, which here computes the tokens from it.
        tree = _grammar().parse(cast(str, remembered), start=start)
    except UnexpectedInput as error:
        raise syntax_error(error, tokens, filename) from None
    try:
        return TreeBuilder(filename, types).transform(tree)
    except VisitError as error:
        if isinstance(error.orig_exc, Diagnostic):
            raise error.orig_exc from None
        raise


def _check_depth(root: syntax.Node) -> None:
    """Raise Diagnostic if the tree is too deep to be walked recursively."""
    pending: list[tuple[syntax.Node, int, int]] = [(root, 0, 0)]
    while pending:
        node, statements, expressions = pending.pop()
        if isinstance(node, (syntax.If, syntax.For)):
            statements += 1
        elif not isinstance(node, (syntax.Compound, syntax.Declaration)):
            expressions += 1
        if statements > STATEMENT_DEPTH_LIMIT or expressions > EXPRESSION_DEPTH_LIMIT:
            what = "statements" if statements > STATEMENT_DEPTH_LIMIT else "operators"
            raise Diagnostic(
                f"{what} are nested too deeply",
                node.location,
                hint=f"at most {STATEMENT_DEPTH_LIMIT} statements and {EXPRESSION_DEPTH_LIMIT} "
                "operators may be nested; split the expression or move parts into functions",
            )
        pending.extend((child, statements, expressions) for child in children(node))
