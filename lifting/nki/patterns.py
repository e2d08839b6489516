"""Access patterns and reductions that belong to no single instruction: ``.ap`` and loop_reduce."""

from __future__ import annotations

import ast
import math
from typing import Any

from ...dialects import trn
from ...dialects.trn.types import Operator, Space
from .call_arguments import Arguments
from .index import Index, LoopVariable
from .library import operator_of
from .tiles import Tiles
from .values import FLOAT32, Dimension, View, whole

NEUTRAL = {
    Operator.ADD: 0.0,
    Operator.MULTIPLY: 1.0,
    Operator.MAXIMUM: -math.inf,
    Operator.MINIMUM: math.inf,
}
"""What a reduction begins with."""


def access_pattern(
    tiles: Tiles, view: View, given: list[Any], named: dict[str, Any], node: ast.AST
) -> View:
    """``tile.ap(pattern=[[step, size], ...], offset=0)``, with steps in elements.

    On chip the first pair is that of the partitions, whose step is the size of a partition.
    """
    names = ("pattern", "offset")
    arguments = Arguments(tiles.reader.source, node, "ap", names, given, named)
    pairs, offset = arguments["pattern"], Index.of(arguments.get("offset", 0))
    well_formed = isinstance(pairs, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(type(n) is int for n in pair)
        for pair in pairs
    )
    if not well_formed or not pairs:
        tiles.refuse(node, "a pattern is a list of [step, size]")
    array = view.array
    if not view.is_whole or array.axes != tuple(range(len(array.axes))):
        tiles.refuse(node, "only a whole array has an access pattern")
    total = math.prod(array.shape)
    row = total // array.shape[0] if array.on_chip else total
    flat = tiles.reader.emitter.reshape(array, (array.shape[0], row) if array.on_chip else (total,))
    free = pairs[1:] if array.on_chip else pairs
    last = offset.maximum + sum(max(0, (size - 1) * step) for step, size in free)
    first = offset.minimum + sum(min(0, (size - 1) * step) for step, size in free)
    if first < 0 or last >= row:
        tiles.refuse(node, f"the pattern reaches from {first} to {last} of {row} elements")
    dimensions = tuple(Dimension(size, len(flat.axes) - 1, step) for step, size in free)
    if not array.on_chip:
        return View(flat, (offset,), dimensions)
    step, count = pairs[0]
    if count > array.shape[0] or (step != row and count > 1):
        tiles.refuse(node, f"the first pair of a pattern on chip is [{row}, partitions]")
    return View(flat, (Index(0), offset), (Dimension(count, 0), *dimensions))


def loop_reduce(tiles: Tiles, arguments: Arguments) -> View:
    """``nl.loop_reduce(x, op, loop_indices)``: the reduction of a tile over loops around it."""
    node = arguments.node
    operator = operator_of(arguments["op"])
    if operator is None or operator not in NEUTRAL:
        tiles.refuse(node, "loop_reduce adds, multiplies, or takes the maximum or minimum")
    outermost = min(_variables(tiles, arguments), key=lambda variable: variable.depth)
    value = tiles.on_chip(arguments["x"], node)
    emitter = tiles.reader.emitter
    product = tiles.take_product(value) if operator == Operator.ADD else None
    with emitter.in_front_of(outermost):
        space = Space.SBUF if product is None else Space.PSUM
        dtype = FLOAT32 if product is not None else arguments.get("dtype", value.dtype)
        total = whole(emitter.allocate("", value.shape, dtype, space))
        total.array.loops = total.array.group_loops = outermost.depth
        if product is None:
            emitter.insert(trn.MemsetOp(emitter.view(total), NEUTRAL[operator]))
    if product is None:
        return tiles.binary(operator, total, value, total, node)
    tiles.accumulate(*product, total, node)
    return total


def _variables(tiles: Tiles, arguments: Arguments) -> list[LoopVariable]:
    indices = arguments["loop_indices"]
    found = list[LoopVariable]()
    for index in indices if isinstance(indices, list | tuple) else [indices]:
        if not isinstance(index, Index) or len(index.terms) != 1:
            tiles.refuse(arguments.node, "loop_indices are variables of loops around the call")
        found.extend(index.terms)
    if not found:
        tiles.refuse(arguments.node, "loop_reduce needs a loop")
    return found
