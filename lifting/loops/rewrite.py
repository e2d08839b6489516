"""Rewriting of terms: substitution of loop variables, and of what the cells hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .index import IndexExpression, LoopVariable
from .simplify import apply
from .terms import (
    Apply,
    IndexValue,
    Read,
    Reduction,
    Term,
    index_value,
    read,
    reduction,
)

VariableMap = Mapping[LoopVariable, IndexExpression]


def substitute(term: Term, values: VariableMap) -> Term:
    """Return the term with the variables replaced, all at once and without capture."""
    return _Rewriter(values, None).rewrite(term) if values else term


def replace_reads(term: Term, replace: Callable[[Read], Term]) -> Term:
    """Return the term with every read replaced by what ``replace`` says it holds."""
    return _Rewriter({}, replace).rewrite(term)


def substitute_variable(variable: LoopVariable, values: VariableMap) -> LoopVariable:
    """Return the variable with its bounds rewritten; the same object if they do not change."""
    if variable.range_variables().isdisjoint(values):
        return variable
    lower = variable.lower.substitute(values)
    uppers = tuple(upper.substitute(values) for upper in variable.uppers)
    return LoopVariable(variable.name, lower, uppers)


def rename(
    variables: tuple[LoopVariable, ...], values: VariableMap, *, fresh: bool
) -> tuple[tuple[LoopVariable, ...], dict[LoopVariable, IndexExpression]]:
    """Return the bound ``variables`` under a substitution, and the substitution for their scope.

    ``fresh`` asks for new variables even if their ranges do not change.
    """
    scope = dict(values)
    renamed: list[LoopVariable] = []
    for variable in variables:
        scope.pop(variable, None)
        new = substitute_variable(variable, scope)
        if new is variable and fresh:
            new = LoopVariable(variable.name, variable.lower, variable.uppers)
        if new is not variable:
            scope[variable] = IndexExpression.of(new)
        renamed.append(new)
    return tuple(renamed), scope


@dataclass
class _Rewriter:
    values: VariableMap
    replace: Callable[[Read], Term] | None
    done: dict[Term, Term] = field(default_factory=dict[Term, Term])

    def rewrite(self, term: Term) -> Term:
        if self.replace is None and term.free.isdisjoint(self.values):
            return term
        found = self.done.get(term)
        if found is None:
            found = self.done[term] = self._rebuild(term)
        return found

    def _rebuild(self, term: Term) -> Term:
        match term:
            case IndexValue():
                return index_value(term.expression.substitute(self.values), term.type)
            case Read():
                indices = tuple(index.substitute(self.values) for index in term.indices)
                new = read(term.array, indices, term.depth, term.type)
                return new if self.replace is None else self.replace(new)
            case Apply():
                operands = tuple(self.rewrite(operand) for operand in term.operands)
                if operands == term.operands:
                    return term
                return apply(term.operation, operands, term.type, term.properties)
            case Reduction():
                return self._rebuild_reduction(term)
            case _:
                return term

    def _rebuild_reduction(self, term: Reduction) -> Term:
        incoming = frozenset[LoopVariable]().union(
            *(self.values[v].variables for v in term.free if v in self.values)
        )
        clash = not incoming.isdisjoint(term.variables)
        variables, scope = rename(term.variables, self.values, fresh=clash)
        inner = self if scope == self.values else _Rewriter(scope, self.replace)
        return reduction(variables, inner.rewrite(term.body), self.rewrite(term.init))
