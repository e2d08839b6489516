"""Pipelines from outside: which passes and options they may name.

Registries hold passes that run programs or read files, so a proposal may only name passes that are
on the search's menu, whoever registered them, and those that every schedule needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache

from xdsl.passes import ModulePass
from xdsl.universe import XDSL_UNIVERSE

from ..diagnostics import Diagnostic
from ..passes.apply_proven_rule import ApplyProvenRulePass
from ..passes.lower_hardware_loops import LowerHardwareLoopsPass
from ..passes.lower_linalg import LowerLinalgPass
from ..passes.pipeline_text import read_pipeline
from ..passes.pipelines import TO_INSTRUCTIONS
from ..passes.registry import OF_TRAINIUM
from .evaluate import universe
from .moves import is_on_menu
from .untrusted_rule import check_option
from .untrusted_text import check_text

NEEDED = (
    LowerLinalgPass.name,
    LowerHardwareLoopsPass.name,
    *(spec.partition("{")[0] for spec in TO_INSTRUCTIONS.split(",")),
)
"""Passes that a proposal may name although they are not on the menu."""
FILE_OPTIONS = {"file", "path", "files", "paths", "executable", "command"}
"""A pass with such an option is never proposable."""
MAX_PASSES = 64
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.-]*")


@cache
def proposable_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """A factory for each pass that a proposal may name."""
    return {name: factory for name, factory in universe().all_passes.items() if _admitted(name)}


def _admitted(name: str) -> bool:
    if name in XDSL_UNIVERSE.all_passes or name in OF_TRAINIUM:
        return name in NEEDED
    pass_type = universe().all_passes[name]()
    options = {field.name for field in fields(pass_type)}
    return not options & FILE_OPTIONS and (name in NEEDED or is_on_menu(pass_type))


@cache
def _readable_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """The proposable passes, and the one that holds a rule, which proposals only name."""
    return {**proposable_passes(), ApplyProvenRulePass.name: lambda: ApplyProvenRulePass}


def read_untrusted_pipeline(text: str, config: str) -> tuple[ModulePass, ...]:
    """The passes that ``text`` names; raises ``Diagnostic`` for any other text.

    ``config`` is the only name of a configuration that an option may give.
    """
    check_text(text, "pipeline")
    passes = read_pipeline(text, _readable_passes())
    if not 0 < len(passes) <= MAX_PASSES:
        raise Diagnostic(f"a pipeline has 1 to {MAX_PASSES} passes, not {len(passes)}")
    for instance in passes:
        if isinstance(instance, ApplyProvenRulePass):
            check_option(instance.rule)
        else:
            _check_options(instance, config)
    return passes


def _check_options(instance: ModulePass, config: str) -> None:
    for field in fields(instance):
        value = getattr(instance, field.name)
        if field.name == "config" and value != config:
            raise Diagnostic(f"{instance.name}: the configuration is {config!r}, not {value!r}")
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, str) and part != config and not _PLAIN_WORD.fullmatch(part):
                raise Diagnostic(f"{instance.name}: {field.name} is no plain word: {part!r:.80}")
