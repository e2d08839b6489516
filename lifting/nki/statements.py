"""Statements of a kernel: assignments, loops, branches and inlined functions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from xdsl.utils.exceptions import VerifyException

from .arithmetic import MAX_ITEMS, compare_integers
from .emitter import Emitter, ProgramTooLongError
from .expressions import COMPARE, MAX_CALLS, Expressions, readable
from .index import Index, LoopVariable, UnrollRequest
from .indexing import IndexingError, select
from .records import read_class
from .scopes import Scopes
from .source import NkiError
from .texts import describe
from .values import Function, LoopRange, Record, View

MAX_STATEMENTS = 1 << 19
"""Statements that are read, unrolled ones as often as they are unrolled."""
MAX_WHILE = 10_000
UNROLLED = 16
"""Iterations up to which a ``static_range`` is unrolled; longer ones stay loops, to be readable."""


class ReturnReached(Exception):  # noqa: N818 - the way out of an inlined function
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class LoopLeft(Exception):  # noqa: N818 - `break` or `continue` of a loop that is unrolled
    def __init__(self, is_break: bool) -> None:
        super().__init__()
        self.is_break = is_break


class Statements(Expressions):
    """Reads statements; what they compute on data is emitted."""

    emitter: Emitter
    unrolled: set[ast.AST]
    """Loops that must be unrolled, found in earlier readings."""
    peeled: set[ast.AST]
    """Loops whose last iteration must stand alone."""
    variables: list[LoopVariable]
    """Variables of the loops around the current statement that stay loops."""
    branches: list[ast.AST]
    """Branches around it that stay branches."""
    statements: int
    is_defining: bool
    """Whether the file's definitions are being read, where no loop is emitted."""

    def block(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            self.statement(node)

    def statement(self, node: ast.stmt) -> None:
        self.statements += 1
        if self.statements > MAX_STATEMENTS:
            self.source.refuse(node, f"over {MAX_STATEMENTS} statements after unrolling")
        self.emitter.at(node)
        method = getattr(self, f"_{type(node).__name__}", None)
        if method is None:
            self.source.refuse(node, f"{type(node).__name__} is not understood in a kernel")
        try:
            method(node)
        except (IndexingError, ProgramTooLongError) as error:
            self.source.refuse(node, str(error))
        except (VerifyException, TypeError, ValueError, KeyError, AttributeError) as error:
            # A value of a kind that the construct was not written for, such as a tuple as dtype.
            self.source.refuse(node, f"this statement is not understood: {error}")

    def _Pass(self, node: ast.Pass) -> None:  # noqa: N802
        return

    def _Expr(self, node: ast.Expr) -> None:  # noqa: N802
        if not isinstance(node.value, ast.Constant):
            self.evaluate(node.value)

    def _Assert(self, node: ast.Assert) -> None:  # noqa: N802
        if not self.condition(node.test):
            self._fail(node, "assert", node.msg)

    def _Raise(self, node: ast.Raise) -> None:  # noqa: N802
        error = node.exc
        message = error.args[0] if isinstance(error, ast.Call) and error.args else error
        self._fail(node, "raise", message)

    def _fail(self, node: ast.stmt, word: str, message: ast.expr | None) -> NoReturn:
        """Refuse the kernel where it says itself that it is not made for this."""
        text: Any = "the kernel's own check fails"
        if message is not None:
            try:
                text = self.evaluate(message)
            except NkiError:
                text = None
            text = text if isinstance(text, str) else ast.unparse(message)
        hint = "the shapes may not be those it is made for"
        self.source.refuse(node, f"{word}: {text}", hint)

    def _Import(self, node: ast.Import) -> None:  # noqa: N802
        self.language.imports(node, self.scopes.write)

    _ImportFrom = _Import

    def _FunctionDef(self, node: ast.FunctionDef) -> None:  # noqa: N802
        self.scopes.write(node.name, self.function(node))

    def _ClassDef(self, node: ast.ClassDef) -> None:  # noqa: N802
        self.scopes.write(node.name, read_class(self, node))

    def _Return(self, node: ast.Return) -> None:  # noqa: N802
        if self.scopes.loops and self.scopes.loops[-1].frame is self.scopes.frame:
            raise UnrollRequest(self.scopes.loops[-1].node)
        raise ReturnReached(None if node.value is None else self.evaluate(node.value))

    def _Assign(self, node: ast.Assign) -> None:  # noqa: N802
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target, value)

    def _AnnAssign(self, node: ast.AnnAssign) -> None:  # noqa: N802
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value))

    def assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            if isinstance(value, View) and not value.array.name:
                value.array.name = target.id
                value.array.buffer.name_hint = target.id if target.id.isidentifier() else None
            return self.scopes.write(target.id, value)
        if isinstance(target, ast.Tuple | ast.List):
            values = self.iterate(value, target)
            if len(values) != len(target.elts):
                self.source.refuse(target, f"{len(values)} values for {len(target.elts)} names")
            for own, part in zip(target.elts, values, strict=True):
                self.assign(own, part)
            return None
        if isinstance(target, ast.Subscript):
            return self._assign_element(target, value)
        if isinstance(target, ast.Attribute):
            container = self.evaluate(target.value)
            if isinstance(container, Record):
                self.language.mutate(container.values)
                container.values[target.attr] = value
                return None
        return self.source.refuse(target, f"cannot assign to {type(target).__name__}")

    def _assign_element(self, target: ast.Subscript, value: Any) -> None:
        container, index = self.evaluate(target.value), self.evaluate(target.slice)
        if isinstance(container, View):
            items = index if isinstance(index, tuple) else (index,)
            part = select(container, self.resolve_items(items, target))
            return self.language.write(part, value, target)
        if isinstance(container, list | dict):
            self.language.mutate(container)
            index = self.key(index, target)
            try:
                container[index] = value
            except (IndexError, TypeError):
                self.source.refuse(target, f"no element {index!r}")
            return None
        return self.source.refuse(target, f"{describe(container)} has no elements to assign to")

    def _AugAssign(self, node: ast.AugAssign) -> None:  # noqa: N802
        target = node.target
        current = self.evaluate(_as_load(target))
        value = self.evaluate(node.value)
        symbol = self.symbol(node.op, node)
        if isinstance(current, View):
            return self.language.update(symbol, current, value, node)
        if isinstance(current, list) and symbol == "+":
            self.language.mutate(current)
            return current.extend(self.iterate(value, node))
        return self.assign(target, self.binary(symbol, current, value, node))

    def symbol(self, operator: ast.operator, node: ast.AST) -> str:
        from .expressions import BINARY

        symbol = BINARY.get(type(operator))
        return symbol if symbol is not None else self.source.refuse(node, "no such operator")

    def _If(self, node: ast.If) -> None:  # noqa: N802
        try:
            taken = self.condition(node.test)
        except UnrollRequest:
            condition = None if node in self.peeled else self.affine_condition(node.test)
            if condition is None:
                raise
            return self._branch(node, *condition)
        return self.block(node.body if taken else node.orelse)

    def affine_condition(self, node: ast.expr) -> tuple[str, Index] | None:
        """``(symbol, difference)`` of a comparison with 0 that loop variables decide.

        Beside it there may be conditions that are known already: ``not causal or j <= i``.
        """
        if isinstance(node, ast.BoolOp):
            is_and = isinstance(node.op, ast.And)
            unknown = list[ast.expr]()
            for part in node.values:
                try:
                    if self.condition(part) != is_and:
                        return None
                except UnrollRequest:
                    unknown.append(part)
            return self.affine_condition(unknown[0]) if len(unknown) == 1 else None
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            return None
        symbol = COMPARE.get(type(node.ops[0]))
        left, right = self.evaluate(node.left), self.evaluate(node.comparators[0])
        if symbol is None or not all(isinstance(side, int | Index) for side in (left, right)):
            return None
        return symbol, Index.of(left) - right

    def _branch(self, node: ast.If, symbol: str, difference: Index) -> None:
        """Read both ways as a branch of the program; if that fails, loops are unrolled instead."""
        branch = self.emitter.enter_branch(symbol, difference)
        self.branches.append(node)
        self.scopes.enter_loop(node)
        try:
            self.block(node.body)
            if node.orelse:
                self.language.tiles.forget_last()
                self.emitter.enter_else(branch)
                self.block(node.orelse)
        except (LoopLeft, NkiError):
            raise UnrollRequest(node) from None
        self.scopes.leave_branch()
        self.branches.pop()
        self.language.tiles.forget_last()
        self.emitter.at(node)
        self.emitter.leave_branch()

    def _With(self, node: ast.With) -> None:  # noqa: N802
        self.source.refuse(node, "`with` is not understood in a kernel")

    def _Break(self, node: ast.Break) -> None:  # noqa: N802
        raise LoopLeft(is_break=True)

    def _Continue(self, node: ast.Continue) -> None:  # noqa: N802
        raise LoopLeft(is_break=False)

    def _While(self, node: ast.While) -> None:  # noqa: N802
        for _ in range(MAX_WHILE):
            if not self.condition(node.test):
                return self.block(node.orelse)
            try:
                self.block(node.body)
            except LoopLeft as left:
                if left.is_break:
                    return None
        return self.source.refuse(node, f"over {MAX_WHILE} iterations")

    def _For(self, node: ast.For) -> None:  # noqa: N802
        values = self.evaluate(node.iter)
        if isinstance(values, LoopRange) and self._stays_rolled(node, values):
            if node in self.peeled and _is_constant(values):
                return self._peeled(node, values)
            return self._loop(node, values)
        for value in self.iterate(values, node.iter):
            self.assign(node.target, value)
            try:
                self.block(node.body)
            except LoopLeft as left:
                if left.is_break:
                    return None
        return self.block(node.orelse)

    def _stays_rolled(self, node: ast.For, values: LoopRange) -> bool:
        if not isinstance(node.target, ast.Name) or node.orelse:
            return False
        return self.stays_loop(node, values)

    def stays_loop(self, node: ast.AST, values: LoopRange) -> bool:
        """Whether a loop is read once for all its iterations."""
        if node in self.unrolled or self.is_defining:
            return False
        trips = Index.of(values.upper) - values.lower
        if values.is_static and trips.is_constant and trips.constant <= UNROLLED * values.step:
            return False
        if values.step <= 0 or (trips.is_constant and trips.constant <= values.step):
            return False
        if not trips.is_constant and not compare_integers("<", values.lower, values.upper):
            return False
        return not (trips.is_constant and trips.constant > MAX_ITEMS * values.step)

    def _peeled(self, node: ast.For, values: LoopRange) -> None:
        """A loop without its last iteration, which follows on its own."""
        numbers = range(*(Index.of(end).constant for end in (values.lower, values.upper)))
        last = numbers[:: values.step][-1]
        rest = replace(values, upper=last)
        if self.stays_loop(node, rest):
            self._loop(node, rest)
        else:
            self.assign(node.target, values.lower)
            self.block(node.body)
        self.assign(node.target, last)
        self.block(node.body)

    def _loop(self, node: ast.For, values: LoopRange) -> None:
        """Read the body once for all iterations."""
        assert isinstance(node.target, ast.Name)
        target = node.target

        def body(index: Index) -> None:
            self.scopes.write(target.id, index)
            self.block(node.body)

        self.roll(node, target.id, values, body)

    def roll(
        self, node: ast.AST, name: str, values: LoopRange, body: Callable[[Index], None]
    ) -> None:
        """Emit a loop; ``body`` reads what is in it, given the loop's variable."""
        lower, upper = Index.of(values.lower), Index.of(values.upper)
        _, value = self.emitter.enter_loop(lower, upper, values.step)
        value.name_hint = name if name.isidentifier() else None
        last = upper.maximum - 1
        if lower.is_constant and upper.is_constant:
            last = lower.constant + (last - lower.constant) // values.step * values.step
        variable = LoopVariable(
            name,
            node,
            value,
            lower,
            lower.minimum,
            last,
            values.step,
            len(self.variables),
        )
        self.variables.append(variable)
        self.scopes.enter_loop(node)
        try:
            body(Index.variable(variable))
        except LoopLeft:
            raise UnrollRequest(node) from None
        self.scopes.leave_loop(self.variables.pop())
        self.language.tiles.forget_last()
        self.emitter.at(node)
        self.emitter.leave_loop()

    def inline(
        self, function: Function, arguments: list[Any], named: dict[str, Any], node: ast.AST
    ) -> Any:
        if self.call_depth >= MAX_CALLS:
            self.source.refuse(node, f"over {MAX_CALLS} calls inside of each other")
        frame = self._bind(function, arguments, named, node)
        outer = self.scopes
        self.scopes = Scopes((*function.scopes, frame), outer.loops)
        self.call_depth += 1
        try:
            if isinstance(function.node, ast.Lambda):
                return self.evaluate(function.node.body)
            self.block(function.node.body)
        except ReturnReached as reached:
            return reached.value
        finally:
            self.scopes = outer
            self.call_depth -= 1
        return None

    def _bind(
        self, function: Function, arguments: list[Any], named: dict[str, Any], node: ast.AST
    ) -> dict[str, Any]:
        """The parameters of a call by name."""
        parameters = function.node.args
        names = [own.arg for own in (*parameters.posonlyargs, *parameters.args)]
        keyword_only = [own.arg for own in parameters.kwonlyargs]
        frame = dict(zip(names, arguments, strict=False))
        if len(arguments) > len(names):
            if parameters.vararg is None:
                self.source.refuse(node, f"{function.name} takes {len(names)} arguments")
            frame[parameters.vararg.arg] = tuple(arguments[len(names) :])
        elif parameters.vararg is not None:
            frame[parameters.vararg.arg] = ()
        rest = dict[str, Any]()
        for name, value in named.items():
            is_known = name in (*names, *keyword_only)
            if name in frame or not (is_known or parameters.kwarg is not None):
                self.source.refuse(node, f"{function.name} has no free parameter {name!r}")
            (frame if is_known else rest)[name] = value
        if parameters.kwarg is not None:
            frame[parameters.kwarg.arg] = self.language.new_dict(rest)
        for name, default in function.defaults.items():
            if name not in frame:
                frame[name] = readable(default)
        for name in (*names, *keyword_only):
            if name not in frame:
                self.source.refuse(node, f"{function.name} needs an argument {name!r}")
        return frame


def _is_constant(values: LoopRange) -> bool:
    return Index.of(values.lower).is_constant and Index.of(values.upper).is_constant


def _as_load(target: ast.expr) -> ast.expr:
    """The target of ``+=`` as an expression."""
    return target
