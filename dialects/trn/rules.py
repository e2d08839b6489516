"""Operand rules of the engines: each check raises with the text of the rule that is broken.

Sources: the Neuron SDK's architecture guides (data paths, partition starts) and the operand
constraints of ``nki.isa``. Rules of one version of the machine are in ``hw/trainium/check.py``.
"""

from __future__ import annotations

from collections.abc import Collection

from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import VerifyException

from .limits import PARTITIONS, PSUM_BANK_BYTES
from .types import (
    BITWISE,
    Engine,
    Operator,
    Space,
    ViewType,
    element_bytes,
    is_float,
    is_fp8,
    is_integer,
    view_of,
)


def require(holds: bool, rule: str) -> None:
    """Raise with the rule's text unless it holds."""
    if not holds:
        raise VerifyException(rule)


def require_partition_start(start: int, count: int | None) -> None:
    """An access of more than 64 partitions starts at 0, of 33 to 64 at 0 or 64, else at 0/32/64/96.

    With ``count`` None only what no count allows is refused.
    """
    count = 1 if count is None else count
    if count > PARTITIONS or start < 0 or start + count > PARTITIONS:
        raise VerifyException(
            f"partitions: there are {PARTITIONS}, got {count} from partition {start} on"
        )
    alignment = PARTITIONS if count > 64 else 64 if count > 32 else 32
    if start % alignment:
        allowed = ", ".join(map(str, range(0, PARTITIONS, alignment)))
        raise VerifyException(
            f"partition start: {count} partitions start at partition {allowed}, got {start}"
        )


def require_space(role: str, operand: SSAValue, *allowed: Space) -> None:
    space = view_of(operand).space.data
    expected = " or ".join(found.upper() for found in allowed)
    require(space in allowed, f"{role} must be in {expected}, got {space.upper()}")


def require_on_chip(role: str, operand: SSAValue) -> None:
    require_space(role, operand, Space.SBUF, Space.PSUM)


def require_engine_reaches(engine: Engine, role: str, operand: SSAValue) -> None:
    """TensorE reads SBUF and writes PSUM; GpSimdE reaches SBUF only; no engine reaches HBM."""
    require_on_chip(role, operand)
    if engine == Engine.POOL:
        require(not view_of(operand).in_psum, f"GpSimd cannot access PSUM ({role})")


def require_not_both_psum(left: SSAValue, right: SSAValue) -> None:
    both = view_of(left).in_psum and view_of(right).in_psum
    require(not both, "the two inputs cannot both be in PSUM")


def require_same_partitions(role: str, operand: SSAValue, other: SSAValue) -> None:
    left, right = view_of(operand).partitions, view_of(other).partitions
    if left is not None and right is not None:
        require(left == right, f"{role}: {left} partitions, expected {right}")


def require_same_size(role: str, operand: SSAValue, other: SSAValue) -> None:
    """Equal partitions and equally many elements in each of them."""
    require_same_partitions(role, operand, other)
    left, right = view_of(operand).free_size, view_of(other).free_size
    if left is not None and right is not None:
        require(left == right, f"{role}: {left} elements per partition, expected {right}")


def require_free_size(role: str, operand: SSAValue, expected: int) -> None:
    found = view_of(operand).free_size
    if found is not None:
        require(found == expected, f"{role}: {found} elements per partition, expected {expected}")


def require_vector(role: str, operand: SSAValue, data: SSAValue) -> None:
    """An operand of one float32 number per partition."""
    require_same_partitions(role, operand, data)
    require_free_size(role, operand, 1)
    require(
        isinstance(view_of(operand).element_type, Float32Type),
        f"{role} must be f32, got {view_of(operand).element_type}",
    )


def require_one_bank(role: str, operand: SSAValue) -> None:
    """The result of a matrix product lies within one PSUM bank."""
    view = view_of(operand)
    if view.free_size is None:
        return
    size = view.free_size * element_bytes(view.element_type)
    require(
        size <= PSUM_BANK_BYTES,
        f"{role} must fit one PSUM bank of {PSUM_BANK_BYTES} bytes per partition, got {size}",
    )


def require_matmul_types(left: Attribute, right: Attribute) -> None:
    """Tensor engine inputs: floats; a 4-byte type only with a 4-byte type."""
    for element in (left, right):
        require(is_float(element), f"the tensor engine multiplies floats, got {element}")
    wide = [element_bytes(element) == 4 for element in (left, right)]
    require(wide[0] == wide[1], f"f32 and tf32 go only with f32 and tf32, got {left} and {right}")


def require_fp8(role: str, operand: SSAValue) -> None:
    element = view_of(operand).element_type
    require(is_fp8(element), f"double_row: {role} must be an 8-bit float, got {element}")


def require_operator(role: str, operator: Operator, allowed: Collection[Operator]) -> None:
    names = ", ".join(sorted(found.value for found in allowed))
    require(operator in allowed, f"{role} must be one of {names}, got {operator}")


def require_bitwise_integers(operators: Collection[Operator], *operands: SSAValue) -> None:
    """Bitwise operators neither mix with arithmetic ones nor work on floats."""
    bitwise = [operator in BITWISE for operator in operators]
    require(
        all(bitwise) or not any(bitwise),
        f"operators must be all arithmetic or all bitwise, got {', '.join(operators)}",
    )
    if not any(bitwise):
        return
    for operand in operands:
        element = view_of(operand).element_type
        require(is_integer(element), f"bitwise operators work on integers, got {element}")


def require_integer(role: str, operand: SSAValue, *widths: int) -> None:
    element: Attribute = view_of(operand).element_type
    fits = is_integer(element) and 8 * element_bytes(element) in widths
    require(fits, f"{role} must be an integer of {' or '.join(map(str, widths))} bits")


def require_view_rank(role: str, view: ViewType, rank: int) -> None:
    require(len(view.shape) == rank, f"{role} must have {rank} dimensions, got {len(view.shape)}")
