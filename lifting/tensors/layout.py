"""Arrays that C programs index by hand: ``A[i * 12 + k]`` as a tensor of two dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from ..loops.index import IndexExpression, LoopVariable, Monomial


@dataclass(frozen=True)
class LinearLayout:
    """One dimension of an array seen as several: row-major ``shape``, subscripted by variables."""

    variables: tuple[LoopVariable, ...]
    shape: tuple[IndexExpression, ...]

    def index(self, subscripts: tuple[IndexExpression, ...]) -> IndexExpression:
        """Return the subscript of the one dimension for subscripts of the several."""
        position = IndexExpression(())
        for subscript, extent in zip(subscripts, self.shape, strict=True):
            position = position * extent + subscript
        return position


def linear_layout(index: IndexExpression, extent: IndexExpression) -> LinearLayout | None:
    """Return the layout in which ``index`` is one variable per dimension, over all of ``extent``.

    ``None`` if there is no such layout, and for a single variable, which needs none.
    """
    strides: list[tuple[LoopVariable, Monomial, int]] = []
    for monomial, coefficient in index.terms:
        variables = [symbol for symbol in monomial if isinstance(symbol, LoopVariable)]
        if len(variables) != 1 or coefficient < 0:
            return None
        rest = tuple(symbol for symbol in monomial if symbol is not variables[0])
        strides.append((variables[0], rest, coefficient))
    strides.sort(key=lambda stride: (len(stride[1]), stride[2]), reverse=True)
    if len(strides) < 2 or len({variable for variable, _, _ in strides}) < len(strides):
        return None
    shape: list[IndexExpression] = []
    above = extent
    for variable, monomial, coefficient in strides:
        size = _quotient(above, monomial, coefficient)
        if size is None or variable.lower.constant != 0 or variable.extent != size:
            return None
        shape.append(size)
        above = IndexExpression(((monomial, coefficient),))
    if above.constant != 1:
        return None
    return LinearLayout(tuple(variable for variable, _, _ in strides), tuple(shape))


def _quotient(
    dividend: IndexExpression, monomial: Monomial, coefficient: int
) -> IndexExpression | None:
    """Return the exact quotient by one term, or ``None`` if there is a remainder."""
    terms: list[tuple[Monomial, int]] = []
    for symbols, factor in dividend.terms:
        left = list(symbols)
        for symbol in monomial:
            if symbol not in left:
                return None
            left.remove(symbol)
        if factor % coefficient:
            return None
        terms.append((tuple(left), factor // coefficient))
    return IndexExpression.from_terms(terms)
