"""Random rewrite rules against exhaustive execution: proved if and only if they are right."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.config import load_config
from liftproof.tools.read import parse_mlir
from liftproof.validation.execution.arithmetic import apply
from liftproof.validation.patterns.proof import prove_rule
from liftproof.validation.patterns.rule import rules_of
from numpy.typing import NDArray

OPERATIONS = (
    *("addi", "subi", "muli", "andi", "ori", "xori", "minsi", "maxsi", "minui", "maxui"),
    *("shli", "shrsi", "shrui"),
)
SHIFTS = ("shli", "shrsi", "shrui")
RULES = 120


@dataclass(frozen=True)
class Expression:
    """``x``, ``y``, a number, or an operation on two expressions; all are bytes."""

    operation: str
    parts: tuple[Expression, ...] = ()

    def text(self, indent: str, names: dict[Expression, str], lines: list[str]) -> str:
        """Append the PDL that builds the expression; the name of its value."""
        if self in names:
            return names[self]
        inner = [part.text(indent, names, lines) for part in self.parts]
        name = names[self] = f"%v{len(names)}"
        if not self.parts:
            lines.append(f"{indent}{name}_a = pdl.attribute = {self.operation} : i8")
            head, attributes = '"arith.constant"', f' {{"value" = {name}_a}}'
        else:
            head, attributes = f'"arith.{self.operation}"', ""
            head += f" ({', '.join(inner)} : {', '.join(['!pdl.value'] * len(inner))})"
        lines.append(f"{indent}{name}_op = pdl.operation {head}{attributes} -> (%t : !pdl.type)")
        lines.append(f"{indent}{name} = pdl.result 0 of {name}_op")
        return name

    def value(self, x: NDArray[np.int8], y: NDArray[np.int8]) -> NDArray[np.int8]:
        if not self.parts:
            known = {"x": x, "y": y}
            if self.operation in known:
                return known[self.operation]
            return np.full_like(x, int(self.operation))
        return apply(self.operation, "i8", [part.value(x, y) for part in self.parts])

    def mentions(self, name: str) -> bool:
        return self.operation == name or any(part.mentions(name) for part in self.parts)


def expression(rng: random.Random, depth: int) -> Expression:
    if depth == 0:
        return Expression(rng.choice(["x", "y", "x", "y", str(rng.choice([-1, 0, 1, 2, 7, -128]))]))
    operation = rng.choice(OPERATIONS)
    left = expression(rng, rng.randrange(depth))
    if operation in SHIFTS:
        return Expression(operation, (left, Expression(str(rng.randrange(8)))))
    return Expression(operation, (left, expression(rng, rng.randrange(depth))))


def changed(rng: random.Random, before: Expression) -> Expression:
    """Another way to write an expression, or something close to it."""
    if not before.parts or rng.random() < 0.15:
        return expression(rng, 1)
    parts = list(before.parts)
    kind = rng.randrange(4)
    if kind == 0 and before.operation not in SHIFTS:
        return Expression(before.operation, (parts[1], parts[0]))
    if kind == 1:
        place = rng.randrange(2)
        parts[place] = parts[place] if before.operation in SHIFTS else changed(rng, parts[place])
        return Expression(before.operation, tuple(parts))
    if kind == 2:
        return Expression("addi", (Expression("subi", (before, parts[0])), parts[0]))
    return Expression(rng.choice(OPERATIONS[:10]), tuple(parts))


def pattern(before: Expression, after: Expression) -> str:
    names = {Expression("x"): "%x", Expression("y"): "%y"}
    lines: list[str] = []
    before.text("  ", names, lines)
    root = names[before]
    operands = [f"  %{n} = pdl.operand : %t" for n in ("x", "y") if before.mentions(n)]
    lines.pop()  # the result of the root is not used in the match
    new = {e: n for e, n in names.items() if e != before}
    rewrite: list[str] = []
    result = after.text("    ", new | {Expression("unused"): root}, rewrite)
    head = ["pdl.pattern @random : benefit(1) {", "  %t = pdl.type : i8", *operands]
    tail = [f"    pdl.replace {root}_op with ({result} : !pdl.value)", "  }", "}"]
    return "\n".join([*head, *lines, f"  pdl.rewrite {root}_op {{", *rewrite, *tail])


def test_verdicts_agree_with_exhaustive_execution() -> None:
    """Of all rules on two bytes, those that are proved are right, and all others are refuted."""
    rng = random.Random(2024)
    context, config = new_context(), load_config()
    every = np.arange(-128, 128, dtype=np.int8)
    x, y = (each.ravel() for each in np.meshgrid(every, every))
    verdicts = {"proved": 0, "refuted": 0}
    while sum(verdicts.values()) < RULES:
        before = expression(rng, 3)
        after = changed(rng, before)
        is_usable = all(before.mentions(n) or not after.mentions(n) for n in ("x", "y"))
        if not before.parts or before == after or not is_usable:
            continue
        text = pattern(before, after)
        (rule,) = rules_of(parse_mlir(text, "random.mlir"))
        proof = prove_rule(rule, context, config)
        is_right = bool(np.array_equal(before.value(x, y), after.value(x, y)))
        assert proof.verdict == ("proved" if is_right else "refuted"), text
        verdicts[proof.verdict] += 1
        if not is_right:
            given = dict(proof.instances[-1].operands)
            point = [np.asarray(int(given.get(name, "0")), np.int8) for name in ("x", "y")]
            assert before.value(*point) != after.value(*point), text
    assert min(verdicts.values()) > RULES // 10
