"""``tiled_resadd_auto``: the library's sum of two matrices, expanded as the library tiles it."""

from __future__ import annotations

from dataclasses import replace

from ...diagnostics import Diagnostic
from .library_calls import LibraryCall
from .terms import constant
from .values import Pointer


class TiledResadd(LibraryCall):
    """One call: hardware loops that add B to A in the accumulator, over tiles that fit it."""

    def emit(self) -> None:
        """Emit the instructions; raises Diagnostic for sizes that are not constant."""
        self.require_weight_stationary("matadd_type")
        rows, cols = self.constant("I"), self.constant("J")
        if min(rows, cols) < 1:
            raise Diagnostic("a dimension of this sum is not positive", self.location)
        act = 1 if self.is_set("relu") else 0
        row_bytes = cols * self.config.input_bytes
        self.config_st(row_bytes, act, self.operands["C_scale"].real())
        self.config_ex()
        self.config_ld(row_bytes, self.operands["A_scale"].real(), 1, 0)
        self.config_ld(row_bytes, self.operands["B_scale"].real(), 1, 1)
        tile_rows, tile_cols = self._tiles(rows, cols)
        for row in range(0, rows, tile_rows):
            for col in range(0, cols, tile_cols):
                extent = min(tile_rows, rows - row), min(tile_cols, cols - col)
                self._tile(row, col, extent, cols, act)
        self.instruction("fence")

    def _tiles(self, rows: int, cols: int) -> tuple[int, int]:
        """The largest tile that the accumulator holds, the longer side cut first."""
        dim = self.config.dim
        while -(-rows // dim) * dim * -(-cols // dim) > self.config.acc_rows // 2:
            if rows > cols:
                rows -= 1
            else:
                cols -= 1
        return rows, cols

    def _tile(self, row: int, col: int, extent: tuple[int, int], stride: int, act: int) -> None:
        dim = self.config.dim
        tiles = [-(-size // dim) for size in extent]
        self.instruction(
            "loop_ws",
            I=tiles[0],
            J=tiles[1],
            K=0,
            pad_I=tiles[0] * dim - extent[0],
            pad_J=tiles[1] * dim - extent[1],
            pad_K=0,
            A=self._at("A", row, col, stride),
            B=self._at("B", row, col, stride),
            D=0,
            C=self._at("C", row, col, stride),
            A_stride=stride,
            B_stride=stride,
            D_stride=0,
            C_stride=stride,
            A_transpose=0,
            B_transpose=0,
            full_C=0,
            low_D=0,
            ex_accumulate=0,
            act=act,
            a_spad_id=0,
            b_spad_id=0,
            is_resadd=1,
        )

    def _at(self, array: str, row: int, col: int, stride: int) -> Pointer:
        pointer = self.pointer(array)
        pointer = replace(pointer, unit=pointer.array.element_bytes, extents=(), subscripts=None)
        return pointer.moved(constant(row * stride + col))
