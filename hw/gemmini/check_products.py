"""Illegal preloads and computations, and what may not come between the two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stream import CommandStream
from .check_moves import move_rows
from .config import GemminiConfig
from .findings import Findings, check_address, check_end
from .isa import Funct
from .resolve import Program


def check_products(findings: Findings, products: NDArray[Any], config: GemminiConfig) -> None:
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
        check_address(findings, products, f"{name}_", index=owner, exists=exists)
    _check_operand_ends(findings, products, config, at_preload)
    flips = np.cumsum(products["preloaded"]) > 0
    findings.add(index, ~flips, "uses the operand in the array, but none was loaded")


def _check_operand_ends(
    findings: Findings,
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
        check_end(findings, owner, nowhere, end, config)
    end = operand_end(products, "c", nowhere, products["c_stride"])
    check_end(findings, at_preload, products["c_in_accumulator"] == 1, end, config)
    overlapping = (products["c_is_none"] == 0) & (products["c_rows"] > 1)
    overlapping &= products["c_stride"] == 0
    reason = "all rows of C go to the same local row: a C stride of 0 was configured, or none"
    findings.add(at_preload, overlapping, reason)


def operand_end(
    products: NDArray[Any], name: str, transposed: NDArray[np.bool_], stride: Any
) -> NDArray[np.int64]:
    """One past the last local row of an operand; 0 if the operand is empty."""
    rows, cols = products[f"{name}_rows"], products[f"{name}_cols"]
    local_rows = np.where(transposed, cols, rows)
    exists = (products[f"{name}_is_none"] == 0) & (rows > 0) & (cols > 0)
    return np.where(exists, products[f"{name}_row"] + (local_rows - 1) * stride + 1, 0)


def check_pairing(
    findings: Findings, stream: CommandStream, program: Program, config: GemminiConfig
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
    findings: Findings, moves: NDArray[Any], pending: NDArray[Any], config: GemminiConfig
) -> None:
    """No move between a preload and its computation may touch C, or overwrite the operand."""
    if len(pending) == 0 or len(moves) == 0:
        return
    of_product = np.searchsorted(pending["index"], moves["index"])
    of_product = np.minimum(of_product, len(pending) - 1)
    product = pending[of_product]
    between = (moves["index"] > product["preload_index"]) & (moves["index"] < product["index"])
    start, end = move_rows(moves, config)
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
