"""How people read a tensor program: one line of words, or NumPy."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from ...diagnostics import Diagnostic
from . import numpy_view as _numpy
from .describe import describe

__all__ = ["describe", "numpy_view"]


def numpy_view(module: ModuleOp) -> str:
    """Return the program as one NumPy expression or, where there is none, as a function."""
    try:
        return _numpy.numpy_view(module)
    except Diagnostic:
        return _numpy.numpy_function(module)
