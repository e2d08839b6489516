"""Which machine a command is about, and what follows from it: configuration and output formats."""

from __future__ import annotations

import argparse

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import DEFAULT_CONFIG as GEMMINI_CONFIG
from ..hw.machines import GEMMINI, TRAINIUM, machine_of
from ..hw.trainium.config import DEFAULT_CONFIG as TRAINIUM_CONFIG

_CONFIGS = {GEMMINI: GEMMINI_CONFIG, TRAINIUM: TRAINIUM_CONFIG}
_FORMATS = {GEMMINI: ("mlir", "c", "rocc"), TRAINIUM: ("mlir", "nki", "isa")}
FORMATS = tuple(dict.fromkeys(name for names in _FORMATS.values() for name in names))
"""What ``--emit`` takes, whatever the machine."""
_DEFAULT_FORMATS = {GEMMINI: ("mlir", "c"), TRAINIUM: ("mlir", "nki")}


def choose_machine(options: argparse.Namespace) -> str:
    """The machine that ``--target`` or ``--config`` names; fills in ``config`` and ``emit``.

    Raises ``Diagnostic`` where the options contradict each other.
    """
    machine = options.target or GEMMINI
    if options.config is not None:
        machine = machine_of(options.config)
        if options.target not in (None, machine):
            raise Diagnostic(
                f"--target {options.target}: configuration {options.config} is of {machine}"
            )
    options.config = options.config or _CONFIGS[machine]
    options.emit = options.emit or _DEFAULT_FORMATS[machine]
    wrong = [name for name in options.emit if name not in _FORMATS[machine]]
    if wrong:
        known = ", ".join(_FORMATS[machine])
        raise Diagnostic(f"--emit {wrong[0]}: for {machine}, choose from {known}")
    return machine
