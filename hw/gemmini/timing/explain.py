"""One paragraph on where the cycles went, for a person or an LLM who wants to remove them."""

from __future__ import annotations

from ...stream import CommandStream
from ..config import GemminiConfig
from ..memory import MemoryLayout
from .bound import Bound, bound_program
from .causes import CAUSE_WORDS
from .simulate import TimingResult, Totals
from .traffic import ELSEWHERE, ArrayTraffic, traffic

WORTH_NAMING = 0.005
"""Share of all cycles below which a stall is left out."""

ADVICE = {
    "idle": "dispatch its commands earlier, or fewer commands between them",
    "waits_for_load": "move the loads earlier (double buffering), or load less",
    "waits_for_execute": "use another buffer, so that it need not wait for the computation",
    "waits_for_store": "store from another accumulator bank than the one being written",
    "bank_taken": "put data in flight into another bank than data in use",
    "same_bank": "put the operands into different scratchpad banks",
    "array_full": "give each computation more rows",
    "drain": "hoist the configuration out of the loop",
    "hazard": "put other computations between a result and its use",
    "next_command": "issue the compute right behind its preload",
    "packets_in_flight": "load wider rows, so that fewer requests carry the data",
    "commands_in_flight": "give each load more rows or columns",
}


def explain(
    result: TimingResult,
    stream: CommandStream,
    config: GemminiConfig,
    layout: MemoryLayout | None = None,
) -> str:
    """Say which unit bounds the program, what it waited for, what moved, and what to try.

    ``layout`` gives the arrays names and sizes; without it only total traffic is reported.
    """
    del stream  # the decoded program in the result holds all of it
    moved = traffic(result.program, layout)
    return explain_totals(result, bound_program(result.program, config), moved, config)


def explain_totals(
    result: Totals, bound: Bound, moved: tuple[ArrayTraffic, ...], config: GemminiConfig
) -> str:
    """The same of a simulation whose commands are not kept."""
    sentences = [_headline(result, bound, config), _core(result), *_stalls(result), _others(result)]
    sentences.append(_moved(moved, bound))
    if result.level == "soc" and result.cache["misses"]:
        sentences.append(
            f"Of {result.cache['accesses']:,} requests {result.cache['misses']:,} missed the L2"
            f" and {result.cache['write_backs']:,} lines were written back."
        )
    return " ".join(sentence for sentence in sentences if sentence)


def _headline(result: Totals, bound: Bound, config: GemminiConfig) -> str:
    cycles = max(1, result.cycles)
    used = bound.macs / config.dim**2 / cycles
    work = (
        f"the array did useful work at {used:.1%} of its peak" if used else "nothing is multiplied"
    )
    return (
        f"{result.cycles:,} cycles for {result.commands:,} commands; {work}. The bound is"
        f" {bound.cycles:,} cycles ({bound.limiting}), so at most"
        f" {1 - bound.cycles / cycles:.1%} can be gained without changing the work."
    )


def _core(result: Totals) -> str:
    share = result.core_cycles / max(1, result.cycles)
    if not share:
        return ""
    return (
        f"The core works on arrays itself for about {result.core_cycles:,} of the cycles"
        f" ({share:.1%}), while the accelerator stands still: what a store can do would run there."
    )


def _stalls(result: Totals) -> list[str]:
    """The array's stalls, longest first, each with what could be done about it."""
    execute = result.units["execute"]
    total = max(1, result.cycles)
    if not execute["busy"]:
        return []
    sentences = [f"The array took operands in {execute['busy'] / total:.1%} of the cycles."]
    stalls = sorted(
        ((cycles, cause) for cause, cycles in execute.items() if cause != "busy"), reverse=True
    )
    for cycles, cause in stalls[:3]:
        if cycles < WORTH_NAMING * total:
            break
        advice = f": {ADVICE[cause]}" if cause in ADVICE else ""
        sentences.append(
            f"It stood still for {cycles:,} cycles ({cycles / total:.1%}) because"
            f" {CAUSE_WORDS[cause]}{advice}."
        )
    return sentences


def _others(result: Totals) -> str:
    total = max(1, result.cycles)
    parts: list[str] = []
    for unit in ("load", "store"):
        causes = result.units[unit]
        worst = max((c for c in causes if c not in ("busy", "idle")), key=lambda c: causes[c])
        words = f"the {unit} unit was busy in {causes['busy'] / total:.1%}"
        if causes[worst] >= WORTH_NAMING * total:
            words += f" (its longest stall, {causes[worst]:,} cycles: {CAUSE_WORDS[worst]})"
        parts.append(words)
    lost = result.conflicts["operand_reads"]
    conflicts = f" Writes took a bank from an operand in {lost:,} cycles." if lost else ""
    words = " and ".join(parts)
    if not result.units["execute"]["busy"]:
        return f"{words[0].upper()}{words[1:]}."
    return f"Of the rest, {words}.{conflicts}"


def _moved(rows: tuple[ArrayTraffic, ...], bound: Bound) -> str:
    if not rows:
        return "No data moved."
    total = bound.read_bytes + bound.written_bytes
    words = [
        f"{row.name} {(row.read_bytes + row.written_bytes):,} bytes ({row.passes:.2f} passes)"
        for row in rows
        if row.name != ELSEWHERE and row.read_bytes + row.written_bytes
    ]
    listed = f": {', '.join(words)}" if words else ""
    intensity = f", {bound.macs / total:.1f} multiply-accumulates per byte" if bound.macs else ""
    return (
        f"{bound.read_bytes:,} bytes were loaded and {bound.written_bytes:,} stored"
        f"{intensity}{listed}."
    )
