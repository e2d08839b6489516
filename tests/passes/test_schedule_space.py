"""The menus of passes: what is listed applies, and what is not listed is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from liftproof.passes.double_buffer import DoubleBufferPass
from liftproof.passes.fuse import FusePass
from liftproof.passes.interleave import InterleavePass
from liftproof.passes.kernel import OPERANDS, kernel_of, named_loops
from liftproof.passes.peel import PeelPass
from liftproof.passes.pipelines import best_guess
from liftproof.passes.place import LAYOUTS, PlacePass
from liftproof.passes.registry import get_all_passes
from liftproof.passes.schedule_space import applies
from liftproof.passes.sink import SinkPass
from liftproof.passes.stage import StagePass
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline

Apply = Callable[..., ModuleOp]

CHECKED = 4
"""Passes of the schedule from one check to the next."""


def candidates(module: ModuleOp) -> Iterator[list[ModulePass]]:
    """All instances of each pass that plans first, whether they apply or not."""
    loops = list(named_loops(kernel_of(module)))
    yield [SinkPass(loop) for loop in loops]
    yield [PeelPass(loop, first) for loop in loops for first in (True, False)]
    yield [InterleavePass(loop, wait) for loop in loops for wait in (True, False)]
    yield [DoubleBufferPass(operand) for operand in OPERANDS]
    yield [StagePass(operand, loop) for operand in OPERANDS for loop in ("", *loops)]
    yield [PlacePass(layout) for layout in LAYOUTS]
    # Only loops with another inside are listed.
    yield [FusePass(loop) for loop in loops]


def test_lists_are_what_applies(gemm: Any, apply: Apply, context: Context) -> None:
    """After some passes of a schedule, just those instances are listed that apply."""
    text = gemm(100, 75, 130, bias="row").text()
    schedule = best_guess(text).split(",gemmini-lower-tiles")[0]
    passes = PassPipeline.parse_spec(get_all_passes(), schedule).passes
    module = apply(text, "")
    met: set[str] = set()
    for position, instance in enumerate(passes):
        instance.apply(context, module)
        if position % CHECKED:
            continue
        before = str(module)
        for instances in candidates(module):
            listed = type(instances[0]).schedule_space(context, module)
            assert set(listed) == {x for x in instances if applies(context, module, x)}
            met.update(x.name for x in listed)
        assert str(module) == before
    assert len(met) >= 6
