"""``linalg`` operations by their names, where a generic one is exactly what the name means."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.linalg import ops as linalg
from xdsl.rewriter import InsertPoint, Rewriter

_KINDS = ["parallel", "parallel", "reduction"]


def with_named_operations(module: ModuleOp) -> ModuleOp:
    """A copy in which products of matrices are ``linalg.matmul``.

    xDSL's operation takes operands of one element type and as they are; products that widen their
    operands, or transpose them, stay generic.
    """
    named = module.clone()
    for operation in list(named.walk()):
        if isinstance(operation, linalg.GenericOp) and _is_matmul(operation):
            _name(operation)
    return named


def _name(operation: linalg.GenericOp) -> None:
    factors = list(operation.inputs)
    if "d0" not in _names(operation, 0):
        factors.reverse()
    product = linalg.MatmulOp(factors, operation.outputs)
    Rewriter.insert_op(product, InsertPoint.before(operation))
    Rewriter.replace_op(operation, [], product.results)


def _is_matmul(operation: linalg.GenericOp) -> bool:
    """Whether ``out[d0, d1] += a[d0, d2] · b[d2, d1]``, all of one type."""
    kinds = [str(kind.data.value) for kind in operation.iterator_types]
    if kinds != _KINDS or len(operation.inputs) != 2 or len(operation.outputs) != 1:
        return False
    sides = [_names(operation, place) for place in range(3)]
    if sides[2] != ["d0", "d1"] or sorted(sides[:2]) != [["d0", "d2"], ["d2", "d1"]]:
        return False
    return _adds_products(operation)


def _names(operation: linalg.GenericOp, place: int) -> list[str]:
    return [str(result) for result in operation.indexing_maps.data[place].data.results]


def _adds_products(operation: linalg.GenericOp) -> bool:
    """The body adds the product of its two operands."""
    body = operation.body.block
    last = body.last_op
    assert last is not None
    total, addition = body.args[2], last.operands[0].owner
    if not isinstance(addition, arith.AddiOp | arith.AddfOp):
        return False
    others = [value for value in (addition.lhs, addition.rhs) if value is not total]
    factors = others[0].owner if len(others) == 1 else None
    if not isinstance(factors, arith.MuliOp | arith.MulfOp):
        return False
    return {factors.lhs, factors.rhs} == set(body.args[:2])
