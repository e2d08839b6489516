"""The cycle model's entry points: a tile program, or a program that is scheduled already."""

from __future__ import annotations

from typing import Any

import numpy as np
from xdsl.dialects import func

from ..config import TrainiumConfig
from .dependencies import dependencies
from .hoist import hoist_invariants
from .machine import PARAMETERS
from .records import Program
from .result import TimingResult, result_of
from .schedule import schedule
from .tile_program import TileProgram, unroll_tiles


def parameters_of(config: TrainiumConfig) -> Any:
    """The times that the kernels need, as their record."""
    values = (
        config.semaphore_ns,
        config.table_load_ns,
        config.dma_start_ns,
        config.dma_done_ns,
        config.hbm_rate,
    )
    return np.array([values], PARAMETERS)[0]


def simulate_tiles(
    function: func.FuncOp, config: TrainiumConfig
) -> tuple[TimingResult, TileProgram]:
    """Time a tile-level function: schedule it as the compiler would, without computing any data.

    Raises ``TileProgramError`` for what the tile level does not have.
    """
    function = function.clone()
    hoist_invariants(function)
    tiles = unroll_tiles(function, config)
    parameters = parameters_of(config)
    program, run = schedule(tiles.instructions, dependencies(tiles.accesses), parameters)
    return _result(program, run, config), tiles


def _result(program: Program, run: Any, config: TrainiumConfig) -> TimingResult:
    return result_of(
        program,
        run,
        launch=config.launch_ns,
        clock_ghz=config.pe_ghz,
        hbm_bytes_per_ns=config.hbm_rate,
    )
