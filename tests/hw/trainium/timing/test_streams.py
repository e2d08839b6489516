"""Timing of ISA-level programs: streams, semaphores and queues as they stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.dialects.context import new_context
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.timing import TimingResult
from liftproof.hw.trainium.timing.stream_program import simulate_streams
from xdsl.dialects import func
from xdsl.parser import Parser

ISA = Path(__file__).parents[3] / "filecheck/dialects/trn/isa.mlir"


def simulate(text: str, config: str = "trainium1") -> tuple[TimingResult, list[str]]:
    """Time the function in IR text; also returns the name of each record's operation."""
    module = Parser(new_context(), text).parse_module()
    module.verify()
    (function,) = (op for op in module.body.block.ops if isinstance(op, func.FuncOp))
    result, names = simulate_streams(function, load_config(config))
    return result, [names[origin] for origin in result.program.instructions["origin"].tolist()]


def test_each_step_waits_for_the_one_before() -> None:
    """Loads, product, copy and store follow each other, through their semaphores."""
    result, names = simulate(ISA.read_text(encoding="utf-8"))
    times = result.times
    moves = np.flatnonzero(result.program.instructions["dmas"] > 0)
    loads, store = moves[:2], moves[2]
    product, copy = names.index("mult_moving"), names.index("activation")
    assert times["issued"][names.index("load_stationary")] >= times["visible"][loads].max()
    assert times["issued"][copy] >= times["visible"][product]
    assert times["issued"][store] >= times["visible"][copy]
    assert result.nanoseconds == pytest.approx(result.launch + times["visible"].max())
    assert result.cycles >= result.lower_bound_cycles > 0
    assert 0 < result.utilization < 1


PRODUCTS = """
func.func @f() {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %count = arith.constant {count} : index
  %w = trn.sbuf partition 0 offset 0 : memref<128x128xbf16, #trn<space sbuf>>
  %x = trn.sbuf partition 0 offset 256 : memref<128x512xbf16, #trn<space sbuf>>
  %p = trn.psum partition 0 bank 0 : memref<128x512xf32, #trn<space psum>>
  %wv = trn.view %w[0, 0] : memref<128x128xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x128xbf16>
  %xv = trn.view %x[0, 0] : memref<128x512xbf16, #trn<space sbuf>> to !trn.view<sbuf, 128x512xbf16>
  %pv = trn.view %p[0, 0] : memref<128x512xf32, #trn<space psum>> to !trn.view<psum, 128x512xf32>
  trn.stream pe {{
    scf.for %i = %c0 to %count step %c1 {{
      trn.load_stationary %wv : !trn.view<sbuf, 128x128xbf16>
      trn.mult_moving %xv to %pv : !trn.view<sbuf, 128x512xbf16>, !trn.view<psum, 128x512xf32>
    }}
  }}
  func.return
}}
"""


def test_loading_hides_behind_the_product_before() -> None:
    """Products of 512 columns with a new stationary operand each keep the array busy."""
    config = load_config("trainium1")
    few, many = (simulate(PRODUCTS.format(count=count))[0] for count in (10, 110))
    per_product = (many.nanoseconds - few.nanoseconds) / 100
    assert per_product == pytest.approx(512 / config.pe_ghz, rel=1e-6)


def test_a_deadlock_is_a_diagnostic() -> None:
    """Streams whose semaphores nobody counts up are named."""
    text = ISA.read_text(encoding="utf-8").replace("trn.inc %multiplied by %one", "")
    with pytest.raises(Diagnostic, match="deadlock: these instructions wait forever"):
        simulate(text)


COPIES = """
func.func @f(%x : memref<64x128x2048xf32>, %y : memref<64x128x2048xf32>) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %slots = arith.constant {slots} : index
  %count = arith.constant 16 : index
  %t = trn.sbuf partition 0 offset 0 : memref<128x2x2048xf32, #trn<space sbuf>>
  %loaded = trn.semaphore
  %stored = trn.semaphore
  trn.stream sp {{
    scf.for %i = %c0 to %count step %c1 {{
      %before = arith.subi %i, %slots : index
      %next = arith.addi %before, %c1 : index
      %least = arith.maxsi %next, %c0 : index
      %needed = arith.muli %least, %c16 : index
      trn.wait %stored until %needed
      %slot = arith.remui %i, %slots : index
      %from = trn.view %x[%i, 0, 0] {{along = array<i64: 1, 2>}}
        : memref<64x128x2048xf32> to !trn.view<hbm, 128x2048xf32>
      %to = trn.view %t[0, %slot, 0] {{along = array<i64: 0, 2>}}
        : memref<128x2x2048xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x2048xf32>
      trn.dma_start queue 0 %from to %to inc %loaded
        : !trn.view<hbm, 128x2048xf32>, !trn.view<sbuf, 128x2048xf32>
    }}
  }}
  trn.stream act {{
    scf.for %i = %c0 to %count step %c1 {{
      %next = arith.addi %i, %c1 : index
      %needed = arith.muli %next, %c16 : index
      trn.wait %loaded until %needed
      %slot = arith.remui %i, %slots : index
      %from = trn.view %t[0, %slot, 0] {{along = array<i64: 0, 2>}}
        : memref<128x2x2048xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x2048xf32>
      %to = trn.view %y[%i, 0, 0] {{along = array<i64: 1, 2>}}
        : memref<64x128x2048xf32> to !trn.view<hbm, 128x2048xf32>
      trn.dma_start queue 1 %from to %to inc %stored
        : !trn.view<sbuf, 128x2048xf32>, !trn.view<hbm, 128x2048xf32>
    }}
  }}
  func.return
}}
"""


def test_two_buffers_in_turn_overlap_loads_and_stores() -> None:
    """With one buffer each load waits for the store before; with two they overlap."""
    one, two = (simulate(COPIES.format(slots=slots))[0] for slots in (1, 2))
    assert two.nanoseconds < one.nanoseconds
    assert one.dma_bytes == two.dma_bytes == 2 * 16 * 128 * 2048 * 4
    assert two.nanoseconds >= two.bound.nanoseconds
