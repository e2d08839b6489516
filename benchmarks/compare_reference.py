"""Compare the cycle model with a reference timing model on random streams.

    python benchmarks/compare_reference.py gemsim.cpp --streams 2000

The reference is one C++ file that reads a ``.rocc`` stream (``-c file -l latency``) and prints
``TOTAL last_busy=N``. It is compiled into a temporary folder.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.rocc import write_rocc
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.gemmini.timing.contention import contending_stream
from liftproof.hw.gemmini.timing.front_end import IDLE_SEEN

LATENCIES = (1, 6, 20, 57)
LENGTHS = (40, 80, 200, 400)
TOLERANCE = 0.03


@dataclass(frozen=True)
class Outlier:
    """A stream on which the models differ by more than the tolerance."""

    seed: int
    length: int
    latency: int
    cycles: int
    reference: int

    @property
    def difference(self) -> float:
        return self.cycles / self.reference - 1


def reference_cycles(binary: Path, text: str, latency: int, folder: Path) -> int:
    """The reference model's count, to the cycle in which the core sees the accelerator idle."""
    file = folder / "stream.rocc"
    file.write_text(text, encoding="utf-8")
    command = [str(binary), "-c", str(file), "-l", str(latency)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"last_busy=(\d+) total", output)
    if found is None:
        raise RuntimeError(f"the reference printed no total: {output!r}")
    return int(found[1]) + IDLE_SEEN


def outliers(binary: Path, streams: int, folder: Path) -> list[Outlier]:
    """The streams, of seeds 0 to ``streams`` − 1, on which the models differ."""
    config = load_config()
    found: list[Outlier] = []
    for seed in range(streams):
        latency = LATENCIES[seed % len(LATENCIES)]
        length = LENGTHS[seed // len(LATENCIES) % len(LENGTHS)]
        stream = contending_stream(seed, length, config)
        cycles = simulate_timing(stream, config, memory_latency=latency).cycles
        reference = reference_cycles(binary, write_rocc(stream), latency, folder)
        outlier = Outlier(seed, length, latency, cycles, reference)
        if abs(outlier.difference) > TOLERANCE:
            found.append(outlier)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="compare the cycle model with a reference")
    parser.add_argument("source", type=Path, help="the reference model's C++ file")
    parser.add_argument("--streams", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        binary = folder / "reference"
        compile_command = ["g++", "-O2", "-w", "-o", str(binary), str(options.source)]
        subprocess.run(compile_command, check=True)
        found = outliers(binary, options.streams, folder)
    share = len(found) / options.streams
    print(f"{options.streams} streams, {len(found)} ({share:.2%}) differ by over {TOLERANCE:.0%}")
    for outlier in sorted(found, key=lambda item: item.difference):
        print(f"{outlier.difference:+.2%} {outlier}")


if __name__ == "__main__":
    main()
