"""Terms as quantifier-free Z3 expressions (trusted core).

Integers and indices are bit-vectors of exactly their width. Elements of the inputs, and the states
of recurrences, are functions of which Z3 knows nothing but the equations that :meth:`Encoder.facts`
instantiates: a recurrence at ``t`` is its start for ``t <= lower``, else one step from ``t - 1``.
That is a definition, so it cannot contradict anything. Floats are values of an unknown sort: equal
operations on equal operands are equal, additions and products commute, and no other law holds.
What an undefined operation gives (a division by zero, a shift by too much) is unknown as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import z3
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType
from xdsl.ir import Attribute, Block

from ...diagnostics import Diagnostic
from ...validation.core.polyhedral import Unsupported
from ...validation.extract.pure_operations import FLOAT_PREDICATES, type_name
from ...validation.lemmas.scalar_encoding import Scalar, encode, sort_of
from .simplify import is_integer, state_of, substitute, subtract
from .terms import (
    Apply,
    Carried,
    Constant,
    Element,
    Fold,
    Parameter,
    Properties,
    Same,
    Symbol,
    Term,
)

_COMMUTATIVE = (arith.AddfOp, arith.MulfOp, arith.MuliOp)
_HARD = (
    *(arith.MuliOp, arith.DivSIOp, arith.DivUIOp, arith.RemSIOp, arith.RemUIOp),
    arith.FloorDivSIOp,
)
"""Operations that are hard for Z3, unless an operand is a number."""
_MIRRORED = {"lt": "gt", "le": "ge"}
_NEGATED = {"ueq": "one", "ugt": "ole", "uge": "olt", "ult": "oge", "ule": "ogt", "une": "oeq"}
"""Unordered comparisons by the ordered ones whose negations they are."""


@dataclass
class Encoder:
    """Encodes terms; equal symbols are equal constants."""

    opaque: bool = False
    """Whether products and quotients of unknowns are unknown functions of them: what follows then
    follows anyway, and Z3 need not look into multipliers."""
    has_opaque: bool = False
    _known: dict[Term, Any] = field(default_factory=dict[Term, Any])
    _folds: dict[Fold, None] = field(default_factory=dict[Fold, None])
    _unfolded: set[Fold] = field(default_factory=set[Fold])
    _laws: list[Any] = field(default_factory=list[Any])

    def encode(self, term: Term) -> Any:
        """The term as a Z3 expression; raises :class:`Diagnostic` for a type without a sort."""
        if term not in self._known:
            self._known[term] = self._encode(term)
        return self._known[term]

    def condition(self, term: Term) -> Any:
        """An ``i1`` term as a Z3 formula."""
        return self.encode(term) == 1

    def facts(self, rounds: int) -> list[Any]:
        """The defining equations of all folds met so far, and of those that these bring up."""
        found: list[Any] = []
        for _ in range(rounds):
            pending = [fold for fold in self._folds if fold not in self._unfolded]
            self._unfolded.update(pending)
            found += [self._definition(fold) for fold in pending]
        laws, self._laws = self._laws, []
        return [*found, *laws]

    def _definition(self, fold: Fold) -> Any:
        init, step, lower = unfolded(fold)
        upper = self.encode(fold.upper)
        started = upper > self.encode(lower)
        return self.encode(fold) == z3.If(started, self.encode(step), self.encode(init))

    def _encode(self, term: Term) -> Any:
        match term:
            case Constant():
                return _constant(term)
            case Parameter(position=position):
                return z3.Const(f"parameter{position}", _sort(term.type))
            case Symbol(name=name, serial=serial):
                return z3.Const(f"{name}.{serial}", _sort(term.type))
            case Element(position=position, indices=indices):
                return self._function(f"array{position}", indices, term.type)
            case Carried(array=array, scope=scope, indices=indices):
                return self._function(f"before.{id(array)}.{scope.serial}", indices, term.type)
            case Fold():
                self._folds[term] = None
                name = f"state{term.recurrence.serial}.{term.which}"
                return self._function(name, (*term.arguments, term.upper), term.type)
            case Same(left=left, right=right):
                equal = self.encode(left) == self.encode(right)
                return z3.If(equal, z3.BitVecVal(1, 1), z3.BitVecVal(0, 1))
            case Apply():
                return self._apply(term)
            case _:
                raise TypeError(f"{term} has no encoding")

    def _function(self, name: str, operands: tuple[Term, ...], type: Attribute) -> Any:
        """A function of the operands of which nothing is known."""
        parts = [self.encode(operand) for operand in operands]
        if not parts:
            return z3.Const(name, _sort(type))
        return z3.Function(name, *(part.sort() for part in parts), _sort(type))(*parts)

    def _apply(self, term: Apply) -> Any:
        operands = term.operands
        if term.operation is arith.SelectOp:
            condition, then, otherwise = operands
            return z3.If(self.condition(condition), self.encode(then), self.encode(otherwise))
        if self.opaque and term.operation in _HARD and not _has_constant(operands):
            self.has_opaque = True
        elif all(is_integer(part.type) for part in (term, *operands)):
            found = self._bits(term)
            if found is not None:
                return found
        if term.operation is arith.CmpfOp:
            return self._compared(term)
        name = f"{term.operation.name}.{type_name(term.type)}"
        found = self._function(name, operands, term.type)
        if term.operation in _COMMUTATIVE:
            self._laws.append(found == self._function(name, operands[::-1], term.type))
        return found

    def _bits(self, term: Apply) -> Any | None:
        """An operation on integers; ``None`` if the encoding of scalars has none for it."""
        block = Block(arg_types=[operand.type for operand in term.operands])
        operation = term.operation.create(
            operands=block.args, result_types=[term.type], properties=dict(term.properties)
        )
        block.add_ops([operation, arith.ConstantOp(IntegerAttr(0, IntegerType(1)))])
        parts = [Scalar(self.encode(o), z3.BoolVal(True)) for o in term.operands]
        try:
            encoded = encode(block, parts)
        except Unsupported:
            return None
        made = encoded.values[operation.results[0]]
        defined = z3.simplify(z3.And(made.ok, *encoded.defined))
        if z3.is_true(defined):
            return made.value
        unknown = self._function(f"undefined.{term.operation.name}", term.operands, term.type)
        return z3.If(defined, made.value, unknown)

    def _compared(self, term: Apply) -> Any:
        predicate = float_predicate(term.properties)
        left, right = term.operands
        opposite = _NEGATED.get(predicate)
        ordered = opposite or predicate
        if ordered[1:] in _MIRRORED:
            ordered, left, right = "o" + _MIRRORED[ordered[1:]], right, left
        name = f"cmpf.{ordered}"
        found = self._function(name, (left, right), term.type)
        if ordered in ("oeq", "one"):
            self._laws.append(found == self._function(name, (right, left), term.type))
        return ~found if opposite else found


def _has_constant(operands: tuple[Term, ...]) -> bool:
    return any(isinstance(operand, Constant) for operand in operands)


def float_predicate(properties: Properties) -> str:
    """The name of the predicate of ``arith.cmpf``."""
    predicate = dict(properties)["predicate"]
    assert isinstance(predicate, IntegerAttr)
    return FLOAT_PREDICATES[predicate.value.data]


def unfolded(fold: Fold) -> tuple[Term, Term, Term]:
    """The start of a fold, its last step in terms of the fold before it, and its lower bound."""
    closed = fold.recurrence
    last = subtract(fold.upper, 1)
    values: dict[Term, Term] = dict(zip(closed.formals, fold.arguments, strict=True))
    init = substitute(closed.inits[fold.which], values)
    lower = substitute(closed.lower, values)
    values[closed.counter] = last
    for number, state in enumerate(closed.states):
        values[state] = state_of(closed, number, fold.arguments, last)
    return init, substitute(closed.steps[fold.which], values), lower


def _sort(type: Attribute) -> Any:
    if is_integer(type):
        return sort_of(type)
    if type_name(type) in ("f16", "bf16", "f32", "f64"):
        return z3.DeclareSort(type_name(type))
    raise Diagnostic(f"no proof about values of type {type}")


def _constant(term: Constant) -> Any:
    if is_integer(term.type):
        return z3.BitVecVal(int(term.value), sort_of(term.type))
    return z3.Const(f"{term.value!r}:{type_name(term.type)}", _sort(term.type))
