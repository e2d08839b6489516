"""Put neighbouring rows of a narrow output side by side, so that one store carries several.

Rows of 16 bytes that follow one another in memory are rows of 64 bytes, too: pixels 4·i, 4·i + 1, …
become columns of row i. Each has its own tile of A, and all share the weights. The store unit then
writes 64 bytes with one request, where each row took a request of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..hw.gemmini.config import GemminiConfig
from .coalesce import Form
from .contraction import Contraction
from .fold_terms import view_of_factor
from .tile_roles import tile_step


def rows_side_by_side(contraction: Contraction, config: GemminiConfig) -> Contraction:
    """The contraction with several rows as columns, where its rows are one array tile wide."""
    dim, i, j = config.dim, contraction.i, contraction.j
    rows, columns = contraction.sizes[i], contraction.sizes[j]
    a, result = contraction.a, contraction.result
    if columns != dim or contraction.diagonal or a.transposed or a.border or a.fold or a.terms:
        return contraction
    image = view_of_factor(contraction, a)
    aligned = image.steps(i) and image.steps(i) % dim == 0 and result.steps(i) == columns
    if not aligned or (contraction.initial is not None and not contraction.init_broadcast):
        return contraction
    fitting = (n for n in range(config.max_blocks, 1, -1) if rows % n == 0)
    count = next((n for n in fitting if rows // n % tile_step(rows // n, dim) == 0), 1)
    if count == 1 or rows < count * dim:
        return contraction
    sizes = [*contraction.sizes]
    sizes[i], sizes[j] = rows // count, count * columns
    # A tile of columns begins at a multiple of ``dim``, one row of A further than the one before.
    step, flat, written = image.steps(i), image.flat(), result.flat()
    (of_a,), (of_result,) = flat.subscripts, written.subscripts
    initial, b = contraction.initial, contraction.b
    return replace(
        contraction,
        sizes=tuple(sizes),
        a=replace(
            a,
            groups=flat.groups,
            subscripts=({**of_a, i: count * step, j: step // dim},),
            row_dimension=0,
            row_step=count * step,
        ),
        b=replace(b, subscripts=_without(b.subscripts, j)),
        result=replace(written, subscripts=({**of_result, i: count * columns},)),
        initial=initial and replace(initial, subscripts=_without(initial.subscripts, j)),
    )


def _without(subscripts: Sequence[Form], loop: int) -> tuple[Form, ...]:
    return tuple({x: factor for x, factor in form.items() if x != loop} for form in subscripts)
