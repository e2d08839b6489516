"""``tiled_matmul_auto`` and its relatives: the library's products as the hardware loops they issue.

The tiling and the order of the loops are those of the public ``gemmini.h``: half of the scratchpad
and half of the accumulator for one tile, so that the next one can be loaded meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Region

from ...diagnostics import Diagnostic
from ...hw.gemmini.library_tiles import choose_tiles, fits_hardware_loop
from ..c.polynomial import Interval
from ..c.types import INT
from .algebra import choice, compare
from .library_calls import LibraryCall
from .terms import ZERO, Atom, Condition, Sum, Truth, atom, constant
from .values import Either, Number, Pointer, Value


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


class TiledMatmul(LibraryCall):
    """One call of ``tiled_matmul_auto``, ``tiled_matmul`` or ``tiled_matmul_outer``.

    The last two say how many array tiles make a step. Raises Diagnostic for sizes that are not
    constant and for variants that run elsewhere.
    """

    def emit(self) -> None:
        self.require_weight_stationary("tiled_matmul_type")
        sizes = self.constant("dim_I"), self.constant("dim_J"), self.constant("dim_K")
        if min(sizes) < 1:
            raise Diagnostic("a dimension of this product is not positive", self.location)
        tiles = self._given_tiles() or choose_tiles(sizes, self.config)
        self._tilings = [
            Tiling.of(s, t, self.config.dim) for s, t in zip(sizes, tiles, strict=True)
        ]
        self._configure()
        self._nest([], self._tilings)
        self.instruction("fence")

    def _given_tiles(self) -> tuple[int, int, int] | None:
        if "tile_I" not in self.operands:
            return None
        i, j, k = (self.constant(f"tile_{axis}") for axis in "IJK")
        dim = self.config.dim
        spad, acc = self.config.spad_rows // dim // 2, self.config.acc_rows // dim // 2
        if min(i, j, k) < 1 or not fits_hardware_loop((i, j, k), self.config):
            raise Diagnostic(
                f"tiles of {i} × {j} × {k} do not fit half of the local memories",
                self.operands["tile_I"].location,
                hint=f"(tile_I + tile_J) · tile_K is at most {spad}, tile_I · tile_J at most {acc}",
            )
        return i, j, k

    def _configure(self) -> None:
        act = self.constant("act")
        self.config_ex(
            act, a_transpose=self.constant("transpose_A"), b_transpose=self.constant("transpose_B")
        )
        stride = self.constant("stride_C") * self._bytes("full_C", wide=True)
        self.config_st(stride, act, self.operands["scale"].real())
        bias = 0
        if not self.is_set("repeating_bias"):
            bias = self.constant("stride_D") * self._bytes("low_D", wide=False)
        loads = (
            ("A", self.constant("stride_A") * self.config.input_bytes, 0),
            ("B", self.constant("stride_B") * self.config.input_bytes, 0),
            ("D", bias, self.constant("low_D")),
        )
        for channel, (array, row, shrunk) in enumerate(loads):
            scale = self.operands[f"{array}_scale_factor"].real()
            self.config_ld(row, scale, shrunk, channel)

    def _bytes(self, flag: str, *, wide: bool) -> int:
        """Bytes of an element that is of the accumulator's type where the flag equals ``wide``."""
        if self.is_set(flag) == wide:
            return self.config.accumulator_bytes
        return self.config.input_bytes

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
        position = Atom(name, Interval(0, first.steps - 1), self.emitter.level + 1, block.args[0])
        with self.emitter.region(block, is_loop=True):
            self._nest([*positions, atom(position)], inner)
            self.emitter.emit(scf.YieldOp())
        lower, upper, step = (self.emitter.index(constant(n)) for n in (0, first.steps, 1))
        self.emitter.emit(scf.ForOp(lower, upper, step, [], Region(block)))

    def _tile(self, i: Sum, j: Sum, k: Sum) -> None:
        """One hardware loop."""
        no_bias = self.is_null("D")
        cuts = list(zip((i, j, k), self._tilings, strict=True))
        rows = [_extent(position, tiling) for position, tiling in cuts]
        pads = [_padding(position, tiling) for position, tiling in cuts]
        first_k = compare("eq", k, ZERO)
        last_k = compare("eq", k, constant(self._tilings[2].steps - 1))
        null = Number(INT, ZERO)
        i0, j0, k0 = (p.scaled(tiling.tile * self.config.dim) for p, tiling in cuts)
        bias_row = ZERO if self.is_set("repeating_bias") else i0
        accumulate = constant(1) if not no_bias else choice(first_k, ZERO, constant(1))
        strides = {f"{name}_stride": self.constant(f"stride_{name}") for name in "ABDC"}
        if self.is_set("repeating_bias"):
            strides["D_stride"] = 0
        self.instruction(
            "loop_ws",
            **{name: Number(INT, value) for name, value in zip("IJK", rows, strict=True)},
            **{f"pad_{name}": Number(INT, v) for name, v in zip("IJK", pads, strict=True)},
            A=self._at("A", k0, i0) if self.is_set("transpose_A") else self._at("A", i0, k0),
            B=self._at("B", j0, k0) if self.is_set("transpose_B") else self._at("B", k0, j0),
            D=_either(first_k, null if no_bias else self._at("D", bias_row, j0), null),
            C=_either(last_k, self._at("C", i0, j0), null),
            **strides,
            A_transpose=self.constant("transpose_A"),
            B_transpose=self.constant("transpose_B"),
            full_C=self.constant("full_C"),
            low_D=self.constant("low_D"),
            ex_accumulate=Number(INT, accumulate),
            act=self.constant("act"),
            a_spad_id=0,
            b_spad_id=0,
            is_resadd=0,
        )

    def _at(self, array: str, row: Sum, column: Sum) -> Pointer:
        """The element of an operand that a tile begins with."""
        pointer = self.pointer(array)
        pointer = replace(pointer, unit=pointer.array.element_bytes, extents=(), subscripts=None)
        return pointer.moved(row.scaled(self.constant(f"stride_{array}")) + column)


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
