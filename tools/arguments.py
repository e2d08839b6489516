"""Command-line arguments: their types, and what they must be."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..diagnostics import Diagnostic


def positive(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def add_timing_arguments(parser: argparse.ArgumentParser) -> None:
    """How the cycles of a program for Gemmini are counted; ``--dram-latency`` may stay open."""
    parser.add_argument(
        "--level",
        default="soc",
        choices=["accelerator", "soc"],
        help="count with core, L2 cache and DRAM, or the accelerator alone (default: %(default)s)",
    )
    parser.add_argument(
        "--dram-latency",
        type=positive,
        metavar="CYCLES",
        help="of the level soc (default: as the configuration says)",
    )
    parser.add_argument("--warm", action="store_true", help="all data in the L2 cache at the start")


def require_folder(path: Path) -> None:
    """Raise ``Diagnostic`` where something else than folders is in the way of ``path``."""
    found = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not found.is_dir():
        raise Diagnostic(f"{found}: not a folder", hint="choose another --out")
