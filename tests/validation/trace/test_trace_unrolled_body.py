"""A loop body of a thousand instructions at the size of a real convolution."""

from __future__ import annotations

from liftproof.hw.gemmini.commands import instructions
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.extract.structured import single_function
from liftproof.validation.fuzz import parse_module
from liftproof.validation.trace.api import validate_unrolled

SIZE, CHANNELS, WINDOW, PIXELS, FILTERS = 28, 128, 3, 14, 64
"""Output size, input and output channels, window; pixels and filters of one body."""
IMAGE = SIZE + WINDOW - 1

KERNEL = f"""#include <stdint.h>
void conv(const int8_t X[{IMAGE}][{IMAGE}][{CHANNELS}],
          const int8_t W[{WINDOW}][{WINDOW}][{CHANNELS}][{CHANNELS}],
          int8_t Y[{SIZE}][{SIZE}][{CHANNELS}]) {{
  for (int y = 0; y < {SIZE}; y++) for (int x = 0; x < {SIZE}; x++)
    for (int o = 0; o < {CHANNELS}; o++) {{
      int32_t sum = 0;
      for (int a = 0; a < {WINDOW}; a++) for (int b = 0; b < {WINDOW}; b++)
        for (int c = 0; c < {CHANNELS}; c++) sum += X[y + a][x + b][c] * W[a][b][c][o];
      Y[y][x][o] = sum > 127 ? 127 : sum < -128 ? -128 : sum;
    }}
}}"""


def program() -> str:
    """Three loops around one unrolled body: all taps, channels and a few filters."""
    x_type = f"memref<{IMAGE}x{IMAGE}x{CHANNELS}xi8>"
    w_type = f"memref<{WINDOW}x{WINDOW}x{CHANNELS}x{CHANNELS}xi8>"
    y_type = f"memref<{SIZE}x{SIZE}x{CHANNELS}xi8>"
    numbers = range(max(SIZE, CHANNELS) + 1)
    lines = [f"  %c{n} = arith.constant {n} : index" for n in numbers]
    lines += [
        "  %b0 = arith.constant 4096 : index",
        "  %on = arith.constant true",
        "  gemmini.config_ex",
        f"  gemmini.config_ld {{stride = {CHANNELS} : i64, block_stride = 16 : i64}}",
        f"  gemmini.config_ld {{channel = 1 : i64, stride = {CHANNELS} : i64,"
        " block_stride = 16 : i64}",
        f"  gemmini.config_st {{stride = {CHANNELS} : i64}}",
        "  %none = gemmini.none",
        f"  scf.for %y = %c0 to %c{SIZE} step %c1 {{",
        f"  scf.for %x = %c0 to %c{SIZE} step %c{PIXELS} {{",
        f"  scf.for %o = %c0 to %c{CHANNELS} step %c{FILTERS} {{",
        *_body(x_type, w_type),
    ]
    for f in range(FILTERS // 16):
        lines += [
            f"  %r{f} = gemmini.acc %c{16 * f}",
            f"  %of{f} = arith.addi %o, %c{16 * f} : index",
            f"  gemmini.mvout %r{f}[%c{PIXELS}, %c16] to %Y[%y, %x, %of{f}]"
            f" : !gemmini.local<acc>, {y_type}",
        ]
    arguments = f"%X: {x_type}, %W: {w_type}, %Y: {y_type}"
    attributes = 'attributes {"liftproof.outputs" = array<i64: 2>}'
    body = "\n".join([*lines, "  }", "  }", "  }", "  gemmini.fence", "  func.return"])
    return f"func.func @conv({arguments}) {attributes} {{\n{body}\n}}"


def _body(x_type: str, w_type: str) -> list[str]:
    lines: list[str] = []
    steps = [
        (a, b, c) for a in range(WINDOW) for b in range(WINDOW) for c in range(0, CHANNELS, 16)
    ]
    spad = "!gemmini.local<spad>"
    for number, (a, b, c) in enumerate(steps):
        phase = 16 * (number % 2)
        lines += [
            f"  %y{number} = arith.addi %y, %c{a} : index",
            f"  %x{number} = arith.addi %x, %c{b} : index",
            f"  %a{number} = gemmini.spad %c{phase}",
            f"  gemmini.mvin %X[%y{number}, %x{number}, %c{c}] to %a{number}[%c{PIXELS}, %c16]"
            f" : {x_type}, {spad}",
        ]
        for f in range(FILTERS // 16):
            name = f"{number}_{f}"
            add = "" if number == 0 else " accumulate %on"
            lines += [
                f"  %o{name} = arith.addi %o, %c{16 * f} : index",
                f"  %row{name} = arith.addi %b0, %c{16 * f + phase} : index",
                f"  %b{name} = gemmini.spad %row{name}",
                f"  gemmini.mvin %W[%c{a}, %c{b}, %c{c}, %o{name}] to %b{name}[%c16, %c16]"
                f" {{channel = 1 : i64}} : {w_type}, {spad}",
                f"  %s{name} = gemmini.acc %c{16 * f}{add}",
                f"  gemmini.preload %b{name}[%c16, %c16] to %s{name}[%c{PIXELS}, %c16]"
                f" : {spad}, !gemmini.local<acc>",
                f"  gemmini.compute_preloaded %a{number}[%c{PIXELS}, %c16], %none[%c16, %c16]"
                f" : {spad}, !gemmini.local<none>",
            ]
    return lines


def test_a_body_of_a_thousand_instructions_is_decided(config) -> None:
    """Right as it is; one wrong tap among hundreds of moves is refuted with inputs."""
    source, text = parse_c_kernel(KERNEL, "conv.c"), program()
    target = parse_module(text)
    assert sum(1 for _ in instructions(single_function(target))) > 800
    result = validate_unrolled(source, target, config)
    assert (result.verdict, result.reason) == ("proved", "")
    wrong = parse_module(text.replace("%W[%c2, %c1, %c64,", "%W[%c1, %c2, %c64,", 1))
    result = validate_unrolled(source, wrong, config)
    assert result.verdict == "refuted"
    assert result.counterexample is not None
