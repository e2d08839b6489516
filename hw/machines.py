"""Which machine a configuration describes."""

from __future__ import annotations

from pathlib import Path

from .config_file import ConfigError, find_config, read_table

GEMMINI = "gemmini"
TRAINIUM = "trainium"
_ROOM = Path(__file__).parent
_FOLDERS = {machine: _ROOM / machine / "configs" for machine in (GEMMINI, TRAINIUM)}


def machine_of(config: str) -> str:
    """The machine of a configuration: a name, or the path of a file whose ``machine`` says it.

    A file without that key describes a Gemmini. Raises ``ConfigError`` for a configuration that
    does not exist, and for an unknown machine.
    """
    path = find_config(config, list(_FOLDERS.values()))
    for machine, folder in _FOLDERS.items():
        if path.parent == folder:
            return machine
    machine = read_table(path).get("machine", GEMMINI)
    if machine not in _FOLDERS:
        known = ", ".join(_FOLDERS)
        raise ConfigError(f"{path}: unknown machine {machine!r}; known: {known}")
    return machine
