"""Configuration files of all machines: TOML tables that become frozen records.

Each machine keeps its named configurations in a folder beside its record; a path to a file works
wherever a name does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

Config = TypeVar("Config")


class ConfigError(Exception):
    """A configuration that cannot be found, read, or built."""


def names_in(folder: Path) -> tuple[str, ...]:
    """Names of the configurations that come with Liftproof in one folder."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def find_config(name: str, folders: Sequence[Path]) -> Path:
    """The file of the configuration ``name``: in one of the folders, or a path.

    Raises ``ConfigError`` when there is none.
    """
    for path in (*(folder / f"{name}.toml" for folder in folders), Path(name)):
        if path.is_file():
            return path
    known = ", ".join(found for folder in folders for found in names_in(folder))
    raise ConfigError(f"no configuration {name!r}: neither a file nor one of {known}")


def read_table(path: Path) -> dict[str, Any]:
    """The keys of a configuration file, and its name; raises ``ConfigError``."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return {"name": path.stem, **table}


def record_of(kind: type[Config], table: dict[str, Any], where: str) -> Config:
    """Build a record of plain numbers, texts and flags; ``where`` is for diagnostics.

    Every field of ``kind`` has a default, whose type the key's value must have (an integer is a
    number too). Raises ``ConfigError`` for an unknown key, a wrong type, or a negative number.
    """
    defaults: dict[str, Any] = {field.name: field.default for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in defaults:
            raise ConfigError(f"{where}: unknown key {key!r}; known: {', '.join(defaults)}")
        expected: type = type(defaults[key])
        is_number = expected is float and type(value) is int
        if type(value) is not expected and not is_number:
            raise ConfigError(f"{where}: {key} must be of type {expected.__name__}, got {value!r}")
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            raise ConfigError(f"{where}: {key} must not be negative, got {value}")
        values[key] = float(value) if is_number else value
    return kind(**values)
