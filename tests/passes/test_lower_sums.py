"""Element-wise sums of arrays: loads that add, and stores that finish."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import best_guess, first_pipelines, untuned_pipeline
from liftproof.validation.decide import decide
from liftproof.validation.trace.api import validate_unrolled
from liftproof.validation.validate import prepare
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

CONFIG = load_config()
SATURATED = "s > 127 ? 127 : s < -128 ? -128 : s"
KERNELS = {
    "residual": ("int8_t A, int8_t B, int8_t C", "[9][300]", "A + B", SATURATED),
    "relu": ("int8_t A, int8_t C", "[1000]", "A", "s < 0 ? 0 : s"),
    "requantized": ("int32_t A, int8_t C", "[3][5][41]", "A", "s < 0 ? 0 : s > 127 ? 127 : s"),
    "wide and narrow": ("int8_t A, int32_t B, int8_t D, int32_t C", "[777]", "A + B + D", "s"),
    "one element": ("int8_t A, int8_t B, int32_t C", "[1]", "A + B", "s"),
}


def loops_of(name: str) -> ModuleOp:
    """The kernel with a loop for each dimension; the last parameter is its output."""
    parameters, shape, terms, value = KERNELS[name]
    extents = shape.strip("[]").split("][")
    at = "".join(f"[i{n}]" for n in range(len(extents)))
    header = " ".join(f"for (int i{n} = 0; i{n} < {e}; i{n}++)" for n, e in enumerate(extents))
    names = parameters.split(", ")
    declared = ", ".join(f"{'' if text == names[-1] else 'const '}{text}{shape}" for text in names)
    elements = " + ".join(f"{term}{at}" for term in terms.split(" + "))
    return parse_c_kernel(
        f"#include <stdint.h>\nvoid f({declared}) {{ {header} {{"
        f" int s = {elements}; C{at} = {value}; }} }}",
        "f.c",
    )


def lowered(text: str, pipeline: str) -> ModuleOp:
    return lower(text, parse_pipeline(pipeline))


@pytest.mark.parametrize("name", KERNELS)
def test_sums_are_proved(name: str) -> None:
    """Small and large blocks are proved for ragged sizes, and no hazard is left."""
    source = prepare(loops_of(name), CONFIG)
    text = str(lift_and_prove(source.module).module)
    for pipeline in {untuned_pipeline(text), best_guess(text)}:
        program = lowered(text, pipeline)
        assert decide(source, program, config=CONFIG).verdict == "proved"
        if len(KERNELS[name][2]) < len("A + B + D"):
            # The engine that knows all hazards does not follow sums of three arrays.
            assert validate_unrolled(source, program, CONFIG).verdict == "proved"


def test_rows_are_as_wide_as_the_memory_allows() -> None:
    """A load takes 16 rows of 64 narrow elements, so 2,700 sums take less than 40 commands."""
    text = str(lift_and_prove(loops_of("residual")).module)
    stream, _ = stream_of_module(lowered(text, best_guess(text)), CONFIG)
    assert len(stream.funct) < 40


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("A[i0][i1] + B[i0][i1]", "A[i0][i1] + A[i0][i1]", "closest store"),
        ("A[i0][i1] + B[i0][i1]", "A[i0][i1] - B[i0][i1]", "once"),
        ("C[i0][i1] = s > 127 ? 127", "C[i0][i1] = s > 99 ? 99", "closest store"),
    ],
)
def test_other_operations_are_refused(old: str, new: str, reason: str) -> None:
    """What loads and stores cannot do is refused with the reason."""
    source = (
        "void f(const signed char A[9][30], const signed char B[9][30], signed char C[9][30])"
        "{ for (int i0 = 0; i0 < 9; i0++) for (int i1 = 0; i1 < 30; i1++) {"
        " int s = A[i0][i1] + B[i0][i1]; C[i0][i1] = s > 127 ? 127 : s < -128 ? -128 : s; } }"
    )
    assert old in source
    text = str(lift_and_prove(parse_c_kernel(source.replace(old, new), "f.c")).module)
    with pytest.raises(PassFailedException, match=reason):
        lowered(text, untuned_pipeline(text))


def test_loads_of_a_small_array_wait_for_one_another() -> None:
    """With three loads in flight, two moves of an array do not keep them apart: a fence does."""
    config = load_config("gemmini-8x8-int8")
    source = prepare(loops_of("residual"), config)
    text = str(lift_and_prove(source.module).module)
    for pipeline in first_pipelines(text, config.name):
        assert validate_unrolled(source, lowered(text, pipeline), config).verdict == "proved"
