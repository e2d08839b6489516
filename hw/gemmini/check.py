"""Illegal uses of the machine that can be seen without running: what the hardware asserts on.

Every rule is a mask over one of the tables of ``resolve`` and a sentence. The command with the
smallest index is reported. Rules without a source here follow from the extents of the fields and
memories; the others name the Chisel file or the function of the reference model (``F``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stream import FENCE, CommandStream, StreamError
from .config import GemminiConfig
from .fields import CONFIG_EX, CONFIG_LAYOUTS, CONFIG_LD, CONFIG_ST, KEEP_SCALE, bits_float
from .functional_state import STATISTICS
from .isa import Activation, ConfigType, Funct
from .memory import MemoryLayout
from .resolve import Program


class CommandError(StreamError):
    """An illegal command; ``index`` is its position in the stream, counted from 0."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"command {index}: {reason}")
        self.index = index
        self.reason = reason


def check(
    stream: CommandStream,
    program: Program,
    config: GemminiConfig,
    base: int,
    size: int,
    layout: MemoryLayout | None = None,
) -> None:
    """Raise ``CommandError`` for the first command that no Gemmini of this ``config`` accepts.

    ``program`` is the resolved ``stream``; DRAM is ``size`` bytes from the address ``base``. With
    ``layout``, a move must stay inside one array.
    """
    findings = _Findings()
    _check_commands(findings, stream)
    _check_configurations(findings, stream, config)
    _check_moves_in(findings, program.moves_in, config)
    _check_moves_out(findings, program.moves_out, config)
    _check_products(findings, program.products, config)
    _check_pairing(findings, stream, program, config)
    for moves in (program.moves_in, program.moves_out):
        _check_dram(findings, moves, config, base, size, layout)
    findings.raise_first()


class _Findings:
    """The earliest illegal command so far."""

    def __init__(self) -> None:
        self.first: tuple[int, str] | None = None

    def add(self, index: NDArray[np.int64], wrong: Any, reason: str, *values: Any) -> None:
        """Note the first of ``wrong``; ``reason`` is formatted with its elements of ``values``."""
        wrong = np.broadcast_to(wrong, len(index))
        if not wrong.any():
            return
        at = int(np.argmax(wrong))
        if self.first is None or index[at] < self.first[0]:
            details = [int(np.broadcast_to(value, len(index))[at]) for value in values]
            self.first = (int(index[at]), reason.format(*details))

    def raise_first(self) -> None:
        if self.first is not None:
            raise CommandError(*self.first)


def _check_commands(findings: _Findings, stream: CommandStream) -> None:
    known = np.zeros(256, np.bool_)
    known[[*Funct, FENCE]] = True
    index = np.arange(len(stream))
    findings.add(index, ~known[stream.funct], "unknown function code {}", stream.funct)


def _check_configurations(
    findings: _Findings, stream: CommandStream, config: GemminiConfig
) -> None:
    index = np.flatnonzero(stream.funct == Funct.CONFIG)
    rs1, rs2 = stream.rs1[index], stream.rs2[index]
    kind = CONFIG_EX["type"].of(rs1, rs2)
    _check_unused_bits(findings, index, rs1, rs2, kind)

    is_ex = (kind == ConfigType.EXECUTE) & (CONFIG_EX["strides_only"].of(rs1, rs2) == 0)
    is_ws = CONFIG_EX["weight_stationary"].of(rs1, rs2) == 1
    a_transpose = CONFIG_EX["a_transpose"].of(rs1, rs2) == 1
    b_transpose = CONFIG_EX["b_transpose"].of(rs1, rs2) == 1
    shift, activation = CONFIG_EX["shift"].of(rs1, rs2), CONFIG_EX["activation"].of(rs1, rs2)
    both = is_ex & is_ws & a_transpose & b_transpose
    findings.add(index, both, "weight-stationary: A and B cannot both be transposed")
    only_b = is_ex & ~is_ws & ~a_transpose & b_transpose
    findings.add(index, only_b, "output-stationary: B transposed needs A transposed too")
    limit = 8 * config.accumulator_bytes
    findings.add(index, is_ex & (shift >= limit), "shift {} is not below {}", shift, limit)
    findings.add(
        index,
        is_ex & (activation > Activation.RELU),
        "computations have no activation {}; only none and ReLU",
        activation,
    )

    is_load = kind == ConfigType.LOAD
    channel, stride = CONFIG_LD["channel"].of(rs1, rs2), CONFIG_LD["stride"].of(rs1, rs2)
    findings.add(index, is_load & (channel > 2), "load channel {} does not exist", channel)
    wide_stride = is_load & ((stride < 0) | (stride >> 32 != 0))
    findings.add(index, wide_stride, "DRAM row stride {} does not fit 32 bits", stride)
    for configures, field in (
        (is_load, CONFIG_LD["scale"]),
        (kind == ConfigType.STORE, CONFIG_ST["scale"]),
    ):
        bits = field.of(rs1, rs2)
        finite = np.isfinite(bits_float(bits)) | ((bits == KEEP_SCALE) & ~is_load)
        findings.add(index, configures & ~finite, "scale {:#x} is not a finite number", bits)

    missing = (kind == ConfigType.NORM) & (not config.has_normalizations)
    findings.add(index, missing, "this configuration has no normalizer")


def _check_unused_bits(
    findings: _Findings,
    index: NDArray[np.int64],
    rs1: NDArray[np.uint64],
    rs2: NDArray[np.uint64],
    kind: NDArray[np.int64],
) -> None:
    """A bit that belongs to no field is a sign of a misplaced one."""
    for config_type, layout in CONFIG_LAYOUTS.items():
        used = [0, 0]
        for field in layout.values():
            used[field.word - 1] |= ((1 << field.bits) - 1) << field.low
        for word, words in ((1, rs1), (2, rs2)):
            unused = words & np.uint64(~used[word - 1] & (1 << 64) - 1)
            wrong = (kind == config_type) & (unused != 0)
            reason = f"rs{word} of a {config_type.name} configuration sets the unused bits {{:#x}}"
            findings.add(index, wrong, reason, unused)


def _check_moves_in(findings: _Findings, moves: NDArray[Any], config: GemminiConfig) -> None:
    index, rows, cols, dim = moves["index"], moves["rows"], moves["cols"], config.dim
    in_acc = moves["in_accumulator"] == 1
    element = move_element_bytes(moves, config, is_store=False)
    limit = np.maximum(config.max_request_bytes // element, dim)
    findings.add(index, moves["config_source"] < 0, "no load configuration was set before")
    findings.add(index, (rows < 1) | (rows > dim), "moves {} rows, not 1 to {}", rows, dim)
    findings.add(index, (cols < 1) | (cols > limit), "moves {} columns, not 1 to {}", cols, limit)
    findings.add(index, moves["is_none"] == 1, "moves in to no address")
    _check_address(findings, moves, "", config)
    blocks = -(-cols // dim)
    last = moves["row"] + (blocks - 1) * moves["block_stride"] + rows
    _check_end(findings, index, in_acc, last, config)
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


def _check_moves_out(findings: _Findings, moves: NDArray[Any], config: GemminiConfig) -> None:
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
    _check_address(findings, moves, "", config, norm_allowed=config.has_normalizations)
    blocks = -(-cols // dim)
    last = moves["row"] + (blocks - 1) * dim + rows
    pixels = moves["out_rows"] * moves["out_cols"]
    last = np.where(pools, moves["row"] + pixels, last)
    _check_end(findings, index, in_acc, last, config)
    _check_pooling(findings, moves, is_full, dim)
    _check_normalizer(findings, moves, config)


def _check_pooling(
    findings: _Findings, moves: NDArray[Any], is_full: NDArray[np.bool_], dim: int
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


def _check_normalizer(findings: _Findings, moves: NDArray[Any], config: GemminiConfig) -> None:
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


def _check_products(findings: _Findings, products: NDArray[Any], config: GemminiConfig) -> None:
    index, dim = products["index"], config.dim
    findings.add(index, products["config_source"] < 0, "no execute configuration was set before")
    at_preload = np.where(products["preload_index"] < 0, index, products["preload_index"])
    for name, title, owner in (
        ("stationary", "the preloaded operand", at_preload),
        ("c", "C", at_preload),
        ("a", "A", index),
        ("other", "B or D", index),
    ):
        exists = products[f"{name}_is_none"] == 0
        for extent in ("rows", "cols"):
            size = products[f"{name}_{extent}"]
            wrong = exists & (size > dim)
            findings.add(owner, wrong, f"{title} has {{}} {extent}, more than {{}}", size, dim)
        if name != "c":
            from_acc = exists & (products[f"{name}_in_accumulator"] == 1)
            findings.add(owner, from_acc, f"{title} lies in the accumulator")  # F: assert
        _check_address(findings, products, f"{name}_", config, index=owner, exists=exists)
    _check_operand_ends(findings, products, config, at_preload)
    flips = np.cumsum(products["preloaded"]) > 0
    findings.add(index, ~flips, "uses the operand in the array, but none was loaded")


def _check_operand_ends(
    findings: _Findings,
    products: NDArray[Any],
    config: GemminiConfig,
    at_preload: NDArray[np.int64],
) -> None:
    """No operand may go past the end of its memory."""
    index = products["index"]
    is_ws = products["weight_stationary"] == 1
    b_transpose = products["b_transpose"] == 1
    nowhere = np.zeros(len(products), np.bool_)
    for name, owner, transposed, stride in (
        ("stationary", at_preload, is_ws & b_transpose, 1),
        ("other", index, ~is_ws & b_transpose, 1),
        ("a", index, products["a_transpose"] == 1, products["a_stride"]),
    ):
        end = operand_end(products, name, transposed, stride)
        _check_end(findings, owner, nowhere, end, config)
    end = operand_end(products, "c", nowhere, products["c_stride"])
    _check_end(findings, at_preload, products["c_in_accumulator"] == 1, end, config)
    overlapping = (products["c_is_none"] == 0) & (products["c_rows"] > 1)
    overlapping &= products["c_stride"] == 0
    findings.add(at_preload, overlapping, "all rows of C go to the same local row: C stride 0")


def operand_end(
    products: NDArray[Any], name: str, transposed: NDArray[np.bool_], stride: Any
) -> NDArray[np.int64]:
    """One past the last local row of an operand; 0 if the operand is empty."""
    rows, cols = products[f"{name}_rows"], products[f"{name}_cols"]
    local_rows = np.where(transposed, cols, rows)
    exists = (products[f"{name}_is_none"] == 0) & (rows > 0) & (cols > 0)
    return np.where(exists, products[f"{name}_row"] + (local_rows - 1) * stride + 1, 0)


def _check_pairing(
    findings: _Findings, stream: CommandStream, program: Program, config: GemminiConfig
) -> None:
    """Each computation has a preload of its own, and nothing comes between that they depend on.

    The array takes C's address with the preload and the operand as early as it can, while the
    reference model takes both with the computation; a program that can tell is refused.
    """
    products = program.products
    index = products["index"]
    unpaired = products["preload_index"] <= products["previous_product"]
    findings.add(index, unpaired, "a computation needs a preload of its own before it")
    preloads = np.flatnonzero(stream.funct == Funct.PRELOAD)
    paired = np.isin(preloads, products["preload_index"])
    findings.add(preloads, ~paired, "no computation follows this preload")
    config_between = products["strides_source"] > products["preload_index"]
    findings.add(
        products["strides_source"],
        config_between & ~unpaired,
        "configures the array between a preload and its computation",
    )
    gap = index - products["preload_index"] > 1
    if not gap.any():
        return
    pending = products[gap & ~unpaired]
    for moves in (program.moves_in, program.moves_out):
        _check_between(findings, moves, pending, config)


def _check_between(
    findings: _Findings, moves: NDArray[Any], pending: NDArray[Any], config: GemminiConfig
) -> None:
    """No move between a preload and its computation may touch C, or overwrite the operand."""
    if len(pending) == 0 or len(moves) == 0:
        return
    of_product = np.searchsorted(pending["index"], moves["index"])
    of_product = np.minimum(of_product, len(pending) - 1)
    product = pending[of_product]
    between = (moves["index"] > product["preload_index"]) & (moves["index"] < product["index"])
    start, end = _move_rows(moves, config)
    transposed = (product["weight_stationary"] == 1) & (product["b_transpose"] == 1)
    nowhere = np.zeros(len(moves), np.bool_)
    c_end = operand_end(product, "c", nowhere, product["c_stride"])
    same_memory = product["c_in_accumulator"] == moves["in_accumulator"]
    touches_c = same_memory & (start < c_end) & (product["c_row"] < end)
    findings.add(
        moves["index"],
        between & touches_c,
        "touches C of the preload {} before its computation",
        product["preload_index"],
    )
    if "block_stride" not in (moves.dtype.names or ()):
        return
    operand_last = operand_end(product, "stationary", transposed, 1)
    overwrites = (moves["in_accumulator"] == 0) & (start < operand_last)
    overwrites &= product["stationary_row"] < end
    findings.add(
        moves["index"],
        between & overwrites,
        "overwrites the operand of the preload {} before its computation",
        product["preload_index"],
    )


def _move_rows(
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


def _check_address(
    findings: _Findings,
    table: NDArray[Any],
    prefix: str,
    config: GemminiConfig,
    *,
    index: NDArray[np.int64] | None = None,
    exists: Any = True,
    norm_allowed: bool = False,
) -> None:
    """Flag bits where they mean nothing are a sign of a misplaced row number."""
    index = table["index"] if index is None else index
    in_acc = table[f"{prefix}in_accumulator"] == 1
    flags = table[f"{prefix}flags"]
    wrong = exists & ~in_acc & (flags != 0) & (table[f"{prefix}is_none"] == 0)
    findings.add(index, wrong, "a scratchpad address has the flag bits {:#x}", flags << 26)
    if not norm_allowed:
        command = table[f"{prefix}norm_command"]
        wrong = exists & in_acc & (command != 0) & (table[f"{prefix}is_none"] == 0)
        findings.add(index, wrong, "an accumulator address has the normalizer command {}", command)


def _check_end(
    findings: _Findings,
    index: NDArray[np.int64],
    in_accumulator: NDArray[np.bool_],
    end: NDArray[np.int64],
    config: GemminiConfig,
) -> None:
    """Local rows do not wrap around."""
    for where, title, rows in (
        (~in_accumulator, "scratchpad", config.spad_rows),
        (in_accumulator, "accumulator", config.acc_rows),
    ):
        reason = f"goes to {title} row {{}}; the last one is {{}}"
        findings.add(index, where & (end > rows), reason, end - 1, rows - 1)


def _check_dram(
    findings: _Findings,
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
    if layout is not None and layout.arrays:
        _check_arrays(findings, moves, end, layout)


def _check_arrays(
    findings: _Findings, moves: NDArray[Any], end: NDArray[np.int64], layout: MemoryLayout
) -> None:
    starts = np.array([array.address for array in layout.arrays])
    ends = np.array([array.address + array.size for array in layout.arrays])
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
