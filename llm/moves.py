"""Neighbours of a schedule: the pipelines that differ from it in one pass.

Every pass that lists its instances (``schedule_space``) is on the menu. From a pipeline one may
replace an instance by another of the same pass, take one away, or insert one where it applies. No
move knows what a pass does; a third party's pass joins by being registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import zip_longest
from random import Random

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.universe import XDSL_UNIVERSE
from xdsl.utils.exceptions import PassFailedException

from ..passes.registry import OF_TRAINIUM
from .evaluate import Problem, Rejection, lower, parse_pipeline, shared_context, universe
from .prefixes import LAST_STAGE, schedule_of

INSERTIONS_KEPT = 0.25
"""Share of the places for a new pass that one expansion considers: listing instances takes time,
and most new passes do not apply or change nothing."""
INSTANCES_PER_PASS = 24
"""Instances of one pass that are considered at one place: the pass lists the best ones first."""


@cache
def menu() -> tuple[type[ModulePass], ...]:
    """The passes that list their instances, of every universe but xDSL's own."""
    factories = universe().all_passes.items()
    own = [factory() for name, factory in factories if name not in XDSL_UNIVERSE.all_passes]
    return tuple(pass_type for pass_type in own if is_on_menu(pass_type))


def is_on_menu(pass_type: type[ModulePass]) -> bool:
    """Whether a pass enumerates its instances itself (xDSL's default merely tries one).

    Passes for the other machine are no moves of this search.
    """
    if pass_type.name in OF_TRAINIUM:
        return False
    return pass_type.schedule_space.__func__ is not ModulePass.schedule_space.__func__  # pyright: ignore[reportFunctionMemberAccess]


def instances(pass_type: type[ModulePass], module: ModuleOp) -> tuple[ModulePass, ...]:
    """Applicable instances on ``module``, the most promising first; none where it refuses."""
    try:
        return pass_type.schedule_space(shared_context(), module)[:INSTANCES_PER_PASS]
    except PassFailedException:
        return ()


@dataclass(frozen=True)
class Place:
    """Where moves of one kind happen: they put a pass before, or instead of, one of a pipeline."""

    position: int
    replaces: bool
    passes: tuple[ModulePass | None, ...]
    """What is put there; None takes the pass away."""


PARTS = 2
"""Tasks into which the listing of neighbours is cut, so that two workers share it."""


def neighbours(problem: Problem, pipeline: str, seed: int, part: int) -> tuple[str, ...]:
    """Pipelines one move away from ``pipeline``, the kinds of moves taking turns.

    ``seed`` decides which places for new passes are considered. ``part`` of ``PARTS`` changes
    every other pass.
    """
    passes = parse_pipeline(pipeline)
    found: dict[str, None] = {}
    places = _places(problem, passes, f"{seed} {pipeline}", part)
    for turn in zip_longest(*(_moves(passes, place) for place in places)):
        found.update((text, None) for text in turn if text is not None)
    found.pop(pipeline, None)
    return tuple(found)


def _places(
    problem: Problem, passes: tuple[ModulePass, ...], seed: str, part: int
) -> Iterator[Place]:
    schedule = len(schedule_of(passes))
    for position, instance in list(enumerate(passes))[part::PARTS]:
        random = Random(f"{seed} {position}")
        if position > schedule and not is_on_menu(type(instance)):
            continue  # schedule passes work on tiles: behind them nothing new applies
        try:
            lower(problem.tensor_ir, passes[:position])
        except Rejection:
            return
        if is_on_menu(type(instance)):
            found = instances_after(problem.tensor_ir, passes[:position], type(instance))
            yield Place(position, True, (*found, None))
        for pass_type in menu() if position <= schedule else ():
            considered = pass_type is not type(instance) and random.random() < INSERTIONS_KEPT
            if considered and _may_stand(pass_type, position, schedule):
                found = instances_after(problem.tensor_ir, passes[:position], pass_type)
                yield Place(position, False, found)


def _may_stand(pass_type: type[ModulePass], position: int, schedule: int) -> bool:
    """Whether a new pass has a chance there, by what is known without trying the passes behind.

    Those of the last stage have their places already, one that comes last has a single one.
    """
    if pass_type.name in LAST_STAGE:
        return False
    return position == schedule or not getattr(pass_type, "comes_last", False)


@lru_cache(maxsize=4096)
def instances_after(
    tensor_ir: str, prefix: tuple[ModulePass, ...], pass_type: type[ModulePass]
) -> tuple[ModulePass, ...]:
    """Instances that apply after ``prefix``; remembered, as relatives share their prefixes."""
    return instances(pass_type, lower(tensor_ir, prefix))


def _moves(passes: tuple[ModulePass, ...], place: Place) -> Iterator[str]:
    for new in place.passes:
        rest = passes[place.position + place.replaces :]
        moved = (*passes[: place.position], *(() if new is None else (new,)), *rest)
        yield ",".join(str(each.spec()) for each in moved)
