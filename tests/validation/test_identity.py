"""Programs that are the same need no proof; programs that differ are never taken for the same."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.validation.core.identity import same_program
from liftproof.validation.extract.extraction import extract
from liftproof.validation.fuzz import parse_module
from liftproof.validation.validate import validate

CONFIG = load_config()
DIFFERENT = {
    "bound": ("scf.for %jo = %c0", "scf.for %jo = %c1"),
    "address": ("%c = gemmini.acc %c0", "%c = gemmini.acc %c16"),
    "subscript": ("%A[%i, %k_next]", "%A[%i, %k]"),
    "flag": ("accumulate %not_first", ""),
    "scale": ("config_st {", "config_st {scale = 0.5 : f32, "),
    "legal sizes": ("%a[%m, %depth]", "%a[%m, %c16]"),
    "instruction twice": (
        "  gemmini.fence",
        "  %again = gemmini.acc %c0\n"
        "  gemmini.mvout %again[%c1, %c1] to %C[%c0, %c0] : !gemmini.local<acc>,"
        " memref<20x24xi8>\n  gemmini.fence",
    ),
}


def test_order_of_address_computations_does_not_matter(kernel) -> None:
    """Configurations and address computations moved around leave the same program."""
    program = kernel(20, 24, 40)
    moved = (
        "  scf.for %io",
        "  gemmini.config_ex\n  %unused = arith.constant 77 : index\n"
        "  %some = gemmini.spad %unused\n  scf.for %io",
    )
    first, second = program.module("instructions"), program.module("instructions", moved)
    assert same_program(extract(first, CONFIG), extract(second, CONFIG))
    result = validate(first, second)
    assert result.verdict == "proved"
    assert result.target is not None
    third = validate(result.target, program.module("loops"))
    assert third.verdict == "proved"


@pytest.mark.parametrize("change", DIFFERENT)
def test_different_programs_are_not_the_same(kernel, change: str) -> None:
    """Any change of a bound, address, subscript, flag or value is seen."""
    program = kernel(20, 24, 40)
    first = program.module("instructions")
    second = program.module("instructions", DIFFERENT[change])
    assert not same_program(extract(first, CONFIG), extract(second, CONFIG))


SWAPPED = """func.func @k(%A: memref<4xi8>) attributes {{"liftproof.outputs" = array<i64: 0>}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i8
  %two = arith.constant 2 : i8
  memref.store %{}, %A[%c0] : memref<4xi8>
  memref.store %{}, %A[%c0] : memref<4xi8>
  func.return
}}"""


def test_order_of_writes_matters() -> None:
    """The same writes in another order are another program."""
    first, second = (
        extract(parse_module(SWAPPED.format(*names)), CONFIG)
        for names in (("one", "two"), ("two", "one"))
    )
    assert same_program(first, first)
    assert not same_program(first, second)
