"""C kernels in many spellings are lifted, and the lifted program computes what gcc's code does."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.lifting.tensors.describe import describe
from liftproof.lifting.tensors.numpy_view import numpy_function, numpy_view
from liftproof.validation.execution.execute import execute
from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.linalg import Linalg
from xdsl.dialects.math import Math
from xdsl.dialects.tensor import Tensor
from xdsl.parser import Parser

KERNELS = Path(__file__).parent / "lift_kernels"
EXAMPLES = Path(__file__).parents[2] / "examples"

SUMMARIES = {
    "accumulator_ternary": "matmul + saturate",
    "all_but_last": "copy + written to a part",
    "alpha_beta": "matmul + element-wise map",
    "alternating_sum": "sum reduction",
    "atax_fused": "matrix-vector product (A transposed)",
    "axpy": "element-wise map",
    "batched": "contraction ijl,ilk->ijk",
    "bias_column": "matmul + bias",
    "bias_matrix_after": "matmul + bias + saturate",
    "bias_matrix_first": "matmul + bias + saturate",
    "bias_relu_scale": "matmul + bias + relu + scale 1/64 + saturate",
    "bias_row_after": "matmul + bias",
    "bias_row_initialises": "matmul + bias",
    "bicg": "matrix-vector product; matrix-vector product",
    "blocked": "matmul",
    "blocked_ragged": "matmul",
    "conditional_sum": "sum reduction",
    "convolution_1d": "convolution",
    "convolution_2d": "convolution",
    "count_positive": "sum reduction",
    "diagonal": "copy",
    "direct_output": "matmul",
    "doitgen": "contraction ijl,lk->ijk",
    "dot_product": "dot product",
    "downward_loops": "matmul",
    "elementwise": "element-wise map",
    "fill": "fill",
    "first_iteration_peeled": "matmul",
    "first_iteration_tested": "matmul",
    "float_gemm": "matmul",
    "float_gemm_bias_relu": "matmul + bias + relu",
    "fourth_power": "element-wise map",
    "gesummv": "matrix-vector product + matrix-vector product + element-wise map",
    "guarded_shift": "copy + written to a part",
    "half_and_half": "matmul",
    "helper_saturate": "matmul + saturate",
    "if_clamps": "matmul + saturate",
    "if_else_stores": "matmul + saturate",
    "index_values": "element-wise map",
    "int32_operands_wrap": "matmul",
    "integer_shift_scaling": "matmul + element-wise map",
    "jacobi_step": "element-wise map + written to a part",
    "jki_hoisted_operand": "matmul",
    "kij_accumulates_in_place": "matmul + bias",
    "last_column": "copy",
    "last_iteration_stores": "matmul + saturate",
    "linearised": "matmul",
    "matrix_vector": "matrix-vector product",
    "narrow_accumulator": "matmul + truncate to i8",
    "off_by_one_clamps": "matmul + saturate",
    "one_by_one": "matmul + saturate",
    "outer_product": "element-wise map",
    "pair_maximum": "element-wise map",
    "pool_by_hand": "element-wise map",
    "product": "product reduction + constant bias",
    "read_before_overwrite": "fill + written to a part; copy",
    "reverse": "copy",
    "row_buffer": "matmul + saturate",
    "row_maximum": "maximum reduction + bias",
    "saturating_accumulator": "element-wise map",
    "scaled_accumulator_with_sum": "sum reduction + element-wise map",
    "scale_then_integer_clamp": "matmul + scale 1/64 + relu + saturate",
    "separate_init_ikj": "matmul",
    "shifted_with_first": "copy + written to a part",
    "single_column": "matmul",
    "stencil_with_border": "element-wise map + written to a part",
    "subtract_row_sum": "sum reduction + element-wise map",
    "subtracts": "matmul + element-wise map",
    "sum_of_inner_sum": "matrix-vector product; sum reduction + bias",
    "swap": "copy; copy",
    "symbolic_sizes": "matmul + saturate",
    "total_sum": "sum reduction",
    "transposed_a": "matmul (A transposed)",
    "transposed_b": "matmul (B transposed)",
    "transposed_both_and_output": "matmul",
    "triangular_sum": "sum reduction",
    "truncation": "matmul + truncate to i8",
    "two_accumulators": "matmul",
    "two_halves": "element-wise map",
    "two_matmuls": "matmul; matmul",
    "two_outputs": "add 1; add 1 + scale 2",
    "unrolled_by_two": "matmul",
    "unsigned_operand": "matmul",
    "vector_matrix": "matrix-vector product",
    "whole_buffer_three_nests": "matmul + saturate",
    "window_sum": "sum reduction",
}

SCALARS = {"m": 7, "n": 5, "p": 9, "alpha": 3, "beta": -2, "v": 4}


def parse_tensor_program(text: str) -> ModuleOp:
    """Parse tensor IR from text."""
    context = Context()
    for dialect in (Builtin, Func, Arith, Math, Linalg, Tensor):
        context.load_dialect(dialect)
    return Parser(context, text).parse_module()


def declared_parameters(text: str) -> list[tuple[str, str, list[str]]]:
    """Return element type, name and extents of each parameter of ``kernel``."""
    match = re.search(r"void kernel\(([^)]*)\)", text)
    assert match is not None
    found: list[tuple[str, str, list[str]]] = []
    for parameter in match[1].split(","):
        words = re.match(r"\s*(?:const )?(\w+) (\w+)(.*)", parameter)
        assert words is not None
        found.append((words[1], words[2], re.findall(r"\[([^\]]*)\]", words[3])))
    return found


def element_type(name: str) -> np.dtype:
    """Return the NumPy type of a C type."""
    named = {"int": "int32", "float": "float32", "double": "float64"}
    return np.dtype(named.get(name, name.removesuffix("_t")))


def random_arguments(text: str, seed: int) -> list[np.ndarray | int]:
    """Return arguments with contents over the whole range of integer types.

    Floats are small whole numbers, so that sums of products are exact in any order.
    """
    random = np.random.default_rng(seed)
    macros = {n: int(v) for n, v in re.findall(r"#define (\w+) (\d+)$", text, re.MULTILINE)}
    arguments: list[np.ndarray | int] = []
    for type_name, name, extents in declared_parameters(text):
        if not extents:
            arguments.append(SCALARS[name])
            continue
        sizes = macros | SCALARS
        shape = [eval_extent(extent, sizes) for extent in extents]
        kind = element_type(type_name)
        if kind.kind == "f":
            arguments.append(random.integers(-8, 9, shape).astype(kind))
        else:
            low, high = np.iinfo(kind).min, np.iinfo(kind).max
            bound = 1 << 20
            arguments.append(
                random.integers(max(low, -bound), min(high, bound), shape, kind, endpoint=True)
            )
    return arguments


def eval_extent(extent: str, sizes: dict[str, int]) -> int:
    """Return an extent such as ``20``, ``M``, ``M * K`` or ``N - 3`` as a number."""
    first, *rest = (sizes.get(word) or word for word in extent.split())
    value = int(first)
    for sign, operand in zip(rest[::2], rest[1::2], strict=True):
        number = int(operand)
        value = {"*": value * number, "-": value - number, "/": value // number}[str(sign)]
    return value


def run_with_gcc(text: str, arguments: list[np.ndarray | int], folder: Path) -> list[np.ndarray]:
    """Compile the C text, run ``kernel`` on copies of the arguments, and return the arrays."""
    source, library = folder / "kernel.c", folder / "kernel.so"
    source.write_text(text)
    command = ["gcc", "-O0", "-fwrapv", "-shared", "-fPIC", "-o", library, source, "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    ctypes.CDLL(str(library)).kernel(
        *(
            c.ctypes.data_as(ctypes.c_void_p) if isinstance(c, np.ndarray) else ctypes.c_int(c)
            for c in copies
        )
    )
    return [c for c in copies if isinstance(c, np.ndarray)]


def run_numpy_view(module: ModuleOp, arguments: list[np.ndarray | int]) -> list[np.ndarray]:
    """Run the NumPy view of a lifted kernel and return its outputs."""
    namespace: dict[str, object] = {}
    exec(numpy_function(module), namespace)
    result = namespace["kernel"](*arguments)  # type: ignore[operator]
    return list(result) if isinstance(result, tuple) else [result]


def run_lifted(module: ModuleOp, arguments: list[np.ndarray | int]) -> list[np.ndarray]:
    """Run a lifted program: its NumPy view, or by definition where it has none."""
    try:
        return run_numpy_view(module, arguments)
    except Diagnostic:
        arrays = [np.asarray(a, a.dtype if isinstance(a, np.ndarray) else "i4") for a in arguments]
        contents = execute(module, arrays, load_config())
        positions = module.body.block.first_op.attributes["liftproof.outputs"].get_values()
        return [contents[position] for position in positions]


def assert_same_as_gcc(text: str, module: ModuleOp, folder: Path) -> None:
    """Fail unless the lifted program gives the outputs of the compiled C, element by element."""
    written = re.findall(r"(const )?\w+ \w+\[", text[text.index("void kernel") :].split(")")[0])
    arguments = random_arguments(text, seed=len(text))
    arrays = run_with_gcc(text, arguments, folder)
    outputs = run_lifted(module, arguments)
    expected = [array for array, const in zip(arrays, written, strict=True) if not const]
    assert len(outputs) == len(expected)
    for output, reference in zip(outputs, expected, strict=True):
        assert output.dtype == reference.dtype
        np.testing.assert_array_equal(output, reference)


@pytest.mark.parametrize("name", sorted(SUMMARIES))
def test_summary_of_a_kernel(name: str) -> None:
    """Each spelling of a computation is lifted to the same short program."""
    text = (KERNELS / f"{name}.c").read_text()
    module = lift(parse_c_kernel(text, f"{name}.c"))
    assert describe(module) == SUMMARIES[name]


@pytest.mark.parametrize("name", sorted(SUMMARIES))
def test_lifted_kernel_computes_what_gcc_computes(name: str, tmp_path: Path) -> None:
    """The NumPy view of a lifted kernel equals the compiled C on random contents."""
    text = (KERNELS / f"{name}.c").read_text()
    assert_same_as_gcc(text, lift(parse_c_kernel(text, f"{name}.c")), tmp_path)


def test_every_kernel_file_is_used() -> None:
    """Each file of the folder has an expected summary."""
    assert {path.stem for path in KERNELS.glob("*.c")} == set(SUMMARIES)


@pytest.mark.parametrize("name", sorted(SUMMARIES))
def test_lifted_kernel_is_valid_text(name: str) -> None:
    """A lifted program verifies, and reads back from its text as itself."""
    text = (KERNELS / f"{name}.c").read_text()
    module = lift(parse_c_kernel(text, f"{name}.c"))
    module.verify()
    again = parse_tensor_program(str(module))
    again.verify()
    assert again.is_structurally_equivalent(module)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.c")), ids=lambda path: path.stem)
def test_examples_are_lifted(path: Path) -> None:
    """Every kernel that we ship is lifted to a matrix product or a convolution."""
    module = lift(parse_c_kernel(path.read_text(), path.name))
    module.verify()
    assert describe(module).startswith(("matmul", "convolution"))


def test_numpy_summary_reads_like_the_definition() -> None:
    """The summary of a saturating GEMM is the expression that a person would write."""
    text = (KERNELS / "bias_relu_scale.c").read_text()
    assert numpy_view(lift(parse_c_kernel(text, "k.c"))) == (
        "np.clip(np.rint(np.maximum(D + A.astype(np.int32) @ B.astype(np.int32), 0)"
        ".astype(np.float32) * 0.015625), -128.0, 127.0).astype(np.int8)"
    )


def test_shared_values_are_computed_once_in_the_summary() -> None:
    """A value that is needed twice gets a name, in the expression and in the function."""
    text = (KERNELS / "two_matmuls.c").read_text()
    module = lift(parse_c_kernel(text, "k.c"))
    assert numpy_view(module).count("B.astype") == 1
    assert "t1 = A.astype(np.int32) @ B.astype(np.int32)\n" in numpy_function(module)


def test_lifting_does_not_depend_on_sizes() -> None:
    """Kernels of sizes 1 and 12544 x 64 x 256 have the same summary, found as fast."""
    text = (EXAMPLES / "matmul_12544x64x256.c").read_text()
    small = re.sub(r"#define (\w+) \d+$", r"#define \1 1", text, flags=re.MULTILINE)
    modules = [lift(parse_c_kernel(source, "k.c")) for source in (text, small)]
    assert numpy_view(modules[0]) == numpy_view(modules[1])
