"""``tiled_matmul_auto``: the library's product, expanded into the hardware loops that it issues.

The tiling and the order of the loops are those of the public ``gemmini.h``: half of the scratchpad
and half of the accumulator for one tile, so that the next one can be loaded meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt
from typing import Protocol

from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Region

from ...diagnostics import Diagnostic, SourceLocation
from ...hw.gemmini.config import GemminiConfig
from ..c.polynomial import Interval
from ..c.types import FLOAT, INT
from .algebra import choice, compare
from .emitter import Emitter
from .operands import Operand, Operands
from .terms import ZERO, Atom, Condition, Sum, Truth, atom, constant
from .values import Either, Number, Pointer, Real, Value, is_null


class InstructionEmitter(Protocol):
    """Emits one instruction with named operands."""

    def emit(self, instruction: str, operands: Operands, location: SourceLocation) -> None: ...


@dataclass(frozen=True)
class Tiling:
    """How one dimension is cut: array tiles per step, steps, and what the last one holds."""

    tile: int
    steps: int
    last: int
    padding: int

    @staticmethod
    def of(size: int, tile: int, dim: int) -> Tiling:
        """Cut ``size`` elements into steps of ``tile`` array tiles."""
        tiles = -(-size // dim)
        steps = -(-tiles // tile)
        return Tiling(tile, steps, tiles - (steps - 1) * tile, tiles * dim - size)


def choose_tiles(sizes: tuple[int, int, int], config: GemminiConfig) -> tuple[int, int, int]:
    """Array tiles per step in the dimensions I, J and K, as the library chooses them."""
    dim = config.dim
    limits = tuple(-(-size // dim) for size in sizes)
    spad_tiles, acc_tiles = config.spad_rows // dim // 2, config.acc_rows // dim // 2
    side = max(1, isqrt(acc_tiles))
    tiles = [min(limits[0], side), min(limits[1], side), 0]
    tiles[2] = min(limits[2], max(1, spad_tiles // 2 // side))
    grown = True
    while grown:
        grown = False
        for axis in (1, 0, 2):
            larger = list(tiles)
            larger[axis] += 1
            i, j, k = larger
            fits = (i + j) * k <= spad_tiles and i * j <= acc_tiles
            if fits and larger[axis] <= limits[axis]:
                tiles, grown = larger, True
    return tiles[0], tiles[1], tiles[2]


def tiled_matmul(
    instructions: InstructionEmitter,
    operands: Operands,
    emitter: Emitter,
    config: GemminiConfig,
    location: SourceLocation,
) -> None:
    """Emit the instructions of one call of ``tiled_matmul_auto``.

    Raises Diagnostic for sizes that are not constant and for variants that run elsewhere.
    """
    if operands["tiled_matmul_type"].constant() != 1:
        raise Diagnostic(
            "only the weight-stationary variant of this product is supported",
            operands["tiled_matmul_type"].location,
            hint="pass WS",
        )
    _TiledMatmul(instructions, operands, emitter, config, location).emit()


class _TiledMatmul:
    def __init__(
        self,
        instructions: InstructionEmitter,
        operands: Operands,
        emitter: Emitter,
        config: GemminiConfig,
        location: SourceLocation,
    ) -> None:
        self._instructions = instructions
        self._operands = operands
        self._emitter = emitter
        self._config = config
        self._location = location
        sizes = self._constant("dim_I"), self._constant("dim_J"), self._constant("dim_K")
        if min(sizes) < 1:
            raise Diagnostic("a dimension of this product is not positive", location)
        tiles = choose_tiles(sizes, config)
        self._tilings = [Tiling.of(s, t, config.dim) for s, t in zip(sizes, tiles, strict=True)]

    def _constant(self, name: str) -> int:
        return self._operands[name].constant()

    def _is_set(self, name: str) -> bool:
        return self._constant(name) != 0

    def emit(self) -> None:
        self._configure()
        self._nest([], self._tilings)
        self._instruction("fence")

    def _instruction(self, name: str, **operands: Value | int | float) -> None:
        """Emit one instruction; numbers stand for constants."""
        values: Operands = {}
        for key, value in operands.items():
            if isinstance(value, float):
                value = Real(FLOAT, value)
            elif isinstance(value, int):
                value = Number(INT, constant(value))
            values[key] = Operand(value, self._location, key)
        self._instructions.emit(name, values, self._location)

    def _configure(self) -> None:
        transposes = {
            "a_transpose": self._constant("transpose_A"),
            "b_transpose": self._constant("transpose_B"),
        }
        act, scale = self._constant("act"), self._operands["scale"].real()
        execute = {"dataflow": 1, "act": act, "shift": 0, "a_stride": 1, "c_stride": 1}
        self._instruction("config_ex", **execute, scale=1.0, strides_only=0, **transposes)
        pool = (
            "pool_stride", "pool_size", "pool_out_dim", "pool_rows", "pool_cols", "out_rows",
            "out_cols", "upper_pad", "left_pad",
        )  # fmt: skip
        stride = self._constant("stride_C") * self._bytes("full_C", wide=True)
        self._instruction(
            "config_st", stride=stride, act=act, scale=scale, **dict.fromkeys(pool, 0)
        )
        bias = 0
        if not self._is_set("repeating_bias"):
            bias = self._constant("stride_D") * self._bytes("low_D", wide=False)
        loads = (
            ("A", self._constant("stride_A") * self._config.input_bytes, 0),
            ("B", self._constant("stride_B") * self._config.input_bytes, 0),
            ("D", bias, self._constant("low_D")),
        )
        for channel, (array, row, shrunk) in enumerate(loads):
            self._instruction(
                "config_ld",
                stride=row,
                scale=self._operands[f"{array}_scale_factor"].real(),
                shrunk=shrunk,
                block_stride=self._config.dim,
                pixel_repeats=1,
                id=channel,
            )

    def _bytes(self, flag: str, *, wide: bool) -> int:
        """Bytes of an element that is of the accumulator's type where the flag equals ``wide``."""
        if self._is_set(flag) == wide:
            return self._config.accumulator_bytes
        return self._config.input_bytes

    # ---- the loops ------------------------------------------------------------------------------
    def _nest(self, positions: list[Sum], remaining: list[Tiling]) -> None:
        if not remaining:
            self._tile(*positions)
            return
        first, *inner = remaining
        if first.steps == 1:
            self._nest([*positions, ZERO], inner)
            return
        block = Block(arg_types=[IndexType()])
        block.args[0].name_hint = name = f"{'ijk'[len(positions)]}0"
        position = Atom(name, Interval(0, first.steps - 1), self._emitter.level + 1, block.args[0])
        with self._emitter.region(block, is_loop=True):
            self._nest([*positions, atom(position)], inner)
            self._emitter.emit(scf.YieldOp())
        lower, upper, step = (self._emitter.index(constant(n)) for n in (0, first.steps, 1))
        self._emitter.emit(scf.ForOp(lower, upper, step, [], Region(block)))

    def _tile(self, i: Sum, j: Sum, k: Sum) -> None:
        """One hardware loop."""
        no_bias = is_null(self._operands["D"].value)
        cuts = list(zip((i, j, k), self._tilings, strict=True))
        rows = [_extent(position, tiling) for position, tiling in cuts]
        pads = [_padding(position, tiling) for position, tiling in cuts]
        first_k = compare("eq", k, ZERO)
        last_k = compare("eq", k, constant(self._tilings[2].steps - 1))
        null = Number(INT, ZERO)
        i0, j0, k0 = (p.scaled(tiling.tile * self._config.dim) for p, tiling in cuts)
        bias_row = ZERO if self._is_set("repeating_bias") else i0
        accumulate = constant(1) if not no_bias else choice(first_k, ZERO, constant(1))
        strides = {f"{name}_stride": self._constant(f"stride_{name}") for name in "ABDC"}
        if self._is_set("repeating_bias"):
            strides["D_stride"] = 0
        self._instruction(
            "loop_ws",
            **{name: Number(INT, value) for name, value in zip("IJK", rows, strict=True)},
            **{f"pad_{name}": Number(INT, v) for name, v in zip("IJK", pads, strict=True)},
            A=self._at("A", k0, i0) if self._is_set("transpose_A") else self._at("A", i0, k0),
            B=self._at("B", j0, k0) if self._is_set("transpose_B") else self._at("B", k0, j0),
            D=_either(first_k, null if no_bias else self._at("D", bias_row, j0), null),
            C=_either(last_k, self._at("C", i0, j0), null),
            **strides,
            A_transpose=self._constant("transpose_A"),
            B_transpose=self._constant("transpose_B"),
            full_C=self._constant("full_C"),
            low_D=self._constant("low_D"),
            ex_accumulate=Number(INT, accumulate),
            act=self._constant("act"),
            a_spad_id=0,
            b_spad_id=0,
            is_resadd=0,
        )

    def _at(self, array: str, row: Sum, column: Sum) -> Pointer:
        """The element of an operand that a tile begins with."""
        operand = self._operands[array]
        pointer = operand.value
        if not isinstance(pointer, Pointer):
            raise Diagnostic(
                f"'{array}' must be an address in an array parameter", operand.location
            )
        pointer = replace(pointer, unit=pointer.array.element_bytes, extents=(), subscripts=None)
        return pointer.moved(row.scaled(self._constant(f"stride_{array}")) + column)


def _either(condition: Condition, then: Value, otherwise: Value) -> Value:
    if isinstance(condition, Truth):
        return then if condition.holds else otherwise
    return then if then == otherwise else Either(condition, then, otherwise)


def _extent(position: Sum, tiling: Tiling) -> Sum:
    is_last = compare("eq", position, constant(tiling.steps - 1))
    return choice(is_last, constant(tiling.last), constant(tiling.tile))


def _padding(position: Sum, tiling: Tiling) -> Sum:
    is_last = compare("eq", position, constant(tiling.steps - 1))
    return choice(is_last, constant(tiling.padding), ZERO)
