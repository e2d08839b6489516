"""Streams in order: the tile program that they become does the same, or there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from liftproof.dialects import trn
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.config import load_config as load_gemmini
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import parameters_of, run
from liftproof.tools.recheck import recheck
from liftproof.validation.core.polyhedral import Unsupported
from liftproof.validation.decide import decide
from liftproof.validation.hazards.stream_arrays import is_harmless
from liftproof.validation.limits import ValidationOptions
from liftproof.validation.streams import HazardError, without_streams
from numpy.typing import NDArray
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i64
from xdsl.parser import Parser

CONFIG = load_config("trainium1")


def parse(text: str) -> ModuleOp:
    """A module of one function that may write all its arrays but the first."""
    module = Parser(new_context(), text).parse_module()
    module.verify()
    function = function_of(module)
    written = DenseArrayBase.from_list(i64, list(range(1, len(function.args))))
    function.attributes["liftproof.outputs"] = written
    return module


def function_of(module: ModuleOp) -> func.FuncOp:
    (function,) = (op for op in module.body.block.ops if isinstance(op, func.FuncOp))
    return function


def results(module: ModuleOp) -> Mapping[str, NDArray[Any]]:
    """All arrays after a run on numbers that depend on nothing but their shapes."""
    function = function_of(module)
    numbers = np.random.default_rng(5)
    arrays = {
        parameter.name: numbers.random(parameter.shape).astype(parameter.dtype)
        for parameter in parameters_of(function)
    }
    return run(function, CONFIG, arrays)


@pytest.mark.parametrize("name", ["product", "squares", "matmul", "shared"])
def test_the_tile_program_does_the_same(programs: dict[str, str], name: str) -> None:
    """Bit for bit, with the same loops, and validation proves it equal to the streams."""
    streams = parse(programs[name])
    tiles = without_streams(streams, CONFIG)
    assert not any(isinstance(op, trn.StreamOp | trn.SemaphoreOp) for op in tiles.walk())
    found, expected = results(tiles), results(streams)
    for array in expected:
        np.testing.assert_array_equal(found[array], expected[array])
    assert decide(tiles, streams).verdict == "proved"


def test_loops_of_streams_become_one_loop(programs: dict[str, str]) -> None:
    """Streams that repeat the same work share its loops; a loop of one stream alone stays one."""
    tiles = without_streams(parse(programs["matmul"]))
    assert sum(isinstance(op, scf.ForOp) for op in tiles.walk()) == 3


@pytest.mark.parametrize(
    ("name", "old", "new", "verdict", "said"),
    [
        ("squares", "trn.wait %loaded until %count", "", "refuted", "hazard: race"),
        ("squares", "trn.inc %squared by %c1", "", "refuted", "hazard: unsatisfiable wait"),
        ("squares", "%next, %c16 : index", "%i, %c16 : index", "refuted", "hazard: race"),
        ("squares", "%before = arith.subi", "%before = arith.addi", "refuted", "hazard: deadlock"),
        ("squares", "offset 0 :", "offset 180160 :", "refuted", "hazard: capacity"),
        ("squares", "activation square", "activation abs", "refuted", ""),
        ("squares", "trn.view %y[%i, 0, 0]", "trn.view %y[%c0, 0, 0]", "refuted", ""),
        ("matmul", "%more = arith.cmpi ne", "%more = arith.cmpi eq", "unknown", "every element"),
    ],
)
def test_wrong_streams_are_not_proved(
    programs: dict[str, str], name: str, old: str, new: str, verdict: str, said: str
) -> None:
    """Hazards by their two instructions; wrong values and places as in any other program."""
    text = programs[name]
    found = decide(parse(text), parse(text.replace(old, new, 1)))
    assert (found.verdict, found.reason[: len(said)]) == (verdict, said)
    if said.startswith("hazard"):
        assert found.explanation.instruction
        assert found.explanation.source_operation


TWO_AT_ONE_PLACE = """
func.func @f(%x : memref<32x8xf32>, %y : memref<32x8xf32>) {
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %a = trn.sbuf partition 0 offset 0 : memref<32x8xf32, #trn<space sbuf>>
  %b = trn.sbuf partition 0 offset 0 : memref<32x8xf32, #trn<space sbuf>>
  %av = trn.view %a[0, 0] : memref<32x8xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x8xf32>
  %bv = trn.view %b[0, 0] : memref<32x8xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x8xf32>
  %xv = trn.view %x[0, 0] : memref<32x8xf32> to !trn.view<hbm, 32x8xf32>
  %yv = trn.view %y[0, 0] : memref<32x8xf32> to !trn.view<hbm, 32x8xf32>
  %loaded = trn.semaphore
  %squared = trn.semaphore
  %stored = trn.semaphore
  trn.stream act {
    trn.dma_start queue 0 %xv to %av inc %loaded : !trn.view<hbm, 32x8xf32>, !trn.view<sbuf, 32x8xf32>
    trn.wait %loaded until %c16
    trn.activation square FROM to %bv : !trn.view<sbuf, 32x8xf32>, !trn.view<sbuf, 32x8xf32>
    trn.dma_start queue 1 %bv to %yv inc %stored : !trn.view<sbuf, 32x8xf32>, !trn.view<hbm, 32x8xf32>
  }
  func.return
}"""  # noqa: E501


def test_contents_of_another_buffer_are_not_read() -> None:
    """Buffers may share cells, but what is read through one was written through it."""
    right, wrong = (TWO_AT_ONE_PLACE.replace("FROM", name) for name in ("%av", "%bv"))
    assert decide(parse(right), parse(right)).verdict == "proved"
    with pytest.raises(Unsupported, match="written through another buffer"):
        without_streams(parse(wrong))


EVERY_OTHER = """
func.func @f() {
  %a = trn.sbuf partition 0 offset 0 : memref<32x256xf32, #trn<space sbuf>>
  %b = trn.sbuf partition 0 offset OFFSET : memref<32x256xf32, #trn<space sbuf>>
  %av = trn.view %a[0, 0] : memref<32x256xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x256xf32>
  %bv = trn.view %b[0, 0] : memref<32x256xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x256xf32>
  %even = trn.view %b[0, 0] {steps = array<i64: 1, STEP>} : memref<32x256xf32, #trn<space sbuf>>
    to !trn.view<sbuf, 32xSIZExf32>
  trn.stream dve {
    trn.memset %av to 0.0 : !trn.view<sbuf, 32x256xf32>
    trn.memset %even to 1.0 : !trn.view<sbuf, 32xSIZExf32>
    trn.reciprocal %bv to %bv : !trn.view<sbuf, 32x256xf32>, !trn.view<sbuf, 32x256xf32>
  }
  func.return
}"""


@pytest.mark.parametrize(
    ("offset", "step", "size", "accepted"),
    [(0, 1, 256, True), (0, 2, 128, False), (512, 2, 128, False), (1024, 2, 128, True)],
)
def test_a_write_of_some_elements_leaves_the_others(
    offset: int, step: int, size: int, accepted: bool
) -> None:
    """Which elements of a buffer were written through it is not taken from the box around them."""
    text = EVERY_OTHER.replace("OFFSET", str(offset)).replace("STEP", str(step))
    function = function_of(parse(text.replace("SIZE", str(size))))
    assert is_harmless(function) == accepted


def test_a_stationary_operand_stays_in_place(programs: dict[str, str]) -> None:
    """Between a load and its product an instruction may overwrite the operand: no order then."""
    loading = "trn.load_stationary %a_view : !trn.view<sbuf, 128x64xbf16>"
    text = programs["product"]
    assert loading in text
    turned = """
    %turned = trn.psum partition 0 bank 6 : memref<64x128xf32, #trn<space psum>>
    %tv = trn.view %turned[0, 0] : memref<64x128xf32, #trn<space psum>>
      to !trn.view<psum, 64x128xf32>
    %loaded = trn.semaphore"""
    between = text.replace("%loaded = trn.semaphore", turned).replace(
        loading,
        f"{loading}\n trn.nc_transpose %a_view to %tv"
        " : !trn.view<sbuf, 128x64xbf16>, !trn.view<psum, 64x128xf32>",
    )
    with pytest.raises(Unsupported, match="not loaded just before"):
        without_streams(parse(between))


def test_certificates_of_streams_rest_on_their_order(programs: dict[str, str]) -> None:
    """To check one puts the streams in order again, under the assumption of the proof."""
    streams, machine = parse(programs["shared"]), load_gemmini()
    tiles = without_streams(streams, CONFIG)
    found = decide(tiles, streams)
    assert found.certificate is not None
    again = recheck(tiles, streams, found.certificate, machine, ValidationOptions(), CONFIG)
    assert (again["verdict"], again["assumptions"]) == ("proved", list(found.assumptions))
    racing = parse(re.sub(r"trn.wait .*", "", programs["shared"]))
    refused = recheck(tiles, racing, found.certificate, machine, ValidationOptions(), CONFIG)
    assert refused["verdict"] == "unknown"
    assert "in no order" in refused["reason"]


def test_a_hazard_of_the_source_leaves_the_verdict_open(programs: dict[str, str]) -> None:
    """A source without a meaning proves and refutes nothing."""
    racing = programs["squares"].replace("trn.wait %loaded until %count", "")
    found = decide(parse(racing), parse(programs["squares"]))
    assert found.verdict == "unknown"
    assert found.reason.startswith("source: race")
    with pytest.raises(HazardError, match="in no order"):
        without_streams(parse(racing))


TRIANGLE = """
func.func @f(%x : memref<32x8xf32>, %y : memref<32x8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %a = trn.sbuf partition 0 offset 0 : memref<32x8xf32, #trn<space sbuf>>
  %b = trn.sbuf partition 0 offset 64 : memref<32x8xf32, #trn<space sbuf>>
  %av = trn.view %a[0, 0] : memref<32x8xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x8xf32>
  %bv = trn.view %b[0, 0] : memref<32x8xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x8xf32>
  trn.stream act {
    scf.for %i = %c0 to %c2 step %c1 {
      %next = arith.addi %i, %c1 : index
      scf.for %j = %c0 to %next step %c1 {
        trn.activation square %av to %av : !trn.view<sbuf, 32x8xf32>, !trn.view<sbuf, 32x8xf32>
      }
    }
  }
  trn.stream dve {
    scf.for %i = %c0 to %c2 step %c1 {
      scf.for %j = %c0 to %c1 step %c1 {
        trn.reciprocal %bv to %bv : !trn.view<sbuf, 32x8xf32>, !trn.view<sbuf, 32x8xf32>
      }
    }
  }
  func.return
}"""


def test_loops_that_differ_later_are_not_joined() -> None:
    """Bounds that are equal in the first iteration only would repeat what is done once."""
    with pytest.raises(Unsupported, match="the same at first only"):
        without_streams(parse(TRIANGLE))
    square = TRIANGLE.replace("%c0 to %next", "%c0 to %c1")
    loops = [op for op in without_streams(parse(square)).walk() if isinstance(op, scf.ForOp)]
    assert len(loops) == 2
