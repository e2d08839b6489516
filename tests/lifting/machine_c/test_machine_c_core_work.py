"""Programs whose core computes from arrays between instructions: helpers on vectors, im2col."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.dialects.gemmini import FenceOp
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c.reader import read_machine_c
from liftproof.passes.emission.emit_c import emit_c
from liftproof.validation.chains.prove import validate_chain
from liftproof.validation.decide import decide
from liftproof.validation.execution.execute import execute
from liftproof.validation.validate import PreparedSource, prepare

CONTROL = Path(__file__).parents[3] / "examples" / "control"
FLOATS, BYTES = load_config("gemmini-4x4-fp32"), load_config()
FORWARD = (CONTROL / "forward_pass_with_library.c").read_text()


@cache
def forward_pass() -> PreparedSource:
    text = (CONTROL / "forward_pass.c").read_text()
    return prepare(parse_c_kernel(text, "forward_pass.c"), FLOATS)


def test_helpers_on_vectors_are_proved_with_the_products_between() -> None:
    """A control kernel as a library's user writes it; its emitted C is the same program again."""
    module = read_machine_c(FORWARD, "forward.c", FLOATS)
    assert decide(forward_pass(), module, config=FLOATS).verdict == "proved"
    again = read_machine_c(emit_c(module), "again.c", FLOATS)
    streams = [stream_of_module(each, FLOATS)[0] for each in (module, again)]
    for column in ("funct", "rs1", "rs2"):
        assert np.array_equal(*(getattr(stream, column) for stream in streams))
    assert decide(forward_pass(), again, config=FLOATS).verdict == "proved"


WRONG = {
    "sign": ("out[i] = -in[i];", "out[i] = in[i];"),
    "operand": ("subtract(Kx, d[t]", "subtract(Kx, d[0]"),
    "element": ("next[j] = Ax[j] + Bu[j]", "next[j] = Ax[j] + Bu[0]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_work_of_the_core_is_refuted(name: str) -> None:
    """What the core computes between the products counts."""
    old, new = WRONG[name]
    assert old in FORWARD
    module = read_machine_c(FORWARD.replace(old, new), "forward.c", FLOATS)
    result = decide(forward_pass(), module, config=FLOATS)
    assert result.verdict == "refuted"
    assert result.explanation.instruction_place.startswith("forward.c:")


def test_the_core_waits_at_a_fence_for_what_it_reads() -> None:
    """Without fences behind the products, nothing is proved."""
    module = read_machine_c(FORWARD, "forward.c", FLOATS)
    for fence in [op for op in module.walk() if isinstance(op, FenceOp)]:
        fence.detach()
    result = validate_chain(forward_pass(), module, FLOATS)
    assert result.verdict == "unknown"
    assert "without a fence before" in result.reason


IM2COL = """#include "gemmini.h"
static elem_t patches[16][8];
void f(const elem_t in[17], elem_t out[16][8]) {
  gemmini_config_ld(8);
  gemmini_config_st(8);
  for (int y = 0; y < 16; y++) {
    int n = 0;
    for (int k = 0; k < 2; k++) patches[y][n++] = in[y + k];
    while (n < 8) patches[y][n++] = 0;
  }
  gemmini_extended_mvin(patches, 0, 8, 16);
  gemmini_extended_mvout(out, 0, 8, 16);
  gemmini_fence();
}
"""


def test_the_core_fills_an_array_that_the_accelerator_reads() -> None:
    """Bytes that the core gathers reach the accelerator; counters inside are its own."""
    module = read_machine_c(IM2COL, "f.c", BYTES)
    line = np.arange(17, dtype=np.int8)
    wanted = np.zeros((16, 8), np.int8)
    wanted[:, 0], wanted[:, 1] = line[:16], line[1:]
    assert np.array_equal(execute(module, [line, np.zeros_like(wanted)], BYTES)[-1], wanted)


@pytest.mark.parametrize("kind", ["static", "static const"])
def test_helpers_on_arrays_see_constants_of_the_file_only(kind: str) -> None:
    """A variable of the file may have changed before the core works; a constant has not."""
    text = f"""#include "gemmini.h"
    {kind} int shift = 1;
    static void halve(const elem_t *a, elem_t *b) {{
      for (int i = 0; i < 16; i++) b[i] = a[i] >> shift;
    }}
    void f(const elem_t in[16], elem_t out[16]) {{
      {"shift = 2;" if kind == "static" else ""}
      halve(in, out);
      gemmini_fence();
    }}"""
    if kind == "static":
        with pytest.raises(Diagnostic, match="'shift' is not declared"):
            read_machine_c(text, "f.c", BYTES)
        return
    line = np.arange(16, dtype=np.int8)
    module = read_machine_c(text, "f.c", BYTES)
    assert np.array_equal(execute(module, [line, 0 * line], BYTES)[-1], line >> 1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("int s = 0; for (int i = 0; i < 17; i++) s += in[i];", "'s' changes where"),
        ("elem_t *p = out[0]; for (int i = 0; i < 9; i++) *p++ = in[i];", "'p' changes where"),
        ("int s = in[0]; gemmini_mvin(in, s);", "the core reads an element of 'in'"),
    ],
)
def test_numbers_for_instructions_do_not_come_from_arrays(body: str, message: str) -> None:
    """What the core computes from data is data; no instruction depends on it."""
    text = f"void f(const elem_t in[17], elem_t out[16][8]) {{ {body} gemmini_mvout(out, 0); }}"
    with pytest.raises(Diagnostic, match=message):
        read_machine_c(text, "f.c", BYTES)
