"""Read the tensor IR of a kernel: one contraction, an initial value, at most one post-operation.

It answers with plain facts (``Contraction``), or refuses with what it met and what it can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseArrayBase,
    TensorType,
)
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import FillOp, GenericOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from ..dialects.tile import Fold, Terms
from .coalesce import Form, View, view_of
from .kernel import refusal
from .loop_items import plus, times
from .padded import is_zero, read_padded
from .post_op import PostOp
from .reshaped import joined_subscripts, split_result, whole_array
from .tile_roles import Nest, Roles, assign_roles

PER_CHANNEL = "a store has one scale for all elements: scales of channels belong into the weights"
"""What to do about arrays that are read behind a sum."""
OUTPUTS = "liftproof.outputs"
"""Attribute of a kernel: the positions of the array parameters that it writes."""


Groups = tuple[tuple[int, ...], ...]
"""How an array is seen: the dimensions of the parameter that each dimension joins."""


@dataclass(frozen=True)
class Factor:
    """An input of the contraction, and how its array tiles lie in it."""

    array: int
    """Position of the parameter."""
    groups: Groups
    subscripts: tuple[Form, ...]
    transposed: bool
    """Whether the array holds the transpose of the tiles that the product needs."""
    row_dimension: int
    """The dimension along which the rows of a tile run; its columns run along the last one."""
    row_step: int
    border: bool
    """Whether subscripts go beyond the array, where all elements are zero."""
    fold: Fold | None = None
    """How rows of a tile go on in the next line; the subscripts are those of the first pixel."""
    terms: Terms | None = None
    """How columns of a tile go on in the next line of a window; the array is seen as one line."""


@dataclass(frozen=True)
class Contraction:
    """``out[…, i, …, j] = post(init[…] + Σ a[…i…k…] · b[…k…j…])``; arrays are parameter positions.

    The loops ``i``, ``j`` and ``k`` make array tiles; the others repeat them: ``outer`` loops for
    more elements of the output (images and rows of pixels, batches of matrices), ``window`` loops
    for more terms of its sums (kernel rows and columns of a convolution).
    """

    sizes: tuple[int, ...]
    """Iterations of each loop."""
    i: int
    j: int
    k: int
    outer: tuple[int, ...]
    window: tuple[int, ...]
    a: Factor
    b: Factor
    out: int
    result: View
    """How the output is written."""
    init: int | None
    """None starts from zero."""
    initial: View | None
    """How the initial value is read: one row for all rows of the output, or each its own."""
    diagonal: bool
    """There is no sum over ``k``: each column of A meets its own element of B's row."""
    generic: GenericOp
    post: GenericOp | None

    @property
    def terms(self) -> int:
        """Products in one sum."""
        return prod(self.sizes[loop] for loop in (*self.window, self.k))

    @property
    def init_broadcast(self) -> bool:
        """The initial value is one row, the same for each row of the output."""
        return self.initial is not None and not self.initial.uses(self.i)


def read_contraction(function: func.FuncOp, dim: int, *, separate: bool = False) -> Contraction:
    """The contraction that ``function`` computes; refuses other functions.

    Loops are joined (``coalesce``) for array tiles of ``dim`` rows and columns, or kept separate.
    """
    out = output_position(function)
    result, joins = split_result(returned_tensor(function))
    post = None
    generic = _generic(result, function)
    if IteratorType.REDUCTION not in iterators_of(generic):
        post = generic
        _require_element_wise(post)
        generic = _generic(post.inputs[0], function)
    if IteratorType.REDUCTION not in iterators_of(generic):
        raise refusal(
            generic, "expected one contraction followed by at most one element-wise operation"
        )
    return _facts(generic, post, out, joins, dim, separate)


def output_position(function: func.FuncOp) -> int:
    outputs = function.attributes.get(OUTPUTS)
    if not isinstance(outputs, DenseArrayBase) or len(outputs.get_values()) != 1:
        raise refusal(function, f"needs {OUTPUTS} with one output")
    return int(outputs.get_values()[0])


def returned_tensor(function: func.FuncOp) -> SSAValue:
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


def iterators_of(generic: GenericOp) -> list[IteratorType]:
    return [kind.data for kind in generic.iterator_types]


def maps_of(generic: GenericOp) -> list[AffineMap]:
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


def is_element_wise(generic: GenericOp) -> bool:
    """Whether each element of one tensor becomes an element of another, in the same place."""
    if len(generic.inputs) != 1 or IteratorType.REDUCTION in iterators_of(generic):
        return False
    same = AffineMap.identity(len(generic.iterator_types)).results
    return all(map.results == same for map in maps_of(generic))


def _require_element_wise(post: GenericOp) -> None:
    rank = len(post.iterator_types)
    if any(_dims(map, post) != tuple(range(rank)) for map in maps_of(post)):
        raise refusal(
            post,
            "the operation after the contraction must be element-wise (identity maps)",
            PER_CHANNEL,
        )
    if len(post.inputs) != 1 or len(post.outputs) != 1:
        reason = "the operation after the contraction must read the sum only"
        raise refusal(post, reason, PER_CHANNEL)
    if post.body.block.args[1].first_use is not None:
        raise refusal(post, "the operation after the contraction must not read the old output")


def _facts(
    generic: GenericOp,
    post: GenericOp | None,
    out: int,
    joins: Sequence[tensor.CollapseShapeOp],
    dim: int,
    separate: bool,
) -> Contraction:
    if len(generic.inputs) != 2 or len(generic.outputs) != 1:
        raise refusal(generic, "expected a contraction of two inputs to one output")
    sizes = _sizes(generic)
    *inputs, target_map = maps_of(generic)
    target = _dims(target_map, generic)
    read = [
        _view(value, [subscript_form(x, generic) for x in map.results], generic)
        for value, map in zip(generic.inputs, inputs, strict=True)
    ]
    require_multiply_add(generic, guarded=any(view.border for _, view in read))
    _require_target(target, generic)
    init = _initial_value(generic, target)
    nest = Nest(
        sizes,
        target,
        tuple(n for n, kind in enumerate(iterators_of(generic)) if kind == IteratorType.REDUCTION),
        (
            *(view for _, view in read),
            _written(generic, target, joins),
            *([] if init is None else [init[1]]),
        ),
    )
    assigned = assign_roles(nest if separate else nest.joined(dim))
    if assigned is None:
        raise refusal(
            generic,
            "is no product of matrix tiles: one input must have the output's columns and a summed"
            " dimension, the other this summed dimension and rows of the output, each with one of"
            " its two as contiguous last dimension",
        )
    nest, roles = assigned
    first, second, result, *initial = nest.views
    _require_rows(initial, roles, generic)
    positions = [position for position, _ in read]
    if roles.swapped:
        first, second = second, first
        positions.reverse()
    return Contraction(
        sizes=nest.sizes,
        i=roles.i,
        j=roles.j,
        k=roles.k,
        outer=tuple(loop for loop in nest.target if loop not in (roles.i, roles.j)),
        window=tuple(loop for loop in nest.sums if loop != roles.k),
        a=Factor(positions[0], first.groups, first.subscripts, *roles.a, bool(first.border)),
        b=Factor(positions[1], second.groups, second.subscripts, *roles.b, bool(second.border)),
        out=out,
        result=result,
        init=None if init is None else init[0],
        initial=initial[0] if initial else None,
        diagonal=roles.diagonal,
        generic=generic,
        post=post,
    )


def _extents(value: SSAValue) -> tuple[int, ...]:
    assert isinstance(value.type, TensorType)
    return value.type.get_shape()


def _view(value: SSAValue, forms: Sequence[Form], generic: GenericOp) -> tuple[int, View]:
    """The parameter that is read, which zeros may surround, and how loops walk through it."""
    padded = read_padded(value)
    array, found = whole_array(padded.inside, padded.subscripts(forms))
    if array is not padded.inside and padded.border:
        raise refusal(generic, "zeros can surround a parameter as it is, but not a view of it")
    return parameter_position(array, generic), view_of(_extents(array), found, padded.border)


def _written(
    generic: GenericOp, target: Sequence[int], joins: Sequence[tensor.CollapseShapeOp]
) -> View:
    """How loops walk through the output, dimensions of which may be split in the kernel."""
    extents = _extents(generic.outputs[0])
    forms: list[Form] = [{loop: 1} for loop in target]
    for join in joins:
        extents, forms = _extents(join.result), joined_subscripts(join, forms)
    return view_of(extents, forms)


def _require_target(target: Sequence[int], generic: GenericOp) -> None:
    kinds = iterators_of(generic)
    if not target or any(kinds[loop] == IteratorType.REDUCTION for loop in target):
        raise refusal(generic, "the output must be indexed by parallel loops")
    if len(set(target)) != len(target) or len(target) + 1 > len(kinds):
        raise refusal(generic, "the output must be indexed by each parallel loop once")


def _sizes(generic: GenericOp) -> tuple[int, ...]:
    """The iterations of each loop; refuses sizes that are not numbers."""
    for operand in generic.operands:
        if isinstance(operand.type, TensorType) and any(n < 0 for n in operand.type.get_shape()):
            sizes = f"needs sizes that are numbers, as in `#define N 64`; got {operand.type}"
            raise refusal(generic, sizes)
    return tuple(generic.get_static_loop_ranges())


def subscript_form(expression: AffineExpr, generic: GenericOp) -> Form:
    match expression:
        case AffineDimExpr():
            return {expression.position: 1}
        case AffineConstantExpr():
            return {None: expression.value} if expression.value else {}
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Add):
            total = dict(subscript_form(expression.lhs, generic))
            for loop, factor in subscript_form(expression.rhs, generic).items():
                total[loop] = total.get(loop, 0) + factor
            return total
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Mul, rhs=AffineConstantExpr(value=scale)):
            return {loop: scale * x for loop, x in subscript_form(expression.lhs, generic).items()}
        case _:
            raise refusal(generic, f"subscript {expression} is not a sum of loops with factors")


def parameter_position(value: SSAValue, user: Operation) -> int:
    if not isinstance(value, BlockArgument):
        raise refusal(user, f"its operand of type {value.type} must be a parameter of the function")
    return value.index


def require_multiply_add(generic: GenericOp, *, guarded: bool) -> None:
    """The body must be ``sum + widen(a) · widen(b)``, in any order of operands.

    Where it is ``guarded``, a choice between the product and zero may repeat what the zeros around
    an input say already; if it says something else, validation refutes the lowered program.
    """
    block = generic.body.block
    total = block.last_op.operands[0] if block.last_op is not None else block.args[0]
    addition = total.owner
    if not isinstance(addition, arith.AddiOp | arith.AddfOp):
        raise refusal(generic, "the body of a contraction must add to the sum")
    terms = [operand for operand in addition.operands if operand is not block.args[2]]
    if guarded:
        terms = [_chosen(term) for term in terms]
    if len(terms) != 1 or not isinstance(terms[0].owner, arith.MuliOp | arith.MulfOp):
        raise refusal(generic, "the body of a contraction must add one product to the sum")
    factors = {_unwidened(operand) for operand in terms[0].owner.operands}
    if factors != {block.args[0], block.args[1]}:
        raise refusal(
            generic,
            "the body must multiply an element of each input, sign-extended",
            "inputs are int8: a zero point belongs into the bias, b[j] - z * (sum of w[k][j]),"
            " and uint8 less 128 is int8",
        )


def _chosen(value: SSAValue) -> SSAValue:
    """What ``value`` is unless it is zero."""
    owner = value.owner
    return owner.lhs if isinstance(owner, arith.SelectOp) and is_zero(owner.rhs) else value


def _unwidened(value: SSAValue) -> SSAValue:
    return value.owner.input if isinstance(value.owner, arith.ExtSIOp) else value


def _initial_value(generic: GenericOp, target: Sequence[int]) -> tuple[int, View] | None:
    """The parameter that sums start from, and how loops walk through it; None for zeros."""
    value = generic.outputs[0]
    owner = value.owner
    forms: list[Form] = [{loop: 1} for loop in target]
    if isinstance(owner, FillOp) and is_zero(owner.operands[0]):
        return None
    if isinstance(owner, GenericOp) and len(owner.operands) == 2 and copies(owner):
        source, target_map = maps_of(owner)
        written = _dims(target_map, owner)
        loops = {loop: forms[place] for place, loop in enumerate(written)}
        read = [subscript_form(x, owner) for x in source.results]
        value, forms = owner.inputs[0], [_substituted(form, loops) for form in read]
    elif isinstance(owner, Operation) and not isinstance(owner, tensor.ExpandShapeOp):
        raise refusal(
            generic if isinstance(owner, tensor.EmptyOp) else owner,
            "sums must start from zero (linalg.fill) or from a bias parameter",
        )
    return _view(value, forms, generic)


def _substituted(form: Form, loops: Mapping[int, Form]) -> Form:
    """A subscript of the loops of one operation in those of another."""
    parts = [times(loops[loop], factor) for loop, factor in form.items() if loop is not None]
    return plus(*parts, *([form[None]] if None in form else []))


def _require_rows(initial: Sequence[View], roles: Roles, generic: GenericOp) -> None:
    """What sums start from must lie as the rows of the output's tiles do."""
    for view in initial:
        *others, last = view.subscripts
        if last.get(roles.j) != 1 or any(roles.j in form for form in others):
            raise refusal(
                generic.outputs[0].owner
                if isinstance(generic.outputs[0].owner, Operation)
                else generic,
                "a bias can be a matrix or one row that repeats; Gemmini"
                " loads no number to all columns of a row",
                "channels last (NHWC) have one bias for each column; else make the bias a matrix",
            )


def repeats(value: SSAValue) -> bool:
    """Whether ``value`` is an array whose elements are repeated as they are."""
    owner = value.owner
    if not isinstance(owner, GenericOp) or len(owner.inputs) != 1 or not copies(owner):
        return False
    return element_type(value, owner) == element_type(owner.inputs[0], owner)


def copies(generic: GenericOp) -> bool:
    """Whether the body yields its input, sign-extended at most."""
    block = generic.body.block
    return block.last_op is not None and _unwidened(block.last_op.operands[0]) is block.args[0]


def element_type(value: SSAValue, user: Operation) -> Attribute:
    """Element type of a tensor value."""
    type = value.type
    if not isinstance(type, TensorType):
        raise refusal(user, f"expected a tensor, got {type}")
    return type.element_type


__all__ = ["OUTPUTS", "Contraction", "Factor", "PostOp", "element_type", "read_contraction"]
