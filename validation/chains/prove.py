"""Is a command stream a refinement of a chain of products in loop IR, at the size of both?"""

from __future__ import annotations

import time
from dataclasses import replace

from xdsl.dialects.builtin import ModuleOp

from ...diagnostics import Diagnostic
from ...hw.gemmini.config import GemminiConfig, load_config
from ...hw.gemmini.findings import CommandError
from ...hw.gemmini.functional import expanded
from ...hw.gemmini.unroll import stream_of_module
from ...hw.stream import StreamError
from ..core.checker import Violation
from ..core.polyhedral import Unsupported
from ..execution.common import ExecutionFault, TooExpensive
from ..execution.counterexample import find_counterexample
from ..extract.extraction import Level, level_of
from ..extract.from_loops import output_positions
from ..extract.structured import single_function
from ..hazards.check import find_hazard
from ..trace.decode import resolve_checked
from ..trace.parameters import assumptions_at
from ..trace.specify import specify
from ..validate import ASSUMPTIONS, PreparedSource, Validation, ValidationOptions, Verdict, prepare
from .expressions import Table
from .run_loops import LoopRun
from .run_stream import StreamRun, UndefinedCell

SOLVER = "normal form of expressions"
MAX_COMMANDS = 20_000
"""Commands of a stream that is executed here: seconds of work."""


def is_chain(
    source: ModuleOp | PreparedSource, config: GemminiConfig, options: ValidationOptions
) -> bool:
    """Whether ``source`` is loop IR that is more than one sum of products of its inputs."""
    try:
        if isinstance(source, ModuleOp):
            source = prepare(source, config, options)
        if level_of(source.module) is not Level.LOOPS:
            return False
    except (Unsupported, Violation):
        return False
    try:
        specify(source)
    except (Unsupported, Violation):
        return True
    return False


def validate_chain(
    source: ModuleOp | PreparedSource,
    target: ModuleOp,
    config: GemminiConfig | None = None,
    *,
    options: ValidationOptions | None = None,
) -> Validation:
    """Prove that the commands of ``target`` compute what ``source``, loop IR, does.

    Both are executed over expressions of the inputs, so the proof holds for all contents of the
    arrays, at these sizes. A difference in normal form is refuted by inputs that show it; a hazard
    is without. Never raises: where the programs cannot be executed, or no inputs show that they
    differ, the verdict is ``unknown``.
    """
    start = time.perf_counter()
    options = options or ValidationOptions()
    try:
        if isinstance(source, ModuleOp):
            source = prepare(source, config or load_config(), options)
        found = _Proof(source, target, options).run()
    except (Unsupported, Violation, Diagnostic, StreamError, ExecutionFault, TooExpensive) as error:
        found = _verdict("unknown", str(error))
    return replace(found, seconds=time.perf_counter() - start)


class _Proof:
    def __init__(
        self, source: PreparedSource, target: ModuleOp, options: ValidationOptions
    ) -> None:
        self.source = source
        self.target = target
        self.options = options
        if level_of(source.module) is not Level.LOOPS:
            raise Unsupported("a chain of products that is no loop IR")
        self.stream, self.layout = stream_of_module(target, source.config)
        if len(self.stream) > MAX_COMMANDS:
            raise Unsupported(f"a chain of products of {len(self.stream)} commands")
        self.table = Table()

    def run(self) -> Validation:
        config = self.source.config
        plain, index_of = expanded(self.stream, config)
        try:
            program = resolve_checked(plain, config, self.layout)
        except CommandError as error:
            return _verdict("refuted", f"command {int(index_of[error.index])}: {error.reason}")
        run = StreamRun(self.table, config, self.layout)
        try:
            run.run(program)
        except UndefinedCell as error:
            return _verdict("refuted", f"command {int(index_of[error.command])}: {error}")
        difference = self._compare(run)
        if difference:
            return self._refuted(difference)
        hazard = find_hazard(plain, program, self.layout, config)
        if hazard is not None:
            command = int(index_of[hazard.command]) if hazard.command < len(index_of) else -1
            return _verdict("refuted", f"command {command}: hazard: {hazard.reason}")
        return self._proved()

    def _refuted(self, difference: str) -> Validation:
        """The verdict on programs that differ in normal form: run both to see it."""
        found = None
        if self.options.counterexamples:
            config, seed = self.source.config, self.options.seed
            found = find_counterexample(self.source.module, self.target, config, seed=seed)
        verdict = _verdict("unknown" if found is None else "refuted", difference)
        return replace(verdict, counterexample=found)

    def _compare(self, run: StreamRun) -> str:
        """The first element in which the programs differ, or nothing."""
        function = single_function(self.source.module)
        expected = LoopRun(self.table).run(self.source.module)
        written = output_positions(function)
        names = [array.name for array in self.layout.arrays]
        if [len(cells) for cells in expected] != [
            array.size // array.dtype.itemsize for array in self.layout.arrays
        ]:
            raise Unsupported("programs with different parameters")
        for position, cells in enumerate(expected):
            found = run.contents(position)
            for number, (place, wanted) in enumerate(sorted(cells.items())):
                if found[number] == wanted:
                    continue
                element = names[position] + "".join(f"[{index}]" for index in place)
                if position not in written:
                    return f"writes {element}, which the source does not"
                have, want = (self.table.describe(e, names) for e in (found[number], wanted))
                return f"{element} is {have}, the source has {want}"
        return ""

    def _proved(self) -> Validation:
        assumed = assumptions_at(self.layout, self.source.config)
        elements = sum(
            self.layout.arrays[position].size // self.layout.arrays[position].dtype.itemsize
            for position in output_positions(single_function(self.source.module))
        )
        return _verdict("proved", "", assumed, self.source.obligations + elements)


def _verdict(
    verdict: Verdict, reason: str, assumptions: tuple[str, ...] = ASSUMPTIONS, obligations: int = 0
) -> Validation:
    return Validation(verdict, assumptions, obligations, SOLVER, 0.0, 0.0, reason=reason)
