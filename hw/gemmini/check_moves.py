"""Illegal moves: their extents, local rows, DRAM bytes, pooling and normalization."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .config import GemminiConfig
from .findings import Findings, check_address, check_end
from .isa import Activation
from .memory import MemoryLayout
from .semantics import STATISTICS


def check_moves_in(findings: Findings, moves: NDArray[Any], config: GemminiConfig) -> None:
    index, rows, cols, dim = moves["index"], moves["rows"], moves["cols"], config.dim
    in_acc = moves["in_accumulator"] == 1
    element = move_element_bytes(moves, config, is_store=False)
    limit = np.maximum(config.max_request_bytes // element, dim)
    findings.add(index, moves["config_source"] < 0, "no load configuration was set before")
    findings.add(index, (rows < 1) | (rows > dim), "moves {} rows, not 1 to {}", rows, dim)
    findings.add(index, (cols < 1) | (cols > limit), "moves {} columns, not 1 to {}", cols, limit)
    findings.add(index, moves["is_none"] == 1, "moves in to no address")
    check_address(findings, moves, "")
    blocks = -(-cols // dim)
    last = moves["row"] + (blocks - 1) * moves["block_stride"] + rows
    check_end(findings, index, in_acc, last, config)
    overlapping = (blocks > 1) & (moves["block_stride"] < rows)
    findings.add(
        index,
        overlapping,
        "the blocks of {} columns overlap: block stride {}, {} rows",
        dim,
        moves["block_stride"],
        rows,
    )
    # PixelRepeater.scala: repeats stay within one local row, and never go to the accumulator.
    repeats = moves["pixel_repeats"]
    findings.add(index, (repeats > 1) & in_acc, "pixel repeats into the accumulator")
    findings.add(
        index,
        (repeats > 1) & (repeats * cols > dim),
        "{} pixel repeats of {} columns exceed a local row of {}",
        repeats,
        cols,
        dim,
    )


def check_moves_out(findings: Findings, moves: NDArray[Any], config: GemminiConfig) -> None:
    index, rows, cols, dim = moves["index"], moves["rows"], moves["cols"], config.dim
    in_acc, pools = moves["in_accumulator"] == 1, moves["pool_stride"] > 0
    is_full = in_acc & (moves["full_width"] == 1)
    limit = dim * config.max_blocks
    findings.add(index, moves["config_source"] < 0, "no store configuration was set before")
    no_scale = in_acc & ~is_full & (moves["scale_source"] < 0)
    findings.add(index, no_scale, "keeps a store scale that was never set")
    wrong_rows = ~pools & ((rows < 1) | (rows > dim))
    findings.add(index, wrong_rows, "moves {} rows, not 1 to {}", rows, dim)
    findings.add(index, (cols < 1) | (cols > limit), "moves {} columns, not 1 to {}", cols, limit)
    # StoreController.scala:225.
    wide_full = is_full & (cols > dim)
    findings.add(index, wide_full, "a full-width move out of {} columns, more than {}", cols, dim)
    findings.add(index, moves["is_none"] == 1, "moves out from no address")
    check_address(findings, moves, "", norm_allowed=config.has_normalizations)
    blocks = -(-cols // dim)
    last = moves["row"] + (blocks - 1) * dim + rows
    pixels = moves["out_rows"] * moves["out_cols"]
    last = np.where(pools, moves["row"] + pixels, last)
    check_end(findings, index, in_acc, last, config)
    _check_pooling(findings, moves, is_full, dim)
    _check_normalizer(findings, moves, config)


def _check_pooling(
    findings: Findings, moves: NDArray[Any], is_full: NDArray[np.bool_], dim: int
) -> None:
    index, pools = moves["index"], moves["pool_stride"] > 0
    findings.add(index, pools & (moves["pool_size"] == 0), "pools over windows of size 0")
    findings.add(index, pools & is_full, "pools full-width elements")
    too_wide = pools & (moves["cols"] > dim)
    findings.add(index, too_wide, "pools {} columns, more than {}", moves["cols"], dim)
    statistic = moves["norm_command"] != 0
    row_wise = np.isin(moves["activation"], (Activation.LAYERNORM, Activation.SOFTMAX))
    normalizes = (moves["in_accumulator"] == 1) & (statistic | row_wise)
    findings.add(index, pools & normalizes, "pools a row that is normalized")


def _check_normalizer(findings: Findings, moves: NDArray[Any], config: GemminiConfig) -> None:
    index, activation = moves["index"], moves["activation"]
    needs = (activation > Activation.RELU) | (moves["norm_command"] != 0)
    needs &= moves["in_accumulator"] == 1
    if not (config.has_normalizations and config.is_integer):
        findings.add(index, needs, "needs a normalizer, which this configuration lacks")
    unset = np.isin(activation, (Activation.IGELU, Activation.SOFTMAX)) & (moves["norm_source"] < 0)
    findings.add(index, unset, "needs constants of the normalizer that were never set")
    unknown = activation > max(Activation)
    findings.add(index, unknown, "activation {} does not exist", activation)
    statistic = moves["stat_id"]
    findings.add(index, statistic >= STATISTICS, "statistic {} does not exist", statistic)


def move_rows(
    moves: NDArray[Any], config: GemminiConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First local row of each move, and one past its last; pixel repeats reach further down."""
    blocks = -(-moves["cols"] // config.dim)
    if "block_stride" in (moves.dtype.names or ()):
        start = moves["row"] - (moves["pixel_repeats"] - 1)
        return start, moves["row"] + (blocks - 1) * moves["block_stride"] + moves["rows"]
    end = moves["row"] + (blocks - 1) * config.dim + moves["rows"]
    pools = moves["pool_stride"] > 0
    pixels = moves["out_rows"] * moves["out_cols"]
    return moves["row"], np.where(pools, moves["row"] + pixels, end)


def check_dram(
    findings: Findings,
    moves: NDArray[Any],
    config: GemminiConfig,
    base: int,
    size: int,
    layout: MemoryLayout | None,
) -> None:
    is_store = "pool_stride" in (moves.dtype.names or ())
    used = moves["norm_command"] == 0 if is_store else moves["is_zeros"] == 0
    moves = moves[used]
    index, dram, stride = moves["index"], moves["dram"], moves["stride"]
    element = move_element_bytes(moves, config, is_store=is_store)
    strided = (moves["rows"] > 1) | is_store
    misaligned = (dram % element != 0) | strided & (stride % element != 0)
    findings.add(
        index,
        misaligned,
        "address {:#x} and stride {} are no multiples of the element size {}",
        dram.view(np.uint64),
        stride,
        element,
    )
    last_row = moves["rows"] - 1
    if is_store:
        last_pixel = (moves["pool_rows"] - 1) * moves["pool_out_dim"] + moves["pool_cols"] - 1
        last_row = np.where(moves["pool_stride"] > 0, last_pixel, last_row)
    end = dram + last_row * stride + moves["cols"] * element
    outside = (dram < base) | (end > base + size) | (dram > base + size)
    reason = "reaches the bytes {:#x} to {:#x} of DRAM, outside of {:#x} to {:#x}"
    findings.add(index, outside, reason, dram.view(np.uint64), end - 1, base, base + size - 1)
    if layout is not None and layout.all_arrays:
        _check_arrays(findings, moves, end, layout)


def _check_arrays(
    findings: Findings, moves: NDArray[Any], end: NDArray[np.int64], layout: MemoryLayout
) -> None:
    starts = np.array([array.address for array in layout.all_arrays])
    ends = np.array([array.address + array.size for array in layout.all_arrays])
    number = np.searchsorted(starts, moves["dram"], side="right") - 1
    crosses = (number >= 0) & (end > ends[number])
    findings.add(
        moves["index"],
        crosses,
        "reaches the byte {:#x} of DRAM, past the end of its array at {:#x}",
        end - 1,
        ends[number],
    )


def move_element_bytes(
    moves: NDArray[Any], config: GemminiConfig, *, is_store: bool
) -> NDArray[np.int64]:
    """Bytes of a DRAM element of each move."""
    in_acc = moves["in_accumulator"] == 1
    wide = in_acc & (moves["full_width"] == 1) if is_store else in_acc & (moves["shrunk"] == 0)
    return np.where(wide, config.accumulator_bytes, config.input_bytes)
