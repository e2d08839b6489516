"""ISA IR, unrolled: machine C that no loop-level proof covers, and agreement where both apply."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c import read_machine_c
from liftproof.validation.trace.api import validate_unrolled
from liftproof.validation.validate import validate

EXAMPLES = Path(__file__).parents[3] / "examples" / "machine_c"
SIZES = {
    "matmul_backwards": (48, 48, 48),
    "matmul_hardware_loop": (123, 40, 80),
    "matmul_lookup_tables": (64, 32, 64),
    "matmul_pipelined": (128, 128, 128),
    "matmul_ragged_rows": (28, 60, 40),
    "matmul_swapped_buffers": (96, 64, 128),
    "matmul_toggled": (64, 64, 64),
    "matmul_uneven_steps": (80, 16, 32),
    "matmul_unrolled": (16, 32, 64),
}


def product(m: int, n: int, k: int, parameter: str = "", element: str = "A[i][k]"):
    parameter = parameter or f"A[{m}][{k}]"
    return parse_c_kernel(
        f"""#include <stdint.h>
        void matmul(const int8_t {parameter}, const int8_t B[{k}][{n}], int8_t C[{m}][{n}]) {{
          for (int i = 0; i < {m}; i++)
            for (int j = 0; j < {n}; j++) {{
              int32_t sum = 0;
              for (int k = 0; k < {k}; k++) sum += {element} * B[k][j];
              C[i][j] = sum > 127 ? 127 : sum < -128 ? -128 : sum;
            }}
        }}""",
        "matmul.c",
    )


@pytest.mark.parametrize("name", SIZES)
def test_hand_written_kernels_are_proved_and_both_engines_agree(name, config):
    """Toggled buffers, tables, unrolled bodies, hardware loops: proved; no engine contradicts."""
    text = (EXAMPLES / f"{name}.c").read_text()
    target, source = read_machine_c(text, f"{name}.c", config), product(*SIZES[name])
    result = validate_unrolled(source, target, config)
    assert (result.verdict, result.reason) == ("proved", "")
    assert validate(source, target, config=config).verdict in ("proved", "unknown")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(k > 0) << 30", "(k > 16) << 30"),
        ("i += DIM", "i += 2 * DIM"),
        ("b_sp = BANK_ROWS", "b_sp = 8"),
    ],
)
def test_both_engines_refute_broken_kernels(old, new, config):
    """A broken toggled kernel is refuted by both engines, or one does not decide it."""
    text = (EXAMPLES / "matmul_toggled.c").read_text()
    assert old in text
    source = product(64, 64, 64)
    target = read_machine_c(text.replace(old, new), "broken.c", config)
    assert validate_unrolled(source, target, config).verdict == "refuted"
    assert validate(source, target, config=config).verdict in ("refuted", "unknown")


def test_what_the_source_assumes_is_assumed(config):
    """How much a pointer points to is an assumption of the C front end, and of the proof."""
    text = (EXAMPLES / "matmul_unrolled.c").read_text()
    source = product(16, 32, 64, "*A", "A[64 * i + k]")
    result = validate_unrolled(source, read_machine_c(text, "matmul_unrolled.c", config), config)
    assert (result.verdict, result.reason) == ("proved", "")
    assert "'A' points to 16 × 64 elements" in result.assumptions


def test_a_missing_fence_is_reported(config):
    """A kernel that ends without a fence is right in order only."""
    text = (EXAMPLES / "matmul_toggled.c").read_text().replace("fence();", "")
    target = read_machine_c(text, "unfenced.c", config)
    result = validate_unrolled(product(64, 64, 64), target, config)
    assert result.verdict == "refuted"
    assert "hazard: stores to C without a fence" in result.reason


def test_a_program_that_is_too_large_is_not_refuted(config):
    """A limit of the unroller is no fault of the program: the verdict stays open."""
    text = (EXAMPLES / "matmul_toggled.c").read_text()
    body = text.replace("fence();", "for (int n = 0; n < 1 << 27; n++) flush(0);\n    fence();")
    source = product(64, 64, 64)
    target = read_machine_c(body.replace("flush(0)", "gemmini_flush(0)"), "large.c", config)
    result = validate_unrolled(source, target, config)
    assert result.verdict == "unknown"
    assert "more than" in result.reason
