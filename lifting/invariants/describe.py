"""Proofs through invariants, for people: the summary in words, and what was proved of each loop."""

from __future__ import annotations

from ...diagnostics import Diagnostic
from ..loops.evaluate import location_of
from .check import LoopInvariant
from .prove import Proof
from .python_view import TermWriter, python_view
from .reference import reference_program
from .summary import Summary
from .terms import Fold, walk


def describe(summary: Summary) -> str:
    """The summary in one line of words."""
    parts: list[str] = []
    for output in summary.outputs:
        folds = [part for part in walk(output.contents.body) if isinstance(part, Fold)]
        states = max((len(fold.recurrence.states) for fold in folds), default=0)
        name = summary.names[output.position]
        formals = set(output.contents.formals)
        grows = any(formals & set(walk(fold.upper)) for fold in folds)
        kind = "scan" if grows else "fold"
        kind = kind if states else "element-wise map"
        parts.append(f"{name}: {kind}" + (f" of {states} states" if states > 1 else ""))
    return ", ".join(parts)


def numpy_text(summary: Summary) -> str:
    """The summary as NumPy that runs; a comment with the reason where there is no such text."""
    try:
        return python_view(summary)
    except Diagnostic as problem:
        return f"# not shown as NumPy: {problem.message}"


def program_text(summary: Summary) -> str:
    """The summary as a reference loop program."""
    return str(reference_program(summary))


def invariant_lines(proof: Proof) -> list[str]:
    """Each loop, and what holds at its head, one line an array, scalar or condition."""
    lines: list[str] = []
    for invariant in proof.invariants:
        lines += _lines(invariant, proof.summary)
    return lines


def _lines(invariant: LoopInvariant, summary: Summary) -> list[str]:
    writer = TermWriter(summary, names_all=True)
    counter = writer.bind(invariant.counter)
    place = location_of(invariant.loop)
    lines = [f"loop '{counter}'{f' at {place}' if place else ''}, when {counter} begins its turn:"]
    try:
        for array, contents in invariant.memory.items():
            formals = ", ".join(writer.bind(formal) for formal in contents.formals)
            name = array.name_hint or "array"
            left = f"{name}[{formals}]" if formals else name
            right = writer.text(contents.body)
            lines.append(f"  {left} == {right}" if left != right else f"  {left}: any value")
        lines += [f"  {writer.text(condition)}" for condition in invariant.conditions]
    except Diagnostic as problem:
        lines.append(f"  (not shown: {problem.message})")
    return lines
