"""The functional simulator: what a command stream does to memory, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from ..stream import CORE_WORK, CommandStream, StreamError
from .check import check
from .config import GemminiConfig
from .findings import CommandError
from .functional_execute import multiply
from .functional_load import move_in
from .functional_state import Fault, Machine, new_machine
from .functional_store import move_out
from .isa import DRAM_BASE, Funct
from .memory import MemoryLayout
from .resolve import MOVES_IN, MOVES_OUT, Program, resolve
from .unroll import stream_of_module

_FAULT_MEMORY = {
    Fault.SPAD_UNINITIALISED: "scratchpad",
    Fault.ACC_UNINITIALISED: "accumulator",
}
_SOURCES = ("functional*.py", "semantics.py", "resolve.py", "isa.py")


@dataclass(frozen=True)
class FunctionalResult:
    """The local memories after a run, for those who want to look; DRAM is changed in place."""

    scratchpad: NDArray[Any]
    """rows × DIM elements."""
    accumulator: NDArray[Any]
    scratchpad_valid: NDArray[np.uint8]
    """1 for each element that was written."""
    accumulator_valid: NDArray[np.uint8]


def run(
    stream: CommandStream,
    config: GemminiConfig,
    memory: NDArray[np.uint8],
    *,
    base: int = DRAM_BASE,
    layout: MemoryLayout | None = None,
    detect_uninitialised: bool = True,
    core: Callable[[int], None] | None = None,
) -> FunctionalResult:
    """Run a stream on ``memory``, a DRAM image whose first byte has the address ``base``.

    The image is changed in place. With ``layout``, each move must stay inside of one array. Reads
    of local cells that nothing has written are errors unless ``detect_uninitialised`` is off (they
    then read 0). ``core`` does to ``memory`` what the core itself does at a row of the stream,
    which it is given; without it, streams with such rows are refused. Raises ``StreamError``, with
    the command's index, for every illegal use; the image may have been changed by the commands
    before an uninitialised read.
    """
    if core is None and stream.has_core_work:
        raise StreamError("the stream does not say what the core's own loops compute")
    plain, index_of = expanded(stream, config)
    program = resolve(plain)
    try:
        check(plain, program, config, base, len(memory), layout)
        machine = new_machine(config, memory, tracks_validity=detect_uninitialised)
        for moves in (program.moves_in, program.moves_out):
            moves["dram"] -= base
        _simulate(plain, program, machine, lambda row: core(int(index_of[row])) if core else None)
    except CommandError as error:
        raise _located(error, index_of) from error
    return FunctionalResult(machine.spad, machine.acc, machine.spad_valid, machine.acc_valid)


def run_function(
    module: ModuleOp,
    config: GemminiConfig,
    arrays: Mapping[str, NDArray[Any]] | Sequence[NDArray[Any] | None],
    *,
    name: str | None = None,
) -> list[NDArray[Any]]:
    """Run the kernel of an ISA IR module on ``arrays``, by name or in order of the parameters.

    What is not given is 0. Returns all arrays as they are after the run. Raises ``Diagnostic`` or
    ``StreamError`` as ``stream_of_module`` and ``run`` do.
    """
    stream, layout = stream_of_module(module, config, name)
    memory = layout.image(arrays)
    run(stream, config, memory, layout=layout)
    return layout.read(memory)


def expanded(
    stream: CommandStream, config: GemminiConfig
) -> tuple[CommandStream, NDArray[np.int64]]:
    """The stream with its hardware loops as plain commands, and where each command comes from."""
    numbered = replace(stream, origin=np.arange(len(stream), dtype=np.int32))
    if not np.isin(stream.funct, (Funct.LOOP_WS, Funct.LOOP_CONV_WS)).any():
        return stream, numbered.origin.astype(np.int64)
    from .loop_unroller import expand_loops

    plain = expand_loops(numbered, config)
    return plain, plain.origin.astype(np.int64)


def _located(error: CommandError, index_of: NDArray[np.int64]) -> CommandError:
    """The error with the index of the command in the stream that the caller gave."""
    return CommandError(int(index_of[error.index]), error.reason)


def _simulate(
    stream: CommandStream, program: Program, machine: Machine, core: Callable[[int], None]
) -> None:
    """Run all steps, and ``core`` at each row of its own."""
    tables = (program.moves_in, program.moves_out, program.products)
    starts = [0] * len(tables)
    for row in (*map(int, np.flatnonzero(stream.funct == CORE_WORK)), len(stream)):
        ends = [int(np.searchsorted(table["index"], row)) for table in tables]
        order = program.order[sum(starts) : sum(ends)]
        parts = (table[s:e] for table, s, e in zip(tables, starts, ends, strict=True))
        _run_steps(order, *parts, machine)
        _raise_fault(machine)
        if row < len(stream):
            core(row)
        starts = ends


def _raise_fault(machine: Machine) -> None:
    fault = machine.fault[0]
    if fault["kind"] != Fault.NONE:
        name = _FAULT_MEMORY[Fault(int(fault["kind"]))]
        row, col = int(fault["row"]), int(fault["col"])
        raise CommandError(
            int(fault["index"]),
            f"reads {name} row {row}, column {col}, which nothing has written",
        )


def _source_digest() -> int:
    """A number that changes with the source of the loops and of the semantics."""
    folder = Path(__file__).parent
    paths = sorted(path for pattern in _SOURCES for path in folder.glob(pattern))
    text = b"".join(path.read_bytes() for path in paths)
    return int.from_bytes(sha256(text).digest()[:7], "big")


def _build_run_steps(digest: int) -> Callable[..., int]:
    """The compiled loop over all steps.

    numba caches it by its own source and its closure only, so the digest of all sources is part of
    the closure: machine code never outlives the source that it was compiled from.
    """

    @numba.njit(cache=True, error_model="numpy")
    def run_steps(
        order: NDArray[np.uint8],
        moves_in: NDArray[Any],
        moves_out: NDArray[Any],
        products: NDArray[Any],
        machine: Machine,
    ) -> int:
        next_in, next_out, next_product = 0, 0, 0
        for step in order:
            if step == MOVES_IN:
                move_in(machine, moves_in[next_in])
                next_in += 1
            elif step == MOVES_OUT:
                move_out(machine, moves_out[next_out])
                next_out += 1
            else:
                multiply(machine, products[next_product])
                next_product += 1
            if machine.fault[0].kind != 0:
                break
        return digest

    return run_steps


_run_steps = _build_run_steps(_source_digest())
