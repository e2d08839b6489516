"""Rewrite rules given as PDL: what a pattern may say, and how it is carried out.

A rule matches operations that are connected by their operands up to the root. Operations with
effects are connected by ``pdl.apply_native_constraint "consecutive"(%first, …, %root)``: they are
effects of one block, in this order and with no other effect in between. What a pattern does not
mention of an operation must have its default, and different operands that are arrays must be
different arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xdsl.context import Context
from xdsl.dialects import memref, pdl
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.interpreters.pdl import PDLMatcher
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.irdl import IRDLOperation
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.traits import is_side_effect_free

from ...diagnostics import Diagnostic

Bindings: TypeAlias = dict[SSAValue, Operation | Attribute | SSAValue]
"""What each value of the pattern stands for."""

_MATCHED = (
    *(pdl.TypeOp, pdl.AttributeOp, pdl.OperandOp, pdl.OperationOp, pdl.ResultOp),
    pdl.ApplyNativeConstraintOp,
)
_REWRITTEN = (
    pdl.TypeOp,
    pdl.AttributeOp,
    pdl.OperationOp,
    pdl.ResultOp,
    pdl.ReplaceOp,
    pdl.EraseOp,
)


class PatternError(Diagnostic):
    """A pattern that says more, or less, than can be proved and carried out."""


@dataclass(frozen=True)
class Rule:
    """One ``pdl.pattern``."""

    name: str
    text: str
    operations: tuple[pdl.OperationOp, ...]
    """What is matched."""
    effects: tuple[pdl.OperationOp, ...]
    """What is matched one after the other, the root last; empty if operands connect it all."""
    operands: tuple[pdl.OperandOp, ...]
    open_types: tuple[SSAValue, ...]
    """Types, and operands without a type, that the pattern leaves open."""
    open_attributes: tuple[SSAValue, ...]
    """Attributes without a value: the rule is proved for each match (see ``closed``)."""
    root: pdl.OperationOp
    rewrite: tuple[Operation, ...]
    constants: Bindings
    """The types and attributes that the pattern gives."""

    def types_of(self, bindings: Bindings) -> tuple[Attribute, ...]:
        """The types that a match has where the pattern leaves them open."""
        return tuple(_type_of(bindings[value]) for value in self.open_types)


def rules_of(module: ModuleOp) -> list[Rule]:
    """All patterns of a module; raises ``PatternError`` for one that is not supported."""
    patterns = [op for op in module.body.block.ops if isinstance(op, pdl.PatternOp)]
    if not patterns:
        raise PatternError("no `pdl.pattern` at the top level")
    return [_rule(pattern, number) for number, pattern in enumerate(patterns)]


def _rule(pattern: pdl.PatternOp, number: int) -> Rule:
    name = pattern.sym_name.data if pattern.sym_name is not None else f"pattern {number + 1}"
    matched = [op for op in pattern.body.block.ops if not isinstance(op, pdl.RewriteOp)]
    rewrite = pattern.body.block.last_op
    if not isinstance(rewrite, pdl.RewriteOp) or not rewrite.body.blocks or rewrite.root is None:
        raise PatternError(f"{name}: a pattern ends with `pdl.rewrite` of a root, with a body")
    root = rewrite.root.owner
    assert isinstance(root, pdl.OperationOp)
    for op in matched:
        if not isinstance(op, _MATCHED):
            raise PatternError(f"{name}: `{op.name}` is not supported in a match")
        if isinstance(op, pdl.AttributeOp) and op.value_type is not None:
            raise PatternError(
                f"{name}: an attribute has a type", hint="give its value, or neither"
            )
        if isinstance(op, pdl.ResultOp) and op.parent_.owner is root:
            raise PatternError(f"{name}: results of the root are part of the match")
        if isinstance(op, pdl.TypeOp | pdl.OperandOp) and not list(op.results[0].uses):
            raise PatternError(f"{name}: `{op.name}` is not part of what is matched")
    body = tuple(rewrite.body.block.ops)
    _check_rewrite(name, root, body)
    operations = tuple(op for op in matched if isinstance(op, pdl.OperationOp))
    if any(op.opName is None for op in operations):
        raise PatternError(f"{name}: an operation without a name")
    operands = tuple(op for op in matched if isinstance(op, pdl.OperandOp))
    open_types = tuple(
        op.results[0]
        for op in matched
        if (isinstance(op, pdl.TypeOp) and op.constantType is None)
        or (isinstance(op, pdl.OperandOp) and op.value_type is None)
    )
    open_attributes = tuple(
        op.output for op in matched if isinstance(op, pdl.AttributeOp) and op.value is None
    )
    constants: Bindings = {}
    for op in matched:
        if isinstance(op, pdl.TypeOp) and op.constantType is not None:
            constants[op.results[0]] = op.constantType
        elif isinstance(op, pdl.AttributeOp) and op.value is not None:
            constants[op.results[0]] = op.value
    return Rule(
        name,
        str(pattern),
        operations,
        _effects(name, root, matched),
        operands,
        open_types,
        open_attributes,
        root,
        body,
        constants,
    )


def closed(rule: Rule, bindings: Bindings) -> Rule:
    """``rule`` with the attributes and the types of arrays that it has in a match."""
    pattern = rule.root.parent_op()
    assert isinstance(pattern, pdl.PatternOp)
    copy = pattern.clone()
    for old, new in zip(pattern.body.block.ops, copy.body.block.ops, strict=True):
        if isinstance(new, pdl.AttributeOp) and new.value is None:
            found = bindings[old.results[0]]
            assert isinstance(found, Attribute)
            new.value = found
        elif isinstance(new, pdl.TypeOp) and new.constantType is None:
            found = bindings[old.results[0]]
            if isinstance(found, MemRefType):
                new.constantType = found
    return _rule(copy, 0)


def _effects(
    name: str, root: pdl.OperationOp, matched: Sequence[Operation]
) -> tuple[pdl.OperationOp, ...]:
    """What the constraint ``consecutive`` lists."""
    constraints = [op for op in matched if isinstance(op, pdl.ApplyNativeConstraintOp)]
    if not constraints:
        return ()
    listed = [operand.owner for operand in constraints[0].args]
    effects = tuple(op for op in listed if isinstance(op, pdl.OperationOp))
    names_it = constraints[0].constraint_name.data == "consecutive"
    if len(constraints) > 1 or not names_it or len(effects) != len(listed):
        raise PatternError(f'{name}: the only constraint is one "consecutive" of operations')
    if effects[-1] is not root:
        raise PatternError(f"{name}: the last of the consecutive operations is not the root")
    return effects


def _check_rewrite(name: str, root: pdl.OperationOp, body: Sequence[Operation]) -> None:
    for op in body:
        if not isinstance(op, _REWRITTEN):
            raise PatternError(f"{name}: `{op.name}` is not supported in a rewrite")
        if isinstance(op, pdl.AttributeOp) and op.value is None:
            raise PatternError(f"{name}: an attribute of the rewrite has no value")
        if isinstance(op, pdl.TypeOp) and op.constantType is None:
            raise PatternError(f"{name}: a type of the rewrite is not given")
        if isinstance(op, pdl.ResultOp) and op.parent_.owner is root:
            raise PatternError(f"{name}: what replaces the root may not use its results")
        if isinstance(op, pdl.ReplaceOp) and op.op_value.owner is not root:
            raise PatternError(f"{name}: only the root can be replaced")
        if isinstance(op, pdl.EraseOp):
            owner = op.op_value.owner
            assert isinstance(owner, pdl.OperationOp)
            if owner is not root and owner.type_values:
                raise PatternError(f"{name}: only the root and operations without results go away")
    gone = [op.operands[0] for op in body if isinstance(op, pdl.ReplaceOp | pdl.EraseOp)]
    if len(set(gone)) < len(gone):
        raise PatternError(f"{name}: an operation is removed twice")
    last = body[-1] if body else None
    if root.op in gone and (gone[-1] is not root.op or last is None or not _removes(last)):
        raise PatternError(f"{name}: the root is replaced or erased last")


def _removes(step: Operation) -> bool:
    return isinstance(step, pdl.ReplaceOp | pdl.EraseOp)


def _type_of(found: Operation | Attribute | SSAValue) -> Attribute:
    if isinstance(found, SSAValue):
        return found.type
    assert isinstance(found, Attribute)
    return found


# Matching.


def match(rule: Rule, operation: Operation) -> Bindings | None:
    """What the values of a rule stand for if its root is ``operation``; ``None`` if it is not."""
    matcher = PDLMatcher()
    if not matcher.match_operation(rule.root.op, rule.root, operation):
        return None
    last = operation
    for wanted in reversed(rule.effects[:-1]):
        before = _effect_before(last)
        if before is None or not matcher.match_operation(wanted.op, wanted, before):
            return None
        last = before
    bindings = matcher.matching_context
    if any(wanted.op not in bindings for wanted in rule.operations):
        return None
    if not all(_rest_is_default(op, bindings[op.op]) for op in rule.operations):
        return None
    return bindings if _arrays_differ([bindings[op.value] for op in rule.operands]) else None


def _arrays_differ(operands: Sequence[object]) -> bool:
    """Whether the operands that are arrays are parameters or allocations, each another one."""
    arrays = [
        operand
        for operand in operands
        if isinstance(operand, SSAValue) and isinstance(operand.type, MemRefType)
    ]
    known = all(
        isinstance(array.owner, Block | memref.AllocOp | memref.AllocaOp) for array in arrays
    )
    return len(arrays) < 2 or (known and len(set(arrays)) == len(arrays))


def has_effects(operation: Operation) -> bool:
    """Whether an operation does more than compute its results."""
    # xDSL does not say of all operations of these dialects that they are pure.
    if operation.name.split(".")[0] in ("arith", "math"):
        return False
    return not is_side_effect_free(operation)


def _effect_before(operation: Operation) -> Operation | None:
    previous = operation.prev_op
    while previous is not None and not has_effects(previous):
        previous = previous.prev_op
    return previous


def _rest_is_default(wanted: pdl.OperationOp, found: object) -> bool:
    assert isinstance(found, Operation)
    mentioned = {name.data for name in wanted.attributeValueNames.data}
    usual = _defaults(type(found))
    rest = [item for item in found.properties.items() if item[0] not in mentioned]
    rest += [item for item in found.attributes.items() if item[0] not in mentioned]
    return all(usual.get(name) == value for name, value in rest)


def _defaults(kind: type[Operation]) -> Mapping[str, Attribute]:
    if not issubclass(kind, IRDLOperation):
        return {}
    definitions = kind.get_irdl_definition().properties.items()
    return {name: p.default_value for name, p in definitions if p.default_value is not None}


# Rewriting.


def create(
    context: Context,
    wanted: pdl.OperationOp,
    operands: Sequence[SSAValue],
    types: Sequence[Attribute],
    attributes: Sequence[Attribute],
) -> Operation:
    """The operation that a ``pdl.operation`` describes; the rest of it has defaults."""
    assert wanted.opName is not None
    kind = context.get_optional_op(wanted.opName.data)
    if kind is None:
        raise PatternError(f"no operation `{wanted.opName.data}`")
    names = [name.data for name in wanted.attributeValueNames.data]
    given = dict(zip(names, attributes, strict=True))
    properties = dict(_defaults(kind))
    if issubclass(kind, IRDLOperation):
        known = kind.get_irdl_definition().properties
        properties |= {name: value for name, value in given.items() if name in known}
    rest = {name: value for name, value in given.items() if name not in properties}
    return kind.create(
        operands=operands, result_types=types, properties=properties, attributes=rest
    )


def rewrite(rule: Rule, context: Context, bindings: Bindings) -> None:
    """Carry out a rule where it matched; new operations stand right before the root."""
    bound = {**rule.constants, **bindings}
    root = bound[rule.root.op]
    assert isinstance(root, Operation)
    for step in rule.rewrite:
        match step:
            case pdl.TypeOp(constantType=Attribute() as type):
                bound[step.results[0]] = type
            case pdl.AttributeOp(value=Attribute() as value):
                bound[step.results[0]] = value
            case pdl.OperationOp():
                new = built(step, context, bound)
                Rewriter.insert_op(new, InsertPoint.before(root))
                bound[step.op] = new
            case pdl.ResultOp():
                parent = bound[step.parent_]
                assert isinstance(parent, Operation)
                bound[step.val] = parent.results[step.index.value.data]
            case pdl.ReplaceOp():
                Rewriter.replace_op(root, [], list(_replacements(step, bound)))
            case pdl.EraseOp():
                old = bound[step.op_value]
                assert isinstance(old, Operation)
                Rewriter.erase_op(old)
            case _:
                raise PatternError(f"{rule.name}: `{step.name}` is not supported in a rewrite")


def built(wanted: pdl.OperationOp, context: Context, bound: Bindings) -> Operation:
    """A new operation, with the pattern's values replaced by what they stand for."""
    operands = [bound[value] for value in wanted.operand_values]
    types = [bound[value] for value in wanted.type_values]
    attributes = [bound[value] for value in wanted.attribute_values]
    return create(
        context,
        wanted,
        [value for value in operands if isinstance(value, SSAValue)],
        [value for value in types if isinstance(value, Attribute)],
        [value for value in attributes if isinstance(value, Attribute)],
    )


def _replacements(step: pdl.ReplaceOp, bound: Bindings) -> Iterator[SSAValue]:
    if step.repl_operation is not None:
        new = bound[step.repl_operation]
        assert isinstance(new, Operation)
        yield from new.results
        return
    for value in step.repl_values:
        found = bound[value]
        assert isinstance(found, SSAValue)
        yield found
