"""Calls for the core, ``while`` and ``do`` loops, ``continue``, and steps of several variables."""

from __future__ import annotations

import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.machine_c.reader import read_machine_c
from xdsl.dialects.builtin import ModuleOp

CONFIG = load_config()
FRAME = """#include "include/gemmini_testutils.h"
{before}
void kernel(elem_t A[64][64], elem_t C[64][64]) {{
  gemmini_config_ld(64);
  gemmini_config_st(64);
{body}
  gemmini_fence();
}}
"""
PLAIN = """for (int i = 0; i < 4; i++) {
    gemmini_mvin(&A[i * 16][0], i * 16);
    gemmini_mvout(&C[i * 16][0], i * 16);
  }"""


def read(body: str, before: str = "") -> ModuleOp:
    return read_machine_c(FRAME.format(before=before, body=body), "k.c", CONFIG)


def words(module: ModuleOp) -> list[tuple[int, int, int]]:
    stream, _ = stream_of_module(module, CONFIG)
    return list(zip(stream.funct.tolist(), stream.rs1.tolist(), stream.rs2.tolist(), strict=True))


MOVES = "gemmini_mvin(&A[i * 16][0], i * 16); gemmini_mvout(&C[i * 16][0], i * 16);"
SAME = {
    "while": f"int i = 0; while (i < 4) {{ {MOVES} i++; }}",
    "while by steps": f"int i = 0; while (i != 4) {{ {MOVES} i += 1; }}",
    "do": f"int i = 0; do {{ {MOVES} i++; }} while (i < 4);",
    "do with a step in its condition": f"int i = 0; do {{ {MOVES} }} while (++i < 4);",
    "continue": f"for (int i = 0; i < 8; i++) {{ if (i >= 4) continue; {MOVES} }}",
    "continue in a branch": f"for (int i = 0; i < 8; i++) "
    f"{{ if (i < 4) {{ {MOVES} }} else {{ continue; }} gemmini_config_st(64); }}",
    "two steps": "int sp = 0; for (int i = 0; i < 4; i++, sp += 16) "
    "{ gemmini_mvin(&A[i * 16][0], sp); gemmini_mvout(&C[i * 16][0], sp); }",
    "two starts": "for (int i = 0, sp = 0; i < 4; i++, sp += 16) "
    "{ gemmini_mvin(&A[i * 16][0], sp); gemmini_mvout(&C[i * 16][0], sp); }",
    "two starts without declarations": "int i, sp; for (i = 0, sp = 0; i < 4; i++, sp += 16) "
    "{ gemmini_mvin(&A[i * 16][0], sp); gemmini_mvout(&C[i * 16][0], sp); }",
    "checks": 'if (mlockall(3) != 0) { perror("mlockall"); exit(1); }' + PLAIN,
    "timers": f"uint64_t start = read_cycles(); {PLAIN} uint64_t end = read_cycles(); "
    'printf("%lu\\n", end - start);',
    "late timers": f"unsigned long t0, t1; t0 = read_cycles(); {PLAIN} t1 = read_cycles() - t0; "
    "(void)t1;",
}


@pytest.mark.parametrize("name", SAME)
def test_spellings_of_a_loop_are_the_same_program(name: str) -> None:
    """However the loop is written, and whatever the core prints, the commands are the same."""
    expected = words(read(PLAIN))
    found = [word for word in words(read(SAME[name])) if word not in expected[:2]]
    assert found == expected[2:]


def test_what_is_left_out_is_noted() -> None:
    """Each call for the core and each timer is named once, with its place."""
    module = read(SAME["timers"])
    (function,) = module.body.ops
    notes = [note.data for note in function.attributes["liftproof.warnings"]]  # pyright: ignore
    assert [note.split("'")[1] for note in notes] == ["start", "end", "printf"]
    assert all(note.startswith("k.c:") and "left out" in note for note in notes)


def test_macros_for_output_are_left_out() -> None:
    """A variadic macro that prints, or expands to nothing, is no part of the program."""
    before = "#define LOG(...) printf(__VA_ARGS__)\n#define TRACE(fmt, ...)\n"
    body = f'LOG("go %d\\n", 1); TRACE("x"); {PLAIN}'
    assert words(read(body, before)) == words(read(PLAIN))


def test_assembly_fences_are_fences() -> None:
    """``asm volatile("fence")`` is what ``gemmini_fence`` expands to."""
    assembly = f'{PLAIN} asm volatile("fence"); __asm__ __volatile__ ("fence" ::: "memory");'
    macro = f"{PLAIN} gemmini_fence(); gemmini_fence();"
    assert words(read(assembly)) == words(read(macro))


def test_a_driver_is_left_out() -> None:
    """``main`` calls the kernel on the core; only the kernel is read."""
    main = "int main() { static elem_t A[64][64], C[64][64]; kernel(A, C); exit(0); }"
    text = FRAME.format(before="", body=PLAIN) + main
    assert words(read_machine_c(text, "k.c", CONFIG)) == words(read(PLAIN))


REFUSED = [
    ("int i = 0; while (1) { gemmini_mvin(&A[0][0], 0); i++; }", "this loop does not end"),
    ("int i = 0; do { gemmini_mvin(&A[0][0], 0); } while (i < 4);", "too many iterations"),
    ("int t = read_cycles(); gemmini_mvin(&A[0][0], t);", "'t' is not declared"),
    ('asm volatile("nop");', "'asm'"),
]


@pytest.mark.parametrize(("body", "reason"), REFUSED)
def test_other_loops_and_uses_are_refused(body: str, reason: str) -> None:
    """Loops that are not counted, and timers that reach an instruction, give a diagnostic."""
    with pytest.raises(Diagnostic, match=reason) as found:
        read(body)
    assert found.value.location is not None
