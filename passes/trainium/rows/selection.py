"""Which instructions compute the nodes of a row graph, and on which engines.

Instructions take in operations whose results they would read: the scalar engine scales and shifts
what it looks up, and sums its results up; the vector engine applies two operators at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf, prod

from xdsl.dialects.builtin import f32

from ....dialects.trn import Engine, Function, Operator
from ....dialects.trn.types import COMPARISONS
from .graph import (
    COPY,
    ROW,
    SELECT,
    Access,
    Load,
    Masked,
    Node,
    Operand,
    Pointwise,
    Product,
    Reduce,
    Repeated,
    RowGraph,
    Total,
    Weight,
)
from .steps import (
    Activate,
    Choose,
    Combine,
    Fill,
    Gather,
    Hide,
    Move,
    Multiply,
    Pair,
    Scalars,
    Step,
)
from .turned import Turned, is_scalar

_SPEED = {Engine.DVE: 1.12, Engine.ACT: 1.4, Engine.POOL: 1.4}
"""Elements per ns and partition: the clocks of NeuronCore-v2; those of v3 have the same ratios."""
_IN_TURNS = {Engine.DVE: Engine.DVE, Engine.POOL: Engine.DVE, Engine.ACT: Engine.ACT}
"""The vector engine and GpSimd of NeuronCore-v2 take turns at SBUF: their work adds up."""
_AT_ONCE = {engine: engine for engine in _IN_TURNS}
"""Those of NeuronCore-v3 do not."""
_SHIFTS = (Operator.ADD, Operator.SUBTRACT)
_OPPOSITE = {Operator.MAXIMUM: Operator.MINIMUM, Operator.MINIMUM: Operator.MAXIMUM}


@dataclass(frozen=True)
class _Scaled:
    """``operator(inner, scalar)``, exchanged by ``reverse``."""

    operator: Operator
    inner: Access
    scalar: Operand
    reverse: bool


def select_steps(
    graph: RowGraph, outputs: Iterable[Access], at_once: bool = False, turned: Turned | None = None
) -> dict[Node, Step]:
    """The instruction that computes each node that is needed; equal ones where it computes two.

    What two engines can do goes to the one that has less to do; vector engine and GpSimd work
    ``at_once`` or in turns. No instruction reads one element per row besides ``turned`` arrays,
    where it is none per partition.
    """
    nodes = [access.node for access in outputs]
    ports = _AT_ONCE if at_once else _IN_TURNS
    turned = turned or Turned()
    first = _Selection(graph, dict.fromkeys(_SPEED, 0.0), ports, turned)
    first.need_all(nodes)
    second = _Selection(graph, first.fixed, ports, turned)
    second.need_all(nodes)
    return second.result()


class _Selection:
    def __init__(
        self,
        graph: RowGraph,
        loads: dict[Engine, float],
        ports: dict[Engine, Engine],
        turned: Turned,
    ) -> None:
        self.graph = graph
        self.ports = ports
        self.turned = turned
        self.loads = dict(loads)
        self.knows_fixed = any(loads.values())
        """Whether the loads have what only one engine can do already."""
        self.fixed = dict.fromkeys(_SPEED, 0.0)
        """Time of instructions that only one engine can do."""
        self.steps: dict[Node, Step] = {}
        self.totals: dict[Node, Reduce] = {}
        """The sum that comes with a node."""

    def need_all(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self.need(node)

    def need(self, node: Node) -> None:
        if node in self.steps or isinstance(node, Weight):
            return
        if isinstance(node, Reduce) and self._sum_comes_along(node):
            return
        choices = self._choices(node)
        engines = {choice.engine for choice in choices}
        step = min(choices, key=self._load_after)
        self._take(node, step, fixed=len(engines) == 1)

    def result(self) -> dict[Node, Step]:
        found = dict(self.steps)
        for node, total in self.totals.items():
            step = self.steps[node]
            assert isinstance(step, Activate | Multiply)
            found[node] = found[total] = replace(step, total=total)
        return found

    def _take(self, node: Node, step: Step, *, fixed: bool) -> None:
        self.steps[node] = step
        if step.engine is not None:
            port = self.ports[step.engine]
            if fixed:
                self.fixed[port] += _time(step)
            if not (fixed and self.knows_fixed):
                self.loads[port] += _time(step)
        for access in step.reads:
            self.need(access.node)

    def _load_after(self, step: Step) -> float:
        loads = dict(self.loads)
        for one in (step, *self._operands_of(step)):
            if one.engine is not None:
                loads[self.ports[one.engine]] += _time(one)
        return max(loads.values())

    def _operands_of(self, step: Step) -> Iterator[Step]:
        """What GpSimd needs computed that the vector engine would compute while it reads it."""
        if isinstance(step, Pair) and step.on_pool:
            for access in step.reads:
                if self._absorbed(access) is not None and access.node not in self.steps:
                    yield min(self._choices(access.node), key=self._load_after)

    def _sum_comes_along(self, node: Reduce) -> bool:
        """Whether the scalar engine sums up what it computes anyway."""
        source = node.operand.node
        if source in self.turned.nodes:
            return self._sum_comes_with_product(node)
        if not _is_plain_sum(node) or not node.operand.is_whole:
            return False
        if source not in self.steps:
            step = self._activation(source)
            if step is None or not _is_its_own(step):
                return False
            self._take(source, step, fixed=True)
        if not isinstance(self.steps[source], Activate):
            return False
        self.totals[source] = node
        return True

    def _sum_comes_with_product(self, node: Reduce) -> bool:
        for product, total in self.turned.totals.items():
            if total is node:
                self.need(product)
                self.totals[product] = node
                return True
        return False

    def _choices(self, node: Node) -> list[Step]:
        """The instructions that compute a node, the usual one first."""
        match node:
            case Load() | Repeated():
                return [Move(node)]
            case Total(operand=operand, operator=operator):
                return [Gather(node, operand, operator)]
            case Product(left=left):
                return [Multiply(node, left)]
            case Reduce(operator=operator, operand=operand, axes=axes, start=start):
                if operand.node in self.turned.nodes:
                    return [self._combined_turned(node)]
                own: list[Step] = [Combine(node, operand, operator, axes, start)]
                if _is_plain_sum(node) and prod(operand.sizes) > 1:
                    scratch = Node(operand.sizes, f32)
                    own.append(Activate(scratch, Function.COPY, operand, total=node))
                return own
            case Pointwise():
                return self._pointwise(node)
            case Masked(data=data):
                return [Hide(node, data)]
            case _:
                raise AssertionError(node)

    def _combined_turned(self, node: Reduce) -> Step:
        """The limit of a scaled product is taken of the product, which is on its way from PSUM."""
        operand, operator = node.operand, node.operator
        scaled = _scaled(operand.node)
        if node.start is None and operator in _OPPOSITE and scaled is not None:
            inner, factor, code = scaled.inner, scaled.scalar, scaled.operator
            is_product = isinstance(inner.node, Product) and code == Operator.MULTIPLY
            if is_product and isinstance(factor, float) and 0 < abs(factor) < inf:
                limit = operator if factor > 0 else _OPPOSITE[operator]
                first = self.graph.make(Reduce, node.free, f32, limit, inner, node.axes, None)
                return Scalars(node, Access.whole(first), (code,), (factor,), (False,))
        adds = operator == Operator.ADD and not isinstance(operand.node, Product)
        return Combine(node, operand, operator, node.axes, node.start, on_pool=adds)

    def _pointwise(self, node: Pointwise) -> list[Step]:
        operands = node.operands
        if node.code == SELECT:
            condition, then, otherwise = operands
            assert isinstance(condition, Access)
            return [Choose(node, condition, then, otherwise)]
        activation = self._activation(node)
        if isinstance(node.code, Function):
            assert activation is not None
            return [activation]
        usual: Step
        if node.code == COPY:
            usual = Fill(node, operands[0])
        elif (scaled := self._scaled(node)) is not None:
            usual = self._scalars(node, scaled)
        else:
            usual = self._pair(node)
            plain = usual if self.ports is _IN_TURNS else _plain_pair(node)
            if self._fits_pool(plain):
                return [usual, replace(plain, on_pool=True)]
        flexible = activation is not None and node.free != ROW
        return [usual, activation] if flexible and activation is not None else [usual]

    def _activation(self, node: Node) -> Activate | None:
        """The scalar engine's instruction for a node, if it has one."""
        if not isinstance(node, Pointwise):
            return None
        first = node.operands[0]
        if isinstance(node.code, Function):
            assert isinstance(first, Access)
            return self._shifted(node, node.code, first)
        if node.code == Operator.MULTIPLY and first == node.operands[-1]:
            assert isinstance(first, Access)
            return self._shifted(node, Function.SQUARE, first)
        if node.code == COPY and isinstance(first, Access) and first.sizes == node.free:
            return Activate(node, Function.COPY, first)
        if node.code in (*_SHIFTS, Operator.MULTIPLY):
            found = self._shifted(node, Function.COPY, Access.whole(node))
            return None if found.data.node is node else found
        return None

    def _shifted(self, node: Node, function: Function, data: Access) -> Activate:
        """A function of data; that it is scaled and shifted data is made use of."""
        scaled = self._absorbed(data) if data.node is not node else self._scaled(data.node)
        scale: Operand = 1.0
        bias: Operand | None = None
        may_shift = node not in self.turned.nodes
        if scaled is not None and scaled.operator in _SHIFTS and may_shift:
            data, bias = scaled.inner, scaled.scalar
            if scaled.reverse and scaled.operator == Operator.SUBTRACT:
                scale = -1.0
            elif scaled.operator == Operator.SUBTRACT:
                bias = self._negated(bias)
            scaled = self._absorbed(data) if scale == 1.0 else None
            if scaled is not None and isinstance(bias, Access):
                # A product leaves PSUM before what is computed from whole rows of it is known.
                scaled = None if isinstance(scaled.inner.node, Product) else scaled
        if scaled is not None and scaled.operator == Operator.MULTIPLY:
            data, scale = scaled.inner, scaled.scalar
        if bias is not None and not isinstance(bias, Access):
            bias = self.graph.pointwise(COPY, [bias], ROW, f32)
        return Activate(node, function, data, scale, bias)

    def _scaled(self, node: Node) -> _Scaled | None:
        """``_scaled``, but an element per row is none per partition where an array lies turned."""
        found = _scaled(node)
        if found is None or node not in self.turned.nodes or is_scalar(found.scalar):
            return found
        return None

    def _absorbed(self, access: Access) -> _Scaled | None:
        """What an instruction that reads all of a node may compute instead of reading it."""
        if not access.is_whole or access.node.element != f32:
            return None
        return self._scaled(access.node)

    def _scalars(self, node: Pointwise, scaled: _Scaled) -> Scalars:
        inner = self._absorbed(scaled.inner)
        if inner is None or inner.operator in COMPARISONS:
            inner, operands = scaled.inner, (scaled,)
        else:
            inner, operands = inner.inner, (inner, scaled)
        return Scalars(
            node,
            inner,
            tuple(one.operator for one in operands),
            tuple(one.scalar for one in operands),
            tuple(one.reverse for one in operands),
        )

    def _pair(self, node: Pointwise) -> Pair:
        """An operation of two arrays; a scaled one is taken as what it was before."""
        plain = _plain_pair(node)
        left, right, operator = plain.left, plain.right, plain.operator
        for scaled, other, reverse in ((left, right, False), (right, left, True)):
            if node in self.turned.nodes and other.is_row:
                # As it is, one operand lies in PSUM, and the instruction takes half the time.
                continue
            inner = self._absorbed(scaled)
            if inner is not None and inner.operator not in COMPARISONS and node.free != ROW:
                return Pair(
                    node,
                    operator,
                    inner.inner,
                    other,
                    inner.operator,
                    inner.scalar,
                    inner.reverse,
                    reverse,
                )
        return plain

    def _fits_pool(self, step: Pair) -> bool:
        """Whether GpSimd may do it: plain arithmetic, long enough to be worth its start.

        What is waited for to come from whole rows finds the other operand outside of PSUM.
        """
        operands = (step.left.node, step.right.node)
        waits = step.node in self.turned.nodes and (step.left.is_row or step.right.is_row)
        in_psum = not waits and any(isinstance(node, Product) for node in operands)
        plain = step.inner is None and step.operator in (*_SHIFTS, Operator.MULTIPLY)
        return plain and not in_psum and step.node.free != ROW

    def _negated(self, value: Operand) -> Operand:
        if not isinstance(value, Access):
            return -value
        return self.graph.pointwise(Operator.MULTIPLY, [value, -1.0], ROW, f32)


def _time(step: Step) -> float:
    return step.elements / _SPEED[step.engine] if step.engine is not None else 0.0


def _is_plain_sum(node: Reduce) -> bool:
    """Whether it is the sum of a row in float32, as the scalar engine computes it."""
    operand = node.operand
    everything = node.axes == len(operand.sizes) and node.operator == Operator.ADD
    return everything and node.element == f32 and operand.node.element == f32


def _is_its_own(step: Activate) -> bool:
    """Whether it is worth an instruction: what only scales could be done while it is read."""
    return step.function != Function.COPY


def _scaled(node: Node) -> _Scaled | None:
    """An arithmetic operation of an array and of a number or one element per row."""
    if not isinstance(node, Pointwise) or not isinstance(node.code, Operator):
        return None
    left, right = node.operands
    for inner, scalar, reverse in ((left, right, False), (right, left, True)):
        if not isinstance(inner, Access) or (node.free != ROW and inner.is_row):
            continue
        if not isinstance(scalar, Access) or (node.free != ROW and _is_vector(scalar)):
            return _Scaled(node.code, inner, scalar, reverse)
    return None


def _is_vector(access: Access) -> bool:
    return access.is_row and access.node.element == f32


def _plain_pair(node: Pointwise) -> Pair:
    """An operation of two arrays."""
    left, right = node.operands
    assert isinstance(left, Access)
    assert isinstance(right, Access)
    assert isinstance(node.code, Operator)
    return Pair(node, node.code, left, right)
