"""What a stream does with its time: one small number per cause, shared by kernels and reports."""

from __future__ import annotations

from typing import Final

BUSY: Final = 0
IDLE: Final = 1
PORT: Final = 2
TABLE: Final = 3
DEPENDENCE: Final = 4
"""First of six causes: waits for a result of PE, ACT, DVE, POOL, SP, or of a DMA."""
CAUSES: Final = 10

CAUSE_NAMES: Final = (
    "busy",
    "idle",
    "port_taken",
    "table_load",
    "waits_for_pe",
    "waits_for_act",
    "waits_for_dve",
    "waits_for_pool",
    "waits_for_sp",
    "waits_for_dma",
)
"""Keys of the reports, in the order of the numbers."""

CAUSE_WORDS: Final = {
    "idle": "it had nothing left to do",
    "port_taken": "another engine held the port to the memory it wanted",
    "table_load": "it loaded the table of another activation function",
    "waits_for_pe": "its next instruction needs a result of the tensor engine",
    "waits_for_act": "its next instruction needs a result of the scalar engine",
    "waits_for_dve": "its next instruction needs a result of the vector engine",
    "waits_for_pool": "its next instruction needs a result of GpSimd",
    "waits_for_sp": "its next instruction waits for the sync engine",
    "waits_for_dma": "its next instruction needs data that a DMA has not moved yet",
}
"""What each wait means, to complete "the engine stood still because"."""
