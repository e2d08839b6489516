"""``gemmini-lower-pooling``: maxima over windows of pixels become pooling stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..hw.gemmini.config import DEFAULT_CONFIG
from .begin_function import lower_to_items, memref_of
from .instruction_tree import Item
from .kernel import kernel_of, named_config, refusal
from .lower_linalg import machine_type
from .pooling.blocks import Blocks
from .pooling.facts import Pooling
from .pooling.instructions import PoolingCode
from .pooling.plan import Plan, plan_of, plans
from .pooling.products import ProductCode
from .pooling.read import read_pooling
from .schedule_space import accepted

INSTANCES = 12
"""Block sizes that are offered to a search."""


@dataclass(frozen=True)
class LowerPoolingPass(ModulePass):
    """Lower a maximum over windows, of an array or of a convolution, to pooling stores.

    Needs tensor IR: one maximum over square windows that slide along rows and columns of int8
    pixels whose channels come last; below it may be a convolution from zero or a bias, and what
    the store unit does to a sum. Pixels beyond the border count as 0, or do not count. Blocks of
    ``rows`` × ``cols`` pooled pixels are loaded, computed and stored at a time; 0 chooses. Two
    blocks take turns in the local memories where there is room. Guarantees the same function.
    Costs: pixels that blocks share are loaded or computed once for each.
    """

    name = "gemmini-lower-pooling"

    config: str = DEFAULT_CONFIG
    rows: int = 0
    cols: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        config = named_config(function, self.config)
        pooling = read_pooling(function)
        _require_types(function, pooling, machine_type(config.input_type))
        plan = self._plan(function, pooling)
        code = ProductCode if pooling.convolution is not None else PoolingCode
        lower_to_items(
            op, self.config, lambda lowered, _: _blocks(code(pooling, plan, config, lowered.args))
        )

    def _plan(self, function: func.FuncOp, pooling: Pooling) -> Plan:
        config = named_config(function, self.config)
        if self.rows and self.cols:
            plan = plan_of(pooling, config, self.rows, self.cols)
        else:
            plan = next((plan for _, _, plan in plans(pooling, config)), None)
        if plan is None:
            size = f"{self.rows} x {self.cols}" if self.rows and self.cols else "any size"
            raise refusal(
                function, f"blocks of {size} do not fit the local memories or the store unit"
            )
        return plan

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """The best block sizes, for tensor IR that is a pooling."""
        try:
            sizes = pooling_sizes(module_op, DEFAULT_CONFIG)
        except PassFailedException:
            return ()
        choices = [cls(DEFAULT_CONFIG, *size) for size in sizes[:INSTANCES]]
        return accepted(ctx, module_op, choices)


def pooling_sizes(module: ModuleOp, config: str) -> list[tuple[int, int]]:
    """Block sizes for the pooling in ``module``, best guess first; refuses other kernels."""
    function = kernel_of(module)
    pooling = read_pooling(function)
    found = plans(pooling, named_config(function, config))
    return [(rows, cols) for rows, cols, _ in found]


def _require_types(function: func.FuncOp, pooling: Pooling, narrow: object) -> None:
    for position in (pooling.source, pooling.out):
        type = memref_of(function.args[position].type, function)
        assert isinstance(type, MemRefType)
        if type.element_type != narrow:
            raise refusal(function, f"pools {type.element_type}; the store unit pools {narrow}")
    if pooling.out == pooling.source:
        raise refusal(function, "overwrites the image that it reads")


def _blocks(code: PoolingCode) -> list[Item]:
    return [*code.before(), *_images(code, code.pooling.batch, [])]


def _images(code: PoolingCode, batch: Sequence[int], at: list[dict[int | None, int]]) -> list[Item]:
    """All blocks of all images; ``at`` is the place in the dimensions of the batch so far."""
    if len(at) < len(batch):
        name = f"b{len(at)}"
        return code.loops.repeat(
            batch[len(at)], name, lambda place: _images(code, batch, [*at, dict(place)])
        )
    items: list[Item] = []
    for rows in code.plan.rows:
        items += code.loops.repeat(
            rows.count, "y", lambda y, rows=rows: _columns(code, at, rows, dict(y))
        )
    return items


def _columns(
    code: PoolingCode, at: list[dict[int | None, int]], rows: Blocks, y: dict[int | None, int]
) -> list[Item]:
    items: list[Item] = []
    for cols in code.plan.cols:
        items += code.loops.repeat(
            cols.count, "x", lambda x, cols=cols: code.block(at, (rows, cols), (y, dict(x)))
        )
    return items
