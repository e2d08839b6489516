"""Whether two programs can be called with the same arguments: a proof is about such only."""

from __future__ import annotations

from xdsl.dialects.builtin import IndexType, IntegerType, MemRefType, ModuleOp, TensorType
from xdsl.ir import Attribute

from .extract.structured import single_function


def interface_difference(source: ModuleOp, target: ModuleOp) -> str | None:
    """The first parameter whose kind or element type differs; ``None`` if there is none.

    Raises ``Unsupported`` if a module has not exactly one function with a body.
    """
    functions = [single_function(module) for module in (source, target)]
    counts = [len(function.args) for function in functions]
    if counts[0] != counts[1]:
        return f"the source has {counts[0]} parameters and the target {counts[1]}"
    for number, (mine, theirs) in enumerate(zip(*(f.args for f in functions), strict=True)):
        kinds = _kind(mine.type), _kind(theirs.type)
        if kinds[0] != kinds[1]:
            name = theirs.name_hint or mine.name_hint or f"number {number}"
            return f"parameter {name}: the source takes {kinds[0]}, the target {kinds[1]}"
    return None


def _kind(type: Attribute) -> str:
    if isinstance(type, MemRefType | TensorType):
        return f"an array of {_element(type.element_type)}"
    if isinstance(type, IntegerType | IndexType):
        # A number of another width is another number where it does not fit, or has no sign.
        return f"a number of type {type}"
    return f"a value of {type}"


def _element(type: Attribute) -> str:
    """C programs say in their operations, not in types, whether integers have a sign."""
    return f"i{type.width.data}" if isinstance(type, IntegerType) else str(type)
