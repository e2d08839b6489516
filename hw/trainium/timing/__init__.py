"""Trainium's cycle model: when each instruction runs, and where the time went."""

from .result import Bound, TimingResult
from .simulate import simulate_tiles
from .tile_program import TileProgramError
from .trace import write_trace

__all__ = ["Bound", "TileProgramError", "TimingResult", "simulate_tiles", "write_trace"]
