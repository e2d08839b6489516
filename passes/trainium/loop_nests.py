"""Loops of a lowered program: over numbers, and over blocks of an extent."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.builder import Builder
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from .tensor_functions import index_constant

Number = SSAValue | int
"""An index that is known now, or only at run time."""


def loop(builder: Builder, count: int, emit: Callable[[Builder, Number], None]) -> None:
    """Emit a loop over the numbers below ``count``; a single iteration is written out."""
    if count == 1:
        emit(builder, 0)
    else:
        counted_loop(builder, count, emit)


def counted_loop(
    builder: Builder, count: Number, emit: Callable[[Builder, SSAValue], None]
) -> None:
    """Emit a loop over the numbers below ``count``, whatever their number."""
    low, high, step = (
        index_constant(builder, number) if isinstance(number, int) else number
        for number in (0, count, 1)
    )
    body = Block(arg_types=[IndexType()])
    inner = Builder(InsertPoint.at_end(body))
    emit(inner, body.args[0])
    inner.insert(scf.YieldOp())
    builder.insert(scf.ForOp(low, high, step, [], Region(body)))


def over_blocks(
    builder: Builder, extent: int, size: int, emit: Callable[[Builder, Number, int], None]
) -> None:
    """Emit a program for each block of an extent: where it starts, and its size."""
    whole, rest = divmod(extent, size)
    if whole:
        loop(
            builder,
            whole,
            lambda inner, number: emit(inner, linear(inner, number, size, 0), size),
        )
    if rest:
        emit(builder, whole * size, rest)


def linear(builder: Builder, value: Number, factor: int, constant: int) -> Number:
    """``factor · value + constant``."""
    if isinstance(value, int):
        return factor * value + constant
    if factor == 0:
        return constant
    if factor != 1:
        value = builder.insert(arith.MuliOp(value, index_constant(builder, factor))).result
    if constant:
        value = builder.insert(arith.AddiOp(value, index_constant(builder, constant))).result
    return value
