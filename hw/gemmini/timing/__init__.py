"""Gemmini's cycle model: when each command issues and completes, and where the cycles went."""

from .simulate import DEFAULT_MEMORY_LATENCY, Level, Segment, TimingResult, simulate_timing

__all__ = ["DEFAULT_MEMORY_LATENCY", "Level", "Segment", "TimingResult", "simulate_timing"]
