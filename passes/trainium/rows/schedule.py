"""The order of the instructions for a block of rows: groups that can share a loop over columns.

What is combined along a row, and what a product of matrices multiplies, must be complete before it
is used: that ends a *phase*. In a phase, instructions over rows of equal sizes form a group, which
may run on some columns at a time; arrays that no other group reads need room for those only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import inf

from .graph import ROW, Access, Load, Node, Product, Weight
from .reach import needed_elements, reach
from .steps import Activate, Combine, Hide, Multiply, Step


@dataclass(frozen=True)
class Group:
    """Steps in order, over rows of the sizes ``space``."""

    turned: bool
    """Whether columns lie in the partitions; limits and sums are then taken tile by tile."""
    combines: bool
    """Whether they combine or mask what is along a row, which they take as a whole."""
    reach: int | None
    """They work on elements ``j <= i + reach`` of row i only."""
    space: tuple[int, ...]
    steps: tuple[Step, ...]

    @property
    def has_products(self) -> bool:
        return any(isinstance(step, Multiply) for step in self.steps)


_Key = tuple[int, bool, bool, bool, int | None, tuple[int, ...]]
"""Phase, whether there are rows at all, and the fields of a group."""


def group_steps(
    steps: Mapping[Node, Step],
    outputs: Iterable[Access],
    in_parts: bool = False,
    turned: Collection[Node] = (),
) -> list[Group]:
    """The groups in the order in which they run; with ``in_parts`` none takes rows as a whole."""
    results = {access.node for access in outputs}
    ordered = _in_order(steps, outputs)
    phases = _phases(ordered, steps)
    _sink(ordered, phases, results, turned)
    needed = needed_elements(outputs)
    groups: dict[_Key, list[Step]] = {}
    for step in ordered:
        is_wide = step.space != ROW
        limit = reach(step, needed) if is_wide else None
        is_turned = _filled(step) in turned
        by_tiles = is_turned and not isinstance(step, Hide)
        whole = is_wide and not in_parts and not by_tiles and _takes_whole_rows(step)
        key = (phases[step], is_wide, is_turned, whole, limit, step.space)
        groups.setdefault(key, []).append(step)
    return [Group(*key[2:], tuple(groups[key])) for key in sorted(groups, key=_order)]


def _filled(step: Step) -> Node:
    """The array over which a step runs."""
    return step.data.node if isinstance(step, Combine) else step.node


def _order(key: _Key) -> tuple[float, ...]:
    """What is needed of more elements comes first: the others are computed from it."""
    phase, is_wide, is_turned, whole, limit, _ = key
    return phase, is_wide, is_turned, whole, -inf if limit is None else -limit


def _phases(ordered: Iterable[Step], steps: Mapping[Node, Step]) -> dict[Step, int]:
    """The first phase in which each step can run."""
    available: dict[Node, int] = {}
    phases: dict[Step, int] = {}
    for step in ordered:
        phase = max((_ready(access, step, available) for access in step.reads), default=0)
        phases[step] = phase
        for node in (step.node, *(node for node in steps if steps[node] is step)):
            ends = _takes_whole_rows(step) or node is not step.node
            available[node] = phase + 1 if ends else phase
    return phases


def _sink(
    ordered: list[Step], phases: dict[Step, int], results: set[Node], turned: Collection[Node]
) -> None:
    """Compute what only later phases read there: it need not be kept until then.

    Of a turned product it is kept in its place: it leaves PSUM that way.
    """
    first: dict[Node, int] = {}
    for step in reversed(ordered):
        fixed = isinstance(step, Multiply) or _takes_whole_rows(step) or step.node in results
        fixed |= step.node in turned and any(isinstance(a.node, Product) for a in step.reads)
        if not fixed and step.node in first:
            phases[step] = first[step.node]
        for access in step.reads:
            is_near = access.node.free == ROW or _goes_along(access, step)
            latest = phases[step] - (0 if is_near else 1)
            first[access.node] = min(first.get(access.node, latest), latest)


def local_nodes(groups: Iterable[Group]) -> dict[Node, Group]:
    """The nodes that are read in the group that computes them only, always at the same columns."""
    home = {step.node: group for group in groups for step in group.steps}
    local = dict(home)
    for group in groups:
        for step in group.steps:
            for access in step.reads:
                elsewhere = home.get(access.node) is not group
                if elsewhere or not _goes_along(access, step):
                    local.pop(access.node, None)
    return local


def _in_order(steps: Mapping[Node, Step], outputs: Iterable[Access]) -> list[Step]:
    """Each step once, behind those that it reads from."""
    found: dict[Step, None] = {}
    waiting = [(access.node, False) for access in reversed(list(outputs))]
    while waiting:
        node, done = waiting.pop()
        step = steps.get(node)
        if step is None or step in found:
            continue
        if done:
            found[step] = None
            continue
        waiting.append((node, True))
        waiting += [(access.node, False) for access in reversed(list(step.reads))]
    return list(found)


def _ready(access: Access, reader: Step, available: Mapping[Node, int]) -> int:
    """The first phase in which these elements can be read."""
    node = access.node
    if isinstance(node, Load | Weight):
        return 0
    return available[node] + (0 if node.free == ROW or _goes_along(access, reader) else 1)


def _goes_along(access: Access, reader: Step) -> bool:
    """Whether the same columns of a node are read as are computed."""
    return access.is_whole and not isinstance(reader, Multiply | Hide)


def _takes_whole_rows(step: Step) -> bool:
    """Whether it combines what is along a row, or changes some places of it."""
    return isinstance(step, Combine | Hide) or (
        isinstance(step, Activate) and step.total is not None
    )
