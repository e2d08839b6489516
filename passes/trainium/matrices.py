"""What a tensor program multiplies: two matrices, each as it is or transposed."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import FloatAttr
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.utils.exceptions import PassFailedException

from .leading_dimensions import common_dimensions, leading_size, results_of, with_leading_sizes
from .tensor_functions import element_type, output_positions, tensor_sizes


@dataclass(frozen=True)
class Matrix:
    """A parameter by position; ``summed_first`` if its first dimension is the summed one."""

    position: int
    summed_first: bool


@dataclass(frozen=True)
class Product:
    """``result[m, n] = Σ_k left[m, k] · right[k, n]``."""

    left: Matrix
    right: Matrix
    result: int
    rows: int
    columns: int
    depth: int
    element: Attribute


@dataclass(frozen=True)
class BatchedProduct:
    """``number`` products of equal sizes, and the sizes that the parameters get for them.

    In arrays at the positions ``numbered``, the matrices lie one behind the other; all products
    share the others.
    """

    product: Product
    number: int
    shapes: tuple[tuple[int, ...], ...]
    numbered: frozenset[int] = frozenset()


def batched_product_of(function: func.FuncOp) -> BatchedProduct:
    """The products that are all of a function; raises ``PassFailedException`` for others.

    First dimensions of the result that the right factor lacks are rows of one product; those that
    both factors have number the products.
    """
    count = common_dimensions(function)
    rank = len(tensor_sizes(_one_result(function)))
    if rank not in (count + 1, count + 2):
        raise PassFailedException("no product of two matrices")
    number = leading_size(function, count)
    sizes = [tensor_sizes(argument) for argument in function.args]
    if rank == count + 1:
        merged = function if count == 1 else with_leading_sizes(function, count, (number,))
        shapes = tuple(tensor_sizes(argument) for argument in merged.args)
        return BatchedProduct(product_of(merged), 1, shapes)
    one = with_leading_sizes(function, count, ())
    numbered = {at for at, argument in enumerate(one.args) if tensor_sizes(argument) != sizes[at]}
    for at in numbered:
        sizes[at] = (prod(sizes[at][: count + 1]), *sizes[at][count + 1 :])
    return BatchedProduct(product_of(one), number, tuple(sizes), frozenset(numbered))


def product_of(function: func.FuncOp) -> Product:
    """The product that is all of a function; raises ``PassFailedException`` for others."""
    result = _one_result(function)
    operation = _unrounded(result).owner
    *operations, _ = function.body.block.ops
    others = [op for op in operations if op not in (operation, result.owner)]
    if not all(isinstance(op, tensor.EmptyOp | linalg.FillOp | arith.ConstantOp) for op in others):
        raise PassFailedException("trn-lower-matmul needs a product and nothing else")
    if not isinstance(operation, Operation) or len(operation.operands) != 3:
        raise PassFailedException("trn-lower-matmul needs a product of two matrices")
    *factors, start = operation.operands
    if not _starts_at_zero(start):
        raise PassFailedException("a product that does not start from 0")
    pairs = zip(factors, _maps(operation), strict=True)
    sides = [_matrix(value, map, function) for value, map in pairs]
    if {dimension for _, dimension in sides} != {0, 1}:
        raise PassFailedException("no product of two matrices")
    left, right = (matrix for matrix, _ in sorted(sides, key=lambda side: side[1]))
    rows, columns = tensor_sizes(operation.results[0])
    first = tensor_sizes(function.args[left.position])
    return Product(
        left,
        right,
        output_positions(function)[0],
        rows,
        columns,
        first[0 if left.summed_first else 1],
        element_type(result),
    )


def _one_result(function: func.FuncOp) -> SSAValue:
    results = results_of(function)
    if len(results) != 1:
        raise PassFailedException("trn-lower-matmul needs one result")
    return results[0]


def _unrounded(result: SSAValue) -> SSAValue:
    """What is rounded to the result's type, if that is all that happens to it."""
    rounding = result.owner
    if not isinstance(rounding, linalg.GenericOp) or len(rounding.inputs) != 1:
        return result
    maps = {str(attribute.data) for attribute in rounding.indexing_maps}
    body = rounding.body.block
    operation = body.first_op
    alone = isinstance(operation, arith.TruncFOp) and operation.next_op is body.last_op
    if not alone or operation is None or operation.operands[0] is not body.args[0]:
        return result
    return rounding.inputs[0] if maps == {"(d0, d1) -> (d0, d1)"} else result


def _maps(operation: Operation) -> list[AffineMap]:
    """The subscripts of both factors."""
    if isinstance(operation, linalg.MatmulOp):
        rows, columns, depth = (AffineMap.identity(3).results[place] for place in range(3))
        return [AffineMap(3, 0, (rows, depth)), AffineMap(3, 0, (depth, columns))]
    if isinstance(operation, linalg.GenericOp):
        return _maps_of_generic(operation)
    raise PassFailedException(f"`{operation.name}` is no product of two matrices")


def _maps_of_generic(operation: linalg.GenericOp) -> list[AffineMap]:
    kinds = [str(kind.data.value) for kind in operation.iterator_types]
    maps = [attribute.data for attribute in operation.indexing_maps]
    if (
        kinds != ["parallel", "parallel", "reduction"]
        or str(maps[-1]) != "(d0, d1, d2) -> (d0, d1)"
    ):
        raise PassFailedException("no product of two matrices")
    _require_products(operation)
    return maps[:2]


def _require_products(operation: linalg.GenericOp) -> None:
    """The body adds the product of its operands, in their type or a wider one."""
    body = operation.body.block
    last = body.last_op
    assert last is not None
    total, addition = body.args[-1], last.operands[0].owner
    if isinstance(addition, arith.AddfOp) and total in addition.operands:
        other = next(iter(value for value in addition.operands if value is not total), None)
        if other is not None and isinstance(other.owner, arith.MulfOp):
            factors = [_unwidened(factor) for factor in other.owner.operands]
            if set(factors) == set(body.args[:2]):
                return
    raise PassFailedException("a reduction that does not add products of its operands")


def _unwidened(value: SSAValue) -> SSAValue:
    return value.owner.input if isinstance(value.owner, arith.ExtFOp) else value


def _matrix(value: SSAValue, map: AffineMap, function: func.FuncOp) -> tuple[Matrix, int]:
    """A factor, and whether its other dimension are the rows (0) or the columns (1)."""
    names = [str(result) for result in map.results]
    if value not in function.args or len(names) != 2 or names.count("d2") != 1:
        raise PassFailedException("a factor that is no matrix in memory")
    other = names[1 - names.index("d2")]
    if other not in ("d0", "d1"):
        raise PassFailedException("a factor that is no matrix in memory")
    position = list(function.args).index(value)  # pyright: ignore
    return Matrix(position, names[0] == "d2"), int(other[1:])


def _starts_at_zero(value: SSAValue) -> bool:
    owner = value.owner
    if not isinstance(owner, Operation) or not isinstance(owner, linalg.FillOp):
        return False
    number = owner.operands[0].owner
    is_number = isinstance(number, arith.ConstantOp) and isinstance(number.value, FloatAttr)
    return is_number and number.value.value.data == 0.0  # pyright: ignore
