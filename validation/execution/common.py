"""What the executors share: evaluation of pure operations on arrays of lanes, and faults."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, IndexType, IntegerAttr
from xdsl.ir import Operation, SSAValue

from ..core.polyhedral import Unsupported
from ..extract.pure_operations import FLOAT_PREDICATES, PREDICATES, type_name
from .arithmetic import apply, numpy_type, undefined

Lanes = NDArray[Any]


class ExecutionFault(Exception):  # noqa: N818 - it names what happened
    """The program did something undefined: an access out of bounds, an illegal instruction."""

    def __init__(self, message: str, origin: Operation | None = None) -> None:
        super().__init__(message)
        self.origin = origin
        """The operation at fault, where it is known."""


class TooExpensive(Exception):  # noqa: N818 - it states a property of the input
    """The run would take more steps than the executor is meant for."""


class Values:
    """Values of SSA names, each a NumPy array that broadcasts over the current lanes.

    Where the language defines no result there is some number; in a ``strict`` run, to use it is a
    fault.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._values: dict[SSAValue, Lanes] = {}
        self._undefined: dict[SSAValue, Lanes] = {}
        self._strict = strict

    def __getitem__(self, name: SSAValue) -> Lanes:
        if name not in self._values:
            raise Unsupported(f"no execution for the value of `{name.owner}`")
        return self._values[name]

    def __setitem__(self, name: SSAValue, value: Any) -> None:
        self._values[name] = np.asarray(value)

    def used(self, name: SSAValue, mask: Lanes | bool = True) -> Lanes:
        """The value of a name that decides what the program does, or what it leaves.

        Raises ``ExecutionFault`` in a strict run if it is undefined in one of the lanes.
        """
        if name in self._undefined and (self._undefined[name] & mask).any():
            raise ExecutionFault("a shift or conversion without a defined result is used")
        return self[name]

    def pure(self, operation: Operation) -> None:
        """Evaluate a pure ``arith`` or ``math`` operation."""
        if len(operation.results) != 1 or operation.regions:
            raise Unsupported("no execution of this operation", operation)
        result = operation.results[0]
        type = type_name(result.type)
        if isinstance(operation, arith.ConstantOp):
            self[result] = _constant(operation)
            return
        if not operation.name.startswith(("arith.", "math.")):
            raise Unsupported("no execution of this operation", operation)
        payload: str | None = None
        if isinstance(operation, arith.CmpiOp):
            payload = PREDICATES[operation.predicate.value.data]
        elif isinstance(operation, arith.CmpfOp):
            payload = FLOAT_PREDICATES[operation.predicate.value.data]
        name = operation.name.split(".", 1)[1]
        operands = [self[operand] for operand in operation.operands]
        self[result] = apply(name, type, operands, payload)
        if self._strict:
            self._note_undefined(operation, undefined(name, type, operands))

    def _note_undefined(self, operation: Operation, own: Lanes | None) -> None:
        """What is computed from an undefined value is undefined, unless a selection drops it."""
        parts = [self._undefined.get(operand) for operand in operation.operands]
        if isinstance(operation, arith.SelectOp):
            condition, then, otherwise = (np.False_ if part is None else part for part in parts)
            parts = [condition | np.where(self[operation.cond], then, otherwise)]
        known = [part for part in (own, *parts) if part is not None]
        found = np.asarray(sum(known, start=np.False_))
        self._undefined.pop(operation.results[0], None)
        if found.any():
            self._undefined[operation.results[0]] = found


def _constant(operation: arith.ConstantOp) -> Lanes:
    value = operation.value
    if isinstance(value, IntegerAttr | FloatAttr):
        if isinstance(value.type, IndexType):
            return np.asarray(value.value.data, dtype=np.int64)
        number = value.value.data
        dtype = numpy_type(type_name(value.type))
        if dtype.kind == "i":
            bits = dtype.itemsize * 8
            number = (int(number) + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))
        return np.asarray(number).astype(dtype)
    raise Unsupported("no execution of a constant that is not a number", operation)


def garbage(shape: tuple[int, ...], type: str) -> Lanes:
    """What memory holds before anything is written: arbitrary, but the same in each run."""
    if any(extent < 0 for extent in shape):
        raise Unsupported(f"no execution of an array of shape {shape}")
    rng = np.random.default_rng(len(shape) + 7)
    dtype = numpy_type(type)
    if dtype.kind == "f":
        return rng.integers(-99, 99, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
