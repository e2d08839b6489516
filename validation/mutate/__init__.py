"""Random small changes of a program: the mistakes that a pass or a person could make.

Each operator picks a place and changes it; the result may be illegal, wrong, or (seldom) equal to
the original. Used to test the validator, never to build programs.
"""

from __future__ import annotations

from random import Random

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from . import addresses, arithmetic, configuration, extents, instructions, loops
from .edit import Mutation

FAMILIES: dict[str, dict[str, Mutation]] = {
    "loops": loops.OPERATORS,
    "instructions": instructions.OPERATORS,
    "addresses": addresses.OPERATORS,
    "extents": extents.OPERATORS,
    "configuration": configuration.OPERATORS,
    "arithmetic": arithmetic.OPERATORS,
}
"""Operators by name, by what they get wrong."""

OPERATORS: dict[str, Mutation] = {
    name: operator for family in FAMILIES.values() for name, operator in family.items()
}


def apply(name: str, module: ModuleOp, rng: Random) -> tuple[ModuleOp, str] | None:
    """A clone changed by one operator, and what was changed.

    ``None`` if the operator finds no place, or if its result does not verify.
    """
    clone = module.clone()
    try:
        change = OPERATORS[name](clone, rng)
        if change is None:
            return None
        clone.verify()
    except (VerifyException, ValueError):
        return None
    return clone, change


def mutate(module: ModuleOp, rng: Random, tries: int = 50) -> tuple[ModuleOp, str, str] | None:
    """A changed clone that verifies, the operator and what it changed; ``None`` after the tries."""
    names = list(OPERATORS)
    for _ in range(tries):
        name = rng.choice(names)
        changed = apply(name, module, rng)
        if changed is not None:
            return changed[0], name, changed[1]
    return None


__all__ = ["FAMILIES", "OPERATORS", "apply", "mutate"]
