"""What all installed packages register with xDSL, and contexts that know it."""

from __future__ import annotations

from functools import cache

from xdsl.context import Context
from xdsl.universe import Universe


@cache
def universe() -> Universe:
    """Every dialect and pass that an installed package registers."""
    return Universe.get_multiverse()


def new_context() -> Context:
    """A context with every dialect that an installed universe provides."""
    context = Context()
    for name, factory in universe().all_dialects.items():
        context.register_dialect(name, factory)
    return context
