"""Gemmini's cycle model: when each command issues and completes, and where the cycles went."""

from .explain import explain, explain_totals
from .simulate import (
    DEFAULT_MEMORY_LATENCY,
    Level,
    Segment,
    TimingResult,
    Totals,
    simulate_timing,
)
from .traffic import ArrayTraffic, traffic

__all__ = [
    "DEFAULT_MEMORY_LATENCY",
    "ArrayTraffic",
    "Level",
    "Segment",
    "TimingResult",
    "Totals",
    "explain",
    "explain_totals",
    "simulate_timing",
    "traffic",
]
