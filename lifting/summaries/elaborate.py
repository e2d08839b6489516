"""From syntax trees of the summary language to values and terms."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lark import Token, Tree
from xdsl.dialects.builtin import i1

from ...diagnostics import Diagnostic, SourceLocation
from ..invariants.simplify import add, constant, index, subtract
from ..invariants.terms import INDEX, Symbol, Term
from . import reductions, scalars
from .operators import BINDING, OPERATORS, transposed
from .parser import Node
from .values import Value, as_index, converted, literal, scalar

Scope = Mapping[str, Value]


@dataclass(frozen=True)
class Elaborator:
    """Gives meaning to trees; ``scope`` holds the names that are known."""

    scope: Scope
    file: str = "summary"

    def value(self, node: Node | Token) -> Value:
        """The value of an expression; raises :class:`Diagnostic` with its place."""
        found = self.item(node)
        if isinstance(found, list):
            raise self._error(node, "a tuple is no value here", "choose a part of it: (…)[0]")
        return found

    def item(self, node: Node | Token) -> Value | list[Value]:
        """The value of an expression, which may be a tuple."""
        assert isinstance(node, Tree)
        rule = getattr(self, f"_{node.data}", None)
        assert rule is not None, node.data
        try:
            return rule(node)
        except Diagnostic as problem:
            if problem.location is not None:
                raise
            raise self._error(node, problem.message, problem.hint) from None

    def _error(self, node: Node | Token, message: str, hint: str = "") -> Diagnostic:
        line, column = 1, 1
        if isinstance(node, Token):
            line, column = node.line or 1, node.column or 1
        elif not node.meta.empty:
            line, column = node.meta.line, node.meta.column
        return Diagnostic(message, SourceLocation(self.file, line, column), hint)

    def _values(self, nodes: Sequence[Node | Token]) -> list[Value]:
        return [self.value(node) for node in nodes]

    # Atoms.

    def _name(self, node: Node) -> Value:
        (token,) = node.children
        name = str(token)
        constants = {"True": 1, "False": 0}
        if name in constants:
            return scalar(constant(constants[name], i1))
        if name not in self.scope:
            near = difflib.get_close_matches(name, [*self.scope, *OPERATORS], 1)
            known = ", ".join(self.scope)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {known}"
            raise self._error(node, f"the name '{name}' is not known", hint)
        return self.scope[name]

    def _number(self, node: Node) -> Value:
        text = str(node.children[0])
        if text.lower().startswith("0x"):
            return literal(int(text, 16))
        if text.isdecimal():
            if len(text) > 20:
                raise Diagnostic("the number does not fit 64 bits")
            return literal(int(text))
        return literal(float(text))

    def _tuple(self, node: Node) -> list[Value]:
        return self._values(node.children)

    def _lambda_(self, node: Node) -> Value:
        raise self._error(node, "a lambda stands only in fold, scan and array")

    # Operators.

    def _choice(self, node: Node) -> Value:
        then, condition, otherwise = self._values(node.children)
        return scalars.chosen(condition, then, otherwise)

    def _disjunction(self, node: Node) -> Value:
        return self._joined(node, scalars.any_of)

    def _conjunction(self, node: Node) -> Value:
        return self._joined(node, scalars.all_of)

    def _joined(self, node: Node, rule: Callable[[Value, Value], Value]) -> Value:
        first, *rest = self._values(node.children)
        for value in rest:
            first = rule(first, value)
        return first

    def _not_(self, node: Node) -> Value:
        return scalars.not_(self.value(node.children[0]))

    def _comparison(self, node: Node) -> Value:
        values = self._values(node.children[::2])
        found: Value | None = None
        for number, sign in enumerate(node.children[1::2]):
            part = scalars.compared(str(sign), values[number], values[number + 1])
            found = part if found is None else scalars.all_of(found, part)
        assert found is not None
        return found

    def _infix(self, node: Node) -> Value:
        total = self.value(node.children[0])
        for sign, operand in zip(node.children[1::2], node.children[2::2], strict=True):
            right = self.value(operand)
            if str(sign) == "@":
                total = reductions.product_of_matrices(total, right)
            else:
                total = scalars.binary(str(sign), total, right)
        return total

    _sum = _product = _shift = _infix

    def _bit_or(self, node: Node) -> Value:
        return self._joined(node, lambda a, b: scalars.binary("|", a, b))

    def _bit_xor(self, node: Node) -> Value:
        return self._joined(node, lambda a, b: scalars.binary("^", a, b))

    def _bit_and(self, node: Node) -> Value:
        return self._joined(node, lambda a, b: scalars.binary("&", a, b))

    def _negative(self, node: Node) -> Value:
        return scalars.negative(self.value(node.children[0]))

    def _inverted(self, node: Node) -> Value:
        return scalars.inverted(self.value(node.children[0]))

    # Parts of arrays.

    def _attribute(self, node: Node) -> Value | list[Value]:
        value, name = self.value(node.children[0]), str(node.children[1])
        if name == "T":
            return transposed(value)
        if name == "shape":
            return [scalar(extent) for extent in value.shape]
        raise self._error(node, f"there is no attribute '{name}'", "known are .T and .shape")

    def _element(self, node: Node) -> Value:
        base, *places = node.children
        whole = self.item(base)
        if isinstance(whole, list):
            return self._part(whole, places)
        value, axis = whole, 0
        for place in places:
            assert isinstance(place, Tree)
            if _is_none(place):
                value, axis = _with_axis(value, axis), axis + 1
                continue
            if axis >= value.rank:
                raise self._error(place, f"too many subscripts for {whole.rank} dimensions")
            if place.data == "slice":
                value, axis = self._sliced(value, axis, place), axis + 1
            else:
                value = self._chosen(value, axis, self.value(place))
        return value

    def _part(self, parts: list[Value], places: Sequence[Node | Token]) -> Value:
        chosen = self.value(places[0]).literal
        if (
            len(places) != 1
            or not isinstance(chosen, int)
            or not -len(parts) <= chosen < len(parts)
        ):
            raise Diagnostic(f"a part of a tuple is chosen by a number below {len(parts)}")
        return parts[chosen]

    def _chosen(self, value: Value, axis: int, place: Value) -> Value:
        extent = value.shape[axis]
        at = value.at
        if place.rank == 0:
            where = _from_end(place, extent)
            shape = value.shape[:axis] + value.shape[axis + 1 :]
            return replace(
                value, shape=shape, at=lambda i: at((*i[:axis], where, *i[axis:])), literal=None
            )
        if value.rank != 1:
            raise Diagnostic("subscripts that are arrays need a vector")
        places = converted(place, INDEX)
        return replace(value, shape=place.shape, at=lambda i: at((places.at(i),)))

    def _sliced(self, value: Value, axis: int, node: Node) -> Value:
        extent = value.shape[axis]
        bounds = [
            self.value(bound.children[0]) if isinstance(bound, Tree) and bound.children else None
            for bound in node.children
        ]
        step = bounds[2].literal if len(bounds) == 3 and bounds[2] is not None else 1
        if not isinstance(step, int) or step == 0:
            raise Diagnostic("the step of a slice is a number other than 0")
        if step < 0 and (bounds[0] is not None or bounds[1] is not None):
            raise Diagnostic("a slice with a negative step takes all: x[::-1]")
        low = index(0) if bounds[0] is None else _from_end(bounds[0], extent)
        high = extent if bounds[1] is None else _from_end(bounds[1], extent)
        if step == -1:
            low, length = subtract(extent, 1), extent
        elif step == 1:
            length = subtract(high, low)
        else:
            raise Diagnostic("slices have the step 1 or -1")
        shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
        at = value.at

        def moved(places: tuple[Term, ...]) -> Term:
            here = places[axis]
            there = add(low, here) if step == 1 else subtract(low, here)
            return at((*places[:axis], there, *places[axis + 1 :]))

        return replace(value, shape=shape, at=moved)

    # Calls.

    def _call(self, node: Node) -> Value | list[Value]:
        function, arguments = node.children
        if not (isinstance(function, Tree) and function.data == "name"):
            raise self._error(function, "only the functions of the language can be called")
        name = str(function.children[0])
        given = list(arguments.children) if isinstance(arguments, Tree) else []
        if name in BINDING:
            return self._binding(name, given, node)
        if name not in OPERATORS:
            near = difflib.get_close_matches(name, [*OPERATORS, *BINDING], 1)
            hint = (
                f"did you mean '{near[0]}'?" if near else "see docs/summaries.md for all functions"
            )
            raise self._error(function, f"there is no function '{name}'", hint)
        operator = OPERATORS[name]
        values: list[Value | list[Value]] = []
        keywords: dict[str, Value] = {}
        for argument in given:
            if isinstance(argument, Tree) and argument.data == "keyword":
                key = str(argument.children[0])
                if key not in operator.keywords or key in keywords:
                    raise self._error(argument, f"{name} takes no '{key}='", operator.about)
                keywords[key] = self.value(argument.children[1])
            else:
                values.append(self.item(argument))
        if not operator.least <= len(values) + len(keywords) <= operator.most or not values:
            raise self._error(node, f"{name} takes other arguments", operator.about)
        if any(isinstance(v, list) for v in values) and name not in TAKES_TUPLES:
            raise self._error(node, "a tuple is no value here", operator.about)
        return operator.apply(*values, **keywords)

    def _binding(self, name: str, given: Sequence[Node | Token], node: Node) -> Value | list[Value]:
        about = BINDING[name]
        function = given[0] if given else None
        if not (isinstance(function, Tree) and function.data == "lambda_"):
            raise self._error(node, f"{name} takes a lambda first", about)
        names = [str(token) for token in function.children[0].children]  # pyright: ignore[reportAttributeAccessIssue]
        body = function.children[1]
        if len(set(names)) < len(names):
            raise self._error(function, "a name is bound twice")
        if name == "array":
            if len(given) != 2:
                raise self._error(node, "array takes a lambda and a shape", about)
            return self._array(names, body, self.item(given[1]))
        if len(given) != 3 or len(names) < 2:
            raise self._error(
                node, f"{name} takes a lambda of k and a state, a range, a start", about
            )
        low, high = self._range(given[1])
        start = self.item(given[2])
        results = self._recurrence(names, body, low, high, start, every=name == "scan")
        return results if isinstance(start, list) else results[0]

    def _array(self, names: list[str], body: Node | Token, shape: Value | list[Value]) -> Value:
        extents = [as_index(v) for v in (shape if isinstance(shape, list) else [shape])]
        if len(names) != len(extents):
            raise Diagnostic(f"{len(names)} subscripts for {len(extents)} dimensions")

        def at(places: tuple[Term, ...]) -> Value:
            here = {name: scalar(place) for name, place in zip(names, places, strict=True)}
            found = replace(self, scope={**self.scope, **here}).value(body)
            if found.rank:
                raise Diagnostic("an element of array must be a scalar")
            return found

        probe = at(tuple(Symbol(INDEX, name) for name in names))
        return Value(probe.type, tuple(extents), lambda i: at(i).scalar, probe.unsigned)

    def _range(self, node: Node | Token) -> tuple[Term, Term]:
        is_range = (
            isinstance(node, Tree)
            and node.data == "call"
            and isinstance(node.children[0], Tree)
            and node.children[0].children == ["range"]
            and isinstance(node.children[1], Tree)
        )
        if not is_range or not 1 <= len(node.children[1].children) <= 2:  # pyright: ignore[reportAttributeAccessIssue]
            raise self._error(node, "the counter of a fold goes over range(low, high)")
        bounds = [as_index(v) for v in self._values(node.children[1].children)]  # pyright: ignore[reportAttributeAccessIssue]
        return (index(0), bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])

    def _recurrence(
        self,
        names: list[str],
        body: Node | Token,
        low: Term,
        high: Term,
        start: Value | list[Value],
        *,
        every: bool,
    ) -> list[Value]:
        """The states of a recurrence; their types are those that the step gives them."""
        inits = start if isinstance(start, list) else [start]
        if len(inits) != len(names) - 1 or any(init.rank for init in inits):
            raise Diagnostic(f"{len(names) - 1} states need as many scalar starts")
        counter = Symbol(INDEX, names[0])
        # A start that is a literal takes the type that the step gives it, as any literal does.
        trial = self._steps(names, body, counter, inits)
        inits = [
            converted(init, step.type, step.unsigned) if init.literal is not None else init
            for step, init in zip(trial, inits, strict=True)
        ]
        states = [Symbol(v.type, name) for v, name in zip(inits, names[1:], strict=True)]
        bound = [scalar(s, init.unsigned) for s, init in zip(states, inits, strict=True)]
        steps = self._steps(names, body, counter, bound)
        ends = [
            converted(step, init.type, init.unsigned).scalar
            for step, init in zip(steps, inits, strict=True)
        ]
        return reductions.scanned(
            counter,
            low,
            high,
            states,
            [init.scalar for init in inits],
            ends,
            every=every,
            unsigned=[init.unsigned for init in inits],
        )

    def _steps(
        self, names: list[str], body: Node | Token, counter: Symbol, states: Sequence[Value]
    ) -> list[Value]:
        """The next states, from these ones."""
        bound = dict(zip(names, [scalar(counter), *states], strict=True))
        found = replace(self, scope={**self.scope, **bound}).item(body)
        steps = found if isinstance(found, list) else [found]
        if len(steps) != len(states) or any(step.rank for step in steps):
            raise Diagnostic(f"the step must give {len(states)} scalars")
        return steps


TAKES_TUPLES = ("zeros", "full", "concatenate")


def _is_none(node: Node) -> bool:
    return node.data == "name" and node.children == ["None"]


def _with_axis(value: Value, axis: int) -> Value:
    at = value.at
    shape = (*value.shape[:axis], index(1), *value.shape[axis:])
    return replace(value, shape=shape, at=lambda i: at((*i[:axis], *i[axis + 1 :])))


def _from_end(place: Value, extent: Term) -> Term:
    """A subscript; a negative number counts from the end."""
    if isinstance(place.literal, int) and place.literal < 0:
        return add(extent, place.literal)
    return as_index(place)
