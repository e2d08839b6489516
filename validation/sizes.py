"""Which numbers of a program are sizes: the plan by which extraction makes them symbols.

The plan is a proposal. A program extracted by a plan is the original one where every symbol has the
value of the number that it replaced, so what is proved for all values of the symbols holds for the
original too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xdsl.dialects import scf
from xdsl.ir import SSAValue

from .core.condition import Condition, all_of, at_least
from .core.index import Index, Variable
from .size_equations import Node, SizeEquations, is_parameter

if TYPE_CHECKING:
    from .core.polyhedral import Array, Program
    from .extract.structured import Extractor

SLACK = 64
"""Elements at an end of an array that a loop may leave out and still count as running over it."""


@dataclass
class SizePlan:
    """Symbols for loop bounds and array extents; what is not in the plan stays a number."""

    symbols: tuple[Variable, ...] = ()
    loops: dict[scf.ForOp, Index] = field(default_factory=dict[scf.ForOp, Index])
    """Upper bounds of loops."""
    extents: dict[SSAValue, tuple[Index, ...]] = field(
        default_factory=dict[SSAValue, tuple[Index, ...]]
    )
    sizes: tuple[Index, ...] = ()
    """Sizes that the symbols give, each at least 1."""
    meaning: tuple[str, ...] = ()
    """The parameter dimensions that the symbols stand for, in words."""

    @property
    def context(self) -> Condition:
        """Sizes are at least 1."""
        symbols = [Index.of(Variable(symbol.name)) for symbol in self.symbols]
        return all_of([at_least(size, 1) for size in (*symbols, *self.sizes)])


CONCRETE = SizePlan()
"""The plan that keeps all numbers."""


@dataclass
class Extraction:
    """A program and the IR that its arrays and loops come from."""

    program: Program
    extractor: Extractor


def plan_sizes(
    source: Extraction, target: Extraction, names: Sequence[str], *, windows: bool
) -> tuple[SizePlan, SizePlan]:
    """Plans for two programs with the same parameters.

    The free sizes that parameters have become symbols. Without ``windows`` the smaller one of two
    sizes that are added up, such as that of a stencil or a convolution's kernel, stays a number.
    """
    equations = SizeEquations()
    for number, extraction in enumerate((source, target)):
        _collect_simple(equations, extraction, number)
    sums = _collect_sums(equations, (source, target))
    if not windows:
        _freeze_windows(equations, [greatest for _, greatest, _ in sums])
    symbols = _choose_symbols(equations)
    plans = (SizePlan(), SizePlan())
    for number, (extraction, plan) in enumerate(zip((source, target), plans, strict=True)):
        plan.symbols = tuple(symbol for symbol in symbols.values() if isinstance(symbol, Variable))
        plan.sizes, plan.meaning = _describe(equations, symbols, names)
        _apply(equations, symbols, extraction, number, plan)
    return plans


def _collect_simple(equations: SizeEquations, extraction: Extraction, number: int) -> None:
    """Equations between two sizes: one counter, alone in a subscript, runs over a dimension."""
    for (left, first), (right, second) in extraction.extractor.same_extents:
        if left.extents[first].is_constant and right.extents[second].is_constant:
            equations.add(
                _extent(equations, left, first, number), _extent(equations, right, second, number)
            )
    for extent, greatest, gap in _accesses(equations, extraction, number):
        if not greatest.terms:
            # A subscript that is a number picks an element whatever the sizes are.
            equations.add(extent, greatest + gap)
        elif gap == 0 and [factor for _, factor in greatest.terms] == [1] and not greatest.constant:
            equations.add(extent, greatest)


def _collect_sums(
    equations: SizeEquations, extractions: Sequence[Extraction]
) -> list[tuple[Index, Index, int]]:
    """Equations of accesses that end at the end of a dimension, then of those that end near it."""
    found = [
        access
        for number, extraction in enumerate(extractions)
        for access in _accesses(equations, extraction, number)
        if access[1].terms and 0 <= access[2] <= SLACK
    ]
    for extent, greatest, gap in sorted(found, key=lambda access: access[2]):
        equations.add(extent, greatest + gap)
    return found


def _accesses(
    equations: SizeEquations, extraction: Extraction, number: int
) -> Iterator[tuple[Index, Index, int]]:
    """For each subscript: the extent, one more than its greatest value, and their difference."""
    for statement in extraction.program.readers():
        sizes = {
            dim.name: equations.variable((number, dim.name), dim.high + 1)
            for dim in statement.dims
            if dim.high is not None
        }
        accesses = [(statement.array, statement.indices)]
        accesses += [(read.array, read.indices) for read in statement.reads]
        for array, indices in accesses:
            for place, (index, extent) in enumerate(zip(indices, array.extents, strict=True)):
                if not extent.is_constant:
                    continue
                greatest = _greatest(index, sizes)
                if greatest is not None:
                    gap = extent.constant - equations.value(greatest)
                    yield _extent(equations, array, place, number), greatest, gap


def _greatest(index: Index, sizes: dict[str, Index]) -> Index | None:
    """One more than the greatest value of a subscript, as an expression of the counters' sizes."""
    found = Index((), index.constant + 1)
    for atom, factor in index.terms:
        if not isinstance(atom, Variable) or atom.name not in sizes:
            return None
        if factor > 0:
            found = found + (sizes[atom.name] - 1) * factor
    return found


def _freeze_windows(equations: SizeEquations, sums: Sequence[Index]) -> None:
    """Keep the number of the inner one of counters that are added up, by its factor and size."""
    for greatest in sums:
        if len(greatest.terms) > 1:
            inner = min(
                greatest.terms, key=lambda term: (term[1], equations.value(Index.of(term[0])))
            )
            equations.freeze(equations.node_of(inner[0]))


def _choose_symbols(equations: SizeEquations) -> dict[str, Variable | Index]:
    """For each free size its symbol, or its number where no parameter has to do with it."""
    chosen: dict[str, Variable | Index] = {}
    parameters = [node for node in equations.nodes() if is_parameter(node)]
    free = {name for node in parameters for name in equations.solution(node).variables}
    symbols = 0
    for node in equations.nodes():
        for atom, _ in equations.solution(node).terms:
            assert isinstance(atom, Variable)
            if atom.name in chosen:
                continue
            if atom.name in free:
                chosen[atom.name] = Variable(f"size{symbols}", 1)
                symbols += 1
            else:
                chosen[atom.name] = Index((), equations.numbers[equations.node_of(atom)])
    return chosen


def _symbolic(
    equations: SizeEquations, symbols: dict[str, Variable | Index], node: Node
) -> Index | None:
    """The size of a node in symbols; None if no equation is about it."""
    if node not in equations.numbers:
        return None
    values = {name: Index.of(symbol) for name, symbol in symbols.items()}
    return equations.solution(node).replace(values)


def _describe(
    equations: SizeEquations, symbols: dict[str, Variable | Index], names: Sequence[str]
) -> tuple[tuple[Index, ...], tuple[str, ...]]:
    """The symbolic sizes of parameter dimensions, and what they are in words."""
    dimensions: dict[Index, list[str]] = defaultdict(list)
    for node in sorted(filter(is_parameter, equations.nodes()), key=str):
        size = _symbolic(equations, symbols, node)
        if size is not None and size.terms:
            dimensions[size].append(f"{names[node[1]]}[{node[2]}]")  # pyright: ignore
    words = {size.isl: ", ".join(found) for size, found in dimensions.items()}
    free = {
        symbol.isl: dimensions[Index.of(symbol)][0]
        for symbol in symbols.values()
        if isinstance(symbol, Variable) and Index.of(symbol) in dimensions
    }
    for size in dimensions:
        if size.isl not in (Index.of(symbol).isl for symbol in symbols.values()):
            words[size.isl] += f" = {_in_words(size, free)}"
    return tuple(dimensions), tuple(words.values())


def _in_words(size: Index, names: dict[str, str]) -> str:
    parts = [
        f"{'-' if factor < 0 else '+'} {'' if abs(factor) == 1 else f'{abs(factor)}·'}"
        f"{names.get(atom.isl, atom.isl)}"
        for atom, factor in sorted(size.terms, key=lambda term: -term[1])
    ]
    if size.constant:
        parts.append(f"{'-' if size.constant < 0 else '+'} {abs(size.constant)}")
    return " ".join(parts).removeprefix("+ ")


def _extent(equations: SizeEquations, array: Array, place: int, number: int) -> Index:
    return equations.variable(array_node(array, place, number), array.extents[place].constant)


def array_node(array: Array, place: int, number: int) -> Node:
    """Dimension ``place`` of an array; parameters are the same in both programs."""
    if array.position is not None:
        return ("parameter", array.position, place)
    return (number, array.name, place)


def _apply(
    equations: SizeEquations,
    symbols: dict[str, Variable | Index],
    extraction: Extraction,
    number: int,
    plan: SizePlan,
) -> None:
    extractor = extraction.extractor
    for name, (loop, high, step) in extractor.loops.items():
        node = (number, name)
        size = _symbolic(equations, symbols, node)
        if size is not None:
            plan.loops[loop] = (size - equations.numbers[node]) * step + high
    for value, array in extractor.arrays.items():
        sizes = [
            _symbolic(equations, symbols, array_node(array, place, number))
            for place in range(len(array.extents))
        ]
        if any(sizes):
            pairs = zip(sizes, array.extents, strict=True)
            plan.extents[value] = tuple(size or extent for size, extent in pairs)
