"""The body of a ``linalg.generic`` as one NumPy expression on whole arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr, AffineExpr, AffineMap

from ...diagnostics import Diagnostic
from .limits import as_float_limit
from .numpy import number, parenthesised, scalar_expression
from .numpy_sharing import Sharing


class TensorTexts(Protocol):
    """Where the expressions of whole tensors come from."""

    @property
    def sharing(self) -> Sharing:
        """Return the names given so far."""
        ...

    def tensor(self, value: SSAValue) -> str:
        """Return the expression of a tensor or of a scalar parameter."""
        ...

    def sizes(self, value: SSAValue) -> list[str]:
        """Return the extents of a tensor."""
        ...


@dataclass
class ArrayBody:
    """Whole-array expressions of the values in the body of one ``linalg.generic``."""

    view: TensorTexts
    op: linalg.GenericOp

    def spans_loops(self, value: SSAValue) -> bool:
        """Return whether a value of the body has an axis for every loop."""
        return len(self.loops_of(value)) == self.op.get_num_loops()

    def loops_of(self, value: SSAValue) -> set[int]:
        """Return the loops along which a value of the body varies."""
        loops: set[int] = set()
        pending = [value]
        seen: set[SSAValue] = set()
        while pending:
            current = pending.pop()
            if current in seen:
                continue
            seen.add(current)
            if isinstance(current, BlockArgument):
                loops |= self._loops_of(current)
                continue
            op = _operation(current)
            loops |= _own_loops(op)
            pending.extend(op.operands)
        return loops

    def _loops_of(self, argument: BlockArgument) -> set[int]:
        if argument.owner is not self.op.body.block:
            return set()
        map = self.op.get_indexing_maps().data[argument.index].data
        return {p for p in range(map.num_dims) if _occurs(p, map)}

    def text(self, value: SSAValue) -> str:
        """Return the expression of a value of the body."""
        if isinstance(value, BlockArgument):
            return self._argument(value)
        op = value.owner
        assert isinstance(op, Operation)
        if isinstance(op, arith.ConstantOp):
            return number(op, typed=True)
        if isinstance(op, linalg.IndexOp):
            return self._index(op)
        return self.view.sharing.text(value, lambda: self._computed(op))

    def _computed(self, op: Operation) -> str:
        limited = self._limited(op)
        return scalar_expression(op, self._operands(op)) if limited is None else limited

    def _operands(self, op: Operation) -> list[str]:
        constants = [_constant(operand) for operand in op.operands]
        values = list(op.operands)[1:] if isinstance(op, arith.SelectOp) else list(op.operands)
        # A plain number takes the type of the array that it meets, if it meets one.
        typed = all(_constant(value) is not None for value in values)
        return [
            self.text(operand) if constant is None else number(constant, typed=typed)
            for operand, constant in zip(op.operands, constants, strict=True)
        ]

    def _limited(self, op: Operation) -> str | None:
        """Return limits by constants as ``np.minimum``, ``np.maximum`` or ``np.clip``."""
        limit = _as_limit(op)
        if limit is None:
            return None
        value, bound, is_upper = limit
        inner = None if isinstance(value, BlockArgument) else _as_limit(_operation(value))
        if inner is not None and inner[2] != is_upper:
            low, high = (inner[1], bound) if is_upper else (bound, inner[1])
            if _number_of(low) <= _number_of(high):
                limits = f"{number(low, typed=False)}, {number(high, typed=False)}"
                return f"np.clip({self.text(inner[0])}, {limits})"
        name = "np.minimum" if is_upper else "np.maximum"
        return f"{name}({self.text(value)}, {number(bound, typed=False)})"

    def _argument(self, value: BlockArgument) -> str:
        if value.owner is not self.op.body.block:
            return self.view.tensor(value)
        operand = [*self.op.inputs, *self.op.outputs][value.index]
        map = self.op.get_indexing_maps().data[value.index].data
        return self._aligned(self.view.tensor(operand), map, self.view.sizes(operand))

    def _index(self, op: linalg.IndexOp) -> str:
        position, count = op.dim.value.data, self.op.get_num_loops()
        source = self._extent(position)
        following = ", None" * (count - 1 - position)
        return f"np.arange({source})" + (f"[:{following}]" if following else "")

    def _extent(self, loop: int) -> str:
        operands = [*self.op.inputs, *self.op.outputs]
        for operand, attribute in zip(operands, self.op.get_indexing_maps(), strict=True):
            for dimension, expr in enumerate(attribute.data.results):
                if expr == AffineExpr.dimension(loop):
                    return self.view.sizes(operand)[dimension]
        raise Diagnostic(f"the range of loop {loop} is not known")

    def _aligned(self, text: str, map: AffineMap, shape: list[str]) -> str:
        """Return the tensor with its axes in the order of the loops, ready for broadcasting."""
        text, exprs = self._windowed(text, map, shape)
        axes = [self._axis(expr, map) for expr in exprs]
        dims = [loop for loop, _ in axes if loop is not None]
        if len(set(dims)) != len(dims):
            raise Diagnostic(f"no NumPy form for the subscripts {map}")
        if any(part != ":" for _, part in axes):
            text = f"{parenthesised(text)}[{', '.join(part for _, part in axes)}]"
        order = sorted(range(len(dims)), key=lambda axis: dims[axis])
        if order == [1, 0]:
            text = f"{parenthesised(text)}.T"
        elif order != list(range(len(dims))):
            text = f"np.transpose({text}, {tuple(order)})"
        following = range(min(dims, default=0), map.num_dims)
        if not dims or all(loop in dims for loop in following):
            return text
        spread = ", ".join(":" if loop in dims else "None" for loop in following)
        return f"{parenthesised(text)}[{spread}]"

    def _windowed(
        self, text: str, map: AffineMap, shape: list[str]
    ) -> tuple[str, list[AffineExpr]]:
        """Turn each subscript ``i + k`` into two axes: positions, and the window at each."""
        exprs: list[AffineExpr] = []
        windows: list[tuple[int, int]] = []
        for axis, expr in enumerate(map.results):
            pair = _window_loops(expr, map.num_dims)
            exprs.append(expr if pair is None else AffineExpr.dimension(pair[0]))
            if pair is not None:
                positions, window = (self._extent(loop) for loop in pair)
                if not _fills(shape[axis], positions, window):
                    raise Diagnostic(f"no NumPy form for the subscripts {map}")
                windows.append((axis, pair[1]))
        if not windows:
            return text, exprs
        sizes = tuple(int(self._extent(loop)) for _, loop in windows)
        axes = tuple(axis for axis, _ in windows)
        windowed = f"sliding_window_view({text}, {sizes}, {axes})"
        return (
            f"np.lib.stride_tricks.{windowed}",
            [*exprs, *(AffineExpr.dimension(loop) for _, loop in windows)],
        )

    def _axis(self, expr: AffineExpr, map: AffineMap) -> tuple[int | None, str]:
        """Return the loop that a dimension follows, and how to subscript the dimension."""
        if isinstance(expr, AffineConstantExpr):
            return None, str(expr.value)
        if isinstance(expr, AffineDimExpr):
            return expr.position, ":"
        loops = [p for p in range(map.num_dims) if _occurs(p, AffineMap(map.num_dims, 0, (expr,)))]
        if len(loops) != 1:
            raise Diagnostic(f"no NumPy form for the subscripts {map}")
        at = [expr.eval([value] * map.num_dims, []) for value in (0, 1)]
        extent, step = self._extent(loops[0]), at[1] - at[0]
        if not extent.isdigit() or step == 0:
            raise Diagnostic(f"no NumPy form for the subscripts {map}")
        last = at[0] + step * (int(extent) - 1)
        if step < 0:
            return loops[0], f"{at[0]}:{last - 1 if last else ''}:{step}"
        return loops[0], f"{at[0]}:{last + 1}" + (f":{step}" if step > 1 else "")


def _fills(extent: str, positions: str, window: str) -> bool:
    """Return whether a window at each position covers the whole extent, all being known."""
    if not (extent.isdigit() and positions.isdigit() and window.isdigit()):
        return False
    return int(extent) == int(positions) + int(window) - 1


def _window_loops(expr: AffineExpr, count: int) -> tuple[int, int] | None:
    """Return ``(i, k)`` for the subscript ``i + k``."""
    zero = expr.eval([0] * count, [])
    steps = [
        expr.eval([int(position == loop) for position in range(count)], []) - zero
        for loop in range(count)
    ]
    loops = [loop for loop, step in enumerate(steps) if step]
    is_window = zero == 0 and len(loops) == 2 and all(steps[loop] == 1 for loop in loops)
    return (loops[0], loops[1]) if is_window else None


def _own_loops(op: Operation) -> set[int]:
    return {op.dim.value.data} if isinstance(op, linalg.IndexOp) else set()


def _occurs(loop: int, map: AffineMap) -> bool:
    """Return whether the subscripts depend on the loop."""
    zero = [0] * map.num_dims
    one = [int(position == loop) for position in range(map.num_dims)]
    return map.eval(zero, []) != map.eval(one, [])


def _as_limit(op: Operation) -> tuple[SSAValue, arith.ConstantOp, bool] | None:
    """Return value, bound and whether the bound is an upper one, of a clamp by a constant."""
    if isinstance(op, arith.MinSIOp | arith.MaxSIOp):
        bound = _constant(op.rhs)
        is_plain = bound is not None and _constant(op.lhs) is None
        return (op.lhs, bound, isinstance(op, arith.MinSIOp)) if bound and is_plain else None
    limit = as_float_limit(op)
    if limit is None or not limit.is_exact or _constant(limit.value) is not None:
        return None
    return limit.value, limit.limit, limit.is_upper


def _operation(value: SSAValue) -> Operation:
    assert isinstance(value.owner, Operation)
    return value.owner


def _number_of(op: arith.ConstantOp) -> float:
    assert isinstance(op.value, IntegerAttr | FloatAttr)
    return float(op.value.value.data)


def _constant(value: SSAValue) -> arith.ConstantOp | None:
    return value.owner if isinstance(value.owner, arith.ConstantOp) else None
