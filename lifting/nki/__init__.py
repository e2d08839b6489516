"""Reads NKI kernels, AWS's Python for Trainium, into tile-level programs."""

from .arguments import Argument, ArrayShape, array_shape, parse_shapes
from .reader import parameter_names, read_nki
from .source import NkiError

__all__ = [
    "Argument",
    "ArrayShape",
    "NkiError",
    "array_shape",
    "parameter_names",
    "parse_shapes",
    "read_nki",
]
