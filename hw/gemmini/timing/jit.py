"""How the stages of the cycle model are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {
    # Only compiled code calls a stage: without the wrappers for calls from Python, and without
    # reference counts and checks for division by zero, compilation takes half as long.
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
    "error_model": "numpy",
    # A call hands over each table as seven numbers: in one function, a cycle takes half as long.
    "forceinline": True,
}


def stage(function: Function) -> Function:
    """Compile a function that only compiled code calls."""
    compiled: Any = numba.njit(**OPTIONS)(function)
    return compiled
