"""Which function is the kernel, and what it takes: parameters, arrays of the file, pointers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from xdsl.dialects.builtin import DYNAMIC_INDEX, MemRefType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp

from ..c import syntax
from ..c.traversal import descendants
from ..c.types import CVoid
from .signatures import SIGNATURES

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
    """The program with ``main`` as its kernel, if no other function takes nothing but arrays."""
    others = dict(unit.functions)
    main = others.pop("main", None)
    if main is None or any(_takes_arrays(function) for function in others.values()):
        return unit
    statements = main.body.statements
    if statements and isinstance(statements[-1], syntax.Return):
        statements = statements[:-1]
    body = replace(main.body, statements=statements)
    kernel = replace(main, name="kernel", result=CVoid(), parameters=(), body=body)
    return replace(unit, functions={**others, "kernel": kernel})


def of_accelerator(unit: syntax.TranslationUnit) -> syntax.TranslationUnit:
    """The program without functions that no instruction needs: references in C, output, dead code.

    Kept are functions that issue instructions, and what those call. Of several that nobody calls,
    those that ``main`` calls, and of these those that take arrays only, are the ones that count.
    """
    calls = {name: _calls(function) for name, function in unit.functions.items()}
    issuing = {name for name, called in calls.items() if called & SIGNATURES.keys()}
    if not issuing:
        return unit
    issuing |= {name for name in calls if _reachable(name, calls) & issuing}
    roots = issuing - {"main"} - {c for n in issuing - {"main"} for c in calls[n] if c != n}
    kernels = roots & _reachable("main", calls) or roots
    kernels = {name for name in kernels if _takes_arrays(unit.functions[name])} or kernels | {
        "main"
    }
    needed = {name for kernel in kernels for name in _reachable(kernel, calls)} | {"main"}
    return replace(unit, functions={n: f for n, f in unit.functions.items() if n in needed})


def _calls(function: syntax.Function) -> set[str]:
    return {node.function for node in descendants(function) if isinstance(node, syntax.Call)}


def _reachable(name: str, calls: Mapping[str, set[str]]) -> set[str]:
    """A function and all that it calls, directly or not."""
    found: set[str] = set()
    pending = [name]
    while pending:
        current = pending.pop()
        if current in calls and current not in found:
            found.add(current)
            pending.extend(calls[current])
    return found


def _takes_arrays(function: syntax.Function) -> bool:
    return all(parameter.type.derivations for parameter in function.parameters)


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
