"""Public NKI kernels, read and run: the functional simulator agrees with NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import parameters_of, run
from liftproof.lifting.nki import parse_shapes, read_nki
from numpy.typing import NDArray

KERNELS = Path(__file__).parents[3] / "benchmarks/trainium/kernels"
Float = NDArray[np.float64]


def run_kernel(
    name: str,
    shapes: list[str],
    numbers: np.random.Generator,
    signs: Mapping[str, int] = MappingProxyType({}),
) -> tuple[list[Float], Float]:
    """The kernel's random inputs and its result, in float64; the result is the last parameter.

    Inputs in ``signs`` are all positive (1) or all negative (-1).
    """
    path = KERNELS / f"{name}.py"
    module = read_nki(path.read_text(encoding="utf-8"), str(path), parse_shapes(shapes))
    function = kernel_function(module)
    parameters = parameters_of(function)
    arrays: dict[str, NDArray[Any]] = {
        parameter.name: numbers.standard_normal(parameter.shape).astype(parameter.dtype)
        for parameter in parameters
    }
    for signed, sign in signs.items():
        arrays[signed] = np.abs(arrays[signed]) * arrays[signed].dtype.type(sign)
    found = run(function, load_config("trainium1"), arrays)
    *inputs, result = [parameter.name for parameter in parameters]
    return [arrays[name].astype(np.float64) for name in inputs], found[result].astype(np.float64)


@pytest.mark.parametrize("name", ["matmul_tiled", "matmul_hoist_load", "matmul_block_free"])
def test_matmul(name: str, numbers: np.random.Generator) -> None:
    """The tutorial's products, whose results are rounded to bf16."""
    shapes = ["lhsT=128x256:bf16", "rhs=128x1024:bf16"]
    (left, right), result = run_kernel(name, shapes, numbers)
    np.testing.assert_allclose(result, left.T @ right, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("name", ["layernorm_v1", "layernorm_v2"])
@pytest.mark.parametrize("rows", [128, 200])
def test_layernorm(name: str, rows: int, numbers: np.random.Generator) -> None:
    """The tutorial's layer normalisations, with and without bn_stats, also with a ragged tile."""
    shapes = [f"input_tensor={rows}x512:f32", "gamma_vector=512:f32", "beta_vector=512:f32"]
    (x, gamma, beta), result = run_kernel(name, shapes, numbers)
    deviation = x - x.mean(axis=1, keepdims=True)
    expected = deviation / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) * gamma + beta
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mamba_v1", "mamba_v2", "mamba_v3"])
def test_mamba(name: str, numbers: np.random.Generator) -> None:
    """The tutorial's selective scans, in three loop orders."""
    channels, steps, states = 128, 512, 2
    shapes = [
        f"delta=1x{channels}x{steps}:f32",
        f"u=1x{channels}x{steps}:f32",
        f"A={channels}x{states}:f32",
        f"B=1x{states}x{steps}:f32",
        f"C=1x{states}x{steps}:f32",
    ]
    # The scan stays bounded where delta · A is negative.
    inputs, result = run_kernel(name, shapes, numbers, {"delta": 1, "A": -1})
    delta, u, a, b, c = (array if array.ndim == 2 else array[0] for array in inputs)
    state = np.zeros((channels, states))
    expected = np.zeros((channels, steps))
    for step in range(steps):
        decay = np.exp(delta[:, step, None] * a)
        state = decay * state + (delta[:, step] * u[:, step])[:, None] * b[:, step]
        expected[:, step] = state @ c[:, step]
    np.testing.assert_allclose(result[0], expected, rtol=1e-3, atol=1e-3)
