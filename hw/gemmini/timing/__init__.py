"""Gemmini's cycle model: when each command issues and completes, and where the cycles went."""

from .explain import explain
from .simulate import DEFAULT_MEMORY_LATENCY, Level, Segment, TimingResult, simulate_timing
from .traffic import ArrayTraffic, traffic

__all__ = [
    "DEFAULT_MEMORY_LATENCY",
    "ArrayTraffic",
    "Level",
    "Segment",
    "TimingResult",
    "explain",
    "simulate_timing",
    "traffic",
]
