"""Neighbours of schedules: new passes stand only where they have a chance."""

from __future__ import annotations

from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import Problem
from liftproof.llm.moves import PARTS, neighbours
from liftproof.passes.pipelines import baseline_pipeline
from liftproof.tools.read import read_module


def test_new_passes_stand_where_they_can_apply() -> None:
    """No neighbour places buffers twice; each that unrolls does so last among schedule passes."""
    lifted = lift_and_prove(read_module("examples/matmul_17x16x16.c"))
    problem = Problem(str(lifted.module), "gemmini-16x16-int8")
    pipeline = baseline_pipeline().replace(
        ",gemmini-place", ",gemmini-overwrite-first,gemmini-place"
    )
    found = {
        text
        for seed in range(8)
        for part in range(PARTS)
        for text in neighbours(problem, pipeline, seed, part)
    }
    assert all(text.count("gemmini-place") <= 1 for text in found)
    unrolled = [text for text in found if "gemmini-unroll" in text]
    assert unrolled
    for text in unrolled:
        behind = text.split("gemmini-unroll", 1)[1]
        assert "gemmini-overwrite-first" not in behind
