"""Instructions of the tensor engine: matrix products and transposes through the array."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, UnitAttr, i1, i64
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
)
from xdsl.utils.exceptions import VerifyException

from .instruction import EngineInstruction
from .limits import MOVING_COLUMNS, PARTITIONS, QUADRANT, STATIONARY_COLUMNS
from .rules import (
    require,
    require_fp8,
    require_free_size,
    require_matmul_types,
    require_one_bank,
    require_same_partitions,
    require_space,
)
from .types import Engine, Space, ViewType, view_of

DOUBLE_ROWS = 2
"""Rows of 8-bit floats that each row of the array takes with ``double_row``."""


def _columns(role: str, operand: SSAValue, limit: int, double_row: bool) -> int | None:
    """Elements per partition of a matrix operand, or per row of its pair with ``double_row``."""
    view = view_of(operand)
    if double_row:
        require_fp8(role, operand)
        paired = len(view.shape) > 2 and view.shape[1] == DOUBLE_ROWS
        require(paired, f"double_row: {role} must have the sizes K × 2 × …")
    if view.free_size is None:
        return None
    columns = view.free_size // (DOUBLE_ROWS if double_row else 1)
    require(columns <= limit, f"{role} has at most {limit} columns, got {columns}")
    return columns


def _require_result(dst: SSAValue, rows: int | None, columns: int | None) -> None:
    view = view_of(dst)
    require_space("the result of a matrix product", dst, Space.PSUM)
    kind = view.element_type.name
    require(kind == "f32", f"a matrix product accumulates in f32, got {view.element_type}")
    require_one_bank("the result of a matrix product", dst)
    if rows is not None and view.partitions is not None:
        require(view.partitions == rows, f"the result has {view.partitions} rows, expected {rows}")
    if columns is not None:
        require_free_size("the result", dst, columns)


class ArrayTile(IRDLOperation, ABC):
    """The part of the array that is used: row and column, rows and columns; all by default."""

    tile_position = opt_prop_def(DenseArrayBase.constr(i64))
    tile_size = opt_prop_def(DenseArrayBase.constr(i64))

    def verify_tile(self, rows: int | None, columns: int | None) -> None:
        if self.tile_size is None and self.tile_position is None:
            return
        size = tuple(self.tile_size.get_values()) if self.tile_size else (PARTITIONS,) * 2
        position = tuple(self.tile_position.get_values()) if self.tile_position else (0, 0)
        if len(size) != 2 or len(position) != 2:
            raise VerifyException("tile_position and tile_size give a row and a column number")
        for start, extent, used in zip(position, size, (rows, columns), strict=True):
            whole = extent in (QUADRANT, 2 * QUADRANT, 4 * QUADRANT)
            require(whole, f"tile_size: a tile has 32, 64 or 128 rows and columns, got {extent}")
            fits = start % extent == 0 and 0 <= start <= PARTITIONS - extent
            require(fits, f"tile_position: a tile of {extent} does not start at {start}")
            require(
                used is None or used <= extent, f"tile_size: {used} do not fit a tile of {extent}"
            )


@irdl_op_definition
class NcMatmulOp(EngineInstruction, ArrayTile):
    """``dst[m, n] = Σ_k stationary[k, m] · moving[k, n]``: k runs along the partitions.

    The sum is added to ``dst`` where ``accumulate`` is given and true, and replaces it otherwise.
    Only what a matrix product has written may be added to. With ``double_row`` the operands are
    ``[k, 2, m]`` and ``[k, 2, n]``, and the sum runs over both rows.
    """

    name = "trn.nc_matmul"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.PE,)
    stationary = operand_def(ViewType)
    moving = operand_def(ViewType)
    dst = operand_def(ViewType)
    accumulate = opt_operand_def(i1)
    double_row = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$stationary `,` $moving `to` $dst (`accumulate` $accumulate^)? attr-dict"
        " `:` type($stationary) `,` type($moving) `,` type($dst)"
    )

    def __init__(
        self,
        stationary: SSAValue,
        moving: SSAValue,
        dst: SSAValue,
        accumulate: SSAValue | None = None,
        *,
        double_row: bool = False,
    ) -> None:
        self.initialise(
            {"stationary": stationary, "moving": moving, "dst": dst, "accumulate": accumulate},
            double_row=double_row,
        )

    def verify_operands(self, engine: Engine) -> None:
        double = self.double_row is not None
        rows = _columns("the stationary operand", self.stationary, STATIONARY_COLUMNS, double)
        columns = _columns("the moving operand", self.moving, MOVING_COLUMNS, double)
        require_space("the stationary operand", self.stationary, Space.SBUF)
        require_space("the moving operand", self.moving, Space.SBUF)
        require_same_partitions("the moving operand", self.moving, self.stationary)
        require_matmul_types(
            view_of(self.stationary).element_type, view_of(self.moving).element_type
        )
        _require_result(self.dst, rows, columns)
        self.verify_tile(view_of(self.stationary).partitions, rows)


@irdl_op_definition
class NcTransposeOp(EngineInstruction):
    """``dst[f, p] = src[p, f]``: through the array, or by the vector engine up to 32 × 32."""

    name = "trn.nc_transpose"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.PE, Engine.DVE)
    src = operand_def(ViewType)
    dst = operand_def(ViewType)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$src `to` $dst attr-dict `:` type($src) `,` type($dst)"

    def __init__(self, src: SSAValue, dst: SSAValue, engine: Engine | None = None) -> None:
        self.initialise({"src": src, "dst": dst}, engine=engine)

    def verify_operands(self, engine: Engine) -> None:
        source, target = view_of(self.src), view_of(self.dst)
        limit = PARTITIONS if engine == Engine.PE else QUADRANT
        for size in (source.partitions, source.free_size):
            fits = size is None or size <= limit
            require(fits, f"a transpose on {engine} is up to {limit} × {limit}, got {size}")
        if engine == Engine.PE:
            require_space("the source of a transpose on pe", self.src, Space.SBUF)
            require_space("the result of a transpose on pe", self.dst, Space.PSUM)
            require_one_bank("the result of a transpose", self.dst)
        same = source.element_type == target.element_type
        wide = engine == Engine.PE and target.element_type.name == "f32"
        require(same or wide, f"a transpose keeps the element type, got {target.element_type}")
        if source.partitions is not None:
            require_free_size("the result of a transpose", self.dst, source.partitions)
        if source.free_size is not None and target.partitions is not None:
            turned = target.partitions == source.free_size
            require(turned, f"a transpose of {source} has {source.free_size} partitions")


@irdl_op_definition
class LoadStationaryOp(EngineInstruction, ArrayTile):
    """Load the stationary operand ``[k, m]`` into the array (ISA level)."""

    name = "trn.load_stationary"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.PE,)
    WRITTEN: ClassVar[tuple[str, ...]] = ()
    stationary = operand_def(ViewType)
    double_row = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$stationary attr-dict `:` type($stationary)"

    def __init__(self, stationary: SSAValue, *, double_row: bool = False) -> None:
        self.initialise({"stationary": stationary}, double_row=double_row)

    def verify_operands(self, engine: Engine) -> None:
        double = self.double_row is not None
        columns = _columns("the stationary operand", self.stationary, STATIONARY_COLUMNS, double)
        require_space("the stationary operand", self.stationary, Space.SBUF)
        element = view_of(self.stationary).element_type
        require_matmul_types(element, element)
        self.verify_tile(view_of(self.stationary).partitions, columns)


@irdl_op_definition
class MultMovingOp(EngineInstruction, ArrayTile):
    """Multiply by the operand that was loaded last: the rest of ``trn.nc_matmul`` (ISA level)."""

    name = "trn.mult_moving"
    ENGINES: ClassVar[tuple[Engine, ...]] = (Engine.PE,)
    moving = operand_def(ViewType)
    dst = operand_def(ViewType)
    accumulate = opt_operand_def(i1)
    double_row = opt_prop_def(UnitAttr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$moving `to` $dst (`accumulate` $accumulate^)? attr-dict `:` type($moving) `,` type($dst)"
    )

    def __init__(
        self,
        moving: SSAValue,
        dst: SSAValue,
        accumulate: SSAValue | None = None,
        *,
        double_row: bool = False,
    ) -> None:
        self.initialise(
            {"moving": moving, "dst": dst, "accumulate": accumulate},
            double_row=double_row,
        )

    def verify_operands(self, engine: Engine) -> None:
        double = self.double_row is not None
        columns = _columns("the moving operand", self.moving, MOVING_COLUMNS, double)
        require_space("the moving operand", self.moving, Space.SBUF)
        element = view_of(self.moving).element_type
        require_matmul_types(element, element)
        _require_result(self.dst, None, columns)
        self.verify_tile(view_of(self.moving).partitions, None)
