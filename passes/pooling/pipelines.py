"""Ready-made pipelines for maxima over windows, and for convolutions in hardware loops."""

from __future__ import annotations

from itertools import islice

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from ..kernel import kernel_of, named_config
from ..lower_convolution_loops import LowerConvolutionLoopsPass, convolution_loop_choices
from ..lower_hardware_loops import FEW_PRODUCTS
from ..lower_pooling import LowerPoolingPass, pooling_sizes
from .read_convolution import read_convolution

CLEAN_UP = "canonicalize,cse,licm,gemmini-hoist-arithmetic,gemmini-scale-loops"
"""What every pipeline for a pooling ends with."""
FIRST = 8
"""Block sizes that are tried first."""
FIRST_LOOPS = 5
"""Choices of hardware loops that are tried first for small kernels."""
LAST_LOOPS = 2
"""Those that are tried last for large ones."""


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
    early, late = convolution_loop_pipelines(module, config)
    return [*found[:1], *early, *found[1:], *late, pooling_baseline(module, config)]


def convolution_loop_pipelines(module: ModuleOp, config: str) -> tuple[list[str], list[str]]:
    """Schedules in the hardware's own loops: to try early, or behind all others.

    None for what these loops do not compute. The core keeps up with the products of large kernels.
    """
    function = kernel_of(module)
    machine = named_config(function, config)
    try:
        is_small = read_convolution(function).array_products(machine.dim) <= FEW_PRODUCTS
        choices = convolution_loop_choices(function, machine)
        passes = [LowerConvolutionLoopsPass(config, *x) for x in islice(choices, FIRST_LOOPS)]
    except PassFailedException:
        return [], []
    found = [f"{instance.spec()},{CLEAN_UP}" for instance in passes]
    return (found, []) if is_small else ([], found[:LAST_LOOPS])


def _pipeline(config: str, size: tuple[int, int]) -> str:
    return f"{LowerPoolingPass(config, *size).spec()},{CLEAN_UP}"
