"""What the searches of one run share: the models with their budget, and the rules they proved."""

from __future__ import annotations

from dataclasses import dataclass, field

from .advice import ModelOptions, open_asker
from .asker import Asker
from .rules import Shelf


@dataclass(frozen=True)
class Session:
    """One budget and one shelf of rules for all kernels of a run."""

    options: ModelOptions
    asker: Asker
    shelf: Shelf = field(default_factory=Shelf)


def open_session(options: ModelOptions) -> Session:
    """Raises ``Diagnostic`` where ``options`` do not say enough to ask anybody."""
    return Session(options, open_asker(options))
