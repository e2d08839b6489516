"""Fixed kernels with fixed schedules, on which every mutation operator is tried.

Products in all their variants, ragged and double-buffered, and a pooling; and kernels without
instructions: a convolution, several outputs, sums in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from xdsl.dialects.builtin import ModuleOp

from ...diagnostics import Diagnostic
from ...lifting.c.frontend import parse_c_kernel
from ...lifting.lift import lift
from ...llm.evaluate import lower, parse_pipeline
from ...passes.pipelines import best_guess, untuned_pipeline
from ...validation.fuzz import Campaign, Report
from ...validation.fuzz.judge import is_instructions
from ...validation.mutate import OPERATORS
from ...validation.mutate.commands import COMMAND_OPERATORS
from .kernels import HEADER

PRODUCT = """
void kernel({parameters}) {{
  for (int i = 0; i < {m}; i++)
    for (int j = 0; j < {n}; j++) {{
      int32_t sum = {start};
      for (int k = 0; k < {k}; k++) sum += {a} * {b};
      {relu}
      C[i][j] = {value};
    }}
}}
"""
SATURATED = "sum > 127 ? 127 : sum < -128 ? -128 : sum"
SCALED = "(int8_t)MIN(MAX(rintf(sum * 0.0625f), -128.0f), 127.0f)"


def _product(
    sizes: tuple[int, int, int],
    *,
    a: str = "A[i][k]",
    b: str = "B[k][j]",
    start: str = "0",
    relu: str = "",
    value: str = SATURATED,
) -> str:
    m, n, k = sizes
    shape_a = f"[{m}][{k}]" if a == "A[i][k]" else f"[{k}][{m}]"
    shape_b = f"[{k}][{n}]" if b == "B[k][j]" else f"[{n}][{k}]"
    bias = {"0": [], "D[j]": [f"const int32_t D[{n}]"]}.get(start, [f"const int32_t D[{m}][{n}]"])
    result = "int32_t" if value == "sum" else "int8_t"
    parameters = [f"const int8_t A{shape_a}", f"const int8_t B{shape_b}", *bias]
    parameters.append(f"{result} C[{m}][{n}]")
    return PRODUCT.format(
        parameters=", ".join(parameters),
        m=m, n=n, k=k, start=start, a=a, b=b, relu=relu, value=value,
    )  # fmt: skip


KERNELS = {
    "plain": _product((32, 32, 32)),
    "ragged": _product((20, 18, 33)),
    "bias": _product((18, 32, 20), start="D[i][j]", value="sum"),
    "repeated bias, ReLU": _product((33, 17, 16), start="D[j]", relu="sum = MAX(sum, 0);"),
    "scaled": _product((17, 16, 40), value=SCALED),
    "A transposed": _product((16, 20, 24), a="A[k][i]"),
    "B transposed": _product((24, 33, 17), b="B[j][k]", value=SCALED),
    "convolution": """
void kernel(const int8_t X[7][7][4], const int8_t W[3][3][4][5], int32_t Y[3][3][5]) {
  for (int y = 0; y < 3; y++) for (int x = 0; x < 3; x++) for (int o = 0; o < 5; o++) {
    int32_t sum = 0;
    for (int a = 0; a < 3; a++) for (int b = 0; b < 3; b++) for (int c = 0; c < 4; c++)
      sum += X[2 * y + a][2 * x + b][c] * W[a][b][c][o];
    Y[y][x][o] = sum;
  }
}
""",
    "padded convolution": """
void kernel(const int8_t X[6][6][4], const int8_t W[3][3][4][5], int32_t Y[3][3][5]) {
  for (int y = 0; y < 3; y++) for (int x = 0; x < 3; x++) for (int o = 0; o < 5; o++) {
    int32_t sum = 0;
    for (int a = 0; a < 3; a++) for (int b = 0; b < 3; b++) for (int c = 0; c < 4; c++)
      if (2 * y + a - 1 >= 0 && 2 * y + a - 1 < 6 && 2 * x + b - 1 >= 0 && 2 * x + b - 1 < 6)
        sum += X[2 * y + a - 1][2 * x + b - 1][c] * W[a][b][c][o];
    Y[y][x][o] = sum;
  }
}
""",
    "pooled": """
void kernel(const int8_t A[7][7][5], int8_t P[4][4][5]) {
  for (int y = 0; y < 4; y++) for (int x = 0; x < 4; x++) for (int c = 0; c < 5; c++) {
    int8_t most = -128;
    for (int a = 0; a < 3; a++) for (int b = 0; b < 3; b++)
      if (2 * y + a - 1 >= 0 && 2 * y + a - 1 < 7 && 2 * x + b - 1 >= 0 && 2 * x + b - 1 < 7)
        most = MAX(most, A[2 * y + a - 1][2 * x + b - 1][c]);
    P[y][x][c] = most;
  }
}
""",
    "several outputs": """
void kernel(const int16_t X[20][12], const int16_t w[12], int32_t s[20], int32_t y[20][12]) {
  for (int i = 0; i < 20; i++) {
    s[i] = 0;
    for (int j = 0; j < 12; j++) s[i] += X[i][j] * w[j];
  }
  for (int i = 0; i < 20; i++)
    for (int j = 0; j < 12; j++) y[i][j] = MAX(s[i], 0) + X[i][j];
}
""",
    "element-wise": """
void kernel(const int8_t x[41], const int16_t y[40], int8_t r[40]) {
  for (int i = 0; i < 40; i++) {
    int32_t v = (x[i + 1] * 3 + y[39 - i]) >> 2;
    if (i > 2) r[i] = v > 127 ? 127 : v < -128 ? -128 : v;
  }
}
""",
}
"""C texts by what they show."""
LOWERED = ("C[i][j]", "P[y][x][c]")
"""Outputs of those that become instructions."""


def programs(text: str) -> tuple[ModuleOp, dict[str, ModuleOp]]:
    """A kernel as loops, and all programs that should be equal to it."""
    loops = parse_c_kernel(HEADER + text, "kernel.c")
    found = {"loops": loops}
    try:
        found["tensors"] = lift(loops)
    except Diagnostic:
        # Not everything that can be validated can be lifted.
        return loops, found
    if any(output in text for output in LOWERED):
        written = str(found["tensors"])
        for name, pipeline in (
            ("simple", untuned_pipeline(written)),
            ("scheduled", best_guess(written)),
        ):
            passes = parse_pipeline(pipeline)
            for number, step in enumerate(passes):
                if step.name == "gemmini-place":
                    found[f"{name} tiles"] = lower(written, passes[:number])
            found[f"{name} instructions"] = lower(written, passes)
    return loops, found


def try_operators(
    tries: int, seed: int, share: float = 1.0, kernels: dict[str, str] = KERNELS
) -> Iterator[tuple[str, Report]]:
    """Every operator on every program, ``tries`` times; the counts of each kernel.

    Of these tries, only a random ``share`` is made.
    """
    for name, text in kernels.items():
        loops, targets = programs(text)
        campaign = Campaign(loops, seed)
        for level, target in targets.items():
            case = f"{name}, {level}"
            campaign.unchanged(target, case)
            rng = Random(f"{seed} {case}")
            for operator in _drawn(OPERATORS, tries, share, rng):
                campaign.operator(operator, target, 1, rng, case)
            if is_instructions(target):
                commands = _drawn(COMMAND_OPERATORS, tries, share, rng)
                campaign.commands(target, commands, rng, case)
        yield name, campaign.report


def _drawn(operators: Iterable[str], tries: int, share: float, rng: Random) -> list[str]:
    return [name for name in operators for _ in range(tries) if rng.random() < share]
