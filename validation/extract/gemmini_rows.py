"""What each command does with local rows: the record that orders are checked on (trusted core)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from xdsl.ir import Operation

from ..core.condition import FALSE, TRUE, Condition, all_of
from ..core.index import Index, Variable
from ..core.polyhedral import Fence, RowAccess
from .gemmini_state import ExecuteConfig, LocalAddress, Operand, Preload

if TYPE_CHECKING:
    from .from_gemmini import GemminiExtractor


class RowRecorder:
    """Notes the rows of commands, at the point where the extractor's walk stands."""

    def __init__(self, extractor: GemminiExtractor) -> None:
        self._extractor = extractor

    def load(
        self,
        target: LocalAddress,
        rows: Index,
        cols: Index,
        block_stride: int,
        source: tuple[Hashable, ...],
        start: tuple[Index, ...],
        operation: Operation,
    ) -> None:
        """A move-in: one access for all blocks of columns; no ``source`` for zeros.

        ``start`` is where it begins in DRAM.
        """
        dim = self._extractor.config.dim
        blocks = (cols + (dim - 1)) // dim
        block, inside = self._extractor.counter("b", blocks, self._extractor.config.max_blocks)
        first = target.row + Index.of(block) * block_stride
        self._note(
            "load", target, first, rows, rows, operation,
            dims=[block], condition=inside, adds=target.accumulate,
            loaded=source, at=(*start, rows, cols),
        )  # fmt: skip

    def store(self, source: LocalAddress, rows: Index, operation: Operation) -> None:
        """A move-out, which reads ``rows`` rows in a row."""
        self._note("use", source, source.row, rows, rows, operation)

    def computation(
        self,
        config: ExecuteConfig,
        preload: Preload,
        a: Operand,
        other: Operand,
        operation: Operation,
        *,
        preloaded: bool,
    ) -> None:
        """A computation with its preload: three operands and the result.

        The station tracks rows of an operand, and columns of a transposed A; what a transposed B is
        read by are columns (ReservationStation.scala:164-210).
        """
        where = preload.condition
        is_ws, turned = config.dataflow == "ws", config.b_transpose
        stationary, target = preload.stationary, preload.target
        fetched = stationary.cols if is_ws and turned else stationary.rows
        fetched = fetched if preloaded else Index((), 0)
        self._operand(stationary, fetched, stationary.rows, where, operation)
        fetched = other.cols if turned and not is_ws else other.rows
        self._operand(other, fetched, other.rows, where, operation)
        length = (a.cols if config.a_transpose else a.rows) * config.a_stride
        self._operand(a, length, length, where, operation)
        if target.exists:
            address, rows = target.address, target.rows * config.c_stride
            kind = "result" if address.space == "spad" else "use"
            self._note(kind, address, address.row, rows, rows, operation, condition=where)

    def drain(self) -> None:
        """All results have been written here."""
        self._extractor.program.drains.append(self.moment())

    def moment(self) -> Fence:
        scope = self._extractor.scope
        return Fence(tuple(scope.loops), all_of(scope.conditions), self._extractor.next_schedule())

    def _operand(
        self, operand: Operand, read: Index, tracked: Index, where: Condition, operation: Operation
    ) -> None:
        if operand.exists:
            address = operand.address
            self._note("operand", address, address.row, read, tracked, operation, condition=where)

    def _note(
        self,
        kind: str,
        address: LocalAddress,
        first: Index,
        rows: Index,
        tracked: Index,
        operation: Operation,
        *,
        dims: Sequence[Variable] = (),
        condition: Condition = TRUE,
        adds: Condition = FALSE,
        loaded: tuple[Hashable, ...] = (),
        at: tuple[Index, ...] = (),
    ) -> None:
        now = self.moment()
        access = RowAccess(
            kind, (*now.dims, *dims), all_of([now.condition, condition]), now.schedule,
            self._extractor.local(address).name, first, rows, tracked, adds, loaded, at, operation,
        )  # fmt: skip
        self._extractor.program.row_accesses.append(access)
