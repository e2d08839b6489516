"""The symbolic state of the machine: arrays that the compiled executor works on, and their growth.

*Cells* are 64-bit numbers that name a value exactly; equal cells are equal values:

* ``ZERO`` is the number 0, ``UNDEFINED`` a cell that was never written,
* an *element* cell is one element of a DRAM array as it was at the start,
* a *sum* cell is column ``column`` of the sum ``head``,
* a *pool* cell is the greatest cell in column ``column`` of the rows of the pool ``head``,
* an *opaque* cell is a value that is not tracked (bytes of several elements), each one different.

Element and sum cells carry the chain of transforms that were applied. A *sum* is a linked list of
nodes; a node adds to the sum ``previous`` either a product, row ``a_row`` times the matrix
``matrix``, or (``matrix`` −1) the cells of ``a_row`` themselves. Rows of ``dim`` cells and matrices
of ``dim`` rows are interned by value: equal contents, equal number. A pool is a window of rows,
those outside of the image are rows of zeros.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.memory import MemoryLayout

UNDEFINED = -1
ZERO = 0
EMPTY_SUM = 0
"""The sum without nodes."""
NO_SUM = -1
"""An accumulator cell that was never written."""
ZERO_ROW = 0
ZERO_MATRIX = 0
COPY = -1
"""In place of a matrix: the node adds the cells of its row."""

ELEMENT_TAG, SUM_TAG, OPAQUE_TAG, POOL_TAG = 1, 2, 3, 4
TAG_SHIFT = 56
WIDTH_SHIFT = 52
CHAIN_SHIFT = 40
CHAIN_LIMIT = 1 << 12
COLUMN_SHIFT = 32
ELEMENT_LIMIT = 1 << CHAIN_SHIFT
"""Elements of all arrays together: they are numbered through, array after array."""

Integers: TypeAlias = Any
"""An array, as compiled code sees it."""


REGISTERS = np.dtype(
    [
        (name, np.int64)
        for name in (
            "array_holds",  # one of the three below
            "matrix",  # number of the weights in the array
            "row_count",
            "matrix_count",
            "node_count",
            "chain_count",
            "opaque_count",
            "pool_count",
            "window_count",  # rows of all pools together
            "command",  # index of the command that is executed
            "error_index",  # where execution stopped: command and cell
            "error_row",
            "error_column",
        )
    ],
    align=True,
)
"""What the execute unit keeps between commands, and how full the tables are."""

NOTHING_HELD, WEIGHTS_HELD, SUMS_HELD = 0, 1, 2
"""What the array holds: nothing yet, stationary operands, or output-stationary sums."""


PLACED = np.dtype(
    [("base", np.int64), ("size", np.int64), ("width", np.int64), ("first", np.int64)], align=True
)
"""A DRAM array: byte address, bytes, bytes of an element, number of its first element."""
NODE = np.dtype(
    [("previous", np.int32), ("row", np.int32), ("matrix", np.int32), ("command", np.int32)],
    align=True,
)
"""A summand; ``command`` is the index of the command that added it."""
CHAIN = np.dtype([("parent", np.int32), ("transform", np.int32)], align=True)


class Machine(NamedTuple):
    """All state; the tables that grow are replaced by larger ones between two commands."""

    registers: Integers  # one record
    spad: Integers  # [rows, dim] cells
    acc: Integers  # [rows, dim] sums
    sums: Integers  # [dim, dim] sums in the array, output-stationary
    dram: Integers  # [elements] cells
    arrays: Integers  # PLACED records
    rows: Integers  # [capacity, dim] cells
    row_slots: Integers  # hash table of row numbers
    matrices: Integers  # [capacity, dim] row numbers
    matrix_slots: Integers  # hash table of matrix numbers
    nodes: Integers  # NODE records
    pools: Integers  # [capacity] first of a pool's window rows; the next pool's is the end
    windows: Integers  # [capacity] row numbers
    pixels: Integers  # [rows of the largest image] row numbers of a pooled image, scratch
    chains: Integers  # CHAIN records
    compose: Integers  # [chain, transform] to chain, −1 if not yet numbered
    operands: Integers  # [3, dim, dim] cells, scratch: stationary operand, A, and D or B
    line: Integers  # cells of one DRAM row, scratch
    local_line: Integers  # [dim] cells, scratch
    numbers: Integers  # [dim] row numbers, scratch
    local_sums: Integers  # [dim] sums, scratch


class OutOfRange(Exception):  # noqa: N818 - it states a property of the input
    """More arrays, elements or rows than the cell encoding can name."""


def new_machine(
    config: GemminiConfig, layout: MemoryLayout, transforms: int, commands: int
) -> Machine:
    """The state before the first command: local memories undefined, DRAM holds the inputs.

    ``transforms`` counts the distinct ones of the stream; ``commands`` sizes the tables.
    """
    dim = config.dim
    arrays = _placed(layout)
    counts = arrays["size"] // arrays["width"]
    if counts.sum() >= ELEMENT_LIMIT or dim > 256:
        raise OutOfRange("arrays too large for exact execution")
    compose = np.full((CHAIN_LIMIT, transforms), -1, np.int32)
    compose[0, 0] = 0
    tables = _power_of_two(2 * room_per_command(dim))
    machine = Machine(
        registers=np.zeros(1, REGISTERS),
        spad=np.full((config.spad_rows, dim), UNDEFINED, np.int64),
        acc=np.full((config.acc_rows, dim), NO_SUM, np.int32),
        sums=np.full((dim, dim), NO_SUM, np.int32),
        dram=_input_cells(arrays),
        arrays=arrays,
        rows=np.zeros((tables, dim), np.int64),
        row_slots=np.full(4 * tables, -1, np.int32),
        matrices=np.zeros((tables, dim), np.int32),
        matrix_slots=np.full(4 * tables, -1, np.int32),
        nodes=np.zeros(max(tables, 4 * commands), NODE),
        pools=np.zeros(tables, np.int32),
        windows=np.zeros(tables, np.int32),
        pixels=np.zeros(1 << 16, np.int32),
        chains=np.zeros(CHAIN_LIMIT, CHAIN),
        compose=compose,
        operands=np.zeros((3, dim, dim), np.int64),
        line=np.zeros(1 << 16, np.int64),
        local_line=np.zeros(dim, np.int64),
        numbers=np.zeros(dim, np.int32),
        local_sums=np.zeros(dim, np.int32),
    )
    # Number 0 of each table is the row of zeros, the matrix of zeros and the empty sum.
    machine.registers["row_count"] = 1
    machine.registers["matrix_count"] = 1
    machine.registers["node_count"] = 1
    machine.registers["chain_count"] = 1
    return machine


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def _placed(layout: MemoryLayout) -> Integers:
    arrays = np.zeros(len(layout.arrays), PLACED)
    for number, array in enumerate(layout.arrays):
        arrays[number] = (array.address, array.size, array.dtype.itemsize, 0)
    counts = arrays["size"] // np.maximum(arrays["width"], 1)
    arrays["first"] = np.cumsum(counts) - counts
    return arrays


def _input_cells(arrays: Integers) -> Integers:
    """Each element of each array names itself."""
    counts = arrays["size"] // arrays["width"]
    cells = np.arange(counts.sum(), dtype=np.int64) | (ELEMENT_TAG << TAG_SHIFT)
    exponents = np.log2(arrays["width"]).astype(np.int64)
    return cells | np.repeat(exponents << WIDTH_SHIFT, counts)


def room_per_command(dim: int) -> int:
    """Rows, matrices and nodes that one command can add at most, with some to spare.

    Pooling stores may need more.
    """
    return 8 * dim * dim


def grown(machine: Machine, room: int) -> Machine:
    """The same state with larger tables where they lack room; new hash tables are empty."""
    changes: dict[str, Integers] = {}
    tables = {
        "rows": "row",
        "matrices": "matrix",
        "nodes": "node",
        "pools": "pool",
        "windows": "window",
    }
    for name, count in tables.items():
        table = getattr(machine, name)
        if machine.registers[f"{count}_count"][0] + room > len(table):
            changes[name] = np.concatenate([table, np.zeros_like(table)])
    if "rows" in changes:
        changes["row_slots"] = np.full(4 * len(changes["rows"]), -1, np.int32)
    if "matrices" in changes:
        changes["matrix_slots"] = np.full(4 * len(changes["matrices"]), -1, np.int32)
    return machine._replace(**changes)
