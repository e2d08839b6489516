"""A pass that is broken on purpose is found out, with inputs that the simulator confirms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.dialects import gemmini
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.functional import run_function
from liftproof.hw.stream import StreamError
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import best_guess
from liftproof.validation.decide import decide
from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp
from xdsl.ir import Operation
from xdsl.rewriter import InsertPoint, Rewriter

SOURCE = """
#include <stdint.h>
void matmul(const int8_t A[96][80], const int8_t B[80][112], int8_t C[96][112]) {
    for (int i = 0; i < 96; i++)
        for (int j = 0; j < 112; j++) {
            int32_t sum = 0;
            for (int k = 0; k < 80; k++) sum += A[i][k] * B[k][j];
            C[i][j] = sum > 127 ? 127 : sum < -128 ? -128 : sum;
        }
}
"""


def every(module: ModuleOp, kind: type[Operation]) -> list[Operation]:
    return [op for op in module.walk() if isinstance(op, kind)]


def shifted(op: Operation, operand: int, by: int) -> None:
    """Add ``by`` to one index operand."""
    amount = arith.ConstantOp(IntegerAttr(by, IndexType()))
    total = arith.AddiOp(op.operands[operand], amount.result)
    Rewriter.insert_op([amount, total], InsertPoint.before(op))
    op.operands[operand] = total.result


def wrong_scratchpad_row(module: ModuleOp) -> None:
    """The computation reads A one row too far."""
    shifted(every(module, gemmini.ComputePreloadedOp)[-1].operands[0].owner, 0, 1)


def missing_accumulate_bit(module: ModuleOp) -> None:
    """Products overwrite the sums before them."""
    for address in every(module, gemmini.AccOp):
        if address.accumulate is not None:
            new = gemmini.AccOp(address.row)
            Rewriter.replace_op(address, new)


def wrong_dram_row(module: ModuleOp) -> None:
    """A load starts one row too low."""
    shifted(every(module, gemmini.MvinOp)[0], 1, 1)


def wrong_stride(module: ModuleOp) -> None:
    """Rows of an operand are taken to be shorter than they are."""
    config = every(module, gemmini.ConfigLdOp)[0]
    stride = config.properties["stride"]
    config.properties["stride"] = IntegerAttr(stride.value.data - 16, 64)


def lost_store(module: ModuleOp) -> None:
    """The last tiles never reach DRAM."""
    every(module, gemmini.MvoutOp)[-1].detach()


def lost_activation(module: ModuleOp) -> None:
    """Results are clamped at zero, as by a ReLU that the kernel does not have."""
    for config in every(module, gemmini.ConfigStOp):
        relu = gemmini.ActivationAttr(gemmini.ActivationKind.RELU)
        config.properties["activation"] = relu


BREAKAGES: list[Callable[[ModuleOp], None]] = [
    wrong_scratchpad_row,
    missing_accumulate_bit,
    wrong_dram_row,
    wrong_stride,
    lost_store,
    lost_activation,
]


@pytest.fixture(scope="module")
def proved() -> tuple[ModuleOp, ModuleOp]:
    """The kernel, and a scheduled program that is proved to be right."""
    loops = parse_c_kernel(SOURCE, "matmul.c")
    tensor_ir = str(lift(loops))
    program = lower(tensor_ir, parse_pipeline(best_guess(tensor_ir)))
    assert decide(loops, program, config=load_config()).verdict == "proved"
    return loops, program


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda function: function.__name__)
def test_broken_program_is_refuted_and_the_simulator_agrees(
    breakage: Callable[[ModuleOp], None], proved: tuple[ModuleOp, ModuleOp]
) -> None:
    """The verdict is refuted, and the counterexample's arrays give a wrong result or a fault."""
    config = load_config()
    loops, program = proved[0], proved[1].clone()
    breakage(program)
    validation = decide(loops, program, config=config)
    assert validation.verdict == "refuted", validation.reason
    assert validation.counterexample is not None
    a, b, c = validation.counterexample.inputs
    exact = np.clip(a.astype(np.int64) @ b.astype(np.int64), -128, 127)
    try:
        result = run_function(program, config, [a, b, c])
    except StreamError:
        return
    assert not np.array_equal(result[2], exact)
