"""Read the tensor IR of a kernel: one contraction, an initial value, at most one post-operation.

It answers with plain facts (``Contraction``), or refuses with what it met and what it can do.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    TensorType,
)
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import FillOp, GenericOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap

from .kernel import refusal
from .post_op import PostOp

OUTPUTS = "liftproof.outputs"
"""Attribute of a kernel: the positions of the array parameters that it writes."""


@dataclass(frozen=True)
class Contraction:
    """``out[i, j] = post(init[i, j] + Σ_k a[i, k] · b[k, j])``; arrays are parameter positions."""

    m: int
    n: int
    k: int
    a: int
    b: int
    out: int
    a_transposed: bool
    b_transposed: bool
    init: int | None
    """None starts from zero."""
    init_broadcast: bool
    """The initial value is one row, the same for each i."""
    generic: GenericOp
    post: GenericOp | None


def read_contraction(function: func.FuncOp) -> Contraction:
    """The contraction that ``function`` computes; refuses other functions."""
    out = _output_position(function)
    result = _returned(function)
    post = None
    generic = _generic(result, function)
    if IteratorType.REDUCTION not in _iterators(generic):
        post = generic
        _require_element_wise(post)
        generic = _generic(post.inputs[0], function)
    if IteratorType.REDUCTION not in _iterators(generic):
        raise refusal(
            generic, "expected one contraction followed by at most one element-wise operation"
        )
    return _facts(function, generic, post, out)


def _output_position(function: func.FuncOp) -> int:
    outputs = function.attributes.get(OUTPUTS)
    if not isinstance(outputs, DenseArrayBase) or len(outputs.get_values()) != 1:
        raise refusal(function, f"needs {OUTPUTS} with one output")
    return int(outputs.get_values()[0])


def _returned(function: func.FuncOp) -> SSAValue:
    last = function.body.blocks[-1].last_op
    if len(function.body.blocks) != 1 or not isinstance(last, func.ReturnOp):
        raise refusal(function, "is not a single block that ends in func.return")
    if len(last.arguments) != 1:
        raise refusal(function, f"must return one tensor, returns {len(last.arguments)}")
    return last.arguments[0]


def _generic(value: SSAValue, function: func.FuncOp) -> GenericOp:
    owner = value.owner
    if not isinstance(owner, GenericOp):
        raise refusal(
            owner if isinstance(owner, Operation) else function,
            "expected linalg.generic: one contraction and at most one element-wise operation",
        )
    return owner


def _iterators(generic: GenericOp) -> list[IteratorType]:
    return [kind.data for kind in generic.iterator_types]


def _maps(generic: GenericOp) -> list[AffineMap]:
    maps: list[AffineMap] = []
    for attribute in generic.indexing_maps:
        assert isinstance(attribute, AffineMapAttr)
        maps.append(attribute.data)
    return maps


def _dims(map: AffineMap, generic: GenericOp) -> tuple[int, ...]:
    dims: list[int] = []
    for expression in map.results:
        if not isinstance(expression, AffineDimExpr):
            raise refusal(generic, f"indexing map {map} is not a choice of loop dimensions")
        dims.append(expression.position)
    return tuple(dims)


def _require_element_wise(post: GenericOp) -> None:
    rank = len(post.iterator_types)
    if any(_dims(map, post) != tuple(range(rank)) for map in _maps(post)):
        raise refusal(
            post, "the operation after the contraction must be element-wise (identity maps)"
        )
    if len(post.inputs) != 1 or len(post.outputs) != 1:
        raise refusal(post, "the operation after the contraction must read the sum only")
    if post.body.block.args[1].first_use is not None:
        raise refusal(post, "the operation after the contraction must not read the old output")


def _facts(
    function: func.FuncOp, generic: GenericOp, post: GenericOp | None, out: int
) -> Contraction:
    if len(generic.inputs) != 2 or len(generic.outputs) != 1 or len(generic.iterator_types) != 3:
        raise refusal(generic, "expected a matrix product: two inputs, loops i, j and k")
    first, second, target = (_dims(map, generic) for map in _maps(generic))
    if len(target) != 2 or len(first) != 2 or len(second) != 2:
        raise refusal(generic, "expected a product of matrices (rank 2)")
    i, j = target
    (k,) = {0, 1, 2} - {i, j} if i != j else (None,)
    if _iterators(generic)[i] == IteratorType.REDUCTION or k is None:
        raise refusal(generic, "the output must be indexed by the two parallel loops")
    swapped = set(first) == {j, k} and set(second) == {i, k}
    if not swapped and (set(first) != {i, k} or set(second) != {k, j}):
        raise refusal(generic, "expected indexing maps of a matrix product")
    _require_multiply_add(generic)
    a_dims, b_dims = (second, first) if swapped else (first, second)
    a, b = (generic.inputs[1], generic.inputs[0]) if swapped else tuple(generic.inputs)
    sizes = generic.get_static_loop_ranges()
    init, broadcast = _initial_value(generic.outputs[0], generic)
    return Contraction(
        m=sizes[i],
        n=sizes[j],
        k=sizes[k],
        a=_position(a, generic),
        b=_position(b, generic),
        out=out,
        a_transposed=a_dims == (k, i),
        b_transposed=b_dims == (j, k),
        init=init,
        init_broadcast=broadcast,
        generic=generic,
        post=post,
    )


def _position(value: SSAValue, user: Operation) -> int:
    if not isinstance(value, BlockArgument):
        raise refusal(user, f"its operand of type {value.type} must be a parameter of the function")
    return value.index


def _require_multiply_add(generic: GenericOp) -> None:
    """The body must be ``sum + widen(a) · widen(b)``, in any order of operands."""
    block = generic.body.block
    total = block.last_op.operands[0] if block.last_op is not None else block.args[0]
    addition = total.owner
    if not isinstance(addition, arith.AddiOp | arith.AddfOp):
        raise refusal(generic, "the body of a contraction must add to the sum")
    terms = [operand for operand in addition.operands if operand is not block.args[2]]
    if len(terms) != 1 or not isinstance(terms[0].owner, arith.MuliOp | arith.MulfOp):
        raise refusal(generic, "the body of a contraction must add one product to the sum")
    factors = {_unwidened(operand) for operand in terms[0].owner.operands}
    if factors != {block.args[0], block.args[1]}:
        raise refusal(generic, "the body must multiply an element of each input, sign-extended")


def _unwidened(value: SSAValue) -> SSAValue:
    return value.owner.input if isinstance(value.owner, arith.ExtSIOp) else value


def _initial_value(value: SSAValue, generic: GenericOp) -> tuple[int | None, bool]:
    """Parameter position of the initial sums (None for zeros), and whether it is one row."""
    owner = value.owner
    if not isinstance(owner, Operation):
        return _position(value, generic), False
    if isinstance(owner, FillOp) and _is_zero(owner.operands[0]):
        return None, False
    if isinstance(owner, GenericOp) and len(owner.operands) == 2 and _copies(owner):
        source, target = (_dims(map, owner) for map in _maps(owner))
        if source == target or source == target[1:]:
            return _position(owner.operands[0], owner), source != target
        raise refusal(
            owner, "a bias can be a matrix or one row that repeats; Gemmini has no other form"
        )
    raise refusal(
        generic if isinstance(owner, tensor.EmptyOp) else owner,
        "sums must start from zero (linalg.fill) or from a bias parameter",
    )


def _copies(generic: GenericOp) -> bool:
    """Whether the body yields its input, sign-extended at most."""
    block = generic.body.block
    return block.last_op is not None and _unwidened(block.last_op.operands[0]) is block.args[0]


def _is_zero(value: SSAValue) -> bool:
    owner = value.owner
    if not isinstance(owner, arith.ConstantOp):
        return False
    number = owner.value
    return isinstance(number, IntegerAttr | FloatAttr) and number.value.data == 0


def element_type(value: SSAValue, user: Operation) -> Attribute:
    """Element type of a tensor value."""
    type = value.type
    if not isinstance(type, TensorType):
        raise refusal(user, f"expected a tensor, got {type}")
    return type.element_type


__all__ = ["OUTPUTS", "Contraction", "PostOp", "element_type", "read_contraction"]
