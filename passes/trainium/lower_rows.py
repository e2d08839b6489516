"""``trn-lower-rows``: tensor programs whose rows are computed alone, rows in partitions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Self

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from .leading_dimensions import (
    common_dimensions,
    leading_size,
    results_of,
    with_leading_sizes,
)
from .lowering_pass import TrainiumLowering
from .rows.buffers import InMemory, shape_of
from .rows.emission import RowPlan, emit_rows
from .rows.graph import Product
from .rows.parts import Place, over_range
from .rows.read import RowProgram, read_rows
from .rows.schedule import group_steps
from .rows.selection import select_steps
from .rows.sharing import in_passes
from .rows.turned import Turned
from .tensor_functions import (
    lower_functions,
    parameters_in_memory,
    replace_function,
    reshaped,
    tensor_sizes,
)

STREAMED = 8192
"""Rows of more elements may be too many for SBUF beside what is computed from them."""


@dataclass(frozen=True)
class LowerToRows(TrainiumLowering):
    """What the lowerings to instructions on rows have in common.

    With ``columns``, what needs no whole rows is computed on so many columns at a time. With
    ``at_once``, vector engine and GpSimd get work as if both could reach SBUF at the same time,
    which those of NeuronCore-v3 can. With ``stream``, rows are not kept: each pass over them loads
    the columns that it needs. With ``turned``, what lies between two products is computed with its
    columns in the partitions, so that it needs no transposes.
    """

    columns: int = 0
    at_once: bool = False
    stream: bool = False
    turned: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.columns < 0:
            raise PassFailedException(f"{self.name}: columns must not be negative")
        if self.stream and not self.columns:
            raise PassFailedException(f"{self.name}: streams need a number of columns")
        lower_functions(op, self.lower)

    @abstractmethod
    def lower(self, function: func.FuncOp) -> None:
        """Lower one function in place."""

    @classmethod
    def instances(cls, module: ModuleOp) -> Iterable[Self]:
        """Whole rows or some widths of parts, both ways to share the work, and streams."""
        return cls.settings(_longest(module))

    @classmethod
    def settings(cls, longest: int) -> Iterator[Self]:
        """The instances to try; rows have at most so many elements."""
        for columns, at_once in product((0, 4096, 2048, 1024, 512), (False, True)):
            yield cls(columns, at_once)

    def plan(
        self, program: RowProgram, builder: Builder, arrays: Mapping[int, InMemory]
    ) -> RowPlan:
        """What the blocks of a program's rows share; ``arrays`` are its parameters in memory."""
        accesses = [access for access, _ in program.outputs]
        turned = Turned.of(accesses) if self.turned else Turned()
        if self.turned and not turned.nodes:
            raise PassFailedException(f"{self.name}: nothing that can lie turned")
        steps = select_steps(program.graph, accesses, self.at_once, turned)
        groups = group_steps(steps, accesses, self.stream, turned.nodes)
        columns, stream = self.columns, self.stream
        return RowPlan(builder, arrays, groups, program.outputs, columns, turned, stream)


@dataclass(frozen=True)
class LowerRowsPass(LowerToRows):
    """Lower a function on tensors to instructions on blocks of 128 rows.

    Needs a first dimension that is the same rows in all results, with every element computed from
    its own row and from arrays that have no rows (weights, the matrices of products). Guarantees
    one load of each array per block, and keeps everything between in SBUF.
    """

    name = "trn-lower-rows"

    @classmethod
    def settings(cls, longest: int) -> Iterator[Self]:
        for at_once in (False, True):
            yield cls(at_once=at_once, turned=True)
        yield from super().settings(longest)
        if longest > STREAMED:
            for columns, at_once in product((8192, 4096, 2048), (False, True)):
                yield cls(columns, at_once, stream=True)

    def lower(self, function: func.FuncOp) -> None:
        outer, inner, program = rows_of(function)
        if self.stream:
            program = program.of(in_passes([access for access, _ in program.outputs]))
        block = parameters_in_memory(function)
        builder = Builder(InsertPoint.at_end(block))
        shapes = [tensor_sizes(argument) for argument in inner.args]

        def rows(inmost: Builder, at: tuple[Place, ...]) -> None:
            if len(at) < len(outer):
                numbers = range(outer[len(at)])
                over_range(inmost, numbers, lambda next, number: rows(next, (*at, number)))
                return
            arrays: dict[int, InMemory] = {}
            for index, (array, shape) in enumerate(zip(block.args, shapes, strict=True)):
                own = at if len(shape_of(array)) > len(shape) else ()
                arrays[index] = InMemory(array if at else reshaped(inmost, array, shape), own)
            emit_rows(self.plan(program, inmost, arrays), program.rows)

        rows(builder, ())
        builder.insert(func.ReturnOp())
        replace_function(function, block)


def _longest(module: ModuleOp) -> int:
    """Elements of the longest row of a parameter."""
    functions = [function for function in module.ops if isinstance(function, func.FuncOp)]
    types = [argument.type for function in functions for argument in function.args]
    shapes = [type.get_shape() for type in types if isinstance(type, TensorType)]
    return max((prod(shape[1:]) for shape in shapes), default=0)


def rows_of(function: func.FuncOp) -> tuple[tuple[int, ...], func.FuncOp, RowProgram]:
    """Sizes of outer dimensions that are looped over, and what is computed at a place in them.

    As few as leave rows, and the most products for the tensor engine.
    """
    shape = tensor_sizes(results_of(function)[0])
    found: list[tuple[tuple[int, ...], func.FuncOp, RowProgram]] = []
    refusals: list[PassFailedException] = []
    for count in range(max(1, len(shape) - 1)):
        try:
            inner = with_leading_sizes(function, count, ()) if count else _merged(function)
            found.append((shape[:count], inner, read_rows(inner)))
        except PassFailedException as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    return max(found, key=lambda one: one[2].graph.count(Product))


def _merged(function: func.FuncOp) -> func.FuncOp:
    """The function with one dimension of rows in place of all that rows can have."""
    count = common_dimensions(function)
    if all(len(tensor_sizes(argument)) == count for argument in function.args):
        count = max(1, count - 1)
    if count == 1:
        return function
    return with_leading_sizes(function, count, (leading_size(function, count),))
