"""The functional simulator, one instruction at a time, against NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Run = Callable[..., Arrays]
F32 = np.float32


def normal(numbers: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return numbers.standard_normal(shape).astype(F32)


def zeros(*shape: int, dtype: Any = F32) -> NDArray[Any]:
    return np.zeros(shape, dtype)


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}


@pytest.mark.parametrize("operator", BINARY)
def test_tensor_tensor_computes_in_float32(
    operator: str, run_instruction: Run, numbers: np.random.Generator
) -> None:
    """Every operator of two tensors is NumPy's, in float32, for tiles of any free sizes."""
    x = np.round(normal(numbers, 96, 3, 5))
    y = np.round(normal(numbers, 96, 15))
    found = run_instruction(
        f"trn.tensor_tensor {operator} %x, %y to %z : {{x}}, {{y}}, {{z}}",
        {"x": x, "y": y, "z": zeros(96, 15)},
    )
    with np.errstate(all="ignore"):
        expected = BINARY[operator](x.reshape(96, 15), y).astype(F32)
    np.testing.assert_array_equal(found["z"], expected)


def test_results_are_rounded_to_the_target(
    run_instruction: Run, numbers: np.random.Generator
) -> None:
    """bf16 operands are added in float32, and the sum is rounded once."""
    x = normal(numbers, 128, 64).astype(ml_dtypes.bfloat16)
    y = normal(numbers, 128, 64)
    found = run_instruction(
        "trn.tensor_tensor add %x, %y to %z : {x}, {y}, {z}",
        {"x": x, "y": y, "z": zeros(128, 64, dtype=ml_dtypes.bfloat16)},
    )
    expected = (x.astype(F32) + y).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(found["z"], expected)


def test_integers_pass_through_float32_except_on_gpsimd(run_instruction: Run) -> None:
    """2²⁴ + 1 is not a float32: the vector engine loses it, GpSimd keeps it and wraps around."""
    x = np.full((4, 2), (1 << 24) + 1, np.int32)
    y = np.array([[0, 2**31 - 1]] * 4, np.int32)
    text = "trn.tensor_tensor add %x, %y to %z {{engine = #trn<engine ENGINE>}} : {x}, {y}, {z}"
    inputs = {"x": x, "y": y, "z": zeros(4, 2, dtype=np.int32)}
    rounded = run_instruction(text.replace("ENGINE", "dve"), inputs)["z"]
    exact = run_instruction(text.replace("ENGINE", "pool"), inputs)["z"]
    assert rounded[0].tolist() == [1 << 24, 2**31 - 1]
    assert exact[0].tolist() == [(1 << 24) + 1, -(2**31) + (1 << 24)]


@pytest.mark.parametrize(
    ("operator", "compute"),
    [
        ("bitwise_and", lambda x, y: x & y),
        ("bitwise_or", lambda x, y: x | y),
        ("bitwise_xor", lambda x, y: x ^ y),
        ("left_shift", lambda x, y: x << y),
        ("right_shift", lambda x, y: (x.view(np.uint32) >> y.view(np.uint32)).view(np.int32)),
    ],
)
def test_bitwise_operators_keep_the_bits(
    operator: str, compute: Callable[[Any, Any], Any], run_instruction: Run
) -> None:
    """Bitwise operators work on all 32 bits, with logical right shifts."""
    x = np.array([[0x12345679, -5, 2**31 - 1, 7]] * 32, np.int32)
    y = np.array([[4, 1, 31, 0]] * 32, np.int32)
    found = run_instruction(
        f"trn.tensor_tensor {operator} %x, %y to %z : {{x}}, {{y}}, {{z}}",
        {"x": x, "y": y, "z": zeros(32, 4, dtype=np.int32)},
    )
    np.testing.assert_array_equal(found["z"], compute(x, y))


def test_tensor_scalar_applies_two_operators(
    run_instruction: Run, numbers: np.random.Generator
) -> None:
    """(s - x) · 2, with one s per partition and the first operator reversed."""
    x, s = normal(numbers, 128, 40), normal(numbers, 128, 1)
    found = run_instruction(
        "trn.tensor_scalar subtract %x scalar0 %s : {s} to %z {{op1 = #trn<op multiply>,"
        " immediate1 = 2.0 : f32, reverse0}} : {x}, {z}",
        {"x": x, "s": s, "z": zeros(128, 40)},
    )
    np.testing.assert_array_equal(found["z"], (s - x) * F32(2))


def test_tensor_scalar_of_bits(run_instruction: Run) -> None:
    """A chain of bitwise operators with integer numbers."""
    x = np.arange(64, dtype=np.int32).reshape(32, 2)
    found = run_instruction(
        "trn.tensor_scalar left_shift %x to %z {{immediate0 = 3 : i32, op1 = #trn<op bitwise_or>,"
        " immediate1 = 1 : i32}} : {x}, {z}",
        {"x": x, "z": zeros(32, 2, dtype=np.int32)},
    )
    np.testing.assert_array_equal(found["z"], (x << 3) | 1)


def test_rsqrt_of_a_sum(run_instruction: Run, numbers: np.random.Generator) -> None:
    """An operator of one operand follows one of two, as layernorm uses it."""
    x = np.abs(normal(numbers, 128, 1))
    found = run_instruction(
        "trn.tensor_scalar add %x to %z {{immediate0 = 0.5 : f32, op1 = #trn<op rsqrt>}}"
        " : {x}, {z}",
        {"x": x, "z": zeros(128, 1)},
    )
    np.testing.assert_allclose(found["z"], 1 / np.sqrt(x + F32(0.5)), rtol=1e-6)


def test_scalar_tensor_tensor(run_instruction: Run, numbers: np.random.Generator) -> None:
    """(x - s) · y with one s per partition."""
    x, y, s = normal(numbers, 64, 9), normal(numbers, 64, 9), normal(numbers, 64, 1)
    found = run_instruction(
        "trn.scalar_tensor_tensor subtract multiply %x scalar0 %s : {s}, %y to %z : {x}, {y}, {z}",
        {"x": x, "y": y, "s": s, "z": zeros(64, 9)},
    )
    np.testing.assert_array_equal(found["z"], (x - s) * y)


def test_tensor_scalar_reduce(run_instruction: Run, numbers: np.random.Generator) -> None:
    """The reduction is of the results."""
    x = normal(numbers, 32, 100)
    found = run_instruction(
        "trn.tensor_scalar_reduce multiply maximum %x to %z, %r {{immediate0 = -1.0 : f32}}"
        " : {x}, {z}, {r}",
        {"x": x, "z": zeros(32, 100), "r": zeros(32, 1)},
    )
    np.testing.assert_array_equal(found["z"], -x)
    np.testing.assert_array_equal(found["r"][:, 0], (-x).max(axis=1))


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "copy": lambda x: x,
    "abs": np.abs,
    "arctan": np.arctan,
    "cos": np.cos,
    "erf": np.vectorize(math.erf),
    "exp": np.exp,
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "gelu_apprx_tanh": lambda x: (
        x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "log": np.log,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "reciprocal": lambda x: 1 / x,
    "relu": lambda x: np.maximum(x, 0),
    "rsqrt": lambda x: x**-0.5,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sign": np.sign,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "sin": np.sin,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "sqrt": np.sqrt,
    "square": np.square,
    "tanh": np.tanh,
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_activation(function: str, run_instruction: Run, numbers: np.random.Generator) -> None:
    """function(x · scale + bias), within the rounding of float32."""
    positive = function in ("log", "rsqrt", "sqrt", "reciprocal")
    x, b = normal(numbers, 48, 20), normal(numbers, 48, 1)
    if positive:
        x, b = np.abs(x), np.abs(b)
    found = run_instruction(
        f"trn.activation {function} %x bias %b : {{b}} to %z {{{{scale_immediate = 0.75 : f32}}}}"
        " : {x}, {z}",
        {"x": x, "b": b, "z": zeros(48, 20)},
    )
    argument = (x * F32(0.75) + b).astype(np.float64)
    np.testing.assert_allclose(found["z"], FUNCTIONS[function](argument), rtol=2e-7, atol=1e-8)


@pytest.mark.parametrize("function", ["erf", "gelu", "silu"])
def test_derivatives(function: str, run_instruction: Run, numbers: np.random.Generator) -> None:
    """The tables of derivatives hold the slopes of the functions."""
    x = normal(numbers, 8, 20)
    found = run_instruction(
        f"trn.activation {function}_dx %x to %z : {{x}}, {{z}}", {"x": x, "z": zeros(8, 20)}
    )
    wide, step = x.astype(np.float64), 1e-5
    slope = (FUNCTIONS[function](wide + step) - FUNCTIONS[function](wide - step)) / (2 * step)
    np.testing.assert_allclose(found["z"], slope, rtol=1e-5, atol=1e-6)


def test_activation_sums_its_results(run_instruction: Run, numbers: np.random.Generator) -> None:
    """Registers are reset, added to by two instructions, and read by the second."""
    x = normal(numbers, 128, 30)
    found = run_instruction(
        "trn.activation square %x to %z {{command = #trn<reduce_command reset_reduce>}} : {x}, {z}"
        "\ntrn.activation copy %x to %z sum to %r : {r} {{command = #trn<reduce_command reduce>}}"
        " : {x}, {z}",
        {"x": x, "z": zeros(128, 30), "r": zeros(128, 1)},
    )
    expected = (x.astype(np.float64) ** 2 + x).sum(axis=1)
    np.testing.assert_allclose(found["r"][:, 0], expected, rtol=1e-5, atol=1e-5)


def test_sums_that_were_never_reset_are_refused(run_instruction: Run) -> None:
    """The accumulation registers hold nothing at the start."""
    with pytest.raises(Diagnostic, match="registers that were never reset"):
        run_instruction(
            "trn.activation copy %x to %x sum to %r : {r}"
            " {{command = #trn<reduce_command reduce>}} : {x}, {x}",
            {"x": zeros(8, 4), "r": zeros(8, 1)},
        )


@pytest.mark.parametrize("operator", ["add", "multiply", "maximum", "minimum"])
def test_tensor_reduce(operator: str, run_instruction: Run, numbers: np.random.Generator) -> None:
    """The last two free dimensions are reduced, and the result is negated."""
    x = normal(numbers, 40, 3, 4, 5)
    found = run_instruction(
        f"trn.tensor_reduce {operator} %x axes 2 to %z {{{{negate}}}} : {{x}}, {{z}}",
        {"x": x, "z": zeros(40, 3)},
    )
    reduce = {"add": np.sum, "multiply": np.prod, "maximum": np.max, "minimum": np.min}
    expected = -reduce[operator](x.astype(np.float64), axis=(2, 3))
    np.testing.assert_allclose(found["z"], expected, rtol=1e-6)


def test_tensor_partition_reduce(run_instruction: Run, numbers: np.random.Generator) -> None:
    """Columns are added up over the partitions."""
    x = normal(numbers, 128, 33)
    found = run_instruction(
        "trn.tensor_partition_reduce add %x to %z : {x}, {z}", {"x": x, "z": zeros(1, 33)}
    )
    np.testing.assert_allclose(found["z"][0], x.sum(axis=0), rtol=1e-5, atol=1e-5)


def test_tensor_tensor_scan(run_instruction: Run, numbers: np.random.Generator) -> None:
    """r[i] = a[i] · r[i - 1] + b[i], rounded to float32 at each step."""
    a, b, start = normal(numbers, 16, 50), normal(numbers, 16, 50), normal(numbers, 16, 1)
    found = run_instruction(
        "trn.tensor_tensor_scan multiply add %a, %b initial %s : {s} to %z : {a}, {b}, {z}",
        {"a": a, "b": b, "s": start, "z": zeros(16, 50)},
    )
    running = start[:, 0]
    for place in range(50):
        running = a[:, place] * running + b[:, place]
        np.testing.assert_array_equal(found["z"][:, place], running)


def test_bn_stats_and_bn_aggr_give_mean_and_variance(
    run_instruction: Run, numbers: np.random.Generator
) -> None:
    """Two batches of different length are aggregated to the mean and variance of both."""
    x, y = normal(numbers, 128, 511), normal(numbers, 128, 64) + 3
    found = run_instruction(
        "%first = trn.view %s_buffer[0, 0] : memref<128x12xf32, #trn<space sbuf>> to"
        " !trn.view<sbuf, 128x6xf32>\n"
        "%second = trn.view %s_buffer[0, 6] : memref<128x12xf32, #trn<space sbuf>> to"
        " !trn.view<sbuf, 128x6xf32>\n"
        "trn.bn_stats %x to %first : {x}, !trn.view<sbuf, 128x6xf32>\n"
        "trn.bn_stats %y to %second : {y}, !trn.view<sbuf, 128x6xf32>\n"
        "trn.bn_aggr %s to %z : {s}, {z}",
        {"x": x, "y": y, "s": zeros(128, 12), "z": zeros(128, 2)},
    )
    both = np.concatenate([x, y], axis=1)
    np.testing.assert_allclose(found["z"][:, 0], both.mean(axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["z"][:, 1], both.var(axis=1), rtol=1e-4)


@pytest.mark.parametrize("engine", ["pe", "dve"])
def test_nc_transpose(engine: str, run_instruction: Run, numbers: np.random.Generator) -> None:
    """Both engines transpose; the tensor engine writes to PSUM."""
    rows, columns = (128, 100) if engine == "pe" else (32, 20)
    x = normal(numbers, rows, columns)
    found = run_instruction(
        f"trn.nc_transpose %x to %z {{{{engine = #trn<engine {engine}>}}}} : {{x}}, {{z}}",
        {"x": x, "z": zeros(columns, rows)},
        psum=("z",) if engine == "pe" else (),
    )
    np.testing.assert_array_equal(found["z"], x.T)


def test_copies_convert(run_instruction: Run) -> None:
    """A float becomes an integer by rounding half to even, and by clipping to its range."""
    x = np.array([[0.5, 1.5, -2.5, 300.0, -300.0, np.nan]], F32)
    found = run_instruction(
        "trn.tensor_copy %x to %z : {x}, {z}", {"x": x, "z": zeros(1, 6, dtype=np.int8)}
    )
    assert found["z"][0].tolist() == [0, 2, -2, 127, -128, 0]


def test_copies_between_equal_types_keep_the_bits(run_instruction: Run) -> None:
    """A 32-bit integer survives a copy, though it is not a float32."""
    x = np.full((128, 3), 0x7FFFFFF1, np.int32)
    found = run_instruction(
        "trn.tensor_copy %x to %z : {x}, {z}", {"x": x, "z": zeros(128, 3, dtype=np.int32)}
    )
    np.testing.assert_array_equal(found["z"], x)


@pytest.mark.parametrize("reverse", [False, True])
def test_tensor_copy_predicated(
    reverse: bool, run_instruction: Run, numbers: np.random.Generator
) -> None:
    """Only chosen elements are written."""
    x, z = normal(numbers, 64, 8), normal(numbers, 64, 8)
    predicate = numbers.integers(0, 2, (64, 8)).astype(np.uint8)
    flag = " {{reverse}}" if reverse else ""
    found = run_instruction(
        f"trn.tensor_copy_predicated %x, %p to %z{flag} : {{x}}, {{p}}, {{z}}",
        {"x": x, "p": predicate, "z": z},
    )
    chosen = (predicate == 0) if reverse else (predicate != 0)
    np.testing.assert_array_equal(found["z"], np.where(chosen, x, z))


def test_predicated_copies_leave_the_rest_unwritten(run_instruction: Run) -> None:
    """What the predicate leaves alone is still uninitialised, and reading it is refused."""
    with pytest.raises(Diagnostic, match=r"uninitialised memory: element \[0, 1\] .* %z_buffer"):
        run_instruction(
            "trn.tensor_copy_predicated %x, %p to %z : {x}, {p}, {z}",
            {
                "x": zeros(2, 2),
                "p": np.array([[1, 0], [1, 1]], np.uint8),
                "z": zeros(2, 2),
            },
            unwritten=("z",),
        )


def test_dynamic_copies(run_instruction: Run, numbers: np.random.Generator) -> None:
    """A start that a tile holds chooses the window of the source, and of the target."""
    x, index = normal(numbers, 128, 20), np.array([[7]], np.int32)
    found = run_instruction(
        "trn.tensor_copy_dynamic_src %x, %i to %y : {x}, {i}, {y}\n"
        "trn.tensor_copy_dynamic_dst %y, %i to %z : {y}, {i}, {z}",
        {"x": x, "i": index, "y": zeros(128, 5), "z": zeros(128, 20)},
    )
    expected = np.zeros((128, 20), F32)
    expected[:, 7:12] = x[:, 7:12]
    np.testing.assert_array_equal(found["z"], expected)


def test_a_dynamic_copy_out_of_bounds_is_refused(run_instruction: Run) -> None:
    """The window lies inside of the source."""
    with pytest.raises(Diagnostic, match="elements 18 to 22 of 20"):
        run_instruction(
            "trn.tensor_copy_dynamic_src %x, %i to %y : {x}, {i}, {y}",
            {"x": zeros(8, 20), "i": np.array([[18]], np.int32), "y": zeros(8, 5)},
        )


def test_reciprocal_and_memset(run_instruction: Run, numbers: np.random.Generator) -> None:
    """1 / x; and a number everywhere, in the type of the tile."""
    x = normal(numbers, 128, 4)
    found = run_instruction(
        "trn.reciprocal %x to %z : {x}, {z}\ntrn.memset %m to 2.5 : {m}",
        {"x": x, "z": zeros(128, 4), "m": zeros(128, 4, dtype=np.int16)},
        unwritten=("m",),
    )
    np.testing.assert_array_equal(found["z"], F32(1) / x)
    assert np.all(found["m"] == 2)


def test_dropout_drops_a_share_that_the_seed_chooses(
    run_instruction: Run, numbers: np.random.Generator
) -> None:
    """About the given share is 0, the same elements for the same seed, others for another."""
    x = np.abs(normal(numbers, 128, 100)) + 1
    text = "trn.dropout %x to %z seed SEED {{immediate0 = 0.25 : f32}} : {x}, {z}"
    results = [
        run_instruction(text.replace("SEED", seed), {"x": x, "z": zeros(128, 100)})["z"]
        for seed in ("1", "1", "2")
    ]
    np.testing.assert_array_equal(results[0], results[1])
    assert np.any(results[0] != results[2])
    assert np.all((results[0] == 0) | (results[0] == x))
    assert 0.22 < np.mean(results[0] == 0) < 0.28


def test_iota_numbers_elements(run_instruction: Run) -> None:
    """base + 100 p + 10 i - j."""
    found = run_instruction(
        "trn.iota to %z {{base = 5, partition_step = 100, steps = array<i64: 10, -1>}} : {z}",
        {"z": zeros(3, 4, 2, dtype=np.int32)},
        unwritten=("z",),
    )
    p, i, j = np.indices((3, 4, 2))
    np.testing.assert_array_equal(found["z"], 5 + 100 * p + 10 * i - j)


def test_affine_select_masks_a_triangle(run_instruction: Run, numbers: np.random.Generator) -> None:
    """The causal mask: elements with p - i ≥ 0 stay."""
    x = normal(numbers, 64, 64)
    found = run_instruction(
        "trn.affine_select greater_equal %x else -9.0 to %z {{partition_step = 1,"
        " steps = array<i64: -1>}} : {x}, {z}",
        {"x": x, "z": zeros(64, 64)},
    )
    np.testing.assert_array_equal(found["z"], np.where(np.tri(64, dtype=bool), x, F32(-9)))


def test_range_select(run_instruction: Run, numbers: np.random.Generator) -> None:
    """Positions between two bounds of each partition stay; the maximum is of the result."""
    x = normal(numbers, 32, 20)
    low = numbers.integers(0, 8, (32, 1)).astype(F32)
    high = low + 9
    found = run_instruction(
        "trn.range_select greater_equal less %x, %l, %h else -7.0 to %z max to %r : {r}"
        " {{start = 2}} : {x}, {l}, {h}, {z}",
        {"x": x, "l": low, "h": high, "z": zeros(32, 20), "r": zeros(32, 1)},
    )
    places = np.arange(20) + 2
    expected = np.where((places >= low) & (places < high), x, F32(-7))
    np.testing.assert_array_equal(found["z"], expected)
    np.testing.assert_array_equal(found["r"][:, 0], expected.max(axis=1))


def test_select_reduce(run_instruction: Run, numbers: np.random.Generator) -> None:
    """A predicate chooses between a tensor and a number per partition."""
    x, s = normal(numbers, 32, 20), normal(numbers, 32, 1)
    predicate = numbers.integers(0, 2, (32, 20)).astype(np.int32)
    found = run_instruction(
        "trn.select_reduce %x, %p else %s : {s} to %z max to %r : {r} : {x}, {p}, {z}",
        {"x": x, "p": predicate, "s": s, "z": zeros(32, 20), "r": zeros(32, 1)},
    )
    expected = np.where(predicate != 0, x, s)
    np.testing.assert_array_equal(found["z"], expected)
    np.testing.assert_array_equal(found["r"][:, 0], expected.max(axis=1))


def test_sequence_bounds(run_instruction: Run) -> None:
    """Runs of equal numbers have a start and an end; 0 is padding."""
    found = run_instruction(
        "trn.sequence_bounds %x to %z : {x}, {z}",
        {"x": np.array([[1, 1, 1, 2, 2, 0]], F32), "z": zeros(1, 2, 6)},
    )
    assert found["z"][0].tolist() == [[0, 0, 0, 3, 3, 6], [3, 3, 3, 5, 5, -1]]


def test_stream_shuffle(run_instruction: Run, numbers: np.random.Generator) -> None:
    """Each quadrant is permuted alike; 255 leaves a partition as it is."""
    x, z = normal(numbers, 64, 5), normal(numbers, 64, 5)
    mask = [*numbers.integers(0, 32, 31).tolist(), 255]
    found = run_instruction(
        f"trn.stream_shuffle %x to %z {{{{mask = array<i64: {', '.join(map(str, mask))}>}}}}"
        " : {x}, {z}",
        {"x": x, "z": z},
    )
    for partition in range(64):
        entry = mask[partition % 32]
        source = z[partition] if entry == 255 else x[partition - partition % 32 + entry]
        np.testing.assert_array_equal(found["z"][partition], source)


def test_a_shuffle_repeats_one_partition(
    run_instruction: Run, numbers: np.random.Generator
) -> None:
    """A mask of zeros copies the only partition of the source to part of a quadrant."""
    x = normal(numbers, 1, 5)
    found = run_instruction(
        f"trn.stream_shuffle %x to %z {{{{mask = array<i64: {', '.join('0' * 32)}>}}}}"
        " : {x}, {z}",
        {"x": x, "z": zeros(20, 5)},
    )
    np.testing.assert_array_equal(found["z"], np.repeat(x, 20, axis=0))


def test_local_gather(run_instruction: Run, numbers: np.random.Generator) -> None:
    """Groups of 16 partitions share indices, which run down their partitions first."""
    x = normal(numbers, 32, 40)
    index = numbers.integers(0, 20, (32, 2)).astype(np.uint16)
    found = run_instruction(
        "trn.local_gather %x, %i to %z {{count = 20, run = 2}} : {x}, {i}, {z}",
        {"x": x, "i": index, "z": zeros(32, 40)},
    )
    for partition in range(32):
        group = index[partition // 16 * 16 :][:16].flatten(order="F")[:20]
        expected = np.concatenate([x[partition, 2 * n : 2 * n + 2] for n in group])
        np.testing.assert_array_equal(found["z"][partition], expected)


def test_searches(run_instruction: Run) -> None:
    """The 8 largest, their positions (one per occurrence), and the row without them."""
    x = np.array([[3, 1, 9, 3, 7, 3, 2, 8, 6, 5, 0, 4]], F32)
    found = run_instruction(
        "trn.max8 %x to %m : {x}, {m}\n"
        "trn.find_index8 %x, %m to %i : {x}, {m}, {i}\n"
        "trn.match_replace8 %x, %m by -1.0 to %z indices to %j : {j} : {x}, {m}, {z}\n"
        "trn.topk %x to %t, %k : {x}, {t}, {k}",
        {
            "x": x,
            "m": zeros(1, 8),
            "i": zeros(1, 8, dtype=np.uint16),
            "z": zeros(1, 12),
            "j": zeros(1, 8, dtype=np.int32),
            "t": zeros(1, 3),
            "k": zeros(1, 3, dtype=np.uint32),
        },
    )
    assert found["m"][0].tolist() == [9, 8, 7, 6, 5, 4, 3, 3]
    assert found["i"][0].tolist() == [2, 7, 4, 8, 9, 11, 0, 3]
    assert found["j"][0].tolist() == found["i"][0].tolist()
    assert found["z"][0].tolist() == [-1, 1, -1, -1, -1, 3, 2, -1, -1, -1, 0, -1]
    assert found["t"][0].tolist() == [9, 8, 7]
    assert found["k"][0].tolist() == [2, 7, 4]


def test_a_value_that_is_not_there_has_the_largest_index(run_instruction: Run) -> None:
    """65535 stands for "not found" in 16 bits."""
    found = run_instruction(
        "trn.find_index8 %x, %v to %i : {x}, {v}, {i}",
        {
            "x": np.arange(8, dtype=F32)[None],
            "v": np.array([[0, 99, 1, 2, 3, 4, 5, 6]], F32),
            "i": zeros(1, 8, dtype=np.uint16),
        },
    )
    assert found["i"][0].tolist() == [0, 65535, 1, 2, 3, 4, 5, 6]
