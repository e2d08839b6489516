"""Summaries as NumPy that runs: every operation keeps its width, and folds keep their order."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from keyword import iskeyword

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, MemRefType
from xdsl.ir import Attribute, Block

from ...diagnostics import Diagnostic
from ...validation.extract.pure_operations import type_name
from ..tensors.numpy import dtype, parenthesised, scalar_expression, unsigned_type
from .simplify import offset
from .summary import Output, Summary, extents_of
from .terms import (
    Apply,
    Carried,
    Constant,
    Element,
    Fold,
    Parameter,
    Recurrence,
    Same,
    Symbol,
    Term,
    children,
    is_uninitialised,
    symbols,
    walk,
)

LONGEST = 40_000
"""Characters of a printed expression."""
RESERVED = {"np", "fold", "scan", "range", "list", "max", "int", "bool"}
FOLD = """\
def fold(step, counters, states):
    for counter in counters:
        states = step(counter, *states)
    return states
"""
SCAN = """\
def scan(step, counters, states):
    yield states
    for counter in counters:
        yield (states := step(counter, *states))
"""


def python_view(summary: Summary) -> str:
    """The summary as a Python function of its parameters that returns the outputs.

    Raises :class:`Diagnostic` for an operation without an exact NumPy form, and where the text
    would be too long.
    """
    writer = TermWriter(summary)
    body = [line for output in summary.outputs for line in writer.output(output)]
    names = [writer.names[p] for p in range(len(summary.function.args)) if p in writer.used]
    results = ", ".join(map(writer.result, summary.outputs))
    helpers = [text for word, text in (("fold(", FOLD), ("scan(", SCAN)) if _uses(word, body)]
    lines = [
        "import numpy as np",
        "",
        *(f"\n{helper}" for helper in helpers),
        "",
        f"def {_function_name(summary)}({', '.join(names)}):",
        *writer.scalars(),
        '    with np.errstate(all="ignore"):',
        *(f"        {line}" for line in body),
        f"    return {results}",
    ]
    text = "\n".join(lines)
    if len(text) > LONGEST:
        raise Diagnostic("the summary is too long to be shown as NumPy")
    return text


def _function_name(summary: Summary) -> str:
    name = _identifier(summary.function.sym_name.data)
    return f"{name}_" if name in RESERVED else name


def _uses(word: str, body: list[str]) -> bool:
    return any(word in line for line in body)


@dataclass
class TermWriter:
    """Writes terms about the parameters of a summary's function as Python expressions."""

    summary: Summary
    names_all: bool = False
    """Whether symbols that nothing binds get a name, instead of being an error."""
    names: dict[int, str] = field(default_factory=dict[int, str])
    symbols: dict[Symbol, str] = field(default_factory=dict[Symbol, str])
    used: set[int] = field(default_factory=set[int])
    tables: dict[tuple[Recurrence, tuple[Term, ...]], str] = field(
        default_factory=dict[tuple[Recurrence, tuple[Term, ...]], str]
    )

    def __post_init__(self) -> None:
        for position, name in enumerate(self.summary.names):
            self.names[position] = self._free(name)

    def _free(self, wanted: str) -> str:
        """A Python identifier that nothing else has."""
        taken = {*self.names.values(), *self.symbols.values(), *RESERVED}
        base = _identifier(wanted)
        name, number = base, 1
        while name in taken or f"{name}_out" in taken:
            number += 1
            name = f"{base}{number}"
        return name

    def bind(self, symbol: Symbol) -> str:
        """The name of a symbol; it gets one if it has none."""
        if symbol not in self.symbols:
            self.symbols[symbol] = self._free(symbol.name)
        return self.symbols[symbol]

    def scalars(self) -> list[str]:
        """Statements that give the scalar parameters their types, and numbers a sign."""
        lines: list[str] = []
        for position in sorted(self.used):
            type, name = self.summary.function.args[position].type, self.names[position]
            if not isinstance(type, MemRefType):
                lines.append(f"    {name} = {self._typed(position, type)}")
            elif self._unsigned(position) is not None:
                lines.append(f"    {name} = {name}.view({dtype(type.element_type)})")
        return lines

    def _typed(self, position: int, type: Attribute) -> str:
        name, sign = self.names[position], self._unsigned(position)
        if sign is None:
            return f"{dtype(type)}({name})"
        return f"{sign}({name}).astype({dtype(type)})"

    def _unsigned(self, position: int) -> str | None:
        types = self.summary.c_types
        return unsigned_type(types[position]) if position < len(types) else None

    def result(self, output: Output) -> str:
        """What is returned for an output."""
        name = f"{self.names[output.position]}_out"
        sign = self._unsigned(output.position)
        return name if sign is None else f"{name}.view({sign})"

    def output(self, output: Output) -> list[str]:
        """The statements that compute one output."""
        formals = output.contents.formals
        body = output.contents.body
        name = f"{self.names[output.position]}_out"
        if not formals:
            return [f"{name} = {self.text(body)}"]
        extents = extents_of(self.summary.function, output.position)
        sizes = [self.text(extent) for extent in extents]
        shape = ", ".join(sizes) + ("," if len(sizes) == 1 else "")
        lines = [f"{name} = np.empty(({shape}), {dtype(body.type)})"]
        indent = ""
        for depth, formal in enumerate(formals):
            for line in self._tables(body, formals, depth, extents[depth]):
                lines.append(indent + line)
            self.symbols[formal] = self._free(formal.name)
            lines.append(f"{indent}for {self.symbols[formal]} in range({sizes[depth]}):")
            indent += "    "
        place = ", ".join(self.symbols[formal] for formal in formals)
        lines.append(f"{indent}{name}[{place}] = {self.text(body)}")
        self.tables.clear()
        return lines

    def _tables(
        self, body: Term, formals: tuple[Symbol, ...], depth: int, extent: Term
    ) -> list[str]:
        """Tables of the states after each iteration, for folds up to a subscript."""
        lines: list[str] = []
        for fold in [part for part in walk(body) if isinstance(part, Fold)]:
            shift = offset(fold.upper, formals[depth])
            known = set(formals[:depth])
            key = (fold.recurrence, fold.arguments)
            if (
                shift is None
                or key in self.tables
                or not known.issuperset(symbols(*fold.arguments))
            ):
                continue
            step, lower, inits = self._recurrence(fold)
            last = parenthesised(self.text(extent))
            beyond = shift - 1
            more = f" {'+' if beyond > 0 else '-'} {abs(beyond)}" if beyond else ""
            counters = f"range({lower}, {last}{more})"
            self.tables[key] = f"table{len(self.tables)}"
            lines.append(f"{self.tables[key]} = list(scan({step}, {counters}, {inits}))")
        return lines

    def text(self, term: Term) -> str:
        """The term as a Python expression."""
        match term:
            case Constant():
                return _number(term)
            case Parameter(position=position):
                self.used.add(position)
                return self.names[position]
            case Symbol():
                if term not in self.symbols and not self.names_all:
                    raise Diagnostic(f"the value of '{term.name}' is not known")
                return self.bind(term)
            case Apply() if is_uninitialised(term):
                # Any number would do: a kernel that used it would have no meaning.
                return f"{dtype(term.type)}()"
            case Carried(array=array, indices=indices):
                if not self.names_all:
                    raise Diagnostic("contents that are not known")
                places = ", ".join(self.text(part) for part in indices)
                name = _identifier(array.name_hint or "array")
                return f"{name}[{places}]" if places else name
            case Element(position=position, indices=indices):
                self.used.add(position)
                place = ", ".join(self.text(part) for part in indices) or "()"
                return f"{self.names[position]}[{place}]"
            case Same(left=left, right=right) if self.names_all:
                return f"{parenthesised(self.text(left))} == {parenthesised(self.text(right))}"
            case Fold():
                return self._fold(term)
            case Apply():
                return self._apply(term)
            case _:
                raise Diagnostic("a term that only proofs use")

    def _fold(self, fold: Fold) -> str:
        table = self.tables.get((fold.recurrence, fold.arguments))
        step, lower, inits = self._recurrence(fold)
        upper = self.text(fold.upper)
        if table is not None:
            number = f"max(0, {upper} - {lower})" if lower != "0" else f"max(0, {upper})"
            return f"{table}[{number}][{fold.which}]"
        return f"fold({step}, range({lower}, {upper}), {inits})[{fold.which}]"

    def _recurrence(self, fold: Fold) -> tuple[str, str, str]:
        """A recurrence as a function of one step, its lower bound and its initial states."""
        closed = fold.recurrence
        before = dict(self.symbols)
        values = dict(zip(closed.formals, map(self.text, fold.arguments), strict=True))
        self.symbols |= {f: parenthesised(text) for f, text in values.items()}
        lower = self.text(closed.lower)
        inits = ", ".join(map(self.text, closed.inits))
        for symbol in (closed.counter, *closed.states):
            self.symbols[symbol] = self._free(symbol.name)
        names = ", ".join(self.symbols[s] for s in (closed.counter, *closed.states))
        steps = ", ".join(map(self.text, closed.steps))
        self.symbols = before
        return f"lambda {names}: ({steps},)", lower, f"({inits},)"

    def _apply(self, term: Apply) -> str:
        texts = [self.text(operand) for operand in term.operands]
        if sum(map(len, texts)) > LONGEST:
            raise Diagnostic("the summary is too long to be shown as NumPy")
        if term.operation is arith.SelectOp:
            condition, then, otherwise = map(parenthesised, texts)
            return f"({then} if {condition} else {otherwise})"
        if term.operation is arith.IndexCastOp:
            is_index = isinstance(term.type, IndexType)
            return f"{'int' if is_index else dtype(term.type)}({texts[0]})"
        if term.operation is arith.FloorDivSIOp:
            return " // ".join(map(parenthesised, texts))
        types = [operand.type for operand in children(term)]
        operation = term.operation.create(
            operands=Block(arg_types=types).args,
            result_types=[term.type],
            properties=dict(term.properties),
        )
        return scalar_expression(operation, texts)


def _number(term: Constant) -> str:
    if isinstance(term.type, IndexType):
        return str(term.value)
    if type_name(term.type) == "i1":
        return str(bool(term.value))
    text = str(term.value)
    return f"{dtype(term.type)}({_quoted(text) if text.lstrip('-') in ('inf', 'nan') else text})"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _identifier(name: str) -> str:
    text = re.sub(r"\W", "_", name)
    return text if text.isidentifier() and not iskeyword(text) else f"v_{text}"
