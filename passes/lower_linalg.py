"""``gemmini-lower-linalg``: tensor IR becomes the plainest correct tile IR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import (
    ArrayAttr,
    Float32Type,
    IntegerAttr,
    IntegerType,
    MemRefType,
    ModuleOp,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from ..dialects.gemmini import LocalSpace, LocalSpaceAttr
from ..dialects.tile import LoadOp, MatmulOp, Rows, StoreOp, ZeroOp
from ..hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig
from .begin_function import begin_function
from .coalesce import Form, View
from .contraction import Contraction, Factor, Groups, read_contraction
from .fold_rows import fold_rows
from .fold_terms import fold_terms
from .index_math import name as set_name
from .kernel import TARGET, kernel_of, named_config, refusal, set_loop_name
from .loop_transforms import tidy
from .nests import insert_loop
from .post_op import PostOp, recognise_post_op
from .side_by_side import rows_side_by_side
from .tile_roles import tile_step


@dataclass(frozen=True)
class LowerLinalgPass(ModulePass):
    """Lower a contraction on tensors to loops over array tiles, untuned.

    Needs one function with static shapes: a contraction of two parameters from zero or a bias, then
    at most one element-wise operation that the store unit can do (ReLU, scale, saturation).
    Guarantees the same function over memrefs for any sizes: each tile is loaded where it is used,
    each sum is zeroed or loaded, accumulated in the order of k, and stored. With ``separate``, the
    dimensions of arrays are not joined to fill tiles, as the engine that proves statements which
    follow one another needs it. With ``fold_terms`` the lines of a window fill array tiles
    together where that saves some. Costs: no reuse at all, two loads for each product of tiles.
    """

    name = "gemmini-lower-linalg"

    config: str = DEFAULT_CONFIG
    separate: bool = False
    fold_terms: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        config = named_config(function, self.config)
        contraction = read_contraction(function, config.dim, separate=self.separate)
        if not self.separate:
            contraction = fold_rows(contraction, config.dim)
        if self.fold_terms:
            contraction = fold_terms(contraction, config)
        if not self.separate:
            contraction = rows_side_by_side(contraction, config)
        post = post_op_of(contraction, config)
        require_types(contraction, config)
        lowered = _Lowering(function, contraction, post, config).build()
        lowered.attributes[TARGET] = StringAttr(self.config)
        tidy(lowered)
        function.detach()
        op.body.block.add_op(lowered)


def machine_type(name: str) -> Attribute:
    """The MLIR type of an element type named in a configuration."""
    return Float32Type() if name == "float32" else IntegerType(int(name.removeprefix("int")))


def require_types(contraction: Contraction, config: GemminiConfig) -> None:
    """Refuse element types that the array does not multiply, and products in place."""
    if contraction.out in (contraction.a.array, contraction.b.array):
        raise refusal(contraction.generic, "overwrites one of its own factors")
    wanted = (config.input_type, config.input_type, config.accumulator_type)
    values = (*contraction.generic.inputs, *contraction.generic.outputs)
    for value, name in zip(values, wanted, strict=True):
        type = value.type
        assert isinstance(type, TensorType)
        if type.element_type != machine_type(name):
            raise refusal(
                contraction.generic,
                f"{config.name} multiplies {config.input_type} and sums in"
                f" {config.accumulator_type}, got {type.element_type} where {name} is needed",
            )


def post_op_of(contraction: Contraction, config: GemminiConfig) -> PostOp:
    """What the store unit does to each sum; refuses what it cannot do."""
    if contraction.post is None:
        return PostOp()
    if not config.is_integer:
        raise refusal(contraction.post, "post-operations are supported for integer machines only")
    narrow = machine_type(config.input_type)
    result = contraction.post.results[0].type
    assert isinstance(result, TensorType)
    if result.element_type != narrow:
        raise refusal(
            contraction.post,
            f"the store unit writes {narrow}, or sums unchanged; got {result.element_type}",
        )
    input_bits = 8 * config.input_bytes
    largest = contraction.terms << (2 * input_bits - 2)
    if contraction.init is not None:
        largest = 1 << 31
    return recognise_post_op(contraction.post, largest)


ELEMENT_NAMES = {"i": ("row", "rows"), "j": ("col", "cols"), "k": ("inner", "depth")}
"""For readers: what the first element of a tile and its extent are called, by loop."""
OUTER_NAMES = "hgfedcb"
"""Names of the loops around ``i`` that repeat tiles, from the inside out."""
WINDOW_NAMES = "rstuvw"
"""Names of the loops around ``k`` that add tiles, from the outside in."""


class _Lowering:
    """Builds the lowered function."""

    def __init__(
        self,
        function: func.FuncOp,
        contraction: Contraction,
        post: PostOp,
        config: GemminiConfig,
    ) -> None:
        self.contraction = contraction
        self.post = post
        self.dim = config.dim
        self.lowered, self.index = begin_function(function)
        self.entry = self.lowered.body.block
        self.views: dict[tuple[int, Groups], SSAValue] = {}
        self.firsts: dict[int, SSAValue] = {}
        """First element of the tile, or the element, by loop of the contraction."""
        self.narrow = machine_type(config.input_type)
        self.wide = machine_type(config.accumulator_type)

    def build(self) -> func.FuncOp:
        facts, index = self.contraction, self.index
        out = self._array(facts.out, facts.result.groups)
        for factor in (facts.a, facts.b):
            self._array(factor.array, factor.groups)
        a = self._buffer("a", self.narrow, LocalSpace.SPAD)
        b = self._buffer("b", self.narrow, LocalSpace.SPAD)
        c = self._buffer("c", self.wide, LocalSpace.ACC)
        self._repeat(facts.outer, OUTER_NAMES[: len(facts.outer)][::-1])
        m = self._tiles("i", facts.i)
        n = self._tiles("j", facts.j)
        self._begin_sum(c, m, n)
        after = index.builder.insertion_point
        self._repeat(facts.window, WINDOW_NAMES)
        depth = self._tiles("k", facts.k)
        if facts.diagonal:
            depth = n
        self._load(a, facts.a, m, depth)
        self._load(b, facts.b, depth, n, diagonal=facts.diagonal)
        index.insert(
            MatmulOp(
                (a, ()),
                (b, ()),
                (c, ()),
                (m, n, depth),
                index.flag(True),
                a_transpose=facts.a.transposed,
                b_transpose=facts.b.transposed,
            )
        )
        index.at(after)
        place = _rows_along(facts.i, facts.result)
        at = self._element(facts.result.subscripts)
        post = self.post
        index.insert(StoreOp(c, (), out, at, m, n, scale=post.scale, relu=post.relu, place=place))
        return self.lowered

    def _buffer(self, name: str, type: Attribute, space: LocalSpace) -> SSAValue:
        shape = [self.dim, self.dim]
        alloc = memref.AllocOp.get(type, None, shape, memory_space=LocalSpaceAttr(space))
        alloc.memref.name_hint = name
        self.index.insert(alloc)
        return alloc.memref

    def _array(self, position: int, groups: Groups) -> SSAValue:
        """A parameter, seen with joined dimensions."""
        array = self.entry.args[position]
        if all(len(group) == 1 for group in groups):
            return array
        if (position, groups) not in self.views:
            view = collapsed(array, groups)
            self.index.insert(view)
            self.views[position, groups] = view.result
        return self.views[position, groups]

    def _repeat(self, loops: Sequence[int], names: str) -> None:
        """Open loops over single elements."""
        for loop, name in zip(loops, names, strict=False):
            upper = self.index.constant(self.contraction.sizes[loop])
            opened, self.firsts[loop] = insert_loop(self.index, upper, name)
            set_loop_name(opened, name)

    def _tiles(self, name: str, loop: int) -> SSAValue:
        """Open the loop over the tiles of one dimension; returns the extent of a tile."""
        index, size = self.index, self.contraction.sizes[loop]
        # Rows may be shorter than the array is wide; then let all tiles be equally long.
        step = tile_step(size, self.dim) if name == "i" else self.dim
        if name == "i" and (fold := self.contraction.a.fold) is not None:
            step = self.dim // fold.width * fold.width
        tiles = -(-size // step)
        opened, iv = insert_loop(index, index.constant(tiles), name)
        set_loop_name(opened, name)
        first_name, extent_name = ELEMENT_NAMES[name]
        self.firsts[loop] = set_name(index.mul(iv, step), first_name)
        rest = index.sub(index.constant(size), self.firsts[loop])
        return set_name(index.minimum(index.constant(step), rest), extent_name)

    def _element(self, subscripts: Sequence[Form]) -> list[SSAValue]:
        """The subscripts of the first element of a tile."""
        return [self._subscript(form) for form in subscripts]

    def _subscript(self, form: Form) -> SSAValue:
        total = self.index.constant(form.get(None, 0))
        for loop, factor in form.items():
            if loop is not None:
                total = self.index.add(total, self.index.mul(self.firsts[loop], factor))
        return total

    def _begin_sum(self, c: SSAValue, m: SSAValue, n: SSAValue) -> None:
        facts = self.contraction
        if facts.init is None or facts.initial is None:
            self.index.insert(ZeroOp(c, (), m, n))
            return
        array = self._array(facts.init, facts.initial.groups)
        at = self._element(facts.initial.subscripts)
        place = Rows() if facts.init_broadcast else _rows_along(facts.i, facts.initial)
        load = LoadOp(array, at, c, (), m, n, broadcast=facts.init_broadcast, place=place)
        self.index.insert(load)

    def _load(
        self,
        buffer: SSAValue,
        factor: Factor,
        rows: SSAValue,
        cols: SSAValue,
        *,
        diagonal: bool = False,
    ) -> None:
        """Load a tile as it is stored: a transposed operand is transposed by the product."""
        if factor.transposed:
            rows, cols = cols, rows
        source = self._array(factor.array, factor.groups)
        at = self._element(factor.subscripts)
        place = _rows(factor.row_dimension, factor.row_step, len(factor.subscripts))
        flags = {"diagonal": diagonal, "border": factor.border}
        start = None if factor.fold is None else self.firsts[self.contraction.i]
        term = None if factor.terms is None else self.firsts[self.contraction.k]
        load = LoadOp(
            source,
            at,
            buffer,
            (),
            rows,
            cols,
            place=place,
            start=start,
            fold=factor.fold,
            term=term,
            terms=factor.terms,
            **flags,
        )
        self.index.insert(load)


def _rows_along(loop: int, view: View) -> Rows:
    """The rows of a move of what ``loop`` walks through."""
    return _rows(*view.rows_along(loop), len(view.subscripts))


def _rows(dimension: int, step: int, rank: int) -> Rows:
    """The rows of a move of an array of ``rank`` dimensions."""
    return Rows(None if dimension == rank - 2 else dimension, step)


def collapsed(array: SSAValue, groups: Groups) -> memref.CollapseShapeOp:
    """``array`` with the dimensions of each group as one."""
    old = array.type
    assert isinstance(old, MemRefType)
    extents = [prod(old.get_shape()[dimension] for dimension in group) for group in groups]
    reassociation = ArrayAttr(
        ArrayAttr(IntegerAttr(dimension, i64) for dimension in group) for group in groups
    )
    view = memref.CollapseShapeOp(
        operands=[array],
        result_types=[MemRefType(old.element_type, extents)],
        properties={"reassociation": reassociation},
    )
    view.result.name_hint = f"{array.name_hint}_flat" if array.name_hint else None
    return view
