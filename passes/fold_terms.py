"""Let array tiles take terms of several lines of a window.

A line of a 5×5 window of one channel has 5 terms and fills 5 of 16 columns of an array tile. Where
the weights go on from one line of a window to the next but the image does not, a tile takes several
lines, or the end of one and the beginning of the next. They are loaded line by line.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from xdsl.dialects.builtin import TensorType

from ..dialects.tile import Terms
from ..hw.gemmini.config import GemminiConfig
from .coalesce import View
from .contraction import Contraction, Factor
from .tile_roles import tile_step


def fold_terms(contraction: Contraction, config: GemminiConfig) -> Contraction:
    """The contraction with its terms and a loop of its window as one, where that saves tiles."""
    for line in reversed(contraction.window):
        folded = _folded(contraction, line, config)
        if folded is not None:
            return folded
    return contraction


def _folded(contraction: Contraction, line: int, config: GemminiConfig) -> Contraction | None:
    terms, dim = contraction.k, config.dim
    count, width = contraction.sizes[line], contraction.sizes[terms]
    # A move of a line begins at a tile and carries up to ``dim - 1`` elements ahead of the line.
    widest = config.max_blocks * dim - (dim - 1)
    if width > widest or -(-count * width // dim) >= count * -(-width // dim):
        return None
    weights = view_of_factor(contraction, contraction.b)
    a = _folded_factor(contraction, line, dim)
    if a is None or weights.steps(line) != width * weights.steps(terms):
        return None
    weights = weights.joined(line, terms, width)
    sizes = [*contraction.sizes]
    sizes[terms], sizes[line] = count * width, 1
    b = contraction.b
    row = contraction.j if b.transposed else terms
    b = replace(
        b,
        groups=weights.groups,
        subscripts=weights.subscripts,
        row_dimension=next(d for d, form in enumerate(weights.subscripts) if row in form),
    )
    window = tuple(loop for loop in contraction.window if loop != line)
    return replace(contraction, sizes=tuple(sizes), window=window, a=a, b=b)


def _folded_factor(contraction: Contraction, line: int, dim: int) -> Factor | None:
    """The image seen as one line; None if lines of windows lie otherwise, or are too close."""
    a, image = contraction.a, view_of_factor(contraction, contraction.a)
    width, rows = contraction.sizes[contraction.k], contraction.sizes[contraction.i]
    if a.transposed or a.border or a.fold is not None or contraction.diagonal:
        return None
    # A load with a single row could not be cut in two, and what lies ahead of a line must be there.
    if rows % tile_step(rows, dim) == 1 or rows == 1 or image.steps(line) < width:
        return None
    flat = image.flat()
    (form,) = flat.subscripts
    form = {loop: step for loop, step in form.items() if loop not in (line, contraction.k)}
    return replace(
        a,
        groups=flat.groups,
        subscripts=(form,),
        row_dimension=0,
        row_step=image.steps(contraction.i),
        terms=Terms(width, image.steps(line)),
    )


def view_of_factor(contraction: Contraction, factor: Factor) -> View:
    """How an input is read."""
    block = contraction.generic.parent
    assert block is not None
    type = block.args[factor.array].type
    assert isinstance(type, TensorType)
    shape = type.get_shape()
    extents = tuple(prod(shape[dimension] for dimension in group) for group in factor.groups)
    return View(extents, factor.subscripts, factor.groups)
