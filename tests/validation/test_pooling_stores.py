"""Pooling stores against C loops: what is the same maximum is proved, all else is refuted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.fuzz import parse_module
from liftproof.validation.trace.api import validate_unrolled
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp


@dataclass(frozen=True)
class Pool:
    """Square windows over an image of 16 channels."""

    image: int = 6
    window: int = 2
    step: int = 2
    pad: int = 0

    @property
    def pooled(self) -> int:
        return (self.image + 2 * self.pad - self.window) // self.step + 1

    def kernel(self, body: str) -> ModuleOp:
        """A C kernel with ``body`` for each pooled element; $E is an element, $IN its condition."""
        at = [f"{self.step} * {x} + {o} - {self.pad}" for x, o in (("i", "r"), ("j", "s"))]
        inside = " && ".join(f"{x} >= 0 && {x} < {self.image}" for x in at)
        window = f"for (int r = 0; r < {self.window}; r++) for (int s = 0; s < {self.window}; s++)"
        body = body.replace("WINDOW", window).replace("$IN", inside)
        body = body.replace("$E", f"X[{at[0]}][{at[1]}][c]")
        return parse_c_kernel(
            f"""#include <stdint.h>
void pool(const int8_t X[{self.image}][{self.image}][16],
          int8_t Y[{self.pooled}][{self.pooled}][16]) {{
  for (int i = 0; i < {self.pooled}; i++)
    for (int j = 0; j < {self.pooled}; j++)
      for (int c = 0; c < 16; c++) {{ {body} }}
}}""",
            "pool.c",
        )

    @property
    def types(self) -> tuple[str, str]:
        return (
            f"memref<{self.image}x{self.image}x16xi8>",
            f"memref<{self.pooled}x{self.pooled}x16xi8>",
        )

    def fields(self) -> dict[str, int]:
        """The pooling fields of the store configuration."""
        return {
            "pool_stride": self.step,
            "pool_size": self.window,
            "pool_out_dim": self.pooled,
            "pool_rows": self.pooled,
            "pool_cols": self.pooled,
            "out_rows": self.image,
            "out_cols": self.image,
            "upper_pad": self.pad,
            "left_pad": self.pad,
        }

    def instructions(self, space: str = "spad", post: str = "", **changed: int) -> ModuleOp:
        """Load the image and store it pooled, with some fields changed."""
        source, target = self.types
        fields = ", ".join(f"{k} = {v} : i64" for k, v in (self.fields() | changed).items())
        shrunk = ", shrunk" if space == "acc" else ""
        local = f"!gemmini.local<{space}>"
        return parse_module(f"""
func.func @pool(%X: {source}, %Y: {target}) attributes {{"liftproof.outputs" = array<i64: 1>}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %image = arith.constant {self.image} : index
  gemmini.config_ld {{channel = 0 : i64, stride = 16 : i64, block_stride = 16 : i64{shrunk}}}
  gemmini.config_st {{stride = 16 : i64{post}, {fields}}}
  scf.for %y = %c0 to %image step %c1 {{
    %row = arith.muli %y, %image : index
    %a = gemmini.{space} %row
    gemmini.mvin %X[%y, %c0, %c0] to %a[%image, %c16] : {source}, {local}
  }}
  %s = gemmini.{space} %c0
  gemmini.mvout %s[%c1, %c16] to %Y[%c0, %c0, %c0] : {local}, {target}
  gemmini.fence
  func.return
}}""")


RELU = ", activation = #gemmini<activation relu>"
MAXIMUM = "int8_t m = -128; WINDOW if ($E > m) m = $E; Y[i][j][c] = m;"
GUARDED = "int8_t m = -128; WINDOW if ($IN) m = $E > m ? $E : m; Y[i][j][c] = m;"
POSITIVE = """int8_t m = {start};
WINDOW if ($IN) {{ int8_t x = $E > 0 ? $E : 0; if (x > m) m = x; }} Y[i][j][c] = m;"""
STARTS = {
    "lowest": MAXIMUM,
    "first": "int8_t m = X[2 * i][2 * j][c]; WINDOW if ($E > m) m = $E; Y[i][j][c] = m;",
    "wide": "int m = -1000; WINDOW m = $E > m ? $E : m; Y[i][j][c] = m;",
    "in place": "Y[i][j][c] = INT8_MIN; WINDOW if (Y[i][j][c] < $E) Y[i][j][c] = $E;",
}


@pytest.mark.parametrize("body", STARTS.values(), ids=STARTS)
def test_any_way_to_write_a_maximum_is_proved(body: str) -> None:
    """Where the maximum starts, in which type and where it is kept does not matter."""
    assert _verdict(Pool().kernel(body), Pool().instructions()) == "proved"


@pytest.mark.parametrize("pool", [Pool(7, 3, 1), Pool(7, 3, 2), Pool(6, 3, 3)], ids=str)
def test_windows_may_overlap(pool: Pool) -> None:
    """Windows of every size and stride the machine has are proved."""
    assert _verdict(pool.kernel(MAXIMUM), pool.instructions()) == "proved"


@pytest.mark.parametrize("start", [0, -128])
def test_padding_counts_as_zero(start: int) -> None:
    """With ReLU the zeros of the padding never matter, whatever C starts from."""
    pool = Pool(5, 3, 2, 1)
    kernel = pool.kernel(POSITIVE.format(start=start))
    assert _verdict(kernel, pool.instructions("acc", RELU)) == "proved"


def test_padding_with_zeros_is_not_padding_with_the_lowest_number() -> None:
    """Without ReLU a window of negative numbers at the border tells them apart."""
    pool = Pool(5, 3, 2, 1)
    for decide in (validate, validate_unrolled):
        result = decide(pool.kernel(GUARDED), pool.instructions())
        assert result.verdict == "refuted"
        assert result.counterexample is not None


def test_the_maximum_is_formed_of_what_the_store_makes_of_each_element() -> None:
    """ReLU of each element makes a maximum that is not negative."""
    limited = "int8_t m = 0; WINDOW { int8_t x = $E; if (x > m) m = x; } Y[i][j][c] = m;"
    assert _verdict(Pool().kernel(limited), Pool().instructions("acc", RELU)) == "proved"
    assert _verdict(Pool().kernel(MAXIMUM), Pool().instructions("acc", RELU)) == "refuted"


FIELDS = tuple(Pool().fields())


@pytest.mark.parametrize("field", FIELDS)
def test_every_wrong_field_is_refuted(field: str) -> None:
    """A change in any field of the configuration gives inputs that differ, or is illegal.

    An image with one more row would be the same program: no window reaches it.
    """
    pool = Pool(7, 2, 2)
    change = -2 if field == "out_rows" else 1
    wrong = pool.instructions("spad", "", **{field: pool.fields()[field] + change})
    for decide in (validate, validate_unrolled):
        result = decide(pool.kernel(MAXIMUM), wrong)
        assert result.verdict == "refuted"
        assert result.counterexample is not None


def test_a_missing_row_of_the_image_is_refuted() -> None:
    """An image of which the last row was never loaded is not read in silence."""
    pool = Pool(6, 2, 2)
    text = str(pool.instructions()).replace(
        "%image = arith.constant 6", "%image = arith.constant 5"
    )
    result = validate(pool.kernel(MAXIMUM), parse_module(text))
    assert result.verdict == "refuted"


@pytest.mark.parametrize(
    "body",
    [
        MAXIMUM.replace(">", "<"),
        MAXIMUM.replace("-128", "0"),
        MAXIMUM.replace("-128", "X[0][0][c]"),
        MAXIMUM.replace("WINDOW", "for (int r = 0; r < 2; r++) for (int s = 1; s < 2; s++)"),
        MAXIMUM.replace("m = $E", "m += $E"),
    ],
    ids=["minimum", "start", "other start", "window", "sum"],
)
def test_other_kernels_are_refuted(body: str) -> None:
    """Another operation, start or window in C is told apart."""
    assert _verdict(Pool().kernel(body), Pool().instructions()) != "proved"


FUSED = """
#include <stdint.h>
void conv_pool(const int8_t X[6][6][16], const int8_t W[16][16], int8_t Y[3][3][16]) {
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++)
      for (int c = 0; c < 16; c++) {
        int8_t m = -128;
        for (int r = 0; r < 3; r++)
          for (int s = 0; s < 3; s++)
            if (2 * i + r >= 1 && 2 * j + s >= 1) {
              int32_t sum = 0;
              for (int k = 0; k < 16; k++) sum += X[2 * i + r - 1][2 * j + s - 1][k] * W[k][c];
              int8_t x = sum < 0 ? 0 : sum > 127 ? 127 : sum;
              if (x > m) m = x;
            }
        Y[i][j][c] = m;
      }
}"""
APART = """
#include <stdint.h>
void conv_pool(const int8_t X[6][6][16], const int8_t W[16][16], int8_t Y[3][3][16]) {
  int8_t T[6][6][16];
  for (int y = 0; y < 6; y++)
    for (int x = 0; x < 6; x++)
      for (int c = 0; c < 16; c++) {
        int32_t sum = 0;
        for (int k = 0; k < 16; k++) sum += X[y][x][k] * W[k][c];
        T[y][x][c] = sum < 0 ? 0 : sum > 127 ? 127 : sum;
      }
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++)
      for (int c = 0; c < 16; c++) {
        int8_t m = -128;
        for (int y = 2 * i - 1 < 0 ? 0 : 2 * i - 1; y < 2 * i + 2; y++)
          for (int x = 2 * j - 1 < 0 ? 0 : 2 * j - 1; x < 2 * j + 2; x++)
            if (T[y][x][c] > m) m = T[y][x][c];
        Y[i][j][c] = m;
      }
}"""


def products(**changed: int) -> ModuleOp:
    """A product of 36 pixels with 16 × 16 weights, stored through 3 × 3 windows two apart."""
    fields = Pool(6, 3, 2, 1).fields() | changed
    text = ", ".join(f"{k} = {v} : i64" for k, v in fields.items())
    image, weights, pooled = "memref<6x6x16xi8>", "memref<16x16xi8>", "memref<3x3x16xi8>"
    spad, acc = "!gemmini.local<spad>", "!gemmini.local<acc>"
    return parse_module(f"""
func.func @conv_pool(%X: {image}, %W: {weights}, %Y: {pooled})
    attributes {{"liftproof.outputs" = array<i64: 2>}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c6 = arith.constant 6 : index
  %c16 = arith.constant 16 : index
  %none = gemmini.none
  gemmini.config_ex
  gemmini.config_ld {{channel = 0 : i64, stride = 16 : i64, block_stride = 16 : i64}}
  gemmini.config_st {{stride = 16 : i64, activation = #gemmini<activation relu>, {text}}}
  %w = gemmini.spad %c0
  gemmini.mvin %W[%c0, %c0] to %w[%c16, %c16] : {weights}, {spad}
  scf.for %y = %c0 to %c6 step %c1 {{
    %row = arith.muli %y, %c6 : index
    %at = arith.addi %row, %c16 : index
    %a = gemmini.spad %at
    gemmini.mvin %X[%y, %c0, %c0] to %a[%c6, %c16] : {image}, {spad}
    %t = gemmini.acc %row
    gemmini.preload %w[%c16, %c16] to %t[%c6, %c16] : {spad}, {acc}
    gemmini.compute_preloaded %a[%c6, %c16], %none[%c6, %c16] : {spad}, !gemmini.local<none>
  }}
  %s = gemmini.acc %c0
  gemmini.mvout %s[%c1, %c16] to %Y[%c0, %c0, %c0] : {acc}, {pooled}
  gemmini.fence
  func.return
}}""")


@pytest.mark.parametrize("kernel", [FUSED, APART], ids=["fused", "apart"])
def test_products_that_are_pooled_are_proved(kernel: str) -> None:
    """The maximum of limited sums, in one nest of loops or through an array between two."""
    assert _verdict(parse_c_kernel(kernel, "conv.c"), products()) == "proved"


def test_products_pooled_otherwise_are_refuted() -> None:
    """Another window over the same sums gives inputs that differ."""
    result = validate(parse_c_kernel(FUSED, "conv.c"), products(pool_size=2))
    assert result.verdict == "refuted"
    assert result.counterexample is not None


def _verdict(source: ModuleOp, target: ModuleOp) -> str:
    """The verdict for loops; executing all instructions proves the same programs, and no others."""
    verdict = validate(source, target).verdict
    assert (validate_unrolled(source, target).verdict == "proved") == (verdict == "proved")
    return verdict
