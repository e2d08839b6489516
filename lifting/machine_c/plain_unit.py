"""Rewrites a program to the statements that are read: counted loops, branches, assignments."""

from __future__ import annotations

from dataclasses import replace

from ...diagnostics import Diagnostic
from ..c import syntax
from .early_exits import with_last_return
from .plain_loops import with_plain_loops
from .side_effects import with_plain_expressions
from .static_variables import with_shared_statics
from .switches import without_switches


def plain_unit(unit: syntax.TranslationUnit, *, keep: bool) -> syntax.TranslationUnit:
    """The program without ``switch``, changes in expressions, and exits in branches.

    Raises Diagnostic for what has no such form; with ``keep``, loops and exits stay instead.
    """
    unit = with_shared_statics(unit)
    shared = frozenset(d.name for given in unit.declarations for d in given.declarators)

    def plain(function: syntax.Function) -> syntax.Function:
        function = with_plain_expressions(without_switches(function), shared)
        return _with_last_return(with_plain_loops(function, keep=keep), keep=keep)

    return replace(unit, functions={name: plain(f) for name, f in unit.functions.items()})


def _with_last_return(function: syntax.Function, *, keep: bool) -> syntax.Function:
    try:
        return with_last_return(function)
    except Diagnostic:
        if not keep:
            raise
        return function
