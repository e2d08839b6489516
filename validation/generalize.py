"""Two programs with symbolic sizes: what lifting needs to prove a summary for every size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from .core.polyhedral import Program, Unsupported
from .execution.counterexample import parameter_names
from .extract.extraction import Level, level_of
from .extract.from_linalg import extract_linalg
from .extract.from_loops import extract_loops
from .extract.structured import single_function
from .sizes import CONCRETE, Extraction, SizePlan, plan_sizes


@dataclass(frozen=True)
class Generalized:
    """Programs whose sizes are symbols, and the array dimensions that each symbol stands for."""

    source: Program
    target: Program
    sizes: tuple[str, ...]


def generalizations(source: ModuleOp, target: ModuleOp) -> Iterator[Generalized]:
    """Extract loop or tensor IR with symbols for its sizes, the most general form first.

    In the second form the sizes of windows (stencils, kernels of convolutions) stay numbers.
    Raises ``Unsupported`` for other levels, where sizes are part of the schedule.
    """
    names = parameter_names(single_function(source))
    programs = _extract(source, CONCRETE), _extract(target, CONCRETE)
    tried: list[tuple[str, ...]] = []
    for windows in (True, False):
        first, second = plan_sizes(*programs, names, windows=windows)
        if first.meaning in tried:
            continue
        tried.append(first.meaning)
        yield Generalized(
            _extract(source, first).program, _extract(target, second).program, first.meaning
        )


def _extract(module: ModuleOp, plan: SizePlan) -> Extraction:
    match level_of(module):
        case Level.LOOPS:
            return extract_loops(module, plan)
        case Level.TENSOR:
            return extract_linalg(module, plan)
        case level:
            raise Unsupported(f"sizes of {level.value} are part of the schedule")
