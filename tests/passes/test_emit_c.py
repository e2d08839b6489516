"""The emitted C compiles against gemmini.h and issues exactly the commands of the simulator."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.hw.stream import FENCE
from liftproof.passes.emission.emit_c import emit_c
from liftproof.passes.pipelines import baseline_pipeline, best_guess
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

Apply = Callable[..., ModuleOp]
STUB = Path(__file__).parent / "gemmini_stub"


def commands_of_c(text: str, program: ModuleOp, folder: Path) -> list[tuple[int, int, int]]:
    """Compile and run the C against the recording stub, its arrays where the simulator has them."""
    _, layout = stream_of_module(program, load_config())
    arguments = ", ".join(f"(void *){array.address:#x}ul" for array in layout.arrays)
    (folder / "kernel.c").write_text(text)
    (folder / "main.c").write_text(
        f"#include <stdio.h>\nvoid kernel();\nint main(void) {{ kernel({arguments}); }}\n"
    )
    command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror=implicit-function-declaration"]
    sources = [str(folder / "kernel.c"), str(folder / "main.c")]
    binary = str(folder / "kernel")
    built = subprocess.run(
        [*command, "-Wno-unused", f"-I{STUB}", *sources, "-o", binary],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "warning" not in built.stderr, built.stderr
    output = subprocess.run([binary], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in output.splitlines()]
    return [(int(funct), int(rs1, 16), int(rs2, 16)) for funct, rs1, rs2 in rows]


def commands_of_stream(program: ModuleOp) -> list[tuple[int, int, int]]:
    stream, _ = stream_of_module(program, load_config())
    rows = zip(stream.funct.tolist(), stream.rs1.tolist(), stream.rs2.tolist(), strict=True)
    return [row if row[0] != FENCE else (FENCE, 0, 0) for row in rows]


@pytest.mark.parametrize(
    ("shape", "form"),
    [
        ((33, 47, 70), {}),
        ((100, 75, 130), {"bias": "row", "relu": True, "scale": 1 / 64}),
        ((40, 20, 50), {"bias": "matrix", "wide": True}),
        ((20, 33, 17), {"a_transposed": True}),
        ((20, 33, 17), {"b_transposed": True, "scale": 0.3}),
        ((20, 33, 17), {"a_transposed": True, "b_transposed": True}),
    ],
)
def test_c_issues_the_same_commands(
    gemm: Any, apply: Apply, tmp_path: Path, shape: Any, form: Any
) -> None:
    """Function code and both operands of every command agree, baseline and schedule."""
    text = gemm(*shape, **form).text()
    for pipeline in (baseline_pipeline(), best_guess(text)):
        program = apply(text, pipeline)
        assert commands_of_c(emit_c(program), program, tmp_path) == commands_of_stream(program)


def test_kept_weights_are_emitted(gemm: Any, apply: Apply, tmp_path: Path) -> None:
    """Both branches of a keep flag become C."""
    text = gemm(64, 40, 40).text()
    pipeline = baseline_pipeline().replace(
        "gemmini-place",
        "gemmini-stage{operand=b loop=j},gemmini-stage{operand=a},gemmini-overwrite-first,"
        "gemmini-stage{operand=c},gemmini-interchange{order=k,j,i},gemmini-reuse-weights,"
        "gemmini-place",
    )
    with pytest.raises(PassFailedException):
        apply(text, pipeline)
    pipeline = baseline_pipeline().replace(
        "gemmini-place",
        "gemmini-stage{operand=b},gemmini-stage{operand=a},gemmini-overwrite-first,"
        "gemmini-stage{operand=c},gemmini-interchange{order=k,j,i},gemmini-reuse-weights,"
        "gemmini-place",
    )
    program = apply(text, pipeline)
    emitted = emit_c(program)
    assert "compute_accumulated" in emitted
    assert commands_of_c(emitted, program, tmp_path) == commands_of_stream(program)


def test_the_signature_is_the_kernels_own(gemm: Any, apply: Apply) -> None:
    """C types and parameter names come from the source, linear arrays are indexed linearly."""
    text = gemm(20, 33, 17).text()
    attributes = (
        'liftproof.c_types = ["const int8_t *", "const int8_t[17][33]", "int8_t[20][33]"],'
        ' liftproof.parameters = ["first", "second", "result"]'
    )
    text = text.replace("attributes {", "attributes {" + attributes + ", ")
    emitted = emit_c(apply(text, baseline_pipeline()), "made by a test */ of course")
    assert (
        "void kernel(const int8_t * first, const int8_t second[17][33], int8_t result[20][33])"
        in emitted
    )
    assert "(int8_t *)first + (" in emitted
    assert "&second[" in emitted
    assert " * made by a test * / of course" in emitted


def test_unknown_operations_are_refused(apply: Apply) -> None:
    """What has no C spelling is named."""
    text = "func.func @f(%a: memref<1xi8>) { memref.dealloc %a : memref<1xi8>\n func.return }"
    with pytest.raises(PassFailedException, match=r"memref\.dealloc"):
        emit_c(apply(text))
