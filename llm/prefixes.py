"""Lower a kernel with a pipeline, remembering the programs after the prefixes of pipelines.

Proposals of one beam share most of their passes. What follows the last schedule pass (placement,
instructions, clean-up) is shared by nobody, so those programs are neither copied nor kept.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cache, lru_cache

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..dialects.context import new_context, universe
from ..passes.lower_tiles import LowerTilesPass
from ..passes.pipeline_text import read_pipeline
from ..passes.place import PlacePass

MAX_OPERATIONS = 20_000
"""Operations that a proposal may grow a program to; more is a resource bomb, not a schedule."""

PREFIXES_KEPT = 256
"""Programs of a few hundred operations each."""
LAST_STAGE = (PlacePass.name, LowerTilesPass.name)
"""From the first of these passes on, programs are not kept."""


@cache
def shared_context() -> Context:
    return new_context()


@lru_cache(maxsize=8)
def parse(text: str) -> ModuleOp:
    """The module of an MLIR text; it is shared, so clone it before changing it."""
    return Parser(shared_context(), text).parse_module()


@lru_cache(maxsize=4096)
def parse_pipeline(pipeline: str) -> tuple[ModulePass, ...]:
    """The registered passes that a pipeline string names; raises ``Diagnostic`` for other texts."""
    return read_pipeline(pipeline, universe().all_passes)


_prefixes: OrderedDict[tuple[str, tuple[ModulePass, ...]], ModuleOp] = OrderedDict()


def lower(tensor_ir: str, passes: tuple[ModulePass, ...]) -> ModuleOp:
    """The program after ``passes``; the result may be shared, so clone it before changing it."""
    schedule = schedule_of(passes)
    module = scheduled(tensor_ir, schedule)
    if len(schedule) == len(passes):
        return module
    return finished(module, passes[len(schedule) :])


def schedule_of(passes: tuple[ModulePass, ...]) -> tuple[ModulePass, ...]:
    """The passes in front of the last stage."""
    for position, instance in enumerate(passes):
        if instance.name in LAST_STAGE:
            return passes[:position]
    return passes


def scheduled(tensor_ir: str, passes: tuple[ModulePass, ...]) -> ModuleOp:
    """The program after schedule passes, kept for other pipelines that begin like this one."""
    for length in range(len(passes), 0, -1):
        module = _prefixes.get((tensor_ir, passes[:length]))
        if module is not None:
            _prefixes.move_to_end((tensor_ir, passes[:length]))
            break
    else:
        length, module = 0, parse(tensor_ir)
    for position in range(length, len(passes)):
        module = module.clone()
        _apply(passes[position], module)
        _prefixes[tensor_ir, passes[: position + 1]] = module
        if len(_prefixes) > PREFIXES_KEPT:
            _prefixes.popitem(last=False)
    return module


def finished(module: ModuleOp, passes: tuple[ModulePass, ...]) -> ModuleOp:
    """A copy of ``module`` after the passes of the last stage."""
    module = module.clone()
    for instance in passes:
        _apply(instance, module)
    return module


def _apply(instance: ModulePass, module: ModuleOp) -> None:
    instance.apply(shared_context(), module)
    if sum(1 for _ in module.walk()) > MAX_OPERATIONS:
        raise PassFailedException(f"{instance.spec()}: over {MAX_OPERATIONS} operations")
