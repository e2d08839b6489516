"""Checks that a kernel's subscripts and loop bounds are affine, as the proofs need them.

Affine means: a sum of loop variables and integer parameters with constant factors, and quotients
and remainders of such sums by constants.
"""

from __future__ import annotations

from xdsl.dialects import arith, builtin, memref, scf
from xdsl.ir import BlockArgument, Operation, SSAValue

from ...diagnostics import Diagnostic
from .emitter import source_location

_HINT = (
    "a subscript may add and subtract loop variables, parameters and constants, "
    "multiply them by constants, and divide by constants; count with int or size_t"
)


class _NotAffineError(Exception):
    """Why a value is not affine."""


def check_affine(module: builtin.ModuleOp, *, symbolic_strides: bool = False) -> None:
    """Raise Diagnostic at the first access, or loop bound, of loop IR that is not affine.

    With ``symbolic_strides``, a product with an integer parameter, as in ``A[i * n + j]``, is
    accepted too.
    """
    for op in module.walk():
        if isinstance(op, (memref.LoadOp, memref.StoreOp)):
            for position, index in enumerate(op.indices):
                _check(op, index, _access(op, position), symbolic_strides, extrema=())
        elif isinstance(op, scf.ForOp):
            name = op.body.block.args[0].name_hint or "?"
            lower, upper = f"lower bound of loop '{name}'", f"upper bound of loop '{name}'"
            _check(op, op.lb, f"non-affine {lower}", symbolic_strides, extrema=(arith.MaxSIOp,))
            _check(op, op.ub, f"non-affine {upper}", symbolic_strides, extrema=(arith.MinSIOp,))


def _access(op: memref.LoadOp | memref.StoreOp, position: int) -> str:
    name = op.memref.name_hint or "?"
    if len(op.indices) == 1:
        return f"non-affine access of '{name}'"
    return f"non-affine access of '{name}' in subscript {position + 1}"


def _check(
    op: Operation,
    value: SSAValue,
    what: str,
    symbolic_strides: bool,
    extrema: tuple[type[arith.MinSIOp | arith.MaxSIOp], ...],
) -> None:
    try:
        _require_affine(value, symbolic_strides, extrema)
    except _NotAffineError as reason:
        raise Diagnostic(f"{what}: {reason}", source_location(op), hint=_HINT) from None


def _require_affine(
    value: SSAValue,
    symbolic_strides: bool,
    extrema: tuple[type[arith.MinSIOp | arith.MaxSIOp], ...],
) -> None:
    if isinstance(value, BlockArgument):
        return
    op = value.owner
    assert isinstance(op, Operation)
    if isinstance(op, (arith.AddiOp, arith.SubiOp, *extrema)):
        inner = extrema if isinstance(op, extrema) else ()
        for operand in op.operands:
            _require_affine(operand, symbolic_strides, inner)
    elif isinstance(op, arith.MuliOp):
        _require_affine_product(op, symbolic_strides)
    elif isinstance(op, (arith.DivSIOp, arith.RemSIOp)):
        if _constant(op.rhs) is None:
            raise _NotAffineError("it divides by what is no constant")
        _require_affine(op.lhs, symbolic_strides, ())
    elif not _is_parameter(value) and _constant(value) is None:
        raise _NotAffineError(_reason(op))


def _require_affine_product(op: arith.MuliOp, symbolic_strides: bool) -> None:
    for factor, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
        if _constant(other) is not None or (symbolic_strides and _is_parametric(other)):
            _require_affine(factor, symbolic_strides, ())
            return
    for factor in op.operands:
        _require_affine(factor, symbolic_strides, ())
    if _is_parametric(op.lhs) or _is_parametric(op.rhs):
        raise _NotAffineError("it multiplies by a parameter")
    raise _NotAffineError("it multiplies loop variables with each other")


def _reason(op: Operation) -> str:
    for source in _sources(op):
        if isinstance(source, memref.LoadOp):
            name = source.memref.name_hint or "?"
            return f"it depends on the value of '{name}'"
    if isinstance(op, arith.IndexCastOp) and isinstance(op.input.owner, arith.ExtUIOp):
        return "it is computed in a narrow unsigned type, which may wrap around"
    if isinstance(op, (arith.MinSIOp, arith.MaxSIOp, arith.SelectOp)):
        return "it depends on a condition"
    return "it is not computed by +, -, * and division by constants"


def _sources(op: Operation) -> list[Operation]:
    """Return ``op`` and the operations that it depends on."""
    found: dict[Operation, None] = {}
    pending = [op]
    while pending:
        current = pending.pop()
        if current in found:
            continue
        found[current] = None
        for operand in current.operands:
            if isinstance(operand.owner, Operation):
                pending.append(operand.owner)
    return list(found)


def _constant(value: SSAValue) -> int | None:
    op = value.owner
    if isinstance(op, arith.ConstantOp) and isinstance(op.value, builtin.IntegerAttr):
        return op.value.value.data
    return None


def _is_parameter(value: SSAValue) -> bool:
    """Tell whether ``value`` is an integer parameter of the function, cast to ``index``."""
    op = value.owner
    while isinstance(op, (arith.IndexCastOp, arith.ExtUIOp)):
        value = op.input
        op = value.owner
    return isinstance(value, BlockArgument) and not isinstance(value.block.parent_op(), scf.ForOp)


def _is_parametric(value: SSAValue) -> bool:
    """Tell whether ``value`` is computed from parameters and constants only, by +, - and ×."""
    if _is_parameter(value) or _constant(value) is not None:
        return True
    op = value.owner
    if isinstance(op, (arith.AddiOp, arith.SubiOp, arith.MuliOp)):
        return all(_is_parametric(operand) for operand in op.operands)
    return False
