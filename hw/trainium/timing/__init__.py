"""Trainium's cycle model: when each instruction runs, and where the time went."""

from .executions import TileProgramError
from .explain import explain
from .result import Bound, TimingResult
from .simulate import simulate_tiles
from .trace import write_trace

__all__ = ["Bound", "TileProgramError", "TimingResult", "explain", "simulate_tiles", "write_trace"]
