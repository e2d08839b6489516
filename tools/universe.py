"""What Liftproof adds to xDSL's tools, found through the ``xdsl.universe`` entry point.

Stock ``xdsl-opt`` reads it too, and a third party's package adds a machine the same way.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.passes import ModulePass
from xdsl.universe import Universe
from xdsl.utils.target import Target

from ..dialects import get_all_dialects
from ..passes.registry import get_all_passes, get_trainium_passes, get_trainium_stream_passes


def get_all_targets() -> dict[str, Callable[[], type[Target]]]:
    """A factory for each output format, by name."""

    def gemmini_c() -> type[Target]:
        from ..passes.emission.emit_c import GemminiCTarget

        return GemminiCTarget

    def nki() -> type[Target]:
        from ..passes.emission.emit_nki import NkiTarget

        return NkiTarget

    return {"gemmini-c": gemmini_c, "nki": nki}


def get_lifting_pass() -> type[ModulePass]:
    """The pass from loop IR to tensor IR, imported when it is asked for."""
    from ..lifting.lift_pass import LiftLoopsPass

    return LiftLoopsPass


LIFTPROOF_UNIVERSE = Universe(
    all_dialects=get_all_dialects(),
    all_passes=get_all_passes()
    | get_trainium_passes()
    | get_trainium_stream_passes()
    | {"lift-loops": get_lifting_pass},
    all_targets=get_all_targets(),
)
