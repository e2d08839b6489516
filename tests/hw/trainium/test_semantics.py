"""The one definition of the element-wise instructions, read by a second domain: single numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import pytest
from liftproof.dialects import trn
from liftproof.dialects.context import new_context
from liftproof.dialects.trn import EngineInstruction, Function, Instruction, Operator, view_of
from liftproof.hw.trainium.execute import has_meaning
from liftproof.hw.trainium.semantics import (
    Values,
    dropout_number,
    element_value,
    gather_cell,
    shuffle_source,
)
from liftproof.hw.trainium.tile_values import FUNCTIONS
from liftproof.hw.trainium.timing.costs import FORMULAS
from numpy.typing import NDArray
from xdsl.ir import Attribute, SSAValue
from xdsl.parser import Parser

F32 = np.float32
Run = Callable[..., dict[str, NDArray[Any]]]


class OneElement(Values[float]):
    """Values at one position: Python numbers, as a validator has terms."""

    def __init__(
        self, operands: dict[SSAValue, NDArray[Any]], position: tuple[int, ...], target: SSAValue
    ) -> None:
        self.operands = operands
        self.position = position
        shape = view_of(target).shape
        self.flat = int(np.ravel_multi_index(position[1:], shape[1:]))

    def element(self, operand: SSAValue, /) -> float:
        array = self.operands[operand]
        return float(F32(array.reshape(array.shape[0], -1)[self.position[0], self.flat]))

    def integer_element(self, operand: SSAValue, /) -> float:
        array = self.operands[operand]
        return int(array.reshape(array.shape[0], -1)[self.position[0], self.flat])

    def copied_element(self, operand: SSAValue, /) -> float:
        return self.element(operand)

    def of_partition(self, operand: SSAValue, /, *, integer: bool = False) -> float:
        found = self.operands[operand].reshape(-1)[self.position[0]]
        return int(found) if integer else float(F32(found))

    def number(self, number: float, /) -> float:
        return number if isinstance(number, int) else float(F32(number))

    def partition(self) -> float:
        return self.position[0]

    def place(self) -> float:
        return self.flat

    def index(self, dimension: int, /) -> float:
        return self.position[dimension]

    def runtime(self, operand: SSAValue, /) -> float:
        return 3

    def apply(self, operator: Operator, left: float, right: float, /) -> float:
        result = {
            Operator.ADD: lambda x, y: F32(x) + F32(y),
            Operator.SUBTRACT: lambda x, y: F32(x) - F32(y),
            Operator.MULTIPLY: lambda x, y: F32(x) * F32(y),
            Operator.DIVIDE: lambda x, y: F32(x) / F32(y),
            Operator.MAXIMUM: max,
            Operator.LESS: lambda x, y: x < y,
            Operator.GREATER_EQUAL: lambda x, y: x >= y,
            Operator.LOGICAL_AND: lambda x, y: bool(x) and bool(y),
        }[operator](left, right)
        return float(result)

    def bitwise(
        self, operator: Operator, left: float, right: float, element: Attribute, /
    ) -> float:
        return {Operator.BITWISE_AND: int.__and__, Operator.BITWISE_XOR: int.__xor__}[operator](
            int(left), int(right)
        )

    def exact(self, operator: Operator, left: float, right: float, element: Attribute, /) -> float:
        assert operator == Operator.ADD
        return left + right

    def affine(self, terms: Sequence[tuple[int, float]], constant: int, /) -> float:
        return constant + sum(factor * value for factor, value in terms)

    def function(self, function: Function, value: float, /) -> float:
        return float(F32(FUNCTIONS[function](np.float64(value))))

    def select(self, condition: float, then: float, otherwise: float, /) -> float:
        return then if condition else otherwise

    def random(self, seed: int, partition: float, place: float, /) -> float:
        return float(F32(dropout_number(seed, int(partition), int(place)) / 2**32))


TYPES = {
    "X": "!trn.view<sbuf, 4x2x3xf32>",
    "Y": "!trn.view<sbuf, 4x6xf32>",
    "I": "!trn.view<sbuf, 4x6xi32>",
    "S": "!trn.view<sbuf, 4x1xf32>",
}
TILES = {"x": "X", "y": "Y", "z": "Y", "i": "I", "j": "I", "k": "I", "s": "S"}

INSTRUCTIONS = [
    "trn.tensor_tensor subtract %x, %y to %z : X, Y, Y",
    "trn.tensor_tensor bitwise_xor %i, %j to %k : I, I, I",
    "trn.tensor_tensor add %i, %j to %k {engine = #trn<engine pool>} : I, I, I",
    "trn.tensor_scalar subtract %x scalar0 %s : S to %z"
    " {op1 = #trn<op divide>, immediate1 = 3.0 : f32, reverse0} : X, Y",
    "trn.tensor_scalar bitwise_and %i to %k {immediate0 = 6 : i32} : I, I",
    "trn.scalar_tensor_tensor multiply maximum %x scalar0 %s : S, %y to %z : X, Y, Y",
    "trn.activation tanh %x scale %s : S bias %s : S to %z : X, Y",
    "trn.tensor_copy %x to %z : X, Y",
    "trn.reciprocal %y to %z : Y, Y",
    "trn.memset %z to 0.5 : Y",
    "trn.dropout %x to %z seed 5 {immediate0 = 0.5 : f32} : X, Y",
    "trn.iota to %x {base = 2, partition_step = 7, steps = array<i64: 3, -1>} : X",
    "trn.affine_select greater_equal %y else -1.0 to %x"
    " {base = -2, partition_step = 1, steps = array<i64: 2, -1>} : Y, X",
    "trn.range_select greater_equal less %y, %s, %s else 0.0 to %z {start = -1} : Y, S, S, Y",
    "trn.select_reduce %y, %i else %s : S to %z : Y, I, Y",
]


@pytest.mark.parametrize("text", INSTRUCTIONS)
def test_one_element_agrees_with_the_tile(
    text: str, run_instruction: Run, numbers: np.random.Generator
) -> None:
    """Evaluated position by position over single numbers, the definition gives the same tile."""
    tiles: dict[str, NDArray[Any]] = {
        "x": numbers.standard_normal((4, 2, 3)).astype(F32),
        "y": numbers.standard_normal((4, 6)).astype(F32),
        "z": np.zeros((4, 6), F32),
        "i": numbers.integers(0, 9, (4, 6)).astype(np.int32),
        "j": numbers.integers(0, 9, (4, 6)).astype(np.int32),
        "k": np.zeros((4, 6), np.int32),
        "s": numbers.standard_normal((4, 1)).astype(F32),
    }
    text = spelled_out(text)
    found = run_instruction(text.replace("{", "{{").replace("}", "}}"), tiles)
    op = parse_instruction(text)
    operands = {view: tiles[str(view.name_hint)] for view in op.views}
    target: SSAValue = op.written[0]
    name = str(target.name_hint)
    expected = np.empty_like(tiles[name])
    for position in np.ndindex(*expected.shape):
        expected[position] = element_value(op, OneElement(operands, position, target))
    np.testing.assert_array_equal(found[name], expected)


def spelled_out(text: str) -> str:
    """The text with types for their letters."""
    return re.sub(r"([:,] )([XYIS])\b", lambda match: match[1] + TYPES[match[2]], text)


def parse_instruction(text: str) -> Instruction:
    """The instruction in ``text``, its operands views of those types."""
    names = ", ".join(f"%{name}" for name in TILES)
    types = ", ".join(TYPES[kind] for kind in TILES.values())
    source = f'{names} = "test.op"() : () -> ({types})\n{text}'
    module = Parser(new_context(), source).parse_module()
    (op,) = (op for op in module.walk() if isinstance(op, Instruction))
    assert prod(view_of(op.written[0]).shape) == 24
    return op


def test_every_instruction_has_a_meaning() -> None:
    """The simulator can run all instructions of the dialect."""
    instructions = [op for op in trn.TRN.operations if issubclass(op, Instruction)]
    assert len(instructions) > 30
    assert [op.name for op in instructions if not has_meaning(op)] == []


def test_every_engine_instruction_has_a_cost() -> None:
    """The cycle model knows all instructions that run on an engine."""
    instructions = [op for op in trn.TRN.operations if issubclass(op, EngineInstruction)]
    assert [op.name for op in instructions if op not in FORMULAS] == []


def test_dropout_numbers_are_even() -> None:
    """Over partitions and places the numbers fill [0, 2³²) evenly."""
    p, i = np.meshgrid(np.arange(128), np.arange(512), indexing="ij")
    counts, _ = np.histogram(dropout_number(17, p, i), bins=16, range=(0, 2**32))
    assert counts.min() > 0.95 * counts.mean()
    assert counts.max() < 1.05 * counts.mean()


def test_index_maps() -> None:
    """Shuffles stay in their quadrant; gathers take their indices down 16 partitions."""
    mask = [31 - entry for entry in range(31)] + [255]
    assert [shuffle_source(p, mask) for p in (0, 33, 63)] == [31, 62, None]
    assert [gather_cell(20, n) for n in (0, 15, 16)] == [(16, 0), (31, 0), (16, 1)]
