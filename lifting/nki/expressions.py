"""Python expressions of a kernel, evaluated at reading time: never by Python itself.

What depends on data becomes instructions; numbers, tuples, lists, names and index arithmetic are
computed here. Each kind of syntax node has one method; a kind without one is refused.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import grids
from .arithmetic import (
    MAX_ITEMS,
    ValueTooLargeError,
    combine,
    compare_integers,
    negate,
    past_first,
)
from .index import Index, LoopVariable, PastFirst, UnrollRequest
from .indexing import IndexingError, Segment, Slice, select
from .launches import grid_of, launch
from .library import attribute_of_library, constant_of
from .records import attribute, construct, has_attribute
from .scopes import Scopes
from .source import NkiError, Source
from .texts import Label, describe, formatted, joined
from .values import (
    Dtype,
    Function,
    Grid,
    Launch,
    Library,
    LoopRange,
    Mask,
    Method,
    Named,
    Partial,
    Record,
    RecordClass,
    Unreadable,
    View,
)

if TYPE_CHECKING:
    from .language import Language

BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
}
COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
BUILTINS = (
    "range",
    "len",
    "min",
    "max",
    "abs",
    "int",
    "float",
    "bool",
    "str",
    "tuple",
    "list",
    "dict",
    "enumerate",
    "zip",
    "reversed",
    "sum",
    "slice",
    "print",
    "isinstance",
    "getattr",
    "hasattr",
    "any",
    "all",
    "divmod",
    "round",
    "sorted",
)
MAX_CALLS = 40
"""Calls of the kernel's own functions that may be open at once."""


class Expressions:
    """Evaluates expressions; statements and calls build on it."""

    source: Source
    scopes: Scopes
    language: Language
    call_depth: int

    def evaluate(self, node: ast.AST) -> Any:
        """The value of an expression; raises ``NkiError`` for one that has none here."""
        method: Callable[[Any], Any] | None = getattr(self, f"_{type(node).__name__}", None)
        if method is None:
            kind = type(node).__name__
            self.source.refuse(node, f"{kind} is not understood in a kernel")
        try:
            return method(node)
        except (IndexingError, ValueTooLargeError) as error:
            self.source.refuse(node, str(error))

    def integer(self, node: ast.AST, what: str) -> int:
        """The value of an expression that must be a number known at reading time."""
        value = self.evaluate(node)
        if isinstance(value, Index):
            return value.require_constant()
        if not isinstance(value, int):
            self.source.refuse(node, f"{what} must be an integer, got {describe(value)}")
        return value

    def _Constant(self, node: ast.Constant) -> Any:  # noqa: N802
        if isinstance(node.value, bytes | complex):
            self.source.refuse(node, f"{node.value!r} has no meaning in a kernel")
        return node.value

    def _Name(self, node: ast.Name) -> Any:  # noqa: N802
        try:
            return readable(self.scopes.read(node.id))
        except KeyError:
            pass
        if node.id in BUILTINS:
            return Named("python", node.id)
        return self.source.refuse(
            node,
            f"name {node.id!r} is not defined",
            "parameters, assignments before, and imports of nki, numpy and math are known",
        )

    def _Tuple(self, node: ast.Tuple) -> tuple[Any, ...]:  # noqa: N802
        return tuple(self._elements(node.elts))

    def _List(self, node: ast.List) -> list[Any]:  # noqa: N802
        return self.language.new_list(self._elements(node.elts))

    def _Set(self, node: ast.Set) -> tuple[Any, ...]:  # noqa: N802
        return tuple(self._elements(node.elts))

    def _elements(self, nodes: Sequence[ast.expr]) -> list[Any]:
        values = list[Any]()
        for node in nodes:
            if isinstance(node, ast.Starred):
                values.extend(self.iterate(self.evaluate(node.value), node))
            else:
                values.append(self.evaluate(node))
        return values

    def _Dict(self, node: ast.Dict) -> dict[Any, Any]:  # noqa: N802
        result = dict[Any, Any]()
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                self.source.refuse(node, "** is not understood in a dictionary")
            result[self.key(self.evaluate(key), key)] = self.evaluate(value)
        return self.language.new_dict(result)

    def _JoinedStr(self, node: ast.JoinedStr) -> str | Label:  # noqa: N802
        return joined([self.evaluate(part) for part in node.values])

    def _FormattedValue(self, node: ast.FormattedValue) -> str | Label:  # noqa: N802
        form = "" if node.format_spec is None else self.evaluate(node.format_spec)
        if isinstance(form, Label):
            return form
        return formatted(self.evaluate(node.value), node.conversion, form)

    def settled(self, value: Any, node: ast.AST) -> Any:
        """The value as it can be compared: loop variables, and texts of them, as numbers."""
        if isinstance(value, Index):
            return value.require_constant()
        if isinstance(value, tuple | list):
            return type(value)(self.settled(one, node) for one in value)
        if isinstance(value, Label):
            if value.loop is not None:
                raise UnrollRequest(value.loop)
            self.source.refuse(node, "this text is not known here", "write an f-string of numbers")
        return value

    def key(self, value: Any, node: ast.AST) -> Any:
        """The value as the key of a dictionary."""
        settled = self.settled(value, node)
        if not isinstance(settled, str | int | float | tuple | Named | Dtype | None):
            self.source.refuse(node, f"{describe(value)} is no key")
        return settled

    def function(self, node: ast.FunctionDef | ast.Lambda) -> Function:
        """A function as it is defined here: its defaults are evaluated now."""
        own = node.args
        names = [parameter.arg for parameter in (*own.posonlyargs, *own.args)]
        pairs = list(zip(reversed(names), reversed(own.defaults), strict=False))
        for parameter, default in zip(own.kwonlyargs, own.kw_defaults, strict=True):
            if default is not None:
                pairs.append((parameter.arg, default))
        defaults = {name: self._default(default) for name, default in pairs}
        return Function(node, self.scopes.chain, defaults)

    def _default(self, node: ast.expr) -> Any:
        try:
            return self.evaluate(node)
        except NkiError as error:
            return Unreadable(error)

    def _Lambda(self, node: ast.Lambda) -> Function:  # noqa: N802
        return self.function(node)

    def _IfExp(self, node: ast.IfExp) -> Any:  # noqa: N802
        return self.evaluate(node.body if self.condition(node.test) else node.orelse)

    def _NamedExpr(self, node: ast.NamedExpr) -> Any:  # noqa: N802
        value = self.evaluate(node.value)
        self.scopes.write(node.target.id, value)
        return value

    def _BoolOp(self, node: ast.BoolOp) -> Any:  # noqa: N802
        is_and = isinstance(node.op, ast.And)
        value: Any = is_and
        past = list[LoopVariable]()
        for part in node.values:
            value = self.evaluate(part)
            if isinstance(value, PastFirst) and not is_and:
                past.extend(value.variables)
                value = PastFirst(tuple(past))
                continue
            if self.truth(value, part) != is_and:
                return value
        return PastFirst(tuple(past)) if past else value

    def condition(self, node: ast.expr) -> bool:
        """The truth of an expression that must not depend on data."""
        return self.truth(self.evaluate(node), node)

    def truth(self, value: Any, node: ast.AST) -> bool:
        if isinstance(value, Index):
            return bool(value.require_constant())
        if isinstance(value, PastFirst):
            raise UnrollRequest(value.loop)
        if isinstance(value, View | Mask | Grid):
            self.source.refuse(
                node,
                f"a condition on {describe(value)} depends on data",
                "use nl.where or a mask",
            )
        return bool(value)

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:  # noqa: N802
        value = self.evaluate(node.operand)
        if isinstance(node.op, ast.Not):
            return not self.truth(value, node.operand)
        if isinstance(node.op, ast.UAdd):
            return value
        if isinstance(node.op, ast.Invert) and isinstance(value, int):
            return ~value
        if isinstance(node.op, ast.USub):
            if isinstance(value, View):
                return self.language.multiply_by(value, -1.0, node)
            if isinstance(value, Grid):
                return grids.scale(value, -1)
            if isinstance(value, int | float | Index):
                return negate(value)
        return self.source.refuse(node, f"no such operator on {describe(value)}")

    def _BinOp(self, node: ast.BinOp) -> Any:  # noqa: N802
        symbol = BINARY.get(type(node.op))
        if symbol is None:
            self.source.refuse(node, "@ is not understood", "use nl.matmul or nisa.nc_matmul")
        return self.binary(symbol, self.evaluate(node.left), self.evaluate(node.right), node)

    def binary(self, symbol: str, left: Any, right: Any, node: ast.AST) -> Any:
        """``left symbol right`` for all kinds of values."""
        if isinstance(left, View) or isinstance(right, View):
            return self.language.binary(symbol, left, right, node)
        if isinstance(left, Mask) and isinstance(right, Mask) and symbol == "&":
            return Mask(left.bounds + right.bounds)
        if isinstance(left, Grid) or isinstance(right, Grid):
            return self._on_grids(symbol, left, right, node)
        if symbol == "%" and isinstance(left, str):
            return Label()
        if symbol == "+" and isinstance(left, str | Label) and isinstance(right, str | Label):
            return joined([left, right])
        try:
            return combine(symbol, left, right)
        except TypeError:
            words = f"{describe(left)} {symbol} {describe(right)}"
            self.source.refuse(node, f"{words} has no meaning here")
        except ZeroDivisionError:
            self.source.refuse(node, "division by zero")

    def _on_grids(self, symbol: str, left: Any, right: Any, node: ast.AST) -> Grid:
        for value in (left, right):
            if not isinstance(value, Grid | Index | int):
                self.source.refuse(node, f"an index tile {symbol} {describe(value)}")
        if symbol in "+-":
            sign = 1 if symbol == "+" else -1
            other = (
                grids.scale(right, sign) if isinstance(right, Grid) else combine("*", right, sign)
            )
            return grids.add(left, other)
        if symbol == "*":
            grid, factor = (left, right) if isinstance(left, Grid) else (right, left)
            if isinstance(factor, Index):
                factor = factor.require_constant()
            if isinstance(factor, int):
                return grids.scale(grid, factor)
        return self.source.refuse(
            node, f"an index tile {symbol} {describe(right)} is not affine", "use +, - and * number"
        )

    def _Compare(self, node: ast.Compare) -> Any:  # noqa: N802
        left = self.evaluate(node.left)
        undecided = list[Any]()
        for kind, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(right_node)
            result = self._compared(kind, left, right, node)
            if isinstance(result, bool):
                if not result:
                    return False
            else:
                undecided.append(result)
            left = right
        if len(undecided) == 1 and len(node.ops) == 1:
            return undecided[0]
        return all(self.truth(one, node) for one in undecided)

    def _compared(self, kind: ast.cmpop, left: Any, right: Any, node: ast.AST) -> Any:
        if isinstance(kind, ast.Is | ast.IsNot):
            same = left is right or (left is not None and left == right)
            return same == isinstance(kind, ast.Is)
        if isinstance(kind, ast.In | ast.NotIn):
            if not isinstance(right, tuple | list | dict | str):
                self.source.refuse(node, f"`in` {describe(right)}")
            found = self.settled(left, node) in (
                self.settled(right, node) if isinstance(right, tuple | list) else right
            )
            return found == isinstance(kind, ast.In)
        symbol = COMPARE[type(kind)]
        if isinstance(left, tuple | list | Label) or isinstance(right, tuple | list | Label):
            left, right = self.settled(left, node), self.settled(right, node)
        if isinstance(left, View) or isinstance(right, View):
            return self.language.binary(symbol, left, right, node)
        if isinstance(left, Grid) or isinstance(right, Grid):
            return grids.compare(symbol, left, right)
        if isinstance(left, int | Index) and isinstance(right, int | Index):
            return past_first(symbol, left, right) or compare_integers(symbol, left, right)
        try:
            return bool(COMPARISONS[symbol](left, right))
        except TypeError:
            return self.source.refuse(
                node, f"{describe(left)} {symbol} {describe(right)} has no meaning here"
            )

    def _Attribute(self, node: ast.Attribute) -> Any:  # noqa: N802
        return self.attribute(self.evaluate(node.value), node.attr, node)

    def attribute(self, value: Any, name: str, node: ast.AST) -> Any:
        """``value.name``."""
        if isinstance(value, Library | Named):
            found = attribute_of_library(value, name)
            if found is None:
                self.source.refuse(node, f"{value} has no {name!r} that is understood")
            return constant_of(found)
        if isinstance(value, View):
            return self._attribute_of_view(value, name, node)
        if isinstance(value, Record | RecordClass) and has_attribute(value, name):
            return attribute(self, value, name, node)
        if isinstance(value, grids.GridTuple) and name in grids.GridTuple.NAMES:
            return value[grids.GridTuple.NAMES.index(name)]
        if self.language.is_method(value, name):
            return Method(value, name)
        return self.source.refuse(node, f"{describe(value)} has no {name!r}")

    def _attribute_of_view(self, view: View, name: str, node: ast.AST) -> Any:
        if name == "shape":
            return view.shape
        if name == "dtype":
            return view.dtype
        if name == "ndim":
            return len(view.shape)
        if name == "buffer":
            return Named("nl", view.space.value)
        if not self.language.is_method(view, name):
            self.source.refuse(node, f"a tile has no {name!r} that is understood")
        return Method(view, name)

    def _Slice(self, node: ast.Slice) -> Slice:  # noqa: N802
        start, stop = (
            None if part is None else self._slice_end(part) for part in (node.lower, node.upper)
        )
        step = None if node.step is None else self.integer(node.step, "the step of a slice")
        return Slice(start, stop, step)

    def _slice_end(self, node: ast.expr) -> Any:
        value = self.evaluate(node)
        if value is not None and not isinstance(value, int | Index):
            self.source.refuse(node, f"a slice ends at {describe(value)}")
        return value

    def _Subscript(self, node: ast.Subscript) -> Any:  # noqa: N802
        value, index = self.evaluate(node.value), self.evaluate(node.slice)
        items = index if isinstance(index, tuple) else (index,)
        if isinstance(value, View):
            return select(value, self.resolve_items(items, node))
        if isinstance(value, Grid):
            return grids.select_axes(value, items)
        if value == Named("nl", "mgrid"):
            if not all(isinstance(item, Slice) for item in items):
                self.source.refuse(node, "nl.mgrid takes slices")
            return grids.mgrid(items)
        if isinstance(value, dict):
            key = self.key(index, node)
            if key not in value:
                self.source.refuse(node, f"no key {key!r}")
            return value[key]
        if isinstance(value, Function):
            return Launch(value, grid_of(self.source, items, node))
        return self._element(value, index, node)

    def resolve_items(self, items: Sequence[Any], node: ast.AST) -> list[Any]:
        """Indices of an array, checked for their kind."""
        allowed = int | Index | Slice | Segment | Grid
        flat = list[Any]()
        for item in items:
            flat.extend(item if isinstance(item, grids.GridTuple) else [item])
        for item in flat:
            if isinstance(item, View):
                self.source.refuse(
                    node, "an index that is data needs an indirect DMA, which is not understood"
                )
            if item is not None and item is not Ellipsis and not isinstance(item, allowed):
                self.source.refuse(node, f"{describe(item)} is no index of an array")
        return flat

    def _element(self, value: Any, index: Any, node: ast.AST) -> Any:
        if isinstance(value, Record) and value.kind.is_tuple:
            value = value.elements
        if not isinstance(value, tuple | list | str):
            self.source.refuse(node, f"{describe(value)} has no elements")
        if isinstance(index, Slice):
            start, stop = (
                end.require_constant() if isinstance(end, Index) else end
                for end in (index.start, index.stop)
            )
            return value[start : stop : index.step]
        if isinstance(index, Index):
            index = index.require_constant()
        if not isinstance(index, int) or not -len(value) <= index < len(value):
            self.source.refuse(node, f"index {index!r} of {len(value)} elements")
        return value[index]

    def _ListComp(self, node: ast.ListComp) -> list[Any]:  # noqa: N802
        return self.language.new_list(list(self._comprehended(node.generators, node.elt)))

    def _GeneratorExp(self, node: ast.GeneratorExp) -> list[Any]:  # noqa: N802
        return list(self._comprehended(node.generators, node.elt))

    def _DictComp(self, node: ast.DictComp) -> dict[Any, Any]:  # noqa: N802
        pair = ast.copy_location(ast.Tuple([node.key, node.value], ast.Load()), node)
        return self.language.new_dict(dict(self._comprehended(node.generators, pair)))

    def _comprehended(
        self, generators: Sequence[ast.comprehension], element: ast.expr
    ) -> Iterator[Any]:
        outer = self.scopes
        self.scopes = Scopes((*outer.chain, {}), outer.loops)
        try:
            yield from self._generate(list(generators), element)
        finally:
            self.scopes = outer

    def _generate(self, generators: list[ast.comprehension], element: ast.expr) -> Iterator[Any]:
        if not generators:
            yield self.evaluate(element)
            return
        first, *rest = generators
        for value in self.iterate(self.evaluate(first.iter), first.iter):
            self.assign(first.target, value)
            if all(self.condition(test) for test in first.ifs):
                yield from self._generate(rest, element)

    def iterate(self, value: Any, node: ast.AST) -> list[Any]:
        """The values of an iterable that is known at reading time."""
        if isinstance(value, LoopRange):
            numbers = range(
                Index.of(value.lower).require_constant(),
                Index.of(value.upper).require_constant(),
                value.step,
            )
            if len(numbers) > MAX_ITEMS:
                self.source.refuse(node, f"over {MAX_ITEMS} iterations")
            return list(numbers)
        if isinstance(value, tuple | list | str):
            return list(value)
        if isinstance(value, dict):
            return list(value)
        if isinstance(value, Record) and value.kind.is_tuple:
            return list(value.elements)
        return self.source.refuse(node, f"{describe(value)} cannot be iterated over")

    def assign(self, target: ast.expr, value: Any) -> None:
        """Bind a name, or several from a tuple."""
        raise NotImplementedError

    def _Call(self, node: ast.Call) -> Any:  # noqa: N802
        function = self.evaluate(node.func)
        arguments = self._elements(node.args)
        named = dict[str, Any]()
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is not None:
                named[keyword.arg] = value
            elif isinstance(value, dict):
                named.update({str(name): given for name, given in value.items()})
            else:
                self.source.refuse(keyword.value, f"** of {describe(value)}")
        return self.call(function, arguments, named, node)

    def call(self, function: Any, arguments: list[Any], named: dict[str, Any], node: Any) -> Any:
        """Call a function of the kernel's file, a method, or a function of a library."""
        if isinstance(function, Function):
            return self.inline(function, arguments, named, node)
        if isinstance(function, Launch):
            return launch(self, function, arguments, named, node)
        if isinstance(function, Method):
            return self.language.method(function, arguments, named, node)
        if isinstance(function, Named):
            return self.language.call(function, arguments, named, node)
        if isinstance(function, RecordClass):
            return construct(self, function, arguments, named, node)
        if isinstance(function, Partial):
            given, defaults = [*function.given, *arguments], {**function.named, **named}
            return self.call(function.function, given, defaults, node)
        if isinstance(function, Dtype):
            self.source.refuse(node, f"{function.name} is a type, not a function")
        return self.source.refuse(node, f"{describe(function)} cannot be called")

    def inline(
        self, function: Function, arguments: list[Any], named: dict[str, Any], node: ast.AST
    ) -> Any:
        """Read the body of a function as if it stood here."""
        raise NotImplementedError


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def readable(value: Any) -> Any:
    """What a name means; raises its error where that is not understood."""
    if isinstance(value, Unreadable):
        raise value.error
    return value
