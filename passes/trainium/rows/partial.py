"""What is combined of a row that is worked on in parts: first that of each part, then these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn import Operator
from .buffers import allocate, view
from .graph import Node
from .parts import Place, plus
from .schedule import Group
from .steps import Activate, Combine, Multiply, Step


@dataclass(frozen=True)
class Combined:
    """A node that combines what is along a row, and a number that takes part."""

    node: Node
    operator: Operator
    start: float | None = None


@dataclass(frozen=True)
class Partial:
    """A row of partial results, behind the number that takes part."""

    of: Combined
    buffer: SSAValue
    rows: int

    @staticmethod
    def room(builder: Builder, of: Combined, rows: int, parts: int) -> Partial:
        """Room for the results of all parts of some rows."""
        lead = of.start is not None
        found = Partial(of, allocate(builder, (rows, parts + lead), of.node.element), rows)
        if of.start is not None:
            builder.insert(trn.MemsetOp(found._column(builder, 0), of.start))
        return found

    def place(self, builder: Builder, number: Place) -> SSAValue:
        """Where the result of a part goes."""
        return self._column(builder, plus(builder, number, int(self.of.start is not None)))

    def combine(self, builder: Builder, target: SSAValue) -> None:
        """Combine the results of all parts."""
        source = view(builder, self.buffer)
        builder.insert(trn.TensorReduceOp(self.of.operator, source, target, 1))

    def _column(self, builder: Builder, number: Place) -> SSAValue:
        return view(builder, self.buffer, (0, number), (self.rows, 1))


def combined_in(group: Group) -> Iterator[Combined]:
    """What a group combines along a row."""
    for step in group.steps:
        if isinstance(step, Combine):
            yield Combined(step.node, step.operator, step.start)
        yield from (Combined(node, Operator.ADD) for node in totals_of(step))


def totals_of(step: Step) -> tuple[Node, ...]:
    """What a step computes besides its node."""
    return (step.total,) if isinstance(step, Activate | Multiply) and step.total is not None else ()
