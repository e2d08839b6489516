"""Launch grids: ``kernel[2, 4](…)`` runs the kernel once for each place in the grid.

The programs of a grid become loops around the kernel, one per dimension; what they allocate in
shared HBM is one array for all of them.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...dialects.trn.types import Space
from .call_arguments import Arguments
from .index import Index, Integer
from .source import Source
from .values import Array, Dtype, Function, Launch, LoopRange

if TYPE_CHECKING:
    from .expressions import Expressions
    from .reader import KernelReader
    from .tiles import Tiles

MAX_DIMENSIONS = 3
NUMBERS = ("program_id", "num_programs")
"""Calls by which the programs of a grid differ."""


@dataclass
class Programs:
    """The grid that is being run, and the program in it that is being read."""

    grid: tuple[int, ...] = ()
    numbers: tuple[Integer, ...] = ()
    first_variable: int = 0
    """Loops around the grid."""
    shared: list[Array] = field(default_factory=list[Array])
    """What each program allocates in shared HBM, in its order."""
    allocated: int = 0
    """How many of them the program being read has come to."""


def grid_of(source: Source, items: Sequence[Any], node: ast.AST) -> tuple[int, ...]:
    """The sizes of a grid; raises ``NkiError`` where they are none."""
    sizes = tuple(one.require_constant() if isinstance(one, Index) else one for one in items)
    if len(sizes) > MAX_DIMENSIONS or not all(type(one) is int and one > 0 for one in sizes):
        source.refuse(node, f"a grid has up to {MAX_DIMENSIONS} positive sizes, got {sizes}")
    return sizes


def launch(
    reader: Expressions, call: Launch, given: list[Any], named: dict[str, Any], node: ast.AST
) -> Any:
    """Run a kernel on all places of its grid; the result is that of each of them."""
    own = reader.language.reader
    return run_grid(own, call.grid, node, lambda: own.inline(call.function, given, named, node))


def run_grid(
    reader: KernelReader, grid: tuple[int, ...], node: ast.AST, body: Callable[[], Any]
) -> Any:
    if not grid:
        return body()
    if reader.programs.grid:
        reader.source.refuse(node, "a grid is launched by a program of another grid")
    reader.programs = Programs(grid, first_variable=len(reader.variables))
    try:
        return _along(reader, 0, node, body)
    finally:
        reader.programs = Programs()


def _along(reader: KernelReader, axis: int, node: ast.AST, body: Callable[[], Any]) -> Any:
    """All programs along the dimensions from ``axis`` on, for given numbers along those before."""
    programs = reader.programs
    if axis == len(programs.grid):
        programs.allocated = 0
        return body()
    place, everything = reader.source.place(node, axis), LoopRange(0, programs.grid[axis], 1)
    results = list[Any]()

    def run(number: Integer) -> None:
        programs.numbers = (*programs.numbers[:axis], number)
        results.append(_along(reader, axis + 1, node, body))

    size = programs.grid[axis]
    rolled = size - 1 if place in reader.peeled else size
    first = replace(everything, upper=rolled)
    if reader.stays_loop(place, first):
        reader.roll(place, f"program{axis}", first, run)
    else:
        rolled = 0
    for number in range(rolled, size):
        run(number)
    return results[-1]


def program_id(tiles: Tiles, arguments: Arguments) -> Integer:
    """The program's number along an axis; 0 where there is no grid."""
    axis, programs = arguments["axis"], tiles.reader.programs
    return programs.numbers[axis] if axis in range(len(programs.grid)) else 0


def num_programs(tiles: Tiles, arguments: Arguments) -> int:
    """How many programs there are along an axis, or in all."""
    grid, axes = tiles.reader.programs.grid, arguments.get("axes")
    chosen = range(len(grid)) if axes is None else axes if isinstance(axes, tuple) else (axes,)
    return math.prod(grid[axis] for axis in chosen if axis in range(len(grid)))


def program_ndim(tiles: Tiles, arguments: Arguments) -> int:
    return len(tiles.reader.programs.grid)


def shared_array(reader: KernelReader, name: str, shape: Sequence[int], dtype: Dtype) -> Array:
    """An array in shared HBM: the same one for all programs of a grid."""
    programs = reader.programs
    if not programs.grid:
        return reader.emitter.allocate(name, shape, dtype, Space.HBM)
    number = programs.allocated
    programs.allocated += 1
    if number < len(programs.shared):
        known = programs.shared[number]
        if (known.shape, known.dtype) == (tuple(shape), dtype):
            return known
    outer = reader.variables[programs.first_variable :]
    if outer:
        with reader.emitter.in_front_of(outer[0]):
            array = reader.emitter.allocate(name, shape, dtype, Space.HBM)
    else:
        array = reader.emitter.allocate(name, shape, dtype, Space.HBM)
    programs.shared.insert(number, array)
    return array


def launcher_of(source: Source, kernel: Function) -> ast.FunctionDef | None:
    """The only function of the file that launches the kernel on a grid for its own arguments.

    None also if the programs of a grid cannot differ.
    """
    names = {node.attr for node in ast.walk(source.tree) if isinstance(node, ast.Attribute)}
    if not names & set(NUMBERS):
        return None
    found = [
        node
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef)
        and node is not kernel.node
        and any(_launches(call, kernel.name, node) for call in ast.walk(node))
    ]
    return found[0] if len(found) == 1 else None


def _launches(call: ast.AST, kernel: str, function: ast.FunctionDef) -> bool:
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Subscript):
        return False
    launched, own = call.func.value, {one.arg for one in function.args.args}
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    return (
        isinstance(launched, ast.Name)
        and launched.id == kernel
        and any(isinstance(one, ast.Name) and one.id in own for one in arguments)
    )
