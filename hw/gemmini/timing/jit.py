"""How the stages of the cycle model are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def stage(function: Function) -> Function:
    """Compile a function that only compiled code calls.

    Without the wrappers for calls from Python, compilation takes about half as long.
    """
    return numba.njit(function)
