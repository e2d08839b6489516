"""What the passes from tensors to tile programs of Trainium have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Self

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException


class TrainiumLowering(ModulePass, ABC):
    """A pass that knows which of its settings are worth a try."""

    @classmethod
    @abstractmethod
    def instances(cls, module: ModuleOp) -> Iterable[Self]:
        """The settings to try on a module, which may refuse them."""

    @classmethod
    def programs(cls, ctx: Context, module: ModuleOp) -> Iterator[tuple[Self, ModuleOp]]:
        """The different programs that a module is lowered to, each behind its first setting."""
        known: set[str] = set()
        for instance in cls.instances(module):
            lowered = module.clone()
            with suppress(PassFailedException):
                instance.apply(ctx, lowered)
                text = str(lowered)
                if text not in known:
                    known.add(text)
                    yield instance, lowered

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """One setting for each of ``programs``."""
        return tuple(instance for instance, _ in cls.programs(ctx, module_op))
