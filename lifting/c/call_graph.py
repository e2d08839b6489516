"""Finds the kernel of a file: the function that no other function calls."""

from __future__ import annotations

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .traversal import descendants

CALL_DEPTH_LIMIT = 16
"""Functions that may call each other in a chain; each level is lowered inside the one above."""


def find_kernel(unit: syntax.TranslationUnit, filename: str) -> syntax.Function:
    """Return the function that is called by no other; ``main`` is a driver, not a kernel.

    Raises Diagnostic if there is no function, more than one such function, recursion, or a chain
    of calls that is too long.
    """
    functions = {name: function for name, function in unit.functions.items() if name != "main"}
    if not functions:
        raise Diagnostic(
            "the file defines no kernel function",
            SourceLocation(filename, 1, 1),
            hint="write a function with array parameters",
        )
    calls = {name: _calls(function, functions) for name, function in functions.items()}
    for function in functions.values():
        _check_calls_end(function, functions, calls, ())
    called = {call.function for made in calls.values() for call in made}
    kernels = [function for name, function in functions.items() if name not in called]
    visible = [function for function in kernels if not function.is_static]
    kernels = visible or kernels
    if len(kernels) > 1:
        names = ", ".join(f"'{kernel.name}'" for kernel in kernels)
        raise Diagnostic(
            f"the file defines several kernels: {names}",
            kernels[1].location,
            hint="keep one function that no other calls; helper functions must be called by it",
        )
    return kernels[0]


def _calls(function: syntax.Function, functions: dict[str, syntax.Function]) -> list[syntax.Call]:
    return [
        node
        for node in descendants(function)
        if isinstance(node, syntax.Call) and node.function in functions
    ]


def _check_calls_end(
    function: syntax.Function,
    functions: dict[str, syntax.Function],
    calls: dict[str, list[syntax.Call]],
    callers: tuple[str, ...],
) -> None:
    callers = (*callers, function.name)
    for call in {call.function: call for call in reversed(calls[function.name])}.values():
        if call.function in callers:
            raise Diagnostic(
                f"'{call.function}' calls itself",
                call.location,
                hint="recursion is not supported; use a loop",
            )
        if len(callers) > CALL_DEPTH_LIMIT:
            raise Diagnostic(
                f"more than {CALL_DEPTH_LIMIT} functions call each other in a chain", call.location
            )
        _check_calls_end(functions[call.function], functions, calls, callers)
