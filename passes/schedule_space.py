"""Which instances of a pass apply to a module, found by their plans or by trying them on a copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from .kernel import named_loops, schedulable_kernel

PassT = TypeVar("PassT", bound=ModulePass)


class Planned(Protocol):
    """A pass that finds out first whether it applies, and changes the module only afterwards."""

    def plan(self, op: ModuleOp) -> object:
        """What the pass would do; refuses, and changes nothing, where it does not apply."""
        ...


PlannedT = TypeVar("PlannedT", bound=Planned)


def schedulable_loops(module: ModuleOp) -> dict[str, scf.ForOp]:
    """The loops that schedule passes go by; none where the module is no kernel for them."""
    try:
        return named_loops(schedulable_kernel(module))
    except PassFailedException:
        return {}


def applies(ctx: Context, module: ModuleOp, instance: ModulePass) -> bool:
    """Whether ``instance`` accepts ``module``."""
    try:
        instance.apply(ctx, module.clone())
    except PassFailedException:
        return False
    return True


def accepted(ctx: Context, module: ModuleOp, instances: Iterable[PassT]) -> tuple[PassT, ...]:
    """Those of ``instances`` that accept ``module``, in the same order."""
    return tuple(instance for instance in instances if applies(ctx, module, instance))


def applicable(ctx: Context, module: ModuleOp, instances: Iterable[PassT]) -> tuple[PassT, ...]:
    """``accepted`` for passes that work on tile IR: without a tile operation nothing is tried."""
    return accepted(ctx, module, instances) if _has_tiles(module) else ()


def plannable(module: ModuleOp, instances: Iterable[PlannedT]) -> tuple[PlannedT, ...]:
    """Those of ``instances`` whose plans accept ``module``, in the same order: no copy is made."""
    if not _has_tiles(module):
        return ()
    return tuple(instance for instance in instances if _has_plan(instance, module))


def _has_plan(instance: Planned, module: ModuleOp) -> bool:
    try:
        instance.plan(module)
    except PassFailedException:
        return False
    return True


def _has_tiles(module: ModuleOp) -> bool:
    return any(op.name.startswith("tile.") for op in module.walk())
