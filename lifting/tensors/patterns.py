"""Recognition of contractions in ``linalg.generic``, for the views that people read."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import TensorType
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap

LETTERS = "ijklmnpqrs"


@dataclass(frozen=True)
class Factor:
    """A factor of a contraction: the tensor, and the loops of its dimensions as letters."""

    operand: SSAValue
    subscripts: str
    is_signed: bool
    """Whether its elements are widened with their sign (or need no widening)."""


@dataclass(frozen=True)
class Contraction:
    """A sum of products: ``result`` names the loops that are kept, ``type`` is that of the sum."""

    factors: tuple[Factor, ...]
    result: str
    type: Attribute

    def as_matmul(self) -> tuple[tuple[Factor, bool], tuple[Factor, bool]] | None:
        """Return both operands of ``left @ right``, each with whether it is transposed.

        ``None`` if the contraction is no product of two matrices, or of a matrix and a vector.
        """
        if len(self.factors) != 2:
            return None
        letters = {s for factor in self.factors for s in factor.subscripts}
        kept = "".join(letter for letter in self.result if letter in letters)
        reduced = letters - set(kept)
        if len(reduced) != 1:
            return None
        (k,) = reduced
        for left, right in (self.factors, self.factors[::-1]):
            for row in (kept[:1], ""):
                column = kept[len(row) :]
                if len(column) > 1:
                    continue
                flips = (
                    _is_transposed(left, row + k),
                    _is_transposed(right, k + column),
                )
                if flips[0] is not None and flips[1] is not None:
                    return (left, flips[0]), (right, flips[1])
        return None


def _is_transposed(factor: Factor, wanted: str) -> bool | None:
    """Return whether the factor has to be transposed to be as wanted; ``None`` if that fails."""
    if factor.subscripts == wanted:
        return False
    return True if factor.subscripts == wanted[::-1] else None


def as_contraction(op: linalg.GenericOp) -> Contraction | None:
    """Return the operation as a sum of products of its inputs, or ``None`` if it is none."""
    found = reduction_body(op)
    if found is None or found[0] not in (arith.AddiOp, arith.AddfOp):
        return None
    arguments = factors_of(found[1])
    inputs = op.body.block.args[: len(op.inputs)]
    used = [argument for argument, _ in arguments or ()]
    if arguments is None or len(used) < 2 or set(used) != set(inputs):
        return None
    maps = [attribute.data for attribute in op.get_indexing_maps()]
    factors: list[Factor] = []
    for argument, is_signed in arguments:
        subscripts = plain_subscripts(maps[argument.index])
        if subscripts is None:
            return None
        factors.append(Factor(op.inputs[argument.index], subscripts, is_signed))
    result = plain_subscripts(maps[-1])
    output = op.outputs[0].type
    if result is None or not isinstance(output, TensorType):
        return None
    return Contraction(tuple(factors), result, output.element_type)


def reduction_body(op: linalg.GenericOp) -> tuple[type[Operation], SSAValue] | None:
    """Return combining operation and addend of a reduction ``out = combine(out, addend)``."""
    kept = op.get_indexing_maps().data[-1].data.results
    if len(op.outputs) != 1 or op.get_num_loops() == len(kept):
        return None
    accumulated = op.body.block.args[-1]
    combine = yielded(op).owner
    if not isinstance(combine, Operation) or len(combine.operands) != 2:
        return None
    left, right = combine.operands
    if right is accumulated:
        left, right = right, left
    if left is not accumulated or len(list(accumulated.uses)) != 1:
        return None
    return type(combine), right


def yielded(op: linalg.GenericOp) -> SSAValue:
    """Return the value that becomes the element of the (only) result."""
    last = op.body.block.last_op
    assert last is not None
    return last.operands[0]


def plain_subscripts(map: AffineMap) -> str | None:
    """Return the loops of a map as letters, if each result is one loop and none occurs twice."""
    dims = [expr.position for expr in map.results if isinstance(expr, AffineDimExpr)]
    if len(dims) != len(map.results) or len(set(dims)) != len(dims):
        return None
    return "".join(LETTERS[position] for position in dims)


def factors_of(value: SSAValue) -> list[tuple[BlockArgument, bool]] | None:
    """Return the block arguments whose product ``value`` is, with how they are widened."""
    owner = value.owner
    if isinstance(value, BlockArgument):
        return [(value, True)]
    if isinstance(owner, arith.ExtSIOp | arith.ExtUIOp | arith.ExtFOp):
        source = owner.operands[0]
        if isinstance(source, BlockArgument):
            return [(source, not isinstance(owner, arith.ExtUIOp))]
        return None
    if isinstance(owner, arith.MuliOp | arith.MulfOp):
        left, right = (factors_of(operand) for operand in owner.operands)
        return None if left is None or right is None else left + right
    return None
