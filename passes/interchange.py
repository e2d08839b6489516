"""``gemmini-interchange``: another order of perfectly nested loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from .dependence import require_permutable, require_same_sum_order
from .index_math import depends_on
from .kernel import iv_of, loop_name, named_loop, refusal, schedulable_kernel
from .loop_transforms import index_builder, permute, tidy
from .nests import perfect_band
from .schedule_space import schedulable_loops


@dataclass(frozen=True)
class InterchangePass(ModulePass):
    """Put perfectly nested loops into the order given, outermost first.

    Needs loops that are perfectly nested in each other (in any order) and whose bounds do not
    depend on a loop that would move inside. Guarantees the same tiles and sums: it refuses where a
    buffer carries values between iterations, except for sums, whose integer terms may be added in
    any order. The innermost loop should leave the tile of B alone, so that the weights can stay
    in the array.
    """

    name = "gemmini-interchange"

    order: tuple[str, ...]

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = schedulable_kernel(op)
        band = _band(function, self.order)
        order = [named_loop(function, name) for name in self.order]
        if order == band:
            raise refusal(band[0], f"is already in the order {','.join(self.order)}")
        require_permutable(band)
        _require_order(band, order)
        permute(index_builder(function), band, order)
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        orders: list[tuple[str, ...]] = []
        inside: set[scf.ForOp] = set()
        for loop in schedulable_loops(module_op).values():
            if loop not in inside:
                band = [x for x in perfect_band(loop) if loop_name(x)]
                inside.update(band)
                orders += _legal_orders(band)
        return tuple(cls(order) for order in sorted(orders, key=_estimate))


def _legal_orders(band: list[scf.ForOp]) -> list[tuple[str, ...]]:
    """All other orders of a perfect nest that are legal; of a deep one, swaps of neighbours."""
    legal: list[tuple[str, ...]] = []
    try:
        require_permutable(band)
    except PassFailedException:
        return legal
    for order in permutations(band) if len(band) <= MAX_PERMUTED else _swaps(band):
        try:
            _require_order(band, order)
        except PassFailedException:
            continue
        if list(order) != band:
            legal.append(tuple(loop_name(loop) or "" for loop in order))
    return legal


def _swaps(band: list[scf.ForOp]) -> Iterator[tuple[scf.ForOp, ...]]:
    for at in range(len(band) - 1):
        yield (*band[:at], band[at + 1], band[at], *band[at + 2 :])


def _require_order(band: Sequence[scf.ForOp], order: Sequence[scf.ForOp]) -> None:
    """Refuse an order where a bound would depend on a loop inside, or float sums would change."""
    for position, loop in enumerate(order):
        for inner in order[position + 1 :]:
            if depends_on(loop.ub, iv_of(inner)):
                raise refusal(loop, f"its bound depends on {loop_name(inner)!r}, now inside")
    require_same_sum_order(band, order)


MAX_PERMUTED = 4
"""Loops of a nest whose orders are all listed; with more, the list would be a haystack."""


def _band(function: func.FuncOp, names: tuple[str, ...]) -> list[scf.ForOp]:
    """The loops called ``names`` from the outside in; refuses unless they nest perfectly."""
    if len(set(names)) != len(names) or len(names) < 2:
        raise refusal(function, "an order names two loops or more, each once")
    wanted = [named_loop(function, name) for name in names]
    for loop in wanted:
        band = perfect_band(loop)[: len(wanted)]
        if set(band) == set(wanted):
            return band
    raise refusal(wanted[0], f"the loops {', '.join(names)} are not perfectly nested")


def _estimate(order: tuple[str, ...]) -> tuple[int, int]:
    """Prefer i innermost (weights stay), then k outermost (a chunk of B is used row by row)."""
    return (0 if order[-1].startswith("i") else 1, 0 if order[0].startswith("k") else 1)
