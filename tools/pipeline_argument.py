"""What a user gives as ``--pipeline``, read before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from difflib import get_close_matches

from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec, parse_pipeline
from xdsl.utils.exceptions import ArgSpecParseError

from ..diagnostics import Diagnostic


def read_pipeline(
    text: str, passes: Mapping[str, Callable[[], type[ModulePass]]]
) -> tuple[ModulePass, ...]:
    """The passes that a pipeline names; raises ``Diagnostic`` where it names none of ``passes``."""
    try:
        specs = list(parse_pipeline(text))
    except ArgSpecParseError as error:
        raise Diagnostic(f"--pipeline is no pipeline: {str(error).strip()}") from error
    if not specs:
        raise Diagnostic("--pipeline names no pass", hint="schedule.txt of `optimize` holds one")
    return tuple(_instance(spec, passes) for spec in specs)


def _instance(spec: ArgSpec, passes: Mapping[str, Callable[[], type[ModulePass]]]) -> ModulePass:
    if spec.name not in passes:
        near = get_close_matches(spec.name, passes, 1)
        # xDSL's own passes are among them: too many to list.
        listed = "docs/passes.md and docs/trainium.md list the passes"
        hint = f"did you mean {near[0]}?" if near else listed
        raise Diagnostic(f"--pipeline: there is no pass {spec.name}", hint=hint)
    kind = passes[spec.name]()
    try:
        return kind.from_pass_spec(spec)
    except ValueError as error:
        options = ", ".join(field.name for field in fields(kind) if field.init) or "none"
        hint = f"options of {spec.name}: {options}"
        raise Diagnostic(f"--pipeline: {spec.name}: {error}", hint=hint) from error
