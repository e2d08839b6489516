"""Products of matrices in the hardware's own loops."""

from __future__ import annotations

from functools import cache
from itertools import islice

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c.reader import read_machine_c
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import Problem, Rejection, evaluate, lower, parse_pipeline
from liftproof.passes.emission.emit_c import emit_c
from liftproof.passes.kernel import kernel_of
from liftproof.passes.lower_hardware_loops import hardware_loop_choices
from liftproof.passes.pipelines import first_pipelines
from liftproof.validation.decide import decide
from liftproof.validation.validate import PreparedSource, prepare

NARROW = "s > 127 ? 127 : s < -128 ? -128 : s"
RELU = "s < 0 ? 0 : s > 127 ? 127 : s"
ROWS = "for (int i = 0; i < 37; i++) for (int j = 0; j < 45; j++)"
KERNELS = {
    # parameters, loops around a sum, its first value, its terms, what is stored
    "ragged": (
        "const int8_t A[37][90], const int8_t B[90][45], int8_t C[37][45]",
        (ROWS, "0", "A[i][k] * B[k][j]", f"C[i][j] = {NARROW}", 90),
    ),
    "bias": (
        "const int8_t A[37][20], const int8_t B[20][45], const int32_t D[37][45], int8_t C[37][45]",
        (ROWS, "D[i][j]", "A[i][k] * B[k][j]", f"C[i][j] = {RELU}", 20),
    ),
    "bias of a row": (
        "const int8_t A[37][40], const int8_t B[40][45], const int32_t D[45], int32_t C[37][45]",
        (ROWS, "D[j]", "A[i][k] * B[k][j]", "C[i][j] = s", 40),
    ),
    "first transposed": (
        "const int8_t A[20][37], const int8_t B[20][45], int8_t C[37][45]",
        (ROWS, "0", "A[k][i] * B[k][j]", f"C[i][j] = {NARROW}", 20),
    ),
    "second transposed": (
        "const int8_t A[37][40], const int8_t B[45][40], int8_t C[37][45]",
        (ROWS, "0", "A[i][k] * B[j][k]", f"C[i][j] = {NARROW}", 40),
    ),
    "vector": (
        "const int8_t A[90], const int8_t B[90][45], int32_t C[45]",
        ("for (int j = 0; j < 45; j++)", "0", "A[k] * B[k][j]", "C[j] = s", 90),
    ),
    "pixels": (
        "const int8_t A[3][7][20], const int8_t B[20][45], int8_t C[3][7][45]",
        (
            "for (int h = 0; h < 3; h++) for (int i = 0; i < 7; i++) for (int j = 0; j < 45; j++)",
            "0",
            "A[h][i][k] * B[k][j]",
            f"C[h][i][j] = {NARROW}",
            20,
        ),
    ),
}
CONFIG = load_config()


@cache
def source(name: str) -> PreparedSource:
    parameters, (loops, first, term, store, depth) = KERNELS[name]
    text = (
        f"#include <stdint.h>\nvoid f({parameters}) {{ {loops} {{ int32_t s = {first};"
        f" for (int k = 0; k < {depth}; k++) s += {term}; {store}; }} }}"
    )
    return prepare(parse_c_kernel(text, "f.c"), CONFIG)


@cache
def tensor_ir(name: str) -> str:
    return str(lift_and_prove(source(name).module).module)


@pytest.mark.parametrize(
    "tiles", ["", "{i=2 j=1 k=1}", "{i=1 j=2 stay=true}"], ids=["library", "small", "B stays"]
)
@pytest.mark.parametrize("name", KERNELS)
def test_products_are_proved_and_survive_emission(name: str, tiles: str) -> None:
    """One block or many, with sums in one part or several: the same function, in C too."""
    pipeline = f"gemmini-lower-hardware-loops{tiles},canonicalize,cse"
    program = lower(tensor_ir(name), parse_pipeline(pipeline))
    result = decide(source(name), program, config=CONFIG)
    assert result.verdict == "proved", result.reason
    streams = (program, read_machine_c(emit_c(program), "again.c", CONFIG))
    one, two = (stream_of_module(module, CONFIG)[0] for module in streams)
    assert (one.rs1 == two.rs1).all()
    assert (one.rs2 == two.rs2).all()


def test_convolutions_are_refused() -> None:
    """A sum over windows is no product of two matrices."""
    loops = parse_c_kernel(
        "#include <stdint.h>\nvoid f(const int8_t A[22][16], const int8_t B[3][16][16],"
        " int32_t C[20][16]) { for (int i = 0; i < 20; i++) for (int j = 0; j < 16; j++) {"
        " int32_t s = 0; for (int r = 0; r < 3; r++) for (int k = 0; k < 16; k++)"
        " s += A[i + r][k] * B[r][k][j]; C[i][j] = s; } }",
        "f.c",
    )
    text = str(lift_and_prove(loops).module)
    with pytest.raises(Rejection, match="is no single product of two matrices"):
        lower(text, parse_pipeline("gemmini-lower-hardware-loops"))
    assert not any("hardware-loops" in pipeline for pipeline in first_pipelines(text))


def test_blocks_fit_half_of_the_memories() -> None:
    """Sizes that the other half of the memories would be needed for are refused."""
    with pytest.raises(Rejection, match="do not fit half"):
        lower(tensor_ir("ragged"), parse_pipeline("gemmini-lower-hardware-loops{i=7 j=5 k=1}"))


def test_small_ragged_products_are_faster_in_hardware() -> None:
    """At level ``soc`` the best program among the first ones leaves the loops to the hardware."""
    problem = Problem(tensor_ir("ragged"), CONFIG.name, "soc")
    pipelines = islice(first_pipelines(problem.tensor_ir), 4)
    cycles = {text: evaluate(problem, text).cycles or 1 << 30 for text in pipelines}
    assert "hardware-loops" in min(cycles, key=lambda text: cycles[text])


def test_choices_take_turns_and_fit() -> None:
    """Where B stays, whole sums, and sums in more parts take turns; every offered block fits."""
    function = kernel_of(lift_and_prove(source("ragged").module).module)
    choices = hardware_loop_choices(function, CONFIG)
    assert [(k, stay) for _, _, k, stay in choices[:4]] == [
        (6, True),
        (6, False),
        (3, False),
        (2, False),
    ]
    assert all(1 <= i <= 3 and 1 <= j <= 3 for i, j, *_ in choices)
    assert all(i < 3 for i, _, _, stay in choices if stay)


def test_whole_sums_are_needed_for_b_to_stay() -> None:
    """A part of B that the next part overwrites cannot stay."""
    with pytest.raises(Rejection, match="whole sums"):
        lower(tensor_ir("ragged"), parse_pipeline("gemmini-lower-hardware-loops{k=1 stay=true}"))
