"""What a program says to the core only: output, timers, checks. It is left out, with a note.

Timers give values, which only other such calls may use: variables that hold them are left out too,
so that one which reaches an instruction is reported as not declared. Nothing is left out that
changes a variable, calls another function or ends the program: that is reported as well.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ...diagnostics import SourceLocation
from ..c import syntax
from ..c.rewrite_tree import rebuilt, with_new_children
from ..c.traversal import descendants

HOST_CALLS = frozenset(
    {
        "printf", "fprintf", "puts", "putchar", "fflush", "perror", "assert",
        "read_cycles", "rdcycle", "read_csr", "clock", "time", "gettimeofday", "mlockall",
        "counter_configure", "counter_read", "counter_reset", "counter_snapshot_take",
        "counter_snapshot_reset", "gemmini_counter_configure", "printMatrix", "printMatrixAcc",
        "gemmini_print_config", "pin_all", "srand",
    }
)  # fmt: skip
"""Functions of the C library and of ``gemmini_testutils.h`` that do not touch the accelerator."""

_VARIADIC = re.compile(
    r"^[ \t]*#[ \t]*define[ \t]+(\w+)\((?:[\w, \t]*,[ \t]*)?\.\.\.\)[ \t]*(.*?)[ \t]*$", re.M
)
_FENCE = re.compile(
    r"\b(?:__asm__|asm|__asm)\b\s*(?:volatile|__volatile__)?\s*\(\s*\"\s*fence[^\"]*\"[^;()]*\)"
)
_NOTHING = re.compile(
    r"\b(?:__asm__|asm|__asm)\b\s*(?:volatile|__volatile__)?\s*\(\s*\"\"[^;()]*\)"
    r"|\b(?:_Static_assert|static_assert)\s*\([^;]*\)"
)
"""Barriers for the compiler, and checks at its time."""
_ALIGNMENT = re.compile(r"\brow_align(?:_acc)?\s*\([^()]*\)")
_POINTER_TO_ROWS = re.compile(
    r"(?<=[(,])([^(),;{}]*)(\(\s*\*\s*(?:const\s+|restrict\s+)?(\w+)\s*\))(?=\s*\[)"
)


def plain_text(text: str) -> tuple[str, frozenset[str]]:
    """The source without assembly fences, alignment, and macros for output; names of the latter.

    Lines and columns stay where they are.
    """
    macros: set[str] = set()

    def variadic(match: re.Match[str]) -> str:
        body = match[2].rstrip("\\").strip()
        if body in ("", "((void)0)", "(void)0") or _only_prints(body):
            macros.add(match[1])
            return re.sub(r"[^\n]", " ", match[0])
        return match[0]

    def fence(match: re.Match[str]) -> str:
        call = "gemmini_fence()"
        blank = re.sub(r"[^\n]", " ", match[0])
        return call + blank[len(call) :] if len(blank) >= len(call) else call

    def rows(match: re.Match[str]) -> str:
        """``(*A)[64]`` declares the same parameter as ``A[][64]``."""
        return match[1] + f"{match[3]}[]".ljust(len(match[2]))

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    text = _ALIGNMENT.sub(blank, _VARIADIC.sub(variadic, _NOTHING.sub(blank, text)))
    text = _POINTER_TO_ROWS.sub(rows, text)
    return _FENCE.sub(fence, text), frozenset(macros)


def _only_prints(body: str) -> bool:
    """Whether each statement of a macro is a call for the core only."""
    inner = re.fullmatch(r"do\s*\{(.*)\}\s*while\s*\(\s*0\s*\)", body)
    parts = (inner[1] if inner else body).split(";")
    calls = [re.match(r"(\w+)\s*\(", part.strip()) for part in parts if part.strip()]
    return all(call is not None and call[1] in HOST_CALLS for call in calls)


def without_host_code(
    unit: syntax.TranslationUnit, macros: frozenset[str]
) -> tuple[syntax.TranslationUnit, list[str]]:
    """The program without calls for the core only, and a note for each name that was left out.

    ``main`` is a driver and left out too.
    """
    cleaner = _Cleaner((HOST_CALLS | macros) - set(unit.functions))
    functions = {name: cleaner.function(f) for name, f in unit.functions.items() if name != "main"}
    return replace(unit, functions=functions), list(cleaner.notes.values())


class _Cleaner:
    def __init__(self, calls: frozenset[str]) -> None:
        self._calls = calls
        self._tainted: set[str] = set()
        self.notes: dict[str, str] = {}

    def function(self, function: syntax.Function) -> syntax.Function:
        self._tainted = self._timers(function)
        return replace(function, body=rebuilt(function.body, self._statement))

    def _timers(self, function: syntax.Function) -> set[str]:
        """Variables that hold what calls for the core return, directly or not."""
        found: set[str] = set()
        while True:
            before = len(found)
            for node in descendants(function.body):
                match node:
                    case syntax.Declarator(name=name, initializer=value) if value is not None:
                        found |= {name} if self._uses(value, found) else set()
                    case syntax.Assignment(target=syntax.Identifier(name=name), value=value):
                        found |= {name} if self._uses(value, found) else set()
                    case _:
                        pass
            if len(found) == before:
                return found

    def _uses(self, node: syntax.Node, names: set[str]) -> bool:
        return any(
            (isinstance(n, syntax.Call) and n.function in self._calls)
            or (isinstance(n, syntax.Identifier) and n.name in names)
            for n in descendants(node)
        )

    def _acts(self, node: syntax.Node) -> bool:
        """Whether a value that is left out would change something, or call a function that may."""
        return any(
            isinstance(n, syntax.Assignment | syntax.Increment)
            or (isinstance(n, syntax.Call) and n.function not in self._calls)
            for n in descendants(node)
        )

    def _statement(self, node: syntax.Node) -> syntax.Node | None:
        match node:
            case syntax.ExpressionStatement(expression=syntax.Call() as call):
                is_host = call.function in self._calls and not self._acts(call)
                return self._left_out(node, call.function, is_host)
            case syntax.ExpressionStatement(
                expression=syntax.Cast(operand=syntax.Identifier(name=name))
            ):
                return self._left_out(node, name, name in self._tainted)
            case syntax.ExpressionStatement(
                expression=syntax.Assignment(target=syntax.Identifier(name=name), value=value)
            ):
                return self._left_out(node, name, name in self._tainted and not self._acts(value))
            case syntax.If(condition=condition) if self._uses(condition, self._tainted):
                return None if self._acts(condition) else self._check(node)
            case syntax.Declaration(declarators=declarators):
                if any(
                    d.initializer is not None and self._acts(d.initializer) for d in declarators
                ):
                    return None
                kept = tuple(d for d in declarators if d.name not in self._tainted)
                if len(kept) == len(declarators):
                    return None
                for declarator in declarators:
                    if declarator.name in self._tainted:
                        self._note(declarator.name, declarator.location)
                return replace(node, declarators=kept) if kept else syntax.Empty(node.location)
            case _:
                return None

    def _check(self, branch: syntax.If) -> syntax.Node | None:
        """A branch that the host decides about: left out if nothing but host code is in it."""
        inner = with_new_children(branch, self._checked)
        sides = [side for side in (inner.then, inner.otherwise) if side is not None]
        nothing = (syntax.Compound, syntax.Empty)
        if any(not isinstance(node, nothing) for side in sides for node in descendants(side)):
            return None
        self._note("if", branch.location)
        return syntax.Empty(branch.location)

    def _checked(self, node: syntax.Node) -> syntax.Node | None:
        """A statement of a check that has failed, which may end the program."""
        match node:
            case syntax.ExpressionStatement(expression=syntax.Call(function="exit" | "abort")):
                return syntax.Empty(node.location)
            case _:
                return self._statement(node)

    def _left_out(self, node: syntax.Node, name: str, is_host: bool) -> syntax.Node | None:
        if not is_host:
            return None
        self._note(name, node.location)
        return syntax.Empty(node.location)

    def _note(self, name: str, location: SourceLocation) -> None:
        self.notes.setdefault(
            name, f"{location}: note: '{name}' is for the core only and is left out"
        )
