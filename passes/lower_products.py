"""``gemmini-lower-products``: small products in loops over time become ISA IR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from ..dialects.gemmini import (
    LOAD_CHANNELS,
    AccOp,
    ComputeAccumulatedOp,
    ComputePreloadedOp,
    ConfigExOp,
    ConfigLdOp,
    ConfigStOp,
    Dataflow,
    FenceOp,
    MvinOp,
    MvinZerosOp,
    MvoutOp,
    NoneOp,
    PreloadOp,
    SpadOp,
)
from ..hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig
from .chains.products import Loop, Node, assignments
from .chains.read import read_products
from .chains.residency import KEEP, LocalTile, Residency, plan_residency
from .chains.split import split_products
from .chains.tiles import Product, Tile, Tiler, TileSum
from .index_math import IndexBuilder
from .instruction_tree import Item, LoopOfItems, Need, TreeBuilder, configured
from .kernel import TARGET, kernel_of, named_config, refusal
from .loop_transforms import tidy
from .schedule_space import accepted

SUMS = ("accumulator", "scratchpad", "array")
FLOAT_BYTES = 4


@dataclass(frozen=True)
class LowerProductsPass(ModulePass):
    """Lower a chain of small fp32 products, in loops over time or without, to instructions.

    Needs loop IR: one function of arrays of float32 that computes vectors and matrices as signed
    sums of elements and of products of two, with loops of constant length. ``keep`` says what stays
    in the scratchpad: ``nothing`` loads each tile where it is used and fences after each result,
    ``inputs`` loads once what the program does not write, ``all`` keeps results too, so that a
    product reads what another one computed without DRAM and fences; ``most`` is for programs of
    which not all fits: of results that a loop over time hands on it keeps the last steps, and the
    largest inputs are loaded where they are used until the others fit. ``sums`` says where a sum
    over several products is formed: in the ``accumulator``, in the ``scratchpad`` (each product
    adds the last one's result), or held in the ``array`` (output-stationary). ``split`` distributes
    loops over independent statements. ``roll`` leaves loops over the tiles of a result: less code,
    which a cold instruction cache has to fetch, for more work of the core. Negative signs become
    the scale of loads, a first addend the product's bias. Guarantees the same sums, which may be
    formed in another order.
    """

    name = "gemmini-lower-products"

    config: str = DEFAULT_CONFIG
    keep: str = "nothing"
    sums: str = "accumulator"
    split: bool = False
    roll: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        config = named_config(function, self.config)
        if self.keep not in KEEP or self.sums not in SUMS:
            raise refusal(function, f"keep is one of {KEEP}, sums one of {SUMS}")
        if config.input_type != "float32" or config.accumulator_type != "float32":
            raise refusal(function, f"{config.name} does not compute in float32")
        program = read_products(function)
        nodes = split_products(program.nodes, program.locals) if self.split else program.nodes
        lowered = _Lowering(function, nodes, config, self).build()
        lowered.attributes[TARGET] = StringAttr(self.config)
        tidy(lowered)
        function.detach()
        op.body.block.add_op(lowered)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """All choices for a kernel of loop IR that names its target."""
        function = kernel_of(module_op)
        target = function.attributes.get(TARGET)
        if not isinstance(target, StringAttr) or any(
            op.name.startswith(("gemmini.", "tile.")) for op in function.walk()
        ):
            return ()
        choices = [cls(target.data, *choice) for choice in choices_of_products()]
        return accepted(ctx, module_op, choices)


def choices_of_products() -> tuple[tuple[str, str, bool, bool], ...]:
    """Values of ``keep``, ``sums``, ``split`` and ``roll`` that make sense, best guess first."""
    kept = [
        ("all", sums, split, roll)
        for sums in ("array", "scratchpad")
        for split in (True, False)
        for roll in (True, False)
    ]
    return (
        *kept,
        ("most", "array", False, False),
        ("inputs", "array", False, False),
        ("inputs", "accumulator", False, False),
        ("nothing", "accumulator", False, False),
    )


class _Lowering:
    def __init__(
        self,
        function: func.FuncOp,
        nodes: Sequence[Node],
        config: GemminiConfig,
        options: LowerProductsPass,
    ) -> None:
        self.function = function
        self.config = config
        self.dim = config.dim
        self.sums = options.sums
        self.roll = options.roll
        self.nodes = nodes
        written = {assign.target.array for assign in assignments(nodes)}
        read = {access.array for assign in assignments(nodes) for access in assign.reads}
        self.tiler = Tiler(function, config.dim, frozenset(read - written))
        self.place: Residency = plan_residency(function, nodes, self.tiler, config, options.keep)
        self.fenced = written & read
        """Arrays of which a load must not overtake a store."""
        self.channels: dict[object, int] = {}

    def build(self) -> func.FuncOp:
        block = Block(arg_types=[argument.type for argument in self.function.args])
        for new, old in zip(block.args, self.function.args, strict=True):
            new.name_hint = old.name_hint
        lowered = func.FuncOp(
            self.function.sym_name.data, self.function.function_type, Region(block)
        )
        lowered.attributes.update(self.function.attributes)
        Builder(InsertPoint.at_end(block)).insert(func.ReturnOp())
        assert block.last_op is not None
        index = IndexBuilder(block, InsertPoint.before(block.last_op))
        self.arguments: dict[SSAValue, SSAValue] = dict(
            zip(self.function.args, block.args, strict=True)
        )
        items = [item for tile in self.place.initial for item in self._load(tile)]
        items += self._nodes(self.nodes)
        items.append(_fence)
        TreeBuilder(index).build(configured(items, {}))
        return lowered

    def _nodes(self, nodes: Sequence[Node]) -> list[Item]:
        found: list[Item] = []
        stores: list[Item] = []
        for node in nodes:
            if isinstance(node, Loop):
                found += [*stores, LoopOfItems(node.counter, self._nodes(node.body))]
                stores = []
                continue
            sums = self.tiler.sums(node)
            if self.place.is_resident(sums[0].target.layout):
                rolled = self.tiler.rolled(node) if self.roll else None
                if rolled is not None:
                    counter, tile_sum = rolled
                    found.append(LoopOfItems(counter, self._sums([tile_sum])))
                    stores.append(LoopOfItems(counter, self._store(tile_sum)))
                    continue
                found += self._sums(sums)
                # A store waits in a short queue for its product: it must not hold up the next.
                stores += [item for tile_sum in sums for item in self._store(tile_sum)]
                continue
            for tile_sum in sums:
                found += [*self._sums([tile_sum]), *self._store(tile_sum)]
            if node.target.array in self.fenced:
                found += [*stores, _fence]
                stores = []
        return [*found, *stores]

    # Sums.

    def _sums(self, sums: Sequence[TileSum]) -> list[Item]:
        if all(self._in_accumulator(tile_sum) for tile_sum in sums):
            return [item for tile_sum in sums for item in self._accumulate(tile_sum)]
        if self.sums == "array":
            return [item for tile_sum in sums for item in self._hold(tile_sum)]
        # Each product adds to what the last one of its tile left: others go in between.
        runs = [self._chain(tile_sum) for tile_sum in sums]
        depth = max(map(len, runs))
        return [item for n in range(depth) for run in runs if n < len(run) for item in run[n]]

    def _in_accumulator(self, tile_sum: TileSum) -> bool:
        return not self.place.is_resident(tile_sum.target.layout) and (
            self.sums == "accumulator" or len(tile_sum.biases) > 1 or not tile_sum.products
        )

    def _accumulate(self, tile_sum: TileSum) -> list[Item]:
        """Form a sum in the accumulator, whose rows are those of the tile in the assignment."""
        items: list[Item] = []
        row = self.place.accumulator_row(tile_sum.target)
        begun = len(tile_sum.biases) > 1
        if begun:
            # Loads may complete in any order, unless all of them add to zeros.
            items += self._clear(tile_sum.biases[0], row)
        for bias in tile_sum.biases:
            items += self._load(LocalTile(bias, row), accumulate=begun)
            begun = True
        if not begun and not tile_sum.products:
            raise refusal(self.function, "an assignment of nothing")
        for product in tile_sum.products:
            items += self._loads(product)
            items.append(self._execute(Dataflow.WEIGHT_STATIONARY, product))
            items.append(self._product(product, tile_sum.target, None, row, begun))
            begun = True
        return items

    def _chain(self, tile_sum: TileSum) -> list[list[Item]]:
        """A sum in the scratchpad: each product takes the sum so far as its bias."""
        self._require_one_bias(tile_sum)
        found: list[list[Item]] = []
        bias = tile_sum.biases[0] if tile_sum.biases else None
        for number, product in enumerate(tile_sum.products):
            items = self._loads(product)
            if number == 0 and bias is not None:
                items += self._load_if_needed(bias)
            items.append(self._execute(Dataflow.WEIGHT_STATIONARY, product))
            addend = tile_sum.target if number else bias
            items.append(self._product(product, tile_sum.target, addend, None, False))
            found.append(items)
        return found

    def _hold(self, tile_sum: TileSum) -> list[Item]:
        """A sum that stays in the array; products with other transposes begin from its result."""
        self._require_one_bias(tile_sum)
        if any(p.b_transpose and not p.a_transpose for p in tile_sum.products):
            return [item for step in self._chain(tile_sum) for item in step]
        items: list[Item] = []
        addend = tile_sum.biases[0] if tile_sum.biases else None
        if addend is not None:
            items += self._load_if_needed(addend)
        groups: dict[tuple[bool, bool], list[Product]] = {}
        for product in sorted(tile_sum.products, key=lambda p: not p.a_transpose):
            groups.setdefault(product.transposes, []).append(product)
        for group in groups.values():
            for number, product in enumerate(group):
                items += self._loads(product)
                items.append(self._execute(Dataflow.OUTPUT_STATIONARY, product))
                start = None if number else (addend,)
                is_last = number == len(group) - 1
                items.append(self._held(product, tile_sum.target, start, is_last))
            addend = tile_sum.target
        return items

    def _require_one_bias(self, tile_sum: TileSum) -> None:
        if len(tile_sum.biases) > 1 or not tile_sum.products:
            name = tile_sum.target.layout.array.name_hint
            raise refusal(
                self.function,
                f"{name} stays in the scratchpad and adds {len(tile_sum.biases)} addends to"
                f" {len(tile_sum.products)} products; the array adds one addend to products",
            )

    def _execute(self, dataflow: Dataflow, product: Product) -> Need:
        a, b = product.transposes

        def configure() -> Operation:
            return ConfigExOp(dataflow, a_transpose=a, b_transpose=b)

        return Need("execute", (dataflow, a, b), configure)

    def _product(
        self,
        product: Product,
        target: Tile,
        addend: Tile | None,
        accumulator_row: int | None,
        accumulate: bool,
    ) -> Item:
        """A weight-stationary product, to the scratchpad or the accumulator."""

        def build(tree: TreeBuilder) -> None:
            m, n, depth = self._sizes(tree, product, target)
            a, b = self._address(tree, product.a), self._address(tree, product.b)
            d = _none(tree) if addend is None else self._operand(tree, addend, target)
            if accumulator_row is None:
                c = self._result(tree, target)
            else:
                flag = tree.index.flag(True) if accumulate else None
                c = _insert(tree, AccOp(tree.index.constant(accumulator_row), flag)).results[0]
            _insert(tree, PreloadOp(b, depth, n, c, m, n))
            _insert(tree, ComputePreloadedOp(a, m, depth, d, m, n))

        return build

    def _held(
        self, product: Product, target: Tile, start: tuple[Tile | None] | None, is_last: bool
    ) -> Item:
        """An output-stationary product; ``start`` begins a sum, from a tile or from zero."""

        def build(tree: TreeBuilder) -> None:
            m, n, depth = self._sizes(tree, product, target)
            d = _none(tree)
            if start is not None and start[0] is not None:
                d = self._operand(tree, start[0], target)
            c = self._result(tree, target) if is_last else _none(tree)
            a, b = self._address(tree, product.a), self._address(tree, product.b)
            _insert(tree, PreloadOp(d, m, n, c, m, n))
            compute = ComputeAccumulatedOp if start is None else ComputePreloadedOp
            _insert(tree, compute(a, m, depth, b, depth, n))

        return build

    def _sizes(
        self, tree: TreeBuilder, product: Product, target: Tile
    ) -> tuple[SSAValue, SSAValue, SSAValue]:
        constant = tree.index.constant
        return constant(target.rows), constant(target.cols), constant(product.depth)

    # Moves.

    def _operand(self, tree: TreeBuilder, tile: Tile, result: Tile) -> SSAValue:
        """The address of an addend, which may be the result so far."""
        return self._result(tree, tile) if tile is result else self._address(tree, tile)

    def _result(self, tree: TreeBuilder, tile: Tile) -> SSAValue:
        return self._address(tree, tile, is_result=True)

    def _address(self, tree: TreeBuilder, tile: Tile, *, is_result: bool = False) -> SSAValue:
        index, row = tree.index, self.place.row_of(tile, is_result=is_result)
        value = tree.number(row.form, row.base)
        if row.stride:
            turn = index.rem(tree.number(row.step), row.steps)
            value = index.add(index.mul(turn, row.stride), value)
        return _insert(tree, SpadOp(value)).results[0]

    def _loads(self, product: Product) -> list[Item]:
        return [*self._load_if_needed(product.b), *self._load_if_needed(product.a)]

    def _load_if_needed(self, tile: Tile) -> list[Item]:
        if self.place.is_resident(tile.layout):
            return []
        return self._load(LocalTile(tile, None))

    def _clear(self, tile: Tile, accumulator_row: int) -> list[Item]:
        """Zeros in the accumulator for a tile that is going to be added there."""
        need = next(item for item in self._load(LocalTile(tile)) if isinstance(item, Need))
        channel = self.channels[need.value]

        def build(tree: TreeBuilder) -> None:
            constant = tree.index.constant
            target = _insert(tree, AccOp(constant(accumulator_row))).results[0]
            rows, cols = constant(tile.rows), constant(tile.cols)
            _insert(tree, MvinZerosOp(target, rows, cols, channel))

        return [need, build]

    def _load(self, local: LocalTile, *, accumulate: bool = False) -> list[Item]:
        """Load a tile to its place in the scratchpad, or to a row of the accumulator."""
        tile, layout = local.tile, local.tile.layout
        if layout.array not in self.arguments:
            name = layout.array.name_hint
            raise refusal(self.function, f"{name} is local and would have to move through memory")
        stride = _row_bytes(layout.array, layout.rows)
        value = (stride, layout.sign)
        channel = self.channels.setdefault(value, len(self.channels) % LOAD_CHANNELS)

        def configure() -> Operation:
            return ConfigLdOp(stride, self.dim, channel=channel, scale=float(layout.sign))

        def build(tree: TreeBuilder) -> None:
            if local.accumulator_row is None:
                target = self._address(tree, tile)
            else:
                row = tree.index.constant(local.accumulator_row)
                flag = tree.index.flag(True) if accumulate else None
                target = _insert(tree, AccOp(row, flag)).results[0]
            indices = [tree.number(form) for form in tile.first]
            rows, cols = tree.index.constant(tile.rows), tree.index.constant(tile.cols)
            source = self.arguments[layout.array]
            _insert(tree, MvinOp(source, indices, target, rows, cols, channel))

        return [Need(f"load {channel}", value, configure), build]

    def _store(self, tile_sum: TileSum) -> list[Item]:
        tile, array = tile_sum.target, tile_sum.target.layout.array
        if array not in self.arguments:
            return []
        stride = _row_bytes(array, tile.layout.rows)
        in_accumulator = self._in_accumulator(tile_sum)

        def build(tree: TreeBuilder) -> None:
            if in_accumulator:
                row = tree.index.constant(self.place.accumulator_row(tile))
                source = _insert(tree, AccOp(row)).results[0]
            else:
                source = self._result(tree, tile)
            rows, cols = tree.index.constant(tile.rows), tree.index.constant(tile.cols)
            indices = [tree.number(form) for form in tile.first]
            _insert(tree, MvoutOp(source, rows, cols, self.arguments[array], indices))

        return [Need("store", stride, lambda: ConfigStOp(stride)), build]


def _row_bytes(array: SSAValue, dimension: int) -> int:
    """Bytes from one element to the next along a dimension."""
    assert isinstance(array.type, MemRefType)
    count = 1
    for extent in array.type.get_shape()[dimension + 1 :]:
        count *= extent
    return count * FLOAT_BYTES


def _insert(tree: TreeBuilder, op: Operation) -> Operation:
    return tree.index.insert(op)


def _fence(tree: TreeBuilder) -> None:
    _insert(tree, FenceOp())


def _none(tree: TreeBuilder) -> SSAValue:
    return _insert(tree, NoneOp()).results[0]
