"""Dialects of the machines that Liftproof programs."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.ir import Dialect


def get_all_dialects() -> dict[str, Callable[[], Dialect]]:
    """A factory for each dialect, by name; nothing is imported before it is called."""

    def gemmini() -> Dialect:
        from .gemmini import GEMMINI

        return GEMMINI

    def recurrence() -> Dialect:
        from .recurrence import RECURRENCE

        return RECURRENCE

    def tile() -> Dialect:
        from .tile import TILE

        return TILE

    def trn() -> Dialect:
        from .trn import TRN

        return TRN

    return {"gemmini": gemmini, "recurrence": recurrence, "tile": tile, "trn": trn}
