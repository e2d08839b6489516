"""C that is emitted from ISA IR reads back as the same commands."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.hw.stream import CommandStream
from liftproof.lifting.c.frontend import read_c_kernel
from liftproof.lifting.lift import lift
from liftproof.lifting.machine_c import read_machine_c
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.emission.emit_c import emit_c
from liftproof.passes.pipelines import baseline_pipeline, first_pipelines
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp

EXAMPLES = Path(__file__).parents[3] / "examples"
KERNELS = [
    "matmul_512.c",
    "matmul_bias_relu_scale_100x75x130.c",
    "matmul_17x16x16.c",
    "matmul_transposed_a_80x48x112.c",
    "matmul_int32_48x80x64.c",
]


def stream_of(module: ModuleOp) -> CommandStream:
    return stream_of_module(module, load_config())[0]


def assert_same_commands(one: ModuleOp, other: ModuleOp) -> None:
    expected, found = stream_of(one), stream_of(other)
    np.testing.assert_array_equal(found.funct, expected.funct)
    np.testing.assert_array_equal(found.rs1, expected.rs1)
    np.testing.assert_array_equal(found.rs2, expected.rs2)


@pytest.mark.parametrize("name", KERNELS)
def test_emitted_kernels_read_back(name: str) -> None:
    """The first schedules of a kernel, and its baseline, survive emission and reading."""
    tensor_ir = str(lift(read_c_kernel(EXAMPLES / name)))
    for pipeline in [*islice(first_pipelines(tensor_ir), 2), baseline_pipeline()]:
        program = lower(tensor_ir, parse_pipeline(pipeline))
        text = emit_c(program, "a test")
        assert_same_commands(program, read_machine_c(text, "emitted.c", load_config()))


@pytest.mark.parametrize(
    "path",
    sorted((EXAMPLES / "machine_c").glob("*.c")),
    ids=lambda path: path.stem,
)
def test_hand_written_kernels_are_emitted_again(path: Path) -> None:
    """A hand-written kernel without hardware loops or carried values can be emitted and read."""
    config = load_config()
    module = read_machine_c(path.read_text(), path.name, config)
    has_c_form = not any(
        op.name == "gemmini.loop_ws" or (isinstance(op, scf.ForOp) and op.iter_args)
        for op in module.walk()
    )
    if has_c_form:
        assert_same_commands(module, read_machine_c(emit_c(module), path.name, config))
    else:
        assert path.stem in (
            "matmul_flat_pointers", "matmul_hardware_loop",
            "matmul_library_call", "matmul_uneven_steps",
        )  # fmt: skip
