"""Whole schedules: they compute the kernel, for any sizes, and they are fast."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.isa import Funct
from liftproof.hw.gemmini.timing import simulate_timing, traffic
from liftproof.hw.gemmini.timing.program import build_program
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.passes.pipelines import TO_INSTRUCTIONS, first_pipelines
from liftproof.passes.registry import get_all_passes
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

Apply = Callable[..., ModuleOp]
Agrees = Callable[[Any, ModuleOp], bool]

SCHEDULE = (
    "gemmini-lower-linalg{first},gemmini-tile{{i={i} j={j} k={k}}},"
    "gemmini-stage{{operand=c loop=jo}},gemmini-interchange{{order=ko,k,j,i}},"
    "gemmini-stage{{operand=a loop=ko}},gemmini-stage{{operand=b loop=ko}},gemmini-widen-moves,"
    "gemmini-double-buffer{{operand=c}},gemmini-sink{{loop=ko}},"
    "gemmini-double-buffer{{operand=a}},gemmini-double-buffer{{operand=b}},"
    "gemmini-reuse-weights,gemmini-interleave{{loop={level}}}," + TO_INSTRUCTIONS
)
FORMS: list[dict[str, Any]] = [
    {},
    {"bias": "matrix", "relu": True, "scale": 1 / 64},
    {"bias": "row"},
    {"wide": True},
    {"a_transposed": True},
    {"b_transposed": True},
]


@pytest.mark.parametrize("shape", [(100, 75, 130), (33, 47, 129), (64, 80, 96)])
@pytest.mark.parametrize("size", [(2, 2, 2), (4, 1, 3), (2, 4, 7)])
@pytest.mark.parametrize("level", ["k", "j", "i"])
def test_the_full_plan_is_right(
    gemm: Any, apply: Apply, agrees: Agrees, shape: Any, size: Any, level: str
) -> None:
    """Tiles, two phases of everything, spread moves and kept weights compute the kernel."""
    number = sum(shape) + sum(size) + ord(level)
    form = FORMS[number % len(FORMS)]
    first = "" if form.get("bias") else ",gemmini-overwrite-first"
    i, j, k = size
    kernel = gemm(*shape, **form)
    pipeline = SCHEDULE.format(first=first, i=i, j=j, k=k, level=level)
    assert agrees(kernel, apply(kernel.text(), pipeline))


def test_rows_of_a_stay_for_all_columns_where_one_chunk_forms_whole_sums(
    gemm: Any, apply: Apply
) -> None:
    """One of the first schedules loads A once, though C has several blocks of columns."""
    text = gemm(256, 256, 64).text()
    (pipeline,) = (p for p in first_pipelines(text) if 'stage{operand="a" loop="io"}' in p)
    config = load_config()
    stream, layout = stream_of_module(apply(text, pipeline), config)
    a, b, _ = traffic(build_program(stream, config, "accelerator"), layout)
    assert a.passes == 1
    assert b.passes > 1


@pytest.mark.parametrize("option", ["{apart=true}", ""], ids=["apart", "flag"])
def test_a_short_tile_in_front_loads_the_weights_of_the_full_ones(
    gemm: Any, apply: Apply, agrees: Agrees, option: str
) -> None:
    """Each block loads each tile of weights once, also where only some blocks have a short tile."""
    kernel = gemm(69, 32, 32)
    pipeline = (
        "gemmini-lower-linalg,gemmini-overwrite-first,gemmini-tile{i=3 j=2 k=2},"
        "gemmini-stage{operand=c loop=jo},gemmini-interchange{order=ko,k,j,i},"
        "gemmini-stage{operand=a loop=ko},gemmini-stage{operand=b loop=ko},"
        f"gemmini-peel{{loop=i first=true}},gemmini-reuse-weights{option},{TO_INSTRUCTIONS}"
    )
    program = apply(kernel.text(), pipeline)
    config = load_config()
    stream, _ = stream_of_module(program, config)
    preloaded = stream.rs1[stream.funct == Funct.PRELOAD] % 2**32
    blocks, tiles_of_weights = 2, 4
    assert (preloaded < config.spad_rows).sum() == blocks * tiles_of_weights
    assert agrees(kernel, program)


@pytest.mark.parametrize("shape", [(1, 1, 1), (17, 16, 16), (100, 75, 130), (1, 256, 100)])
@pytest.mark.parametrize("form", [{}, {"bias": "row", "relu": True, "scale": 1 / 64}], ids=str)
def test_first_pipelines_are_right(
    gemm: Any, apply: Apply, agrees: Agrees, shape: Any, form: Any
) -> None:
    """What a search starts from computes the kernel, whatever the sizes leave out of the plan."""
    kernel = gemm(*shape, **form)
    pipelines = [*islice(first_pipelines(kernel.text()), 3)]
    assert len(pipelines) > 1
    for pipeline in pipelines:
        assert agrees(kernel, apply(kernel.text(), pipeline))


def menu() -> list[type[ModulePass]]:
    """The schedule passes on tile IR."""
    road = ("gemmini-lower-linalg", "gemmini-place", "gemmini-lower-tiles", "gemmini-hoist-config")
    return [factory() for name, factory in get_all_passes().items() if name not in road]


@pytest.mark.parametrize("seed", range(24))
def test_any_way_through_the_menu_is_right(
    gemm: Any, apply: Apply, agrees: Agrees, context: Context, seed: int
) -> None:
    """Random instances of random passes, as they list themselves, never change the result."""
    choice = random.Random(seed)
    sizes = (1, 5, 16, 17, 32, 40, 64, 100)
    form = choice.choice([*FORMS, {"a_transposed": True, "b_transposed": True}])
    kernel = gemm(*(choice.choice(sizes) for _ in range(3)), **form)
    module = apply(kernel.text(), "gemmini-lower-linalg")
    applied: list[str] = []
    for _ in range(choice.randrange(1, 14)):
        options = [
            choice.choice(instances)
            for kind in menu()
            if (instances := kind.schedule_space(context, module)) and choice.random() < 0.8
        ]
        if options:
            instance = choice.choice(options)
            instance.apply(context, module)
            module.verify()
            applied.append(str(instance.spec()))
    if fits(apply, module):
        assert agrees(kernel, apply(module, TO_INSTRUCTIONS)), applied


def fits(apply: Apply, module: ModuleOp) -> bool:
    """Whether the buffers find a place in the local memories."""
    try:
        apply(module.clone(), "gemmini-place")
    except PassFailedException:
        return False
    return True


def utilization(program: ModuleOp, shape: tuple[int, int, int]) -> float:
    config = load_config()
    stream, _ = stream_of_module(program, config)
    ideal = shape[0] * shape[1] * shape[2] / config.dim**2
    return ideal / simulate_timing(stream, config).cycles


@pytest.mark.parametrize(
    ("shape", "least"), [((512, 512, 512), 0.99), ((784, 1024, 256), 0.98), ((256, 64, 320), 0.9)]
)
def test_first_pipelines_are_fast(gemm: Any, apply: Apply, shape: Any, least: float) -> None:
    """The best first schedule keeps the array busy; the program stays small enough to validate."""
    text = gemm(*shape).text()
    programs = [apply(text, pipeline) for pipeline in islice(first_pipelines(text), 4)]
    assert max(utilization(program, shape) for program in programs) > least
    assert all(sum(1 for _ in program.walk()) < 400 for program in programs)


@pytest.mark.parametrize("pass_name", sorted(get_all_passes()))
def test_every_pass_has_its_name_and_says_what_it_needs(pass_name: str) -> None:
    """The registry's names are the passes' own, and a docstring states needs and guarantees."""
    kind = get_all_passes()[pass_name]()
    assert kind.name == pass_name
    text = kind.__doc__ or ""
    assert "eeds" in text
    assert any(word in text for word in ("uarantees", "ends the function"))
