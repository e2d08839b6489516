"""Ready-made pipelines: the untuned baseline, and schedules to start a search from.

A schedule is a pipeline string: it replays, and every pass of it can be changed. The schedules
built here follow one plan: blocks of C in one half of the accumulator while the other half is
stored, chunks of A and B in two phases, moves spread between the products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from xdsl.context import Context
from xdsl.dialects import func, get_all_dialects
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..dialects.gemmini import GEMMINI
from ..dialects.tile import TILE, LoadOp
from ..hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig, load_config
from .block_sizes import block_sizes, has_transposed_weights, misaligned_operands
from .double_buffer import DoubleBufferPass
from .element_sums import is_sum_of_arrays, is_window_sum
from .interchange import InterchangePass
from .interleave import InterleavePass
from .kernel import (
    config_of,
    enclosing_loops,
    kernel_of,
    named_loops,
    operand_buffer,
    users,
)
from .lower_hardware_loops import (
    FEW_PRODUCTS,
    LowerHardwareLoopsPass,
    hardware_loop_choices,
    product_sizes,
    read_product,
)
from .lower_linalg import LowerLinalgPass
from .lower_sums import GROUPS, LowerSumsPass
from .lower_to_core import LowerToCorePass
from .nests import loops_it_needs, trip_count
from .overwrite_first import OverwriteFirstPass
from .peel import PeelPass
from .pooling.pipelines import (
    CLEAN_UP,
    convolution_loop_pipelines,
    pooling_baseline,
    pooling_pipelines,
)
from .pooling.read import is_maximum
from .reuse_weights import ReuseWeightsPass
from .sink import SinkPass
from .stage import StagePass
from .tile_loops import TilePass, tile_height
from .unroll import UnrollPass
from .widen_moves import WidenMovesPass

TO_INSTRUCTIONS = (
    "gemmini-place,gemmini-lower-tiles,gemmini-hoist-config,canonicalize,licm,"
    "gemmini-hoist-arithmetic,cse,gemmini-scale-loops"
)
"""What every pipeline ends with: places, instructions, configuration, and cheap address sums.

Sums out of several loops and guards meet, and are the same, only when they are hoisted.
"""

JAMMED_PRODUCTS = 32
"""Products in a row where tiles of weights are jammed."""
BLOCK_SHAPES = 4
"""Block shapes that the first pipelines try."""
FEW_ROWS = 4
"""Tiles of rows up to which a kernel is bound by the loads of its weights."""
NARROW = 8
"""Tiles of columns in blocks of such a kernel: with 16, 1 × 2048 × 1000 takes 9 % more cycles."""
HARDWARE_LOOPS = 10
"""Choices of hardware loops that they try, half as many for large kernels of ragged sizes."""
RESIDENT_SHAPES = 2
"""Block shapes that they try with a whole operand in the scratchpad."""

SMALL_BLOCK = 8
"""Tiles of C in a block of which few moves wait for one another: where products are few, moves in
short queues hold up the array (112 × 112 pixels of 32 channels to 16: 27 % fewer cycles)."""


def baseline_pipeline(config: str = DEFAULT_CONFIG, *, separate: bool = False) -> str:
    """The untuned lowering for the configuration of that name (or path)."""
    return f"{_spec(LowerLinalgPass(config, separate))},{TO_INSTRUCTIONS}"


def core_pipeline(config: str = DEFAULT_CONFIG) -> str:
    """The lowering of an element-wise operation to loops of the core."""
    return f"{_spec(LowerToCorePass(config))},{CLEAN_UP}"


def untuned_pipeline(
    tensor_ir: str, config: str = DEFAULT_CONFIG, *, separate: bool = False
) -> str:
    """The untuned lowering of the kernel in ``tensor_ir``, whatever kind it is.

    ``separate`` keeps the dimensions of arrays apart, as in ``gemmini-lower-linalg``. Raises
    ``PassFailedException`` for a maximum over windows that cannot be lowered.
    """
    module = Parser(_context(), tensor_ir).parse_module()
    if is_maximum(kernel_of(module)):
        return pooling_baseline(module, config)
    sums = _sum_pipelines(kernel_of(module), config, separate)
    return sums[-1] if sums else baseline_pipeline(config, separate=separate)


def _sum_pipelines(function: func.FuncOp, config: str, separate: bool) -> list[str]:
    """Schedules for a sum without products, best guess first; none for other kernels."""
    if not is_sum_of_arrays(function) and not is_window_sum(function):
        return []
    passes = [LowerSumsPass(config, groups, separate) for groups in (*GROUPS, 1)]
    return [f"{_spec(each)},{CLEAN_UP}" for each in passes]


def best_guess(tensor_ir: str, config: str = DEFAULT_CONFIG) -> str:
    """The first one of ``first_pipelines``."""
    return next(first_pipelines(tensor_ir, config))


def first_pipelines(
    tensor_ir: str, config: str = DEFAULT_CONFIG, *, separate: bool = False
) -> Iterator[str]:
    """Good schedules for the kernel in ``tensor_ir``, best guess first, the baseline last.

    Each is made when it is asked for, which takes as long as to lower the kernel with it.
    ``separate`` keeps the dimensions of arrays apart, as in ``gemmini-lower-linalg``. Raises
    ``PassFailedException`` where the kernel cannot be lowered at all.
    """
    context = _context()
    lowering = LowerLinalgPass(config, separate)
    tensors = Parser(context, tensor_ir).parse_module()
    if is_maximum(kernel_of(tensors)):
        yield from pooling_pipelines(tensors, config)
        return
    if sums := _sum_pipelines(kernel_of(tensors), config, separate):
        yield from sums
        return
    module = tensors.clone()
    lowering.apply(context, module)
    function = kernel_of(module)
    counts = {name: trip_count(loop) or 1 for name, loop in named_loops(function).items()}
    programs: Programs = {(): module}
    choices = _choices(function, counts)
    spelled = (_spelled(context, programs, lowering, list(counts), *each) for each in choices)
    first = next(spelled)
    yield first
    early, late = ([], []) if separate else _hardware_loops(tensors, config)
    yield from early
    if not separate:
        yield from _folded_pipelines(context, tensors, config)
    known = {first}
    for pipeline in spelled:
        if pipeline not in known:
            known.add(pipeline)
            yield pipeline
    yield from late
    yield baseline_pipeline(config, separate=separate)


def _choices(function: func.FuncOp, counts: dict[str, int]) -> list[tuple[dict[str, int], Plan]]:
    """Block sizes and plans for a lowered kernel with so many tiles along each loop."""
    few = counts["i"] <= FEW_ROWS
    sizes = block_sizes(
        counts,
        config_of(function),
        tile_height(function),
        JAMMED_PRODUCTS if few else 1,
        misaligned_operands(function),
        has_transposed_weights(function),
    )
    # Short products leave the core no time for loops; long ones need no longer program.
    unroll = 0 < tile_height(function) < config_of(function).dim
    choices = [(size, Plan(unroll=unroll)) for size in sizes[:BLOCK_SHAPES]]
    size = sizes[0]
    is_matrix, is_whole_sum = counts.keys() <= set("hijk"), size["k"] >= counts["k"]
    if is_matrix and is_whole_sum and counts["j"] > size["j"]:
        # Blocks of columns that follow one another take the same rows of A, if there is room.
        tiles = size.get("h", 1) * size["i"] * counts["k"]
        if _is_room_for(tiles, config_of(function)):
            choices.append((size, Plan(inputs="io", unroll=unroll)))
    # Where one operand stays, the other's moves need all the room between the products.
    if _fits(function, "b"):
        stay = Plan(weights="", jam=True, wait=False)
        small = [size for size in sizes if size["i"] * size["j"] < SMALL_BLOCK]
        # Where stores are the limit, rows of tiles leave the store unit the fewest gaps.
        low = [size for size in small if size["i"] == 1 and size["j"] == counts["j"] > 1]
        choices += [(size, stay) for size in [*sizes[:RESIDENT_SHAPES], *small[:1], *low[:1]]]
    if _fits(function, "a"):
        stay = Plan(inputs="", jam=True, wait=False)
        if few:
            # The weights are what there is to load, and each of their rows takes many moves.
            narrow = [size for size in sizes if size["j"] <= NARROW]
            choices[:0] = [(size, stay) for size in narrow[:RESIDENT_SHAPES]]
        else:
            choices += [(size, stay) for size in sizes[:RESIDENT_SHAPES]]
    choices += [
        (sizes[0], plan)
        for plan in (
            Plan(jam=True),
            Plan(columns_outside=True, unroll=unroll),
            Plan(wait=False, unroll=unroll),
        )
    ]
    if any(isinstance(op, LoadOp) and op.diagonal is not None for op in function.walk()):
        # A diagonal takes many moves: once for all pixels.
        plan = Plan(columns_outside=True, weights="jo")
        return [(size, plan) for size in sizes[:BLOCK_SHAPES]]
    return choices


def _folded_pipelines(context: Context, module: ModuleOp, config: str) -> list[str]:
    """Schedules for a convolution of few channels, whose tiles take several lines of a window.

    Each load of A is a move for every line, so that few fit in the queues: blocks of one tile of
    rows have the most products between two loads. For the core, long rows of products are cheaper.
    """
    lowering = LowerLinalgPass(config, fold_terms=True)
    lowering.apply(context, module)
    function = kernel_of(module)
    if not any(isinstance(op, LoadOp) and op.terms is not None for op in function.walk()):
        return []
    counts = {name: trip_count(loop) or 1 for name, loop in named_loops(function).items()}
    machine, terms = config_of(function), counts["k"]
    sizes = [
        size
        for size in block_sizes(counts, machine, tile_height(function))
        if size.get("h", 1) == 1 and size["j"] == min(counts["j"], NARROW)
    ]
    weights = "" if _fits(function, "b") else None
    low = [x for x in sizes if x["i"] == 1 and x["k"] == -(-terms // min(terms, 2))]
    long = [x for x in sizes if x["i"] == counts["i"] and x["k"] == terms]
    plans = [(x, Plan(weights=weights, spread=True)) for x in low[:1]]
    stay = Plan(weights=weights, spread=True, wait=False, unroll=True)
    plans += [(x, stay) for x in long[:1]]
    programs: Programs = {(): module}
    return [_spelled(context, programs, lowering, list(counts), *each) for each in plans]


Programs = dict[tuple[ModulePass, ...], ModuleOp | None]
"""What a lowered kernel is after passes; None where the last one refuses."""


def _spelled(
    context: Context,
    programs: Programs,
    lowering: LowerLinalgPass,
    loops: Sequence[str],
    size: dict[str, int],
    plan: Plan,
) -> str:
    """The pipeline of ``plan`` for the kernel of ``programs``, as far as it applies."""
    passes = _applied(context, programs, _schedule(loops, size, plan))
    return ",".join([_spec(lowering), *map(_spec, passes), TO_INSTRUCTIONS])


def _hardware_loops(module: ModuleOp, config: str) -> tuple[list[str], list[str]]:
    """Pipelines that leave the loops to the hardware: to try early, or behind all others.

    None for what is neither a product of matrices nor a convolution. The core keeps up with the
    products of large kernels, unless it has edges to look after, and with the loads that a single
    row of tiles waits for.
    """
    machine = load_config(config)
    try:
        sizes = product_sizes(read_product(kernel_of(module), machine))
        choices = hardware_loop_choices(kernel_of(module), machine)
    except PassFailedException:
        return convolution_loop_pipelines(module, config)
    chosen = (LowerHardwareLoopsPass(config, *choice) for choice in choices[:HARDWARE_LOOPS])
    found = [f"{_spec(instance)},{CLEAN_UP}" for instance in chosen]
    rows, *_ = tiles = [-(-size // machine.dim) for size in sizes]
    if rows > 1 and prod(tiles) <= FEW_PRODUCTS:
        return found, []
    is_ragged = any(size % machine.dim for size in sizes)
    return [], found[: HARDWARE_LOOPS // 2] if is_ragged else []


def _fits(function: func.FuncOp, operand: str) -> bool:
    """Whether all of an operand fits a quarter of the scratchpad, beside two phases of the other.

    Tiles count as often as loops over windows load them.
    """
    config, tiles = config_of(function), 0
    for load in users(operand_buffer(function, operand)):
        if isinstance(load, LoadOp):
            places = [*load.indices, *(x for x in (load.start, load.term) if x is not None)]
            loops = loops_it_needs(places, enclosing_loops(load, function))
            tiles = max(tiles, prod(trip_count(loop) or 1 for loop in loops))
    return _is_room_for(tiles, config)


def _is_room_for(tiles: int, config: GemminiConfig) -> bool:
    """Whether tiles fit a quarter of the scratchpad."""
    return tiles * config.dim <= config.spad_rows // 4


def _spec(instance: ModulePass) -> str:
    return str(instance.spec())


def _context() -> Context:
    context = Context()
    for name, factory in get_all_dialects().items():
        context.register_dialect(name, factory)
    context.register_dialect("gemmini", lambda: GEMMINI)
    context.register_dialect("tile", lambda: TILE)
    return context


def _applied(
    context: Context, programs: Programs, schedule: Sequence[ModulePass]
) -> tuple[ModulePass, ...]:
    """The passes of ``schedule`` that apply one after another; the others are left out.

    Schedules that begin alike share the work: ``programs`` is filled.
    """
    applied: tuple[ModulePass, ...] = ()
    for instance in schedule:
        longer = (*applied, instance)
        if longer not in programs:
            programs[longer] = _after(context, programs[applied], instance)
        if programs[longer] is not None:
            applied = longer
    return applied


def _after(context: Context, module: ModuleOp | None, instance: ModulePass) -> ModuleOp | None:
    """A copy of ``module`` to which a pass was applied; None where it refuses."""
    assert module is not None
    attempt = module.clone()
    try:
        instance.apply(context, attempt)
    except PassFailedException:
        return None
    return attempt


@dataclass(frozen=True)
class Plan:
    """What the schedules of this module differ in, apart from block sizes."""

    columns_outside: bool = False
    """Blocks of columns outermost: B stays in the L2 rather than A."""
    weights: str | None = None
    """The loop whose weights are all loaded at once, ahead of it; "" is the whole kernel."""
    inputs: str | None = None
    """The same for the inputs."""
    wait: bool = True
    """Moves wait until the array is through with the last chunk."""
    unroll: bool = False
    """The products with one tile of weights in a row, without a loop."""
    jam: bool = False
    """Several tiles of weights in a row: fewer loops and guards for the core, a longer program."""
    spread: bool = False
    """Moves of C over all chunks of a block, where they else come with the first chunk."""


def _schedule(loops: Sequence[str], size: dict[str, int], plan: Plan) -> list[ModulePass]:
    """The passes of this module's plan for one block shape."""
    repeated = [name for name in loops[: loops.index("i")] if name not in size]
    blocks = [*repeated, *(f"{name}o" for name in size if name in ("h", "i")), "jo"]
    outward = []
    if plan.columns_outside:
        blocks = ["jo", *blocks[:-1]]
        outward = [InterchangePass(tuple(blocks))]
    chunks = [*(name for name in loops[loops.index("j") + 1 :] if name != "k"), "ko"]
    inside = ["k", "j", *(name for name in ("h", "i") if name in loops)]
    return [
        OverwriteFirstPass(),
        TilePass(**size),
        *outward,
        StagePass("c", blocks[-1]),
        InterchangePass((*chunks, *inside)),
        *([StagePass("a", plan.inputs)] if plan.inputs is not None else []),
        *([StagePass("b", plan.weights)] if plan.weights is not None else []),
        *(_moves_of_windows() if len(chunks) > 1 else _moves_of_matrices(plan.spread)),
        InterleavePass("j", plan.wait),
        *([InterleavePass("j"), SinkPass(plan.inputs)] if plan.inputs else []),
        PeelPass("i", first=True),
        ReuseWeightsPass(apart=True),
        *([UnrollPass(JAMMED_PRODUCTS, "j")] if plan.jam else []),
        *([UnrollPass()] if plan.unroll and not plan.jam else []),
    ]


def _moves_of_matrices(spread: bool) -> list[ModulePass]:
    """All moves are issued between the products of a chunk; those of C in the first chunk.

    With ``spread`` those of C are issued between chunks.
    """
    return [
        StagePass("a", "ko"),
        StagePass("b", "ko"),
        WidenMovesPass(),
        DoubleBufferPass("c"),
        InterleavePass("ko") if spread else SinkPass("ko"),
        DoubleBufferPass("a"),
        DoubleBufferPass("b"),
    ]


def _moves_of_windows() -> list[ModulePass]:
    """Moves of A and B are issued between the products of a chunk, those of C between chunks.

    The terms of a window make many chunks of each sum.
    """
    return [
        WidenMovesPass(),
        DoubleBufferPass("c"),
        InterleavePass("ko"),
        StagePass("a", "ko"),
        StagePass("b", "ko"),
        WidenMovesPass(),
        DoubleBufferPass("a"),
        DoubleBufferPass("b"),
    ]
