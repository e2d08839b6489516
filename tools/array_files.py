"""Arrays that a simulation begins and ends with: from ``.npz`` files, or at random."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics import Diagnostic
from .read import read_arrays

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ArrayParameter:
    """An array parameter of a program."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def initial_arrays(parameters: Iterable[ArrayParameter], options: argparse.Namespace) -> Arrays:
    """Contents of all parameters: those of ``--inputs``, and random ones, from ``--seed``.

    Random integers have their full range, random floats are normal. Raises ``Diagnostic`` for an
    array that is no parameter.
    """
    given = read_arrays(options.inputs) if options.inputs is not None else {}
    generator = np.random.default_rng(options.seed)
    contents = {
        parameter.name: _as_type(given.pop(parameter.name), parameter.dtype)
        if parameter.name in given
        else _random(generator, parameter.shape, parameter.dtype)
        for parameter in parameters
    }
    if given:
        raise Diagnostic(
            f"{options.inputs}: no parameter {next(iter(given))!r}",
            hint=f"parameters: {', '.join(contents)}",
        )
    return contents


def write_arrays(arrays: Mapping[str, NDArray[Any]], options: argparse.Namespace) -> None:
    """Write ``--outputs``, if asked for; number formats that .npz lacks become float32."""
    if options.outputs is not None:
        stored = {
            name: array.astype(np.float32) if _is_extension(array.dtype) else array
            for name, array in arrays.items()
        }
        with options.outputs.open("wb") as file:  # a path would be given another name
            np.savez(file, allow_pickle=False, **stored)


def digest(array: NDArray[Any]) -> dict[str, Any]:
    """Shape, type and a hash of the contents."""
    content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": content}


def _is_extension(dtype: np.dtype[Any]) -> bool:
    """Whether NumPy itself lacks the type: bf16 and the 8-bit floats."""
    return dtype.kind == "V"


def _as_type(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array from a file as ``dtype``: only types that files cannot hold are converted to."""
    if not _is_extension(dtype) or array.dtype == dtype:
        return array
    if array.dtype.kind == "V" and array.dtype.itemsize == dtype.itemsize:
        return array.view(dtype)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _random(
    generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    if dtype.kind not in "iu":
        return generator.standard_normal(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
