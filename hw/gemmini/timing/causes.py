"""What a unit does in a cycle: one small number per cause, shared by the stages and the reports."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

BUSY: Final = 0
IDLE: Final = 1
WAITS_FOR_LOAD: Final = 2
WAITS_FOR_EXECUTE: Final = 3
WAITS_FOR_STORE: Final = 4
BANK_TAKEN: Final = 5
SAME_BANK: Final = 6
COMMANDS_IN_FLIGHT: Final = 7
PACKETS_IN_FLIGHT: Final = 8
MEMORY: Final = 9
ARRAY_FULL: Final = 10
DRAIN: Final = 11
HAZARD: Final = 12
NEXT_COMMAND: Final = 13
PIPELINE: Final = 14
CAUSES: Final = 15

CAUSE_NAMES: Final = (
    "busy",
    "idle",
    "waits_for_load",
    "waits_for_execute",
    "waits_for_store",
    "bank_taken",
    "same_bank",
    "commands_in_flight",
    "packets_in_flight",
    "memory",
    "array_full",
    "drain",
    "hazard",
    "next_command",
    "pipeline",
)
"""Keys of the reports, in the order of the numbers."""

CAUSE_WORDS: Final = {
    "idle": "no command had been dispatched to it",
    "waits_for_load": "its next command needs a load that has not completed",
    "waits_for_execute": "its next command needs a computation that has not completed",
    "waits_for_store": "its next command overwrites rows that a store still reads",
    "bank_taken": "another unit wrote to the bank it wanted to read or write",
    "same_bank": "two operands of one computation lie in the same scratchpad bank",
    "commands_in_flight": "as many loads as the hardware tracks were in flight",
    "packets_in_flight": "as many requests as the hardware tracks were in flight",
    "memory": "it waited for the memory to answer",
    "array_full": "short operations filled the array's tags",
    "drain": "a configuration waited for the array to empty",
    "hazard": "an operand is a result that has not left the array",
    "next_command": "a preload waited for the compute behind it",
    "pipeline": "rows were on their way through the read and scale pipeline",
}
"""What each stall means, to complete "the unit stood still because"."""


class Unit(IntEnum):
    """The three units, each with its own queue in the reservation station."""

    LOAD = 0
    EXECUTE = 1
    STORE = 2
