"""Mistakes in how much is moved or computed: rows, columns, depth, and tiles at the edge."""

from __future__ import annotations

from random import Random

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, ModuleOp
from xdsl.ir import Operation

from .edit import Mutation, add_to_operand, describe, named, pick, places, replace_by_value

ROWS = ("rows", "stationary_rows", "target_rows", "a_rows", "bd_rows", "m")
COLUMNS = ("cols", "stationary_cols", "target_cols", "a_cols", "bd_cols", "n", "depth")


def _extents(module: ModuleOp, fields: tuple[str, ...]) -> list[tuple[Operation, int]]:
    return [
        (op, place)
        for op in named(module, "gemmini.", "tile.")
        for field in fields
        if hasattr(op, field)
        for place in places(op, field)
    ]


def _resize(fields: tuple[str, ...], amount: int) -> Mutation:
    def mutate(module: ModuleOp, rng: Random) -> str | None:
        chosen = pick(_extents(module, fields), rng)
        if chosen is None:
            return None
        before = f"operand {chosen[1]} of {describe(chosen[0])}"
        add_to_operand(*chosen, amount)
        return before

    return mutate


def _exchange(module: ModuleOp, rng: Random) -> str | None:
    """Rows for columns, and columns for rows."""
    found = [
        (op, rows, columns)
        for op, rows in _extents(module, ROWS)
        for other, columns in _extents(module, COLUMNS)
        if op is other and op.operands[rows] is not op.operands[columns]
    ]
    chosen = pick(found, rng)
    if chosen is None:
        return None
    op, rows, columns = chosen
    before = describe(op)
    op.operands[rows], op.operands[columns] = op.operands[columns], op.operands[rows]
    return before


def _ignore_the_edge(module: ModuleOp, rng: Random) -> str | None:
    """The last, ragged tile is taken to be a whole one."""
    found = [op for op in named(module, "arith.minsi") if isinstance(op.results[0].type, IndexType)]
    op = pick(found, rng)
    if op is None:
        return None
    before = describe(op)
    replace_by_value(op, rng.choice(op.operands))
    return before


def _lower_the_edge(module: ModuleOp, rng: Random) -> str | None:
    """What is left for the last tile is off by one."""
    found = [
        op
        for op in module.walk()
        if isinstance(op, arith.SubiOp) and isinstance(op.result.type, IndexType)
    ]
    op = pick(found, rng)
    if op is None:
        return None
    before = describe(op)
    add_to_operand(op, 0, rng.choice((1, -1)))
    return before


OPERATORS: dict[str, Mutation] = {
    "one row less": _resize(ROWS, -1),
    "one row more": _resize(ROWS, 1),
    "one column less": _resize(COLUMNS, -1),
    "one column more": _resize(COLUMNS, 1),
    "rows and columns exchanged": _exchange,
    "ragged tile taken for a whole one": _ignore_the_edge,
    "ragged tile off by one": _lower_the_edge,
}
