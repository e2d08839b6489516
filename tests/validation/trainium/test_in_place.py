"""Instructions that combine a buffer with something, in place, count as parts of a reduction."""

from __future__ import annotations

import pytest
from liftproof.dialects.context import new_context
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.validate import validate
from xdsl.parser import Parser

SUM = """
void sum(const float x[4][3], float y[4]) {
  for (int i = 0; i < 4; i++) {
    float s = 0.0f;
    for (int j = 0; j < 3; j++) s += x[i][j];
    y[i] = s;
  }
}"""
MAXIMUM = """
void maximum(const float x[4][3], float y[4]) {
  for (int i = 0; i < 4; i++) {
    float s = x[i][0];
    for (int j = 1; j < 3; j++) s = x[i][j] > s ? x[i][j] : s;
    y[i] = s;
  }
}"""
BUFFER = "memref<4x1xf32, #trn<space sbuf>>"
ONE = "!trn.view<sbuf, 4x1xf32>"
THREE = "!trn.view<sbuf, 4x3xf32>"
PROGRAM = """
func.func @f(%x: memref<4x3xf32>, %y: memref<4xf32>) attributes {{
    liftproof.parameters = ["x", "y"], liftproof.outputs = array<i64: 1>}} {{
  %b = memref.alloc() : memref<4x3xf32, #trn<space sbuf>>
  %xs = trn.view %x[0, 0] : memref<4x3xf32> to !trn.view<hbm, 4x3xf32>
  %bs = trn.view %b[0, 0] : memref<4x3xf32, #trn<space sbuf>> to !trn.view<sbuf, 4x3xf32>
  trn.dma_copy %xs to %bs : !trn.view<hbm, 4x3xf32>, !trn.view<sbuf, 4x3xf32>
  %t = memref.alloc() : memref<4x1xf32, #trn<space sbuf>>
  %ts = trn.view %t[0, 0] : memref<4x1xf32, #trn<space sbuf>> to !trn.view<sbuf, 4x1xf32>
{body}
  %ys = trn.view %y[0] {{along = array<i64: 0, 0>, steps = array<i64: 1, 0>}} :
    memref<4xf32> to !trn.view<hbm, 4x1xf32>
  trn.dma_copy %ts to %ys : !trn.view<sbuf, 4x1xf32>, !trn.view<hbm, 4x1xf32>
  func.return
}}"""


def verdict(c: str, body: str) -> str:
    """Whether a program computes what a C kernel does."""
    module = Parser(new_context(), PROGRAM.format(body=body)).parse_module()
    return validate(parse_c_kernel(c, "kernel.c"), module).verdict


def column(number: int) -> str:
    wide = "memref<4x3xf32, #trn<space sbuf>>"
    return f"%c{number} = trn.view %b[0, {number}] {{steps = array<i64: 1, 1>}} : {wide} to {ONE}"


def in_place(operator: str, columns: range) -> str:
    """One instruction for each column, in place."""
    return "\n".join(
        f"{column(n)}\ntrn.tensor_tensor {operator} %ts, %c{n} to %ts : {ONE}, {ONE}, {ONE}"
        for n in columns
    )


@pytest.mark.parametrize(("columns", "expected"), [(range(3), "proved"), (range(2), "refuted")])
def test_sums_in_place(columns: range, expected: str) -> None:
    """A sum that is added up by instructions is one, if nothing is missing."""
    zero = f"trn.memset %ts to 0.0 : {ONE}"
    assert verdict(SUM, f"{zero}\n{in_place('add', columns)}") == expected


@pytest.mark.parametrize(("columns", "expected"), [(range(1, 3), "proved"), (range(2), "refuted")])
def test_maxima_in_place(columns: range, expected: str) -> None:
    """So is a maximum, from the first element on."""
    first = f"{column(0)}\n".replace("%c0", "%first")
    start = f"{first}trn.tensor_copy %first to %ts : {ONE}, {ONE}"
    assert verdict(MAXIMUM, f"{start}\n{in_place('maximum', columns)}") == expected


def test_one_cell_that_is_written_three_times_is_no_sum() -> None:
    """All inputs are read before the first result is written: two of three are lost."""
    body = f"""
  trn.memset %ts to 0.0 : {ONE}
  %again = trn.view %t[0, 0] {{along = array<i64: 0, 1>, steps = array<i64: 1, 0>}} :
    {BUFFER} to {THREE}
  trn.tensor_tensor add %again, %bs to %again : {THREE}, {THREE}, {THREE}"""
    assert verdict(SUM, body) != "proved"


def test_a_function_after_a_sum_is_no_part_of_it() -> None:
    """The root of what was summed up, in place, is that of the whole sum."""
    root = "#include <math.h>" + SUM.replace("y[i] = s;", "y[i] = sqrtf(s);")
    zero = f"trn.memset %ts to 0.0 : {ONE}"
    after = f"trn.activation sqrt %ts to %ts : {ONE}, {ONE}"
    assert verdict(root, f"{zero}\n{in_place('add', range(3))}\n{after}") == "proved"
