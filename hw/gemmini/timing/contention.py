"""Random command streams whose commands get in each other's way: for fuzzing the cycle model.

A stream mixes loads, computations and stores in proportions of its own, on few enough local rows
that dependences, bank conflicts and hazards are frequent. Every computation has its preload right
before it, every address is in range, and the same seed gives the same stream.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ...stream import FENCE, CommandStream
from ..config import GemminiConfig
from ..fields import CONFIG_EX, CONFIG_LD, CONFIG_ST, MOVE, PAIR, encode, float_bits
from ..isa import (
    ACCUMULATE_BIT,
    ACCUMULATOR_BIT,
    DRAM_BASE,
    FULL_WIDTH_BIT,
    GARBAGE_ADDRESS,
    MVIN_OF_CHANNEL,
    ConfigType,
    Funct,
)

Command = tuple[int, int, int]
TILES = 24
"""Tiles per bank that the streams use."""
DRAM_PLACES = 2048
STYLES = {"mixed": (4, 4, 2), "load": (10, 1, 1), "compute": (1, 10, 1), "store": (2, 2, 8)}
"""Weights of loads, computations and stores."""


@dataclass(frozen=True)
class _Generator:
    config: GemminiConfig
    chance: random.Random

    def spad_tile(self) -> int:
        bank = self.chance.randrange(self.config.spad_banks)
        tiles = min(TILES, self.config.spad_bank_rows // self.config.dim)
        return bank * self.config.spad_bank_rows + self.chance.randrange(tiles) * self.config.dim

    def accumulator_tile(self) -> int:
        bank = self.chance.randrange(self.config.acc_banks)
        tiles = min(TILES, self.config.acc_bank_rows // self.config.dim - self.config.max_blocks)
        row = bank * self.config.acc_bank_rows + self.chance.randrange(tiles) * self.config.dim
        return row | ACCUMULATOR_BIT

    def dram(self) -> int:
        return DRAM_BASE + self.chance.randrange(DRAM_PLACES) * self.config.bus_bytes

    def rows(self) -> int:
        dim = self.config.dim
        return self.chance.choice([dim, dim, dim, max(1, dim // 2), max(1, dim // 4), 1])

    def cols(self, blocks: int) -> int:
        dim = self.config.dim
        return self.chance.choice([dim, dim, dim * blocks, dim * max(1, blocks // 2), dim // 4])

    def stride(self) -> int:
        return self.config.bus_bytes * self.chance.choice([1, 4, 16, 32, 64, 256])


def contending_stream(seed: int, length: int, config: GemminiConfig) -> CommandStream:
    """About ``length`` commands, with a fence at the end."""
    generator = _Generator(config, random.Random(seed))
    weights = generator.chance.choice(list(STYLES.values()))
    makers: list[Callable[[_Generator], list[Command]]] = [_load, _pair, _store]
    commands = _configs(generator)
    while len(commands) < length:
        commands += generator.chance.choices(makers, weights)[0](generator)
        if generator.chance.random() < 0.01:
            commands.append((FENCE, 0, 0))
    commands.append((FENCE, 0, 0))
    return CommandStream.of(commands)


def _configs(generator: _Generator) -> list[Command]:
    commands = [_config_execute(generator.chance.random() < 0.15)]
    commands += [_config_load(generator, channel) for channel in range(3)]
    words = encode(CONFIG_ST, type=ConfigType.STORE, stride=generator.stride(), scale=_ONE)
    return [*commands, (Funct.CONFIG, *words)]


_ONE = float_bits(1.0)


def _config_execute(a_transpose: bool) -> Command:
    words = encode(
        CONFIG_EX,
        type=ConfigType.EXECUTE,
        weight_stationary=1,
        a_transpose=int(a_transpose),
        a_stride=1,
        c_stride=1,
        scale=_ONE,
    )
    return (Funct.CONFIG, *words)


def _config_load(generator: _Generator, channel: int) -> Command:
    words = encode(
        CONFIG_LD,
        type=ConfigType.LOAD,
        channel=channel,
        shrunk=int(generator.chance.random() < 0.2),
        pixel_repeats=1,
        block_stride=generator.config.dim,
        scale=_ONE,
        stride=generator.stride(),
    )
    return (Funct.CONFIG, *words)


def _load(generator: _Generator) -> list[Command]:
    chance = generator.chance
    channel = chance.choice([0, 0, 1, 2])
    commands = [_config_load(generator, channel)] if chance.random() < 0.05 else []
    if chance.random() < 0.2:
        local = generator.accumulator_tile() | chance.choice([0, ACCUMULATE_BIT])
        cols = generator.cols(1)
    else:
        local, cols = generator.spad_tile(), generator.cols(generator.config.max_blocks)
    words = encode(
        MOVE,
        dram=0 if chance.random() < 0.08 else generator.dram(),
        local=local,
        cols=max(1, cols),
        rows=generator.rows(),
    )
    return [*commands, (MVIN_OF_CHANNEL[channel], *words)]


def _pair(generator: _Generator) -> list[Command]:
    """A preload and its compute; weights are kept, biases and short tiles occur."""
    chance, dim = generator.chance, generator.config.dim
    rows = chance.choice([dim, dim, dim, max(1, dim // 2), max(1, dim // 4)])
    new_weights = chance.random() < 0.75
    result = generator.spad_tile()
    if chance.random() < 0.85:
        result = generator.accumulator_tile() | chance.choice([0, ACCUMULATE_BIT])
    if chance.random() < 0.05:
        result = GARBAGE_ADDRESS
    bias = generator.spad_tile() if chance.random() < 0.1 else GARBAGE_ADDRESS
    weights = generator.spad_tile() if new_weights else GARBAGE_ADDRESS
    preload = _pair_words(weights, dim, dim, result, dim, rows)
    compute = _pair_words(generator.spad_tile(), dim, rows, bias, dim, dim)
    kind = Funct.COMPUTE_PRELOADED if new_weights else Funct.COMPUTE_ACCUMULATED
    return [(Funct.PRELOAD, *preload), (kind, *compute)]


def _pair_words(
    first: int, first_cols: int, first_rows: int, second: int, second_cols: int, second_rows: int
) -> tuple[int, int]:
    return encode(
        PAIR,
        first=first,
        first_cols=first_cols,
        first_rows=first_rows,
        second=second,
        second_cols=second_cols,
        second_rows=second_rows,
    )


def _store(generator: _Generator) -> list[Command]:
    chance = generator.chance
    blocks = generator.config.max_blocks
    if chance.random() < 0.8:
        full = chance.random() < 0.2
        local = generator.accumulator_tile() | (FULL_WIDTH_BIT if full else 0)
        cols = generator.cols(1 if full else blocks)
    else:
        local, cols = generator.spad_tile(), generator.cols(blocks)
    words = encode(
        MOVE,
        dram=generator.dram(),
        local=local,
        cols=max(1, cols),
        rows=generator.rows(),
    )
    return [(Funct.MVOUT, *words)]
