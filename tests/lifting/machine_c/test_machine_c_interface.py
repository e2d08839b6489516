"""What kernels take: pointers of unknown extent, arrays of the file, nothing at all."""

from __future__ import annotations

import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c.reader import read_machine_c
from liftproof.validation.decide import decide
from xdsl.dialects.builtin import ModuleOp

CONFIG = load_config()
PLAIN = """#include <stdint.h>
void copy(const int8_t A[32][16], int8_t C[32][16]) {
  for (int i = 0; i < 32; i++) for (int j = 0; j < 16; j++) C[i][j] = A[i][j];
}"""
BODY = """
  _Static_assert(sizeof(int) == 4, "LP64");
  gemmini_config_ld(16);
  gemmini_config_st(16);
  volatile const elem_t *rows[2] = {ROW(A, 0), ROW(A, 16)};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    __asm__ volatile ("" ::: "memory");
    gemmini_mvin(rows[i], i * 16);
    gemmini_mvout(ROW(C, i * 16), i * 16);
  }
  gemmini_fence();
"""
FLAT, ROWS = "#define ROW(p, r) ((p) + (r) * 16)\n", "#define ROW(p, r) ((p)[r])\n"
FILE = "static elem_t A[32][16] row_align(1), C[32][16] row_align(1);\n"
FORMS = {
    "pointers": f"{FLAT}void copy(const elem_t *A, elem_t *C) {{ {BODY} }}",
    "open arrays": f"{FLAT}void copy(const elem_t A[], elem_t C[]) {{ {BODY} }}",
    "open rows": f"{ROWS}void copy(const elem_t A[][16], elem_t (*C)[16]) {{ {BODY} }}",
    "arrays of the file": f"{ROWS}{FILE}void copy(void) {{ {BODY} }}",
    "main": f"{ROWS}{FILE}int main(int argc, char *argv[]) {{ unsigned long start = read_cycles();"
    f' {BODY} printf("%lu", read_cycles() - start); return 0; }}',
}


def read(name: str, like: ModuleOp | None) -> ModuleOp:
    return read_machine_c('#include "gemmini.h"\n' + FORMS[name], "copy.c", CONFIG, like)


@pytest.mark.parametrize("name", FORMS)
def test_interfaces_are_those_of_the_plain_kernel(name: str) -> None:
    """The program has the parameters of the kernel that it is proved equal to."""
    source = parse_c_kernel(PLAIN, "plain.c")
    target = read(name, source)
    assert len(stream_of_module(target, CONFIG)[0]) == 7
    assert decide(source, target, config=CONFIG).verdict == "proved"


@pytest.mark.parametrize("name", ["pointers", "open arrays", "open rows"])
def test_extents_that_nobody_gives_are_asked_for(name: str) -> None:
    """Without the other program, extents that the text leaves open are refused with a hint."""
    with pytest.raises(Diagnostic, match="the size of array 'A' is unknown") as found:
        read(name, None)
    assert "other program" in (found.value.hint or "")


def test_pointers_to_rows_of_other_lengths_are_refused() -> None:
    """Rows of 16 elements are no rows of 8."""
    like = parse_c_kernel(PLAIN.replace("[32][16]", "[64][8]").replace("16", "8"), "plain.c")
    with pytest.raises(Diagnostic, match="the size of array 'A' is unknown"):
        read("open rows", like)


AROUND = """#include "gemmini.h"
static int gcd(int a, int b) { return b == 0 ? a : gcd(b, a % b); }
void reference(elem_t A[32][16], elem_t C[32][16]) {
  for (int r = 0; r < 32; r++) for (int c = 0; c < 16; c++) C[r][c] = A[r][c];
}
static int is_equal(elem_t *a, elem_t *b, int n) {
  for (int i = 0; i < n; i++) if (a[i] != b[i]) return 0;
  return 1;
}
void load(const elem_t *from, uint32_t to) { gemmini_mvin(from, to); }
"""
DRIVERS = {
    "kernel and reference": "void copy(const elem_t A[32][16], elem_t C[32][16]) { %s }\n"
    "int main() { static elem_t A[32][16], C[32][16], G[32][16]; gemmini_flush(0);\n"
    "  reference(A, G); copy(A, C); return !is_equal(C, G, 512); }",
    "main with helpers": "static elem_t A[32][16], C[32][16];\nint main() { %s return 0; }",
    "no main": "void copy(const elem_t A[32][16], elem_t C[32][16]) { %s }",
}


@pytest.mark.parametrize("name", DRIVERS)
def test_functions_around_a_kernel_do_not_matter(name: str) -> None:
    """References in C, checks of results and dead helpers are no kernels, and may be anything."""
    body = BODY.replace("gemmini_mvin", "load")
    text = AROUND + ROWS + DRIVERS[name] % body
    source = parse_c_kernel(PLAIN, "plain.c")
    target = read_machine_c(text, "copy.c", CONFIG, source)
    assert decide(source, target, config=CONFIG).verdict == "proved"


def test_two_kernels_are_refused() -> None:
    """Of two functions that issue instructions and that nobody calls, none is chosen."""
    kernel = "void %s(elem_t C[16][16]) { gemmini_mvout(C, 0); }"
    with pytest.raises(Diagnostic, match="several kernels: 'a', 'b'"):
        read_machine_c(kernel % "a" + kernel % "b", "two.c", CONFIG)
