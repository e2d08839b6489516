"""Functions on tensors that all have the same first dimensions, and these given other sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr, IntegerAttr, TensorType
from xdsl.dialects.linalg import ops as linalg
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineExpr, AffineMap
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from .tensor_functions import output_positions, tensor_sizes


def common_dimensions(function: func.FuncOp) -> int:
    """How many first dimensions are the same elements in all results and operations.

    Along these every element is computed from those at its own place, and from tensors that do not
    have the dimensions; so they can be merged and split. At least 1, which may not be common.
    """
    most = min((len(tensor_sizes(value)) for value in results_of(function)), default=1)
    return next((count for count in range(most, 1, -1) if _with_rows(function, count)), 1)


def with_leading_sizes(function: func.FuncOp, count: int, sizes: Sequence[int]) -> func.FuncOp:
    """A copy of the function in which ``sizes`` stand for the first ``count`` dimensions.

    Raises ``PassFailedException`` where these are not common to all results and operations.
    """
    copy = function.clone()
    changed = _with_rows(copy, count)
    if not changed:
        raise PassFailedException("the tensors have no first dimensions in common")
    for value in changed:
        type = value.type
        assert isinstance(type, TensorType)
        shape = (*sizes, *type.get_shape()[count:])
        Rewriter.replace_value_with_new_type(value, TensorType(type.element_type, shape))
    for operation in copy.body.block.ops:
        if isinstance(operation, linalg.GenericOp):
            _change_loops(operation, count, len(sizes))
    copy.update_function_type()
    return copy


def leading_size(function: func.FuncOp, count: int) -> int:
    """Elements of a result along its first ``count`` dimensions."""
    return prod(tensor_sizes(results_of(function)[0])[:count])


def results_of(function: func.FuncOp) -> tuple[SSAValue, ...]:
    """What a function returns."""
    returned = function.body.block.last_op
    return tuple(returned.operands) if returned is not None else ()


def _with_rows(function: func.FuncOp, count: int) -> list[SSAValue]:
    """The tensors with the first ``count`` dimensions; none where uses differ or are unknown."""
    *operations, returned = function.body.block.ops
    results = (*returned.operands, *(function.args[one] for one in output_positions(function)))
    found = dict.fromkeys(results, True)
    for operation in reversed(operations):
        for value, has_rows in _uses(operation, count, found):
            if has_rows is None or found.setdefault(value, has_rows) != has_rows:
                return []
    return [value for value, has_rows in found.items() if has_rows]


def _uses(
    operation: Operation, count: int, found: dict[SSAValue, bool]
) -> Iterator[tuple[SSAValue, bool | None]]:
    """For each tensor of an operation whether it has the dimensions; None if it cannot be said."""
    if isinstance(operation, linalg.FillOp):
        yield operation.outputs[0], found.get(operation.results[0])
    elif isinstance(operation, linalg.GenericOp):
        values = (*operation.inputs, *operation.outputs)
        leading = [kind.data.value for kind in operation.iterator_types][:count]
        indexed = any(index.dim.value.data < count for index in _indices(operation))
        for value, map in zip(values, operation.indexing_maps, strict=True):
            if isinstance(value.type, TensorType):
                common = leading == ["parallel"] * count and not indexed
                yield value, _has_rows(map.data, count) if common else None
        yield operation.results[0], _has_rows(operation.indexing_maps.data[-1].data, count)
    elif not isinstance(operation, tensor.EmptyOp | arith.ConstantOp):
        yield operation.results[0], None


def _has_rows(map: AffineMap, count: int) -> bool | None:
    rows = tuple(AffineExpr.dimension(dimension) for dimension in range(count))
    first, rest = map.results[:count], map.results[count:]
    if first == rows and not _dimensions(rest) & set(range(count)):
        return True
    return None if _dimensions(map.results) & set(range(count)) else False


def _dimensions(expressions: Sequence[AffineExpr]) -> set[int]:
    return {
        part.position
        for expression in expressions
        for part in expression.dfs()
        if isinstance(part, AffineDimExpr)
    }


def _indices(operation: linalg.GenericOp) -> list[linalg.IndexOp]:
    return [inner for inner in operation.body.block.ops if isinstance(inner, linalg.IndexOp)]


def _change_loops(operation: linalg.GenericOp, count: int, new: int) -> None:
    """Loops over ``new`` dimensions in place of the first ``count``."""
    rows = [AffineExpr.dimension(dimension) for dimension in range(new)]
    kinds = operation.iterator_types.data
    total = len(kinds) - count + new
    moved = [AffineExpr.dimension(max(0, d - count + new)) for d in range(len(kinds))]
    maps: list[Attribute] = []
    for attribute in operation.indexing_maps:
        results = attribute.data.results
        has_rows = bool(_has_rows(attribute.data, count))
        rest = [one.replace_dims_and_symbols(moved, []) for one in results[count * has_rows :]]
        maps.append(AffineMapAttr(AffineMap(total, 0, (*rows[: new * has_rows], *rest))))
    parallel: list[IteratorTypeAttr] = [IteratorTypeAttr.parallel()] * new
    operation.properties["indexing_maps"] = ArrayAttr(maps)
    operation.properties["iterator_types"] = ArrayAttr([*parallel, *kinds[count:]])
    for index in _indices(operation):
        index.dim = IntegerAttr(index.dim.value.data - count + new, index.dim.type)
