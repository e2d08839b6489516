"""Reads NKI kernels, AWS's Python for Trainium, into tile-level programs."""

from .arguments import Argument, ArrayShape, parse_shapes
from .reader import read_nki
from .source import NkiError

__all__ = ["Argument", "ArrayShape", "NkiError", "parse_shapes", "read_nki"]
