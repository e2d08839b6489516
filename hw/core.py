"""What the core's own work costs: the arithmetic around an accelerator's commands, and loops.

The core is a Rocket: in order, one instruction per cycle when the loop body is in the instruction
cache. Real kernels run 5 to 7 RISC-V instructions per Gemmini instruction; the numbers below
reproduce that range for tiled loops. A constant costs nothing: it stays in a register.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import affine, arith, math
from xdsl.dialects.builtin import Float16Type, Float32Type, Float64Type
from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import AffineBinaryOpExpr, AffineConstantExpr, AffineExpr

ARITHMETIC = 1
"""One register-to-register instruction."""
SELECT = 2
"""min, max and select: the base instruction set has no conditional move, so compare and branch."""
MULTIPLY = 4
"""Rocket's multiplier, pipelined; a factor that is a power of two is a shift."""
DIVIDE = 20
"""Rocket's iterative divider with early out; a divisor that is a power of two is a shift."""
BRANCH = 2
"""The test and the jump of an if."""
LOOP_ENTRY = 1
"""Setting the induction variable."""
LOOP_ITERATION = 2
"""Increment, and compare-and-branch."""
FIELD = 2
"""A varying field packed into an operand word: shift and or."""
FLOAT = 4
"""One operation of Rocket's floating-point unit, whose result the next one needs."""
MEMORY_ACCESS = 2
"""A load or store that hits the data cache, and the step of its pointer."""
CACHE_LINE_BYTES = 64
CACHE_LINE = 24
"""A line of the data cache that comes from the L2: an estimate, nobody measured it for us."""
LOCAL_ADDRESS = 1
"""A varying local address merged with the extents beside it: one or."""
IMMEDIATE_WORD = 2
"""An operand word that is built from immediates: in straight-line code nothing is hoisted."""

_DIVISIONS = (
    arith.DivSIOp,
    arith.DivUIOp,
    arith.RemSIOp,
    arith.RemUIOp,
    arith.FloorDivSIOp,
    arith.CeilDivSIOp,
    arith.CeilDivUIOp,
)
_SELECTIONS = (
    arith.SelectOp,
    arith.MinSIOp,
    arith.MaxSIOp,
    arith.MinUIOp,
    arith.MaxUIOp,
)
_ROUNDINGS = (math.RoundEvenOp, math.RoundOp, math.FloorOp, math.CeilOp, math.TruncOp)
"""To an integer and back."""
_FREE = (arith.ConstantOp, arith.IndexCastOp, arith.ExtSIOp, arith.ExtUIOp, arith.TruncIOp)


def arithmetic_cycles(op: Operation, constant: Callable[[SSAValue], int | None]) -> int:
    """Cycles of one ``arith``, ``math`` or ``affine`` operation that does not fold to a constant.

    ``constant`` gives the value of an operand that is known to be constant, else None.
    """
    if isinstance(op, _FREE):
        return 0
    if isinstance(op, _DIVISIONS):
        return divide_cycles(constant(op.operands[1]))
    if isinstance(op, arith.MuliOp):
        factors = [constant(operand) for operand in op.operands]
        return multiply_cycles(next((factor for factor in factors if factor is not None), None))
    if isinstance(op, _SELECTIONS):
        return SELECT
    if isinstance(op, _ROUNDINGS):
        return 2 * FLOAT
    if isinstance(op, arith.DivfOp):
        return DIVIDE
    if any(
        isinstance(value.type, Float16Type | Float32Type | Float64Type)
        for value in (*op.operands, *op.results)
    ):
        return FLOAT
    if isinstance(op, affine.ApplyOp):
        return sum(_affine_cycles(result) for result in op.map.data.results)
    if isinstance(op, affine.MinOp):
        results = op.map.data.results
        return sum(_affine_cycles(result) for result in results) + SELECT * (len(results) - 1)
    return ARITHMETIC


def multiply_cycles(factor: int | None) -> int:
    """Cycles of a multiplication by ``factor``, None if it is not constant."""
    return ARITHMETIC if is_power_of_two(factor) else MULTIPLY


def divide_cycles(divisor: int | None) -> int:
    """Cycles of a division by ``divisor``, None if it is not constant."""
    return ARITHMETIC if is_power_of_two(divisor) else DIVIDE


def is_power_of_two(number: int | None) -> bool:
    return number is not None and number > 0 and number & (number - 1) == 0


def _affine_cycles(expression: AffineExpr) -> int:
    if not isinstance(expression, AffineBinaryOpExpr):
        return 0
    right = expression.rhs.value if isinstance(expression.rhs, AffineConstantExpr) else None
    own = {
        "+": ARITHMETIC,
        "*": multiply_cycles(right),
        "mod": divide_cycles(right),
        "floordiv": divide_cycles(right),
        "ceildiv": divide_cycles(right),
    }[expression.kind.get_token()]
    return own + _affine_cycles(expression.lhs) + _affine_cycles(expression.rhs)
