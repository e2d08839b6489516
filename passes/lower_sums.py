"""``gemmini-lower-sums``: sums of arrays and over windows become loads that add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..hw.gemmini.config import DEFAULT_CONFIG
from .begin_function import lower_to_items
from .element_sums import read_element_sum
from .index_math import IndexBuilder
from .instruction_tree import Item
from .kernel import kernel_of, named_config
from .lower_linalg import collapsed
from .sums_code import SumsCode

GROUPS = (8, 4, 2)
"""Loads of each array in a block, as the menu offers them."""


@dataclass(frozen=True)
class LowerSumsPass(ModulePass):
    """Lower sums of elements, and what the store unit does to them, to moves alone.

    Needs tensor IR: the sum over a window of one parameter (average pooling, the sum of all
    pixels), with an element-wise operation behind it; or a sum of parameters, in which each may be
    transposed or repeated. A single array is a sum too. Arrays are of the machine's input or
    accumulator type. The first element is loaded to the accumulator, the others are added to it
    by their loads, and stores apply ReLU, scale and saturation. Where the last dimension of an
    array is not the output's, a move takes 16 elements of one column; where all arrays keep their
    places, they are seen as one row each, unless ``separate`` keeps their dimensions apart.
    ``groups`` loads of each array make a block; two blocks take turns. Guarantees the same
    function for any sizes.
    """

    name = "gemmini-lower-sums"

    config: str = DEFAULT_CONFIG
    groups: int = GROUPS[0]
    separate: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        config = named_config(function, self.config)
        what = read_element_sum(function, config)
        is_flat = what.keeps_places and not self.separate

        def make(lowered: func.FuncOp, index: IndexBuilder) -> list[Item]:
            if not is_flat:
                return SumsCode(what, config, lowered.args, self.groups).all()
            rows = [_as_row(index, argument) for argument in lowered.args]
            return SumsCode(what.flattened(), config, rows, self.groups).all()

        lower_to_items(op, self.config, make)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """Block sizes, for tensor IR that is such a sum."""
        try:
            function = kernel_of(module_op)
            read_element_sum(function, named_config(function, DEFAULT_CONFIG))
        except PassFailedException:
            return ()
        return tuple(cls(groups=groups) for groups in GROUPS)


def _as_row(index: IndexBuilder, array: SSAValue) -> SSAValue:
    """An array as one row of elements."""
    assert isinstance(array.type, MemRefType)
    if array.type.get_num_dims() < 2:
        return array
    view = collapsed(array, (tuple(range(array.type.get_num_dims())),))
    index.insert(view)
    return view.result
