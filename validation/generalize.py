"""Validation for all sizes: loop bounds and array extents become symbols.

What lifting needs: a kernel and its summary agree for the sizes in the text and for all others.
"""

from __future__ import annotations

import time
from dataclasses import replace

from xdsl.dialects.builtin import ModuleOp

from ..hw.gemmini.config import GemminiConfig
from .checker import Violation
from .counterexample import parameter_names
from .extraction import Level, level_of
from .from_linalg import extract_linalg
from .from_loops import extract_loops
from .polyhedral import Unsupported
from .sizes import CONCRETE, Extraction, SizePlan, plan_sizes
from .structured import single_function
from .validate import Validation, ValidationOptions, prove_programs, validate

ONE_SIZE = "proved for the sizes in the program only"


def validate_generalized(
    source: ModuleOp,
    target: ModuleOp,
    *,
    config: GemminiConfig | None = None,
    options: ValidationOptions | None = None,
) -> Validation:
    """``validate`` for all sizes of the arrays at once, for loop IR and tensor IR.

    An assumption of the verdict names the sizes, each at least 1. If that proof fails, the programs
    are validated at the sizes they have, and an assumption says so.
    """
    options = options or ValidationOptions()
    start = time.perf_counter()
    try:
        plans = _plans(source, target)
        result = prove_programs(
            _extract(source, plans[0]).program, _extract(target, plans[1]).program, options
        )
    except (Unsupported, Violation):
        result = validate(source, target, config=config, options=options)
        assumptions = (*result.assumptions, ONE_SIZE)
        seconds = time.perf_counter() - start
        return replace(result, assumptions=assumptions, seconds=seconds)
    sizes = "; ".join(plans[0].meaning.values())
    return replace(
        result,
        assumptions=(*result.assumptions, f"proved for all sizes >= 1 of {sizes}"),
        seconds=time.perf_counter() - start,
    )


def _plans(source: ModuleOp, target: ModuleOp) -> tuple[SizePlan, SizePlan]:
    names = parameter_names(single_function(source))
    return plan_sizes(_extract(source, CONCRETE), _extract(target, CONCRETE), names)


def _extract(module: ModuleOp, plan: SizePlan) -> Extraction:
    match level_of(module):
        case Level.LOOPS:
            return extract_loops(module, plan)
        case Level.TENSOR:
            return extract_linalg(module, plan)
        case level:
            raise Unsupported(f"sizes of {level.value} are part of the schedule")
