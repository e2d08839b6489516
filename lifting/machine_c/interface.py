"""What a program's kernel takes: parameters, arrays of the file, pointers of unknown extent."""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects.builtin import DYNAMIC_INDEX, MemRefType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp

from ..c import syntax
from ..c.traversal import descendants
from ..c.types import CVoid

Shapes = tuple[tuple[int, ...] | None, ...]
"""Extents of each parameter of another program; None where they are not known."""


def shapes_of(module: ModuleOp | None) -> Shapes:
    """The extents of the arrays that the first function of ``module`` takes."""
    function = None if module is None else module.body.block.first_op
    if not isinstance(function, FuncOp):
        return ()
    found: list[tuple[int, ...] | None] = []
    for argument in function.args:
        kind = argument.type
        extents = kind.get_shape() if isinstance(kind, MemRefType | TensorType) else ()
        found.append(None if not extents or DYNAMIC_INDEX in extents else tuple(extents))
    return tuple(found)


def with_main_as_kernel(unit: syntax.TranslationUnit) -> syntax.TranslationUnit:
    """The program with ``main`` as its kernel, if it has no other function."""
    main = unit.functions.get("main")
    if main is None or len(unit.functions) > 1:
        return unit
    statements = main.body.statements
    if statements and isinstance(statements[-1], syntax.Return):
        statements = statements[:-1]
    body = replace(main.body, statements=statements)
    kernel = replace(main, name="kernel", result=CVoid(), parameters=(), body=body)
    return replace(unit, functions={"kernel": kernel})


def arrays_of_file(
    unit: syntax.TranslationUnit, kernel: syntax.Function
) -> tuple[syntax.Declarator, ...]:
    """The arrays that a kernel without parameters works on, in the order of the file."""
    if kernel.parameters:
        return ()
    used = {
        node.name
        for function in unit.functions.values()
        for node in descendants(function)
        if isinstance(node, syntax.Identifier)
    }
    return tuple(
        declarator
        for declaration in unit.declarations
        for declarator in declaration.declarators
        if declarator.name in used
        and declarator.initializer is None
        and any(isinstance(part, syntax.ArrayOf) for part in declarator.type.derivations)
        and not any(isinstance(part, syntax.PointerTo) for part in declarator.type.derivations)
    )
