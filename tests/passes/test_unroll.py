"""Written-out loops: the same commands, fewer core cycles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.passes.pipelines import baseline_pipeline
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

Apply = Callable[..., ModuleOp]


def scheduled(gemm: Any, unroll: str) -> tuple[str, str]:
    """A kernel, and its untuned schedule with ``unroll`` in front of placement.

    Without choices of placement, which depend on the innermost loop.
    """
    return gemm(96, 64, 64).text(), baseline_pipeline().replace(
        "gemmini-place", f"{unroll}gemmini-place"
    )


@pytest.mark.parametrize("options", ["{limit=4}", '{limit=16 loop="j"}'])
def test_unrolled_programs_issue_the_same_commands(gemm: Any, apply: Apply, options: str) -> None:
    """Unrolling changes no command and no order; the core spends fewer cycles around them."""
    config = load_config()
    plain, _ = stream_of_module(apply(*scheduled(gemm, "")), config)
    unrolled, _ = stream_of_module(apply(*scheduled(gemm, f"gemmini-unroll{options},")), config)
    for column in ("funct", "rs1", "rs2"):
        assert np.array_equal(getattr(plain, column), getattr(unrolled, column))
    assert unrolled.issue_cycles.sum() < plain.issue_cycles.sum()


def test_an_unknown_loop_is_refused(gemm: Any, apply: Apply) -> None:
    """The diagnostic names the loops that there are."""
    with pytest.raises(PassFailedException, match="has no loop 'z'"):
        apply(*scheduled(gemm, 'gemmini-unroll{loop="z"},'))
