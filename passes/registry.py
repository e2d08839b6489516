"""All passes of this package by name, imported when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from xdsl.passes import ModulePass

from .trainium.lowering_pass import TrainiumLowering

PASSES = {
    "gemmini-lower-linalg": ("lower_linalg", "LowerLinalgPass"),
    "gemmini-lower-products": ("lower_products", "LowerProductsPass"),
    "gemmini-lower-pooling": ("lower_pooling", "LowerPoolingPass"),
    "gemmini-lower-sums": ("lower_sums", "LowerSumsPass"),
    "gemmini-lower-to-core": ("lower_to_core", "LowerToCorePass"),
    "gemmini-lower-hardware-loops": ("lower_hardware_loops", "LowerHardwareLoopsPass"),
    "gemmini-lower-convolution-loops": ("lower_convolution_loops", "LowerConvolutionLoopsPass"),
    "gemmini-overwrite-first": ("overwrite_first", "OverwriteFirstPass"),
    "gemmini-tile": ("tile_loops", "TilePass"),
    "gemmini-stage": ("stage", "StagePass"),
    "gemmini-interchange": ("interchange", "InterchangePass"),
    "gemmini-fuse": ("fuse", "FusePass"),
    "gemmini-widen-moves": ("widen_moves", "WidenMovesPass"),
    "gemmini-double-buffer": ("double_buffer", "DoubleBufferPass"),
    "gemmini-sink": ("sink", "SinkPass"),
    "gemmini-interleave": ("interleave", "InterleavePass"),
    "gemmini-peel": ("peel", "PeelPass"),
    "gemmini-reuse-weights": ("reuse_weights", "ReuseWeightsPass"),
    "gemmini-unroll": ("unroll", "UnrollPass"),
    "gemmini-place": ("place", "PlacePass"),
    "gemmini-lower-tiles": ("lower_tiles", "LowerTilesPass"),
    "gemmini-hoist-config": ("hoist_config", "HoistConfigPass"),
    "apply-proven-pattern": ("apply_proven_pattern", "ApplyProvenPatternPass"),
    "apply-proven-rule": ("apply_proven_rule", "ApplyProvenRulePass"),
    "gemmini-hoist-arithmetic": ("hoist_arithmetic", "HoistArithmeticPass"),
    "gemmini-scale-loops": ("scale_loops", "ScaleLoopsPass"),
}
"""Module and class of each pass, in the order of the road."""


TRAINIUM_PASSES = {
    "trn-lower-rows": ("trainium.lower_rows", "LowerRowsPass"),
    "trn-lower-elements": ("trainium.lower_elements", "LowerElementsPass"),
    "trn-lower-totals": ("trainium.lower_totals", "LowerTotalsPass"),
    "trn-lower-matmul": ("trainium.lower_matmul", "LowerMatmulPass"),
    "trn-lower-blocks": ("trainium.lower_blocks", "LowerBlocksPass"),
    "trn-lower-convolution": ("trainium.lower_convolution", "LowerConvolutionPass"),
    "trn-lower-scan": ("trainium.lower_scan", "LowerScanPass"),
    "trn-lower-transpose": ("trainium.lower_transpose", "LowerTransposePass"),
}
"""The same for Trainium: from tensors to tile programs, any one of them."""

TRAINIUM_STREAM_PASSES = {
    "trn-lower-streams": ("trainium.lower_streams", "LowerStreamsPass"),
}
"""What may follow: from tile programs to streams."""

OF_TRAINIUM = frozenset([*TRAINIUM_PASSES, *TRAINIUM_STREAM_PASSES])
"""Names of all passes for that machine: a search for the other one leaves them alone."""


def get_trainium_passes() -> dict[str, Callable[[], type[TrainiumLowering]]]:
    """``get_all_passes`` for Trainium's tile programs."""
    return {name: _factory(*location) for name, location in TRAINIUM_PASSES.items()}


def get_trainium_stream_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """``get_all_passes`` for Trainium's streams."""
    return {name: _factory(*location) for name, location in TRAINIUM_STREAM_PASSES.items()}


def get_all_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """A factory for each pass; calling it imports the pass."""
    return {name: _factory(*location) for name, location in PASSES.items()}


def _factory(module: str, class_name: str) -> Callable[[], Any]:
    def load() -> Any:
        return getattr(import_module(f".{module}", __package__), class_name)

    return load
