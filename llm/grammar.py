"""The grammar of pipelines, made from the registered passes: for constrained decoding.

``gbnf`` is what llama.cpp, vLLM and xgrammar read; ``ebnf`` is ISO 14977 for people and other
tools. Both describe the same strings, and every one of them parses as a pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import get_args, get_type_hints

from xdsl.passes import ModulePass

from .untrusted_pipeline import MAX_PASSES, proposable_passes


@dataclass(frozen=True)
class Option:
    """One option of a pass."""

    name: str
    kind: str
    """Rule of its values: ``integer``, ``boolean``, ``word`` or ``words``."""
    required: bool


@dataclass(frozen=True)
class PassForm:
    """How one pass is written."""

    name: str
    options: tuple[Option, ...]

    def spelling(self) -> str:
        """The pass with its options, for people: ``name{option=kind}``."""
        inner = " ".join(f"{o.name}={o.kind}{'' if o.required else '?'}" for o in self.options)
        return f"{self.name}{{{inner}}}" if inner else self.name


def pass_forms(names: Sequence[str] | None = None) -> tuple[PassForm, ...]:
    """The proposable passes by name (default: all of them) with options that can be proposed."""
    known = proposable_passes()
    return tuple(form_of(known[name]()) for name in (known if names is None else names))


def form_of(pass_type: type[ModulePass]) -> PassForm:
    """The form of one pass; options that name a machine are not proposed."""
    kinds = get_type_hints(pass_type)
    required = pass_type.required_fields()
    options = (
        Option(field.name, _kind(kinds[field.name]), field.name in required)
        for field in fields(pass_type)
        if field.init and field.name not in ("name", "config")
    )
    return PassForm(pass_type.name, tuple(options))


def _kind(annotation: object) -> str:
    kinds = get_args(annotation) or (annotation,)
    for kind, rule in ((bool, "boolean"), (int, "integer")):
        if kind in kinds:
            return rule
    return "words" if Ellipsis in kinds else "word"


_GBNF_VALUES = r"""
integer ::= "0" | [1-9] [0-9]? [0-9]? [0-9]?
boolean ::= "true" | "false"
word ::= "\"" [A-Za-z0-9_]+ "\""
words ::= word ("," word)*
"""
_EBNF_VALUES = """
integer = "0" | nonzero , [ digit ] , [ digit ] , [ digit ] ;
nonzero = "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" ;
digit = "0" | nonzero ;
boolean = "true" | "false" ;
word = '"' , character , { character } , '"' ;
words = word , { "," , word } ;
character = ? a letter, a digit or _ ? ;
"""


def gbnf() -> str:
    """The grammar for constrained decoding."""
    forms = pass_forms()
    rules = [f'root ::= pass ("," pass){{0,{MAX_PASSES - 1}}}']
    rules.append("pass ::= " + " | ".join(f"pass-{number}" for number in range(len(forms))))
    for number, form in enumerate(forms):
        rules.append(f"pass-{number} ::= {_gbnf_pass(form)}")
    return "\n".join(rules) + _GBNF_VALUES


def _gbnf_pass(form: PassForm) -> str:
    needed, spare = _options(form)
    text = json.dumps(form.name)
    if needed:
        parts = ' " " '.join(f"{json.dumps(o.name + '=')} {o.kind}" for o in needed)
        rest = "".join(f' (" " {json.dumps(o.name + "=")} {o.kind})?' for o in spare)
        return f'{text} "{{" {parts}{rest} "}}"'
    if not spare:
        return text
    return f'{text} ("{{" ({" | ".join(_gbnf_choice(spare))}) "}}")?'


def _gbnf_choice(options: Sequence[Option]) -> list[str]:
    """Options in their order, at least one of them: one alternative per first option."""
    items = [f"{json.dumps(o.name + '=')} {o.kind}" for o in options]
    return [
        first + "".join(f' (" " {rest})?' for rest in items[place + 1 :])
        for place, first in enumerate(items)
    ]


def ebnf() -> str:
    """The grammar in ISO 14977 notation."""
    forms = pass_forms()
    rules = ['pipeline = pass , { "," , pass } ;']
    rules.append("pass = " + "\n     | ".join(_ebnf_pass(form) for form in forms) + " ;")
    return "\n".join(rules) + _EBNF_VALUES


def _ebnf_pass(form: PassForm) -> str:
    needed, spare = _options(form)
    if not form.options:
        return f'"{form.name}"'
    parts = ' , " " , '.join(f'"{o.name}=" , {o.kind}' for o in needed)
    if needed:
        rest = "".join(f' , [ " " , "{o.name}=" , {o.kind} ]' for o in spare)
        return f'"{form.name}" , "{{" , {parts}{rest} , "}}"'
    items = [f'"{o.name}=" , {o.kind}' for o in spare]
    choices = (
        first + "".join(f' , [ " " , {rest} ]' for rest in items[place + 1 :])
        for place, first in enumerate(items)
    )
    return f'"{form.name}" , [ "{{" , ( {" | ".join(choices)} ) , "}}" ]'


def _options(form: PassForm) -> tuple[list[Option], list[Option]]:
    """The options that must be given, and those that may be."""
    needed = [option for option in form.options if option.required]
    return needed, [option for option in form.options if not option.required]
