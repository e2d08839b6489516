"""Illegal uses of the machine that can be seen without running: what the hardware asserts on.

Every rule is a mask over one of the tables of ``resolve`` and a sentence. The command with the
smallest index is reported. Rules without a source follow from the extents of the fields and
memories; the others name the Chisel file or the reference model (``F``).
"""

from __future__ import annotations

from ..stream import CommandStream
from .check_configurations import check_commands, check_configurations
from .check_moves import check_dram, check_moves_in, check_moves_out, move_element_bytes
from .check_products import check_pairing, check_products
from .config import GemminiConfig
from .findings import CommandError, Findings
from .memory import MemoryLayout
from .resolve import Program

__all__ = ["CommandError", "check", "move_element_bytes"]


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
    findings = Findings()
    check_commands(findings, stream)
    check_configurations(findings, stream, config)
    check_moves_in(findings, program.moves_in, config)
    check_moves_out(findings, program.moves_out, config)
    check_products(findings, program.products, config)
    check_pairing(findings, stream, program, config)
    for moves in (program.moves_in, program.moves_out):
        check_dram(findings, moves, config, base, size, layout)
    findings.raise_first()
