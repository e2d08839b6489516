"""Recognise what happens to a finished sum: ReLU, a scale, rounding and saturation, or nothing.

The store unit computes ``saturate(round_half_even(float32(relu?(x)) · scale))``. Which ReLU and
scale a kernel means is found by trial: candidates come from the constants in the kernel's body, and
each is compared with the body on the edges of its range and on random values. A wrong guess cannot
do harm, because the lowered program is validated against the kernel; it is merely refused later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, IntegerType, i32
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.ir import Operation, SSAValue

from ..dialects.gemmini import ActivationKind
from .evaluate import NotElementWiseError, Values, evaluate_body
from .kernel import Refusal, refusal

RANDOM_VALUES = 4096


@dataclass(frozen=True)
class PostOp:
    """How a sum becomes an output element; ``scale`` None keeps the accumulator's type."""

    relu: bool = False
    scale: float | None = None

    @property
    def activation(self) -> ActivationKind:
        """What the store unit is configured to apply first."""
        return ActivationKind.RELU if self.relu else ActivationKind.NONE

    @property
    def factor(self) -> float:
        """The scale that the store unit is configured for; sums in full width ignore it."""
        return 1.0 if self.scale is None else self.scale


def recognise_post_op(
    body: GenericOp,
    largest_sum: int,
    compute: Callable[[Values], Values] | None = None,
    result: SSAValue | None = None,
) -> PostOp:
    """The store that computes ``body`` for every sum of at most ``largest_sum`` in magnitude.

    What it computes may be given as a function of sums, with the tensor that holds the results.
    Refuses where the store unit can do no such thing, and says on which sum it differs.
    """
    block = body.body.block
    type = (result or body.results[0]).type.get_element_type()  # pyright: ignore
    bits = type.width.data if isinstance(type, IntegerType) else 0
    if type == i32 and compute is None:
        raise refusal(body, "sums that are stored in full width are stored unchanged")
    plain = sorted(set(candidate_scales(body)), key=lambda s: (s != 1.0, s))
    scales = [*plain, *_next_to(plain)]
    sums = test_values(largest_sum, plain, bits)
    try:
        if compute is None:
            wanted = evaluate_body(block, {block.args[0]: sums})[0]
        else:
            wanted = compute(sums)
    except NotElementWiseError as error:
        raise refusal(body, f"no store computes this: {error}") from error
    best: tuple[int, int, PostOp] | None = None
    for relu, scale in product((False, True), scales):
        wrong = np.flatnonzero(stored(sums, relu, scale, bits) != wanted)
        if len(wrong) == 0:
            return PostOp(relu, scale)
        if best is None or len(wrong) < best[0]:
            best = (len(wrong), int(wrong[0]), PostOp(relu, scale))
    assert best is not None
    raise _closest(body, sums, wanted, best[1], best[2], bits)


def _closest(
    body: GenericOp, sums: Values, wanted: Values, at: int, closest: PostOp, bits: int
) -> Refusal:
    assert closest.scale is not None
    got = stored(sums, closest.relu, closest.scale, bits)[at]
    relu = "ReLU, " if closest.relu else ""
    return refusal(
        body,
        f"Gemmini's store computes saturate(round_half_even(sum · scale)) with optional ReLU;"
        f" the kernel makes {wanted[at]} of the sum {sums[at]}, and the closest store"
        f" ({relu}scale {closest.scale:g}) makes {got}",
        "rintf(sum * scale) within -128 … 127 is stored as it is, also behind a ReLU; so are"
        " roundf(sum * scale) and, behind a ReLU, (sum + (1 << (n - 1))) >> n for a power of two."
        " A shift alone rounds down, which no store does",
    )


def stored(sums: Values, relu: bool, scale: float, bits: int) -> Values:
    """What the store unit makes of accumulator values (``store_value`` in hw semantics)."""
    values = np.maximum(sums, 0) if relu else sums
    high = (1 << (bits - 1)) - 1
    scaled = values.astype(np.float32) * np.float32(scale)
    return np.clip(np.rint(scaled.astype(np.float64)), -high - 1, high).astype(np.int64)


def candidate_scales(body: GenericOp) -> Iterator[float]:
    """Scales that the constants of a body suggest: factors, divisors and shifts."""
    yield 1.0
    factors: list[float] = []
    for op in body.body.walk():
        if (number := _number_used_by(op)) is None:
            continue
        if isinstance(op, arith.MulfOp | arith.MuliOp):
            factors.append(number)
        if isinstance(op, arith.DivfOp | arith.DivSIOp | arith.FloorDivSIOp) and number:
            factors.append(1 / number)
        if isinstance(op, arith.ShRSIOp) and 0 <= number < 63:
            factors.append(2.0**-number)
    yield from (float(np.float32(factor)) for factor in factors)
    yield float(np.float32(np.prod(factors)))


def _next_to(scales: Sequence[float]) -> Iterator[float]:
    """The numbers next to each scale: with these, halves are no ties, and round to one side.

    So ``roundf(sum * 0.25f)`` is what a store with the next number above 0.25 computes.
    """
    for scale, limit in product(scales, (np.inf, -np.inf)):
        yield float(np.nextafter(np.float32(scale), np.float32(limit)))


def _number_used_by(op: Operation) -> float | None:
    for operand in op.operands:
        owner = operand.owner
        if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr | FloatAttr):
            return float(owner.value.value.data)
    return None


def test_values(largest: int, scales: list[float], bits: int) -> Values:
    """Sums that tell candidates apart: around 0, the saturation limits, and random ones."""
    largest = min(largest, (1 << 31) - 1)
    centres = [0, largest, -largest, *(1 << bit for bit in range(31))]
    high = 1 << (bits - 1) if bits else 0
    for scale in scales:
        if scale > 0:
            limit = int(min((high - 1) / scale, float(largest)))
            centres += [limit, -limit, int(0.5 / scale), int(1.5 / scale)]
    near = np.arange(-300, 301, dtype=np.int64)
    edges = (np.array(centres, np.int64)[:, None] + near).ravel()
    random = np.random.default_rng(0).integers(-largest, largest, RANDOM_VALUES, endpoint=True)
    values = np.concatenate([edges, -edges, random])
    return values[np.abs(values) <= largest]
