"""Trainium's cycle model: when each instruction runs, and where the time went."""

from .explain import explain
from .result import Bound, TimingResult
from .simulate import simulate_tiles
from .tile_program import TileProgramError
from .trace import write_trace

__all__ = ["Bound", "TileProgramError", "TimingResult", "explain", "simulate_tiles", "write_trace"]
