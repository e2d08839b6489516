"""Addresses of tiles: what the core computes for each product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from liftproof.dialects.gemmini import ComputeAccumulatedOp
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.passes.block_sizes import block_sizes, has_transposed_weights, misaligned_operands
from liftproof.passes.kernel import products, schedulable_kernel
from liftproof.passes.place import ROW, STRIDES
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, ModuleOp
from xdsl.ir import SSAValue

Apply = Callable[..., ModuleOp]

SCHEDULE = (
    "gemmini-lower-linalg,gemmini-overwrite-first,gemmini-tile{{i=3 j={j} k={k}}},"
    "gemmini-stage{{operand=c loop=jo}},gemmini-interchange{{order=ko,k,j,i}},"
    "gemmini-stage{{operand=a loop=ko}},gemmini-stage{{operand=b loop=ko}},"
    "gemmini-reuse-weights{{apart=true}},"
    "gemmini-place,"
)
INSTRUCTIONS = "gemmini-lower-tiles,canonicalize,licm,cse,gemmini-scale-loops"


def strides(buffer: SSAValue) -> tuple[int, ...]:
    """Local rows between slots, as placement chose them."""
    found = buffer.owner.attributes[STRIDES]  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(found, DenseArrayBase)
    return tuple(int(each) for each in found.get_values())


@pytest.mark.parametrize(
    ("j", "k", "expected"),
    [(3, 5, 96), (3, 2, 48), (3, 3, 48), (4, 7, 128), (2, 4, 64), (1, 3, 64)],
)
def test_rows_of_a_and_c_differ_by_a_power_of_two(
    gemm: Any, apply: Apply, j: int, k: int, expected: int
) -> None:
    """A is padded to the least stride that is a shift away from the stride of C."""
    module = apply(gemm(48, 16 * j, 16 * k).text(), SCHEDULE.format(j=j, k=k).rstrip(","))
    product = products(schedulable_kernel(module))[-1]
    along_a, along_c = strides(product.a)[0], strides(product.c)[0]
    assert along_a == expected
    assert max(along_a, along_c) % min(along_a, along_c) == 0
    assert (max(along_a, along_c) // min(along_a, along_c)).bit_count() == 1
    assert strides(product.a)[-1] == 16, "tiles side by side stay so"


def test_padded_buffers_do_not_overlap(gemm: Any, apply: Apply) -> None:
    """Behind the last row of a padded buffer comes the next one."""
    module = apply(gemm(48, 48, 80).text(), SCHEDULE.format(j=3, k=5).rstrip(","))
    product = products(schedulable_kernel(module))[-1]
    rows = [buffer.owner.attributes[ROW] for buffer in (product.a, product.b)]  # pyright: ignore[reportAttributeAccessIssue]
    first = [row.value.data for row in rows if isinstance(row, IntegerAttr)]
    sizes = [3 * strides(product.a)[0], 5 * strides(product.b)[0]]
    assert first[0] + sizes[0] <= first[1] or first[1] + sizes[1] <= first[0]


def test_innermost_loop_does_not_multiply(gemm: Any, apply: Apply) -> None:
    """A padded buffer leaves shifts in the loop around the products, and the same work."""
    pipeline = SCHEDULE.format(j=3, k=5) + INSTRUCTIONS
    module = apply(gemm(48, 48, 80).text(), pipeline)
    inner = [op for op in module.walk() if isinstance(op, ComputeAccumulatedOp)][-1].parent_op()
    assert isinstance(inner, scf.ForOp)
    for op in inner.walk():
        if isinstance(op, arith.MuliOp):
            factor = op.rhs.owner
            assert isinstance(factor, arith.ConstantOp)
            assert isinstance(factor.value, IntegerAttr)
            assert factor.value.value.data.bit_count() == 1


def test_loops_with_other_bounds_are_scaled_too(gemm: Any, apply: Apply) -> None:
    """A bound that is no constant is scaled once, in front of the loop: fewer core cycles."""
    text = gemm(80, 64, 32).text()  # five tiles in blocks of three: the last block is shorter
    pipeline = SCHEDULE.format(j=4, k=2) + INSTRUCTIONS
    config = load_config()
    scaled, _ = stream_of_module(apply(text, pipeline), config)
    plain, _ = stream_of_module(apply(text, pipeline.removesuffix(",gemmini-scale-loops")), config)
    for column in ("funct", "rs1", "rs2"):
        assert np.array_equal(getattr(scaled, column), getattr(plain, column))
    assert scaled.issue_cycles.sum() < plain.issue_cycles.sum()


def test_counts_without_divisors_are_cut_evenly() -> None:
    """Thirteen tiles are offered in blocks of 5 + 5 + 3 and 7 + 6, not only of powers of two."""
    sizes = block_sizes({"i": 13, "j": 4, "k": 13}, load_config())
    assert {5, 7} <= {size["i"] for size in sizes}
    assert {5, 7} <= {size["k"] for size in sizes}


def test_transposed_weights_are_loaded_for_more_rows(gemm: Any, apply: Apply) -> None:
    """A tile of B that is transposed takes twice as long, so blocks of more rows come first."""
    plain, transposed = (
        schedulable_kernel(apply(gemm(512, 512, 512, **form).text(), "gemmini-lower-linalg"))
        for form in ({}, {"b_transposed": True})
    )
    assert not has_transposed_weights(plain)
    assert has_transposed_weights(transposed)
    counts, config = dict.fromkeys("ijk", 32), load_config()
    best, *_ = block_sizes(counts, config)
    other, *_ = block_sizes(counts, config, b_transposed=True)
    assert other["i"] > best["i"]


@pytest.mark.parametrize(("n", "k", "expected"), [(48, 32, ""), (40, 32, "b"), (40, 24, "ab")])
def test_operands_are_misaligned_where_rows_begin_within_a_word(
    gemm: Any, apply: Apply, n: int, k: int, expected: str
) -> None:
    """Rows of 24 or 40 bytes do not all begin at words of 16 bytes."""
    module = apply(gemm(16, n, k).text(), "gemmini-lower-linalg")
    assert misaligned_operands(schedulable_kernel(module)) == expected
