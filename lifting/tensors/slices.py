"""Updates of a part of an array, as insertions of a slice into a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.dialects import tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, DenseArrayBase, i64
from xdsl.ir import SSAValue

from ..loops.index import IndexExpression, LoopVariable
from ..loops.rewrite import substitute
from ..loops.solve import Subscripts
from ..loops.terms import Term

if TYPE_CHECKING:
    from .emit import TensorEmitter


@dataclass(frozen=True)
class Slice:
    """``value`` at the cells ``offsets + strides * loops``, one loop per dimension, from 0."""

    loops: tuple[LoopVariable, ...]
    offsets: Subscripts
    strides: tuple[int, ...]
    value: Term

    @property
    def sizes(self) -> Subscripts:
        """Return the number of cells along each dimension."""
        return tuple(loop.uppers[0] for loop in self.loops)

    @staticmethod
    def of(variables: tuple[LoopVariable, ...], indices: Subscripts, value: Term) -> Slice | None:
        """Return the cells ``indices`` as a slice; ``None`` if they are none."""
        loops: list[LoopVariable] = []
        offsets: list[IndexExpression] = []
        strides: list[int] = []
        values: dict[LoopVariable, IndexExpression] = {}
        for index in indices:
            if not index.variables:
                loops.append(LoopVariable("i", IndexExpression.of(0), (IndexExpression.of(1),)))
                offsets.append(index)
                strides.append(1)
                continue
            (variable, *others) = index.variables
            parts = index.split(variable)
            if others or parts is None or variable in values or variable.extent is None:
                return None
            stride = parts[0].constant
            if stride is None or variable.extent.variables or variable.lower.variables:
                return None
            first = IndexExpression.of(0)
            loop = LoopVariable(variable.name, first, (variable.extent,))
            start = variable.lower if stride > 0 else variable.uppers[0] - 1
            step = 1 if stride > 0 else -1
            values[variable] = start + IndexExpression.of(loop) * step
            loops.append(loop)
            offsets.append(start * stride + parts[1])
            strides.append(abs(stride))
        if values.keys() != set(variables):
            return None
        return Slice(tuple(loops), tuple(offsets), tuple(strides), substitute(value, values))


def insert_slice(
    emitter: TensorEmitter,
    values: SSAValue,
    into: SSAValue,
    offsets: Subscripts,
    sizes: Subscripts,
    strides: tuple[int, ...],
) -> SSAValue:
    """Return ``into`` with the cells ``offsets + strides * d`` replaced by ``values``."""
    op = tensor.InsertSliceOp.build(
        operands=[values, into, emitter.dynamic(offsets), emitter.dynamic(sizes), []],
        properties={
            "static_offsets": _static(offsets),
            "static_sizes": _static(sizes),
            "static_strides": DenseArrayBase.from_list(i64, strides),
        },
        result_types=[into.type],
    )
    return emitter.insert(op)


def _static(numbers: Subscripts) -> DenseArrayBase:
    known = [DYNAMIC_INDEX if n.constant is None else n.constant for n in numbers]
    return DenseArrayBase.from_list(i64, known)
