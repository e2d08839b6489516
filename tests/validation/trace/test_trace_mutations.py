"""Mutated streams: the verdict agrees with running them; what is wrong is refuted."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from liftproof.hw.gemmini import fields, isa
from liftproof.hw.gemmini.fields import Layout, decode, encode, float_bits
from liftproof.hw.gemmini.functional import run
from liftproof.hw.gemmini.isa import ConfigType, Funct
from liftproof.hw.stream import FENCE, StreamError
from liftproof.validation.trace import validate_stream
from liftproof.validation.validate import prepare

Row = tuple[int, int, int]
Mutation = Callable[[random.Random, list[Row]], list[Row] | None]
PRODUCTS = (
    {"m": 20, "n": 18, "k": 33, "row_offset": 2},
    {"m": 32, "n": 16, "k": 48, "bias": "matrix"},
    {"m": 33, "n": 20, "k": 20, "bias": "row", "full": True},
    {"m": 33, "n": 17, "k": 20, "b_transposed": True},
    {"m": 18, "n": 20, "k": 40, "a_transposed": True},
    {"m": 12, "n": 14, "k": 40, "full": True, "a_stride": 2, "c_stride": 3, "bias": "matrix"},
    {"m": 16, "n": 32, "k": 50, "phases": 1},
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
    change: Callable[[random.Random, list[Row], int], list[Row] | None],
) -> Mutation:
    """A mutation at one random command that it applies to."""

    def mutate(rng: random.Random, rows: list[Row]) -> list[Row] | None:
        places = [place for place, row in enumerate(rows) if applies(row)]
        return change(rng, list(rows), rng.choice(places)) if places else None

    return mutate


def drop(applies: Callable[[Row], bool]) -> Mutation:
    return at_one(applies, lambda rng, rows, place: rows[:place] + rows[place + 1 :])


def duplicate(applies: Callable[[Row], bool]) -> Mutation:
    return at_one(applies, lambda rng, rows, place: rows[: place + 1] + rows[place:])


def change(
    applies: Callable[[Row], bool],
    layout: Layout,
    name: str,
    new: Callable[[random.Random, int], int],
) -> Mutation:
    """Change one number of a command, if the new one fits its field."""

    def at(rng: random.Random, rows: list[Row], place: int) -> list[Row] | None:
        funct, first, second = rows[place]
        numbers = decode(layout, first, second)
        numbers[name] = new(rng, numbers[name])
        if not 0 <= numbers[name] < 1 << layout[name].bits:
            return None
        first, second = encode(layout, **numbers)
        rows[place] = (funct, int(first), int(second))
        return rows

    return at_one(applies, at)


def by(*steps: int) -> Callable[[random.Random, int], int]:
    return lambda rng, number: number + rng.choice(steps)


def flip(bit: int) -> Callable[[random.Random, int], int]:
    return lambda rng, number: number ^ bit


def scale(*values: float) -> Callable[[random.Random, int], int]:
    return lambda rng, number: float_bits(rng.choice(values))


def other_funct(*functs: int) -> Mutation:
    def at(rng: random.Random, rows: list[Row], place: int) -> list[Row]:
        others = [funct for funct in functs if funct != rows[place][0]]
        rows[place] = (rng.choice(others), *rows[place][1:])
        return rows

    return at_one(is_of(*functs), at)


def swap(distance: int) -> Mutation:
    def mutate(rng: random.Random, rows: list[Row]) -> list[Row]:
        rows = list(rows)
        place = rng.randrange(len(rows) - distance)
        rows[place], rows[place + distance] = rows[place + distance], rows[place]
        return rows

    return mutate


def relocate(rng: random.Random, rows: list[Row]) -> list[Row]:
    rows = list(rows)
    row = rows.pop(rng.randrange(len(rows)))
    rows.insert(rng.randrange(len(rows) + 1), row)
    return rows


MOVE, PAIR = fields.MOVE, fields.PAIR
LOAD_CONFIG, STORE_CONFIG = is_config(ConfigType.LOAD), is_config(ConfigType.STORE)
EXECUTE_CONFIG = is_config(ConfigType.EXECUTE)
MUTATIONS: dict[str, Mutation] = {
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


def runs_right(product, stream, config) -> bool:
    """Whether the simulator's result is NumPy's, on random inputs of several magnitudes."""
    rng = np.random.default_rng(0)
    layout = product.layout()
    for magnitude in (1, 127, 3, 127, 20):
        arrays = [
            rng.integers(-magnitude, magnitude, array.shape, array.dtype, endpoint=True)
            for array in layout.arrays
        ]
        memory = layout.image(arrays)
        try:
            run(stream, config, memory, layout=layout)
        except StreamError:
            return False
        arrays[-1] = product.expected(arrays)
        after = layout.read(memory)
        if any((left != right).any() for left, right in zip(after, arrays, strict=True)):
            return False
    return True


@pytest.fixture(scope="module")
def products(gemm, config):
    """The products to mutate, with their prepared kernels."""
    found = [gemm(**fields_) for fields_ in PRODUCTS]
    return [(product, prepare(product.kernel(), config)) for product in found]


def check_agreement(product, source, stream, config) -> str:
    """Assert that the verdict is what running the stream says, and return it."""
    right = runs_right(product, stream, config)
    result = validate_stream(source, stream, product.layout(), config)
    if "hazard: " in result.reason:
        assert result.verdict == "refuted"
        return "hazard"
    assert result.verdict == ("proved" if right else "refuted"), result.reason
    assert (result.counterexample is None) == right
    return result.verdict


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_mutation_is_refuted_where_it_is_wrong(name, products, streams, config):
    """Of each kind of mutation, a wrong one is found and refuted with replayed inputs."""
    rng = random.Random(name)
    for _ in range(40):
        product, source = rng.choice(products)
        rows = MUTATIONS[name](rng, product.commands())
        if rows is not None and check_agreement(product, source, streams(rows), config) in (
            "refuted",
            "hazard",
        ):
            return
    pytest.fail("no mutant of this kind was refuted")


def test_random_mutants_agree_with_the_simulator(products, streams, config):
    """Verdicts on random mutants are what running them says: none accepted wrong."""
    rng = random.Random(7)
    verdicts: set[str] = set()
    for _ in range(60):
        product, source = rng.choice(products)
        rows = product.commands()
        for _ in range(rng.choice((1, 1, 2))):
            rows = MUTATIONS[rng.choice(list(MUTATIONS))](rng, rows) or rows
        verdicts.add(check_agreement(product, source, streams(rows), config))
    assert {"proved", "refuted"} <= verdicts
