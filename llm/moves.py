"""Neighbours of a schedule: the pipelines that differ from it in one pass.

Every pass that lists its instances (``schedule_space``) is on the menu. From a pipeline one may
replace an instance by another of the same pass, take one away, or insert one where it applies. No
move knows what a pass does; a third party's pass joins by being registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain, zip_longest

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.universe import XDSL_UNIVERSE

from .evaluate import Problem, Rejection, lower, parse_pipeline, shared_context, universe

INSTANCES_PER_PASS = 24
"""Instances of one pass that are considered at one place: the pass lists the best ones first."""


@cache
def menu() -> tuple[type[ModulePass], ...]:
    """The passes that list their instances, of every universe but xDSL's own."""
    factories = universe().all_passes.items()
    own = [factory() for name, factory in factories if name not in XDSL_UNIVERSE.all_passes]
    return tuple(pass_type for pass_type in own if is_on_menu(pass_type))


def is_on_menu(pass_type: type[ModulePass]) -> bool:
    """Whether a pass enumerates its instances itself (xDSL's default merely tries one)."""
    return pass_type.schedule_space.__func__ is not ModulePass.schedule_space.__func__  # pyright: ignore[reportFunctionMemberAccess]


def instances(pass_type: type[ModulePass], module: ModuleOp) -> tuple[ModulePass, ...]:
    """Applicable instances on ``module``, the most promising first."""
    return pass_type.schedule_space(shared_context(), module)[:INSTANCES_PER_PASS]


def neighbours(problem: Problem, pipeline: str) -> tuple[str, ...]:
    """All pipelines one move away from ``pipeline``, the kinds of moves taking turns."""
    passes = parse_pipeline(pipeline)
    kinds: list[Iterator[tuple[ModulePass, ...]]] = []
    for position, instance in enumerate(passes):
        try:
            module = lower(problem.tensor_ir, passes[:position])
        except Rejection:
            break
        before, after = passes[:position], passes[position + 1 :]
        if is_on_menu(type(instance)):
            kinds.append((*before, other, *after) for other in instances(type(instance), module))
            kinds.append(iter([(*before, *after)]))
        kinds.extend(
            ((*before, added, instance, *after) for added in instances(pass_type, module))
            for pass_type in menu()
            if pass_type is not type(instance)
        )
    turns = chain.from_iterable(zip_longest(*kinds))
    texts = (",".join(str(p.spec()) for p in turn) for turn in turns if turn is not None)
    return tuple(dict.fromkeys(text for text in texts if text != pipeline))
