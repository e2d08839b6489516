"""The most general program that a rewrite rule matches, for each choice of the types left open.

The rule is carried out on it by the same code that carries it out on other programs, so a proof
that the program still means the same is a proof of the rule and of that code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from xdsl.context import Context
from xdsl.dialects import builtin, pdl
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from .rule import Bindings, PatternError, Rule, built, match, rewrite

OPEN_TYPES: tuple[Attribute, ...] = (
    *(builtin.IntegerType(width) for width in (1, 8, 16, 32, 64)),
    builtin.IndexType(),
    builtin.Float16Type(),
    builtin.Float32Type(),
    builtin.Float64Type(),
)
"""The types for which a rule is proved where its pattern leaves the type open."""
MAX_INSTANCES = 1000


@dataclass(frozen=True)
class Instance:
    """A function that consists of what is matched, before and after the rewrite."""

    types: tuple[Attribute, ...]
    """The open types of the rule in this instance."""
    before: ModuleOp
    after: ModuleOp

    @property
    def label(self) -> str:
        return ", ".join(str(type) for type in self.types)


def instances(rule: Rule, context: Context) -> Iterator[Instance]:
    """All instances that are valid IR before and after.

    Raises ``PatternError`` if there is none, if an attribute of the rule is open, or if the rule
    does not match its own instance.
    """
    if rule.open_attributes:
        raise PatternError(f"{rule.name}: an attribute is open", hint="give its value")
    if len(OPEN_TYPES) ** len(rule.open_types) > MAX_INSTANCES:
        raise PatternError(
            f"{rule.name}: too many types are open", hint="give operands their types"
        )
    problem = ""
    found = False
    for types in product(OPEN_TYPES, repeat=len(rule.open_types)):
        before = _matched(rule, context, dict(zip(rule.open_types, types, strict=True)))
        try:
            before.verify()
            after = _rewritten(rule, context, before)
            after.verify()
        except VerifyException as error:
            problem = str(error).splitlines()[-1]
            continue
        found = True
        yield Instance(types, before, after)
    if not found:
        raise PatternError(f"{rule.name}: it matches no valid operations: {problem}")


def _matched(rule: Rule, context: Context, open_types: dict[SSAValue, Attribute]) -> ModuleOp:
    """A function of the matched operations, which returns what the root gives."""
    block = Block()
    bound: Bindings = {}
    pattern = rule.root.parent_block()
    assert pattern is not None
    for op in pattern.ops:
        match op:
            case pdl.TypeOp():
                bound[op.results[0]] = op.constantType or open_types[op.results[0]]
            case pdl.AttributeOp(value=Attribute() as value):
                bound[op.results[0]] = value
            case pdl.OperandOp():
                key = op.value if op.value_type is None else op.value_type
                type = open_types[key] if op.value_type is None else bound[key]
                assert isinstance(type, Attribute)
                bound[op.value] = argument = block.insert_arg(type, len(block.args))
                argument.name_hint = op.value.name_hint
            case pdl.OperationOp():
                bound[op.op] = new = built(op, context, bound)
                block.add_op(new)
            case pdl.ResultOp():
                parent = bound[op.parent_]
                assert isinstance(parent, Operation)
                if op.index.value.data >= len(parent.results):
                    raise PatternError(f"{rule.name}: `{parent.name}` has no such result")
                bound[op.val] = parent.results[op.index.value.data]
            case pdl.ApplyNativeConstraintOp():
                continue
            case _:
                break
    root = bound[rule.root.op]
    assert isinstance(root, Operation)
    block.add_op(ReturnOp(*root.results))
    signature = FunctionType.from_lists([arg.type for arg in block.args], list(root.result_types))
    return ModuleOp([FuncOp(rule_symbol(rule), signature, Region(block))])


def rule_symbol(rule: Rule) -> str:
    """The rule's name as the name of a function."""
    return "".join(c if c.isalnum() else "_" for c in rule.name)


def _rewritten(rule: Rule, context: Context, before: ModuleOp) -> ModuleOp:
    after = before.clone()
    candidates = [op for op in after.walk() if op.name == _name(rule)]
    # The root is the last of its kind: what it depends on comes before it.
    bindings = match(rule, candidates[-1])
    if bindings is None:
        raise PatternError(
            f"{rule.name}: it does not match its own instance",
            hint='connect operations by operands, or by the constraint "consecutive"',
        )
    rewrite(rule, context, bindings)
    return after


def _name(rule: Rule) -> str:
    assert rule.root.opName is not None
    return rule.root.opName.data
