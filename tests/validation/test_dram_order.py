"""The order of moves: memory that a store and a load share is asked for by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from liftproof.validation.core.condition import TRUE
from liftproof.validation.core.index import Index, Variable, constant_index
from liftproof.validation.core.polyhedral import Array, Program, Read, Statement, Unsupported
from liftproof.validation.core.smt import Solver
from liftproof.validation.core.terms import term
from liftproof.validation.hazards.dram_order import check_dram_order

ROW = Variable("i", 0, 3)
R = Index.of(ROW)
ONE = term("constant", "i32", payload=1)
SPAD, DRAM = Array("spad", "i8", (constant_index(64),)), Array("D", "i8", (constant_index(64),))
IN_DRAM = replace(DRAM, position=0)


def move(name: str, to: tuple[Array, Index], source: tuple[Array, Index], time: int) -> Statement:
    """A move of four elements, one after the other."""
    schedule = (constant_index(time), R)
    read = Read(source[0], (source[1],), schedule)
    return Statement(name, (ROW,), TRUE, schedule, to[0], (to[1],), ONE, (read,))


def moves(load_time: int, store_time: int, *, dram: int = 0, row: int = 0) -> Program:
    """A load of elements 0–3 of D to rows 0–3, and a store from ``row`` on to ``dram`` on."""
    load = move("L", (SPAD, R), (IN_DRAM, R), load_time)
    store = move("S", (IN_DRAM, R + dram), (SPAD, R + row), store_time)
    return Program(statements=[load, store], moves={"L", "S"})


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
