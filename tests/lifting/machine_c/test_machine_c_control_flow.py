"""Control flow of the core beyond counted loops: what it decides is known, so the commands are."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.machine_c.reader import read_machine_c
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import ModuleOp

CONFIG = load_config()
FRAME = """#include "gemmini.h"
typedef enum {{ FIRST, SECOND, LAST = 3 }} stage_t;
enum {{ BOTH = FIRST + SECOND }};
static const uint32_t SP[2] = {{0, 4096}};
static int later(int x) {{ if (x < 2) return x + 1; return 0; }}
static int at = 7, end = 5;
static void advance(const elem_t *a) {{ static int sp = 5; gemmini_mvin(a, sp); sp += 16; }}
static void place(const elem_t *a) {{ gemmini_mvin(a, at); at += 2; }}
static void shorten(void) {{ end -= 1; }}
static void move(const elem_t *a, uint32_t sp, int skipped) {{
  if (skipped) return;
  gemmini_mvin(a, sp);
}}
void kernel(const elem_t A[64][64], elem_t C[64][64]) {{
  gemmini_config_ld(64);
  gemmini_config_st(64);
  {body}
  gemmini_mvout(C, 0);
  gemmini_fence();
}}
"""
COUNTED = {
    "counter ahead of pointers": (
        "int i = 0; const elem_t *a = A[0]; uint32_t sp = 0;"
        " while (i < 4) { gemmini_mvin(a, sp); i++; a += 64; sp += 16; }",
        "for (int i = 0; i < 4; i++) gemmini_mvin(A[i], i * 16);",
    ),
    "break at the end": (
        "int i = 0; const elem_t *a = A[0];"
        " while (true) { gemmini_mvin(a, i); i += 2; a += 128; if (i >= 8) break; }",
        "for (int i = 0; i < 8; i += 2) gemmini_mvin(A[i], i);",
    ),
    "assignment in the condition": (
        "int i = 0; do { gemmini_mvin(A[i], i); } while ((i += 16) < 64);",
        "for (int i = 0; i < 64; i += 16) gemmini_mvin(A[i], i);",
    ),
    "step behind the body of a do": (
        "int i = 8; uint32_t sp = 0;"
        " do { int row = i; gemmini_mvin(A[row], sp); i -= 2; sp += 16; } while (i > 0);",
        "for (int i = 0; i < 4; i++) gemmini_mvin(A[8 - 2 * i], 16 * i);",
    ),
}
"""Loops with a counter, and the same program with ``for``."""
SAME = {
    **COUNTED,
    "step that the next ones need": (
        "int i = 0; uint32_t sp = 0; while (i < 3) { gemmini_mvin(A[i], sp); i++; sp = 16 * i; }",
        "for (int i = 0; i < 3; i++) gemmini_mvin(A[i], 16 * i);",
    ),
    "break": (
        "for (int i = 0; i < 9; i++) { if (i == 2) break; gemmini_mvin(&A[i * 16][0], i); }",
        "for (int i = 0; i < 2; i++) gemmini_mvin(&A[i * 16][0], i);",
    ),
    "loop without a counter": (
        "int left = 40, at = 0; while (left > 0) { int n = left < 16 ? left : 16;"
        " gemmini_extended_mvin(&A[at][0], at, 16, n); left -= n; at += n; gemmini_config_st(64);"
        " }",
        "for (int i = 0; i < 40; i += 16) { gemmini_extended_mvin(&A[i][0], i, 16,"
        " i < 32 ? 16 : 8); gemmini_config_st(64); }",
    ),
    "loop without end": (
        "int i = 0; for (;;) { gemmini_mvin(&A[i][0], 0); if (++i > 2) break; }",
        "for (int i = 0; i < 3; i++) gemmini_mvin(&A[i][0], 0);",
    ),
    "counting down in the condition": (
        "for (unsigned i = 3; i-- > 0;) gemmini_mvin(&A[i][0], i * 16);",
        "for (int i = 2; i >= 0; i--) gemmini_mvin(&A[i][0], i * 16);",
    ),
    "table filled by a loop": (
        "uint32_t at[3], n = 8; for (int i = 0; i < 3; i++) { at[i] = n; n += n; }"
        " for (int i = 0; i < 3; i++) gemmini_mvin(A, at[i]);",
        "gemmini_mvin(A, 8); gemmini_mvin(A, 16); gemmini_mvin(A, 32);",
    ),
    "configuration that varies": (
        "for (int i = 1; i < 3; i++) { gemmini_config_ld(i * 64); gemmini_mvin(A, i); }",
        "gemmini_config_ld(64); gemmini_mvin(A, 1); gemmini_config_ld(128); gemmini_mvin(A, 2);",
    ),
    "bits that cannot be told apart": (
        "for (int i = 0; i < 3; i++) gemmini_mvin(A, (i * 3) | (i * 5));",
        "gemmini_mvin(A, 0); gemmini_mvin(A, 7); gemmini_mvin(A, 14);",
    ),
    "steps in arguments": (
        "int i = 0; gemmini_mvin(A, i++); gemmini_mvin(A, ++i); int j = i++;"
        " gemmini_mvin(A, i + j);",
        "gemmini_mvin(A, 0); gemmini_mvin(A, 2); gemmini_mvin(A, 5);",
    ),
    "assignments in a row": (
        "int i, j; i = j = 3; gemmini_mvin(A, i); gemmini_mvin(A, j);",
        "gemmini_mvin(A, 3); gemmini_mvin(A, 3);",
    ),
    "macro in a loop that never repeats": (
        "for (int i = 0; i < 2; i++) do { gemmini_mvin(A, i); if (i) break; gemmini_mvin(A, 9); }"
        " while (0);",
        "gemmini_mvin(A, 0); gemmini_mvin(A, 9); gemmini_mvin(A, 1);",
    ),
    "switch": (
        "for (int i = 0; i < 5; i++) switch (i) { case FIRST: case BOTH + 1: gemmini_mvin(A, 1);"
        " case SECOND: { int at = 2; gemmini_mvin(A, at); break; } case LAST: if (i) break;"
        " default: gemmini_mvin(A, 3); }",
        "gemmini_mvin(A, 1); gemmini_mvin(A, 2); gemmini_mvin(A, 2); gemmini_mvin(A, 1);"
        " gemmini_mvin(A, 2); gemmini_mvin(A, 3);",
    ),
    "hints for the compiler": (
        "for (int i = 0; i < 2; i++) if (__builtin_expect(i > 0, 0)) gemmini_mvin(A, i);",
        "gemmini_mvin(A, 1);",
    ),
    "static variable of a function": (
        "advance(A); advance(A); for (int i = 0; i < 2; i++) advance(A);",
        "gemmini_mvin(A, 5); gemmini_mvin(A, 21); gemmini_mvin(A, 37); gemmini_mvin(A, 53);",
    ),
    "static variable of a loop": (
        "for (int i = 0; i < 3; i++) { static int sp = 5; gemmini_mvin(A, sp); sp += i; }",
        "gemmini_mvin(A, 5); gemmini_mvin(A, 5); gemmini_mvin(A, 6);",
    ),
    "variable of the file behind another one": (
        "int at = 70; for (int i = 0; i < 3; i++) place(A); gemmini_mvin(A, at);",
        "gemmini_mvin(A, 7); gemmini_mvin(A, 9); gemmini_mvin(A, 11); gemmini_mvin(A, 70);",
    ),
    "bound that a function changes": (
        "for (int i = 0; i < end; i++) { gemmini_mvin(A, i); shorten(); }",
        "gemmini_mvin(A, 0); gemmini_mvin(A, 1); gemmini_mvin(A, 2);",
    ),
    "early returns": (
        "for (int i = 0; i < 3; i++) move(A[i], later(i), i == 1);",
        "gemmini_mvin(A[0], 1); gemmini_mvin(A[2], 0);",
    ),
}


def read(body: str) -> ModuleOp:
    return read_machine_c(FRAME.format(body=body), "k.c", CONFIG)


def words(module: ModuleOp) -> list[tuple[int, int, int]]:
    stream, _ = stream_of_module(module, CONFIG)
    return list(zip(stream.funct.tolist(), stream.rs1.tolist(), stream.rs2.tolist(), strict=True))


@pytest.mark.parametrize("name", SAME)
def test_control_flow_of_the_core_is_followed(name: str) -> None:
    """A program issues the commands that one without such control flow does."""
    body, same = SAME[name]
    assert words(read(body)) == words(read(same))


@pytest.mark.parametrize("trips", [2, 3, 4])
@pytest.mark.parametrize("change", ["b = 1 - b;", "b ^= 1;", "b = !b;", "b = (b + 1) % 2;"])
def test_buffers_that_alternate_through_nested_loops_stay_in_loops(change: str, trips: int) -> None:
    """Whatever the number of iterations, the state of a buffer is a formula of their numbers."""
    nest = "".join(f"for (int {v} = 0; {v} < {trips}; {v}++) " for v in "ijk")
    module = read(f"int b = 0; {nest} {{ gemmini_mvin(A, SP[b]); {change} }}")
    assert sum(isinstance(op, scf.ForOp) for op in module.walk()) == 3
    assert not any(isinstance(op, scf.ForOp) and op.iter_args for op in module.walk())
    rows = [rs2 & 0xFFFF for funct, _, rs2 in words(module) if funct == 2]
    assert rows == [(n % 2) * 4096 for n in range(trips**3)]


def test_loops_that_are_run_one_by_one_are_noted() -> None:
    """A note says which loop is read so, and why."""
    module = read(SAME["table filled by a loop"][0])
    function = module.body.block.first_op
    assert isinstance(function, func.FuncOp)
    (note,) = function.attributes["liftproof.warnings"]  # pyright: ignore
    assert note.data == (  # pyright: ignore
        "k.c:17:26: note: each iteration is read by itself: "
        "'at' needs initial values before a computed subscript"
    )


@pytest.mark.parametrize("name", COUNTED)
def test_loops_with_a_counter_stay_loops(name: str) -> None:
    """A counter may be stepped ahead of other variables, or in the condition."""
    assert any(isinstance(op, scf.ForOp) for op in read(COUNTED[name][0]).walk())
