"""The tile dialect: work on array tiles in buffers of an accelerator's local memories.

Programs at this level ("tile IR") are loops around these operations, and schedule passes rewrite
them. A buffer is a ``memref.alloc`` in one of the machine's memory spaces, whose last two
dimensions are one array tile (DIM × DIM) and whose other dimensions count tile slots::

    %a = memref.alloc() : memref<4x8x16x16xi8, #gemmini<space spad>>
    tile.load %A[%i, %k] to %a[%m, %n] sizes %rows, %cols : …

A load or store of more than DIM columns continues in the following slots of the last slot
dimension.
The rows of a move run along the array's last dimension but one, or along ``row_dimension``, and
from one row to the next by one element of it, or by ``row_step`` elements. Along the last dimension
they may overlap: each row begins ``row_step`` elements behind the one before.
Element types convert as C converts them: a narrow integer loaded into a wider buffer is extended
with its sign; a product is formed in the type of the target buffer, and wraps around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from xdsl.dialects.builtin import (
    Float32Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    UnitAttr,
    i1,
    i64,
)
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException


def _require_slot(buffer: SSAValue, slot: Sequence[SSAValue], role: str) -> None:
    assert isinstance(buffer.type, MemRefType)
    if buffer.type.get_num_dims() != len(slot) + 2:
        raise VerifyException(
            f"{role}: {buffer.type} needs {buffer.type.get_num_dims() - 2} slot indices,"
            f" got {len(slot)}"
        )
    if not _in_local_memory(buffer.type):
        raise VerifyException(f"{role}: {buffer.type} is not in a local memory space")


def _in_local_memory(array: MemRefType[Attribute]) -> bool:
    return array.memory_space.name != "none"


def _require_array(array: SSAValue, indices: Sequence[SSAValue], role: str) -> None:
    assert isinstance(array.type, MemRefType)
    if array.type.get_num_dims() != len(indices):
        raise VerifyException(
            f"{role}: {array.type} needs {array.type.get_num_dims()} indices, got {len(indices)}"
        )
    if _in_local_memory(array.type):
        raise VerifyException(f"{role}: {array.type} is not in DRAM")


@dataclass(frozen=True)
class Rows:
    """Where the rows of a move lie in an array: along which dimension, and how far apart."""

    dimension: int | None = None
    """None is the last dimension but one."""
    step: int = 1

    def properties(self) -> dict[str, Attribute]:
        """The properties of a move with such rows; the default has none."""
        found: dict[str, Attribute] = {}
        if self.dimension is not None:
            found["row_dimension"] = IntegerAttr(self.dimension, i64)
        if self.step != 1:
            found["row_step"] = IntegerAttr(self.step, i64)
        return found


@dataclass(frozen=True)
class Fold:
    """Rows of a load that go on in the next line of an image, after ``width`` of them."""

    width: int
    dimension: int
    """The dimension of the array along which the lines run."""
    step: int
    """Elements of it from one line to the next."""


@dataclass(frozen=True)
class Terms:
    """Columns of a load that go on in the next line of a window, after ``width`` of them."""

    width: int
    step: int
    """Elements of the array's last dimension from one line to the next."""


def _rows_of(
    array: SSAValue, dimension: IntegerAttr | None, step: IntegerAttr | None
) -> tuple[int, int]:
    assert isinstance(array.type, MemRefType)
    rank = array.type.get_num_dims()
    return (
        max(0, rank - 2) if dimension is None else dimension.value.data,
        1 if step is None else step.value.data,
    )


def _place(dimension: IntegerAttr | None, step: IntegerAttr | None) -> Rows:
    return Rows(
        None if dimension is None else dimension.value.data, 1 if step is None else step.value.data
    )


def _require_rows(array: SSAValue, dimension: int, step: int) -> None:
    assert isinstance(array.type, MemRefType)
    if not 0 <= dimension < max(1, array.type.get_num_dims()):
        raise VerifyException(f"rows along dimension {dimension} of {array.type}")
    if step < 1:
        raise VerifyException(f"rows that are {step} elements apart")


@irdl_op_definition
class LoadOp(IRDLOperation):
    """Copy ``rows`` × ``cols`` elements of a DRAM array into a buffer; columns are contiguous.

    With ``broadcast`` the row index stays: each row of the tile gets the same elements. With
    ``diagonal`` it stays too, and row r gets its element r only; the others become zero. With
    ``border`` elements outside of the array are zero.
    With ``from`` the rows are those of a folded image, from row ``start`` on: row r of the image is
    ``r % fold_width`` rows and ``r // fold_width`` lines behind ``indices``, where lines run along
    ``fold_dimension`` in steps of ``fold_step``.
    With ``term`` the columns are those of a window of lines, from its column ``term`` on: column c
    of the window is ``c % term_width`` elements and ``c // term_width`` lines behind ``indices``,
    where lines are ``term_step`` elements of the last dimension apart.
    """

    name = "tile.load"
    source = operand_def(MemRefType)
    indices = var_operand_def(IndexType())
    buffer = operand_def(MemRefType)
    slot = var_operand_def(IndexType())
    rows = operand_def(IndexType())
    cols = operand_def(IndexType())
    broadcast = opt_prop_def(UnitAttr)
    start = opt_operand_def(IndexType())
    term = opt_operand_def(IndexType())
    diagonal = opt_prop_def(UnitAttr)
    border = opt_prop_def(UnitAttr)
    fold_width = opt_prop_def(IntegerAttr)
    fold_dimension = opt_prop_def(IntegerAttr)
    fold_step = opt_prop_def(IntegerAttr)
    term_width = opt_prop_def(IntegerAttr)
    term_step = opt_prop_def(IntegerAttr)
    row_dimension = opt_prop_def(IntegerAttr)
    row_step = opt_prop_def(IntegerAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$source `[` $indices `]` `to` $buffer `[` $slot `]` `sizes` $rows `,` $cols"
        " (`from` $start^)? (`term` $term^)? attr-dict `:` type($source) `,` type($buffer)"
    )

    def __init__(
        self,
        source: SSAValue,
        indices: Sequence[SSAValue],
        buffer: SSAValue,
        slot: Sequence[SSAValue],
        rows: SSAValue,
        cols: SSAValue,
        *,
        broadcast: bool = False,
        diagonal: bool = False,
        border: bool = False,
        place: Rows = Rows(),
        start: SSAValue | None = None,
        fold: Fold | None = None,
        term: SSAValue | None = None,
        terms: Terms | None = None,
    ) -> None:
        flags = {"broadcast": broadcast, "diagonal": diagonal, "border": border}
        folded = {} if fold is None else {f"fold_{name}": x for name, x in asdict(fold).items()}
        if terms is not None:
            folded |= {f"term_{name}": x for name, x in asdict(terms).items()}
        super().__init__(
            operands=[source, indices, buffer, slot, rows, cols, start, term],
            properties={
                **place.properties(),
                **{name: UnitAttr() for name, value in flags.items() if value},
                **{name: IntegerAttr(value, i64) for name, value in folded.items()},
            },
        )

    @property
    def fold(self) -> Fold | None:
        """How its rows go on in the next line, if they do."""
        numbers = [self.fold_width, self.fold_dimension, self.fold_step]
        values = [number.value.data for number in numbers if number is not None]
        return Fold(*values) if values else None

    @property
    def terms(self) -> Terms | None:
        """How its columns go on in the next line, if they do."""
        numbers = [self.term_width, self.term_step]
        values = [number.value.data for number in numbers if number is not None]
        return Terms(*values) if values else None

    @property
    def place(self) -> Rows:
        """Where the rows lie in the array."""
        return _place(self.row_dimension, self.row_step)

    @property
    def has_one_row(self) -> bool:
        """Whether all rows of the tile come from one row of the array."""
        return self.broadcast is not None or self.diagonal is not None

    @property
    def rows_along(self) -> tuple[int, int]:
        """The dimension of the array along which the rows run, and its elements between two."""
        return _rows_of(self.source, self.row_dimension, self.row_step)

    def verify_(self) -> None:
        _require_array(self.source, self.indices, "source")
        _require_slot(self.buffer, self.slot, "buffer")
        _require_rows(self.source, *self.rows_along)
        if self.has_one_row and (self.border is not None or self.start is not None):
            raise VerifyException("a border or a folded image needs rows of their own")
        self._verify_fold()
        self._verify_terms()
        if self.broadcast is not None and self.diagonal is not None:
            raise VerifyException("a load has either one row for all, or a diagonal")

    def _verify_fold(self) -> None:
        numbers = [self.start, self.fold_width, self.fold_dimension, self.fold_step]
        if len({number is None for number in numbers}) > 1:
            raise VerifyException("a folded image needs a start, a width, a dimension and a step")
        if (fold := self.fold) is None:
            return
        _require_rows(self.source, fold.dimension, fold.step)
        if fold.width < 1 or fold.dimension == self.rows_along[0]:
            raise VerifyException("lines of a folded image need rows, and a dimension of their own")

    def _verify_terms(self) -> None:
        numbers = [self.term, self.term_width, self.term_step]
        if len({number is None for number in numbers}) > 1:
            raise VerifyException("a window of lines needs a first term, a width and a step")
        if (terms := self.terms) is None:
            return
        if terms.width < 1 or terms.step < 1:
            raise VerifyException("lines of a window need columns, and a distance")
        if self.has_one_row or self.border is not None or self.fold is not None:
            raise VerifyException("a window of lines needs rows of its own, without border or fold")


@irdl_op_definition
class ZeroOp(IRDLOperation):
    """Set ``rows`` × ``cols`` elements of a buffer to zero."""

    name = "tile.zero"
    buffer = operand_def(MemRefType)
    slot = var_operand_def(IndexType())
    rows = operand_def(IndexType())
    cols = operand_def(IndexType())
    assembly_format = "$buffer `[` $slot `]` `sizes` $rows `,` $cols attr-dict `:` type($buffer)"

    def __init__(
        self, buffer: SSAValue, slot: Sequence[SSAValue], rows: SSAValue, cols: SSAValue
    ) -> None:
        super().__init__(operands=[buffer, slot, rows, cols])

    def verify_(self) -> None:
        _require_slot(self.buffer, self.slot, "buffer")


@irdl_op_definition
class MatmulOp(IRDLOperation):
    """One array tile of C = A·B: ``c[i, j] = Σ_k a[i, k] · b[k, j]`` for i < m, j < n, k < depth.

    The sum is added to C where ``accumulate`` is given and true, and replaces it otherwise. With
    ``a_transpose`` the tile of A holds its transpose, ``a[k, i]``; likewise ``b_transpose``.
    Where ``keep`` is given and true, the array still holds this tile of B from the last product and
    lowering need not load it again; a false claim makes a wrong program, which validation refutes.
    """

    name = "tile.matmul"
    a = operand_def(MemRefType)
    a_slot = var_operand_def(IndexType())
    b = operand_def(MemRefType)
    b_slot = var_operand_def(IndexType())
    c = operand_def(MemRefType)
    c_slot = var_operand_def(IndexType())
    m = operand_def(IndexType())
    n = operand_def(IndexType())
    depth = operand_def(IndexType())
    accumulate = opt_operand_def(i1)
    keep = opt_operand_def(i1)
    a_transpose = opt_prop_def(UnitAttr)
    b_transpose = opt_prop_def(UnitAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$a `[` $a_slot `]` `,` $b `[` $b_slot `]` `to` $c `[` $c_slot `]`"
        " `sizes` $m `,` $n `,` $depth (`accumulate` $accumulate^)? (`keep` $keep^)? attr-dict"
        " `:` type($a) `,` type($b) `,` type($c)"
    )

    def __init__(
        self,
        a: tuple[SSAValue, Sequence[SSAValue]],
        b: tuple[SSAValue, Sequence[SSAValue]],
        c: tuple[SSAValue, Sequence[SSAValue]],
        sizes: tuple[SSAValue, SSAValue, SSAValue],
        accumulate: SSAValue | None = None,
        keep: SSAValue | None = None,
        *,
        a_transpose: bool = False,
        b_transpose: bool = False,
    ) -> None:
        flags = {"a_transpose": a_transpose, "b_transpose": b_transpose}
        super().__init__(
            operands=[*a, *b, *c, *sizes, accumulate, keep],
            properties={name: UnitAttr() for name, value in flags.items() if value},
        )

    def verify_(self) -> None:
        _require_slot(self.a, self.a_slot, "A")
        _require_slot(self.b, self.b_slot, "B")
        _require_slot(self.c, self.c_slot, "C")


@irdl_op_definition
class StoreOp(IRDLOperation):
    """Copy ``rows`` × ``cols`` elements of a buffer to a DRAM array; columns are contiguous.

    With ``scale`` each element x of a wide buffer becomes ``saturate(round_half_even(x · scale))``
    in the array's element type, computed in float32, with ``max(x, 0)`` for x where ``relu`` is
    given. Without ``scale`` the element keeps its value and type (``relu`` still applies).
    """

    name = "tile.store"
    buffer = operand_def(MemRefType)
    slot = var_operand_def(IndexType())
    target = operand_def(MemRefType)
    indices = var_operand_def(IndexType())
    rows = operand_def(IndexType())
    cols = operand_def(IndexType())
    scale = opt_prop_def(FloatAttr.constr(Float32Type()))
    relu = opt_prop_def(UnitAttr)
    row_dimension = opt_prop_def(IntegerAttr)
    row_step = opt_prop_def(IntegerAttr)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$buffer `[` $slot `]` `to` $target `[` $indices `]` `sizes` $rows `,` $cols attr-dict"
        " `:` type($buffer) `,` type($target)"
    )

    def __init__(
        self,
        buffer: SSAValue,
        slot: Sequence[SSAValue],
        target: SSAValue,
        indices: Sequence[SSAValue],
        rows: SSAValue,
        cols: SSAValue,
        *,
        scale: float | None = None,
        relu: bool = False,
        place: Rows = Rows(),
    ) -> None:
        properties: dict[str, Attribute | None] = {
            **place.properties(),
            "scale": None if scale is None else FloatAttr(scale, Float32Type()),
            "relu": UnitAttr() if relu else None,
        }
        super().__init__(
            operands=[buffer, slot, target, indices, rows, cols], properties=properties
        )

    @property
    def place(self) -> Rows:
        """Where the rows lie in the array."""
        return _place(self.row_dimension, self.row_step)

    @property
    def rows_along(self) -> tuple[int, int]:
        """The dimension of the array along which the rows run, and its elements between two."""
        return _rows_of(self.target, self.row_dimension, self.row_step)

    def verify_(self) -> None:
        _require_slot(self.buffer, self.slot, "buffer")
        _require_array(self.target, self.indices, "target")
        _require_rows(self.target, *self.rows_along)
        assert isinstance(self.buffer.type, MemRefType)
        assert isinstance(self.target.type, MemRefType)
        if self.scale is None and self.buffer.type.element_type != self.target.type.element_type:
            raise VerifyException("a store that changes the element type needs a scale")


TILE = Dialect("tile", [LoadOp, ZeroOp, MatmulOp, StoreOp])
