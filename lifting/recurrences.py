"""Programs with a linear recurrence as tensor IR: the recurrence between two liftable parts."""

from __future__ import annotations

from xdsl.builder import Builder
from xdsl.dialects import func, tensor
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from ..dialects.recurrence import LinearOp
from .lift import lift
from .local_recurrence import with_local_recurrences
from .outline_recurrence import outlined
from .prove import LiftResult, prove_lift


def lift_recurrence(module: ModuleOp) -> LiftResult:
    """Lift loops with one linear recurrence, ``h = a · h + b``, with its proof.

    It is in a local variable, or goes from one element of an array to the next.
    Raises :class:`Diagnostic` for other programs, and where what is around it cannot be lifted.
    """
    parts = outlined(with_local_recurrences(module))
    inputs, rest = _function(lift(parts.inputs)), _function(lift(parts.rest))
    types = [argument.type for argument in rest.args][:-1]
    block = Block(arg_types=types)
    builder = Builder(InsertPoint.at_end(block))
    known: dict[SSAValue, SSAValue] = {}
    for number, old in enumerate(inputs.args):
        if number < len(types):
            block.args[number].name_hint = old.name_hint
            known[old] = block.args[number]
        else:
            assert isinstance(old.type, TensorType)
            known[old] = builder.insert(tensor.EmptyOp([], old.type)).tensor
    factors, summands, *initial = _copied(inputs, builder, known)
    start = initial[0] if parts.start is None else parts.start
    states = builder.insert(LinearOp(factors, summands, parts.along, start)).result
    known = dict(zip(rest.args, [*block.args, states], strict=True))
    results = _copied(rest, builder, known)
    builder.insert(func.ReturnOp(*results))
    source = _function(module)
    outputs = [value.type for value in results]
    lifted = func.FuncOp(source.sym_name.data, (types, outputs), Region(block))
    lifted.attributes.update(source.attributes)
    return prove_lift(module, ModuleOp([lifted]))


def _function(module: ModuleOp) -> func.FuncOp:
    return next(op for op in module.walk() if isinstance(op, func.FuncOp))


def _copied(
    function: func.FuncOp, builder: Builder, known: dict[SSAValue, SSAValue]
) -> list[SSAValue]:
    """Copy the body of a function, and give what it returns."""
    returned: list[SSAValue] = []
    for operation in function.body.block.ops:
        if isinstance(operation, func.ReturnOp):
            returned = [known[value] for value in operation.arguments]
        else:
            builder.insert(operation.clone(known))
    return returned
