"""Pipelines from outside: which passes and options they may name.

xDSL's own registry holds passes that run programs or read files, so a proposal may only name the
passes of this package, of packages that register machines, and a few clean-ups.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache

from xdsl.passes import ModulePass, PassPipeline
from xdsl.universe import XDSL_UNIVERSE
from xdsl.utils.exceptions import ArgSpecParseError

from ..diagnostics import Diagnostic
from .evaluate import universe
from .untrusted_text import check_text

CLEAN_UPS = ("canonicalize", "cse", "licm")
"""Passes of xDSL that a proposal may name."""
MAX_PASSES = 64
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.-]*")


@cache
def proposable_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """A factory for each pass that a proposal may name."""
    own = universe().all_passes
    return {
        name: factory
        for name, factory in own.items()
        if name in CLEAN_UPS or name not in XDSL_UNIVERSE.all_passes
    }


def read_pipeline(text: str, config: str) -> tuple[ModulePass, ...]:
    """The passes that ``text`` names; raises ``Diagnostic`` for any other text.

    ``config`` is the only name of a configuration that an option may give.
    """
    check_text(text, "pipeline")
    try:
        passes = PassPipeline.parse_spec(proposable_passes(), text.strip()).passes
    except (ValueError, ArgSpecParseError) as error:
        raise Diagnostic(f"not a pipeline: {error}") from error
    if not 0 < len(passes) <= MAX_PASSES:
        raise Diagnostic(f"a pipeline has 1 to {MAX_PASSES} passes, not {len(passes)}")
    for instance in passes:
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
