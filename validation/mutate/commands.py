"""Mistakes in single commands of an unrolled stream: what no operation of the IR stands for.

A stream is a list of ``(funct, rs1, rs2)`` rows; an operator returns a changed list.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np

from ...hw.gemmini import fields, isa
from ...hw.gemmini.fields import Layout, decode, encode, float_bits
from ...hw.gemmini.isa import ConfigType, Funct
from ...hw.stream import FENCE, CommandStream

Row = tuple[int, int, int]
CommandMutation = Callable[[Random, list[Row]], list[Row] | None]
"""``None`` where no command of the stream can be changed in this way."""


def rows_of(stream: CommandStream) -> list[Row]:
    columns = (stream.funct.tolist(), stream.rs1.tolist(), stream.rs2.tolist())
    return list(zip(*columns, strict=True))


def stream_of(rows: list[Row]) -> CommandStream:
    """The stream of ``(funct, rs1, rs2)`` rows, without timing and origins."""
    functs, first, second = zip(*rows, strict=True) if rows else ((), (), ())
    count = len(rows)
    return CommandStream(
        np.array(functs, np.uint8),
        np.array(first, np.uint64),
        np.array(second, np.uint64),
        np.zeros(count, np.uint16),
        np.full(count, -1, np.int32),
    )


def is_load(row: Row) -> bool:
    return row[0] in isa.MVIN_OF_CHANNEL


def is_accumulator_load(row: Row) -> bool:
    return is_load(row) and bool(row[2] & isa.ACCUMULATOR_BIT)


def is_of(*functs: int) -> Callable[[Row], bool]:
    return lambda row: row[0] in functs


def is_config(kind: ConfigType) -> Callable[[Row], bool]:
    return lambda row: row[0] == Funct.CONFIG and row[1] & 3 == kind


is_store, is_preload = is_of(Funct.MVOUT), is_of(Funct.PRELOAD)
is_compute = is_of(Funct.COMPUTE_PRELOADED, Funct.COMPUTE_ACCUMULATED)


def at_one(
    applies: Callable[[Row], bool],
    change: Callable[[Random, list[Row], int], list[Row] | None],
) -> CommandMutation:
    """A mutation at one random command that it applies to."""

    def mutate(rng: Random, rows: list[Row]) -> list[Row] | None:
        places = [place for place, row in enumerate(rows) if applies(row)]
        return change(rng, list(rows), rng.choice(places)) if places else None

    return mutate


def drop(applies: Callable[[Row], bool]) -> CommandMutation:
    return at_one(applies, lambda rng, rows, place: rows[:place] + rows[place + 1 :])


def duplicate(applies: Callable[[Row], bool]) -> CommandMutation:
    return at_one(applies, lambda rng, rows, place: rows[: place + 1] + rows[place:])


def change(
    applies: Callable[[Row], bool],
    layout: Layout,
    name: str,
    new: Callable[[Random, int], int],
) -> CommandMutation:
    """Change one number of a command, if the new one fits its field."""

    def at(rng: Random, rows: list[Row], place: int) -> list[Row] | None:
        funct, first, second = rows[place]
        numbers = decode(layout, first, second)
        numbers[name] = new(rng, numbers[name])
        if not 0 <= numbers[name] < 1 << layout[name].bits:
            return None
        first, second = encode(layout, **numbers)
        rows[place] = (funct, int(first), int(second))
        return rows

    return at_one(applies, at)


def by(*steps: int) -> Callable[[Random, int], int]:
    return lambda rng, number: number + rng.choice(steps)


def flip(bit: int) -> Callable[[Random, int], int]:
    return lambda rng, number: number ^ bit


def scale(*values: float) -> Callable[[Random, int], int]:
    return lambda rng, number: float_bits(rng.choice(values))


def other_funct(*functs: int) -> CommandMutation:
    def at(rng: Random, rows: list[Row], place: int) -> list[Row]:
        others = [funct for funct in functs if funct != rows[place][0]]
        rows[place] = (rng.choice(others), *rows[place][1:])
        return rows

    return at_one(is_of(*functs), at)


def swap(distance: int) -> CommandMutation:
    def mutate(rng: Random, rows: list[Row]) -> list[Row]:
        rows = list(rows)
        place = rng.randrange(len(rows) - distance)
        rows[place], rows[place + distance] = rows[place + distance], rows[place]
        return rows

    return mutate


def relocate(rng: Random, rows: list[Row]) -> list[Row]:
    rows = list(rows)
    row = rows.pop(rng.randrange(len(rows)))
    rows.insert(rng.randrange(len(rows) + 1), row)
    return rows


MOVE, PAIR = fields.MOVE, fields.PAIR
LOAD_CONFIG, STORE_CONFIG = is_config(ConfigType.LOAD), is_config(ConfigType.STORE)
EXECUTE_CONFIG = is_config(ConfigType.EXECUTE)
COMMAND_OPERATORS: dict[str, CommandMutation] = {
    "dropped load": drop(is_load),
    "dropped store": drop(is_store),
    "dropped preload": drop(is_preload),
    "dropped computation": drop(is_compute),
    "dropped configuration": drop(is_of(Funct.CONFIG)),
    "dropped fence": drop(is_of(FENCE)),
    "repeated computation": duplicate(is_compute),
    "repeated command": duplicate(lambda row: True),
    "swapped neighbours": swap(1),
    "swapped over two": swap(3),
    "moved command": relocate,
    "load to another row": change(is_load, MOVE, "local", by(1, -1, 16, -16, 256)),
    "load of other rows": change(is_load, MOVE, "rows", by(1, -1, -8)),
    "load of other columns": change(is_load, MOVE, "cols", by(1, -1, -8)),
    "load from elsewhere": change(is_load, MOVE, "dram", by(1, -1, 4, 16, -16, 48, 512)),
    "load that accumulates or not": change(
        is_accumulator_load, MOVE, "local", flip(isa.ACCUMULATE_BIT)
    ),
    "load through another channel": other_funct(*isa.MVIN_OF_CHANNEL),
    "stale prefetch": change(is_load, MOVE, "local", by(256, -256)),
    "store from another row": change(is_store, MOVE, "local", by(1, -1, 16, 512, -512)),
    "store of other rows": change(is_store, MOVE, "rows", by(1, -1)),
    "store of other columns": change(is_store, MOVE, "cols", by(1, -1)),
    "store elsewhere": change(is_store, MOVE, "dram", by(1, -1, 4, -4, 16, 48)),
    "full width or not": change(is_store, MOVE, "local", flip(isa.FULL_WIDTH_BIT)),
    "lost or added accumulate bit": change(is_preload, PAIR, "second", flip(isa.ACCUMULATE_BIT)),
    "result in another row": change(is_preload, PAIR, "second", by(1, -1, 16, 512)),
    "result of other rows": change(is_preload, PAIR, "second_rows", by(1, -1)),
    "result of other columns": change(is_preload, PAIR, "second_cols", by(1, -1)),
    "other weights": change(is_preload, PAIR, "first", by(1, -1, 256, -256, -4096)),
    "weights of other rows": change(is_preload, PAIR, "first_rows", by(1, -1)),
    "weights of other columns": change(is_preload, PAIR, "first_cols", by(1, -1)),
    "kept weights": other_funct(Funct.COMPUTE_PRELOADED, Funct.COMPUTE_ACCUMULATED),
    "other operand A": change(is_compute, PAIR, "first", by(1, -1, 256, 4096)),
    "A of other rows": change(is_compute, PAIR, "first_rows", by(1, -1)),
    "A of other columns": change(is_compute, PAIR, "first_cols", by(1, -1)),
    "wrong load stride": change(LOAD_CONFIG, fields.CONFIG_LD, "stride", by(1, -1, 4, 16)),
    "wrong load scale": change(LOAD_CONFIG, fields.CONFIG_LD, "scale", scale(0.5, 2.0)),
    "shrunk load": change(LOAD_CONFIG, fields.CONFIG_LD, "shrunk", flip(1)),
    "wrong store stride": change(STORE_CONFIG, fields.CONFIG_ST, "stride", by(1, -1, 4, 16)),
    "wrong store scale": change(STORE_CONFIG, fields.CONFIG_ST, "scale", scale(0.25, 2.0)),
    "wrong activation": change(STORE_CONFIG, fields.CONFIG_ST, "activation", flip(1)),
    "wrong A stride": change(EXECUTE_CONFIG, fields.CONFIG_EX, "a_stride", by(1, -1)),
    "wrong C stride": change(EXECUTE_CONFIG, fields.CONFIG_EX, "c_stride", by(1, -1)),
    "A transposed or not": change(EXECUTE_CONFIG, fields.CONFIG_EX, "a_transpose", flip(1)),
    "B transposed or not": change(EXECUTE_CONFIG, fields.CONFIG_EX, "b_transpose", flip(1)),
    "other dataflow": change(EXECUTE_CONFIG, fields.CONFIG_EX, "weight_stationary", flip(1)),
}
"""Operators by name."""
