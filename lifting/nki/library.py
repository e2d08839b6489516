"""What the names of ``nki.language``, ``nki.isa``, NumPy and ``math`` stand for."""

from __future__ import annotations

import math
from typing import Any, Final

from ...dialects.trn.types import Function as ActivationFunction
from ...dialects.trn.types import Operator
from .values import DTYPES, Library, Named

BETA_1, BETA_2 = "neuronxcc", "nki"
"""Packages of the two forms of the API: tiles are returned, or written to ``dst``."""

LIBRARIES: Final = {
    "nki": "nki",
    "nki.language": "nl",
    "nki.isa": "nisa",
    "nki.typing": "nt",
    "numpy": "np",
    "math": "math",
    "typing": "typing",
    "neuronxcc": "neuronxcc",
    "neuronxcc.nki": "nki",
    "neuronxcc.nki.language": "nl",
    "neuronxcc.nki.isa": "nisa",
    "neuronxcc.nki.typing": "nt",
    "neuronxcc.nki.compiler": "ncc",
    "nki.compiler": "ncc",
    "functools": "functools",
    "neuronxcc.nki.language.math": "nl",
    "ml_dtypes": "np",
}
"""Import paths that are understood."""
SUBMODULES: Final = {
    ("nki", "language"): "nl",
    ("nki", "isa"): "nisa",
    ("nki", "typing"): "nt",
    ("nki", "compiler"): "ncc",
    ("neuronxcc", "nki"): "nki",
}
IGNORED_IMPORTS: Final = ("__future__", "typing", "torch", "os", "sys", "functools", "dataclasses")
"""Modules whose names may be imported; a kernel that uses one of them is refused there."""

TILE_SIZES: Final = {
    "pmax": 128,
    "psum_fmax": 512,
    "gemm_stationary_fmax": 128,
    "gemm_moving_fmax": 512,
    "bn_stats_fmax": 512,
    "psum_min_align": 4,
    "sbuf_min_align": 1,
    "total_available_sbuf_size": 180224,
}
"""``nl.tile_size``."""
SPACES: Final = {
    "sbuf": "sbuf",
    "psum": "psum",
    "hbm": "hbm",
    "shared_hbm": "hbm",
    "private_hbm": "hbm",
}

OPERATORS: Final = {
    "add": Operator.ADD,
    "subtract": Operator.SUBTRACT,
    "multiply": Operator.MULTIPLY,
    "divide": Operator.DIVIDE,
    "true_divide": Operator.DIVIDE,
    "power": Operator.POWER,
    "maximum": Operator.MAXIMUM,
    "minimum": Operator.MINIMUM,
    "max": Operator.MAXIMUM,
    "min": Operator.MINIMUM,
    "amax": Operator.MAXIMUM,
    "amin": Operator.MINIMUM,
    "sum": Operator.ADD,
    "prod": Operator.MULTIPLY,
    "equal": Operator.EQUAL,
    "not_equal": Operator.NOT_EQUAL,
    "greater": Operator.GREATER,
    "greater_equal": Operator.GREATER_EQUAL,
    "less": Operator.LESS,
    "less_equal": Operator.LESS_EQUAL,
    "logical_and": Operator.LOGICAL_AND,
    "logical_or": Operator.LOGICAL_OR,
    "logical_xor": Operator.LOGICAL_XOR,
    "logical_not": Operator.LOGICAL_NOT,
    "bitwise_and": Operator.BITWISE_AND,
    "bitwise_or": Operator.BITWISE_OR,
    "bitwise_xor": Operator.BITWISE_XOR,
    "invert": Operator.BITWISE_NOT,
    "left_shift": Operator.LEFT_SHIFT,
    "right_shift": Operator.RIGHT_SHIFT,
    "rsqrt": Operator.RSQRT,
    "abs": Operator.ABS,
    "pow": Operator.POWER,
}
"""Operators by the names of ``nl`` and NumPy."""

ACTIVATIONS: Final = {
    "copy": ActivationFunction.COPY,
    "abs": ActivationFunction.ABS,
    "arctan": ActivationFunction.ARCTAN,
    "cos": ActivationFunction.COS,
    "erf": ActivationFunction.ERF,
    "exp": ActivationFunction.EXP,
    "gelu": ActivationFunction.GELU,
    "gelu_apprx_tanh": ActivationFunction.GELU_APPRX_TANH,
    "log": ActivationFunction.LOG,
    "mish": ActivationFunction.MISH,
    "reciprocal": ActivationFunction.RECIPROCAL,
    "relu": ActivationFunction.RELU,
    "rsqrt": ActivationFunction.RSQRT,
    "sigmoid": ActivationFunction.SIGMOID,
    "sign": ActivationFunction.SIGN,
    "silu": ActivationFunction.SILU,
    "sin": ActivationFunction.SIN,
    "softplus": ActivationFunction.SOFTPLUS,
    "sqrt": ActivationFunction.SQRT,
    "square": ActivationFunction.SQUARE,
    "tanh": ActivationFunction.TANH,
}
"""Functions of the activation tables by the names of ``nl`` and NumPy."""

NC_VERSIONS: Final = {"nc_version.gen1": 1, "nc_version.gen2": 2, "nc_version.gen3": 3}
"""``nisa.nc_version``, which kernels compare."""
LIMITS: Final = {
    "float32": (-3.4028234663852886e38, 3.4028234663852886e38),
    "bfloat16": (-3.3895313892515355e38, 3.3895313892515355e38),
    "float16": (-65504.0, 65504.0),
}
"""Smallest and largest finite numbers: ``nl.fp32.min`` and its like."""
_LIMIT_NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def library_of_import(path: str) -> Library | None:
    """The library that an import path names, None if it is not known."""
    library = LIBRARIES.get(path)
    return None if library is None else Library(library)


def attribute_of_library(value: Library | Named, name: str) -> Any:
    """``value.name``; None if nothing of that name is understood."""
    if isinstance(value, Library):
        submodule = SUBMODULES.get((value.library, name))
        return Library(submodule) if submodule else Named(value.library, name)
    if value == Named("nl", "tile_size"):
        return TILE_SIZES.get(name)
    if value.name in _LIMIT_NAMES and name in ("min", "max"):
        return LIMITS[_LIMIT_NAMES[value.name]][name == "max"]
    return Named(value.library, f"{value.name}.{name}")


def constant_of(value: Any) -> Any:
    """A name that stands for a type or a number is that; any other stays a name."""
    if not isinstance(value, Named):
        return value
    if value.library in ("nl", "np") and value.name in DTYPES:
        return DTYPES[value.name]
    if value.library == "nisa" and value.name in NC_VERSIONS:
        return NC_VERSIONS[value.name]
    numbers = {"inf": math.inf, "pi": math.pi, "e": math.e}
    if value.library in ("np", "math") and value.name in numbers:
        return numbers[value.name]
    return value


def operator_of(value: Any) -> Operator | None:
    """The operator that a name such as ``nl.add`` or ``np.maximum`` stands for."""
    if not isinstance(value, Named) or value.library not in ("nl", "np"):
        return None
    return OPERATORS.get(value.name)


def activation_of(value: Any) -> ActivationFunction | None:
    """The activation function that a name such as ``nl.exp`` stands for."""
    if not isinstance(value, Named) or value.library not in ("nl", "np"):
        return None
    return ACTIVATIONS.get(value.name)


def space_named(value: Any) -> str | None:
    """The memory that ``nl.sbuf`` and its like stand for."""
    if not isinstance(value, Named) or value.library != "nl":
        return None
    return SPACES.get(value.name.split(".")[0])
