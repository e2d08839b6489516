"""Compile the simulators ahead of time, so that the first command does not wait for it.

Run as ``python -m liftproof.tools.warm_up``; numba keeps the machine code in its cache on disk.
"""

from __future__ import annotations

from ..hw.gemmini.config import load_config
from ..hw.gemmini.functional import run
from ..hw.gemmini.random_streams import random_stream
from ..hw.gemmini.timing import simulate_timing

COMMANDS = 20


def main() -> None:
    """Run each simulator once on a small random stream."""
    import numpy as np

    config = load_config()
    program = random_stream(np.random.default_rng(0), config, COMMANDS)
    simulate_timing(program.stream, config, level="soc")
    run(program.stream, config, program.memory)


if __name__ == "__main__":
    main()
