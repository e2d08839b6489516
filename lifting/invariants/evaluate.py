"""Summaries evaluated on arrays: what they say that a kernel computes, for comparison with runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr

from ...validation.execution.arithmetic import apply, numpy_type
from ...validation.execution.common import ExecutionFault, TooExpensive
from ...validation.extract.pure_operations import PREDICATES, type_name
from .encode import float_predicate
from .summary import Summary, extents_of
from .terms import Apply, Constant, Element, Fold, Parameter, Symbol, Term

MOST_STEPS = 100_000
MOST_ITERATIONS = 10_000
"""Of one recurrence."""
Numbers = Mapping[Symbol, Any]


def evaluate(summary: Summary, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The contents of all parameters at the end; ``arrays`` are those at the start.

    Raises ``ExecutionFault`` where an element outside of an array is needed, and ``TooExpensive``.
    """
    results = [np.array(array) for array in arrays]
    evaluator = _Evaluator(arrays)
    for output in summary.outputs:
        extents = extents_of(summary.function, output.position)
        shape = [int(evaluator.value(extent, {})) for extent in extents]
        if prod(shape) > MOST_ITERATIONS:
            raise TooExpensive(f"{prod(shape)} elements")
        for place in product(*map(range, shape)):
            names = dict(zip(output.contents.formals, map(np.int64, place), strict=True))
            results[output.position][place] = evaluator.value(output.contents.body, names)
    return results


def evaluate_term(term: Term, arrays: Sequence[NDArray[Any]]) -> Any:
    """The value of a term without free symbols."""
    return _Evaluator(arrays).value(term, {})


@dataclass
class _Evaluator:
    arrays: Sequence[NDArray[Any]]
    steps: int = 0
    tables: dict[tuple[object, ...], list[tuple[Any, ...]]] = field(
        default_factory=dict[tuple[object, ...], list[tuple[Any, ...]]]
    )
    """States of a recurrence after each iteration, by recurrence and arguments."""

    def value(self, term: Term, names: Numbers) -> Any:
        """The term's value; shared sub-terms are evaluated once."""
        return self._value(term, names, {})

    def _value(self, term: Term, names: Numbers, done: dict[Term, Any]) -> Any:
        if term not in done:
            done[term] = self._compute(term, names, done)
        return done[term]

    def _compute(self, term: Term, names: Numbers, done: dict[Term, Any]) -> Any:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooExpensive(f"more than {MOST_STEPS} steps")
        match term:
            case Constant(value=value):
                return numpy_type(type_name(term.type)).type(value)
            case Parameter(position=position):
                return self.arrays[position][()]
            case Symbol():
                if term not in names:
                    raise ExecutionFault(f"the value of '{term.name}' is not known")
                return names[term]
            case Element(position=position, indices=indices):
                return self._element(position, [self._value(i, names, done) for i in indices])
            case Fold():
                return self._fold(term, names, done)
            case Apply():
                return self._apply(term, names, done)
            case _:
                raise ExecutionFault("a term that only proofs use")

    def _element(self, position: int, place: list[Any]) -> Any:
        array = self.arrays[position]
        if any(not 0 <= i < extent for i, extent in zip(place, array.shape, strict=True)):
            raise ExecutionFault(f"an element outside of parameter {position}")
        return array[tuple(place)]

    def _apply(self, term: Apply, names: Numbers, done: dict[Term, Any]) -> Any:
        if term.operation is arith.SelectOp:
            condition, then, otherwise = term.operands
            chosen = then if self._value(condition, names, done) else otherwise
            return self._value(chosen, names, done)
        payload: str | None = None
        if term.operation is arith.CmpiOp:
            predicate = dict(term.properties)["predicate"]
            assert isinstance(predicate, IntegerAttr)
            payload = PREDICATES[predicate.value.data]
        elif term.operation is arith.CmpfOp:
            payload = float_predicate(term.properties)
        operands = [self._value(operand, names, done) for operand in term.operands]
        name = term.operation.name.split(".", 1)[1]
        return apply(name, type_name(term.type), operands, payload)[()]

    def _fold(self, fold: Fold, names: Numbers, done: dict[Term, Any]) -> Any:
        closed = fold.recurrence
        arguments = tuple(self._value(part, names, done) for part in fold.arguments)
        upper = int(self._value(fold.upper, names, done))
        scope: dict[Symbol, Any] = dict(zip(closed.formals, arguments, strict=True))
        key = (closed, *arguments)
        lower = int(self.value(closed.lower, scope))
        if upper - lower > MOST_ITERATIONS:
            raise TooExpensive(f"{upper - lower} iterations")
        if key not in self.tables:
            self.tables[key] = [tuple(self.value(init, scope) for init in closed.inits)]
        table = self.tables[key]
        while len(table) <= upper - lower:
            scope |= dict(zip(closed.states, table[-1], strict=True))
            scope[closed.counter] = np.int64(lower + len(table) - 1)
            shared: dict[Term, Any] = {}
            table.append(tuple(self._value(step, scope, shared) for step in closed.steps))
        return table[max(0, upper - lower)][fold.which]
