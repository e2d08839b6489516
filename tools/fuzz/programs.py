"""One random kernel with its programs at all levels, and the mutants that are judged."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ...diagnostics import Diagnostic
from ...lifting.c.frontend import parse_c_kernel
from ...lifting.lift import lift
from ...validation.core.checker import Violation
from ...validation.core.polyhedral import Unsupported
from ...validation.fuzz import Campaign, Report
from ...validation.mutate.commands import COMMAND_OPERATORS
from .kernels import random_kernel
from .schedules import Schedule, faulty, random_schedule


@dataclass(frozen=True)
class Plan:
    """How many mutants of each level of a kernel."""

    loops: int = 6
    tensors: int = 6
    tiles: int = 4
    instructions: int = 60
    commands: int = 100
    faults: int = 10
    schedules: int = 2
    at_size: float = 0.85
    """Share of the instruction programs that only the second engine validates."""


def fuzz_kernel(seed: int, number: int, plan: Plan) -> Report:
    """Judge all programs of the kernel with this number; same numbers, same cases."""
    rng = Random(f"{seed} {number}")
    text = random_kernel(rng)
    case = f"seed {seed}, kernel {number}"
    try:
        loops = parse_c_kernel(text, "kernel.c")
        campaign = Campaign(loops, number)
    except (Diagnostic, Unsupported, Violation) as error:
        return Report(skipped=[f"{case}: {error}"])
    campaign.unchanged(loops, f"{case}, loops")
    campaign.mutants(loops, plan.loops, rng, f"{case}, loops")
    try:
        tensors = lift(loops)
    except Diagnostic:
        return campaign.report
    campaign.unchanged(tensors, f"{case}, tensors")
    campaign.mutants(tensors, plan.tensors, rng, f"{case}, tensors")
    for _ in range(plan.schedules):
        schedule = random_schedule(str(tensors), rng)
        if schedule is not None:
            _fuzz_schedule(campaign, schedule, rng, plan, case)
    return campaign.report


def _fuzz_schedule(
    campaign: Campaign, schedule: Schedule, rng: Random, plan: Plan, case: str
) -> None:
    case = f"{case}, {schedule.text}"
    tiles, instructions = schedule.module(schedule.tile_passes), schedule.module()
    campaign.unchanged(tiles, f"{case}: tiles")
    campaign.unchanged(instructions, f"{case}: instructions")
    campaign.mutants(tiles, plan.tiles // plan.schedules, rng, f"{case}: tiles")
    count = plan.instructions // plan.schedules
    campaign.mutants(instructions, count, rng, f"{case}: instructions", at_size=plan.at_size)
    operators = rng.choices(list(COMMAND_OPERATORS), k=plan.commands // plan.schedules)
    campaign.commands(instructions, operators, rng, f"{case}: commands")
    for _ in range(plan.faults // plan.schedules):
        mutant = faulty(schedule, rng)
        if mutant is not None:
            campaign.mutant(mutant, case, at_size=rng.random() < plan.at_size)
