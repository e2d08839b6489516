"""Dispatch: one command per cycle into the reservation station, in order, with fences and marks."""

from __future__ import annotations

import numpy as np

from .jit import stage
from .state import RING, Record, Records

MASK = RING - 1

COMMAND_STEP, FENCE_STEP, MARK_STEP = 0, 1, 2
STEP = np.dtype(
    [(name, np.int64) for name in ("kind", "command", "wait", "done", "start")], align=True
)
"""One step: what it is, its command, core cycles before it; for marks, when its segment was."""

QUIET_CYCLES = 3
"""Idle cycles after which a fence ends (measured: a fenced pair repeats every 80 cycles)."""
IDLE_SEEN = 2
"""Cycles from the one with the last activity until the accelerator is seen to be idle."""
FRONT_QUEUE_SLACK = 2
"""Commands that may be on their way to the station beyond one per cycle of that way."""


@stage
def dispatch(front: Record, parameters: Record, steps: Records, now: int) -> bool:
    """Pass fences and marks that are due, then send the next command. Returns whether one was."""
    while front.step < len(steps) and steps[front.step].kind != COMMAND_STEP:
        step = steps[front.step]
        if step.kind == FENCE_STEP and front.segment_start < 0:
            front.segment_start = now
        if step.kind == FENCE_STEP and front.quiet < QUIET_CYCLES:
            return False
        if step.kind == FENCE_STEP:
            front.fenced = 1
        else:
            _mark(front, parameters, step, now)
        front.step += 1
        delay = parameters.fence_cycles if step.kind == FENCE_STEP else 0
        front.next_dispatch = max(front.next_dispatch, now + delay)
    if front.step >= len(steps) or now < front.next_dispatch + steps[front.step].wait:
        return False
    if front.segment_start < 0:
        front.segment_start = now
    front.fenced = 0
    if front.tail - front.head < parameters.front_end_latency + FRONT_QUEUE_SLACK:
        slot = front.tail & MASK
        front.ready[slot] = now + parameters.front_end_latency
        front.command[slot] = steps[front.step].command
        front.tail += 1
        front.step += 1
        front.next_dispatch = now + 1
    return True


@stage
def _mark(front: Record, parameters: Record, step: Record, now: int) -> None:
    """Record when the segment that ends here began and ended."""
    step.start = front.segment_start if front.segment_start >= 0 else now
    step.done = now
    if front.fenced:
        step.done = max(front.last_busy + IDLE_SEEN, step.start) + parameters.fence_cycles
    front.segment_start = -1
