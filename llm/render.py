"""Prompts, rendered from templates and from what the code itself says.

Passes, operations and machines are described by their own registries and docstrings, so that a
prompt cannot go stale. The templates are files with a version: change one by adding a folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from inspect import getdoc
from string import Template

from xdsl.irdl import IRDLOperation

from ..dialects.gemmini import GEMMINI
from ..dialects.tile import TILE
from ..hw.gemmini.config import GemminiConfig, load_config
from ..passes.pipelines import TO_INSTRUCTIONS
from .grammar import PassForm, form_of
from .proposal import Kind
from .proven_rule import ProvenRule
from .untrusted_pipeline import proposable_passes
from .untrusted_rule import MATCHED_DIALECTS, MAX_OPERATIONS

VERSION = "v1"
UNSEEN_FIELDS = ("name", "has_normalizations")
LEVEL_NOTES = {
    "tile": "Buffers are memrefs in #gemmini<space spad> or <space acc>; they get rows later.",
    "gemmini": "Local addresses are rows: gemmini.spad and gemmini.acc. End with gemmini.fence.",
}
LONG_DOC = 700
"""Characters of a pass's docstring that a prompt shows."""
_MENTIONED = re.compile(r"pdl\.operation `([a-z_.]+)`")


@cache
def template(name: str) -> Template:
    """The prompt called ``name`` of the current version."""
    path = files(__package__ or "liftproof.llm") / "prompts" / VERSION / f"{name}.md"
    return Template(path.read_text(encoding="utf-8"))


def render(name: str, **facts: object) -> str:
    """The prompt with its facts; every place of the template must be filled."""
    return template(name).substitute({key: str(value) for key, value in facts.items()}).strip()


def machine_facts(config: GemminiConfig) -> str:
    """Every parameter of the machine, one a line."""
    rows = [
        f"{field.name} = {getattr(config, field.name)}"
        for field in fields(config)
        if field.name not in UNSEEN_FIELDS
    ]
    derived = ("spad_rows", "acc_rows", "max_blocks", "input_bytes", "accumulator_bytes")
    return "\n".join(rows + [f"{name} = {getattr(config, name)}" for name in derived])


def system_prompt(config_name: str) -> str:
    """What does not change during a search."""
    config = load_config(config_name)
    return render("system", config_name=config.name, machine=machine_facts(config))


@dataclass(frozen=True)
class MenuItem:
    """One thing that a plan may choose."""

    name: str
    kind: Kind
    about: str


WRITE_ISA = MenuItem("rewrite-isa-ir", "ir", "Write the machine's instructions as IR yourself.")
WRITE_TILE = MenuItem("rewrite-tile-ir", "ir", "Write loops over array tiles and buffers as IR.")
WRITE_C = MenuItem("rewrite-c", "c", "Write the machine's instructions as C yourself.")
WRITE_PATTERN = MenuItem(
    "propose-pattern",
    "pattern",
    "Write a rewrite rule in PDL; once proved, it is on this menu, for all kernels.",
)


@cache
def pass_items() -> tuple[MenuItem, ...]:
    """A menu item for each proposable pass that has something to choose or to say."""
    return tuple(
        MenuItem(factory().name, "pipeline", pass_doc(form_of(factory()), factory()))
        for factory in proposable_passes().values()
        if factory().__module__.split(".")[0] != "xdsl"
    )


def rule_item(rule: ProvenRule) -> MenuItem:
    """The menu item of a proven rewrite rule."""
    before, _, after = rule.text.partition("pdl.rewrite")
    old, new = (", ".join(dict.fromkeys(_MENTIONED.findall(part))) for part in (before, after))
    words = f"Rewrite {old} to {new}" if new else f"Simplify {old}"
    return MenuItem(rule.name, "pipeline", f"{rule.name}: {words}, by a proven rule.")


def pass_doc(form: PassForm, pass_type: type[object]) -> str:
    return f"{form.spelling()}: {_one_line(getdoc(pass_type) or '')[:LONG_DOC]}"


def operation_facts(level: str) -> str:
    """The operations of the dialect ``gemmini`` or ``tile``: syntax, properties, meaning."""
    dialect = GEMMINI if level == "gemmini" else TILE
    return "\n".join(_operation(op) for op in dialect.operations if issubclass(op, IRDLOperation))


def _operation(operation: type[IRDLOperation]) -> str:
    definition = operation.get_irdl_definition()
    syntax = str(definition.assembly_format or "attr-dict").replace("`", "")
    properties = ", ".join(name for name in definition.properties if "Segment" not in name)
    known = f" {{{properties}}}" if properties else ""
    return f"- {operation.name} {_one_line(syntax)}{known}: {_one_line(operation.__doc__ or '')}"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def menu_lines(items: Sequence[MenuItem]) -> str:
    return "\n".join(
        f"- {item.about}" if item.kind == "pipeline" else f"- {item.name}: {item.about}"
        for item in items
    )


def how_to_pipeline(
    config: GemminiConfig, item: str, instances: Sequence[str], rules: Sequence[str] = ()
) -> str:
    """How to write a pipeline that carries out a plan about the pass or proven rule ``item``."""
    passes = [form_of(factory()).spelling() for factory in proposable_passes().values()]
    return render(
        "how_pipeline",
        passes="\n".join([*passes, *rules]),
        dim=config.dim,
        tail=TO_INSTRUCTIONS,
        item=item,
        instances="\n".join(instances) or "none are listed",
    )


def how_to_ir(level: str, program: str) -> str:
    """How to write tile IR or ISA IR, from ``program``."""
    return render(
        "how_ir", operations=operation_facts(level), level=LEVEL_NOTES[level], program=program
    )


def how_to_pattern(program: str) -> str:
    """How to write a rewrite rule for ``program``."""
    return render(
        "how_pattern",
        dialects=" and ".join(name.rstrip(".") for name in MATCHED_DIALECTS),
        most=MAX_OPERATIONS,
        operations=operation_facts("gemmini"),
        program=program,
    )


def how_to_c(program: str) -> str:
    """How to write C for the machine, from ``program``."""
    return render("how_c", program=program)
