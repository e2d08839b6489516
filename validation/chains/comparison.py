"""Execute a loop program and a command stream over expressions, and compare (trusted core)."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ...hw.gemmini.commands import instructions
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.findings import CommandError
from ...hw.gemmini.functional import expanded
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.unroll import stream_of_module
from ..core.polyhedral import Unsupported
from ..extract.extraction import Level, level_of
from ..extract.from_loops import output_positions
from ..extract.structured import single_function
from ..hazards.check import hazard_and_assumptions
from ..trace.decode import resolve_checked
from ..trace.parameters import assumptions_at
from .expressions import Table
from .run_core import core_runs, require_fences
from .run_loops import LoopRun
from .run_stream import StreamRun, UndefinedCell

SOLVER = "normal form of expressions"
MAX_COMMANDS = 20_000
"""Commands of a stream that is executed here: seconds of work."""


@dataclass(frozen=True)
class Compared:
    """What a comparison without a difference rests on, and how many elements it compared."""

    assumptions: tuple[str, ...]
    elements: int


@dataclass
class Mismatch(Exception):  # noqa: N818 - it names what was found
    """Why the programs are not the same."""

    reason: str
    is_certain: bool
    """Whether the reason alone refutes the target: a fault or a hazard, not a normal form."""
    operation: Operation | None = None
    """The operation of the target that it is about."""

    def __str__(self) -> str:
        return self.reason


def compare_chain(source: ModuleOp, target: ModuleOp, config: GemminiConfig) -> Compared:
    """Show that the commands of ``target`` compute what ``source``, loop IR, does.

    The source has to be known to stay within its arrays. Raises ``Mismatch`` for a difference, a
    fault or a hazard, and ``Unsupported``, ``Diagnostic``, ``StreamError``, ``ExecutionFault`` or
    ``TooExpensive`` for programs that cannot be executed.
    """
    if level_of(source) is not Level.LOOPS:
        raise Unsupported("a chain of products that is no loop IR")
    stream, layout = stream_of_module(target, config)
    if len(stream) > MAX_COMMANDS:
        raise Unsupported(f"a chain of products of {len(stream)} commands")
    plain, index_of = expanded(stream, config)
    table = Table()
    require_fences(plain)
    run = StreamRun(table, config, layout)
    operations = instructions(single_function(target))

    def mismatch(command: int, reason: str, *, is_certain: bool = True) -> Mismatch:
        if not 0 <= command < len(index_of):
            return Mismatch(reason, is_certain)
        row = int(index_of[command])
        text = f"command {row}: {reason}" if is_certain else reason
        return Mismatch(text, is_certain, operations[int(stream.origin[row])])

    try:
        program = resolve_checked(plain, config, layout, core_work=True)
        run.run(program, core_runs(single_function(target), plain, stream.origin[index_of], run))
    except CommandError as error:
        raise mismatch(error.index, error.reason) from error
    except UndefinedCell as error:
        raise mismatch(error.command, str(error)) from error
    difference = _difference(source, run, table, layout)
    if difference is not None:
        raise mismatch(*difference, is_certain=False)
    hazard, assumed = hazard_and_assumptions(plain, program, layout, config)
    if hazard is not None:
        raise mismatch(hazard.command, f"hazard: {hazard.reason}")
    counts = _counts(layout)
    elements = sum(counts[place] for place in output_positions(single_function(source)))
    return Compared((*assumptions_at(source, layout, config), *assumed), elements)


def _difference(
    source: ModuleOp, run: StreamRun, table: Table, layout: MemoryLayout
) -> tuple[int, str] | None:
    """The difference that the target stores first: the command that does, and what it is."""
    expected = LoopRun(table).run(source)
    written = output_positions(single_function(source))
    names = [array.name for array in layout.arrays]
    if [len(cells) for cells in expected] != _counts(layout):
        raise Unsupported("programs with different parameters")
    differences: list[tuple[int, str]] = []
    for position, cells in enumerate(expected):
        found = run.contents(position)
        for number, (place, wanted) in enumerate(sorted(cells.items())):
            if found[number] == wanted:
                continue
            element = names[position] + "".join(f"[{index}]" for index in place)
            have, want = (table.describe(e, names) for e in (found[number], wanted))
            what = f"{element} is {have}, the source has {want}"
            if position not in written:
                what = f"writes {element}, which the source does not"
            differences.append((run.last_store(position, number), what))
    return min(differences, key=lambda one: one[0], default=None)


def _counts(layout: MemoryLayout) -> list[int]:
    """Elements of each array."""
    return [array.size // array.dtype.itemsize for array in layout.arrays]
