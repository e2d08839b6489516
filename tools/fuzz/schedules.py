"""Random legal schedules: what the passes list as their instances, put together by chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from ...llm.evaluate import Rejection, lower, parse_pipeline, shared_context
from ...llm.moves import instances, menu
from ...passes.pipelines import TO_INSTRUCTIONS, baseline_pipeline, first_pipelines
from ...validation.mutate import mutate

DROPPED = 0.15
INSERTED = 0.15
REFUSED = (*Rejection, VerifyException)


@dataclass(frozen=True)
class Schedule:
    """A pipeline that a kernel accepts."""

    tensor_ir: str
    passes: tuple[ModulePass, ...]

    @property
    def text(self) -> str:
        return ",".join(str(each.spec()) for each in self.passes)

    def module(self, length: int | None = None) -> ModuleOp:
        """The program after all passes, or after the first ones; clone it before changing it."""
        return lower(self.tensor_ir, self.passes[:length])

    @property
    def tile_passes(self) -> int:
        """How many passes come before the first that knows of instructions."""
        return len(self.passes) - len(parse_pipeline(TO_INSTRUCTIONS))


def random_schedule(tensor_ir: str, rng: Random) -> Schedule | None:
    """A schedule for a kernel in tensor IR; ``None`` where it cannot be lowered."""
    try:
        pipelines = first_pipelines(tensor_ir)
        base = parse_pipeline(rng.choice([*pipelines, baseline_pipeline()]))
        lowering, *steps = base[: -len(parse_pipeline(TO_INSTRUCTIONS))]
        chosen = list(_varied(tensor_ir, lowering, steps, rng))
        schedule = Schedule(tensor_ir, (lowering, *chosen, *parse_pipeline(TO_INSTRUCTIONS)))
        schedule.module().verify()
    except REFUSED:
        return None
    return schedule


def _varied(
    tensor_ir: str, lowering: ModulePass, steps: list[ModulePass], rng: Random
) -> Iterator[ModulePass]:
    """The steps that still apply, some left out, and other instances put in between."""
    so_far = [lowering]
    for step in steps:
        added = [] if rng.random() < DROPPED else [step]
        if rng.random() < INSERTED:
            kind = rng.choice(menu())
            found = instances(kind, lower(tensor_ir, tuple(so_far)))
            added += [rng.choice(found)] if found else []
        for each in added:
            try:
                lower(tensor_ir, (*so_far, each)).verify()
            except REFUSED:
                continue
            so_far.append(each)
            yield each


def faulty(schedule: Schedule, rng: Random) -> tuple[ModuleOp, str, str] | None:
    """The program that comes out when one pass makes a mistake and the others go on.

    Returns it with the mutation operator and a description; ``None`` if a later pass refuses.
    """
    place = rng.randrange(1, len(schedule.passes))
    broken = mutate(schedule.module(place), rng)
    if broken is None:
        return None
    module, operator, change = broken
    try:
        for step in schedule.passes[place:]:
            step.apply(shared_context(), module)
        module.verify()
    except REFUSED:
        return None
    name = schedule.passes[place - 1].name
    return module, operator, f"after {name}: {change}"
