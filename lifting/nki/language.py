"""Calls: Python's own functions on numbers and lists, and the way to those of NKI."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...dialects.trn.types import Operator, Space
from . import isa_calls, language_calls, reshaping
from .arithmetic import MAX_ITEMS, combine, least
from .call_arguments import Arguments
from .index import Index, UnrollRequest
from .indexing import Slice, clip
from .isa_common import fill
from .library import BETA_2, IGNORED_IMPORTS, attribute_of_library, constant_of, library_of_import
from .source import NkiError
from .texts import Label, formatted
from .tiles import Tiles
from .values import LoopRange, Method, Named, Partial, View

if TYPE_CHECKING:
    from .reader import KernelReader

SYMBOLS = {
    "+": Operator.ADD,
    "-": Operator.SUBTRACT,
    "*": Operator.MULTIPLY,
    "/": Operator.DIVIDE,
    "**": Operator.POWER,
    "&": Operator.BITWISE_AND,
    "|": Operator.BITWISE_OR,
    "^": Operator.BITWISE_XOR,
    "<<": Operator.LEFT_SHIFT,
    ">>": Operator.RIGHT_SHIFT,
    "==": Operator.EQUAL,
    "!=": Operator.NOT_EQUAL,
    ">": Operator.GREATER,
    ">=": Operator.GREATER_EQUAL,
    "<": Operator.LESS,
    "<=": Operator.LESS_EQUAL,
}
"""Operators of Python on tiles."""
LOOP_RANGES = ("affine_range", "sequential_range", "static_range", "dynamic_range")


class Language:
    """What calls, operators on tiles and assignments to tiles do."""

    def __init__(self, reader: KernelReader) -> None:
        self.reader = reader
        self.tiles = Tiles(reader)
        self.returns_tiles = True
        """Whether instructions return their result (NKI-1) or write ``dst`` (Beta 2)."""
        self._containers: dict[int, tuple[Any, int, int]] = {}

    # Lists and dictionaries: one that is changed in a loop which stays a loop unrolls that loop.

    def new_list(self, values: list[Any]) -> list[Any]:
        self._containers[id(values)] = (
            values,
            len(self.reader.variables),
            len(self.reader.branches),
        )
        return values

    def new_dict(self, values: dict[Any, Any]) -> dict[Any, Any]:
        self._containers[id(values)] = (
            values,
            len(self.reader.variables),
            len(self.reader.branches),
        )
        return values

    def mutate(self, container: Any) -> None:
        _, depth, branches = self._containers.get(id(container), (container, 0, 0))
        if self.reader.branches[branches:]:
            raise UnrollRequest(self.reader.branches[branches])
        inside = self.reader.variables[depth:]
        if inside:
            raise UnrollRequest(inside[0].loop)

    # Imports.

    def imports(self, node: ast.Import | ast.ImportFrom, bind: Callable[[str, Any], None]) -> None:
        """Bind what an import statement names, as far as it is understood."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                library = library_of_import(alias.name)
                root = alias.name.split(".")[0]
                self._note_form(root)
                if library is None and root not in IGNORED_IMPORTS:
                    continue
                if library is not None:
                    top = library_of_import(root) or library
                    bind(alias.asname or root, library if alias.asname else top)
            return
        module = node.module or ""
        self._note_form(module.split(".")[0])
        library = library_of_import(module)
        for alias in node.names:
            submodule = library_of_import(f"{module}.{alias.name}")
            if submodule is not None:
                bind(alias.asname or alias.name, submodule)
            elif library is not None:
                found = attribute_of_library(library, alias.name)
                bind(alias.asname or alias.name, constant_of(found))

    def _note_form(self, root: str) -> None:
        if root == BETA_2:
            self.returns_tiles = False
        elif root == "neuronxcc":
            self.returns_tiles = True

    # Operators and assignments.

    def binary(self, symbol: str, left: Any, right: Any, node: ast.AST) -> View:
        operator = SYMBOLS.get(symbol)
        if operator is None:
            self.reader.source.refuse(node, f"{symbol} is not understood on tiles")
        return self.tiles.binary(operator, left, right, None, node)

    def multiply_by(self, value: View, factor: float, node: ast.AST) -> View:
        return self.tiles.binary(Operator.MULTIPLY, value, factor, None, node)

    def write(self, target: View, value: Any, node: ast.AST) -> None:
        """``target[...] = value``."""
        if not isinstance(value, View):
            number = self.tiles.number(value, node)
            return fill(self.tiles, target, float(number), node)
        if self.tiles.take_over(value, target):
            return None
        if _count(value.shape) != _count(target.shape) or len(value.shape) > len(target.shape):
            value = self.tiles.broadcast(_squeezed(value, target), target.shape, node)
        filled = value.array.valid
        if filled is None or not value.array.is_masked or value.shape != target.shape:
            return self.tiles.copy(value, target, node)
        is_new = not target.array.buffer.uses
        part, place = (clip(one, one.shape, {0: filled}) for one in (value, target))
        self.tiles.copy(part, place, node)
        if is_new:
            self.tiles.note_mask(target, place)
        return None

    def update(self, symbol: str, target: View, value: Any, node: ast.AST) -> None:
        """``target += value``: a matrix product into PSUM accumulates there."""
        if symbol == "+" and target.space == Space.PSUM and self._accumulate(target, value, node):
            return
        operator = SYMBOLS.get(symbol)
        if operator is None:
            self.reader.source.refuse(node, f"{symbol}= is not understood on tiles")
        self.tiles.binary(operator, target, value, target, node)

    def _accumulate(self, target: View, value: Any, node: ast.AST) -> bool:
        taken = self.tiles.take_product(value)
        if taken is None:
            return False
        self.tiles.accumulate(*taken, target, node)
        return True

    # Calls.

    def call(self, function: Named, given: list[Any], named: dict[str, Any], node: ast.AST) -> Any:
        if function.library == "python":
            return self._python(function.name, given, named, node)
        if function.library in ("math", "np"):
            found = self._number(function, given, node)
            if found is not None:
                return found
        if function == Named("functools", "partial") and given:
            return Partial(given[0], tuple(given[1:]), named)
        if function.library == "ncc" and function.name.split(".")[0] in ("sbuf", "psum"):
            return Named("nl", function.name.split(".")[0])  # places of buffers are not read
        if function.library == "nl" and function.name in LOOP_RANGES:
            return self._range(given, node, function.name == "static_range")
        handler: Any = None
        if function.library == "nisa":
            handler = isa_calls.CALLS.get(function.name)
        elif function.library in ("nl", "np"):
            handler = language_calls.CALLS.get(function.name)
        if handler is None:
            self.reader.source.refuse(
                node,
                f"{function} is not understood",
                "docs/trainium.md lists what is",
            )
        names, run = handler
        if "dst" in names and (not self.returns_tiles or "dst" in named):
            names = ("dst", *(name for name in names if name != "dst"))
        arguments = Arguments(self.reader.source, node, str(function), names, given, named)
        return run(self.tiles, arguments)

    def is_method(self, value: Any, name: str) -> bool:
        """Whether a value has a method of this name that is understood."""
        if isinstance(value, View):
            return name in reshaping.METHODS
        return any(isinstance(value, kind) and name in names for kind, names in METHODS.items())

    def method(self, method: Method, given: list[Any], named: dict[str, Any], node: ast.AST) -> Any:
        """Call a method that ``is_method`` has admitted."""
        value = method.value
        if isinstance(value, View):
            return reshaping.METHODS[method.name](self.tiles, value, given, named, node)
        if isinstance(value, str):
            return self._text_method(value, method.name, given, node)
        if method.name in CHANGES:
            self.mutate(value)
        if isinstance(value, list):
            given = [v.require_constant() if isinstance(v, Index) else v for v in given]
            return getattr(value, method.name)(*given)
        if method.name in ("get", "pop", "setdefault"):
            given = [self.reader.key(one, node) for one in given[:1]] + given[1:]
            return getattr(value, method.name)(*given)
        if method.name == "update":
            return value.update(*given, **named)
        return self.new_list(list(getattr(value, method.name)()))

    def _text_method(self, value: str, name: str, given: list[Any], node: ast.AST) -> Any:
        if name == "format":
            return Label()
        if not all(isinstance(one, str) for one in given):
            self.reader.source.refuse(node, f"{name} takes texts")
        return getattr(value, name)(*given)

    def _range(self, given: list[Any], node: ast.AST, is_static: bool = False) -> LoopRange:
        for value in given:
            if not isinstance(value, int | Index):
                self.reader.source.refuse(node, "a range counts integers")
        if not 1 <= len(given) <= 3:
            self.reader.source.refuse(node, "a range takes one to three integers")
        lower, upper = (0, given[0]) if len(given) == 1 else (given[0], given[1])
        step = given[2] if len(given) == 3 else 1
        step = step.require_constant() if isinstance(step, Index) else step
        if step == 0:
            self.reader.source.refuse(node, "a range by steps of 0")
        return LoopRange(lower, upper, step, is_static)

    def _number(self, function: Named, given: list[Any], node: ast.AST) -> Any:
        """A function of ``math`` or NumPy on plain numbers; None if it is not one."""
        compute = NUMBER_FUNCTIONS.get(function.name)
        values = [v.require_constant() if isinstance(v, Index) else v for v in given]
        if compute is None or not all(isinstance(value, int | float) for value in values):
            return None
        try:
            return compute(*values)
        except (ValueError, OverflowError, ZeroDivisionError, TypeError) as error:
            return self.reader.source.refuse(node, f"{function}: {error}")

    def _python(self, name: str, given: list[Any], named: dict[str, Any], node: ast.AST) -> Any:
        source = self.reader.source
        if name == "range":
            return self._range(given, node)
        if name == "print":
            return None
        if name == "isinstance" and len(given) == 2:
            return self._is_instance(given[0], given[1], node)
        if name in ("getattr", "hasattr") and len(given) > 1 and isinstance(given[1], str):
            try:
                found = self.reader.attribute(given[0], given[1], node)
            except NkiError:
                if name == "getattr" and len(given) < 3:
                    raise
                return False if name == "hasattr" else given[2]
            return True if name == "hasattr" else found
        if name in ("min", "max"):
            values = given if len(given) > 1 else self.reader.iterate(given[0], node)
            if not values:
                source.refuse(node, f"{name} of nothing")
            if all(isinstance(value, int | Index) for value in values):
                return least(values, name == "max")
            if not all(isinstance(value, int | float) for value in values):
                source.refuse(node, f"{name} takes numbers")
            return (min if name == "min" else max)(values)
        if name == "len":
            value = given[0] if given else None
            if isinstance(value, View):
                return value.shape[0]
            return len(self.reader.iterate(value, node))
        if name == "slice":
            ends = [None, *given] if len(given) == 1 else given
            return Slice(*[*ends, None, None][:3])
        if name in ("tuple", "list", "reversed", "enumerate", "sum", "any", "all", "sorted", "zip"):
            return self._on_iterables(name, given, named, node)
        if name == "dict":
            return self.new_dict(dict(named))
        if name == "str":
            return formatted(given[0]) if given else ""
        if given and isinstance(given[0], Index) and name in ("int", "abs"):
            return given[0] if name == "int" else abs(given[0].require_constant())
        values = [v.require_constant() if isinstance(v, Index) else v for v in given]
        kinds = (int, float, str) if name in ("int", "float") else (int, float)
        if not values or not all(isinstance(value, kinds) for value in values):
            source.refuse(node, f"{name} takes numbers")
        try:
            return NUMBER_FUNCTIONS[name](*values)
        except (ValueError, OverflowError, ZeroDivisionError, TypeError) as error:
            return source.refuse(node, f"{name}: {error}")

    def _is_instance(self, value: Any, kinds: Any, node: ast.AST) -> bool:
        for kind in kinds if isinstance(kinds, tuple) else (kinds,):
            if not isinstance(kind, Named) or kind.library != "python" or kind.name not in TYPES:
                self.reader.source.refuse(node, "isinstance is understood for Python's types only")
            if isinstance(value, TYPES[kind.name]):
                return True
        return False

    def _on_iterables(
        self, name: str, given: list[Any], named: dict[str, Any], node: ast.AST
    ) -> Any:
        lists = [self.reader.iterate(value, node) for value in given[:1] or [()]]
        if name == "zip":
            lists = [self.reader.iterate(value, node) for value in given]
            return list(zip(*lists, strict=False))
        values = lists[0]
        if len(values) > MAX_ITEMS:
            self.reader.source.refuse(node, f"over {MAX_ITEMS} values")
        if name == "tuple":
            return tuple(values)
        if name == "list":
            return self.new_list(list(values))
        if name == "reversed":
            return list(reversed(values))
        if name == "enumerate":
            start = given[1] if len(given) > 1 else named.get("start", 0)
            return [(place + start, value) for place, value in enumerate(values)]
        if name in ("any", "all"):
            truths = [self.reader.truth(value, node) for value in values]
            return any(truths) if name == "any" else all(truths)
        if not all(isinstance(value, int | float | Index) for value in values):
            self.reader.source.refuse(node, f"{name} takes numbers")
        if name == "sorted":
            return sorted(v.require_constant() if isinstance(v, Index) else v for v in values)
        total: Any = given[1] if len(given) > 1 else 0
        for value in values:
            total = combine("+", total, value)
        return total


def _count(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


def _squeezed(value: View, target: View) -> View:
    """``value`` without leading dimensions of size 1 that the target does not have."""
    dimensions = value.dimensions
    while len(dimensions) > len(target.shape) and dimensions[0].size == 1:
        dimensions = dimensions[1:]
    return value.with_dimensions(dimensions)


METHODS: dict[type[Any], tuple[str, ...]] = {
    list: ("append", "extend", "insert", "pop", "clear", "reverse"),
    dict: ("keys", "values", "items", "get", "pop", "setdefault", "update"),
    str: ("format", "lower", "upper", "startswith", "endswith"),
}
"""Methods of Python's own values."""
CHANGES = frozenset((*METHODS[list], "setdefault", "update"))
"""Those that change the value."""
TYPES: dict[str, Any] = {
    "int": int | Index,
    "float": float,
    "bool": bool,
    "str": str | Label,
    "tuple": tuple,
    "list": list,
    "dict": dict,
}
"""Python's types, as ``isinstance`` tells values apart."""
NUMBER_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "int": int,
    "float": float,
    "bool": bool,
    "round": round,
    "divmod": divmod,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "ceil": math.ceil,
    "floor": math.floor,
    "pow": math.pow,
    "prod": lambda value: value,
    "cos": math.cos,
    "sin": math.sin,
    "tanh": math.tanh,
    "gcd": math.gcd,
}
