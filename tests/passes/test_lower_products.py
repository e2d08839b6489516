"""Chains of small products: read from loops, kept in the scratchpad, proved, and fast."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.isa import Funct
from liftproof.hw.gemmini.timing import simulate_timing
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.hw.stream import FENCE
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c.reader import read_machine_c
from liftproof.llm.evaluate import parse_pipeline
from liftproof.passes.chains.pipelines import CLEAN_UP, as_product_kernel
from liftproof.passes.chains.products import assignments
from liftproof.passes.chains.read import read_products
from liftproof.passes.kernel import kernel_of
from liftproof.passes.lower_products import LowerProductsPass, choices_of_products
from liftproof.validation.chains.prove import validate_chain
from liftproof.validation.validate import PreparedSource, prepare
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

CONFIG = "gemmini-4x4-fp32"
EXAMPLES = Path(__file__).parents[2] / "examples" / "control"
CHAINS = Path(__file__).parents[1] / "validation" / "chains" / "kernels"

FORWARD = (EXAMPLES / "forward_pass.c").read_text()
BACKWARD = (EXAMPLES / "backward_pass.c").read_text()
IN_STEPS = """
void steps(const float K[4][12], const float x[12], const float d[4], float u[4]) {
  float t[4], negative[4];
  for (int i = 0; i < 4; i++) {
    t[i] = 0.0f;
    for (int j = 0; j < 12; j++) t[i] += K[i][j] * x[j];
  }
  for (int i = 0; i < 4; i++) negative[i] = -t[i];
  for (int i = 0; i < 4; i++) u[i] = negative[i] - d[i];
}
"""
MATRICES = """
void riccati(const float P[12][12], const float A[12][12], const float B[12][4],
             float PA[12][12], float BPA[4][12]) {
  for (int i = 0; i < 12; i++)
    for (int j = 0; j < 12; j++) {
      float s = 0.0f;
      for (int k = 0; k < 12; k++) s += P[i][k] * A[k][j];
      PA[i][j] = s;
    }
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 12; j++) {
      float s = 0.0f;
      for (int k = 0; k < 12; k++) s += B[k][i] * PA[k][j];
      BPA[i][j] = s;
    }
}
"""
RAGGED = """
void ragged(const float A[7][10], const float B[3][7], const float x[10], float y[7], float z[3]) {
  for (int i = 0; i < 7; i++) {
    y[i] = 0.0f;
    for (int j = 0; j < 10; j++) y[i] -= A[i][j] * x[j];
  }
  for (int i = 0; i < 3; i++) {
    float s = 0.0f;
    for (int j = 0; j < 7; j++) s += B[i][j] * y[j];
    z[i] = s;
  }
}
"""
TWO_ADDENDS = """
void addends(const float A[12][8], const float x[8], const float b[12], const float c[12],
             float y[12]) {
  for (int i = 0; i < 12; i++) {
    float s = b[i] + c[i];
    for (int j = 0; j < 8; j++) s += A[i][j] * x[j];
    y[i] = s;
  }
}
"""
FROM_ONE = """
void from_one(const float A[4][4], float x[8][4]) {
  for (int t = 1; t < 8; t++)
    for (int i = 0; i < 4; i++) {
      float s = 0;
      for (int j = 0; j < 4; j++) s += A[i][j] * x[t - 1][j];
      x[t][i] = s;
    }
}
"""
IN_PLACE = """
void in_place(const float A[8][8], float x[8]) {
  float y[8];
  for (int i = 0; i < 8; i++) {
    y[i] = 0;
    for (int j = 0; j < 8; j++) y[i] += A[i][j] * x[j];
  }
  for (int i = 0; i < 8; i++) x[i] = y[i];
}
"""
AHEAD = """
void ahead(const float A[8][8], float x[64][8]) {
  for (int t = 0; t < 60; t++)
    for (int i = 0; i < 8; i++) {
      x[t][i] = 0.0f;
      for (int j = 0; j < 8; j++) x[t][i] += A[i][j] * x[t + 4][j];
    }
}
"""
KERNELS = {
    "ahead": AHEAD,
    "long": FORWARD.replace("#define N 5", "#define N 300"),
    "addends": TWO_ADDENDS,
    "from one": FROM_ONE,
    "in place": IN_PLACE,
    "forward": FORWARD,
    "backward": BACKWARD,
    "steps": IN_STEPS,
    "matrices": MATRICES,
    "ragged": RAGGED,
}


def loops(name: str) -> ModuleOp:
    return parse_c_kernel(KERNELS[name], f"{name}.c")


@cache
def source(name: str) -> PreparedSource:
    return prepare(loops(name), load_config(CONFIG))


def lowered(name: str, *choice: str | bool) -> ModuleOp:
    module, context = loops(name), new_context()
    LowerProductsPass(CONFIG, *choice).apply(context, module)  # pyright: ignore[reportArgumentType]
    for instance in parse_pipeline(CLEAN_UP):
        instance.apply(context, module)
    module.verify()
    return module


@pytest.mark.parametrize("choice", choices_of_products()[::4], ids=str)
@pytest.mark.parametrize("name", ["steps", "ragged", "matrices"])
def test_every_choice_is_proved(name: str, choice: tuple[str, str, bool, bool]) -> None:
    """Wherever results and sums are kept, the program computes what the loops compute."""
    result = validate_chain(source(name), lowered(name, *choice))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("addends", ("inputs", "accumulator")),
        ("addends", ("nothing", "accumulator")),
        ("from one", ("all", "array", True, True)),
        ("from one", ("nothing", "accumulator")),
    ],
)
def test_several_addends_and_later_starts_are_proved(name: str, choice: tuple[str, ...]) -> None:
    """Addends are added to zeros in any order; a loop may begin where the last step is known."""
    result = validate_chain(source(name), lowered(name, *choice))
    assert result.verdict == "proved", result.reason


def test_a_product_is_not_merged_into_its_own_operand() -> None:
    """``x = A·x`` through a copy would overwrite x while it is read; it is refused instead."""
    for choice in choices_of_products():
        with pytest.raises(PassFailedException, match=r"scratchpad|through memory"):
            lowered("in place", *choice)


@pytest.mark.parametrize(
    "choice", [("all", "array", True, False), ("most", "array"), ("nothing", "accumulator")]
)
@pytest.mark.parametrize("name", ["forward", "backward"])
def test_recurrences_are_proved(name: str, choice: tuple[str | bool, ...]) -> None:
    """Steps of time that read what the last one computed, kept in place and through DRAM."""
    result = validate_chain(source(name), lowered(name, *choice))
    assert result.verdict == "proved", result.reason


def test_long_recurrences_keep_their_last_steps() -> None:
    """Where not all fits, states stay without a fence, and inputs of each step are streamed."""
    for keep in ("all", "inputs"):
        with pytest.raises(PassFailedException, match="too many to load"):
            lowered("long", keep, "array")
    stream, layout = stream_of_module(lowered("long", "most", "array"), load_config(CONFIG))
    assert (stream.funct == FENCE).sum() == 1
    moves = stream.rs1[stream.funct == Funct.MVIN].tolist()
    moves += stream.rs1[np.isin(stream.funct, (Funct.MVIN2, Funct.MVIN3))].tolist()
    inside = [sum(0 <= at - a.address < a.size for at in moves) for a in layout.arrays]
    assert inside == [1, 3, 3, 300, 3, 0]


def test_steps_that_are_needed_ahead_are_refused() -> None:
    """A window of few steps holds nothing that is read long before the loop gets there."""
    with pytest.raises(PassFailedException, match="far ahead"):
        lowered("ahead", "most", "array")


def test_kept_arrays_move_once_and_need_one_fence() -> None:
    """Where all stays, inputs are loaded once, results never, and only the end is fenced."""
    stream, layout = stream_of_module(lowered("forward", "all", "array"), load_config(CONFIG))
    assert (stream.funct == FENCE).sum() == 1
    loads = [f in (Funct.MVIN, Funct.MVIN2, Funct.MVIN3) for f in stream.funct]
    x, u = layout.arrays[4], layout.arrays[5]
    loaded = [int(address) for address, load in zip(stream.rs1, loads, strict=True) if load]
    assert not any(u.address <= address < u.address + u.size for address in loaded)
    assert all(not x.address + 48 <= address < x.address + x.size for address in loaded)
    assert len(loaded) == len(set(loaded))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("forward", "forward_pass_fences"),
        ("forward", "forward_pass_loop_ws"),
        ("backward", "backward_pass_fences"),
        ("backward", "backward_pass_loop_ws"),
    ],
)
def test_schedules_beat_programs_written_by_hand(name: str, written: str) -> None:
    """At least 1.3 times fewer cycles than per-product code and the hardware's loop."""
    config = load_config(CONFIG)
    ours, _ = stream_of_module(lowered(name, "all", "array", True, True), config)
    text = (CHAINS / f"{written}.c").read_text()
    theirs, _ = stream_of_module(read_machine_c(text, written, config), config)
    for level in ("accelerator", "soc"):
        mine, other = (simulate_timing(s, config, level=level).cycles for s in (ours, theirs))
        assert other >= 1.3 * mine


def test_the_best_program_by_hand_is_near_what_the_recurrence_needs() -> None:
    """Even without A·x the chain from x to u to x takes more than 1/1.3 of its cycles."""
    config = load_config(CONFIG)
    whole = (CHAINS / "forward_pass_output_stationary.c").read_text()
    ahead, rest = whole.split("    for (int i = 0; i < 3; i++) {\n      gemmini_extended_preload(")
    _, stores = rest.split("    gemmini_extended_mvout(&u[t]")
    chain = f"""{ahead}    for (int i = 0; i < 3; i++) {{
      gemmini_extended_preload(GARBAGE_ADDR, XS(1-p,i), 1, 4, 1, 4);
      gemmini_extended_compute_preloaded(AB(i), US(p), 4, 4, 1, 4);
    }}
    gemmini_extended_mvout(&u[t]{stores}"""
    programs = [read_machine_c(text, "forward.c", config) for text in (whole, chain)]
    streams = [stream_of_module(program, config)[0] for program in programs]
    for level in ("accelerator", "soc"):
        both, least = (simulate_timing(s, config, level=level).cycles for s in streams)
        assert least < both < 1.3 * least


GOLDEN = {
    ("forward", "accelerator", False): 641,
    ("forward", "soc", True): 1479,
    ("backward", "accelerator", False): 1478,
    ("backward", "soc", False): 3645,
}
"""Cycles of the best schedule by kernel, level and ``roll``; changes are to be acknowledged."""


@pytest.mark.parametrize(("name", "level", "roll"), GOLDEN)
def test_cycles_of_control_kernels(name: str, level: str, roll: bool) -> None:
    """The cycle counts that the documentation names."""
    config = load_config(CONFIG)
    stream, _ = stream_of_module(lowered(name, "all", "array", True, roll), config)
    cycles = simulate_timing(stream, config, level=level).cycles  # pyright: ignore[reportArgumentType]
    assert cycles == GOLDEN[name, level, roll]


def test_sums_are_merged_into_those_that_add_them() -> None:
    """A product, its negation and a subtraction written one after the other are one sum."""
    (assign,) = assignments(read_products(kernel_of(loops("steps"))).nodes)
    assert [(term.sign, len(term.factors)) for term in assign.terms] == [(-1, 2), (-1, 1)]


def test_recurrences_are_split_from_the_rest() -> None:
    """What a step needs of the last one runs apart from what only follows from it."""
    loops_of = {split: lowered("backward", "all", "array", split) for split in (True, False)}
    counts = {s: str(m).count("scf.for") for s, m in loops_of.items()}
    assert counts[True] > counts[False] == 1


REFUSED = [
    ("float y[8]", "y[i] = x[i] * x[i];", "multiplied without a sum"),
    ("float y[8]", "y[i] = x[i] / 2.0f;", "no addition and no product"),
    ("float y[8]", "if (i > 2) y[i] = x[i];", "no addition and no product"),
    ("float y[8]", "y[i] = x[(i * i) % 8];", "not affine"),
    ("double y[8]", "y[i] = x[i];", "float32"),
]


@pytest.mark.parametrize(("output", "body", "reason"), REFUSED)
def test_other_loops_are_refused(output: str, body: str, reason: str) -> None:
    """What is no sum of products is refused with the reason, never lowered wrongly."""
    text = f"void f(const float x[8], {output}) {{ for (int i = 0; i < 8; i++) {{ {body} }} }}"
    module = parse_c_kernel(text, "f.c")
    with pytest.raises(PassFailedException, match=reason):
        LowerProductsPass(CONFIG, "all", "array").apply(new_context(), module)


def test_choices_are_on_the_menu() -> None:
    """A kernel of loop IR that names its target lists the lowerings that apply."""
    kernel = as_product_kernel(loops("steps"), CONFIG)
    menu = LowerProductsPass.schedule_space(new_context(), kernel)
    assert LowerProductsPass(CONFIG, "all", "array", True, True) in menu
    assert LowerProductsPass.schedule_space(new_context(), loops("steps")) == ()
