"""Shortcuts of the oracle: no lanes, pairs by arithmetic; and what Z3 is asked only once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import islpy as isl
import pytest
import z3
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.certificate import FlowCertificate
from liftproof.validation.core.checker import Checker
from liftproof.validation.core.index import Index, Variable, constant_index
from liftproof.validation.core.smt import (
    RESOURCE_LIMIT,
    Answer,
    Query,
    Solver,
    orders_of_copies,
)
from liftproof.validation.extract.extraction import extract
from liftproof.validation.fuzz import parse_module
from liftproof.validation.limits import ValidationOptions
from liftproof.validation.oracle import dataflow
from liftproof.validation.oracle.dataflow import Dataflow
from liftproof.validation.oracle.presburger import pieces_of
from liftproof.validation.validate import Validation, validate

KERNELS = Path(__file__).parent / "kernels"


@pytest.mark.parametrize("sizes", [(32, 32, 48), (20, 33, 47)])
def test_claims_hold_with_and_without_lanes(
    monkeypatch: pytest.MonkeyPatch, kernel: Callable[..., Any], sizes: tuple[int, int, int]
) -> None:
    """Claims that were found without the counters of rows and columns name all of them."""
    program = extract(parse_module(kernel(*sizes).instructions()), load_config())
    short = Dataflow(program).certificate()
    monkeypatch.setattr(dataflow, "without_lanes", list)
    whole = Dataflow(program).certificate()
    assert {key: _writers(short, key) for key in short.sources} == {
        key: _writers(whole, key) for key in whole.sources
    }
    for certificate in (short, whole):
        Checker(program, certificate, Solver()).run()


def _writers(certificate: FlowCertificate, key: tuple[str, int]) -> set[tuple[str, int, bool]]:
    found = certificate.sources[key]
    return {(source.writer, len(source.point), source.accumulated) for source in found}


def _convolution(change: Callable[[str], str] = str) -> Validation:
    source = (KERNELS / "convolution_interleaved.c").read_text()
    target = change((KERNELS / "convolution_interleaved.mlir").read_text())
    options = ValidationOptions(counterexamples=False)
    return validate(parse_c_kernel(source, "conv.c"), parse_module(target), options=options)


def test_a_convolution_with_interleaved_loads_is_proved_for_all_contents() -> None:
    """Loads ahead across all loops, weights kept, a bias: all summands find their partners."""
    result = _convolution()
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("%w[%next_r, %next_s, ", "%w[%next_s, %next_r, "),
        ("%in[%next_g_1, %57, %54, ", "%in[%next_g_1, %54, %57, "),
    ],
)
def test_a_convolution_with_wrong_loads_is_not_proved(right: str, wrong: str) -> None:
    """One exchange in what is loaded ahead, and the pairs by arithmetic do not hold."""

    def change(text: str) -> str:
        assert text.count(right) == 1
        return text.replace(right, wrong)

    assert _convolution(change).verdict == "unknown"


def _query(high: int) -> Query:
    query = Query()
    x = Variable("x", 0, 9)
    names = query.constants([x])
    value = (Index.of(x) * 2 + constant_index(1)).smt.format_map(names)
    query.add(f"(<= 0 {names['x']} {high})")
    query.add(f"(= {value} 8)")
    return query


def test_what_has_no_solution_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same query with the same limit is not asked again; with one other number it is."""
    assert Solver().check(_query(9), "odd is not even")[0] is Answer.UNSAT
    asked: list[int] = []
    plain = z3.SimpleSolver

    def counted() -> z3.Solver:
        asked.append(1)
        return plain()

    monkeypatch.setattr(z3, "SimpleSolver", counted)
    solver = Solver()
    assert solver.check(_query(9), "odd is not even")[0] is Answer.UNSAT
    assert (solver.queries, len(asked)) == (1, 0)
    assert solver.check(_query(8), "odd is not even")[0] is Answer.UNSAT
    assert Solver(resource_limit=1_000_000).check(_query(9), "")[0] is Answer.UNSAT
    assert len(asked) == 2


def test_a_solution_is_found_anew() -> None:
    """A query with a solution has its model each time."""
    for _ in range(2):
        query = Query()
        name = query.constant("x")
        query.add(f"(= {name} 7)")
        assert Solver().check(query, "x is not 7") == (Answer.SAT, {name: 7})


UNROLLED = """
func.func @f(%A: memref<33x5xi8>, %B: memref<33x17xi8>, %C: memref<5x17xi32>)
    attributes {{liftproof.outputs = array<i64: 2>}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c5 = arith.constant 5 : index
  %c16 = arith.constant 16 : index
  %c17 = arith.constant 17 : index
  %c32 = arith.constant 32 : index
  %true = arith.constant true
  %a = memref.alloc() : memref<16x16xi8, #gemmini<space spad>>
  %b = memref.alloc() : memref<16x16xi8, #gemmini<space spad>>
  %c = memref.alloc() : memref<16x16xi32, #gemmini<space acc>>
  scf.for %j = %c0 to %c2 step %c1 {{
    %col = arith.muli %j, %c16 : index
    %left = arith.subi %c17, %col : index
    %cols = arith.minsi %c16, %left : index
    tile.zero %c[] sizes %c5, %cols : memref<16x16xi32, #gemmini<space acc>>
    {products}
    tile.store %c[] to %C[%c0, %col] sizes %c5, %cols
      : memref<16x16xi32, #gemmini<space acc>>, memref<5x17xi32>
  }}
  func.return
}}"""
PRODUCT = """
    tile.load %A[{start}, %c0] to %a[] sizes {depth}, %c5
      : memref<33x5xi8>, memref<16x16xi8, #gemmini<space spad>>
    tile.load %B[{start}, %col] to %b[] sizes {depth}, %cols
      : memref<33x17xi8>, memref<16x16xi8, #gemmini<space spad>>
    tile.matmul %a[], %b[] to %c[] sizes %c5, %cols, {depth} accumulate %true {{a_transpose}}
      : memref<16x16xi8, #gemmini<space spad>>, memref<16x16xi8, #gemmini<space spad>>,
        memref<16x16xi32, #gemmini<space acc>>"""
TRANSPOSED = """#include <stdint.h>
void f(const int8_t A[33][5], const int8_t B[33][17], int32_t C[5][17]) {
  for (int i = 0; i < 5; i++)
    for (int j = 0; j < 17; j++) {
      C[i][j] = 0;
      for (int k = 0; k < 33; k++) C[i][j] += A[k][i] * B[k][j];
    }
}"""


def test_a_load_behind_others_that_make_a_loop_again_is_the_last() -> None:
    """Two of three loads are one statement with a counter; the search mixes up no times."""
    parts = [("%c0", "%c16"), ("%c16", "%c16"), ("%c32", "%c1")]
    products = "".join(PRODUCT.format(start=start, depth=depth) for start, depth in parts)
    source = parse_c_kernel(TRANSPOSED, "kernel.c")
    result = validate(source, parse_module(UNROLLED.format(products=products)))
    assert result.verdict == "proved", result.reason


AHEAD = """#include <stdint.h>
void ahead(int8_t y[80][64]) {
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 2; b++)
            for (int r = 0; r < 16; r++)
                for (int q = 0; q < 4; q++)
                    for (int c = 0; c < 16; c++)
                        if (2 * b + q >= 2 && 2 * b + q <= 3)
                            y[16 * (a + b) + r][16 * q + c] = 1;
}
"""


def test_isl_is_not_asked_for_digits_of_what_is_stored_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Subscripts give the columns; of which block a row is, a condition says, which isl solves."""
    program = extract(parse_c_kernel(AHEAD, "ahead.c"), load_config())
    asked: list[int] = []

    def noted(function: Any, *others: Any) -> Any:
        asked.append(function.dim(isl.dim_type.out))
        return pieces_of(function, *others)

    monkeypatch.setattr(dataflow, "pieces_of", noted)
    certificate = Dataflow(program).certificate()
    assert 3 in asked, "of five counters, two are digits of the column"
    Checker(program, certificate, Solver()).run()


def test_orders_of_counters_are_truisms() -> None:
    """Z3 is told how copies of a counter may lie to each other, which excludes nothing."""
    names = ["t.1", "k.2", "t.3", "t.4"]
    told = list(orders_of_copies(names))
    assert len(told) == 3
    for truism in told:
        solver = z3.SimpleSolver()
        declared = "".join(f"(declare-const {name} Int)" for name in names)
        solver.from_string(f"{declared}{truism.replace('(assert ', '(assert (not ')})")
        assert solver.check() == z3.unsat


def test_a_proof_counts_under_greater_limits_only() -> None:
    """What was proved under one limit need not be proved again, unless with less."""
    query = Query()
    names = [query.constant(f"pigeon{number}") for number in range(5)]
    query.add(f"(distinct {' '.join(names)})")
    for name in names:
        query.add(f"(<= 1 {name} 4)")
    assert Solver().check(query, "five pigeons do not fit four holes")[0] is Answer.UNSAT
    assert Solver(resource_limit=1).check(query, "again with less")[0] is Answer.UNKNOWN
    answers = Solver(resource_limit=2 * RESOURCE_LIMIT).check(query, "again with more")
    assert answers[0] is Answer.UNSAT
