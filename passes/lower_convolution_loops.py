"""``gemmini-lower-convolution-loops``: a convolution becomes loops of the hardware itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from itertools import islice
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    IntegerAttr,
    ModuleOp,
    TensorType,
    UnitAttr,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..dialects.gemmini import ActivationAttr, ConfigExOp, ConfigStOp
from ..dialects.gemmini.loops import LoopConvWsOp
from ..hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig, load_config
from .begin_function import lower_to_items
from .coalesce import Form
from .instruction_tree import Item, TreeBuilder
from .kernel import kernel_of, named_config, refusal
from .loop_items import Loops, plus, times
from .lower_hardware_loops import LAST_HALF
from .lower_linalg import machine_type
from .pooling.blocks import Blocks
from .pooling.convolution_loops import STAYS, ConvolutionLoops, Corner, Tile, pieces, tiles
from .pooling.forms import composed
from .pooling.read_convolution import read_convolution

FIRST_HALF = 1
"""Number of the first half of the scratchpad."""
PARAMETERS = "liftproof.parameters"
"""Attribute of a kernel: the names of its parameters."""
INSTANCES = 12
"""Choices that are offered to a search."""


@dataclass(frozen=True)
class LowerConvolutionLoopsPass(ModulePass):
    """Lower a convolution to ``loop_conv_ws``: one command for many moves and products.

    Needs tensor IR: a convolution over rows and columns of int8 images whose channels come last,
    with weights in the order rows, columns, inputs, outputs, from zero or a bias for each output;
    then what the store unit does, and maybe a maximum over windows. Each hardware loop takes
    ``images``, ``rows`` and ``cols`` of the output, ``outputs`` of its channels and ``inputs`` of
    the terms; 0 chooses. They must fit half of the local memories. ``stay`` loads the ``input`` of
    a block once for all its outputs, or the ``weights`` of some outputs once for all blocks; sums
    must be whole then. Guarantees the same function. Costs: pixels and weights are loaded again for
    each hardware loop that needs them. The core has next to nothing to do.
    """

    name = "gemmini-lower-convolution-loops"

    config: str = DEFAULT_CONFIG
    images: int = 0
    rows: int = 0
    cols: int = 0
    outputs: int = 0
    inputs: int = 0
    stay: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        config = named_config(function, self.config)
        if self.stay not in STAYS:
            raise refusal(function, f"stay must be input or weights, got {self.stay!r}")
        given = Tile(self.images, self.rows, self.cols, self.outputs, self.inputs)
        if min(astuple(given)) < 0:
            raise refusal(function, "sizes of blocks are not negative")
        fitting = [loops for loops in read_loops(function, config, given) if loops.fits]
        if not fitting:
            size = " ".join(f"{name}={size}" for name, size in asdict(given).items() if size)
            raise refusal(function, f"{size or 'any size'} does not fit half of the local memories")
        sharing = [loops for loops in fitting if loops.can_stay(self.stay)]
        if not sharing:
            raise refusal(
                function, f"no hardware loops with whole sums follow that share the {self.stay}"
            )
        loops = min(sharing, key=lambda loops: loops.cost(self.stay))
        lower_to_items(
            op, self.config, lambda lowered, _: _Code(loops, self.stay, lowered.args).all()
        )

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """The most promising choices, for tensor IR that is a convolution."""
        try:
            found = convolution_loop_choices(kernel_of(module_op), load_config(DEFAULT_CONFIG))
            return tuple(cls(DEFAULT_CONFIG, *choice) for choice in islice(found, INSTANCES))
        except PassFailedException:
            return ()


Choice = tuple[int, int, int, int, int, str]
"""Options of the pass."""


def convolution_loop_choices(function: func.FuncOp, config: GemminiConfig) -> Iterator[Choice]:
    """Options of the pass, the most promising first.

    Raises ``PassFailedException`` for kernels that are no convolution for hardware loops, and for
    those whose parameters are followed by arrays in between (``passes/statements.py``): layers
    behind one another are proved with their loops, and hardware loops hide theirs.
    """
    parameters = function.attributes.get(PARAMETERS)
    if isinstance(parameters, ArrayAttr) and len(parameters) != len(function.args):
        raise refusal(function, "is one of several layers, which are proved with their loops")
    found = [*read_loops(function, config, ANY)]
    choices = [(loops, stay) for loops in found for stay in STAYS if loops.can_stay(stay)]
    choices.sort(key=lambda choice: choice[0].cost(choice[1]))
    for loops, stay in choices:
        if loops.fits:
            yield (*astuple(loops.tile), stay)


ANY = Tile(0, 0, 0, 0, 0)
"""No size is given."""


def read_loops(
    function: func.FuncOp, config: GemminiConfig, given: Tile
) -> Iterator[ConvolutionLoops]:
    """Hardware loops of different sizes for a convolution, all of the sizes that are ``given``.

    Raises ``PassFailedException`` for kernels that hardware loops do not compute.
    """
    pooling = read_convolution(function)
    convolution = pooling.convolution
    assert convolution is not None
    narrow, wide = (machine_type(x) for x in (config.input_type, config.accumulator_type))
    bias = [] if convolution.bias is None else [(convolution.bias, wide)]
    arrays = [(x, narrow) for x in (pooling.source, convolution.weights, pooling.out)]
    for position, type in [*arrays, *bias]:
        if (found := _tensor(function, position).element_type) != type:
            raise refusal(
                function, f"hardware loops take {type} where parameter {position} has {found}"
            )
    if pooling.out in (pooling.source, convolution.weights):
        raise refusal(function, "overwrites an array that it reads")
    if not pooling.zeros_around:
        raise refusal(function, "pools with a border that does not count as 0")
    image, weights = (
        _tensor(function, x).get_shape() for x in (pooling.source, convolution.weights)
    )
    made = [given] if all(astuple(given)) else tiles(pooling, config)
    sizes = {
        Tile(*(a or b for a, b in zip(astuple(given), astuple(tile), strict=True))) for tile in made
    }
    for tile in sorted(sizes, key=astuple):
        loops = ConvolutionLoops(pooling, weights, image, tile, config)
        loops.require_fields(function)
        yield loops


def _tensor(function: func.FuncOp, position: int) -> TensorType[Attribute]:
    type = function.args[position].type
    assert isinstance(type, TensorType)
    return type


@dataclass(frozen=True)
class _Place:
    """A block, and its first image, pixel or channel."""

    block: Blocks
    first: Form


Axis = tuple[str, Sequence[Blocks]]
Make = Callable[[list[_Place], bool], list[Item]]


class _Code:
    def __init__(self, loops: ConvolutionLoops, stay: str, arrays: Sequence[SSAValue]) -> None:
        self.plan, self.stay, self.arrays = loops, stay, arrays
        self.pooling, self.convolution = loops.pooling, loops.convolution
        self.loops = Loops()

    def all(self) -> list[Item]:
        outer_batch = [(f"b{n}", pieces(x, 1)) for n, x in enumerate(self.pooling.batch[:-1])]
        images, rows, cols, outputs = self.plan.axes
        pixels = [*outer_batch, ("b", images), ("y", rows), ("x", cols)]
        channels: list[Axis] = [("c", outputs)]
        outside, inside = (channels, pixels) if self.stay == "weights" else (pixels, channels)

        def sums(before: list[_Place], _: bool) -> list[Item]:
            def each(after: list[_Place], is_first: bool) -> list[Item]:
                if self.stay == "weights":
                    return self._sums([*after, *before], is_first)
                return self._sums([*before, *after], is_first)

            return self._nest(inside, each, apart=bool(self.stay))

        return [self._configure, *self._nest(outside, sums, apart=False)]

    def _nest(
        self, axes: Sequence[Axis], make: Make, places: Sequence[_Place] = (), *, apart: bool
    ) -> list[Item]:
        """What ``make`` gives for all blocks; with ``apart``, the first one stands for itself."""
        if not axes:
            return make([*places], apart)
        (name, blocks), *others = axes
        items: list[Item] = []
        for block in _first_apart(blocks) if apart else blocks:

            def some(at: Form, block: Blocks = block) -> list[Item]:
                place = _Place(block, plus(times(at, block.pooled), block.first))
                is_first = apart and block.number == 0
                return self._nest(others, make, [*places, place], apart=is_first)

            items += self.loops.repeat(block.count, name, some)
        return items

    def _configure(self, tree: TreeBuilder) -> None:
        plan, post = self.plan, self.pooling.post
        stride = self.pooling.channels * plan.config.input_bytes
        tree.index.insert(ConfigExOp(a_stride=plan.stride >> plan.downsample))
        tree.index.insert(ConfigStOp(stride, post.activation, post.factor))

    def _sums(self, places: list[_Place], is_first: bool) -> list[Item]:
        """The sums of one block: the first of their terms, equal parts of them, and the last."""
        depth, step = self.convolution.depth, self.plan.tile.inputs
        last = (depth - 1) // step * step
        if not last:
            return [self._loop(places, ({}, depth), begins=True, ends=True, loads=is_first)]
        middle = self.loops.repeat(
            last // step - 1,
            "k",
            lambda at: [self._loop(places, (plus(times(at, step), step), step))],
        )
        return [
            self._loop(places, ({}, step), begins=True),
            *middle,
            self._loop(places, ({None: last}, depth - last), ends=True),
        ]

    def _loop(
        self,
        places: list[_Place],
        terms: tuple[Form, int],
        *,
        begins: bool = False,
        ends: bool = False,
        loads: bool = True,
    ) -> Item:
        """One hardware loop, which ``loads`` the operand that stays."""
        *batch, rows, cols, outputs = places
        plan, convolution = self.plan, self.convolution
        image, first = batch[-1].block, outputs.first
        sizes = plan.sizes(Corner(image, rows.block, cols.block, outputs.block), terms[1])
        # A kernel without a batch has no subscript for its only image.
        at = [place.first for place in batch[len(batch) - len(self.pooling.batch) :]]
        inputs = [*at, *self._first_inputs(rows, cols), terms[0]]
        known: dict[int, Form] = {0: {}, 1: {}, 2: terms[0], 3: first}
        weights = [composed(form, known) for form in convolution.weight_subscripts]
        pooled = [*at, rows.first, cols.first, first]
        halves = {
            "a_spad_id": FIRST_HALF if self.stay == "input" else 0,
            "b_spad_id": LAST_HALF if self.stay == "weights" else 0,
        }
        flags = {
            "no_bias": begins and convolution.bias is None,
            "no_pool": not plan.pools,
            "downsample": plan.downsample,
        }

        def build(tree: TreeBuilder) -> None:
            def place(array: int | None, forms: list[Form], *, used: bool) -> list[list[SSAValue]]:
                if array is None or not used:
                    return [[], []]
                return [[self.arrays[array]], [tree.number(form) for form in forms]]

            tree.index.insert(
                LoopConvWsOp(
                    operands=[
                        *place(convolution.weights, weights, used=loads or self.stay != "weights"),
                        *place(self.pooling.out, pooled, used=ends),
                        *place(convolution.bias, [first], used=begins),
                        *place(self.pooling.source, inputs, used=loads or self.stay != "input"),
                    ],
                    properties={
                        "sizes": DenseArrayBase.from_list(i64, list(sizes.values())),
                        "activation": ActivationAttr(self.pooling.post.activation),
                        **{name: IntegerAttr(number, i64) for name, number in halves.items()},
                        **{name: UnitAttr() for name, holds in flags.items() if holds},
                    },
                )
            )

        return build

    def _first_inputs(self, *places: _Place) -> Iterator[Form]:
        """The row and the column of the first input that comes from the image."""
        sides = (self.pooling.rows, self.pooling.cols)
        for place, side, taps in zip(
            places, sides, (self.convolution.rows, self.convolution.cols), strict=True
        ):
            pixel = plus(times(place.first, side.step), place.block.pixels.before - side.pad)
            yield plus(times(pixel, taps.step), place.block.inputs.before - taps.pad)


def _first_apart(blocks: Sequence[Blocks]) -> list[Blocks]:
    """The blocks, with the first one by itself."""
    first, *others = blocks
    rest = Blocks(
        first.number + 1,
        first.first + first.pooled,
        first.count - 1,
        first.pooled,
        first.pixels,
        first.inputs,
    )
    return [replace(first, count=1), rest, *others]
