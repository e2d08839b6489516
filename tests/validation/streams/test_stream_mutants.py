"""Mistakes in synchronisation: each is refuted, with the two instructions that conflict."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from liftproof.dialects.context import new_context
from liftproof.validation.hazards.stream_arrays import is_harmless
from liftproof.validation.hazards.streams import StreamHazard, StreamRule
from xdsl.dialects import func
from xdsl.parser import Parser

Find = Callable[..., StreamHazard | None]
RACE, DEADLOCK = StreamRule.RACE, StreamRule.DEADLOCK
UNSATISFIABLE, CAPACITY = StreamRule.UNSATISFIABLE, StreamRule.CAPACITY


class Mutant(NamedTuple):
    """A change of a program's text, and what the checker says to it."""

    name: str
    program: str
    old: str
    new: str
    rule: StreamRule
    command: str
    other: str
    cells: str = ""
    occurrence: int = 0


ENDS_INC = "trn.inc %multiplied by %one"
WAIT_COPIED = "trn.wait %copied until %one"
PRODUCT = [
    Mutant(
        "a dropped wait for loads",
        "product", "trn.wait %loaded until %loads", "",
        RACE, "%A_view to %a_view", "load_stationary %a_view",
        "SBUF partitions 0-127, bytes 0-127",
    ),
    Mutant(
        "a count that one of two queues can reach",
        "product", "%loads = arith.constant 32", "%loads = arith.constant 16",
        RACE, "%A_view to %a_view", "load_stationary %a_view",
    ),
    Mutant(
        "a dropped inc",
        "product", ENDS_INC, "",
        UNSATISFIABLE, "wait %multiplied", "%multiplied = trn.semaphore",
    ),
    Mutant(
        "a dropped wait for a product",
        "product", "trn.wait %multiplied until %one", "",
        RACE, "mult_moving", "activation copy",
        "PSUM partitions 0-63, bytes 6144-7167",
    ),
    Mutant(
        "a dropped wait before a store",
        "product", WAIT_COPIED, "",
        RACE, "%c_view to %C_view", "activation copy", "SBUF partitions 0-63, bytes 1024-2047",
    ),
    Mutant(
        "a wait for another semaphore",
        "product", WAIT_COPIED, "trn.wait %multiplied until %one",
        RACE, "%c_view to %C_view", "activation copy",
    ),
    Mutant(
        "a move that counts another semaphore",
        "product", "%B_view to %b_view inc %loaded", "%B_view to %b_view inc %written",
        UNSATISFIABLE, "wait %loaded", "%A_view to %a_view",
    ),
    Mutant(
        "buffers that overlap",
        "product", "offset 128 : memref<128x256xbf16", "offset 96 : memref<128x256xbf16",
        RACE, "%A_view to %a_view", "%B_view to %b_view", "SBUF partitions 0-127, bytes 96-127",
    ),
    Mutant(
        "a buffer past the end",
        "product", "offset 1024 :", "offset 179456 :",
        CAPACITY, "%c = trn.sbuf", "%c_view to %C_view",
    ),
    Mutant(
        "streams that wait for each other",
        "product", "trn.stream sp {", f"trn.stream sp {{ {WAIT_COPIED}",
        DEADLOCK, "wait %copied", "inc %copied",
    ),
    Mutant(
        "a wait for more than is counted",
        "product", "%loads = arith.constant 32", "%loads = arith.constant 48",
        UNSATISFIABLE, "wait %loaded", "%B_view to %b_view",
    ),
    Mutant(
        "an inc in front of the product",
        "product", "trn.load_stationary %a_view", f"{ENDS_INC} trn.load_stationary %a_view",
        RACE, "mult_moving", "activation copy",
    ),
]  # fmt: skip
SQUARES = [
    Mutant(
        "a buffer that is filled again too early",
        "squares", "trn.wait %stored until %count", "",
        RACE, "%from to %to inc %loaded' (stream sp, queue 0, iteration 2",
        "activation square %v to %v' (stream act, iteration 0",
        "SBUF partitions 0-31, bytes 0-63",
    ),
    Mutant(
        "a dropped wait for a load in a loop",
        "squares", "trn.wait %loaded until %count", "",
        RACE, "queue 0, iteration 0", "activation square %v to %v' (stream act, iteration 0",
    ),
    Mutant(
        "a dropped wait for work in a loop",
        "squares", "trn.wait %squared until %next", "",
        RACE, "queue 1, iteration 0", "activation square",
    ),
    Mutant(
        "a dropped inc in a loop",
        "squares", "trn.inc %squared by %c1", "",
        UNSATISFIABLE, "wait %squared", "%squared = trn.semaphore",
    ),
    Mutant(
        "a wait that is one load behind",
        "squares", "%count = arith.muli %next, %c16", "%count = arith.muli %i, %c16",
        RACE, "queue 0, iteration 0", "activation square %v to %v' (stream act, iteration 0",
    ),
    Mutant(
        "a store that is one tile ahead",
        "squares", "trn.wait %squared until %next", "trn.wait %squared until %i",
        RACE, "queue 1, iteration 0", "activation square %v to %v' (stream act, iteration 0",
    ),
    Mutant(
        "work on the other buffer",
        "squares", "%slot = arith.remui %i, %c2", "%slot = arith.remui %next, %c2",
        RACE, "queue 0, iteration 1", "activation square %v to %v' (stream act, iteration 0",
        "SBUF partitions 0-31, bytes 64-127", 1,
    ),
    Mutant(
        "a wait for the store before the last but one",
        "squares", "%before = arith.subi %i, %c1", "%before = arith.subi %i, %c2",
        RACE, "queue 0, iteration 2", "activation square %v to %v' (stream act, iteration 0",
    ),
    Mutant(
        "a semaphore that counts twice",
        "squares", "trn.inc %squared by %c1", "trn.inc %squared by %c2",
        RACE, "activation square", "queue 1, iteration 1",
    ),
    Mutant(
        "a load that waits for its own store",
        "squares", "%before = arith.subi %i, %c1", "%before = arith.addi %i, %c1",
        DEADLOCK, "wait %stored until %count' (stream sp, iteration 2",
        "inc %stored' (stream pool, queue 1, iteration 2",
    ),
    Mutant(
        "a store that waits for the load",
        "squares", "trn.wait %squared until %next",
        "%sixteen = arith.muli %next, %c16 : index trn.wait %loaded until %sixteen",
        RACE, "queue 1, iteration 0", "activation square",
    ),
    Mutant(
        "two buffers past the end",
        "squares", "offset 0 :", "offset 180160 :",
        CAPACITY, "%t = trn.sbuf", "queue 0 %from to %to",
    ),
    Mutant(
        "a single buffer",
        "squares", "%slot = arith.remui %i, %c2", "%slot = arith.remui %i, %c1",
        RACE, "queue 0, iteration 1", "activation square %v to %v' (stream act, iteration 0)",
    ),
]  # fmt: skip
MATMUL = [
    Mutant(
        "a stationary operand that is not waited for",
        "matmul", "trn.wait %stationary_loaded until %all", "",
        RACE, "inc %stationary_loaded' (stream sp, queue 0, iteration 0", "load_stationary",
    ),
    Mutant(
        "stationary operands that are counted in moves",
        "matmul", "%all = arith.muli %K, %c16", "%all = arith.muli %K, %c1",
        RACE, "inc %stationary_loaded' (stream sp, queue 0, iteration 1",
        "load_stationary %w' (stream pe, iteration 0, 1", "bytes 256-511",
    ),
    Mutant(
        "moving operands that replace each other",
        "matmul", "trn.wait %multiplied until %w", "",
        RACE, "inc %moving_loaded' (stream sp, queue 1, iteration 0, 2", "iteration 0, 0",
        "SBUF partitions 0-127, bytes 768-1791",
    ),
    Mutant(
        "a load that is one product ahead",
        "matmul", "%w = arith.subi %i, %c1", "%w = arith.subi %i, %c2",
        RACE, "inc %moving_loaded' (stream sp, queue 1, iteration 0, 2", "mult_moving",
    ),
    Mutant(
        "a moving operand that is not waited for",
        "matmul", "trn.wait %moving_loaded until %need", "",
        RACE, "inc %moving_loaded' (stream sp, queue 1, iteration 0, 0", "iteration 0, 0",
    ),
    Mutant(
        "a PSUM bank that is used again too early",
        "matmul", "trn.wait %copied until %pw", "",
        RACE, "(stream pe, iteration 2, 0)", "activation copy %r to %q' (stream act, iteration 0)",
        "PSUM partitions 0-127, bytes 0-2047",
    ),
    Mutant(
        "a PSUM bank that is used again one tile too early",
        "matmul", "%pw = arith.subi %n, %c1", "%pw = arith.subi %n, %c2",
        RACE, "(stream pe, iteration 2, 0)", "activation copy %r to %q' (stream act, iteration 0)",
    ),
    Mutant(
        "a copy that does not wait for its group",
        "matmul", "trn.wait %multiplied until %need", "",
        RACE, "mult_moving", "activation copy",
    ),
    Mutant(
        "a copy that waits for the group before",
        "matmul", "%need = arith.muli %n1, %K", "%need = arith.muli %n, %K",
        RACE, "mult_moving %m to %r accumulate %more' (stream pe, iteration 0, 0",
        "activation copy %r to %q' (stream act, iteration 0)",
    ),
    Mutant(
        "a result that is overwritten before its store",
        "matmul", "trn.wait %stored until %sw16", "",
        RACE, "activation copy", "inc %stored",
    ),
    Mutant(
        "a store that waits for nothing",
        "matmul", "trn.wait %copied until %n1", "",
        RACE, "activation copy", "inc %stored",
    ),
    Mutant(
        "a product that counts twice",
        "matmul", "trn.inc %multiplied by %c1", "trn.inc %multiplied by %c2",
        RACE, "mult_moving %m to %r accumulate %more' (stream pe, iteration 0, 1)",
        "inc %moving_loaded' (stream sp, queue 1, iteration 1, 0)",
    ),
    Mutant(
        "a product that waits for its own copy",
        "matmul", "%pw = arith.subi %n, %c1", "%pw = arith.addi %n, %c1",
        DEADLOCK, "wait %multiplied until %w' (stream sp, iteration 0, 2)",
        "inc %multiplied by %c1' (stream pe, iteration 0, 0)",
    ),
    Mutant(
        "results past the end",
        "matmul", "offset 2816 :", "offset 178000 :",
        CAPACITY, "%o = trn.sbuf", "activation copy %r to %q",
    ),
    Mutant(
        "a copy into the other buffer",
        "matmul", "trn.view %o[0, %pslot, 0]", "trn.view %o[0, %c0, 0]",
        RACE, "activation copy", "inc %stored",
    ),
]  # fmt: skip
SHARED = [
    Mutant(
        "a wait for one of two engines",
        "shared", "trn.wait %worked until %c2", "trn.wait %worked until %c1",
        RACE, "activation square", "%tv to %yv",
    ),
    Mutant(
        "an engine that does not report",
        "shared", "trn.inc %worked by %c1", "",
        UNSATISFIABLE, "wait %worked", "inc %worked",
    ),
    Mutant(
        "an engine that reports for two",
        "shared", "trn.inc %worked by %c1", "trn.inc %worked by %c2",
        RACE, "%tv to %yv", "reciprocal",
    ),
    Mutant(
        "moves of one queue whose triggers are in no order",
        "shared", "trn.wait %turn until %c1", "",
        RACE, "%tv to %yv", "%yv to %uv", "%y, rows 0-63, bytes 0-63",
    ),
    Mutant(
        "triggers in order, moves in different queues",
        "shared", "trn.dma_start queue 1 %yv to %uv", "trn.dma_start queue 2 %yv to %uv",
        RACE, "%tv to %yv", "%yv to %uv",
    ),
    Mutant(
        "a move that does not wait for another queue's",
        "shared", "trn.dma_start queue 1 %uv to %zv", "trn.dma_start queue 3 %uv to %zv",
        RACE, "%yv to %uv", "%uv to %zv",
    ),
    Mutant(
        "a buffer that is cleared before it is stored",
        "shared", "trn.wait %stored until %c32", "",
        RACE, "activation square", "memset", "SBUF partitions 0-31, bytes 0-63",
    ),
    Mutant(
        "two buffers at one place",
        "shared", "trn.sbuf partition 64 offset 0", "trn.sbuf partition 0 offset 0",
        RACE, "%uv to %zv", "memset %tv", "SBUF partitions 0-63, bytes 0-63",
    ),
    Mutant(
        "two engines on the same rows",
        "shared", "%high = trn.view %t[32, 0]", "%high = trn.view %t[0, 0]",
        RACE, "activation square", "reciprocal",
    ),
    Mutant(
        "a cycle through three streams",
        "shared", "trn.wait %loaded until %c16", "trn.wait %stored until %c32",
        DEADLOCK, "wait %worked", "inc %worked",
    ),
]  # fmt: skip
MUTANTS = PRODUCT + SQUARES + MATMUL + SHARED


def parse(text: str) -> func.FuncOp:
    (function,) = Parser(new_context(), text).parse_module().body.block.ops
    assert isinstance(function, func.FuncOp)
    return function


def mutated(text: str, mutant: Mutant) -> str:
    """The program with one occurrence of the old text replaced."""
    before, *rest = text.split(mutant.old)
    assert len(rest) > mutant.occurrence, "the text to replace is there"
    parts = [before, *rest]
    left = mutant.old.join(parts[: mutant.occurrence + 1])
    return left + mutant.new + mutant.old.join(parts[mutant.occurrence + 1 :])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_is_refuted(find_hazard: Find, programs: dict[str, str], mutant: Mutant) -> None:
    """The hazard has the rule, and names the two instructions and the cells."""
    found = find_hazard(mutated(programs[mutant.program], mutant))
    assert found is not None
    assert found.rule == mutant.rule
    places = [str(found.command), str(found.other)]
    wanted = [mutant.command, mutant.other]
    assert any(
        all(part in place for part, place in zip(wanted, order, strict=True))
        for order in (places, places[::-1])
    )
    assert mutant.cells in str(found.cells)


@pytest.mark.parametrize(
    ("name", "quickly"), [("squares", True), ("matmul", True), ("shared", False)]
)
def test_simple_programs_are_proved_quickly(
    programs: dict[str, str], name: str, quickly: bool
) -> None:
    """Without walking through their events, if one chain counts each semaphore up."""
    assert is_harmless(parse(programs[name])) == quickly


@pytest.mark.parametrize("name", ["product", "squares", "matmul", "shared"])
def test_a_correct_program_is_accepted(
    find_hazard: Find, programs: dict[str, str], name: str
) -> None:
    """Programs whose semaphores are sufficient have no hazard."""
    assert find_hazard(programs[name]) is None
