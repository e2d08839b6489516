"""How compiled code is built: quickly, and never outliving the source it was compiled from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {
    # Compiled code here allocates nothing and divides by nothing that may be 0: without entries
    # for other callers, reference counts and checks, compilation takes a fraction of the time.
    "no_cfunc_wrapper": True,
    "_nrt": False,
    "error_model": "numpy",
}
_INNER: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True}
_ENTRY: dict[str, Any] = {**_OPTIONS, "cache": True}


def inner(function: Function) -> Function:
    """Compile a function that only compiled code calls."""
    compiled: Any = numba.njit(**_INNER)(function)
    return compiled


def entry(function: Function) -> Function:
    """Compile a function that Python calls; the machine code is cached on disk."""
    compiled: Any = numba.njit(**_ENTRY)(function)
    return compiled


def source_digest(paths: Sequence[str | Path]) -> int:
    """A number that changes with the contents of the files.

    numba caches a function by its own source and its closure only, not by what it calls. So the
    digest of all sources that a compiled entry depends on is made part of its closure.
    """
    text = b"".join(Path(path).read_bytes() for path in paths)
    return int.from_bytes(sha256(text).digest()[:7], "big")
