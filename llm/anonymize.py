"""Kernels without anything that their author wrote: no names, no places, no text.

What a user names a variable could instruct a model; what cannot be seen cannot instruct.
"""

from __future__ import annotations

import re

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, IntegerAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.parser import Parser

from ..passes.kernel import kernel_of
from .evaluate import new_context

NAME = "kernel"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_C_TYPE = re.compile(
    r"(const )?(u?int(8|16|32|64)_t|char|short|int|long|float|double|bool|elem_t|acc_t)"
    r"( ?\*| ?\*?(\[\d+\])*)"
)


def anonymize(text: str) -> str:
    """The kernel in ``text`` (loop or tensor IR) with names that say only the position."""
    module = Parser(new_context(), text).parse_module()
    function = kernel_of(module)
    for operation in module.walk():
        _clear_names(operation)
        if operation is not function:
            _require_plain(operation)
    function.sym_name = StringAttr(NAME)
    names = [parameter_name(position) for position in range(len(function.args))]
    for argument, name in zip(function.args, names, strict=True):
        argument.name_hint = name
    kept = {key: value for key, value in function.attributes.items() if _is_plain(value)}
    function.attributes.clear()
    function.attributes.update(kept)
    function.attributes["liftproof.parameters"] = ArrayAttr([StringAttr(name) for name in names])
    return str(module)


def parameter_name(position: int) -> str:
    """A, B, C, …: what the parameter at ``position`` is called."""
    turns, letter = divmod(position, len(LETTERS))
    return LETTERS[letter] + (str(turns) if turns else "")


def _clear_names(operation: Operation) -> None:
    values: list[SSAValue] = list(operation.results)
    for region in operation.regions:
        for block in region.blocks:
            values += block.args
    for value in values:
        value.name_hint = None


def _require_plain(operation: Operation) -> None:
    """Drop attributes that hold text; operations that the front ends make need none."""
    for key, value in list(operation.attributes.items()):
        if not _is_plain(value):
            del operation.attributes[key]


def _is_plain(value: Attribute) -> bool:
    """Whether an attribute holds no words but those of C types."""
    if isinstance(value, StringAttr):
        return _C_TYPE.fullmatch(value.data) is not None
    if isinstance(value, ArrayAttr):
        return all(_is_plain(part) for part in value)
    return isinstance(value, IntegerAttr | DenseArrayBase)


def signature(tensor_ir: ModuleOp) -> str:
    """The C prototype of an anonymous kernel."""
    function: func.FuncOp = kernel_of(tensor_ir)
    types = function.attributes.get("liftproof.c_types")
    texts = (
        [part.data for part in types if isinstance(part, StringAttr)]
        if isinstance(types, ArrayAttr)
        else [str(argument.type) for argument in function.args]
    )
    parts: list[str] = []
    for position, text in enumerate(texts):
        base, bracket, extents = text.partition("[")
        parts.append(f"{base.strip()} {parameter_name(position)}{bracket}{extents}")
    return f"void {NAME}({', '.join(parts)})"
