"""A loop kernel as a model sees it: names that say only the position, and no text of the user."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, SSAValue

from ..lifting.lift import output_positions
from ..validation.execution.trial_sizes import parameter_names
from ..validation.extract.structured import single_function
from .anonymize import NAME, parameter_name

_KEPT = ("liftproof.outputs", "liftproof.extents", "liftproof.c_types", "liftproof.parameters")
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_PLAIN_TYPE = re.compile(
    r"(const )?(u?int(8|16|32|64)_t|float|double|bool)( ?\*| ?(\[[\w +*-]*\])*)"
)


def anonymous(module: ModuleOp) -> ModuleOp:
    """A copy of the kernel: parameters A, B, C, …, scalars and local arrays v0, …, loops i0, …"""
    copy = module.clone()
    function = single_function(copy)
    names = parameter_names(function)
    renamed = {name: parameter_name(position) for position, name in enumerate(names)}
    _rename_values(function)
    for operation in copy.walk():
        for key in [key for key in operation.attributes if operation is not function]:
            del operation.attributes[key]
    kept = {key: function.attributes[key] for key in _KEPT if key in function.attributes}
    function.attributes.clear()
    for key, attribute in kept.items():
        function.attributes[key] = _renamed(attribute, renamed, is_type=key.endswith("c_types"))
    function.sym_name = StringAttr(NAME)
    return copy


def _rename_values(function: func.FuncOp) -> None:
    for value in _values(function):
        value.name_hint = None
    for position, argument in enumerate(function.args):
        argument.name_hint = parameter_name(position)
    variables = loops = 0
    for operation in function.walk():
        if isinstance(operation, memref.AllocaOp | memref.AllocOp):
            operation.memref.name_hint = f"v{variables}"
            variables += 1
        elif isinstance(operation, scf.ForOp):
            operation.body.block.args[0].name_hint = f"i{loops}"
            loops += 1


def _values(function: func.FuncOp) -> Iterator[SSAValue]:
    for operation in function.walk():
        yield from operation.results
        for region in operation.regions:
            for block in region.blocks:
                yield from block.args


def _renamed(attribute: Attribute, names: dict[str, str], *, is_type: bool) -> Attribute:
    """The attribute with other names of parameters, and without any other words."""
    if isinstance(attribute, ArrayAttr):
        return ArrayAttr([_renamed(part, names, is_type=is_type) for part in attribute])
    if not isinstance(attribute, StringAttr):
        return attribute
    if is_type:
        base, bracket, rest = attribute.data.partition("[")
        text = base + bracket + _WORD.sub(lambda word: names.get(word[0], "x"), rest)
        return StringAttr(text if _PLAIN_TYPE.fullmatch(text) else "?")
    return StringAttr(_WORD.sub(lambda word: names.get(word[0], "x"), attribute.data))


def restore_names(anonymous_module: ModuleOp, original: ModuleOp) -> dict[str, str]:
    """Give the values of the anonymous copy the names that the user gave them; return these."""
    theirs, ours = single_function(original), single_function(anonymous_module)
    pairs = zip(parameter_names(ours), parameter_names(theirs), strict=True)
    names = dict(pairs)
    for new, old in zip(_values(ours), _values(theirs), strict=True):
        if new.name_hint and old.name_hint:
            names[new.name_hint] = old.name_hint
        new.name_hint = old.name_hint
    return names


def output_names(module: ModuleOp) -> list[str]:
    """The names of the outputs."""
    function = single_function(module)
    names = parameter_names(function)
    return [names[position] for position in output_positions(function)]


def loop_names(module: ModuleOp) -> list[str]:
    """The counters of the loops, in the order of the program."""
    return [
        operation.body.block.args[0].name_hint or "i"
        for operation in module.walk()
        if isinstance(operation, scf.ForOp)
    ]
