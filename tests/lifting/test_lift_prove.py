"""Right lifts are proved; wrong ones are refuted with inputs that show it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.lifting.prove import lift_and_prove
from liftproof.lifting.tensors.numpy_view import numpy_function
from liftproof.validation.validate import validate
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

PROVED_FOR_ALL_SIZES = [
    "accumulator_ternary",
    "alpha_beta",
    "batched",
    "bicg",
    "bias_column",
    "bias_matrix_after",
    "bias_matrix_first",
    "bias_relu_scale",
    "bias_row_initialises",
    "conditional_sum",
    "count_positive",
    "direct_output",
    "doitgen",
    "elementwise",
    "fill",
    "first_iteration_tested",
    "float_gemm",
    "float_gemm_bias_relu",
    "fourth_power",
    "gesummv",
    "helper_saturate",
    "if_clamps",
    "if_else_stores",
    "int32_operands_wrap",
    "integer_shift_scaling",
    "jki_hoisted_operand",
    "kij_accumulates_in_place",
    "matrix_vector",
    "off_by_one_clamps",
    "one_by_one",
    "pool_by_hand",
    "row_buffer",
    "scale_then_integer_clamp",
    "separate_init_ikj",
    "single_column",
    "subtract_row_sum",
    "swap",
    "transposed_a",
    "transposed_b",
    "transposed_both_and_output",
    "truncation",
    "two_halves",
    "two_outputs",
    "unsigned_operand",
    "vector_matrix",
    "whole_buffer_three_nests",
]

PROVED_AT_LEAST_FOR_THESE_SIZES = [
    "blocked",
    "blocked_ragged",
    "convolution_1d",
    "convolution_2d",
    "dot_product",
    "downward_loops",
    "first_iteration_peeled",
    "half_and_half",
    "index_values",
    "last_column",
    "reverse",
    "unrolled_by_two",
    "window_sum",
]
"""Their loops fit together only for some sizes, such as multiples of the tile."""

WRONG_SUMMARIES = [
    ("bias_matrix_first", "constant 127 : i32", "constant 126 : i32"),
    ("bias_matrix_first", "constant 127 : i32", "constant 128 : i32"),
    ("bias_matrix_first", "constant -128 : i32", "constant -127 : i32"),
    ("bias_matrix_first", "constant -128 : i32", "constant 0 : i32"),
    ("bias_matrix_first", "arith.maxsi", "arith.minsi"),
    ("bias_matrix_first", "arith.muli", "arith.addi"),
    ("bias_matrix_first", "arith.extsi", "arith.extui"),
    ("accumulator_ternary", "constant 0 : i32", "constant 1 : i32"),
    ("truncation", "arith.muli", "arith.addi"),
    ("unsigned_operand", "arith.extui", "arith.extsi"),
    ("elementwise", "constant 32 : i32", "constant 31 : i32"),
    ("elementwise", "arith.cmpi sgt", "arith.cmpi sge"),
    ("elementwise", "arith.cmpi sgt", "arith.cmpi ugt"),
    ("outer_product", "arith.muli", "arith.subi"),
]

WRONG_REDUCTIONS = [
    ("bias_matrix_first", "arith.addi", "arith.subi"),
    ("kij_accumulates_in_place", "arith.addi", "arith.maxsi"),
    ("float_gemm", "arith.addf", "arith.subf"),
]


def parse_tensor_program(text: str) -> ModuleOp:
    """Parse tensor IR from text."""
    context = Context()
    for dialect in (Builtin, Func, Arith, Math, Linalg, Tensor):
        context.load_dialect(dialect)
    return Parser(context, text).parse_module()


def loops_of(name: str) -> ModuleOp:
    """Return the loop IR of a test kernel."""
    return parse_c_kernel((KERNELS / f"{name}.c").read_text(), f"{name}.c")


def run_numpy_view(module: ModuleOp, inputs: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """Run the NumPy view of a program and return its outputs."""
    namespace: dict[str, object] = {}
    exec(numpy_function(module), namespace)
    result = namespace["kernel"](*inputs)  # type: ignore[operator]
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", PROVED_FOR_ALL_SIZES)
def test_lift_is_proved_for_all_sizes(name: str) -> None:
    """Each spelling is proved equal to its lift, whatever the extents of the arrays."""
    result = lift_and_prove(loops_of(name))
    assert (result.verdict, result.method) == ("proved", "for all sizes"), result.reason
    assert result.obligations > 0


@pytest.mark.parametrize("name", PROVED_AT_LEAST_FOR_THESE_SIZES)
def test_lift_that_needs_its_sizes_is_proved_for_them(name: str) -> None:
    """A lift that holds for some sizes only is proved at least for those in the program."""
    result = lift_and_prove(loops_of(name))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.c")), ids=lambda path: path.stem)
def test_examples_are_proved(path: Path) -> None:
    """Every kernel that we ship has a proved lift."""
    result = lift_and_prove(parse_c_kernel(path.read_text(), path.name))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize(("name", "right", "wrong"), WRONG_SUMMARIES)
def test_wrong_summary_is_refuted_with_inputs_that_show_it(
    name: str, right: str, wrong: str
) -> None:
    """A changed summary is refuted, and a NumPy run of both confirms the counterexample."""
    loops = loops_of(name)
    lifted = lift(loops)
    text = str(lifted)
    if right not in text:
        pytest.fail(f"the summary of {name} does not contain {right!r}")
    changed = parse_tensor_program(text.replace(right, wrong, 1))
    changed.verify()
    result = validate(loops, changed)
    assert result.verdict == "refuted", result.reason
    assert result.counterexample is not None
    inputs = result.counterexample.inputs
    both = zip(run_numpy_view(lifted, inputs), run_numpy_view(changed, inputs), strict=True)
    assert any(not np.array_equal(a, b) for a, b in both)


@pytest.mark.parametrize(("name", "right", "wrong"), WRONG_REDUCTIONS)
def test_wrong_reduction_is_not_proved(name: str, right: str, wrong: str) -> None:
    """A summary that reduces by another operation is never accepted."""
    loops = loops_of(name)
    changed = parse_tensor_program(str(lift(loops)).replace(right, wrong, 1))
    assert validate(loops, changed).verdict != "proved"


def test_a_sum_is_not_proved_to_be_a_difference() -> None:
    """The lift of a kernel that subtracts is not accepted for the kernel that adds."""
    adds, subtracts = loops_of("kij_accumulates_in_place"), loops_of("subtracts")
    result = validate(adds, lift(subtracts))
    assert result.verdict == "refuted"


def test_result_tells_what_it_rests_on() -> None:
    """A result names its assumptions, its summary and the time that it took."""
    result = lift_and_prove(loops_of("accumulator_ternary"))
    assert result.summary == "matmul + saturate"
    assert any("overlap" in assumption for assumption in result.assumptions)
    assert result.seconds > 0


def test_a_sum_inside_a_function_is_decided_or_left_open() -> None:
    """A value that reads the same sum at every element ends in a verdict, not in an error."""
    kernel = Path(__file__).parent / "suites" / "llama" / "rmsnorm.c"
    verdict = lift_and_prove(parse_c_kernel(kernel.read_text(), kernel.name)).verdict
    assert verdict in ("proved", "unknown")


def test_fixed_point_multipliers_of_quantised_layers_are_proved() -> None:
    """The doubling high product that saturates, and the shift that rounds halves away from zero."""
    result = lift_and_prove(
        parse_c_kernel(
            """#include <stdint.h>
            static int32_t high(int32_t a, int32_t b) {
              int64_t ab = (int64_t)a * b;
              int32_t nudge = ab >= 0 ? (1 << 30) : (1 - (1 << 30));
              int32_t x = (int32_t)((ab + nudge) / (1ll << 31));
              return a == b && a == INT32_MIN ? INT32_MAX : x;
            }
            void k(const int32_t *a, const int32_t *m, int32_t *b, int n) {
              for (int i = 0; i < n; i++) {
                int32_t x = high(a[i], m[i]), rest = x & 255;
                b[i] = (x >> 8) + (rest > 127 + (x < 0 ? 1 : 0) ? 1 : 0);
              }
            }""",
            "f.c",
        )
    )
    assert result.verdict == "proved", result.reason


def test_a_sum_in_four_parts_is_one_sum() -> None:
    """Four accumulators that take turns, in a loop unrolled by hand, are a dot product."""
    parts = "".join(f"s{n} += a[i + {n}] * b[i + {n}]; " for n in range(4))
    text = f"""int dot(const signed char a[64], const signed char b[64]) {{
      int s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (int i = 0; i < 64; i += 4) {{ {parts} }}
      return s0 + s1 + s2 + s3; }}"""
    result = lift_and_prove(parse_c_kernel(text, "f.c"))
    assert (result.verdict, result.summary) == ("proved", "dot product")
