"""One paragraph on where the time went, for a person or an LLM who wants to remove it."""

from __future__ import annotations

from .causes import CAUSE_WORDS
from .result import TimingResult

WORTH_NAMING = 0.02
"""Share of the time below which a wait is left out."""
UNIT_NAMES = {
    "pe": "tensor engine",
    "act": "scalar engine",
    "dve": "vector engine",
    "pool": "GpSimd engine",
    "dma": "DMA engines",
    "hbm": "HBM",
}
ADVICE = {
    "waits_for_dma": "load larger rows (4 KiB and more), load less, or load into a second buffer",
    "waits_for_pe": "give the products more columns, or let other work fill the time",
    "waits_for_act": "move work from the scalar engine to the vector engine, or fuse activations",
    "waits_for_dve": "move work from the vector engine to the scalar engine, or fuse operations",
    "waits_for_pool": "replace the GpSimd instruction by one of the vector engine",
    "port_taken": "keep the two engines on different memories",
    "table_load": "group activations by their function",
}


def explain(result: TimingResult) -> str:
    """Say which unit bounds the program, how busy each is, what the busiest one waited for."""
    total = result.nanoseconds
    limiting = result.bound.limiting
    share = result.bound.nanoseconds / total if total else 0.0
    parts = [
        f"The {UNIT_NAMES[limiting]} bound{'' if limiting == 'dma' else 's'} the program: its work"
        f" and the launch take {share:.0%} of the time."
    ]
    busy = {name: unit["busy"] / total for name, unit in result.units.items() if total}
    shown = [f"{name} {part:.0%}" for name, part in busy.items() if part >= WORTH_NAMING]
    if shown:
        parts.append(f"Busy: {', '.join(shown)}.")
    engines = {name: part for name, part in busy.items() if name != "dma"}
    busiest = max(engines, key=lambda name: engines[name], default="pe")
    waits = {
        cause: ns
        for cause, ns in result.units.get(busiest, {}).items()
        if cause in ADVICE and ns >= WORTH_NAMING * total
    }
    for cause, ns in sorted(waits.items(), key=lambda item: -item[1]):
        parts.append(
            f"The {UNIT_NAMES[busiest]} stood still for {ns / total:.0%} because"
            f" {CAUSE_WORDS[cause]}: {ADVICE[cause]}."
        )
    return " ".join(parts)
