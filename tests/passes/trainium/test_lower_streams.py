"""Tile programs as streams: free of hazards, the same results bit for bit, no wait too many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from liftproof.dialects import trn
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import parameters_of, run
from liftproof.hw.trainium.timing.stream_program import simulate_streams
from liftproof.passes.trainium.lower_streams import LowerStreamsPass
from liftproof.validation.hazards.streams import find_stream_hazard
from numpy.typing import NDArray
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.utils.exceptions import PassFailedException

CONFIG = load_config("trainium1")
SBUF, PSUM = "#trn<space sbuf>", "#trn<space psum>"
SQUARES = f"""
func.func @squares(%x : memref<192x{{columns}}xf32>, %y : memref<192x{{columns}}xf32>) {{{{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c6 = arith.constant 6 : index
  %c32 = arith.constant 32 : index
  scf.for %i = %c0 to %c6 step %c1 {{{{
    %row = arith.muli %i, %c32 : index
    %from = trn.view %x[%row, 0] : memref<192x{{columns}}xf32> to !trn.view<hbm, 32x{{columns}}xf32>
    %a = memref.alloc() : memref<32x{{columns}}xf32, {SBUF}>
    %b = memref.alloc() : memref<32x{{columns}}xf32, {SBUF}>
    %av = trn.view %a[0, 0] : memref<32x{{columns}}xf32, {SBUF}> to !trn.view<sbuf, 32x{{columns}}xf32>
    %bv = trn.view %b[0, 0] : memref<32x{{columns}}xf32, {SBUF}> to !trn.view<sbuf, 32x{{columns}}xf32>
    trn.dma_copy %from to %av : !trn.view<hbm, 32x{{columns}}xf32>, !trn.view<sbuf, 32x{{columns}}xf32>
    trn.activation square %av to %bv : !trn.view<sbuf, 32x{{columns}}xf32>, !trn.view<sbuf, 32x{{columns}}xf32>
    trn.tensor_tensor add %av, %bv to %bv : !trn.view<sbuf, 32x{{columns}}xf32>, !trn.view<sbuf, 32x{{columns}}xf32>, !trn.view<sbuf, 32x{{columns}}xf32>
    %to = trn.view %y[%row, 0] : memref<192x{{columns}}xf32> to !trn.view<hbm, 32x{{columns}}xf32>
    trn.dma_copy %bv to %to : !trn.view<sbuf, 32x{{columns}}xf32>, !trn.view<hbm, 32x{{columns}}xf32>
  }}}}
  func.return
}}}}"""  # noqa: E501
_STORE = "    trn.dma_copy %bv"
_TWICE = SQUARES.replace("to %c6 ", "to %c2 ").replace(
    "%c6 = arith.constant 6", "%c2 = arith.constant 2"
)
CUBES = _TWICE.format(columns=20000).replace(
    _STORE,
    f"""
    %d = memref.alloc() : memref<32x20000xf32, {SBUF}>
    %dv = trn.view %d[0, 0] : memref<32x20000xf32, {SBUF}> to !trn.view<sbuf, 32x20000xf32>
    trn.tensor_copy %bv to %dv : !trn.view<sbuf, 32x20000xf32>, !trn.view<sbuf, 32x20000xf32>
    trn.dma_copy %dv""",
)
"""Three buffers, of which two fit."""
PRODUCT = f"""
func.func @product(%a : memref<2x96x300xf32>, %b : memref<2x96x64xf32>, %c : memref<300x64xf32>) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c100 = arith.constant 100 : index
  %w = memref.alloc() : memref<96x2x64xf32, {SBUF}>
  scf.for %k = %c0 to %c2 step %c1 {{
    %s = trn.view %b[%k, 0, 0] {{along = array<i64: 1, 2>}} : memref<2x96x64xf32> to !trn.view<hbm, 96x64xf32>
    %d = trn.view %w[0, %k, 0] {{along = array<i64: 0, 2>}} : memref<96x2x64xf32, {SBUF}> to !trn.view<sbuf, 96x64xf32>
    trn.dma_copy %s to %d : !trn.view<hbm, 96x64xf32>, !trn.view<sbuf, 96x64xf32>
  }}
  scf.for %m = %c0 to %c3 step %c1 {{
    %row = arith.muli %m, %c100 : index
    %sum = memref.alloc() : memref<100x64xf32, {PSUM}>
    %sv = trn.view %sum[0, 0] : memref<100x64xf32, {PSUM}> to !trn.view<psum, 100x64xf32>
    scf.for %k = %c0 to %c2 step %c1 {{
      %t = memref.alloc() : memref<96x100xf32, {SBUF}>
      %tv = trn.view %t[0, 0] : memref<96x100xf32, {SBUF}> to !trn.view<sbuf, 96x100xf32>
      %s = trn.view %a[%k, 0, %row] {{along = array<i64: 1, 2>}} : memref<2x96x300xf32> to !trn.view<hbm, 96x100xf32>
      trn.dma_copy %s to %tv : !trn.view<hbm, 96x100xf32>, !trn.view<sbuf, 96x100xf32>
      %d = trn.view %w[0, %k, 0] {{along = array<i64: 0, 2>}} : memref<96x2x64xf32, {SBUF}> to !trn.view<sbuf, 96x64xf32>
      %more = arith.cmpi sgt, %k, %c0 : index
      trn.nc_matmul %tv, %d to %sv accumulate %more : !trn.view<sbuf, 96x100xf32>, !trn.view<sbuf, 96x64xf32>, !trn.view<psum, 100x64xf32>
    }}
    %o = memref.alloc() : memref<100x64xf32, {SBUF}>
    %ov = trn.view %o[0, 0] : memref<100x64xf32, {SBUF}> to !trn.view<sbuf, 100x64xf32>
    trn.tensor_copy %sv to %ov : !trn.view<psum, 100x64xf32>, !trn.view<sbuf, 100x64xf32>
    %to = trn.view %c[%row, 0] : memref<300x64xf32> to !trn.view<hbm, 100x64xf32>
    trn.dma_copy %ov to %to : !trn.view<sbuf, 100x64xf32>, !trn.view<hbm, 100x64xf32>
  }}
  func.return
}}"""  # noqa: E501
TRIANGLE = f"""
func.func @triangle(%x : memref<32x8xf32>, %y : memref<32x8xf32>) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %t = memref.alloc() : memref<32x8xf32, {SBUF}>
  %tv = trn.view %t[0, 0] : memref<32x8xf32, {SBUF}> to !trn.view<sbuf, 32x8xf32>
  %xv = trn.view %x[0, 0] : memref<32x8xf32> to !trn.view<hbm, 32x8xf32>
  %yv = trn.view %y[0, 0] : memref<32x8xf32> to !trn.view<hbm, 32x8xf32>
  trn.dma_copy %xv to %tv : !trn.view<hbm, 32x8xf32>, !trn.view<sbuf, 32x8xf32>
  scf.for %i = %c0 to %c4 step %c1 {{
    %last = arith.addi %i, %c1 : index
    scf.for %j = %c0 to %last step %c1 {{
      %from = trn.view %t[0, %j] : memref<32x8xf32, {SBUF}> to !trn.view<sbuf, 32x1xf32>
      %to = trn.view %t[0, %last] : memref<32x8xf32, {SBUF}> to !trn.view<sbuf, 32x1xf32>
      %same = arith.cmpi eq, %i, %j : index
      scf.if %same {{
        trn.activation square %from to %to : !trn.view<sbuf, 32x1xf32>, !trn.view<sbuf, 32x1xf32>
      }} else {{
        trn.tensor_tensor add %from, %to to %to : !trn.view<sbuf, 32x1xf32>, !trn.view<sbuf, 32x1xf32>, !trn.view<sbuf, 32x1xf32>
      }}
    }}
  }}
  trn.dma_copy %tv to %yv : !trn.view<sbuf, 32x8xf32>, !trn.view<hbm, 32x8xf32>
  func.return
}}"""  # noqa: E501
PROGRAMS = {
    "squares": SQUARES.format(columns=16),
    "short of copies": _TWICE.format(columns=16384),
    "short of memory": CUBES,
    "product": PRODUCT,
    "triangle": TRIANGLE,
}


def parse(text: str) -> ModuleOp:
    module = Parser(new_context(), text).parse_module()
    module.verify()
    return module


def lowered(text: str, copies: int = 2) -> ModuleOp:
    module = parse(text)
    LowerStreamsPass(copies).apply(new_context(), module)
    module.verify()
    return module


def results(module: ModuleOp) -> dict[str, NDArray[Any]]:
    """The arrays after a run on numbers that depend on nothing but their shapes."""
    function = kernel_function(module)
    numbers = np.random.default_rng(3)
    shapes = {parameter.name: parameter.shape for parameter in parameters_of(function)}
    arrays = {name: numbers.random(shape).astype(np.float32) for name, shape in shapes.items()}
    return run(function, CONFIG, arrays)


def nanoseconds(module: ModuleOp) -> float:
    return simulate_streams(kernel_function(module), CONFIG)[0].nanoseconds


@pytest.mark.parametrize(
    ("name", "copies"),
    [(name, 2) for name in PROGRAMS] + [("product", 1), ("product", 3), ("squares", 4)],
)
def test_streams_do_what_the_tile_program_does(name: str, copies: int) -> None:
    """No hazard, and the same bits, whatever loops, conditions and memory there are."""
    module = lowered(PROGRAMS[name], copies)
    assert find_stream_hazard(kernel_function(module), CONFIG) is None
    expected = results(parse(PROGRAMS[name]))
    for array, found in results(module).items():
        np.testing.assert_array_equal(found, expected[array])


def _synchronisation(module: ModuleOp) -> Iterator[trn.WaitOp | trn.IncOp]:
    return (op for op in module.walk() if isinstance(op, trn.WaitOp | trn.IncOp))


@pytest.mark.parametrize("name", ["squares", "product", "triangle"])
def test_nothing_can_be_left_out(name: str) -> None:
    """Without any one of the waits there is a hazard; so there is without any one of the incs."""
    module = lowered(PROGRAMS[name])
    for number in range(len(list(_synchronisation(module)))):
        mutant = module.clone()
        list(_synchronisation(mutant))[number].detach()
        assert find_stream_hazard(kernel_function(mutant), CONFIG) is not None


def test_loops_stay_loops() -> None:
    """Loops of constant bounds are in the streams that need them; others are written out."""

    def loops(function: func.FuncOp) -> list[int]:
        streams = [op for op in function.walk() if isinstance(op, trn.StreamOp)]
        return [sum(isinstance(op, scf.ForOp) for op in stream.walk()) for stream in streams]

    assert loops(kernel_function(lowered(PROGRAMS["product"]))) == [3, 2, 1, 1]
    assert loops(kernel_function(lowered(TRIANGLE))) == [0] * 4


def test_two_copies_overlap_moves_and_work() -> None:
    """With two copies of its buffers, the loop takes less time than with one."""
    times = [nanoseconds(lowered(SQUARES.format(columns=4096), copies)) for copies in (1, 2)]
    assert times[1] < 0.8 * times[0]


@pytest.mark.parametrize(
    ("text", "copies", "said"),
    [
        (SQUARES.format(columns=50000), 2, "capacity: 2 buffers of up to 200000 bytes"),
        (SQUARES.format(columns=16), 0, "copies must be at least 1"),
        ("func.func @empty() {\n  func.return\n}", 2, "needs a tile program"),
    ],
)
def test_what_cannot_be_lowered_is_named(text: str, copies: int, said: str) -> None:
    """A reason, and no program."""
    with pytest.raises(PassFailedException, match=said):
        lowered(text, copies)


def test_streams_are_not_lowered_again() -> None:
    """A program that has streams is refused."""
    with pytest.raises(PassFailedException, match="has streams already"):
        LowerStreamsPass().apply(new_context(), lowered(PROGRAMS["squares"]))
