"""A 3 × 3 convolution: C loops against instructions that load ahead over all taps."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.fuzz import parse_module
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp

Sizes = tuple[int, int, int, int]
SMALL = (1, 20, 32, 16)


def loops(batch: int, size: int, channels: int, outputs: int) -> ModuleOp:
    return parse_c_kernel(
        f"""#include <stdint.h>
void conv(const int8_t X[{batch}][{size + 2}][{size + 2}][{channels}],
    const int8_t W[3][3][{channels}][{outputs}], int8_t Y[{batch}][{size}][{size}][{outputs}]) {{
  for (int b = 0; b < {batch}; b++)
    for (int i = 0; i < {size}; i++)
      for (int j = 0; j < {size}; j++)
        for (int o = 0; o < {outputs}; o++) {{
          int32_t acc = 0;
          for (int r = 0; r < 3; r++)
            for (int s = 0; s < 3; s++)
              for (int c = 0; c < {channels}; c++)
                acc += X[b][i + r][j + s][c] * W[r][s][c][o];
          Y[b][i][j][o] = acc > 127 ? 127 : acc < -128 ? -128 : acc;
        }}
}}""",
        "conv.c",
    )


def taps(prefix: str, step: str, blocks: int) -> str:
    """Row, column and channel of the tap that is number ``step``."""
    return f"""
        %t{prefix}r = arith.divsi %{step}, %c{3 * blocks} : index
        %t{prefix}rest = arith.remsi %{step}, %c{3 * blocks} : index
        %t{prefix}s = arith.divsi %t{prefix}rest, %c{blocks} : index
        %t{prefix}block = arith.remsi %t{prefix}rest, %c{blocks} : index
        %t{prefix}c = arith.muli %t{prefix}block, %c16 : index
        %t{prefix}y = arith.addi %i, %t{prefix}r : index
        %t{prefix}x = arith.addi %j, %t{prefix}s : index"""


def instructions(batch: int, size: int, channels: int, outputs: int) -> str:
    spad, acc = "!gemmini.local<spad>", "!gemmini.local<acc>"
    x_type = f"memref<{batch}x{size + 2}x{size + 2}x{channels}xi8>"
    w_type = f"memref<3x3x{channels}x{outputs}xi8>"
    y_type = f"memref<{batch}x{size}x{size}x{outputs}xi8>"
    blocks, steps, columns = channels // 16, 9 * channels // 16, -(-size // 16)
    numbers = {0, 1, 2, 16, 64, batch, size, columns, outputs // 16, blocks, 3 * blocks, steps}
    constants = "\n".join(f"  %c{n} = arith.constant {n} : index" for n in sorted(numbers))
    load = f"""
        gemmini.mvin %X[%b, %t$y, %t$x, %t$c] to %t$a[%pixels, %c16] : {x_type}, {spad}
        gemmini.mvin %W[%t$r, %t$s, %t$c, %o] to %t$w[%c16, %c16] {{channel = 1 : i64}}
          : {w_type}, {spad}"""
    return f"""
func.func @conv(%X: {x_type}, %W: {w_type}, %Y: {y_type})
    attributes {{"liftproof.outputs" = array<i64: 2>}} {{
{constants}
  gemmini.config_ex
  gemmini.config_ld {{channel = 0 : i64, stride = {channels} : i64, block_stride = 16 : i64}}
  gemmini.config_ld {{channel = 1 : i64, stride = {outputs} : i64, block_stride = 16 : i64}}
  gemmini.config_st {{stride = {outputs} : i64}}
  %none = gemmini.none
  scf.for %b = %c0 to %c{batch} step %c1 {{
  scf.for %i = %c0 to %c{size} step %c1 {{
    scf.for %jo = %c0 to %c{columns} step %c1 {{
      %j = arith.muli %jo, %c16 : index
      %left = arith.subi %c{size}, %j : index
      %pixels = arith.minsi %left, %c16 : index
      scf.for %oo = %c0 to %c{outputs // 16} step %c1 {{
      %o = arith.muli %oo, %c16 : index
      %t0a = gemmini.spad %c0
      %t0w = gemmini.spad %c64
      {taps("0", "c0", blocks)}
      {load.replace("$", "0")}
      scf.for %step = %c0 to %c{steps} step %c1 {{
        %phase = arith.remsi %step, %c2 : index
        %a_row = arith.muli %phase, %c16 : index
        %w_row = arith.addi %a_row, %c64 : index
        %next = arith.addi %step, %c1 : index
        %more = arith.cmpi slt, %next, %c{steps} : index
        scf.if %more {{
          {taps("1", "next", blocks)}
          %next_phase = arith.remsi %next, %c2 : index
          %next_a_row = arith.muli %next_phase, %c16 : index
          %next_w_row = arith.addi %next_a_row, %c64 : index
          %t1a = gemmini.spad %next_a_row
          %t1w = gemmini.spad %next_w_row
          {load.replace("$", "1")}
        }}
        %a = gemmini.spad %a_row
        %w = gemmini.spad %w_row
        %not_first = arith.cmpi sgt, %step, %c0 : index
        %sum = gemmini.acc %c0 accumulate %not_first
        gemmini.preload %w[%c16, %c16] to %sum[%pixels, %c16] : {spad}, {acc}
        gemmini.compute_preloaded %a[%pixels, %c16], %none[%c16, %c16]
          : {spad}, !gemmini.local<none>
      }}
      %result = gemmini.acc %c0
      gemmini.mvout %result[%pixels, %c16] to %Y[%b, %i, %j, %o] : {acc}, {y_type}
      }}
    }}
  }}
  }}
  gemmini.fence
  func.return
}}"""


@pytest.mark.parametrize("sizes", [SMALL, (4, 56, 64, 64)], ids=["small", "56x56x64"])
def test_convolution_is_proved(sizes: Sizes) -> None:
    """Taps and channels as one counter, loaded one step ahead in two phases, ragged rows."""
    result = validate(loops(*sizes), parse_module(instructions(*sizes)))
    assert result.verdict == "proved", result.reason


WRONG = {
    "row of another tap": ("%X[%b, %t1y,", "%X[%b, %i,"),
    "weights of another tap": ("%W[%t1r, %t1s,", "%W[%t1s, %t1r,"),
    "weights of the step before": ("to %t1w[", "to %t0w["),
    "last step missing": ("to %c18 step", "to %c16 step"),
}


@pytest.mark.parametrize("change", WRONG)
def test_wrong_convolution_is_refuted(change: str) -> None:
    """A wrong tap, phase or bound is refuted with inputs that show it."""
    text = instructions(*SMALL)
    assert WRONG[change][0] in text
    result = validate(loops(*SMALL), parse_module(text.replace(*WRONG[change])))
    assert result.verdict == "refuted", (result.verdict, result.reason)
