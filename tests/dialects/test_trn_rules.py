"""Every operand rule of Trainium's engines refuses an illegal program with its text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[..., Any]

MATMUL = "trn.nc_matmul %a, %b to %c : {a}, {b}, {c}"
DOUBLE = "trn.nc_matmul %a, %b to %c {{double_row}} : {a}, {b}, {c}"
TURN = "trn.nc_transpose %a to %b : {a}, {b}"
TURN_DVE = "trn.nc_transpose %a to %b {{engine = #trn<engine dve>}} : {a}, {b}"
ADD = "trn.tensor_tensor add %a, %b to %c : {a}, {b}, {c}"
SCALAR = "trn.tensor_scalar add %a to %b {{immediate0 = 1.0 : f32}} : {a}, {b}"
DMA = "trn.dma_copy %a to %b : {a}, {b}"
DMA_TURN = "trn.dma_transpose %a to %b : {a}, {b}"
GATHER = "trn.local_gather %a, %n to %b {{count = 16, run = 1}} : {a}, {n}, {b}"
MASK = ", ".join(map(str, range(32)))

RULES: list[tuple[str, str, dict[str, str]]] = [
    # Data paths.
    ("in SBUF or PSUM, got HBM", ADD, {"a": "8x4xf32@hbm", "b": "8x4xf32", "c": "8x4xf32"}),
    (
        "GpSimd cannot access PSUM",
        "trn.iota to %a {{steps = array<i64: 1>}} : {a}",
        {"a": "8x4xi32@psum"},
    ),
    (
        "GpSimd cannot access PSUM",
        "trn.memset %a to 0.0 {{engine = #trn<engine pool>}} : {a}",
        {"a": "8x4xf32@psum"},
    ),
    ("DMA cannot access PSUM (src)", DMA, {"a": "8x4xf32@psum", "b": "8x4xf32"}),
    ("DMA cannot access PSUM (dst)", DMA, {"a": "8x4xf32@hbm", "b": "8x4xf32@psum"}),
    (
        "the two inputs cannot both be in PSUM",
        ADD,
        {"a": "8x4xf32@psum", "b": "8x4xf32@psum", "c": "8x4xf32"},
    ),
    (
        "the two inputs cannot both be in PSUM",
        "trn.scalar_tensor_tensor add add %a, %b to %c {{immediate0 = 1.0 : f32}} : {a}, {b}, {c}",
        {"a": "8x4xf32@psum", "b": "8x4xf32@psum", "c": "8x4xf32"},
    ),
    (
        "the two inputs cannot both be in PSUM",
        "trn.tensor_tensor_scan add add %a, %b to %c {{immediate0 = 1.0 : f32}} : {a}, {b}, {c}",
        {"a": "8x4xf32@psum", "b": "8x4xf32@psum", "c": "8x4xf32"},
    ),
    (
        "the two inputs cannot both be in PSUM",
        "trn.tensor_copy_predicated %a, %b to %c : {a}, {b}, {c}",
        {"a": "8x4xf32@psum", "b": "8x4xi32@psum", "c": "8x4xf32"},
    ),
    # The tensor engine.
    (
        "the stationary operand must be in SBUF, got PSUM",
        MATMUL,
        {"a": "8x4xf32@psum", "b": "8x4xf32", "c": "4x4xf32@psum"},
    ),
    (
        "the moving operand must be in SBUF, got PSUM",
        MATMUL,
        {"a": "8x4xf32", "b": "8x4xf32@psum", "c": "4x4xf32@psum"},
    ),
    (
        "the result of a matrix product must be in PSUM, got SBUF",
        MATMUL,
        {"a": "8x4xf32", "b": "8x4xf32", "c": "4x4xf32"},
    ),
    (
        "a matrix product accumulates in f32, got bf16",
        MATMUL,
        {"a": "8x4xbf16", "b": "8x4xbf16", "c": "4x4xbf16@psum"},
    ),
    (
        "the stationary operand has at most 128 columns, got 129",
        MATMUL,
        {"a": "8x129xbf16", "b": "8x4xbf16", "c": "128x4xf32@psum"},
    ),
    (
        "the moving operand has at most 512 columns, got 513",
        MATMUL,
        {"a": "8x4xbf16", "b": "8x513xbf16", "c": "4x513xf32@psum"},
    ),
    (
        "the moving operand: 16 partitions, expected 8",
        MATMUL,
        {"a": "8x4xbf16", "b": "16x4xbf16", "c": "4x4xf32@psum"},
    ),
    (
        "the result has 8 rows, expected 4",
        MATMUL,
        {"a": "8x4xbf16", "b": "8x4xbf16", "c": "8x4xf32@psum"},
    ),
    (
        "the result: 5 elements per partition, expected 4",
        MATMUL,
        {"a": "8x4xbf16", "b": "8x4xbf16", "c": "4x5xf32@psum"},
    ),
    (
        "f32 and tf32 go only with f32 and tf32, got f32 and bf16",
        MATMUL,
        {"a": "8x4xf32", "b": "8x4xbf16", "c": "4x4xf32@psum"},
    ),
    (
        "the tensor engine multiplies floats, got i8",
        MATMUL,
        {"a": "8x4xi8", "b": "8x4xi8", "c": "4x4xf32@psum"},
    ),
    (
        "double_row: the stationary operand must be an 8-bit float, got bf16",
        DOUBLE,
        {"a": "8x2x4xbf16", "b": "8x2x4xbf16", "c": "4x4xf32@psum"},
    ),
    (
        "double_row: the stationary operand must have the sizes K × 2 × …",
        DOUBLE,
        {"a": "8x4xf8E4M3", "b": "8x2x4xf8E4M3", "c": "4x4xf32@psum"},
    ),
    (
        "tile_size: a tile has 32, 64 or 128 rows and columns, got 48",
        "trn.nc_matmul %a, %b to %c {{tile_size = array<i64: 48, 64>}} : {a}, {b}, {c}",
        {"a": "8x4xbf16", "b": "8x4xbf16", "c": "4x4xf32@psum"},
    ),
    (
        "tile_position: a tile of 64 does not start at 32",
        "trn.nc_matmul %a, %b to %c {{tile_size = array<i64: 64, 64>,"
        " tile_position = array<i64: 32, 0>}} : {a}, {b}, {c}",
        {"a": "8x4xbf16", "b": "8x4xbf16", "c": "4x4xf32@psum"},
    ),
    (
        "tile_size: 64 do not fit a tile of 32",
        "trn.nc_matmul %a, %b to %c {{tile_size = array<i64: 32, 64>}} : {a}, {b}, {c}",
        {"a": "64x4xbf16", "b": "64x4xbf16", "c": "4x4xf32@psum"},
    ),
    (
        "a transpose on pe is up to 128 × 128, got 200",
        TURN,
        {"a": "128x200xbf16", "b": "128x128xbf16@psum"},
    ),
    (
        "the result of a transpose on pe must be in PSUM, got SBUF",
        TURN,
        {"a": "64x64xbf16", "b": "64x64xbf16"},
    ),
    (
        "the source of a transpose on pe must be in SBUF, got PSUM",
        TURN,
        {"a": "64x64xbf16@psum", "b": "64x64xbf16@psum"},
    ),
    (
        "a transpose on dve is up to 32 × 32, got 64",
        TURN_DVE,
        {"a": "64x32xbf16", "b": "32x64xbf16"},
    ),
    (
        "a transpose keeps the element type, got f32",
        TURN_DVE,
        {"a": "32x32xbf16", "b": "32x32xf32"},
    ),
    (
        "has 16 partitions",
        TURN_DVE,
        {"a": "32x16xbf16", "b": "32x32xbf16"},
    ),
    # Element-wise instructions.
    (
        "rhs: 16 partitions, expected 8",
        ADD,
        {"a": "8x4xf32", "b": "16x4xf32", "c": "8x4xf32"},
    ),
    (
        "dst: 5 elements per partition, expected 4",
        ADD,
        {"a": "8x4xf32", "b": "8x4xf32", "c": "8x5xf32"},
    ),
    (
        "engine: a power of two tensors is computed by pool only",
        "trn.tensor_tensor power %a, %a to %a {{engine = #trn<engine dve>}} : {a}, {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "engine: trn.reciprocal runs on dve, not on pool",
        "trn.reciprocal %a to %a {{engine = #trn<engine pool>}} : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "op must be one of add,",
        "trn.tensor_tensor rsqrt %a, %a to %a : {a}, {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "bitwise operators work on integers, got f32",
        "trn.tensor_tensor bitwise_and %a, %a to %a : {a}, {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "operators must be all arithmetic or all bitwise, got bitwise_and, add",
        "trn.tensor_scalar bitwise_and %a to %a {{immediate0 = 1 : i32, op1 = #trn<op add>,"
        " immediate1 = 1.0 : f32}} : {a}, {a}",
        {"a": "8x4xi32"},
    ),
    (
        "scalar0 must be a number or a vector, and not both",
        "trn.tensor_scalar add %a to %a : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "scalar0 of bitwise_and must be an integer",
        "trn.tensor_scalar bitwise_and %a to %a {{immediate0 = 1.0 : f32}} : {a}, {a}",
        {"a": "8x4xi32"},
    ),
    (
        "scalar0 of add must be a float",
        "trn.tensor_scalar add %a to %a {{immediate0 = 1 : i32}} : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "scalar0: rsqrt takes no second operand",
        "trn.tensor_scalar rsqrt %a to %a {{immediate0 = 1.0 : f32}} : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "scalar0: 2 elements per partition, expected 1",
        "trn.tensor_scalar add %a scalar0 %s : {s} to %a : {a}, {a}",
        {"a": "8x4xf32", "s": "8x2xf32"},
    ),
    (
        "scalar0 must be f32, got bf16",
        "trn.tensor_scalar add %a scalar0 %s : {s} to %a : {a}, {a}",
        {"a": "8x4xf32", "s": "8x1xbf16"},
    ),
    (
        "scalar1 needs op1",
        "trn.tensor_scalar add %a to %a {{immediate0 = 1.0 : f32, immediate1 = 1.0 : f32}}"
        " : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "engine: act computes multiply, add, or multiply and add only",
        "trn.tensor_scalar maximum %a to %a {{immediate0 = 1.0 : f32, engine = #trn<engine act>}}"
        " : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "the predicate must be an integer of 8 or 16 or 32 bits",
        "trn.tensor_copy_predicated %a, %a to %a : {a}, {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "the predicate must be an integer of 8 or 16 or 32 bits",
        "trn.select_reduce %a, %a to %a {{immediate0 = 0.0 : f32}} : {a}, {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "the index must be an integer of 32 bits",
        "trn.tensor_copy_dynamic_src %a, %n to %a : {a}, {n}, {a}",
        {"a": "8x4xf32", "n": "1x1xi16"},
    ),
    # Activation.
    (
        "bias must be f32, got bf16",
        "trn.activation exp %a bias %b : {b} to %a : {a}, {a}",
        {"a": "8x4xf32", "b": "8x1xbf16"},
    ),
    (
        "bias: 4 elements per partition, expected 1",
        "trn.activation exp %a bias %a : {a} to %a : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "scale must be a number or a vector, and not both",
        "trn.activation exp %a scale %s : {s} to %a {{scale_immediate = 2.0 : f32}} : {a}, {a}",
        {"a": "8x4xf32", "s": "8x1xf32"},
    ),
    # Reductions.
    (
        "op must be one of add, bitwise_and,",
        "trn.tensor_reduce subtract %a axes 1 to %b : {a}, {b}",
        {"a": "8x4xf32", "b": "8x1xf32"},
    ),
    (
        "axes: 1 to 1 trailing free dimensions, got 2",
        "trn.tensor_reduce add %a axes 2 to %b : {a}, {b}",
        {"a": "8x4xf32", "b": "8x1xf32"},
    ),
    (
        "dst: 4 elements per partition, expected 3",
        "trn.tensor_reduce add %a axes 1 to %b : {a}, {b}",
        {"a": "8x3x4xf32", "b": "8x4xf32"},
    ),
    (
        "dst has one partition, got 8",
        "trn.tensor_partition_reduce add %a to %a : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "bn_stats takes at most 512 elements, got 513",
        "trn.bn_stats %a to %b : {a}, {b}",
        {"a": "8x513xf32", "b": "8x6xf32"},
    ),
    (
        "dst: 5 elements per partition, expected 6",
        "trn.bn_stats %a to %b : {a}, {b}",
        {"a": "8x512xf32", "b": "8x5xf32"},
    ),
    (
        "bn_aggr takes a multiple of 3 elements, got 7",
        "trn.bn_aggr %a to %b : {a}, {b}",
        {"a": "8x7xf32", "b": "8x2xf32"},
    ),
    # Selection and numbering.
    (
        "the comparison must be one of",
        "trn.affine_select add %a else 0.0 to %a {{steps = array<i64: 1>}} : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "steps: one for each of 2 free dimensions, got 1",
        "trn.iota to %a {{steps = array<i64: 1>}} : {a}",
        {"a": "8x4x2xi32"},
    ),
    (
        "bound0: 4 elements per partition, expected 1",
        "trn.range_select less less %a, %a, %a else 0.0 to %a : {a}, {a}, {a}, {a}",
        {"a": "8x4xf32"},
    ),
    (
        "dst: 4 elements per partition, expected 8",
        "trn.sequence_bounds %a to %a : {a}, {a}",
        {"a": "8x4xf32"},
    ),
    # Searches.
    (
        "data has at least 8 elements, got 7",
        "trn.max8 %a to %b : {a}, {b}",
        {"a": "8x7xf32", "b": "8x8xf32"},
    ),
    (
        "dst: 9 elements per partition, expected 8",
        "trn.max8 %a to %b : {a}, {b}",
        {"a": "8x9xf32", "b": "8x9xf32"},
    ),
    (
        "values: 9 elements per partition, expected 8",
        "trn.find_index8 %a, %a to %b : {a}, {a}, {b}",
        {"a": "8x9xf32", "b": "8x8xi32"},
    ),
    (
        "dst must be an integer of 16 or 32 bits",
        "trn.find_index8 %a, %a to %a : {a}, {a}, {a}",
        {"a": "8x8xf32"},
    ),
    (
        "values: 4 elements per partition, expected 8",
        "trn.match_replace8 %a, %v by 0.0 to %a : {a}, {v}, {a}",
        {"a": "8x9xf32", "v": "8x4xf32"},
    ),
    # Permutations.
    (
        "mask: 32 entries, got 2",
        "trn.stream_shuffle %a to %a {{mask = array<i64: 0, 1>}} : {a}, {a}",
        {"a": "32x4xf32"},
    ),
    (
        "mask: entries are 0 to 31, or 255",
        f"trn.stream_shuffle %a to %a {{{{mask = array<i64: {MASK.replace('31', '32')}>}}}}"
        " : {a}, {a}",
        {"a": "32x4xf32"},
    ),
    (
        "mask: partition 1 gets partition 1 of src, which has 1",
        f"trn.stream_shuffle %a to %b {{{{mask = array<i64: {MASK}>}}}} : {{a}}, {{b}}",
        {"a": "1x4xf32", "b": "8x4xf32"},
    ),
    (
        "the index must be ui16, got i16",
        GATHER,
        {"a": "16x16xf32", "n": "16x1xi16", "b": "16x16xf32"},
    ),
    (
        "local_gather takes a multiple of 16 partitions, got 8",
        GATHER,
        {"a": "8x16xf32", "n": "8x1xui16", "b": "8x16xf32"},
    ),
    (
        "run: 1, 2, 4, 8, 16 or 32 elements",
        GATHER.replace("run = 1", "run = 3"),
        {"a": "16x16xf32", "n": "16x1xui16", "b": "16x48xf32"},
    ),
    (
        "count: 1 columns of indices do not hold 17",
        GATHER.replace("count = 16", "count = 17"),
        {"a": "16x16xf32", "n": "16x1xui16", "b": "16x17xf32"},
    ),
    # DMA.
    ("dst holds 30 elements, src 32", DMA, {"a": "8x4xf32@hbm", "b": "6x5xf32"}),
    (
        "dma_transpose moves elements of 2 bytes, got 4",
        DMA_TURN,
        {"a": "8x4xf32@hbm", "b": "4x8xf32"},
    ),
    ("is not the transpose of", DMA_TURN, {"a": "8x4xbf16@hbm", "b": "8x4xbf16"}),
    ("dma_transpose keeps the element type", DMA_TURN, {"a": "8x4xbf16@hbm", "b": "4x8xf16"}),
    ("src must have 2 dimensions, got 3", DMA_TURN, {"a": "8x4x1xbf16@hbm", "b": "4x8xbf16"}),
    # Number formats.
    ("element type f64: the engines know", DMA, {"a": "8x4xf64@hbm", "b": "8x4xf32"}),
    ("element type i64: the engines know", SCALAR, {"a": "8x4xi64", "b": "8x4xf32"}),
]


@pytest.mark.parametrize(("rule", "text", "shapes"), RULES)
def test_instructions_are_refused(
    rule: str, text: str, shapes: dict[str, str], refuse: Check, instruction: Check
) -> None:
    """The instruction breaks one rule, and the message is its text."""
    refuse(rule, *instruction(text, shapes))
