"""Lifting: from the loops of a C kernel to a tensor program, by reasoning alone.

The body of the kernel is evaluated symbolically (:mod:`loops.evaluate`): every loop is turned into
what it does to whole arrays (:mod:`loops.loops`), so that in the end each output element is a
formula over the inputs, whatever the order of the loops and the accumulators in between. The
formula is brought to one form (:mod:`loops.normalise`) and written as ``linalg`` on tensors
(:mod:`tensors.emit`). Nothing here is trusted: :mod:`prove` decides whether the result is right.
"""

from __future__ import annotations

import re
from contextlib import suppress

from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DenseArrayBase,
    IntegerType,
    MemRefType,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from ..diagnostics import Diagnostic
from ..validation.extract.extent_text import parse_extent
from .loops.evaluate import Evaluator, location_of
from .loops.index import IndexExpression, Size
from .loops.outputs import emit_output
from .loops.solve import Subscripts
from .tensors.emit import TensorEmitter


def lift(module: ModuleOp) -> ModuleOp:
    """Return the tensor program that computes what the loops of ``module`` compute.

    ``module`` holds one function on ``memref`` parameters with an attribute ``liftproof.outputs``.
    The result has the same parameters, arrays as tensors, and returns the new content of each
    output. Raises :class:`Diagnostic` with the statement and the reason if that cannot be found.
    """
    source = _only_function(module)
    try:
        return _first_lift(source)
    except RecursionError:
        raise Diagnostic(
            "cannot lift: too many operations depend on each other in a row",
            location_of(source),
            "write repeated statements as a loop",
        ) from None


_OTHER_WAYS: tuple[dict[str, bool], ...] = (
    {"padded": True},
    {"conditional": True},
    {"padded": True, "conditional": True},
    {"singly": True},
)
"""How to evaluate loops if the simplest way fails, in this order."""


def _first_lift(source: func.FuncOp) -> ModuleOp:
    """Return the lift in the simplest of the ways that find one; raise what the first found."""
    try:
        return _lift(source)
    except Diagnostic as problem:
        for ways in _OTHER_WAYS:
            with suppress(Diagnostic):
                return _lift(source, **ways)
        raise problem


def _lift(
    source: func.FuncOp,
    *,
    conditional: bool = False,
    padded: bool = False,
    singly: bool = False,
) -> ModuleOp:
    names, unsigned = _parameter_names(source), _unsigned_parameters(source)
    evaluator = Evaluator(names, conditional, unsigned, _measures(source), singly, padded=padded)
    extents: dict[SSAValue, Subscripts] = {
        argument: _extents(source, position, evaluator)
        for position, argument in enumerate(source.body.block.args)
        if isinstance(argument.type, MemRefType)
    }
    evaluator.extents.update(extents)
    state = evaluator.run(source.body.block)
    block = Block(arg_types=[_tensor_type(a.type) for a in source.body.block.args])
    parameters: dict[SSAValue, SSAValue] = {}
    for old, new in zip(source.body.block.args, block.args, strict=True):
        new.name_hint = names.get(old)
        parameters[old] = new
    emitter = TensorEmitter(block, parameters, evaluator.extents, evaluator.stages)
    results: list[SSAValue] = []
    for position in output_positions(source):
        array = source.body.block.args[position]
        results.append(emit_output(state, array, emitter))
    block.add_op(func.ReturnOp(*results))
    return ModuleOp([_function(source, block, results)])


def _only_function(module: ModuleOp) -> func.FuncOp:
    functions = [op for op in module.ops if isinstance(op, func.FuncOp)]
    if len(functions) != 1 or not functions[0].body.blocks:
        raise Diagnostic(f"expected one function with a body, found {len(functions)}")
    return functions[0]


def output_positions(function: func.FuncOp) -> tuple[int, ...]:
    """Return the positions of the array parameters that the function may write.

    Raises :class:`Diagnostic` if the function does not say.
    """
    outputs = function.attributes.get("liftproof.outputs")
    if not isinstance(outputs, DenseArrayBase):
        raise Diagnostic(
            f"function '{function.sym_name.data}' does not say which arrays it writes",
            location_of(function),
            "add the attribute liftproof.outputs = array<i64: …>",
        )
    return tuple(int(position) for position in outputs.get_values())


def _parameter_names(function: func.FuncOp) -> dict[SSAValue, str]:
    listed = function.attributes.get("liftproof.parameters")
    names = (
        [name.data for name in listed if isinstance(name, StringAttr)]
        if isinstance(listed, ArrayAttr)
        else []
    )
    arguments = function.body.block.args
    if len(names) == len(arguments):
        return dict(zip(arguments, names, strict=True))
    return {a: a.name_hint or f"arg{a.index}" for a in arguments}


def _measures(function: func.FuncOp) -> frozenset[SSAValue]:
    """Return the scalar parameters that bound loops, or take part in subscripts and extents.

    Others, such as a threshold that is only compared, may be negative.
    """
    pending: list[SSAValue] = []
    for op in function.walk():
        match op:
            case scf.ForOp():
                pending += [op.lb, op.ub, op.step]
            case memref.LoadOp() | memref.StoreOp():
                pending += op.indices
            case _:
                continue
    found: set[SSAValue] = set()
    seen: set[SSAValue] = set()
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if isinstance(value.owner, Operation):
            pending += value.owner.operands
        elif value.owner is function.body.block:
            found.add(value)
    listed = function.attributes.get("liftproof.extents")
    stated = str(listed) if isinstance(listed, ArrayAttr) else ""
    words = set(re.findall(r"\w+", stated))
    return frozenset(found | {v for v, name in _parameter_names(function).items() if name in words})


def _unsigned_parameters(function: func.FuncOp) -> frozenset[SSAValue]:
    """Return the scalar parameters that C declares without a sign, and narrower than ``index``."""
    listed = function.attributes.get("liftproof.c_types")
    entries = listed.data if isinstance(listed, ArrayAttr) else ()
    names = [entry.data if isinstance(entry, StringAttr) else "" for entry in entries]
    return frozenset(
        argument
        for argument, name in zip(function.body.block.args, names, strict=False)
        if isinstance(argument.type, IntegerType)
        and argument.type.width.data < 64
        and name.removeprefix("const ").startswith("uint")
    )


def _extents(function: func.FuncOp, position: int, evaluator: Evaluator) -> Subscripts:
    """Return the extents of an array parameter; unknown ones are named by ``liftproof.extents``."""
    argument = function.body.block.args[position]
    assert isinstance(argument.type, MemRefType)
    named = _stated_extents(function, position, evaluator)
    extents: list[IndexExpression] = []
    for dimension, size in enumerate(argument.type.get_shape()):
        if size != DYNAMIC_INDEX:
            extents.append(IndexExpression.of(size))
        elif dimension < len(named) and (stated := named[dimension]) is not None:
            extents.append(stated)
        else:
            name = f"{evaluator.names.get(argument, 'array')}.{dimension}"
            extents.append(IndexExpression.of(Size(name, argument, dimension)))
    return tuple(extents)


def _stated_extents(
    function: func.FuncOp, position: int, evaluator: Evaluator
) -> list[IndexExpression | None]:
    """Return the extents as C states them, over the scalar parameters; ``None`` if not stated."""
    listed = function.attributes.get("liftproof.extents")
    if not isinstance(listed, ArrayAttr) or position >= len(listed.data):
        return []
    entry = listed.data[position]
    if not isinstance(entry, ArrayAttr):
        return []
    by_name = {name: value for value, name in _parameter_names(function).items()}
    return [
        _extent(e.data, by_name, evaluator) if isinstance(e, StringAttr) else None for e in entry
    ]


def _extent(
    text: str, by_name: dict[str, SSAValue], evaluator: Evaluator
) -> IndexExpression | None:
    """Return an extent such as ``n``, ``h + 2`` or ``m * n``; ``None`` for any other form."""
    terms = parse_extent(text)
    if terms is None or any(name not in by_name for names, _ in terms for name in names):
        return None
    total = IndexExpression.of(0)
    for names, coefficient in terms:
        product = IndexExpression.of(coefficient)
        for name in names:
            product = product * IndexExpression.of(evaluator.size(by_name[name]))
        total = total + product
    return total


def _tensor_type(type: Attribute) -> Attribute:
    if not isinstance(type, MemRefType):
        return type
    return TensorType(type.element_type, type.get_shape())


def _function(source: func.FuncOp, block: Block, results: list[SSAValue]) -> func.FuncOp:
    types = ([a.type for a in block.args], [result.type for result in results])
    function = func.FuncOp(source.sym_name.data, types, Region(block))
    for name, attribute in source.attributes.items():
        if name.startswith("liftproof.") and name != "liftproof.loc":
            function.attributes[name] = attribute
    return function
