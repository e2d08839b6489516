"""Prove a rewrite rule once, for all operands: then it may be applied anywhere.

Rules over pure operations are proved with bit-vectors and floats of exactly the width of each type;
rules over the machine's instructions by what the instructions do to all of its state (see
``machine``). Where the pattern leaves types open, each type is proved by itself.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import z3
from xdsl.context import Context
from xdsl.dialects.builtin import MemRefType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block

from ...hw.gemmini.config import GemminiConfig
from ..core.polyhedral import Unsupported
from ..extract.structured import single_function
from ..lemmas.encoding import ask, value_in
from ..lemmas.scalar_encoding import Encoded, Scalar, all_true, encode, variable
from ..query_log import is_logging
from .instance import Instance, instances
from .rule import Rule, has_effects

RESOURCE_LIMIT = 60_000_000
"""Z3 resource units for one instance of a rule: tens of seconds at most."""
NANS = "all NaNs of a type are alike"
Verdict = Literal["proved", "refuted", "unknown"]


@dataclass(frozen=True)
class InstanceProof:
    """What was found for one choice of the open types."""

    types: tuple[Attribute, ...]
    verdict: Verdict
    reason: str = ""
    operands: tuple[tuple[str, str], ...] = ()
    """For a refutation: the operands, as name and value, that show the difference."""
    expected: str = ""
    actual: str = ""
    obligations: int = 1


@dataclass(frozen=True)
class RuleProof:
    """The verdict on a rule: proved if it is for all types that fit it."""

    name: str
    verdict: Verdict
    instances: tuple[InstanceProof, ...]
    assumptions: tuple[str, ...]
    seconds: float

    @property
    def proved_types(self) -> frozenset[tuple[Attribute, ...]]:
        return frozenset(each.types for each in self.instances if each.verdict == "proved")


def prove_rule(
    rule: Rule, context: Context, config: GemminiConfig, resource_limit: int = RESOURCE_LIMIT
) -> RuleProof:
    """Prove, refute or leave open one rule; the same text is proved once per process.

    Raises ``PatternError`` if the rule matches nothing, or not what it says.
    """
    content = hashlib.sha256(rule.text.encode()).hexdigest()
    # A log of queries is complete only if no proof comes from the cache.
    prove = _proved.__wrapped__ if is_logging() else _proved
    return prove(_Key(content, rule, context), config, resource_limit)


@dataclass(frozen=True, eq=False)
class _Key:
    """A rule that is equal to any other with the same text."""

    content: str
    rule: Rule
    context: Context

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.content == self.content

    def __hash__(self) -> int:
        return hash(self.content)


@lru_cache(maxsize=256)
def _proved(key: _Key, config: GemminiConfig, resource_limit: int) -> RuleProof:
    start = time.perf_counter()
    found: list[InstanceProof] = []
    for instance in instances(key.rule, key.context):
        found.append(_prove_instance(instance, config, resource_limit))
        if found[-1].verdict == "refuted":
            break
    verdicts = {each.verdict for each in found}
    verdict: Verdict = "proved"
    if "refuted" in verdicts:
        verdict = "refuted"
    elif "unknown" in verdicts:
        verdict = "unknown"
    assumptions = (NANS,) if _has_floats(found, key.rule) else ()
    return RuleProof(key.rule.name, verdict, tuple(found), assumptions, time.perf_counter() - start)


def _has_floats(found: Sequence[InstanceProof], rule: Rule) -> bool:
    names = " ".join(str(type) for each in found for type in each.types) + rule.text
    return any(name in names for name in ("f16", "f32", "f64"))


def _prove_instance(
    instance: Instance, config: GemminiConfig, resource_limit: int
) -> InstanceProof:
    try:
        if _is_pure(single_function(instance.before)) and _is_pure(single_function(instance.after)):
            return _prove_values(instance, resource_limit)
        from .machine import prove_effects

        return prove_effects(instance, config, resource_limit)
    except Unsupported as error:
        return InstanceProof(instance.types, "unknown", str(error))


def _is_pure(function: FuncOp) -> bool:
    arrays = any(isinstance(argument.type, MemRefType) for argument in function.args)
    inner = [op for op in function.body.block.ops if not isinstance(op, ReturnOp)]
    local = any(op.name.startswith("gemmini.") for op in inner)
    return not arrays and not local and not any(has_effects(op) for op in inner)


def _prove_values(instance: Instance, resource_limit: int) -> InstanceProof:
    """Where the matched operations are defined, the new ones are, and give the same values."""
    before = single_function(instance.before).body.block
    after = single_function(instance.after).body.block
    inputs = [
        Scalar(variable(f"a{number}", argument.type), z3.Bool(f"ok{number}"))
        for number, argument in enumerate(before.args)
    ]
    left, right = encode(before, inputs), encode(after, inputs)
    mine, theirs = _returned(before, left), _returned(after, right)
    same = [
        z3.Implies(a.ok, z3.And(b.ok, a.value == b.value))
        for a, b in zip(mine, theirs, strict=True)
    ]
    wrong = z3.Not(all_true([*right.defined, *same]))
    defined = all_true(left.defined)
    meets = f"premises: the matched operations are defined for some operands ({instance.label})"
    if ask([defined], meets, resource_limit)[0] != z3.sat:
        return InstanceProof(instance.types, "unknown", "the matched operations are never defined")
    states = f"the rewrite gives the same values ({instance.label or 'all operands'})"
    answer, solver = ask([defined, wrong], states, resource_limit)
    if answer == z3.unsat:
        return InstanceProof(instance.types, "proved")
    if answer == z3.unknown:
        limit = f"Z3 gave up after {resource_limit:,} resource units, see --rlimit"
        return InstanceProof(instance.types, "unknown", limit)
    return _refuted(instance, before, solver.model(), inputs, mine, theirs, right)


def _returned(block: Block, encoded: Encoded) -> list[Scalar]:
    assert block.last_op is not None
    return [encoded.values[operand] for operand in block.last_op.operands]


def _refuted(
    instance: Instance,
    before: Block,
    model: z3.ModelRef,
    inputs: Sequence[Scalar],
    mine: Sequence[Scalar],
    theirs: Sequence[Scalar],
    right: Encoded,
) -> InstanceProof:
    operands = tuple(
        (argument.name_hint or f"operand {number}", _shown(model, scalar))
        for number, (argument, scalar) in enumerate(zip(before.args, inputs, strict=True))
    )
    undefined = not z3.is_true(value_in(model, all_true(right.defined)))
    actual = ", ".join(_shown(model, scalar) for scalar in theirs)
    return InstanceProof(
        instance.types,
        "refuted",
        "the rewrite is not the same for some operands",
        operands,
        ", ".join(_shown(model, scalar) for scalar in mine),
        "undefined behaviour" if undefined else actual,
    )


def _shown(model: z3.ModelRef, scalar: Scalar) -> str:
    if not z3.is_true(value_in(model, scalar.ok)):
        return "poison"
    value: Any = value_in(model, scalar.value)
    if isinstance(value, z3.BitVecNumRef):
        return str(value.as_signed_long() if value.size() > 1 else value.as_long())
    return _decimal(value)


def _decimal(value: Any) -> str:
    """A float as people write it; every ``f16``, ``f32`` and ``f64`` is a Python float."""
    if value.isNaN() or value.isInf():
        return "nan" if value.isNaN() else ("-inf" if value.isNegative() else "inf")
    if value.isZero():
        return "-0.0" if value.isNegative() else "0.0"
    exact: Any = z3.simplify(z3.fpToReal(value))
    return repr(float(exact.as_fraction()))
