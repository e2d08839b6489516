"""Is a command stream a refinement of a source program, at the size of the stream?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from ...hw.gemmini.config import GemminiConfig, load_config
from ...hw.gemmini.findings import CommandError
from ...hw.gemmini.functional import expanded
from ...hw.gemmini.isa import Funct
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.resolve import Program
from ...hw.stream import FENCE, CommandStream, StreamError
from ..checker import Violation
from ..counterexample import Counterexample
from ..execute import parameter_shapes
from ..hazards import find_hazard
from ..matching import REASSOCIATED
from ..polyhedral import Unsupported
from ..smt import Answer
from ..structured import single_function
from ..validate import (
    ASSUMPTIONS,
    PreparedSource,
    Validation,
    ValidationOptions,
    Verdict,
    prepare,
)
from .compare import check_outputs, new_scratch
from .decode import plan_of, resolve_checked
from .difference import Difference, find_difference
from .execute import execute
from .post_operation import chain_transforms, compare_post_operation, is_zero_at_zero
from .replay import Clue, locate, replay
from .specification import Output, Specification, specify
from .state import CHAIN_LIMIT, Machine, OutOfRange, new_machine
from .status import Status, explain
from .term_table import expected_terms, term_table
from .transforms import Transform, TransformTable, element_type

ZERO_PRODUCTS = "products with a floating-point zero are zero (no infinities, no NaN)"


@dataclass
class _Finding(Exception):
    """Why the stream is not proved; ``clue`` is present if running it may show the difference."""

    reason: str
    command: int = -1
    clue: Clue | None = None
    is_certain: bool = False
    """Whether the reason alone refutes the stream (an illegal command, a hazard)."""
    is_suspicion: bool = True
    """Whether the stream should differ from the source on some inputs; else it is undecided."""


@dataclass
class _Run:
    """One validation in progress."""

    source: PreparedSource
    specification: Specification
    stream: CommandStream
    layout: MemoryLayout
    start: float
    index_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    lemmas: int = 0

    @property
    def config(self) -> GemminiConfig:
        return self.source.config


def validate_stream(
    source: ModuleOp | PreparedSource,
    stream: CommandStream,
    layout: MemoryLayout,
    config: GemminiConfig | None = None,
    *,
    hazards: bool = True,
    options: ValidationOptions | None = None,
) -> Validation:
    """Prove that ``stream``, on arrays placed as ``layout`` says, computes what ``source`` does.

    The arrays of the layout are the source's parameters, in order. Every command is executed over
    symbolic values, so the proof holds for all contents of the arrays, at these sizes. With
    ``hazards``, the stream must not need any ordering that Gemmini does not give. Never raises for
    a stream that cannot be validated: the verdict is then ``unknown`` and ``reason`` says why.
    """
    start = time.perf_counter()
    options = options or ValidationOptions()
    try:
        if isinstance(source, ModuleOp):
            source = prepare(source, config or load_config(), options)
        run = _Run(source, specify(source), stream, layout, start)
        _require_same_parameters(run)
    except (Unsupported, Violation) as error:
        return _plain_verdict("unknown", f"source: {error}", start)
    try:
        assumptions = _prove(run, hazards)
    except (Unsupported, OutOfRange) as error:
        return _verdict(run, "unknown", reason=f"stream: {error}")
    except StreamError as error:
        return _verdict(run, "unknown", reason=f"stream: {error}")
    except _Finding as finding:
        return _judge(run, finding, options)
    return _verdict(run, "proved", assumptions=assumptions)


def _require_same_parameters(run: _Run) -> None:
    shapes = parameter_shapes(single_function(run.source.module))
    placed = [(array.shape, element_type(array.dtype.name)) for array in run.layout.arrays]
    if shapes != placed:
        raise Unsupported(f"its parameters {shapes} are not the arrays of the stream, {placed}")


def _prove(run: _Run, hazards: bool) -> tuple[str, ...]:
    """Discharge everything; returns the assumptions or raises."""
    plain, run.index_of = expanded(run.stream, run.config)
    try:
        program = resolve_checked(plain, run.config, run.layout)
    except CommandError as error:
        raise _Finding(error.reason, error.index, Clue(), is_certain=True) from error
    transforms = TransformTable(run.config)
    plan = plan_of(program, run.config, transforms)
    machine = new_machine(run.config, run.layout, len(transforms.transforms), len(plain))
    machine, status = execute(machine, plan)
    if status is not Status.DONE:
        raise _stopped(machine, status)
    _require_inputs_kept(run, machine, program)
    for output in run.specification.outputs:
        _compare(run, machine, program, output, transforms.transforms)
    if hazards:
        hazard = find_hazard(plain, program, run.layout, run.config)
        if hazard is not None:
            raise _Finding(f"hazard: {hazard.reason}", hazard.command, is_certain=True)
    floats = (REASSOCIATED, ZERO_PRODUCTS) if not run.config.is_integer else ()
    sizes = ", ".join(f"{a.name} {a.dtype.name}{list(a.shape)}" for a in run.layout.arrays)
    return (*ASSUMPTIONS[:1], f"proved at size: {sizes}", *floats)


def _stopped(machine: Machine, status: Status) -> Exception:
    at = machine.registers[0]
    reason = explain(status, int(at["error_row"]), int(at["error_column"]))
    if status in (Status.UNDEFINED_SPAD, Status.UNDEFINED_ACCUMULATOR):
        return _Finding(reason, int(at["error_index"]), Clue(), is_certain=True)
    return Unsupported(f"command {int(at['error_index'])}: {reason}")


def _require_inputs_kept(run: _Run, machine: Machine, program: Program) -> None:
    """Arrays that the source does not write must keep their contents."""
    fresh = new_machine(run.config, run.layout, 1, 0).dram
    written = run.source.analysed.program.outputs
    for position, array in enumerate(run.layout.arrays):
        first, count = _elements(machine, position)
        changed = machine.dram[first : first + count] != fresh[first : first + count]
        if position not in written and changed.any():
            number = int(np.argmax(changed))
            name = _element_name(run.layout, first + number)
            command = _last_store(
                program, array.address + number * array.dtype.itemsize, run.config
            )
            raise _Finding(f"writes {name}, which the source does not", command, Clue())


def _compare(
    run: _Run,
    machine: Machine,
    program: Program,
    output: Output,
    transforms: Sequence[Transform],
) -> None:
    """Compare one output array: the terms of every element, then what is done to the sums."""
    positions = range(len(run.layout.arrays))
    firsts = [_elements(machine, position)[0] for position in positions]
    counts = [_elements(machine, position)[1] for position in positions]
    table = term_table(output, firsts, counts)
    limits, scratch = _clip_limits(machine, transforms), new_scratch(table)
    seen = np.zeros(CHAIN_LIMIT + 1, np.bool_)
    first = firsts[output.position]
    number, count = check_outputs(machine, table, first, 0, limits, seen, scratch)
    while number < counts[output.position]:
        for place in range(number, number + count):
            cell = int(machine.dram[first + place])
            found, chain = find_difference(machine, output, place, cell, firsts, limits)
            if found is not None:
                raise _different(run, machine, program, output, found)
            seen[chain] = True
        number, count = check_outputs(machine, table, first, number + count, limits, seen, scratch)
    if seen[-1] and not is_zero_at_zero(output):
        raise _Finding(f"{_name(run, output)} is 0 where the source has {output.shape!r}")
    for chain in np.flatnonzero(seen[:-1]):
        _require_post_operation(
            run, output, chain_transforms(machine, transforms, int(chain)), firsts
        )


def _require_post_operation(
    run: _Run, output: Output, chain: Sequence[Transform], firsts: Sequence[int]
) -> None:
    run.lemmas += 1
    result = compare_post_operation(output, chain, element_type(run.config.accumulator_type))
    if result.answer is Answer.UNSAT:
        return
    reason = f"{_name(run, output)}: the sum is {result.target}, the source has {output.shape!r}"
    is_suspicion = result.answer is Answer.SAT
    if not is_suspicion:
        reason = f"not decided: {reason}"
    terms = tuple(expected_terms(output, [0] * len(output.extents), firsts))
    clue = Clue(terms=terms, witness=result.witness)
    raise _Finding(reason, clue=clue, is_suspicion=is_suspicion)


def _clip_limits(machine: Machine, transforms: Sequence[Transform]) -> NDArray[np.float64]:
    """For each chain, how large a sum may be so that the chain does not change it; −1 if none."""
    limits = np.full(CHAIN_LIMIT, -1.0)
    for chain in range(1, int(machine.registers["chain_count"][0])):
        link = machine.chains[chain]
        transform = transforms[int(link["transform"])]
        if link["parent"] == 0 and transform.clips_only:
            limits[chain] = (1 << (transform.bits - 1)) - 1
    return limits


def _elements(machine: Machine, position: int) -> tuple[int, int]:
    """Number of the first element of an array, and how many it has."""
    array = machine.arrays[position]
    return int(array["first"]), int(array["size"] // array["width"])


def _different(
    run: _Run, machine: Machine, program: Program, output: Output, found: Difference
) -> Exception:
    array = run.layout.arrays[output.position]
    place = "".join(f"[{index}]" for index in found.element)
    parts: list[str] = []
    for label, terms in (("lacks", found.missing), ("has too much", found.extra)):
        if terms:
            more = f" and {len(terms) - 1} more" if len(terms) > 1 else ""
            parts.append(f"{label} {_term_name(run.layout, terms[0])}{more}")
    number = int(np.ravel_multi_index(found.element, output.extents)) if found.element else 0
    address = array.address + number * array.dtype.itemsize
    command = found.extra_command
    if command < 0:
        command = _last_store(program, address, run.config)
    reason = f"{array.name}{place} {' and '.join(parts)}"
    return _Finding(reason, command, Clue(found), is_suspicion=not found.is_opaque)


def _last_store(program: Program, address: int, config: GemminiConfig) -> int:
    """Index of the last move-out that covers a byte of DRAM, −1 if there is none."""
    from ...hw.gemmini.check_moves import move_element_bytes

    moves = program.moves_out
    width = move_element_bytes(moves, config, is_store=True)
    offset = address - moves["dram"]
    stride = np.maximum(moves["stride"], 1)
    row = np.where(moves["rows"] > 1, offset // stride, 0)
    inside = (offset >= 0) & (row < moves["rows"]) & (offset - row * stride < moves["cols"] * width)
    return int(moves["index"][np.flatnonzero(inside)[-1]]) if inside.any() else -1


def _name(run: _Run, output: Output) -> str:
    return run.layout.arrays[output.position].name


def _element_name(layout: MemoryLayout, number: int) -> str:
    located = locate(layout, number)
    if located is None:
        return "a computed value"
    return layout.arrays[located[0]].name + "".join(f"[{index}]" for index in located[1])


def _term_name(layout: MemoryLayout, factors: Sequence[int]) -> str:
    return "·".join(_element_name(layout, factor) for factor in factors)


# Verdicts.


def _judge(run: _Run, finding: _Finding, options: ValidationOptions) -> Validation:
    """A finding becomes a refutation if it is certain or if a run of both programs shows it."""
    found: Counterexample | None = None
    reason = finding.reason
    command = finding.command
    if 0 <= command < len(run.index_of):
        command = int(run.index_of[command])
    if command >= 0:
        reason = f"command {command}: {reason}"
    if finding.clue is not None and options.counterexamples:
        try:
            found = replay(run.source, run.stream, run.layout, finding.clue, options.seed)
        except Unsupported as error:
            reason += f"; no replay: {error}"
    refuted = finding.is_certain or found is not None
    instruction = _describe(run.stream, command)
    if not refuted and finding.is_suspicion and options.counterexamples:
        reason = f"internal: refutation did not replay: {reason}"
    verdict: Verdict = "refuted" if refuted else "unknown"
    return _verdict(run, verdict, reason, found, instruction)


def _describe(stream: CommandStream, command: int) -> str:
    """The command as a line of a ``.rocc`` file, with its name."""
    if not 0 <= command < len(stream):
        return ""
    funct = int(stream.funct[command])
    name = "FENCE" if funct == FENCE else Funct(funct).name if funct in set(Funct) else "?"
    return f"{name} {int(stream.rs1[command]):#x} {int(stream.rs2[command]):#x}"


def _verdict(
    run: _Run,
    verdict: Verdict,
    reason: str = "",
    counterexample: Counterexample | None = None,
    instruction: str = "",
    assumptions: tuple[str, ...] = ASSUMPTIONS,
) -> Validation:
    return Validation(
        verdict,
        assumptions,
        run.source.obligations + run.lemmas,
        "symbolic execution, z3",
        time.perf_counter() - run.start,
        run.source.solver_seconds,
        counterexample,
        reason,
        instruction,
    )


def _plain_verdict(verdict: Verdict, reason: str, start: float) -> Validation:
    seconds = time.perf_counter() - start
    return Validation(verdict, ASSUMPTIONS, 0, "symbolic execution, z3", seconds, 0.0, None, reason)
