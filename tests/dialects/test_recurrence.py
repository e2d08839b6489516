"""``recurrence.linear``: what the verifier asks for, and reading back what is printed."""

from __future__ import annotations

import pytest
from liftproof.dialects.recurrence import LinearOp
from liftproof.tools.read import parse_mlir
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.dialects.tensor import EmptyOp
from xdsl.utils.exceptions import VerifyException


def recurrence(*start: int, along: int = 1) -> ModuleOp:
    """Four rows of nine steps from a tensor of the given sizes, or from 0."""
    steps = [EmptyOp([], TensorType(f32, [4, 9])) for _ in range(2)]
    first = EmptyOp([], TensorType(f32, start))
    operands = steps[0].tensor, steps[1].tensor, along
    return ModuleOp([*steps, first, LinearOp(*operands, first.tensor if start else 0.0)])


@pytest.mark.parametrize(("start", "along"), [((), 1), ((4,), 1), ((9,), 0)])
def test_what_is_printed_is_read(start: tuple[int, ...], along: int) -> None:
    """A program with a recurrence reads back as the same text."""
    module = recurrence(*start, along=along)
    module.verify()
    assert str(parse_mlir(str(module), "a.mlir")) == str(module)


def test_a_start_has_the_other_dimensions() -> None:
    """A tensor of other sizes is refused."""
    with pytest.raises(VerifyException, match="starts from a tensor of type tensor<4xf32>"):
        recurrence(9).verify()
