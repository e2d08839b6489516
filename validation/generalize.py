"""Two programs with symbolic sizes: what lifting needs to prove a summary for every size."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from .counterexample import parameter_names
from .extraction import Level, level_of
from .from_linalg import extract_linalg
from .from_loops import extract_loops
from .polyhedral import Program, Unsupported
from .sizes import CONCRETE, Extraction, SizePlan, plan_sizes
from .structured import single_function


@dataclass(frozen=True)
class Generalized:
    """Programs whose sizes are symbols, and the array dimensions that each symbol stands for."""

    source: Program
    target: Program
    sizes: tuple[str, ...]


def generalize(source: ModuleOp, target: ModuleOp) -> Generalized:
    """Extract loop or tensor IR with symbols for its sizes.

    Raises ``Unsupported`` for other levels, where sizes are part of the schedule.
    """
    names = parameter_names(single_function(source))
    first, second = plan_sizes(_extract(source, CONCRETE), _extract(target, CONCRETE), names)
    return Generalized(
        _extract(source, first).program,
        _extract(target, second).program,
        tuple(first.meaning.values()),
    )


def _extract(module: ModuleOp, plan: SizePlan) -> Extraction:
    match level_of(module):
        case Level.LOOPS:
            return extract_loops(module, plan)
        case Level.TENSOR:
            return extract_linalg(module, plan)
        case level:
            raise Unsupported(f"sizes of {level.value} are part of the schedule")
