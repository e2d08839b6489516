"""Every example kernel goes the whole road: lifted, scheduled, proven, and right on real data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.functional import run_function
from liftproof.lifting.c.frontend import read_c_kernel
from liftproof.lifting.prove import LiftResult, lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import baseline_pipeline, best_guess
from liftproof.validation.decide import decide
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

EXAMPLES = Path(__file__).parents[2] / "examples"
Arrays = list[NDArray[Any]]


def saturated(sums: NDArray[Any]) -> NDArray[np.int8]:
    return np.clip(sums, -128, 127).astype(np.int8)


def product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int32]:
    # Exact: sums of int8 products stay far below 2^53.
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int32)


def scaled(arrays: Arrays) -> NDArray[np.int8]:
    a, b, bias = arrays[:3]
    sums = np.maximum(product(a, b) + bias, 0)
    return saturated(np.rint(sums.astype(np.float32) * np.float32(1 / 64)))


REFERENCES = {
    "matmul_512": lambda x: saturated(product(x[0], x[1])),
    "matmul_1x1x1": lambda x: saturated(product(x[0], x[1])),
    "matmul_17x16x16": lambda x: saturated(product(x[0], x[1])),
    "matmul_12544x64x256": lambda x: saturated(product(x[0], x[1])),
    "matmul_784x1024x256": lambda x: saturated(product(x[0], x[1])),
    "matmul_bias_relu_scale_100x75x130": scaled,
    "matmul_transposed_a_80x48x112": lambda x: saturated(product(x[0].T, x[1])),
    "matmul_transposed_b_64x96x128": lambda x: saturated(product(x[0], x[1].T)),
    "matmul_int32_48x80x64": lambda x: x[2] + product(x[0], x[1]),
}


def strided(arrays: Arrays) -> NDArray[np.int8]:
    images, weights, bias = arrays[:3]
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (1, 2))[:, ::2, ::2]
    sums = np.einsum("nhwcrs,krsc->nhwk", windows.astype(np.int32), weights.astype(np.int32))
    return saturated(np.maximum(sums + bias, 0))


CONVOLUTIONS = {"conv_3x3_stride2_relu_9x9x20x24": strided}


@cache
def kernel(name: str) -> tuple[ModuleOp, LiftResult]:
    """The loops of an example, and its lift."""
    loops = read_c_kernel(EXAMPLES / f"{name}.c")
    return loops, lift_and_prove(loops)


def full_range(name: str) -> Arrays:
    """Random inputs over the whole range of each parameter's type."""
    loops, _ = kernel(name)
    generator = np.random.default_rng(7)
    function = next(iter(loops.body.ops))
    types = [argument.type for argument in function.regions[0].block.args]
    arrays: Arrays = []
    for array in types:
        bits = array.element_type.width.data
        dtype = np.dtype(f"int{bits}")
        # An int32 operand must leave room for the sum: overflow is undefined in C.
        limit = 2 ** (bits - 1) if bits == 8 else 2**24
        arrays.append(generator.integers(-limit, limit, array.get_shape()).astype(dtype))
    return arrays


@pytest.mark.parametrize("name", REFERENCES)
def test_lift_of_the_example_is_proved_for_all_sizes(name: str) -> None:
    """The tensor program equals the loops whatever the sizes."""
    _, lifted = kernel(name)
    assert (lifted.verdict, lifted.method) == ("proved", "for all sizes")


@pytest.mark.parametrize("schedule", ["default", "baseline"])
@pytest.mark.parametrize("name", REFERENCES | CONVOLUTIONS)
def test_scheduled_example_is_proved_and_computes_the_reference(name: str, schedule: str) -> None:
    """Validation proves the program, and the machine computes what NumPy computes."""
    config = load_config()
    loops, lifted = kernel(name)
    tensor_ir = str(lifted.module)
    pipeline = baseline_pipeline() if schedule == "baseline" else best_guess(tensor_ir)
    program = lower(tensor_ir, parse_pipeline(pipeline))
    validation = decide(loops, program, config=config)
    assert validation.verdict == "proved", validation.reason
    arrays = full_range(name)
    result = run_function(program, config, arrays)
    assert np.array_equal(result[-1], (REFERENCES | CONVOLUTIONS)[name](arrays))
