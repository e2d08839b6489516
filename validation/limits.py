"""Limits and extras of one validation."""

from __future__ import annotations

from dataclasses import dataclass

from .core.smt import RESOURCE_LIMIT, Solver


@dataclass(frozen=True)
class ValidationOptions:
    """Limits and extras of one validation."""

    resource_limit: int = RESOURCE_LIMIT
    """Z3 resource units per query; deterministic, unlike a time limit."""
    counterexamples: bool = True
    """Search inputs on which the programs differ when the proof fails."""
    only_certain: bool = False
    """Search them only where the proof says that they exist: another engine looks at the rest."""
    seed: int = 0
    """Seed of the inputs that the search for a counterexample tries."""

    def solver(self) -> Solver:
        """A solver with these limits."""
        return Solver(resource_limit=self.resource_limit)
