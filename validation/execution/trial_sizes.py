"""Sizes at which programs with symbolic extents are run in search of a counterexample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import prod

from xdsl.dialects.builtin import ArrayAttr, MemRefType, StringAttr, TensorType
from xdsl.dialects.func import FuncOp

from ..core.polyhedral import Unsupported
from ..extract.from_loops import extent_rows
from ..extract.pure_operations import type_name

Sizes = Mapping[int, int]
"""Values of the parameters that are extents of arrays, by position."""

SMALL = (1, 2, 3)
"""Every combination of these is tried first."""
LARGER = (1, 2, 4, 5, 8, 9, 16, 17, 33)
"""Then these: on both sides of the sizes of tiles."""
MAX_TRIALS = 150
MAX_SIZE = 100
"""Sizes that a failed proof suggests are tried up to this one."""


def parameter_names(function: FuncOp) -> tuple[str, ...]:
    """The names in ``liftproof.parameters``, else of the arguments, else by position."""
    attribute = function.attributes.get("liftproof.parameters")
    if isinstance(attribute, ArrayAttr):
        names = [name.data for name in attribute.data if isinstance(name, StringAttr)]
        if len(names) == len(function.args):
            return tuple(names)
    return tuple(a.name_hint or f"arg{number}" for number, a in enumerate(function.args))


def size_parameters(function: FuncOp, names: tuple[str, ...]) -> tuple[int, ...]:
    """Positions of the scalar parameters that are extents of arrays."""
    used = {entry for row in extent_rows(function) for entry in row if isinstance(entry, str)}
    return tuple(
        position
        for position, (name, argument) in enumerate(zip(names, function.args, strict=True))
        if name in used and not isinstance(argument.type, MemRefType | TensorType)
    )


def shapes_at(
    function: FuncOp, names: tuple[str, ...], sizes: Sizes
) -> list[tuple[tuple[int, ...], str]]:
    """Shape and element type of each parameter at given sizes; a scalar has rank 0.

    Raises ``Unsupported`` for an extent that is neither a number nor one of the sizes.
    """
    rows = extent_rows(function)
    known = {names[position]: value for position, value in sizes.items()}
    found: list[tuple[tuple[int, ...], str]] = []
    for position, argument in enumerate(function.args):
        type = argument.type
        if not isinstance(type, MemRefType | TensorType):
            found.append(((), type_name(type)))
            continue
        shape = tuple(type.get_shape())
        if any(extent < 0 for extent in shape):
            row = rows[position] if position < len(rows) else []
            shape = tuple(known.get(e, -1) if isinstance(e, str) else e for e in row)
        if len(shape) != len(type.get_shape()) or any(extent < 0 for extent in shape):
            raise Unsupported("execution needs extents that are numbers or parameters")
        found.append((shape, type_name(type.element_type)))
    return found


def trials(positions: tuple[int, ...], suspected: Sizes) -> Iterator[Sizes]:
    """Sizes to try: the suspected ones, then from few elements to many, be it in one dimension."""
    if all(0 < suspected.get(position, 0) <= MAX_SIZE for position in positions):
        yield {position: suspected[position] for position in positions}
    tried = 0
    for values in (SMALL, LARGER):
        for chosen in sorted(product(values, repeat=len(positions)), key=prod):
            tried += 1
            if tried > MAX_TRIALS:
                return
            yield dict(zip(positions, chosen, strict=True))


def smallest(sizes: Sizes, differs: Callable[[Sizes], bool]) -> Sizes:
    """Each size in turn made as small as the programs still differ."""
    current = dict(sizes)
    for position in current:
        for value in range(1, current[position]):
            if differs({**current, position: value}):
                current[position] = value
                break
    return current
