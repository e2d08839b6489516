"""C spelling of index arithmetic: which values get a variable, and what the others read as."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager

from xdsl.dialects import arith
from xdsl.dialects.builtin import i1
from xdsl.ir import Operation, SSAValue

from ..index_math import constant_value, range_of
from ..kernel import refusal

RESERVED = frozenset(
    (
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "main",
        "min_int",
        "max_int",
        "floor_div",
        "min_int64",
        "max_int64",
        "abs_int",
        "abs_int64",
    )
)

INFIX: dict[type[Operation], str] = {
    arith.AddiOp: "+",
    arith.SubiOp: "-",
    arith.MuliOp: "*",
    arith.RemSIOp: "%",
    arith.DivSIOp: "/",
    arith.AndIOp: "&",
    arith.OrIOp: "|",
    arith.XOrIOp: "^",
}
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
"""By the number of the predicate in ``arith.cmpi``; the unsigned ones do not occur on indices."""

HELPERS = {
    "min_int": "static inline int min_int(int a, int b) { return a < b ? a : b; }",
    "max_int": "static inline int max_int(int a, int b) { return a > b ? a : b; }",
    "min_int64": (
        "static inline int64_t min_int64(int64_t a, int64_t b) { return a < b ? a : b; }"
    ),
    "max_int64": (
        "static inline int64_t max_int64(int64_t a, int64_t b) { return a > b ? a : b; }"
    ),
    "abs_int": "static inline int abs_int(int a) { return a < 0 ? (int)(0u - (unsigned)a) : a; }",
    "abs_int64": (
        "static inline int64_t abs_int64(int64_t a)"
        " { return a < 0 ? (int64_t)(0u - (uint64_t)a) : a; }"
    ),
    "floor_div": (
        "static inline int floor_div(int a, int b)"
        " { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }"
    ),
}
"""Functions that an expression may call; only those that are used are emitted."""


class Expressions:
    """The C text of every value that was defined so far."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.texts: dict[SSAValue, str] = {}
        self.helpers: set[str] = set()
        self._names = set(taken) | RESERVED

    @contextmanager
    def scope(self) -> Generator[None]:
        """Names given inside may be given again behind it, as in a C block."""
        outside = set(self._names)
        yield
        self._names = outside

    def name(self, value: SSAValue, fallback: str) -> str:
        """Give ``value`` a variable of its own and return its name."""
        base = re.sub(r"\W", "_", value.name_hint or fallback)
        base = re.sub(r"_\d+$", "", base) or fallback
        if base[0].isdigit():
            base = f"{fallback}{base}"
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        self.texts[value] = name
        return name

    def text(self, value: SSAValue) -> str:
        """How to read ``value`` in an expression."""
        if value in self.texts:
            return self.texts[value]
        if (number := constant_value(value)) is not None:
            return str(abs(number)) if value.type == i1 else str(number)
        owner = value.owner
        assert isinstance(owner, Operation)
        raise refusal(owner, "has no C spelling")

    def define(self, op: Operation, declare: Callable[[str, str], None]) -> None:
        """Take note of the result of an index operation.

        A value that is read once, in its own block, is written where it is read; ``declare`` is
        called with the name and the text of any other.
        """
        result = op.results[0]
        if constant_value(result) is not None:
            return
        self.give(result, self._operation(op), declare)

    def give(self, result: SSAValue, text: str, declare: Callable[[str, str], None]) -> None:
        """Take note that ``text`` computes ``result``, as ``define`` does."""
        uses = list(result.uses)
        if (
            len(uses) == 1
            and uses[0].operation.parent is result.owner.parent
            and not uses[0].operation.regions
        ):
            self.texts[result] = f"({text})"
            return
        declare(self.name(result, "x"), text)

    def _operation(self, op: Operation) -> str:
        operands = [self.text(operand) for operand in op.operands]
        match op:
            case arith.CmpiOp() if op.predicate.value.data < len(COMPARISONS):
                return f"{operands[0]} {COMPARISONS[op.predicate.value.data]} {operands[1]}"
            case arith.SelectOp():
                return f"{operands[0]} ? {operands[1]} : {operands[2]}"
            case arith.MinSIOp():
                return self.call("min_int", operands)
            case arith.MaxSIOp():
                return self.call("max_int", operands)
            case arith.FloorDivSIOp():
                low = range_of(op.lhs).low
                if low is not None and low >= 0:
                    return f"{operands[0]} / {operands[1]}"
                return self.call("floor_div", operands)
            case arith.IndexCastOp():
                return operands[0]
            case _ if type(op) in INFIX:
                return f"{operands[0]} {INFIX[type(op)]} {operands[1]}"
            case _:
                raise refusal(op, "has no C spelling")

    def call(self, helper: str, operands: Sequence[str]) -> str:
        """The call of one of ``HELPERS``."""
        self.helpers.add(helper)
        return f"{helper}({', '.join(bare(operand) for operand in operands)})"


def bare(text: str) -> str:
    """``text`` without parentheses around all of it."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:-1] if text[0] == "(" and position == len(text) - 1 else text
    return text
