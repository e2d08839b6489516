"""The work that a kernel cannot do without, against faults of the machine model.

A proven program computes the kernel's sums, so it multiplies at least as often as the kernel does,
and moves every array at least once. One that seems to do less was not counted right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from xdsl.dialects import arith, func
from xdsl.dialects.builtin import FixedBitwidthType, ModuleOp, TensorType
from xdsl.dialects.linalg import ops as linalg
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.ir import BlockArgument, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap

from ..hw.gemmini.config import GemminiConfig
from ..hw.gemmini.kernel_bound import Demand
from ..hw.gemmini.lower_bound import Bound
from ..passes.contraction import read_contraction
from ..passes.element_sums import is_window_sum, read_element_sum
from ..passes.kernel import kernel_of
from ..passes.pooling.facts import Pooling
from ..passes.pooling.read import pooling_of


@dataclass(frozen=True)
class Work:
    """Least amounts; bytes count the arrays that are certainly read or written as a whole."""

    macs: int = 0
    read_bytes: int = 0
    written_bytes: int = 0

    def missing(self, done: Bound) -> str:
        """Which amount a program falls short of; empty if none."""
        amounts = (
            ("multiply-accumulates", done.macs, self.macs),
            ("bytes read", done.read_bytes, self.read_bytes),
            ("bytes written", done.written_bytes, self.written_bytes),
        )
        for name, found, needed in amounts:
            if found < needed:
                return f"{found:,} {name}, but the kernel needs {needed:,}"
        return ""


def multiply_accumulates(tensor_ir: ModuleOp) -> int:
    """Multiply-accumulates of all contractions of a lifted kernel.

    Of those below a maximum over windows, pixels that no window or several see count once.
    """
    pooling = pooling_of(kernel_of(tensor_ir))
    if pooling is not None:
        below = pooling.convolution
        terms = 0 if below is None else below.rows.count * below.cols.count * below.depth
        return _pixels(pooling) * pooling.channels * terms
    products = (op for op in _reductions(tensor_ir) if _multiplies(op))
    return sum(prod(op.get_static_loop_ranges()) for op in products)


def necessary_work(tensor_ir: ModuleOp) -> Work:
    """What any program for the lifted kernel does at least."""
    read: dict[SSAValue, int] = {}
    pooling = pooling_of(kernel_of(tensor_ir))
    if pooling is not None and pooling.convolution is None:
        image = kernel_of(tensor_ir).args[pooling.source]
        read[image] = _pixels(pooling) * pooling.channels
    for reduction in _reductions(tensor_ir):
        maps = reduction.get_indexing_maps()
        for operand, access in zip(reduction.inputs, maps, strict=False):
            if isinstance(operand, BlockArgument) and _covers(access.data):
                read[operand] = _bytes(operand)
    written = 0
    for operation in tensor_ir.walk():
        if isinstance(operation, func.ReturnOp):
            results = (v for v in operation.operands if isinstance(v.owner, linalg.GenericOp))
            written += sum(_bytes(value) for value in results)
    return Work(multiply_accumulates(tensor_ir), sum(read.values()), written)


def demand_of(tensor_ir: ModuleOp, config: GemminiConfig) -> Demand:
    """What a lifted kernel asks of the machine: one contraction, a maximum or sum over windows.

    Raises ``PassFailedException`` for other kernels.
    """
    work, function = necessary_work(tensor_ir), kernel_of(tensor_ir)
    pooling = pooling_of(function)
    if is_window_sum(function):
        facts = read_element_sum(function, config)
        *outer, columns = (facts.sizes[loop] for loop in facts.target)
        demand = Demand(prod(outer), columns)
    elif pooling is None:
        facts = read_contraction(function, config.dim)
        columns = facts.sizes[facts.j]
        rows = prod(facts.sizes[loop] for loop in (*facts.outer, facts.i))
        has_bias = facts.init is not None and facts.init_broadcast
        demand = Demand(
            rows, columns, facts.terms, not facts.diagonal, starts=rows if has_bias else 0
        )
    else:
        below = pooling.convolution
        pixels = _pixels(pooling)
        demand = Demand(
            prod(pooling.batch) * pooling.rows.pooled * pooling.cols.pooled,
            pooling.channels,
            0 if below is None else below.rows.count * below.cols.count * below.depth,
            starts=0 if below is None or below.bias is None else pixels,
            summed_rows=pixels,
            window=pooling.rows.window,
            step=pooling.rows.step,
        )
    return replace(demand, read_bytes=work.read_bytes, written_bytes=work.written_bytes)


def _pixels(pooling: Pooling) -> int:
    """Pixels that windows see."""
    return prod(pooling.batch) * pooling.rows.covered * pooling.cols.covered


def _reductions(tensor_ir: ModuleOp) -> list[linalg.GenericOp]:
    return [
        op
        for op in tensor_ir.walk()
        if isinstance(op, linalg.GenericOp)
        and IteratorType.REDUCTION in (kind.data for kind in op.iterator_types)
    ]


def _multiplies(operation: linalg.GenericOp) -> bool:
    return any(isinstance(op, arith.MuliOp | arith.MulfOp) for op in operation.body.walk())


def _covers(access: AffineMap) -> bool:
    """Whether each subscript is a loop variable of its own, so that every element is read."""
    places = [e.position for e in access.results if isinstance(e, AffineDimExpr)]
    return len(places) == len(access.results) == len(set(places))


def _bytes(value: SSAValue) -> int:
    kind = value.type
    if not isinstance(kind, TensorType) or not isinstance(kind.element_type, FixedBitwidthType):
        return 0
    shape = kind.get_shape()
    return prod(shape) * kind.element_type.bitwidth // 8 if min(shape, default=1) >= 0 else 0
