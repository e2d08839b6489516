"""Random value terms of mixed types, and small changes of them, for the test of the lemmas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from ..core.terms import Term, constant, is_float, term
from ..lemmas.ranges import Range, type_range

WIDTHS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64}
SLOTS = tuple(
    term("slot", type, payload=("input", place, place))
    for place, type in enumerate(("i8", "i8", "i16", "i32", "i32", "i64"))
)
"""The leaves: elements of six input arrays."""
_ORDER = ("slt", "sle", "sgt", "sge", "eq", "ne", "ult", "ule", "ugt", "uge")
_FLOAT_ORDER = ("olt", "ole", "ogt", "oge", "ult", "ugt")
_BINARY = (
    *("addi", "subi", "muli", "andi", "ori", "xori"),
    *("minsi", "maxsi", "minui", "maxui"),
)
_DIVISIONS = ("divsi", "remsi", "floordivsi", "divui", "remui")
_SHIFTS = ("shrsi", "shrui", "shli")
_SIBLINGS = (
    *(("extsi", "extui"), _SHIFTS, _DIVISIONS, _BINARY, ("addf", "subf")),
    *(("sitofp", "uitofp"), ("fptosi", "fptoui")),
    *(("floor", "ceil", "roundeven"), ("minimumf", "maximumf", "minnumf", "maxnumf")),
)
_FLOAT_BOUNDS = (127.0, -128.0, 0.0, 6.0, 255.0, 0.5)


class RandomTerms:
    """Terms such as post-operations of C kernels are made of, from a random number generator."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def any(self) -> Term:
        return self._integer(self._rng.choice(list(WIDTHS)), self._rng.randrange(1, 6))

    def ranges(self) -> dict[Term, Range]:
        """Bounds of some of the slots."""
        found: dict[Term, Range] = {}
        for slot in SLOTS:
            least, greatest = type_range(slot.type)
            low = self._rng.choice((0, -1, -100, least, 1))
            high = self._rng.choice((0, 1, 100, 127, greatest))
            if low <= high and self._rng.random() < 0.3:
                found[slot] = (low, high)
        return found

    def changed(self, value: Term) -> Term:
        """The term with one random operation, constant or leaf of it replaced."""
        nodes = [value]
        for node in nodes:
            nodes.extend(node.operands)
        place = self._rng.choice(nodes)
        return _replaced(value, place, self._sibling(place))

    # Terms by type.

    def _constant(self, type: str) -> Term:
        low, high = (int(bound) for bound in type_range(type))
        special = (
            0,
            1,
            2,
            3,
            -1,
            7,
            127,
            -128,
            128,
            255,
            -129,
            low,
            high,
            self._uniform(low, high),
        )
        return constant((self._rng.choice(special) - low) % (high - low + 1) + low, type)

    def _uniform(self, low: int, high: int) -> int:
        return self._rng.randint(low, high)

    def _integer(self, type: str, depth: int) -> Term:
        if depth <= 0:
            same = [slot for slot in SLOTS if slot.type == type]
            return self._rng.choice(same) if self._rng.random() < 0.85 else self._constant(type)
        makers = (
            *(self._narrowed, self._widened, self._selected, self._clamped, self._shifted),
            *(self._divided, self._converted, self._binary, self._binary, self._binary),
        )
        return self._rng.choice(makers)(type, depth - 1)

    def _binary(self, type: str, depth: int) -> Term:
        left = self._integer(type, depth)
        simple = self._rng.random() < 0.6
        right = self._constant(type) if simple else self._integer(type, depth)
        return term(self._rng.choice(_BINARY), type, left, right)

    def _narrowed(self, type: str, depth: int) -> Term:
        wider = [other for other, width in WIDTHS.items() if width > WIDTHS[type]]
        if not wider:
            return self._binary(type, depth)
        return term("trunci", type, self._integer(self._rng.choice(wider), depth))

    def _widened(self, type: str, depth: int) -> Term:
        narrower = [other for other, width in WIDTHS.items() if width < WIDTHS[type]]
        operation = self._rng.choice(("extsi", "extui"))
        if not narrower or self._rng.random() < 0.3:
            return term(operation, type, self._truth(depth))
        return term(operation, type, self._integer(self._rng.choice(narrower), depth))

    def _truth(self, depth: int) -> Term:
        type = self._rng.choice(list(WIDTHS))
        left = self._integer(type, depth - 1)
        simple = depth <= 0 or self._rng.random() < 0.7
        right = self._constant(type) if simple else self._integer(type, depth - 1)
        truth = term("cmpi", "i1", left, right, payload=self._rng.choice(_ORDER))
        if depth > 0 and self._rng.random() < 0.3:
            operation = self._rng.choice(("andi", "ori", "xori"))
            return term(operation, "i1", truth, self._truth(depth - 1))
        return truth

    def _selected(self, type: str, depth: int) -> Term:
        branches = [self._integer(type, depth), self._constant(type)]
        condition = self._truth(depth)
        if self._rng.random() < 0.5:
            order = self._rng.choice(_ORDER)
            condition = term("cmpi", "i1", branches[0], branches[1], payload=order)
        self._rng.shuffle(branches)
        return term("select", type, condition, *branches)

    def _clamped(self, type: str, depth: int) -> Term:
        """``x > high ? high : x < low ? low : (type)x``, sometimes off by one."""
        wider = [other for other, width in WIDTHS.items() if width > WIDTHS[type]]
        if not wider:
            return self._selected(type, depth)
        wide = self._rng.choice(wider)
        value = self._integer(wide, depth)
        result = term("trunci", type, value)
        for bound, order in zip(type_range(type), (("slt", "sle"), ("sgt", "sge")), strict=True):
            near = constant(int(bound) + self._rng.choice((0, 0, 1, -1)), wide)
            condition = term("cmpi", "i1", value, near, payload=self._rng.choice(order))
            result = term("select", type, condition, constant(int(bound), type), result)
        return result

    def _shifted(self, type: str, depth: int) -> Term:
        amount = constant(self._rng.randrange(WIDTHS[type]), type)
        return term(self._rng.choice(_SHIFTS), type, self._integer(type, depth), amount)

    def _divided(self, type: str, depth: int) -> Term:
        divisor = constant(self._rng.choice((2, 3, 5, 7, 8, 16, 64)), type)
        return term(self._rng.choice(_DIVISIONS), type, self._integer(type, depth), divisor)

    def _converted(self, type: str, depth: int) -> Term:
        name = self._rng.choice(("fptosi", "fptoui"))
        return term(name, type, self._float(self._rng.choice(("f32", "f64")), depth))

    def _float(self, type: str, depth: int) -> Term:
        kind = self._rng.randrange(6)
        if depth <= 0 or kind == 0:
            whole = self._integer(self._rng.choice(("i8", "i16", "i32")), depth - 1)
            return term(self._rng.choice(("sitofp", "uitofp")), type, whole)
        inner = self._float(type, depth - 1)
        bound = constant(self._rng.choice(_FLOAT_BOUNDS), type)
        if kind == 1:
            scale = self._rng.choice((0.5, 1.0, 2.0, 1 / 64, 0.013, -1.0, 3.7, 0.0))
            return term("mulf", type, inner, constant(scale, type))
        if kind == 2:
            limits = ("minimumf", "maximumf", "minnumf", "maxnumf")
            return term(self._rng.choice(limits), type, inner, bound)
        if kind == 3:
            rounding = ("roundeven", "floor", "ceil", "absf", "negf")
            return term(self._rng.choice(rounding), type, inner)
        if kind == 4:
            order = self._rng.choice(_FLOAT_ORDER)
            condition = term("cmpf", "i1", inner, bound, payload=order)
            branches = self._rng.choice(((inner, bound), (bound, inner)))
            return term("select", type, condition, *branches)
        return term(self._rng.choice(("addf", "subf")), type, inner, bound)

    # Changes.

    def _sibling(self, value: Term) -> Term:
        if value.operation == "constant" and value.type in WIDTHS:
            return self._constant(value.type)
        if value.operation == "constant" and is_float(value.type):
            return constant(self._rng.choice(_FLOAT_BOUNDS), value.type)
        if value.operation == "slot":
            return self._rng.choice([slot for slot in SLOTS if slot.type == value.type])
        if value.operation in ("cmpi", "cmpf"):
            orders = _ORDER if value.operation == "cmpi" else _FLOAT_ORDER
            order = self._rng.choice(orders)
            return term(value.operation, "i1", *value.operands, payload=order)
        if value.operation == "select":
            condition, then, otherwise = value.operands
            return term("select", value.type, condition, otherwise, then)
        operation = self._other_operation(value)
        return term(operation, value.type, *value.operands, payload=value.payload)

    def _other_operation(self, value: Term) -> str:
        found: Sequence[str] = (value.operation,)
        for group in _SIBLINGS:
            if value.operation in group:
                found = ("andi", "ori", "xori") if value.type == "i1" else group
        return self._rng.choice(found)


def _replaced(value: Term, old: Term, new: Term) -> Term:
    """The term with all occurrences of a part replaced; a divisor stays what it was."""
    done: Mapping[Term, Term] = {old: new}

    def visit(node: Term) -> Term:
        if node in done:
            return done[node]
        operands = tuple(visit(operand) for operand in node.operands)
        if node.operation in (*_DIVISIONS, *_SHIFTS):
            operands = (operands[0], node.operands[1])
        return term(node.operation, node.type, *operands, payload=node.payload)

    return visit(value)
