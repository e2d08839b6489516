"""The memory port: requests out (TileLink channel A), replies in (channel D), rows merged.

The load and the store unit share one port of ``bus_bytes`` per cycle in each direction. Reads are
answered in the order of their requests by a memory of fixed latency, or as they become ready by the
level-2 cache. Acknowledgements of writes take a cycle of channel D each.
"""

from __future__ import annotations

from .jit import stage
from .level2 import access_level2
from .state import RING, Record, Records

MASK = RING - 1

ADDRESS_PIPELINE = 4
"""Cycles from a packet's choice to channel A (measured: issue to first request is 7 in all)."""
ADDRESS_QUEUE = 6
"""Packets that may be on that way."""
READ_RELEASE = 3
"""Cycles from the last beat until the slot in flight is free."""
WRITE_RELEASE = 1
"""Cycles from the acknowledgement until the slot in flight is free."""
MERGED_TO_WRITTEN = 5
"""Cycles from a merged row to its write: scaling and pixel repetition (last beat to done is 7)."""
WIDE_MERGED_TO_WRITTEN = 3
"""The same for rows of accumulator elements, which skip the pixel repeater (measured)."""
WRITES_WAITING = 10
"""Merged rows that may wait for their memory's write port."""
ACKNOWLEDGEMENT = -1
"""The command of a reply that acknowledges a write."""


@stage
def request_size(address: int, left: int, smallest: int, largest: int) -> tuple[int, int]:
    """The aligned power-of-two request that covers the most of ``left`` bytes, and how many.

    Of equals the smallest is taken (DMA.scala:180-199).
    """
    best_size, best_useful = smallest, 0
    size = smallest
    while size <= largest:
        useful = min(size - address % size, left)
        if useful > best_useful:
            best_size, best_useful = size, useful
        size *= 2
    return best_size, best_useful


@stage
def free_slots(port: Record, now: int) -> None:
    """Count the reads whose slot becomes free by ``now`` (writes are counted a stage later)."""
    while port.read_free_head < port.read_free_tail:
        if port.read_free[port.read_free_head & MASK] > now:
            break
        port.read_free_head += 1
        port.reads_in_flight -= 1


@stage
def free_write_slots(port: Record, now: int) -> None:
    while port.write_free_head < port.write_free_tail:
        if port.write_free[port.write_free_head & MASK] > now:
            break
        port.write_free_head += 1
        port.writes_in_flight -= 1


@stage
def send_request(
    port: Record, level2: Record, lines: Records, parameters: Record, now: int
) -> None:
    """Put one beat on channel A: a read packet, or a beat of a write; they take turns."""
    reads = port.read_head < port.read_tail and port.read_time[port.read_head & MASK] <= now
    writes = port.write_head < port.write_tail and port.write_time[port.write_head & MASK] <= now
    is_write = writes and (port.prefer_write or not reads)
    slot = port.reply_tail & MASK
    if is_write:
        is_last = port.write_last[port.write_head & MASK]
        port.write_head += 1
        port.prefer_write = 1 - is_last
        if not is_last:
            return
        address = port.write_address[port.address_head & MASK]
        port.address_head += 1
        port.reply_command[slot] = ACKNOWLEDGEMENT
    elif reads:
        address = port.read_address[port.read_head & MASK]
        _expect_packet(port, slot, port.read_head & MASK)
        port.read_head += 1
        port.prefer_write = 1
    else:
        return
    port.reply_time[slot] = _answered(level2, lines, parameters, address, now, is_write)
    port.reply_tail += 1


@stage
def _expect_packet(port: Record, slot: int, packet: int) -> None:
    """Remember in the reply ``slot`` what the read ``packet`` asked for."""
    port.reply_command[slot] = port.read_command[packet]
    port.reply_row[slot] = port.read_row[packet]
    port.reply_offset[slot] = port.read_offset[packet]
    port.reply_size[slot] = port.read_size[packet]
    port.reply_useful[slot] = port.read_useful[packet]
    port.reply_shift[slot] = port.read_address[packet] % port.read_size[packet]


@stage
def _answered(
    level2: Record, lines: Records, parameters: Record, address: int, now: int, is_write: bool
) -> int:
    if parameters.uses_level2:
        return access_level2(level2, lines, parameters, address, now, is_write)
    return now + parameters.memory_latency


@stage
def _bring_ready_reply_forward(port: Record, now: int) -> None:
    """The cache answers hits while misses wait: move the first reply that is ready to the head."""
    ready = port.reply_head
    while ready < port.reply_tail and port.reply_time[ready & MASK] > now:
        ready += 1
    if ready == port.reply_head or ready == port.reply_tail:
        return
    source = ready & MASK
    time, command = port.reply_time[source], port.reply_command[source]
    row, offset = port.reply_row[source], port.reply_offset[source]
    size, useful, shift = (
        port.reply_size[source],
        port.reply_useful[source],
        port.reply_shift[source],
    )
    while ready > port.reply_head:
        to, source = ready & MASK, (ready - 1) & MASK
        port.reply_time[to] = port.reply_time[source]
        port.reply_command[to] = port.reply_command[source]
        port.reply_row[to] = port.reply_row[source]
        port.reply_offset[to] = port.reply_offset[source]
        port.reply_size[to] = port.reply_size[source]
        port.reply_useful[to] = port.reply_useful[source]
        port.reply_shift[to] = port.reply_shift[source]
        ready -= 1
    to = ready & MASK
    port.reply_time[to], port.reply_command[to] = time, command
    port.reply_row[to], port.reply_offset[to] = row, offset
    port.reply_size[to], port.reply_useful[to], port.reply_shift[to] = size, useful, shift


@stage
def merge_rows(port: Record, load: Record, parameters: Record, commands: Records, now: int):
    """Send on one local row of the packet being merged, if its bytes have arrived.

    A packet whose useful bytes straddle rows can leave a row to send after its last beat; the next
    packet waits for it (this is why 64-byte rows that are misaligned cost six cycles, not five).
    """
    if port.merge_command < 0:
        return
    if port.merge_sent < port.merge_useful:
        command = commands[port.merge_command]
        width = parameters.dim * command.element_bytes
        place = port.merge_offset + port.merge_sent
        block = place // width
        needed = min(port.merge_useful, port.merge_sent + width - (place - block * width))
        if port.merge_received < needed or load.write_tail - load.write_head >= WRITES_WAITING:
            return
        slot = load.write_tail & MASK
        row = command.local + port.merge_row + block * command.block_step
        if command.in_accumulator:
            bank = parameters.spad_banks + row // parameters.acc_bank_rows % parameters.acc_banks
        else:
            bank = row // parameters.spad_bank_rows % parameters.spad_banks
        is_wide = command.element_bytes > parameters.input_bytes
        delay = WIDE_MERGED_TO_WRITTEN if is_wide else MERGED_TO_WRITTEN
        load.write_time[slot] = now + delay
        load.write_bank[slot] = bank
        load.write_bytes[slot] = needed - port.merge_sent
        load.write_command[slot] = port.merge_command
        load.write_tail += 1
        port.merge_sent = needed
    if port.merge_sent == port.merge_useful and port.merge_beats_left == 0:
        port.merge_command = -1


@stage
def receive_beat(port: Record, parameters: Record, now: int) -> bool:
    """Take one beat from channel D: of the packet being merged, else of the next reply.

    Returns whether it carried data.
    """
    if port.merge_command >= 0 and port.merge_beats_left > 0:
        _take_beat(port, parameters, now)
        return True
    if port.reply_head == port.reply_tail:
        return False
    if parameters.uses_level2:
        _bring_ready_reply_forward(port, now)
    head = port.reply_head & MASK
    if port.reply_time[head] > now:
        return False
    if port.reply_command[head] == ACKNOWLEDGEMENT:
        port.write_free[port.write_free_tail & MASK] = now + WRITE_RELEASE
        port.write_free_tail += 1
        port.reply_head += 1
    elif port.merge_command < 0:
        port.merge_command = port.reply_command[head]
        port.merge_row = port.reply_row[head]
        port.merge_offset = port.reply_offset[head]
        port.merge_useful = port.reply_useful[head]
        port.merge_beats_left = max(1, port.reply_size[head] // parameters.bus_bytes)
        port.merge_received = -port.reply_shift[head]
        port.merge_sent = 0
        port.reply_head += 1
        _take_beat(port, parameters, now)
        return True
    return False


@stage
def _take_beat(port: Record, parameters: Record, now: int) -> None:
    port.merge_beats_left -= 1
    port.merge_received = min(port.merge_received + parameters.bus_bytes, port.merge_useful)
    if port.merge_beats_left == 0:
        port.merge_received = port.merge_useful
        port.read_free[port.read_free_tail & MASK] = now + READ_RELEASE
        port.read_free_tail += 1
