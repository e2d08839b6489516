"""A command stream executed over expressions, for machines that compute in float32 (trusted core).

Which cells an instruction touches is what ``hw.gemmini.semantics`` says; what is computed from them
is the same as in the functional simulator, over expressions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ...hw.gemmini import semantics
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.isa import DRAM_BASE, Activation
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.resolve import MOVES_IN, MOVES_OUT, Program
from ..core.polyhedral import Unsupported
from .expressions import ZERO, Expression, Table

WORD = 4
"""Bytes of a float32."""

Cell = tuple[str, int, int]
"""Memory, row and column; the array in DRAM is one row."""


class StreamRun:
    """One run of a checked, resolved stream without hardware loops."""

    def __init__(self, table: Table, config: GemminiConfig, layout: MemoryLayout) -> None:
        if (config.input_type, config.accumulator_type) != ("float32", "float32"):
            raise Unsupported("chains of products on a machine that does not compute in float32")
        self.table = table
        self.config = config
        self.layout = layout
        self.cells: dict[Cell, Expression] = {}
        self.array: dict[tuple[int, int], Expression] = {}
        """The operand in the array; zero where nothing is."""
        self.stored: dict[Cell, int] = {}
        """The command that stored a word of DRAM last."""

    def run(self, program: Program, works: Mapping[int, Callable[[], None]]) -> None:
        """Execute all commands, and what the core does itself at the rows ``works`` of the stream.

        Raises ``UndefinedCell``, or ``Unsupported`` without a rule.
        """
        for position, array in enumerate(self.layout.arrays):
            first = (array.address - DRAM_BASE) // WORD
            for number in range(array.size // WORD):
                self.cells["dram", 0, first + number] = self.table.element(position, number)
        steps: dict[int, tuple[Any, Callable[[Any], None]]] = {
            MOVES_IN: (iter(program.moves_in), self._move_in),
            MOVES_OUT: (iter(program.moves_out), self._move_out),
        }
        products = (iter(program.products), self._multiply)
        left = deque(sorted(works))
        for kind in program.order:
            rows, execute = steps.get(int(kind), products)
            row = next(rows)
            while left and left[0] < row["index"]:
                works[left.popleft()]()
            execute(row)
        for number in left:
            works[number]()

    def contents(self, position: int) -> list[Expression]:
        """The elements of an array parameter after the run."""
        array = self.layout.arrays[position]
        first = (array.address - DRAM_BASE) // WORD
        return [self.cells["dram", 0, first + n] for n in range(array.size // WORD)]

    def last_store(self, position: int, number: int) -> int:
        """The command that stored an element last, −1 if none did."""
        first = (self.layout.arrays[position].address - DRAM_BASE) // WORD
        return self.stored.get(("dram", 0, first + number), -1)

    def _read(self, memory: str, row: int, column: int, command: int) -> Expression:
        value = self.cells.get((memory, row, column))
        if value is None:
            raise UndefinedCell(command, memory, row, column)
        return value

    def _word(self, address: int) -> int:
        if (address - DRAM_BASE) % WORD:
            raise Unsupported("a move of words that are not aligned")
        return (address - DRAM_BASE) // WORD

    def _scaled(self, value: Expression, scale: float) -> Expression:
        return self.table.multiply(value, self.table.constant(scale))

    # Moves.

    def _move_in(self, move: Any) -> None:
        if move["pixel_repeats"] != 1:
            raise Unsupported("pixel repeats in a chain of products")
        memory = "acc" if move["in_accumulator"] else "spad"
        scale, index = float(move["scale"]), int(move["index"])
        for row in range(int(move["rows"])):
            for column in range(int(move["cols"])):
                offset = semantics.dram_offset(row, column, int(move["stride"]), WORD)
                target, place = semantics.mvin_target(
                    row, column, self.config.dim, int(move["block_stride"])
                )
                value = ZERO
                if not move["is_zeros"]:
                    word = self._word(int(move["dram"]) + offset)
                    value = self._scaled(self._read("dram", 0, word, index), scale)
                cell = (memory, int(move["row"]) + target, place)
                if move["in_accumulator"] and move["accumulate"]:
                    value = self.table.add(self._read(*cell, index), value)
                self.cells[cell] = value

    def _move_out(self, move: Any) -> None:
        if move["pool_stride"] or move["norm_command"] or move["activation"] > Activation.RELU:
            raise Unsupported("pooling or normalizing stores in a chain of products")
        in_accumulator, index = bool(move["in_accumulator"]), int(move["index"])
        memory = "acc" if in_accumulator else "spad"
        for row in range(int(move["rows"])):
            for column in range(int(move["cols"])):
                source, place = semantics.mvout_source(row, column, self.config.dim)
                value = self._read(memory, int(move["row"]) + source, place, index)
                if in_accumulator and not move["full_width"]:
                    if move["activation"] == Activation.RELU:
                        value = self._relu(value)
                    value = self._scaled(value, float(move["scale"]))
                offset = semantics.dram_offset(row, column, int(move["stride"]), WORD)
                word = ("dram", 0, self._word(int(move["dram"]) + offset))
                self.cells[word] = value
                self.stored[word] = index

    def _relu(self, value: Expression) -> Expression:
        """The larger of a value and zero, as the loops of a kernel spell it."""
        return self.table.apply("arith.maximumf f32 ", (value, ZERO))

    # Products.

    def _multiply(self, product: Any) -> None:
        index, dim = int(product["index"]), self.config.dim
        weights = bool(product["weight_stationary"])
        b_transpose, a_transpose = bool(product["b_transpose"]), bool(product["a_transpose"])
        if product["preloaded"]:
            self.array = self._operand(product, "stationary", weights and b_transpose)
        other = self._operand(product, "other", not weights and b_transpose)
        left = self._left(product, a_transpose)
        start, right = (other, self.array) if weights else (self.array, other)
        totals: dict[tuple[int, int], Expression] = {}
        for i in range(dim):
            for j in range(dim):
                terms = [start.get((i, j), ZERO)]
                for k in range(dim):
                    factors = left.get((i, k), ZERO), right.get((k, j), ZERO)
                    terms.append(self.table.multiply(*factors))
                totals[i, j] = self.table.add(*terms)
        if not weights:
            self.array = totals
        if not product["c_is_none"]:
            self._write(product, totals, index)

    def _operand(
        self, product: Any, name: str, transpose: bool
    ) -> dict[tuple[int, int], Expression]:
        if product[f"{name}_is_none"]:
            return {}
        found: dict[tuple[int, int], Expression] = {}
        for i in range(int(product[f"{name}_rows"])):
            for j in range(int(product[f"{name}_cols"])):
                row, column = semantics.stationary_cell(i, j, transpose)
                base = int(product[f"{name}_row"])
                found[i, j] = self._read("spad", base + row, column, int(product["index"]))
        return found

    def _left(self, product: Any, transpose: bool) -> dict[tuple[int, int], Expression]:
        if product["a_is_none"]:
            return {}
        found: dict[tuple[int, int], Expression] = {}
        for i in range(int(product["a_rows"])):
            for k in range(int(product["a_cols"])):
                row, column = semantics.a_cell(i, k, int(product["a_stride"]), transpose)
                base = int(product["a_row"])
                found[i, k] = self._read("spad", base + row, column, int(product["index"]))
        return found

    def _write(self, product: Any, totals: dict[tuple[int, int], Expression], index: int) -> None:
        memory = "acc" if product["c_in_accumulator"] else "spad"
        relu = memory == "spad" and product["activation"] == Activation.RELU
        if product["activation"] > Activation.RELU:
            raise Unsupported("a normalizing activation in a chain of products")
        for i in range(int(product["c_rows"])):
            row = int(product["c_row"]) + semantics.c_target(i, int(product["c_stride"]))
            for j in range(int(product["c_cols"])):
                value = totals[i, j]
                if memory == "acc" and product["c_accumulate"]:
                    value = self.table.add(self._read(memory, row, j, index), value)
                self.cells[memory, row, j] = self._relu(value) if relu else value


class UndefinedCell(Exception):  # noqa: N818 - it names what was met
    """A command reads a cell that nothing has written."""

    def __init__(self, command: int, memory: str, row: int, column: int) -> None:
        name = {"spad": "scratchpad", "acc": "accumulator"}.get(memory, memory)
        super().__init__(f"reads {name} row {row}, column {column}, which nothing has written")
        self.command = command


__all__ = ["StreamRun", "UndefinedCell"]
