"""Hand-written kernels in several styles do in the simulator what NumPy says they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from liftproof.hw.gemmini.config import GemminiConfig, load_config
from liftproof.hw.gemmini.functional import run_function
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.machine_c import is_machine_c, read_machine_c
from numpy.typing import NDArray
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr

EXAMPLES = Path(__file__).parents[3] / "examples" / "machine_c"
FLAT = {"matmul_flat_pointers.c": ((48, 64), (64, 80))}
"""Shapes of the operands of kernels that see their arrays as one line of memory."""


def read(text: str, config: GemminiConfig | None = None) -> ModuleOp:
    module = read_machine_c(text, "kernel.c", config or load_config())
    module.verify()
    return module


def kernel(module: ModuleOp) -> func.FuncOp:
    function = module.body.block.first_op
    assert isinstance(function, func.FuncOp)
    return function


def random_arrays(module: ModuleOp, config: GemminiConfig) -> list[NDArray[Any]]:
    """Full-range int8 in every array; the bias stays small enough to show in the result."""
    _, layout = stream_of_module(module, config)
    random = np.random.default_rng(7)
    if not config.is_integer:
        return [random.integers(-4, 5, a.shape).astype(a.dtype) for a in layout.arrays]
    return [random.integers(-128, 128, a.shape).astype(a.dtype) for a in layout.arrays]


def saturated(exact: NDArray[np.int64], like: NDArray[Any]) -> NDArray[Any]:
    info = np.iinfo(like.dtype)
    return np.clip(exact, info.min, info.max).astype(like.dtype)


def warnings_of(module: ModuleOp) -> list[str]:
    found = kernel(module).attributes.get("liftproof.warnings", ArrayAttr([]))
    assert isinstance(found, ArrayAttr)
    return [warning.data for warning in found if isinstance(warning, StringAttr)]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.c")), ids=lambda path: path.stem)
def test_examples_multiply_matrices(path: Path) -> None:
    """Every example computes A·B (+ D), saturated to the type of C."""
    config, text = load_config(), path.read_text()
    assert is_machine_c(text)
    module = read(text)
    arrays = random_arrays(module, config)
    a, b = (array.astype(np.int64) for array in arrays[:2])
    if path.name in FLAT:
        a, b = (array.reshape(shape) for array, shape in zip((a, b), FLAT[path.name], strict=True))
    expected = a @ b
    if len(arrays) == 4:
        expected = expected + arrays[2]
    result = run_function(module, config, arrays)[-1]
    np.testing.assert_array_equal(result, saturated(expected.reshape(result.shape), result))


def test_examples_cover_the_styles() -> None:
    """There are at least a dozen examples, and loops that carry values are among them."""
    texts = [path.read_text() for path in EXAMPLES.glob("*.c")]
    assert len(texts) >= 12
    carried = [
        loop
        for text in texts
        for loop in read(text).walk()
        if isinstance(loop, scf.ForOp) and loop.iter_args
    ]
    assert carried


def test_swapped_buffers_need_no_carried_values() -> None:
    """Buffers that swap, toggle or lag become formulas of the iteration's number."""
    for name in ("matmul_swapped_buffers.c", "matmul_toggled.c"):
        module = read((EXAMPLES / name).read_text())
        assert not any(isinstance(op, scf.ForOp) and op.iter_args for op in module.walk())


def test_function_attributes_describe_the_kernel() -> None:
    """Parameters, C types, outputs and the source's name are those of the C function."""
    module = read((EXAMPLES / "matmul_helpers.c").read_text())
    attributes = kernel(module).attributes
    assert str(attributes["liftproof.parameters"]) == '["A", "B", "D", "C"]'
    kinds = ["const int8_t[64][64]"] * 2 + ["const int32_t[64][64]", "int8_t[64][64]"]
    assert attributes["liftproof.c_types"] == ArrayAttr([StringAttr(kind) for kind in kinds])
    assert str(attributes["liftproof.outputs"]) == "array<i64: 3>"
    assert str(attributes["liftproof.source"]) == '"kernel.c"'


def test_missing_fence_is_a_warning() -> None:
    """A kernel that does not end with a fence is read, with a warning."""
    text = (EXAMPLES / "matmul_toggled.c").read_text()
    assert warnings_of(read(text)) == []
    (warning,) = warnings_of(read(text.replace("  fence();\n", "")))
    assert warning.startswith("kernel.c:3:6: warning: the kernel does not end with a fence")


def test_negative_local_address_is_a_warning() -> None:
    """1 << 31 of type int is accepted as the accumulator, with a warning."""
    module = read(
        "void k(int8_t C[16][16]) { config_st(16); mvin(0, 1 << 31, 16, 16);"
        " mvout(&C[0][0], 1u << 31, 16, 16); fence(); }"
    )
    (warning,) = warnings_of(module)
    assert warning.startswith("kernel.c:1:53: warning: a negative local address")


def test_scale_and_activation_are_read() -> None:
    """ReLU and a constant scale reach the stores."""
    text = (EXAMPLES / "matmul_unrolled.c").read_text()
    module = read(
        text.replace("config_st(32, 1.0)", "gemmini_extended_config_st(32, RELU, 1.0 / 64)")
    )
    config = load_config()
    arrays = random_arrays(module, config)
    exact = arrays[0].astype(np.int64) @ arrays[1].astype(np.int64)
    expected = np.rint(np.maximum(exact, 0).astype(np.float32) / np.float32(64))
    result = run_function(module, config, arrays)[-1]
    np.testing.assert_array_equal(result, saturated(expected.astype(np.int64), result))


FLOAT_KERNEL = """
// y = -K·x - d on the 4×4 floating-point instance: 4 inputs, 12 states.
void forward(const elem_t K[4][12], const elem_t x[12][1], const elem_t d[4][1], elem_t y[4][1]) {
    config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, false, false);
    config_ld(12 * sizeof(elem_t), -1.0f, DIM, 0);
    config_ld(sizeof(elem_t), 1.0f, DIM, 1);
    config_ld(sizeof(elem_t), -1.0f, DIM, 2);
    config_st(sizeof(elem_t));
    const uint32_t acc = 1u << (ADDR_LEN - 1);
    mvin(K, 0, 12, 4);
    mvin3(d, acc, 1, 4);
    for (int tile = 0; tile < 12 / DIM; tile++) {
        mvin2(&x[tile * DIM][0], BANK_ROWS + tile * DIM, 1, DIM);
        preload(BANK_ROWS + tile * DIM, acc | 1 << 30, 1, DIM, 1, DIM);
        compute_preloaded(tile * DIM, GARBAGE_ADDR, DIM, DIM, DIM, DIM);
    }
    mvout(&y[0][0], acc, 1, 4);
    fence();
}
"""


def test_floating_point_configuration() -> None:
    """DIM, elem_t and the address constants follow the configuration."""
    config = load_config("gemmini-4x4-fp32")
    module = read(FLOAT_KERNEL, config)
    arrays = random_arrays(module, config)
    result = run_function(module, config, arrays)[-1]
    np.testing.assert_array_equal(result, -(arrays[0] @ arrays[1]) - arrays[2])


def test_library_call_covers_transposes_and_repeated_bias() -> None:
    """tiled_matmul_auto with both sizes ragged, A transposed, and one bias row for all rows."""
    module = read(
        """
        void k(const elem_t A[90][150], const elem_t B[90][70], const acc_t D[70],
               elem_t C[150][70]) {
            tiled_matmul_auto(150, 70, 90, A[0], B[0], D, C[0], 150, 70, 70, 70, 1.0, 1.0, 1.0,
                              RELU, 0.125, 0, true, true, false, false, false, 0, WS);
        }
        """
    )
    config = load_config()
    arrays = random_arrays(module, config)
    exact = arrays[0].T.astype(np.int64) @ arrays[1].astype(np.int64) + arrays[2]
    expected = np.rint(np.maximum(exact, 0).astype(np.float32) * np.float32(0.125))
    result = run_function(module, config, arrays)[-1]
    np.testing.assert_array_equal(result, saturated(expected.astype(np.int64), result))


def test_plain_kernels_are_not_machine_c() -> None:
    """Names of instructions in comments, strings or as variables do not make machine C."""
    for path in (EXAMPLES.parent).glob("*.c"):
        assert not is_machine_c(path.read_text()), path.name
    assert not is_machine_c("// mvin(A, 0, 16, 16);\nvoid k(int mvin) { mvin = 0; }")
    assert not is_machine_c("")
    assert is_machine_c("void k() { gemmini_extended_mvin (&A[0], 0, 1, 1); }")


def test_unrolled_kernels_of_a_thousand_products_are_read() -> None:
    """A generated body of 1 024 products has one operation per instruction."""
    lines = [
        f"preload({p % 64 * 16}, acc + {p % 32 * 16}, 16, 16, 16, 16);"
        f" compute_preloaded({4096 + p % 64 * 16}, GARBAGE_ADDR, 16, 16, 16, 16);"
        for p in range(1024)
    ]
    body = "\n".join(lines)
    text = (
        f"void k(int8_t C[16][16]) {{ uint32_t acc = 1u << 31;\n{body}\n mvout(C, acc, 16, 16); }}"
    )
    module = read(text)
    names = [op.name for op in module.walk()]
    assert names.count("gemmini.preload") == names.count("gemmini.compute_preloaded") == 1024
