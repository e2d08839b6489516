"""Convolutions in the hardware's own loops."""

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
from liftproof.passes.lower_convolution_loops import LowerConvolutionLoopsPass
from liftproof.passes.pipelines import first_pipelines
from liftproof.validation.decide import decide
from liftproof.validation.validate import PreparedSource, prepare
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

CONFIG = load_config()
NARROW = "s > 127 ? 127 : s < -128 ? -128 : s"
RELU = "s < 0 ? 0 : s > 127 ? 127 : s"
OUTPUTS = "for (int o = 0; o < 20; o++)"
TAPS = "for (int r = 0; r < 3; r++) for (int c = 0; c < 3; c++)"
INPUTS = "for (int i = 0; i < 18; i++)"
PIXELS = "for (int h = 0; h < 5; h++) for (int w = 0; w < 6; w++)"
IMAGES = "for (int m = 0; m < 3; m++) for (int n = 0; n < 2; n++)"
POOLED = "for (int p = 0; p < 3; p++) for (int q = 0; q < 3; q++)"
KERNELS = {
    # parameters and the body
    "border, bias": (
        "const int8_t x[5][6][18], const int8_t k[3][3][18][20], const int32_t b[20],"
        " int8_t y[5][6][20]",
        f"{PIXELS} {OUTPUTS} {{ int32_t s = b[o]; {TAPS}"
        " if (h + r >= 1 && h + r < 6 && w + c >= 1 && w + c < 7)"
        f" {INPUTS} s += x[h + r - 1][w + c - 1][i] * k[r][c][i][o]; y[h][w][o] = {NARROW}; }}",
    ),
    "images, stride, ReLU": (
        "const int8_t x[3][2][12][14][18], const int8_t k[3][3][18][20], int8_t y[3][2][5][6][20]",
        f"{IMAGES} {PIXELS} {OUTPUTS} {{ int32_t s = 0; {TAPS} {INPUTS}"
        " s += x[m][n][2 * h + r][2 * w + c][i] * k[r][c][i][o];"
        f" y[m][n][h][w][o] = {RELU}; }}",
    ),
    "dilation": (
        "const int8_t x[9][10][18], const int8_t k[3][3][18][20], int8_t y[5][6][20]",
        f"{PIXELS} {OUTPUTS} {{ int32_t s = 0; {TAPS} {INPUTS}"
        f" s += x[h + 2 * r][w + 2 * c][i] * k[r][c][i][o]; y[h][w][o] = {NARROW}; }}",
    ),
    "large": (
        "const int8_t x[42][42][18], const int8_t k[3][3][18][20], int8_t y[40][40][20]",
        f"for (int h = 0; h < 40; h++) for (int w = 0; w < 40; w++) {OUTPUTS} {{ int32_t s = 0;"
        f" {TAPS} {INPUTS} s += x[h + r][w + c][i] * k[r][c][i][o]; y[h][w][o] = {NARROW}; }}",
    ),
    "every second pixel": (
        "const int8_t x[2][9][11][18], const int8_t k[18][20], int8_t y[2][5][6][20]",
        f"for (int n = 0; n < 2; n++) {PIXELS} {OUTPUTS} {{ int32_t s = 0; {INPUTS}"
        f" s += x[n][2 * h][2 * w][i] * k[i][o]; y[n][h][w][o] = {NARROW}; }}",
    ),
    "later pixels": (
        "const int8_t x[10][12][18], const int8_t k[18][20], int8_t y[5][6][20]",
        f"{PIXELS} {OUTPUTS} {{ int32_t s = 0; {INPUTS}"
        f" s += x[2 * h + 1][2 * w + 1][i] * k[i][o]; y[h][w][o] = {NARROW}; }}",
    ),
    "lines": (
        "const int8_t x[5][8][18], const int8_t k[3][18][20], int8_t y[5][6][20]",
        f"{PIXELS} {OUTPUTS} {{ int32_t s = 0; for (int c = 0; c < 3; c++) {INPUTS}"
        f" s += x[h][w + c][i] * k[c][i][o]; y[h][w][o] = {NARROW}; }}",
    ),
    "pooled": (
        "const int8_t x[7][8][18], const int8_t k[3][3][18][20], int8_t y[3][3][20]",
        f"int8_t t[5][6][20]; {PIXELS} {OUTPUTS} {{ int32_t s = 0; {TAPS} {INPUTS}"
        f" s += x[h + r][w + c][i] * k[r][c][i][o]; t[h][w][o] = {RELU}; }}"
        f" {POOLED} {OUTPUTS} {{ int8_t best = 0; for (int u = 0; u < 2; u++)"
        " for (int v = 0; v < 2; v++) if (2 * p + u < 5) {"
        " int8_t z = t[2 * p + u][2 * q + v][o]; best = z > best ? z : best; }"
        " y[p][q][o] = best; }",
    ),
}
REFUSED = {
    # what is refused: the parameters, the body, and the reason
    "sums in full width": (
        "const int8_t x[7][8][18], const int8_t k[3][3][18][20], int32_t y[5][6][20]",
        f"{PIXELS} {OUTPUTS} {{ int32_t s = 0; {TAPS} {INPUTS}"
        " s += x[h + r][w + c][i] * k[r][c][i][o]; y[h][w][o] = s; }",
        "stored narrow",
    ),
    "matrices": (
        "const int8_t x[5][18], const int8_t k[18][20], int8_t y[5][20]",
        f"for (int h = 0; h < 5; h++) {OUTPUTS} {{ int32_t s = 0; {INPUTS}"
        f" s += x[h][i] * k[i][o]; y[h][o] = {NARROW}; }}",
        "rows, columns and channels",
    ),
    "two strides": (
        "const int8_t x[7][13][18], const int8_t k[3][3][18][20], int8_t y[5][6][20]",
        f"{PIXELS} {OUTPUTS} {{ int32_t s = 0; {TAPS} {INPUTS}"
        f" s += x[h + r][2 * w + c][i] * k[r][c][i][o]; y[h][w][o] = {NARROW}; }}",
        "one stride",
    ),
    "outputs first": (
        "const int8_t x[7][8][18], const int8_t k[20][3][3][18], int8_t y[5][6][20]",
        f"{PIXELS} {OUTPUTS} {{ int32_t s = 0; {TAPS} {INPUTS}"
        f" s += x[h + r][w + c][i] * k[o][r][c][i]; y[h][w][o] = {NARROW}; }}",
        "channels, last",
    ),
    "columns first": (
        "const int8_t x[7][8][18], const int8_t k[18][3][3][20], int8_t y[5][6][20]",
        f"{PIXELS} {OUTPUTS} {{ int32_t s = 0; {TAPS} {INPUTS}"
        f" s += x[h + r][w + c][i] * k[i][r][c][o]; y[h][w][o] = {NARROW}; }}",
        "lie by row, column, input and output",
    ),
    "depthwise": (
        "const int8_t x[7][8][20], const int8_t k[3][3][20], int8_t y[5][6][20]",
        f"{PIXELS} {OUTPUTS} {{ int32_t s = 0; {TAPS}"
        f" s += x[h + r][w + c][o] * k[r][c][o]; y[h][w][o] = {NARROW}; }}",
        "as in a depthwise convolution",
    ),
}
SMALL = "images=1 rows=2 cols=4 outputs=16"
PROVED = {
    # kernel: options
    "border, bias": f"{SMALL} inputs=16",
    "images, stride, ReLU": 'images=2 rows=3 cols=2 outputs=16 inputs=18 stay="weights"',
    "dilation": f'{SMALL} inputs=18 stay="input"',
    "every second pixel": f'{SMALL} inputs=18 stay="weights"',
    "later pixels": SMALL,
    "lines": "",
    "pooled": "images=1 rows=1 cols=2 outputs=16 inputs=16",
}


def _parsed(parameters: str, body: str) -> ModuleOp:
    text = f"#include <stdint.h>\nvoid f({parameters}) {{ {body} }}"
    return parse_c_kernel(text, "f.c")


@cache
def source(name: str) -> PreparedSource:
    return prepare(_parsed(*KERNELS[name]), CONFIG)


@cache
def tensor_ir(name: str) -> str:
    return str(lift_and_prove(source(name).module).module)


@pytest.mark.parametrize("name", PROVED)
def test_convolutions_are_proved_and_survive_emission(name: str) -> None:
    """One block or many, an operand that stays, sums in parts: the same function, in C too."""
    pipeline = f"gemmini-lower-convolution-loops{{{PROVED[name]}}},canonicalize,cse"
    program = lower(tensor_ir(name), parse_pipeline(pipeline))
    result = decide(source(name), program, config=CONFIG)
    assert result.verdict == "proved", result.reason
    streams = (program, read_machine_c(emit_c(program), "again.c", CONFIG))
    one, two = (stream_of_module(module, CONFIG)[0] for module in streams)
    assert (one.rs1 == two.rs1).all()
    assert (one.rs2 == two.rs2).all()


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_commands_cannot_say_is_refused(name: str) -> None:
    """The diagnostic names the reason, and nothing is offered to a search."""
    parameters, body, reason = REFUSED[name]
    module = lift_and_prove(_parsed(parameters, body)).module
    with pytest.raises(Rejection, match=reason):
        lower(str(module), parse_pipeline("gemmini-lower-convolution-loops"))
    assert not LowerConvolutionLoopsPass.schedule_space(Context(), module)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("images=1 rows=40 cols=40 outputs=20 inputs=18", "does not fit half"),
        ('stay="both"', "input or weights"),
        ("rows=-1", "not negative"),
        ('inputs=16 stay="weights"', "share the weights"),
    ],
    ids=["too large", "no operand", "negative", "sums in parts"],
)
def test_sizes_that_do_not_work_are_refused(options: str, reason: str) -> None:
    """Blocks that do not fit, and operands that cannot stay."""
    with pytest.raises(Rejection, match=reason):
        lower(tensor_ir("large"), parse_pipeline(f"gemmini-lower-convolution-loops{{{options}}}"))


def test_small_convolutions_are_faster_in_hardware() -> None:
    """At level ``soc`` the best program among the first ones leaves the loops to the hardware."""
    problem = Problem(tensor_ir("border, bias"), CONFIG.name, "soc")
    pipelines = [*islice(first_pipelines(problem.tensor_ir), 3)]
    cycles = {text: evaluate(problem, text).cycles or 1 << 30 for text in pipelines}
    assert "convolution-loops" in min(cycles, key=lambda text: cycles[text])


def test_choices_are_accepted_as_they_are() -> None:
    """Every offered choice is one that the pass applies, with its own sizes."""
    module = lift_and_prove(source("every second pixel").module).module
    choices = LowerConvolutionLoopsPass.schedule_space(Context(), module)
    assert len(set(choices)) == len(choices) > 6
    for choice in choices:
        lower(str(module), parse_pipeline(str(choice.spec())))


def test_layers_behind_one_another_are_left_alone() -> None:
    """Nothing is offered for a statement of a kernel with arrays in between."""
    module = lift_and_prove(source("lines").module).module
    function = kernel_of(module)
    function.body.block.insert_arg(function.args[0].type, len(function.args))
    assert not LowerConvolutionLoopsPass.schedule_space(Context(), module)
