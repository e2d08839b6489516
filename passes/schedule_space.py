"""Which instances of a pass apply to a module, found by trying them on a copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

PassT = TypeVar("PassT", bound=ModulePass)


def applies(ctx: Context, module: ModuleOp, instance: ModulePass) -> bool:
    """Whether ``instance`` accepts ``module``."""
    try:
        instance.apply(ctx, module.clone())
    except PassFailedException:
        return False
    return True


def applicable(ctx: Context, module: ModuleOp, instances: Iterable[PassT]) -> tuple[PassT, ...]:
    """Those of ``instances`` that accept ``module``, in the same order.

    Schedule passes work on tile IR: without a tile operation nothing is tried.
    """
    if not any(op.name.startswith("tile.") for op in module.walk()):
        return ()
    return tuple(instance for instance in instances if applies(ctx, module, instance))
