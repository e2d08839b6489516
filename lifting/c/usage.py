"""What happens to each variable of a function: decides which ones need memory.

A scalar that is never assigned after its declaration becomes a plain value. The variable of a loop
that is declared outside of it needs memory only if it is also read where the loop does not set it.
"""

from __future__ import annotations

from . import syntax
from .first_use import set_before_read
from .loop_header import LoopHeader, loop_header
from .traversal import children, descendants
from .types import CInteger


class VariableUsage:
    """The variables of one function that need memory; its declarators are the keys."""

    def __init__(
        self,
        function: syntax.Function | None,
        in_memory: frozenset[syntax.Declarator] = frozenset(),
    ) -> None:
        """Analyse ``function``; the scalars ``in_memory`` are known to have no formula."""
        self._in_memory = in_memory
        self._set_first: set[syntax.Declarator] = set()
        self._indexing: set[syntax.Declarator] = set()
        self._sources: dict[syntax.Declarator, set[syntax.Declarator]] = {}
        self._needs_memory: set[syntax.Declarator] = set()
        self._scopes: list[dict[str, syntax.Declarator]] = [{}]
        self._counting: list[syntax.Declarator] = []
        self._counted: set[syntax.Declarator] = set()
        self._read: set[syntax.Declarator] = set()
        if function is None:  # file scope, where nothing is assigned
            return
        self._set_first = set_before_read(function)
        for parameter in function.parameters:
            self._scopes[-1][parameter.name] = parameter
        self._visit(function.body)
        self._spread_indexing()

    def needs_memory(self, declarator: syntax.Declarator) -> bool:
        """Tell whether the variable is assigned other than by counting loops around its uses."""
        read_after_counting = declarator in self._counted and declarator in self._read
        return declarator in self._needs_memory or read_after_counting

    def is_set_first(self, declarator: syntax.Declarator) -> bool:
        """Tell whether the variable, which has no initial value, is surely set before any read."""
        return declarator in self._set_first

    def walks(self, declarator: syntax.Declarator) -> bool:
        """Tell whether the variable may have a formula: a changing integer used in subscripts."""
        is_integer = isinstance(declarator.type.base, CInteger) and not declarator.type.derivations
        is_index = declarator in self._indexing and declarator not in self._in_memory
        return is_integer and is_index and self.needs_memory(declarator)

    def _spread_indexing(self) -> None:
        """What a subscript is computed from is used in subscripts, too."""
        pending = list(self._indexing)
        while pending:
            for source in self._sources.get(pending.pop(), ()):
                if source not in self._indexing:
                    self._indexing.add(source)
                    pending.append(source)

    def _note_indexing(self, expression: syntax.Expression) -> None:
        self._indexing.update(self._variables_in(expression))

    def _variables_in(self, expression: syntax.Node) -> set[syntax.Declarator]:
        names = {n.name for n in descendants(expression) if isinstance(n, syntax.Identifier)}
        return {found for name in names if (found := self._find(name)) is not None}

    def _find(self, name: str) -> syntax.Declarator | None:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), None)

    def _visit(self, node: syntax.Node) -> None:
        match node:
            case syntax.Identifier(name=name):
                found = self._find(name)
                if found is not None and found not in self._counting:
                    self._read.add(found)
            case syntax.Subscript(index=index):
                self._note_indexing(index)
                self._visit_children(node)
            case syntax.Unary(operator="*" | "&", operand=operand):
                self._note_indexing(operand)
                self._visit_children(node)
            case syntax.Assignment(operator=operator, target=target, value=value):
                self._assigned(target, reads=operator != "")
                if isinstance(target, syntax.Identifier) and (found := self._find(target.name)):
                    self._sources.setdefault(found, set()).update(self._variables_in(value))
                self._visit(value)
            case syntax.Increment(target=target):
                self._assigned(target, reads=True)
            case syntax.For():
                self._loop(node, loop_header(node))
            case syntax.Compound():
                self._scopes.append({})
                self._visit_children(node)
                self._scopes.pop()
            case syntax.Declarator():
                self._visit_children(node)
                if node.initializer is not None:
                    self._sources[node] = self._variables_in(node.initializer)
                self._scopes[-1][node.name] = node
            case _:
                self._visit_children(node)

    def _visit_children(self, node: syntax.Node) -> None:
        for child in children(node):
            self._visit(child)

    def _assigned(self, target: syntax.Expression, reads: bool) -> None:
        if not isinstance(target, syntax.Identifier):
            self._visit(target)
        elif (found := self._find(target.name)) is not None:
            self._needs_memory.add(found)
            if reads:
                self._read.add(found)

    def _loop(self, loop: syntax.For, header: LoopHeader) -> None:
        if header.initial is not None:
            self._visit(header.initial)
        self._visit(header.bound)
        if header.step is not None:
            self._visit(header.step)
        self._scopes.append({})
        if header.declared is not None:
            self._scopes[-1][header.variable] = header.declared
        variable = self._find(header.variable)
        if variable is not None and header.declared is None:
            self._counted.add(variable)
            if header.initial is None:
                self._read.add(variable)
                self._indexing.add(variable)
        self._counting.extend([variable] if variable is not None else [])
        self._visit(loop.body)
        if variable is not None:
            self._counting.pop()
        self._scopes.pop()
