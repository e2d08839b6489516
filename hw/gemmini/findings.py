"""How illegal commands are collected and reported, and the rules that all operands share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stream import StreamError
from .config import GemminiConfig


class CommandError(StreamError):
    """An illegal command; ``index`` is its position in the stream, counted from 0."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"command {index}: {reason}")
        self.index = index
        self.reason = reason


class Findings:
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


def check_address(
    findings: Findings,
    table: NDArray[Any],
    prefix: str,
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


def check_end(
    findings: Findings,
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
