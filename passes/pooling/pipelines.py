"""Ready-made pipelines for maxima over windows."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from ..lower_pooling import LowerPoolingPass, pooling_sizes

CLEAN_UP = "canonicalize,cse,licm,gemmini-hoist-arithmetic,gemmini-scale-loops"
"""What every pipeline for a pooling ends with."""
FIRST = 8
"""Block sizes that are tried first."""


def pooling_baseline(module: ModuleOp, config: str) -> str:
    """The untuned lowering: one row of pooled pixels at a time, or the least that fits.

    Raises ``PassFailedException`` where the kernel is no pooling that can be lowered.
    """
    sizes = pooling_sizes(module, config)
    widest = max(cols for _, cols in sizes) if sizes else 0
    return _pipeline(config, (1, widest) if (1, widest) in sizes else (0, 0))


def pooling_pipelines(module: ModuleOp, config: str) -> list[str]:
    """Schedules for a pooling, best guess first, the untuned one last.

    Raises ``PassFailedException`` where the kernel is no pooling that can be lowered.
    """
    found = [_pipeline(config, size) for size in pooling_sizes(module, config)[:FIRST]]
    return [*found, pooling_baseline(module, config)]


def _pipeline(config: str, size: tuple[int, int]) -> str:
    return f"{LowerPoolingPass(config, *size).spec()},{CLEAN_UP}"
