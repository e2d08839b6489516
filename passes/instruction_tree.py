"""Instructions in loops, with what must be configured before them, and where to configure it.

A tree is built first and becomes IR afterwards: only then it is known what a loop needs. A register
that a loop needs with one value only is set in front of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from ..dialects.gemmini import FenceOp
from .chains.products import Affine, Counter
from .index_math import IndexBuilder
from .nests import insert_loop

Register = str
Build = Callable[["TreeBuilder"], None]


@dataclass(frozen=True)
class Need:
    """What follows needs this configuration."""

    register: Register
    value: object
    configure: Callable[[], Operation]


@dataclass
class LoopOfItems:
    """Items that are repeated."""

    counter: Counter
    items: list[Item] = field(default_factory=list["Item"])


Item = Need | LoopOfItems | Build


def _needs(items: Sequence[Item]) -> Iterator[Need]:
    for item in items:
        if isinstance(item, Need):
            yield item
        elif isinstance(item, LoopOfItems):
            yield from _needs(item.items)


def configured(items: Sequence[Item], state: dict[Register, object]) -> list[Item]:
    """The items with only those configurations that change something; ``state`` is kept up."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Need):
            if state.get(item.register) != item.value:
                state[item.register] = item.value
                found.append(item)
        elif isinstance(item, LoopOfItems):
            found += _before_loop(item, state)
            found.append(LoopOfItems(item.counter, configured(item.items, state)))
        else:
            found.append(item)
    return found


def _before_loop(loop: LoopOfItems, state: dict[Register, object]) -> list[Item]:
    """Configurations that a whole loop shares; the others are unknown at its beginning."""
    wanted: dict[Register, list[Need]] = {}
    for need in _needs(loop.items):
        wanted.setdefault(need.register, []).append(need)
    found: list[Item] = []
    for register, needs in wanted.items():
        if len({need.value for need in needs}) > 1:
            state.pop(register, None)
        elif state.get(register) != needs[0].value:
            state[register] = needs[0].value
            found.append(needs[0])
    return found


class TreeBuilder:
    """Turns items into IR at the insertion point of an index builder."""

    def __init__(self, index: IndexBuilder) -> None:
        self.index = index
        self.variables: dict[int, SSAValue] = {}

    def build(self, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Need):
                self.index.insert(item.configure())
            elif isinstance(item, LoopOfItems):
                after = self.index.builder.insertion_point
                upper = self.index.constant(item.counter.extent)
                _, variable = insert_loop(self.index, upper, item.counter.name)
                self.variables[item.counter.number] = variable
                self.build(item.items)
                self.index.at(after)
            else:
                item(self)

    def number(self, form: Affine, base: int = 0) -> SSAValue:
        """``base`` and an affine form of the loops around, as a value."""
        index = self.index
        total: SSAValue | None = None
        negative: list[SSAValue] = []
        for key, factor in form.items():
            if key is None:
                base += factor
                continue
            scaled = index.mul(self.variables[key], abs(factor))
            if factor < 0:
                negative.append(scaled)
            else:
                total = scaled if total is None else index.add(total, scaled)
        value = index.constant(base) if total is None else index.add(total, base)
        for scaled in negative:
            value = index.sub(value, scaled)
        return value


def insert_fence(tree: TreeBuilder) -> None:
    """The item that waits for everything before it."""
    tree.index.insert(FenceOp())
