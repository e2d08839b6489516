"""``gemmini-lower-hardware-loops``: a product of matrices becomes loops of the hardware itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import prod

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
    UnitAttr,
    i64,
)
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ..dialects.gemmini import ActivationAttr, ConfigExOp, ConfigLdOp, ConfigStOp
from ..dialects.gemmini.loops import LoopWsOp
from ..hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig
from ..hw.gemmini.library_tiles import choose_tiles, fits_hardware_loop
from .begin_function import begin_function
from .coalesce import Form
from .contraction import Contraction, Factor, Groups, read_contraction
from .instruction_tree import Item, TreeBuilder, insert_fence
from .kernel import TARGET, kernel_of, named_config, refusal
from .loop_items import Loops, plus, times
from .loop_transforms import tidy
from .lower_linalg import collapsed, post_op_of, require_types
from .post_op import PostOp

LAST_HALF = 2
"""Number of the second half of the scratchpad; hardware loops take turns where none is named."""
FEW_PRODUCTS = 4096
"""Products of array tiles of a small kernel: 65,536 cycles of the array."""
MOST_PARTS = 4
"""Pieces into which the sums of a block are cut."""
LOADS_FELT = 0.25
"""Share of the loads' cycles that products lose, fitted to 40 programs in the cycle model."""
LOOP = 60
"""Cycles that another hardware loop costs, fitted likewise."""
STORE_CYCLES_PER_ROW = 1.6
"""Cycles in which the store unit reads and scales a row (``gemmini`` RTL: 8 / 5)."""

Tiles = tuple[int, int, int]


@dataclass(frozen=True)
class LowerHardwareLoopsPass(ModulePass):
    """Lower a product of matrices to ``loop_ws``: one command for many moves and products.

    Needs tensor IR: a contraction without further loops, then at most what the store unit does.
    Each hardware loop takes ``i`` × ``j`` × ``k`` array tiles, 0 as many as the library of
    ``gemmini.h``; they must fit half of the local memories. ``stay`` loads B once for all blocks of
    the same columns, which then run one after the other; each must form whole sums. Guarantees the
    same function for any sizes. Costs: the other operands are loaded again for each block of C. The
    core has next to nothing to do, which pays for small and ragged products at level ``soc``.
    """

    name = "gemmini-lower-hardware-loops"

    config: str = DEFAULT_CONFIG
    i: int = 0
    j: int = 0
    k: int = 0
    stay: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        config = named_config(function, self.config)
        what = read_product(function, config)
        chosen = choose_tiles(product_sizes(what), config)
        given = (self.i, self.j, self.k)
        tiles = (given[0] or chosen[0], given[1] or chosen[1], given[2] or chosen[2])
        if min(given) < 0 or not fits_hardware_loop(tiles, config):
            raise refusal(function, f"blocks of {tiles} do not fit half of the local memories")
        if self.stay and tiles[2] * config.dim < what.sizes[what.k]:
            raise refusal(function, "B stays only where one hardware loop forms whole sums")
        post = post_op_of(what, config)
        lowered, index = begin_function(function)
        lowered.attributes[TARGET] = StringAttr(self.config)
        TreeBuilder(index).build(_Code(what, config, post, lowered, tiles, stay=self.stay).all())
        tidy(lowered)
        function.detach()
        op.body.block.add_op(lowered)


def read_product(function: func.FuncOp, config: GemminiConfig) -> Contraction:
    """The product of matrices that ``function`` computes; refuses other functions."""
    what = read_contraction(function, config.dim)
    if what.outer or what.window or what.diagonal:
        raise refusal(what.generic, "is no single product of two matrices")
    if what.a.transposed and what.b.transposed:
        raise refusal(what.generic, "transposes both factors; the array transposes one")
    for factor in (what.a, what.b):
        if factor.border or factor.fold is not None or factor.row_step != 1:
            raise refusal(what.generic, "walks through a factor in steps, or beyond it")
    require_types(what, config)
    return what


Choice = tuple[int, int, int, bool]
"""Array tiles of a block in each dimension, and whether B stays for the next one."""


def hardware_loop_choices(function: func.FuncOp, config: GemminiConfig) -> list[Choice]:
    """Options of the pass, the most promising first.

    Those whose B stays, those that form whole sums, and those with sums in parts take turns.
    Raises ``PassFailedException`` for kernels that are no product of matrices.
    """
    sizes = product_sizes(read_product(function, config))
    rows, columns, depth = limits = tuple(-(-size // config.dim) for size in sizes)
    most = config.acc_rows // config.dim // 2

    def best_with(k: int, *, stay: bool) -> list[Choice]:
        # With a single block of rows there is nothing that B could stay for.
        highest = min(rows - stay, most)
        found = [(i, j, k) for i in range(1, highest + 1) for j in range(1, columns + 1)]
        possible = (tiles for tiles in found if fits_hardware_loop(tiles, config))
        best = sorted(possible, key=lambda tiles: _estimate(limits, tiles, config, stay=stay))
        return [(*tiles, stay) for tiles in best]

    depths = dict.fromkeys(-(-depth // parts) for parts in range(1, MOST_PARTS + 1))
    turns = zip_longest(best_with(depth, stay=True), *(best_with(k, stay=False) for k in depths))
    return [choice for turn in turns for choice in turn if choice is not None]


def _estimate(limits: Sequence[int], tiles: Tiles, config: GemminiConfig, *, stay: bool) -> float:
    """About how many cycles a product takes in blocks of ``tiles``: a ranking, no prediction.

    The products, what loads disturb them, and what overlaps with nothing: half of the first loads,
    and the last stores.
    """
    steps = [-(-limit // tile) for limit, tile in zip(limits, tiles, strict=True)]
    last = [
        limit - (step - 1) * tile for limit, step, tile in zip(limits, steps, tiles, strict=True)
    ]
    load = config.dim * max(1, config.dim * config.input_bytes // config.bus_bytes)
    loads = (limits[0] * steps[1] + limits[1] * (1 if stay else steps[0])) * limits[2] * load
    first = (tiles[0] + tiles[1]) * tiles[2] * load
    stores = last[0] * last[1] * config.dim * STORE_CYCLES_PER_ROW
    return prod(limits) * config.dim + LOADS_FELT * loads + first / 2 + stores + prod(steps) * LOOP


def product_sizes(what: Contraction) -> Tiles:
    """Rows and columns of C, and the terms of a sum."""
    return what.sizes[what.i], what.sizes[what.j], what.sizes[what.k]


@dataclass(frozen=True)
class _Matrix:
    """A parameter as a matrix of which one loop walks along rows, the other along columns."""

    array: SSAValue
    rank: int
    bytes: int
    stride: int
    """Elements between rows."""

    def at(self, tree: TreeBuilder, row: Form, column: Form) -> list[SSAValue]:
        return [tree.number(form) for form in (row, column)[2 - self.rank :]]


class _Code:
    def __init__(
        self,
        what: Contraction,
        config: GemminiConfig,
        post: PostOp,
        function: func.FuncOp,
        tiles: Tiles,
        *,
        stay: bool,
    ) -> None:
        self.what, self.config, self.post = what, config, post
        self.function = function
        self.stay = stay
        self.steps = tuple(tile * config.dim for tile in tiles)
        self.loops = Loops()
        self.a, self.b = (self._factor(factor) for factor in (what.a, what.b))
        self.c = self._matrix(what.out, what.result.groups, what.result.subscripts)
        self.d: _Matrix | None = None
        if what.init is not None and what.initial is not None:
            self.d = self._matrix(what.init, what.initial.groups, what.initial.subscripts)

    def _factor(self, factor: Factor) -> _Matrix:
        return self._matrix(factor.array, factor.groups, factor.subscripts)

    def _matrix(self, position: int, groups: Groups, subscripts: Sequence[Form]) -> _Matrix:
        what, array = self.what, self.function.args[position]
        walked = [
            [factor for loop, factor in form.items() if loop is None or what.sizes[loop] > 1]
            for form in subscripts
        ]
        if len(subscripts) > 2 or any(factors not in ([], [1]) for factors in walked):
            raise refusal(what.generic, "takes a part of an array that is no whole matrix")
        type = array.type
        assert isinstance(type, MemRefType)
        if any(len(group) > 1 for group in groups):
            view = collapsed(array, groups)
            self.function.body.block.insert_op_before(view, self.function.body.block.first_op)  # pyright: ignore
            array = view.result
        assert isinstance(array.type, MemRefType)
        width = array.type.get_shape()[-1]
        return _Matrix(array, len(subscripts), array.type.element_type.size, width)  # pyright: ignore

    def all(self) -> list[Item]:
        rows, columns, _ = product_sizes(self.what)
        if self.stay:
            blocks = self.loops.pieces(columns, self.steps[1], "j", self._beside_one_another)
        else:
            blocks = self.loops.pieces(
                rows,
                self.steps[0],
                "i",
                lambda i, height: self.loops.pieces(
                    columns, self.steps[1], "j", lambda j, width: self._sum((i, height), (j, width))
                ),
            )
        return [self._configure, *blocks, insert_fence]

    def _beside_one_another(self, j: Form, width: int) -> list[Item]:
        """The blocks of some columns; the first one loads B for all of them."""
        rows = product_sizes(self.what)[0]
        first = min(rows, self.steps[0])
        others = self.loops.pieces(
            rows - first,
            self.steps[0],
            "i",
            lambda i, height: self._sum((plus(i, first), height), (j, width), loads_b=False),
        )
        return [*self._sum(({}, first), (j, width)), *others]

    def _configure(self, tree: TreeBuilder) -> None:
        what, dim = self.what, self.config.dim
        insert = tree.index.insert
        insert(ConfigExOp(a_transpose=what.a.transposed, b_transpose=what.b.transposed))
        post = self.post
        insert(ConfigStOp(self.c.stride * self.c.bytes, post.activation, post.factor))
        insert(ConfigLdOp(self.a.stride * self.a.bytes, dim, channel=0))
        insert(ConfigLdOp(self.b.stride * self.b.bytes, dim, channel=1))
        if self.d is not None:
            stride = 0 if what.init_broadcast else self.d.stride * self.d.bytes
            insert(ConfigLdOp(stride, dim, channel=2))

    def _sum(self, i: tuple[Form, int], j: tuple[Form, int], *, loads_b: bool = True) -> list[Item]:
        """One block of C: the first part of its sums, equal ones, and the last."""
        depth, step = product_sizes(self.what)[2], self.steps[2]
        last = (depth - 1) // step * step
        if not last:
            return [self._loop(i, j, ({}, depth), first=True, last=True, loads_b=loads_b)]
        middle = self.loops.repeat(
            last // step - 1,
            "k",
            lambda at: [self._loop(i, j, (plus(times(at, step), step), step))],
        )
        return [
            self._loop(i, j, ({}, step), first=True),
            *middle,
            self._loop(i, j, ({None: last}, depth - last), last=True),
        ]

    def _loop(
        self,
        i: tuple[Form, int],
        j: tuple[Form, int],
        k: tuple[Form, int],
        *,
        first: bool = False,
        last: bool = False,
        loads_b: bool = True,
    ) -> Item:
        what, dim = self.what, self.config.dim
        bounds = [-(-size // dim) for _, size in (i, j, k)]
        pads = [bound * dim - size for bound, (_, size) in zip(bounds, (i, j, k), strict=True)]
        flags = {
            "a_transpose": what.a.transposed,
            "b_transpose": what.b.transposed,
            "full_c": self.post.scale is None,
            "accumulate": not first or self.d is not None,
        }

        def build(tree: TreeBuilder) -> None:
            def place(matrix: _Matrix | None, row: Form, column: Form) -> list[list[SSAValue]]:
                return (
                    [[], []] if matrix is None else [[matrix.array], matrix.at(tree, row, column)]
                )

            a = (k[0], i[0]) if what.a.transposed else (i[0], k[0])
            b = (j[0], k[0]) if what.b.transposed else (k[0], j[0])
            groups = [
                *place(self.a, *a),
                *place(self.b if loads_b else None, *b),
                *place(self.d if first else None, i[0], j[0]),
                *place(self.c if last else None, i[0], j[0]),
            ]
            strides = [self.a.stride, self.b.stride, self._bias_stride(), self.c.stride]
            tree.index.insert(
                LoopWsOp(
                    operands=groups,
                    properties={
                        "bounds": DenseArrayBase.from_list(i64, bounds),
                        "pads": DenseArrayBase.from_list(i64, pads),
                        "strides": DenseArrayBase.from_list(i64, strides),
                        "activation": ActivationAttr(self.post.activation),
                        "b_spad_id": IntegerAttr(LAST_HALF if self.stay else 0, i64),
                        **{name: UnitAttr() for name, holds in flags.items() if holds},
                    },
                )
            )

        return build

    def _bias_stride(self) -> int:
        return 0 if self.d is None or self.what.init_broadcast else self.d.stride
