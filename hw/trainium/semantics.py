"""What each instruction means, written once for every reader of the machine.

Two kinds of plain functions:

* *Index maps* say which element of an operand belongs to an element of the target. They are
  arithmetic only, so they accept numbers, arrays of numbers, and symbols.
* *Value functions* say what is computed, over an abstract domain of values: ``Values`` gives the
  elements of an instruction's operands, and computes with them. The functional simulator's values
  are arrays that hold all elements of a tile at once; the validator's are terms for one element.

Position ``(p, i)`` is element i, in row-major order, of partition p of a view. From the functions
the instructions are put together as follows.

=========================  ========================================================================
element-wise instructions  ``dst[p, i] = value(p, i)``, see ``element_value``; a second target gets
                           the reduction of the partition's values, see ``FOLDS``
nc_matmul, mult_moving     ``dst[m, n] = Σ_k stationary[k, m] · moving[k, n]``, added or not
nc_transpose,              ``dst[f, p] = src[p, f]``
dma_transpose
tensor_reduce              ``dst[p, j] = fold over i of data[p, j, i]``, see ``fold_of``
tensor_partition_reduce    ``dst[0, i] = fold over p of data[p, i]``
tensor_tensor_scan         ``dst[p, i] = scan_step(dst[p, i - 1], data0[p, i], data1[p, i])``
stream_shuffle             ``dst[p, i] = src[shuffle_source(p, mask), i]``
local_gather               ``dst[p, n·run + j] = src[p, index[gather_cell(p, n)]·run + j]``
bn_stats, bn_aggr and      functions of whole rows: ``rows.py``
those that search
=========================  ========================================================================

Precision: operands are converted to float32, each operator rounds to float32, and results are
rounded to the type of the target (``element_types.py``). Exceptions: bitwise operators, copies
between equal types, and GpSimd's sums and products of 32-bit integers keep the bits; a sum over a
partition, or over the rows of the array, is rounded to float32 once, at its end (the machine's
order of summation is not documented; programs are compared up to reassociation). Table functions
are rounded once, where the machine has approximations that are not documented.

Sources: ``nki.isa`` documentation of the Neuron SDK up to v2.26.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.ir import Attribute, SSAValue

from ...dialects import trn
from ...dialects.trn import Engine, Function, Instruction, Operator, element_bytes, view_of
from ...dialects.trn.limits import GPSIMD_PARTITIONS, QUADRANT
from ...dialects.trn.types import BITWISE, UNARY, is_integer

Value = TypeVar("Value")


class Values(Protocol[Value]):
    """Elements of the operands of one instruction at a position, and how to compute with them."""

    def element(self, operand: SSAValue, /) -> Value:
        """The operand's element at the position, in float32."""
        ...

    def integer_element(self, operand: SSAValue, /) -> Value:
        """The operand's element at the position, an integer of its type."""
        ...

    def copied_element(self, operand: SSAValue, /) -> Value:
        """The operand's element at the position, with all its bits."""
        ...

    def of_partition(self, operand: SSAValue, /, *, integer: bool = False) -> Value:
        """The element of an operand that has one per partition."""
        ...

    def number(self, number: float, /) -> Value: ...

    def partition(self) -> Value:
        """p, as a number."""
        ...

    def place(self) -> Value:
        """i, as a number."""
        ...

    def index(self, dimension: int, /) -> Value:
        """The position's index in a dimension of the target's view; 0 are the partitions."""
        ...

    def runtime(self, operand: SSAValue, /) -> Value:
        """An index value of the program, as a number."""
        ...

    def apply(self, operator: Operator, left: Value, right: Value, /) -> Value:
        """An operator of float32; comparisons and logical operators give 1 or 0."""
        ...

    def bitwise(
        self, operator: Operator, left: Value, right: Value, element: Attribute, /
    ) -> Value:
        """A bitwise operator of integers of the type ``element``; right shifts are logical."""
        ...

    def exact(self, operator: Operator, left: Value, right: Value, element: Attribute, /) -> Value:
        """Sum, difference or product of 32-bit integers, which wraps around."""
        ...

    def affine(self, terms: Sequence[tuple[int, Value]], constant: int, /) -> Value:
        """The integer ``constant + Σ factor · value``, exactly."""
        ...

    def function(self, function: Function, value: Value, /) -> Value: ...

    def select(self, condition: Value, then: Value, otherwise: Value, /) -> Value:
        """``then`` where the condition is not 0."""
        ...

    def random(self, seed: int, partition: Value, place: Value, /) -> Value:
        """A number of [0, 1) that depends on the arguments only (``dropout_number``)."""
        ...


# Index maps.


def shuffle_source(p: int, mask: Sequence[int]) -> int | None:
    """The partition that a shuffle copies to partition p; None leaves it as it is."""
    entry = mask[p % QUADRANT]
    return None if entry == trn.KEEP else p - p % QUADRANT + entry


def gather_cell(p: Any, n: Any) -> tuple[Any, Any]:
    """Partition and column of the n-th index for partition p: 16 partitions share theirs."""
    return p - p % GPSIMD_PARTITIONS + n % GPSIMD_PARTITIONS, n // GPSIMD_PARTITIONS


def dropout_number(seed: Any, p: Any, i: Any) -> Any:
    """The 32 bits by which dropout decides about element ``(p, i)``: a mix of its arguments.

    The machine's generator is not documented; this one stands for it, and is the same everywhere.
    The arguments are integers (or arrays of them) in 64 bits; constants of Murmur3's finisher.
    """
    bits = ((seed & 0xFFFFFFFF) * 0x9E3779B1 + p * 0x85EBCA6B + i * 0xC2B2AE35) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return bits ^ (bits >> 16)


# Value functions of the element-wise instructions.


def element_value(op: Instruction, values: Values[Value]) -> Value:
    """What ``dst`` gets at a position, before it is rounded to the type of ``dst``.

    Raises ``KeyError`` for an instruction that is not element-wise.
    """
    return _ELEMENTS[type(op)](op, values)


def is_elementwise(op: Instruction) -> bool:
    """Whether ``element_value`` is defined for an instruction."""
    return is_elementwise_kind(type(op))


def is_elementwise_kind(kind: type[Instruction]) -> bool:
    """Whether all instructions of a class are element-wise."""
    return kind in _ELEMENTS


def scan_step(
    op: trn.TensorTensorScanOp, before: Value, first: Value, second: Value, values: Values[Value]
) -> Value:
    """``op1(op0(data0, before), data1)``, operands exchanged where the instruction says so."""
    inner = _ordered(op.op0.data, first, before, op.reverse0 is not None, values)
    return _ordered(op.op1.data, inner, second, op.reverse1 is not None, values)


def scan_start(op: trn.TensorTensorScanOp, values: Values[Value]) -> Value:
    return _scalar(op.scalar0, op.immediate0, values)


def fold_of(op: Instruction) -> Operator:
    """The operator by which an instruction reduces the values of a partition, or of a column."""
    if isinstance(op, trn.TensorReduceOp | trn.TensorPartitionReduceOp):
        return op.op.data
    if isinstance(op, trn.TensorScalarReduceOp):
        return op.reduce_op.data
    return Operator.ADD if isinstance(op, trn.ActivationOp) else Operator.MAXIMUM


def copies_bits(source: SSAValue, target: SSAValue) -> bool:
    """Whether a copy keeps the bits: between equal types, it does not pass through float32."""
    return view_of(source).element_type == view_of(target).element_type


def is_exact(op: trn.TensorTensorOp) -> bool:
    """Whether a tensor_tensor is GpSimd's arithmetic of 32-bit integers."""
    types: list[Attribute] = [view_of(view).element_type for view in (op.lhs, op.rhs, op.dst)]
    wide = all(is_integer(element) and element_bytes(element) == 4 for element in types)
    exact = op.op.data in (Operator.ADD, Operator.SUBTRACT, Operator.MULTIPLY)
    return wide and exact and op.chosen_engine == Engine.POOL


def _tensor_tensor(op: trn.TensorTensorOp, values: Values[Value]) -> Value:
    operator = op.op.data
    if operator in BITWISE:
        left, right = values.integer_element(op.lhs), values.integer_element(op.rhs)
        return values.bitwise(operator, left, right, _type(op.dst))
    if is_exact(op):
        left, right = values.integer_element(op.lhs), values.integer_element(op.rhs)
        return values.exact(operator, left, right, _type(op.dst))
    return values.apply(operator, values.element(op.lhs), values.element(op.rhs))


def _tensor_scalar(op: trn.TensorScalarOp, values: Values[Value]) -> Value:
    scalars = [
        (op.op0.data, op.scalar0, op.immediate0, op.reverse0 is not None),
        *([(op.op1.data, op.scalar1, op.immediate1, op.reverse1 is not None)] if op.op1 else []),
    ]
    bitwise = op.op0.data in BITWISE
    value = values.integer_element(op.data) if bitwise else values.element(op.data)
    for operator, vector, immediate, reverse in scalars:
        unary = operator in UNARY
        other = value if unary else _scalar(vector, immediate, values, bitwise)
        if bitwise:
            left, right = (other, value) if reverse else (value, other)
            value = values.bitwise(operator, left, right, _type(op.dst))
        else:
            value = _ordered(operator, value, other, reverse, values)
    return value


def _scalar_tensor_tensor(op: trn.ScalarTensorTensorOp, values: Values[Value]) -> Value:
    operator0, operator1 = op.op0.data, op.op1.data
    if operator0 in BITWISE:
        data, other = values.integer_element(op.data), values.integer_element(op.rhs)
        scalar = data if operator0 in UNARY else _scalar(op.scalar0, op.immediate0, values, True)
        pair = (scalar, data) if op.reverse0 is not None else (data, scalar)
        inner = values.bitwise(operator0, *pair, _type(op.dst))
        outer = (other, inner) if op.reverse1 is not None else (inner, other)
        return values.bitwise(operator1, *outer, _type(op.dst))
    data = values.element(op.data)
    scalar = data if operator0 in UNARY else _scalar(op.scalar0, op.immediate0, values)
    inner = _ordered(operator0, data, scalar, op.reverse0 is not None, values)
    return _ordered(operator1, inner, values.element(op.rhs), op.reverse1 is not None, values)


def _tensor_scalar_reduce(op: trn.TensorScalarReduceOp, values: Values[Value]) -> Value:
    data = values.element(op.data)
    other = data if op.op0.data in UNARY else _scalar(op.scalar0, op.immediate0, values)
    return _ordered(op.op0.data, data, other, op.reverse0 is not None, values)


def _activation(op: trn.ActivationOp, values: Values[Value]) -> Value:
    value = values.element(op.data)
    if op.scale is not None:
        value = values.apply(Operator.MULTIPLY, value, values.of_partition(op.scale))
    elif op.scale_immediate.value.data != 1.0:
        scale = values.number(op.scale_immediate.value.data)
        value = values.apply(Operator.MULTIPLY, value, scale)
    if op.bias is not None:
        value = values.apply(Operator.ADD, value, values.of_partition(op.bias))
    return values.function(op.function.data, value)


def _copy(op: trn.TensorCopyOp | trn.DmaCopyOp | trn.DmaStartOp, values: Values[Value]) -> Value:
    added = not isinstance(op, trn.TensorCopyOp) and op.add is not None
    if added:
        return values.apply(Operator.ADD, values.element(op.dst), values.element(op.src))
    return _copied(op.src, op.dst, values)


def _copy_predicated(op: trn.TensorCopyPredicatedOp, values: Values[Value]) -> Value:
    condition = values.integer_element(op.predicate)
    new, old = _copied(op.src, op.dst, values), values.copied_element(op.dst)
    if op.reverse is not None:
        return values.select(condition, old, new)
    return values.select(condition, new, old)


def _reciprocal(op: trn.ReciprocalOp, values: Values[Value]) -> Value:
    return values.apply(Operator.DIVIDE, values.number(1.0), values.element(op.data))


def _memset(op: trn.MemsetOp, values: Values[Value]) -> Value:
    return values.number(op.value.value.data)


def _dropout(op: trn.DropoutOp, values: Values[Value]) -> Value:
    seed = op.seed.value.data
    drawn = values.random(seed, values.partition(), values.place())
    probability = _scalar(op.scalar0, op.immediate0, values)
    dropped = values.apply(Operator.LESS, drawn, probability)
    return values.select(dropped, values.number(0.0), values.element(op.data))


def _affine_number(op: trn.IotaOp | trn.AffineSelectOp, values: Values[Value]) -> Value:
    terms = [(op.partition_step.value.data, values.partition())]
    terms += [(step, values.index(number + 1)) for number, step in enumerate(op.steps.get_values())]
    if op.offset is not None:
        terms.append((1, values.runtime(op.offset)))
    return values.affine(terms, op.base.value.data)


def _affine_select(op: trn.AffineSelectOp, values: Values[Value]) -> Value:
    number = _affine_number(op, values)
    condition = values.apply(op.comparison.data, number, values.number(0.0))
    return values.select(condition, values.element(op.data), values.number(op.fill.value.data))


def _range_select(op: trn.RangeSelectOp, values: Values[Value]) -> Value:
    place = values.affine([(1, values.place())], op.start.value.data)
    first = values.apply(op.comparison0.data, place, values.of_partition(op.bound0))
    second = values.apply(op.comparison1.data, place, values.of_partition(op.bound1))
    condition = values.apply(Operator.LOGICAL_AND, first, second)
    return values.select(condition, values.element(op.data), values.number(op.fill.value.data))


def _select_reduce(op: trn.SelectReduceOp, values: Values[Value]) -> Value:
    condition = values.integer_element(op.predicate)
    on_true, on_false = values.element(op.on_true), _scalar(op.scalar0, op.immediate0, values)
    if op.reverse is not None:
        return values.select(condition, on_false, on_true)
    return values.select(condition, on_true, on_false)


def _copied(source: SSAValue, target: SSAValue, values: Values[Value]) -> Value:
    if copies_bits(source, target):
        return values.copied_element(source)
    return values.element(source)


def _scalar(
    vector: SSAValue | None,
    immediate: Attribute | None,
    values: Values[Value],
    integer: bool = False,
) -> Value:
    if vector is not None:
        return values.of_partition(vector, integer=integer)
    assert isinstance(immediate, FloatAttr | IntegerAttr)
    return values.number(immediate.value.data)


def _ordered(
    operator: Operator, left: Value, right: Value, reverse: bool, values: Values[Value]
) -> Value:
    return values.apply(operator, *((right, left) if reverse else (left, right)))


def _type(operand: SSAValue) -> Attribute:
    return view_of(operand).element_type


_ELEMENTS: dict[type[Instruction], Callable[[Any, Any], Any]] = {
    trn.TensorTensorOp: _tensor_tensor,
    trn.TensorScalarOp: _tensor_scalar,
    trn.ScalarTensorTensorOp: _scalar_tensor_tensor,
    trn.TensorScalarReduceOp: _tensor_scalar_reduce,
    trn.ActivationOp: _activation,
    trn.TensorCopyOp: _copy,
    trn.DmaCopyOp: _copy,
    trn.DmaStartOp: _copy,
    trn.TensorCopyPredicatedOp: _copy_predicated,
    trn.ReciprocalOp: _reciprocal,
    trn.MemsetOp: _memset,
    trn.DropoutOp: _dropout,
    trn.IotaOp: _affine_number,
    trn.AffineSelectOp: _affine_select,
    trn.RangeSelectOp: _range_select,
    trn.SelectReduceOp: _select_reduce,
}
