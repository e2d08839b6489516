"""The load unit: its controller, the reader that cuts rows into packets, and the write ports.

Sources: LoadController.scala, DMA.scala, Scratchpad.scala; times measured.
"""

from __future__ import annotations

from .causes import BUSY, COMMANDS_IN_FLIGHT, IDLE, MEMORY
from .decode import CONFIGURE
from .jit import stage
from .port import ADDRESS_PIPELINE, ADDRESS_QUEUE, MASK, request_size
from .reservation import queue_head, queue_is_empty, queue_pop
from .state import LOAD, Record, Records

ZERO_PIPELINE = 2
"""Cycles from the controller to the first write of zeros, one row and block per cycle."""
ZEROS_WAITING = 4
"""Rows of zeros that may wait for the write port before the controller stops."""
WRITTEN_TO_DONE = 1
"""Cycles from a command's last write to the report of its completion."""


@stage
def _finish_if_whole(load: Record, progress: Records, command: int, done: int) -> None:
    if progress[command].remaining > 0:
        return
    slot = load.done_tail & MASK
    load.done_time[slot] = done
    load.done_command[slot] = command
    load.done_tail += 1


@stage
def write_loaded_rows(
    load: Record, taken: Record, parameters: Record, progress: Records, now: int
) -> bool:
    """Write one row from memory and one of zeros; results of the array in a bank go first.

    Returns whether a row had to wait for its bank.
    """
    waited = False
    if load.write_head < load.write_tail and load.write_time[load.write_head & MASK] <= now:
        slot = load.write_head & MASK
        if _take_write_port(taken, parameters, load.write_bank[slot]):
            command = load.write_command[slot]
            load.write_head += 1
            progress[command].remaining -= load.write_bytes[slot]
            _finish_if_whole(load, progress, command, now + WRITTEN_TO_DONE)
        else:
            waited = True
    if load.zero_head < load.zero_tail and load.zero_time[load.zero_head & MASK] <= now:
        slot = load.zero_head & MASK
        if _take_write_port(taken, parameters, load.zero_bank[slot]):
            command = load.zero_done[slot]
            load.zero_head += 1
            progress[command].remaining -= 1
            _finish_if_whole(load, progress, command, now + WRITTEN_TO_DONE)
        else:
            waited = True
    return waited


@stage
def _take_write_port(taken: Record, parameters: Record, bank: int) -> bool:
    """Claim the write port of ``bank`` (accumulator banks follow those of the scratchpad)."""
    if bank >= parameters.spad_banks:
        bit = 1 << (bank - parameters.spad_banks)
        if (taken.acc_results | taken.acc_writes) & bit:
            return False
        taken.acc_writes |= bit
    else:
        bit = 1 << bank
        if (taken.spad_results | taken.spad_writes) & bit:
            return False
        taken.spad_writes |= bit
    return True


@stage
def cut_packet(load: Record, port: Record, parameters: Record, commands: Records, now: int) -> bool:
    """Send one packet of the row being read; take the next row once it is cut up.

    Returns whether a packet had to wait because too many are in flight.
    """
    waited = False
    if load.reading >= 0:
        waited = port.reads_in_flight >= parameters.max_packets_in_flight
        if not waited and port.read_tail - port.read_head < ADDRESS_QUEUE:
            _send_packet(load, port, parameters, commands[load.reading], now)
    if load.reading < 0 and load.request_head < load.request_tail:
        slot = load.request_head & MASK
        load.reading = load.request_command[slot]
        load.read_row = load.request_row[slot]
        load.read_offset = 0
        load.request_head += 1
    return waited


@stage
def _send_packet(load: Record, port: Record, parameters: Record, command: Record, now: int) -> None:
    address = command.dram + load.read_row * command.dram_step + load.read_offset
    left = command.row_bytes - load.read_offset
    size, useful = request_size(address, left, parameters.bus_bytes, parameters.max_request_bytes)
    slot = port.read_tail & MASK
    port.read_time[slot] = now + ADDRESS_PIPELINE
    port.read_command[slot] = load.reading
    port.read_row[slot] = load.read_row
    port.read_offset[slot] = load.read_offset
    port.read_size[slot] = size
    port.read_useful[slot] = useful
    port.read_address[slot] = address
    port.read_tail += 1
    port.reads_in_flight += 1
    load.read_offset += useful
    if load.read_offset >= command.row_bytes:
        load.reading = -1


@stage
def control_loads(
    load: Record,
    station: Record,
    parameters: Record,
    commands: Records,
    progress: Records,
    now: int,
) -> int:
    """One step of the controller: begin the next command, or request one of its rows."""
    if queue_is_empty(station, LOAD):
        return IDLE
    index = queue_head(station, LOAD)
    command = commands[index]
    if command.kind == CONFIGURE:
        queue_pop(station, LOAD)
        return BUSY
    if load.started < 0:
        if load.in_flight >= parameters.commands_in_flight:
            return COMMANDS_IN_FLIGHT
        load.in_flight += 1
        load.started = index
        load.row = 0
        rows = command.rows
        progress[index].remaining = rows * (command.row_bytes if command.dram else command.blocks)
    if command.dram == 0:
        return _request_zeros(load, station, parameters, command, now)
    if load.request_tail - load.request_head > parameters.memory_pipeline:
        return MEMORY
    slot = load.request_tail & MASK
    load.request_command[slot] = index
    load.request_row[slot] = load.row
    load.request_tail += 1
    _next_row(load, station, command)
    return BUSY


@stage
def _request_zeros(
    load: Record, station: Record, parameters: Record, command: Record, now: int
) -> int:
    if now < load.zero_free_at or load.zero_tail - load.zero_head >= ZEROS_WAITING:
        return BUSY
    row = command.local + load.row
    for block in range(command.blocks):
        slot = load.zero_tail & MASK
        if command.in_accumulator:
            bank = parameters.spad_banks + row // parameters.acc_bank_rows % parameters.acc_banks
        else:
            place = row + block * command.block_step
            bank = place // parameters.spad_bank_rows % parameters.spad_banks
        load.zero_time[slot] = now + ZERO_PIPELINE + block
        load.zero_bank[slot] = bank
        load.zero_done[slot] = load.started
        load.zero_tail += 1
    load.zero_free_at = now + command.blocks
    _next_row(load, station, command)
    return BUSY


@stage
def _next_row(load: Record, station: Record, command: Record) -> None:
    load.row += 1
    if load.row >= command.rows:
        load.started = -1
        queue_pop(station, LOAD)
