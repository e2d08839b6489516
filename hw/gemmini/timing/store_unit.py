"""The store unit: its controller, the read of local rows, the scale unit, and the writer.

Sources: StoreController.scala, Scratchpad.scala:270-350 and 716-790, StreamWriter; times measured.
A store completes in the reservation station when its last row has been read.
"""

from __future__ import annotations

from .causes import BANK_TAKEN, BUSY, IDLE, MEMORY, PACKETS_IN_FLIGHT, PIPELINE
from .decode import CONFIGURE
from .jit import stage
from .port import ADDRESS_PIPELINE, ADDRESS_QUEUE, MASK, request_size
from .reservation import queue_head, queue_is_empty, queue_pop
from .state import STORE, Record, Records

REQUESTS_WAITING = 2
"""Rows that the controller may request ahead of the read (write_dispatch_q)."""
READ_TO_DONE = 2
"""Cycles from the last read to the report of completion (measured: issue to done is 24)."""
WRITE_PIPELINE = ADDRESS_PIPELINE + 2
"""Cycles from a beat's choice to channel A (from the interference of stores with loads)."""


@stage
def control_stores(
    store: Record,
    station: Record,
    parameters: Record,
    commands: Records,
    progress: Records,
) -> None:
    """One step of the controller: begin the next command, or request one of its row pieces."""
    if queue_is_empty(station, STORE):
        return
    index = queue_head(station, STORE)
    command = commands[index]
    if command.kind == CONFIGURE:
        queue_pop(station, STORE)
        return
    pieces = command.blocks * command.row_reads
    if store.started < 0:
        if store.in_flight >= parameters.commands_in_flight:
            return
        store.in_flight += 1
        store.started = index
        store.row = store.block = 0
        progress[index].remaining = command.rows * pieces
    if store.request_tail - store.request_head >= REQUESTS_WAITING:
        return
    slot = store.request_tail & MASK
    store.request_command[slot] = index
    store.request_row[slot] = store.row
    store.request_block[slot] = store.block
    store.request_tail += 1
    store.block += 1
    if store.block == pieces:
        store.block = 0
        store.row += 1
    if store.row >= command.rows:
        store.started = -1
        queue_pop(station, STORE)


@stage
def write_out(store: Record, port: Record, parameters: Record, commands: Records, now: int) -> int:
    """Send a beat of the row being written; take the next scaled row when it is gone.

    Returns what it did, or why it did not.
    """
    cause = IDLE
    is_free = store.writing < 0
    if not is_free:
        starts_packet = store.write_beats == 0
        if starts_packet and port.writes_in_flight >= parameters.max_packets_in_flight:
            cause = PACKETS_IN_FLIGHT
        elif port.write_tail - port.write_head >= ADDRESS_QUEUE:
            cause = MEMORY
        else:
            cause = BUSY
            if starts_packet:
                _start_packet(store, port, parameters)
            is_free = _send_beat(store, port, now)
    if is_free and store.scale_head < store.scale_tail:
        slot = store.scale_head & MASK
        if store.scale_time[slot] <= now:
            store.scale_head += 1
            _take_row(store, commands, slot)
    return cause


@stage
def _take_row(store: Record, commands: Records, slot: int) -> None:
    """Begin to write a row once its last piece is there; earlier pieces are only collected."""
    index = store.scale_command[slot]
    command = commands[index]
    if store.scale_block[slot] + 1 < command.blocks * command.row_reads:
        return
    store.writing = index
    store.write_left = command.row_bytes
    store.write_address = command.dram + store.scale_row[slot] * command.dram_step
    store.write_beats = 0


@stage
def _start_packet(store: Record, port: Record, parameters: Record) -> None:
    size, useful = request_size(
        store.write_address, store.write_left, parameters.bus_bytes, parameters.max_request_bytes
    )
    port.write_address[port.address_tail & MASK] = store.write_address
    port.address_tail += 1
    port.writes_in_flight += 1
    store.write_beats = max(1, size // parameters.bus_bytes)
    store.write_left -= useful
    store.write_address += useful


@stage
def _send_beat(store: Record, port: Record, now: int) -> bool:
    """Send one beat; returns whether it was the last of the row."""
    store.write_beats -= 1
    is_last = store.write_beats == 0
    slot = port.write_tail & MASK
    port.write_time[slot] = now + WRITE_PIPELINE
    port.write_last[slot] = 1 if is_last else 0
    port.write_tail += 1
    if is_last and store.write_left <= 0:
        store.writing = -1
    return store.writing < 0


@stage
def scale_row(store: Record, parameters: Record, commands: Records, now: int) -> None:
    """Pass one piece on to the scale unit (accumulator rows) or around it (scratchpad rows)."""
    if store.norm_head == store.norm_tail:
        return
    if store.scale_tail - store.scale_head > parameters.memory_pipeline:
        return
    source, slot = store.norm_head & MASK, store.scale_tail & MASK
    index = store.norm_command[source]
    delay = max(0, parameters.memory_pipeline - 1)
    if commands[index].in_accumulator:
        delay = parameters.scale_latency
    store.scale_time[slot] = now + delay
    store.scale_command[slot] = index
    store.scale_row[slot] = store.norm_row[source]
    store.scale_block[slot] = store.norm_block[source]
    store.norm_head += 1
    store.scale_tail += 1


@stage
def read_row(
    store: Record,
    taken: Record,
    parameters: Record,
    commands: Records,
    progress: Records,
    now: int,
) -> int:
    """Read one piece of a row from its bank. Returns what it did, or why it did not."""
    if store.request_head == store.request_tail:
        return IDLE
    source = store.request_head & MASK
    index = store.request_command[source]
    command = commands[index]
    room = 1 if command.in_accumulator else parameters.memory_pipeline + 2
    if store.norm_tail - store.norm_head >= room:
        return PIPELINE
    place = command.local + store.request_row[source]
    place += store.request_block[source] // command.row_reads * command.block_step
    if command.in_accumulator:
        bank = place // parameters.acc_bank_rows % parameters.acc_banks
        if (taken.acc_accumulates >> bank) & 1:
            return BANK_TAKEN
    else:
        bank = place // parameters.spad_bank_rows % parameters.spad_banks
        if ((taken.spad_writes | taken.spad_results) >> bank) & 1:
            return BANK_TAKEN
    slot = store.norm_tail & MASK
    store.norm_command[slot] = index
    store.norm_row[slot] = store.request_row[source]
    store.norm_block[slot] = store.request_block[source]
    store.norm_tail += 1
    store.request_head += 1
    progress[index].remaining -= 1
    if progress[index].remaining == 0:
        done = store.done_tail & MASK
        store.done_time[done] = now + READ_TO_DONE
        store.done_command[done] = index
        store.done_tail += 1
    return BUSY
