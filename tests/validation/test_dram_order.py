"""The order of moves: memory that a store and a load share is asked for by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.condition import TRUE, within
from liftproof.validation.core.index import Index, Variable, constant_index
from liftproof.validation.core.polyhedral import Array, Fence, Program, Read, Statement, Unsupported
from liftproof.validation.core.smt import Solver
from liftproof.validation.core.terms import term
from liftproof.validation.fuzz import parse_module
from liftproof.validation.hazards.dram_order import check_dram_order
from liftproof.validation.validate import validate

ROW = Variable("i", 0, 3)
R = Index.of(ROW)
ONE = term("constant", "i32", payload=1)
SPAD, DRAM = Array("spad", "i8", (constant_index(64),)), Array("D", "i8", (constant_index(64),))
IN_DRAM = replace(DRAM, position=0)
LOCAL = frozenset({"spad"})


def move(name: str, to: tuple[Array, Index], source: tuple[Array, Index], time: int) -> Statement:
    """A move of four elements, one after the other."""
    schedule = (constant_index(time), R)
    read = Read(source[0], (source[1],), schedule)
    return Statement(name, (ROW,), TRUE, schedule, to[0], (to[1],), ONE, (read,))


def moves(load_time: int, store_time: int, *, dram: int = 0, row: int = 0) -> Program:
    """A load of elements 0–3 of D to rows 0–3, and a store from ``row`` on to ``dram`` on."""
    load = move("L", (SPAD, R), (IN_DRAM, R), load_time)
    store = move("S", (IN_DRAM, R + dram), (SPAD, R + row), store_time)
    return Program(statements=[load, store], moves={"L", "S"}, local_memories=LOCAL)


@pytest.mark.parametrize(
    ("program", "allowed"),
    [
        (moves(0, 1), True),
        (moves(0, 1, row=8), False),
        (moves(0, 1, row=1), False),
        (moves(0, 1, row=8, dram=4), True),
        (moves(0, 1, row=8, dram=3), False),
        (moves(1, 0), False),
        (moves(1, 0, dram=4), True),
        (moves(1, 0, dram=-3), False),
        (replace(moves(1, 0), moves={"L"}), True),
    ],
)
def test_moves_keep_no_order_of_their_own(program: Program, allowed: bool) -> None:
    """A store may follow a load of its rows; else moves of one element must not meet."""
    if allowed:
        check_dram_order(program, Solver())
    else:
        with pytest.raises(Unsupported, match="may move"):
            check_dram_order(program, Solver())


@pytest.mark.parametrize("rows", ["other memory", "none"])
def test_only_rows_of_one_memory_order_moves(rows: str) -> None:
    """A store of what comes from elsewhere does not wait for a load of the same elements."""
    program = moves(0, 1)
    load, store = program.statements
    reads = (replace(store.reads[0], array=Array("acc", "i32", SPAD.extents)),)
    other = replace(store, reads=reads if rows == "other memory" else ())
    program = replace(program, statements=[load, other], local_memories=LOCAL | {"acc"})
    test_moves_keep_no_order_of_their_own(program, allowed=False)


def fenced(program: Program, time: int, *dims: Variable, at: Index | None = None) -> Program:
    """The program with a fence at one point of time, or at ``at`` in the iteration of loops."""
    schedule = (constant_index(time),) if at is None else (constant_index(time), at)
    return replace(program, fences=[Fence(dims, TRUE, schedule)])


NEVER = within(constant_index(7), 0, 3)


@pytest.mark.parametrize(
    ("program", "allowed"),
    [
        (fenced(moves(2, 0), 1), True),
        (fenced(moves(0, 2, row=8), 1), True),
        (fenced(moves(1, 0), 2), False),
        (fenced(moves(2, 1), 0), False),
        (replace(moves(2, 0), fences=[Fence((), NEVER, (constant_index(1),))]), False),
        (fenced(moves(1, 1, dram=-1), 1, ROW, at=R), False),
        (fenced(moves(2, 0), 1, Variable("other", 0, 3), at=R), False),
    ],
)
def test_fences_between_moves_order_them(program: Program, allowed: bool) -> None:
    """A fence counts if it surely runs, after the first move and before the second."""
    test_moves_keep_no_order_of_their_own(program, allowed)


OTHER = Variable("t", 0, 2)
T = Index.of(OTHER)


@pytest.mark.parametrize(("fence_time", "allowed"), [(0, True), (2, False), (4, True)])
def test_fences_in_loops_order_moves_of_iterations(fence_time: int, allowed: bool) -> None:
    """What iteration t stores, iteration t + 1 loads: a fence in each lies between."""
    program = Program(moves={"L", "S"}, local_memories=LOCAL)
    for name, to, source, time in (
        ("L", (SPAD, R), (IN_DRAM, R + T * 4), 1),
        ("S", (IN_DRAM, R + T * 4 + 4), (SPAD, R), 3),
    ):
        schedule = (T, constant_index(time), R)
        read = Read(source[0], (source[1],), schedule)
        statement = Statement(name, (OTHER, ROW), TRUE, schedule, to[0], (to[1],), ONE, (read,))
        program.statements.append(statement)
    program.fences.append(Fence((OTHER,), TRUE, (T, constant_index(fence_time))))
    test_moves_keep_no_order_of_their_own(program, allowed)


def beside_host(
    mover: str, host_time: int, *, stores: bool, first: int = 0, array: Array = IN_DRAM
) -> Program:
    """A load or a store of elements 0–3 of D at time 1, and the host at four of its elements."""
    program = moves(1, 1)
    statement = next(each for each in program.statements if each.name == mover)
    schedule = (constant_index(host_time), R)
    other = replace(DRAM, name="E")
    ends = (array, R + first), (other, R)
    to, source = ends if stores else ends[::-1]
    host = Statement(
        "H", (ROW,), TRUE, schedule, *to[:1], to[1:], ONE, (Read(source[0], source[1:], schedule),)
    )
    return replace(program, statements=[statement, host], moves={mover})


@pytest.mark.parametrize(
    ("program", "allowed"),
    [
        (beside_host("S", 2, stores=False), False),
        (beside_host("S", 2, stores=True), False),
        (beside_host("L", 2, stores=True), False),
        (beside_host("L", 2, stores=False), True),
        (beside_host("S", 0, stores=False), True),
        (beside_host("L", 0, stores=True), True),
        (beside_host("S", 2, stores=False, first=4), True),
        (beside_host("S", 2, stores=False, first=3), False),
        (beside_host("S", 2, stores=True, first=-3), False),
        (beside_host("L", 2, stores=True, array=SPAD), True),
        (fenced(beside_host("S", 3, stores=False), 2), True),
        (fenced(beside_host("S", 2, stores=False), 3), False),
        (fenced(beside_host("S", 2, stores=False), 0), False),
        (fenced(beside_host("L", 3, stores=True), 2), True),
    ],
)
def test_the_host_waits_for_moves(program: Program, allowed: bool) -> None:
    """Behind a fence only, the host uses what moves write, or writes what they use."""
    if allowed:
        check_dram_order(program, Solver())
    else:
        with pytest.raises(Unsupported, match="the host may touch"):
            check_dram_order(program, Solver())


@pytest.mark.parametrize(("fence", "verdict"), [("gemmini.fence", "proved"), ("", "unknown")])
@pytest.mark.parametrize("place", ["parameter", "local"])
def test_arrays_in_between_are_loaded_behind_a_fence(fence: str, verdict: str, place: str) -> None:
    """A program that stores an array and loads it again is proved with a fence in between."""
    parameters = "%A: memref<4x4xi8>, %C: memref<4x4xi8>"
    array = "%T = memref.alloc() : memref<4x4xi8>"
    outputs, copied = "1", "C[i][j] = A[i][j];"
    if place == "parameter":
        parameters, array = parameters + ", %T: memref<4x4xi8>", ""
        outputs, copied = "1, 2", copied + " T[i][j] = A[i][j];"
    c_parameters = "const signed char A[4][4], signed char C[4][4]"
    c_parameters += ", signed char T[4][4]" if place == "parameter" else ""
    source = parse_c_kernel(
        f"void copy({c_parameters}) {{ for (int i = 0; i < 4; i++)"
        f" for (int j = 0; j < 4; j++) {{ {copied} }} }}",
        "copy.c",
    )
    target = parse_module(
        f"""func.func @copy({parameters}) attributes
          {{"liftproof.outputs" = array<i64: {outputs}>, "liftproof.target" = "gemmini-16x16-int8"}}
        {{
          {array}
          %c0 = arith.constant 0 : index
          %c4 = arith.constant 4 : index
          %row = gemmini.spad %c0
          gemmini.config_ld {{stride = 4 : i64, block_stride = 16 : i64}}
          gemmini.config_st {{stride = 4 : i64}}
          gemmini.mvin %A[%c0, %c0] to %row[%c4, %c4] : memref<4x4xi8>, !gemmini.local<spad>
          gemmini.mvout %row[%c4, %c4] to %T[%c0, %c0] : !gemmini.local<spad>, memref<4x4xi8>
          {fence}
          %other = gemmini.spad %c4
          gemmini.mvin %T[%c0, %c0] to %other[%c4, %c4] : memref<4x4xi8>, !gemmini.local<spad>
          gemmini.mvout %other[%c4, %c4] to %C[%c0, %c0] : !gemmini.local<spad>, memref<4x4xi8>
          gemmini.fence
          func.return
        }}"""
    )
    found = validate(source, target)
    assert found.verdict == verdict
    assert bool(fence) or "before an earlier move-out" in found.reason
