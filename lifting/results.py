"""Makes the value that a kernel returns one more output, to be proved like the others."""

from __future__ import annotations

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FunctionType,
    MemRefType,
    ModuleOp,
    StringAttr,
    i64,
)
from xdsl.ir import Attribute

RESULT = "result"
"""Name of the added parameter; underscores are added until no other parameter has it."""


def with_result_as_output(module: ModuleOp) -> ModuleOp:
    """Return ``module`` with the value its function returns stored to an array of rank 0.

    The array is the last parameter, called ``result``. A module whose function returns nothing is
    returned as it is; the given module is never changed.
    """
    functions = [op for op in module.ops if isinstance(op, func.FuncOp) and op.body.blocks]
    if len(functions) != 1 or not functions[0].function_type.outputs.data:
        return module
    copy = module.clone()
    function = next(op for op in copy.ops if isinstance(op, func.FuncOp) and op.body.blocks)
    _store_result(function)
    copy.verify()
    return copy


def _store_result(function: func.FuncOp) -> None:
    block = function.body.block
    last = block.last_op
    assert isinstance(last, func.ReturnOp)
    (value,) = last.operands
    array = block.insert_arg(MemRefType(value.type, []), len(block.args))
    name = _free_name(_strings(function, "liftproof.parameters"))
    array.name_hint = name
    block.insert_op_before(memref.StoreOp.get(value, array, []), last)
    block.insert_op_after(func.ReturnOp(), last)
    last.detach()
    last.erase()
    function.properties["function_type"] = FunctionType.from_lists([a.type for a in block.args], [])
    _describe(function, name, array.index)


def _describe(function: func.FuncOp, name: str, position: int) -> None:
    """Enter the new parameter into the attributes that list the parameters."""
    attributes = function.attributes
    result = attributes.pop("liftproof.c_result", StringAttr("?"))
    added: dict[str, Attribute] = {
        "liftproof.parameters": StringAttr(name),
        "liftproof.c_types": result,
        "liftproof.extents": ArrayAttr([]),
    }
    for key, entry in added.items():
        listed = attributes.get(key)
        if isinstance(listed, ArrayAttr):
            attributes[key] = ArrayAttr([*listed.data, entry])
    outputs = attributes.get("liftproof.outputs")
    written = outputs.get_values() if isinstance(outputs, DenseArrayBase) else ()
    positions = [*(int(place) for place in written), position]
    attributes["liftproof.outputs"] = DenseArrayBase.from_list(i64, positions)


def _strings(function: func.FuncOp, key: str) -> list[str]:
    listed = function.attributes.get(key)
    entries = listed.data if isinstance(listed, ArrayAttr) else ()
    return [entry.data for entry in entries if isinstance(entry, StringAttr)]


def _free_name(taken: list[str]) -> str:
    name = RESULT
    while name in taken:
        name += "_"
    return name
