"""Static variables of functions, which keep their values, as variables of the file."""

from __future__ import annotations

from dataclasses import replace

from ...diagnostics import Diagnostic
from ..c import syntax
from ..c.rewrite_tree import rebuilt
from ..c.traversal import descendants
from .counted_loop import assignments


def with_shared_statics(unit: syntax.TranslationUnit) -> syntax.TranslationUnit:
    """The program with static variables that its functions change beside its other variables.

    Those that never change may be made anew by each call. Raises Diagnostic where a function has
    other variables of the same name.
    """
    functions: dict[str, syntax.Function] = {}
    shared: list[syntax.Declaration] = []
    for name, function in unit.functions.items():
        moved = _changing_statics(function)
        shared += [
            syntax.Declaration(d.location, (replace(d, name=f"{name}.{d.name}"),)) for d in moved
        ]
        functions[name] = _renamed(function, {d.name for d in moved})
    return replace(unit, functions=functions, declarations=(*unit.declarations, *shared))


def _changing_statics(function: syntax.Function) -> list[syntax.Declarator]:
    declared = [n for n in descendants(function) if isinstance(n, syntax.Declarator)]
    changed = {name for name, _ in assignments(function.body)}
    found = [d for d in declared if d.is_static and d.name in changed and not _is_memory(d)]
    for each in found:
        if sum(other.name == each.name for other in declared) > 1:
            raise Diagnostic(
                f"the static variable '{each.name}' shares its name with another one",
                each.location,
                hint="rename one of them",
            )
    return found


def _is_memory(declarator: syntax.Declarator) -> bool:
    """Whether it may be an array that only the accelerator changes."""
    parts = declarator.type.derivations
    is_array = bool(parts) and isinstance(parts[0], syntax.ArrayOf)
    return is_array and declarator.initializer is None


def _renamed(function: syntax.Function, names: set[str]) -> syntax.Function:
    def change(node: syntax.Node) -> syntax.Node | None:
        match node:
            case syntax.Identifier(name=name) if name in names:
                return replace(node, name=f"{function.name}.{name}")
            case syntax.Declaration(declarators=declarators) if any(
                d.name in names for d in declarators
            ):
                kept = tuple(d for d in declarators if d.name not in names)
                rest = replace(node, declarators=kept)
                return rebuilt(rest, change) if kept else syntax.Empty(node.location)
            case _:
                return None

    return replace(function, body=rebuilt(function.body, change)) if names else function
