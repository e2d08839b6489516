"""What a pipeline string names, read in one way for command lines, searches and proposals."""

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
    """The passes that ``text`` names, perhaps none.

    Raises ``Diagnostic`` where it is no pipeline, or names others than ``passes``.
    """
    try:
        specs = list(parse_pipeline(text.strip()))
    except ArgSpecParseError as error:  # not an Exception, so nobody would catch it
        raise Diagnostic(f"not a pipeline: {str(error).strip()}") from error
    return tuple(_instance(spec, passes) for spec in specs)


def _instance(spec: ArgSpec, passes: Mapping[str, Callable[[], type[ModulePass]]]) -> ModulePass:
    if spec.name not in passes:
        near = get_close_matches(spec.name, passes, 1)
        # xDSL's own passes are among them: too many to list.
        listed = "docs/passes.md and docs/trainium.md list the passes"
        hint = f"did you mean {near[0]}?" if near else listed
        raise Diagnostic(f"there is no pass {spec.name}", hint=hint)
    kind = passes[spec.name]()
    try:
        return kind.from_pass_spec(spec)
    except ValueError as error:
        options = ", ".join(field.name for field in fields(kind) if field.init) or "none"
        raise Diagnostic(f"{spec.name}: {error}", hint=f"options: {options}") from error
