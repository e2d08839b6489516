"""The resolved stream with what symbolic execution needs besides: numbered value transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...hw.gemmini.check import check
from ...hw.gemmini.check_moves import move_element_bytes
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.isa import Activation
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.resolve import Program, resolve
from ...hw.stream import CommandStream
from ..core.polyhedral import Unsupported
from .transforms import IDENTITY, TransformTable

Column: TypeAlias = Any
"""An array, as compiled code sees it."""


class Plan(NamedTuple):
    """Tables of ``hw.gemmini.resolve`` and, row by row, widths and transforms of their elements."""

    order: Column
    moves_in: Column
    in_bytes: Column
    in_transform: Column
    moves_out: Column
    out_bytes: Column
    out_transform: Column
    products: Column
    array_transform: Column
    """Of sums that leave the array, output-stationary."""
    spad_transform: Column
    """Of results that go to the scratchpad."""


def resolve_checked(
    stream: CommandStream, config: GemminiConfig, layout: MemoryLayout, *, core_work: bool = False
) -> Program:
    """The resolved stream; raises ``CommandError`` for commands that no Gemmini accepts.

    Raises ``Unsupported`` where the core works on arrays itself, which the stream does not say how,
    unless the caller sees to that ``core_work``.
    """
    if stream.has_core_work and not core_work:
        raise Unsupported("the core works on arrays itself")
    program = resolve(stream)
    base = min((array.address for array in layout.all_arrays), default=0)
    end = max((array.address + array.size for array in layout.all_arrays), default=0)
    check(stream, program, config, base, end - base, layout)
    return program


def plan_of(program: Program, config: GemminiConfig, transforms: TransformTable) -> Plan:
    """The plan of a checked program; distinct value transforms are entered in ``transforms``.

    Raises ``Unsupported`` for what has no symbolic meaning here.
    """
    moves_in, moves_out, products = program.moves_in, program.moves_out, program.products
    _reject(moves_out, moves_out["norm_command"] != 0, "a statistic of the normalizer")
    in_accumulator = moves_out["in_accumulator"] == 1
    scaled = in_accumulator & (moves_out["full_width"] == 0)
    pools = moves_out["pool_stride"] != 0
    if not config.is_integer:
        _reject(moves_out, pools, "a pooling store of floats")
    normalized = in_accumulator & (moves_out["activation"] > Activation.RELU)
    _reject(moves_out, normalized, "a normalizing activation")
    is_wide = (moves_in["in_accumulator"] == 1) & (moves_in["shrunk"] == 0)
    return Plan(
        program.order,
        moves_in,
        move_element_bytes(moves_in, config, is_store=False),
        _numbered(
            (moves_in["scale"], is_wide), lambda scale, wide: transforms.load(scale, wide == 1)
        ),
        moves_out,
        move_element_bytes(moves_out, config, is_store=True),
        _numbered(
            (moves_out["scale"], moves_out["activation"], scaled),
            lambda scale, activation, is_scaled: (
                transforms.store(scale, activation == Activation.RELU) if is_scaled else IDENTITY
            ),
        ),
        products,
        _numbered(
            (products["weight_stationary"], products["shift"]),
            lambda stationary, shift: (
                IDENTITY if stationary else transforms.array_output(int(shift))
            ),
        ),
        _numbered(
            (products["activation"],),
            lambda activation: transforms.spad_result(activation == Activation.RELU),
        ),
    )


def _numbered(columns: tuple[NDArray[Any], ...], number: Callable[..., int]) -> NDArray[np.int64]:
    """``number`` of the values in each row, called once per distinct row."""
    rows = np.stack([column.astype(np.float64) for column in columns], axis=1)
    if len(rows) == 0:
        return np.zeros(0, np.int64)
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    numbers = np.array([number(*(float(value) for value in row)) for row in distinct], np.int64)
    return numbers[inverse.reshape(-1)]


def _reject(table: NDArray[Any], where: NDArray[np.bool_], what: str) -> None:
    if where.any():
        index = int(table["index"][np.argmax(where)])
        raise Unsupported(f"command {index}: {what} has no symbolic meaning")
