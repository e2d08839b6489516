"""Execute a loop program and a command stream over expressions, and compare (trusted core)."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

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
    try:
        program = resolve_checked(plain, config, layout, core_work=True)
        run.run(program, core_runs(single_function(target), plain, stream.origin[index_of], run))
    except CommandError as error:
        raise Mismatch(f"command {int(index_of[error.index])}: {error.reason}", True) from error
    except UndefinedCell as error:
        raise Mismatch(f"command {int(index_of[error.command])}: {error}", True) from error
    difference = _difference(source, run, table, layout)
    if difference:
        raise Mismatch(difference, False)
    hazard, assumed = hazard_and_assumptions(plain, program, layout, config)
    if hazard is not None:
        command = int(index_of[hazard.command]) if hazard.command < len(index_of) else -1
        raise Mismatch(f"command {command}: hazard: {hazard.reason}", True)
    counts = _counts(layout)
    elements = sum(counts[place] for place in output_positions(single_function(source)))
    return Compared((*assumptions_at(source, layout, config), *assumed), elements)


def _difference(source: ModuleOp, run: StreamRun, table: Table, layout: MemoryLayout) -> str:
    """The first element in which the programs differ, or nothing."""
    expected = LoopRun(table).run(source)
    written = output_positions(single_function(source))
    names = [array.name for array in layout.arrays]
    if [len(cells) for cells in expected] != _counts(layout):
        raise Unsupported("programs with different parameters")
    for position, cells in enumerate(expected):
        found = run.contents(position)
        for number, (place, wanted) in enumerate(sorted(cells.items())):
            if found[number] == wanted:
                continue
            element = names[position] + "".join(f"[{index}]" for index in place)
            if position not in written:
                return f"writes {element}, which the source does not"
            have, want = (table.describe(e, names) for e in (found[number], wanted))
            return f"{element} is {have}, the source has {want}"
    return ""


def _counts(layout: MemoryLayout) -> list[int]:
    """Elements of each array."""
    return [array.size // array.dtype.itemsize for array in layout.arrays]
