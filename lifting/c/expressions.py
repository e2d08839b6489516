"""Lowers C expressions to loop IR."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from xdsl.dialects import arith, memref, scf
from xdsl.ir import Block, Region, SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .arithmetic import Arithmetic
from .bounds import check_access
from .emitter import Emitter
from .paths import Paths
from .places import (
    cast_pointer,
    known_value,
    memory_subscripts,
    moving_pointer,
    pointed,
    too_many_subscripts,
    walked,
    without_value,
    write_to_const,
    wrong_subscripts,
)
from .polynomial import Polynomial
from .shapes import AccessLog
from .types import (
    INT,
    UNSIGNED_LONG,
    CInteger,
    CScalar,
    CVoid,
    usual_arithmetic_conversions,
)
from .values import ArrayVariable, ScalarVariable, Scopes, UnsetPointer, Value, Variable
from .walking import CannotWalkError

CallLowering = Callable[[syntax.Call], "Value | None"]
"""Lowers a call; None is the result of a ``void`` function."""
MethodLowering = Callable[[syntax.MethodCall], "Value | None"]
"""Lowers the call of a method; None is the result of one that returns nothing."""
BlockLowering = Callable[[syntax.StatementExpression], Value]
"""Lowers statements that end with a value."""


@dataclass(frozen=True)
class Element:
    """An array element whose subscripts are already computed."""

    array: ArrayVariable
    indices: tuple[SSAValue, ...]
    is_safe: bool


Place = ScalarVariable | Element
"""What an assignment changes."""


class ExpressionLowering:
    """Emits what expressions compute, in the scopes of one point of a function."""

    scopes: Scopes
    paths: Paths
    accesses: AccessLog
    """The accesses of arrays whose extents C does not state."""

    def __init__(
        self,
        emitter: Emitter,
        scopes: Scopes,
        call: CallLowering,
        method: MethodLowering,
        block: BlockLowering,
    ) -> None:
        self.scopes = scopes
        self.paths = Paths(emitter)
        self.accesses = AccessLog()
        self._emitter = emitter
        self._arithmetic = Arithmetic(emitter)
        self._call = call
        self._method = method
        self._block = block

    # ---- values ---------------------------------------------------------------------------------
    def value(self, expression: syntax.Expression) -> Value:
        """Return the value of ``expression``, emitting what it loads, stores and computes.

        Raises Diagnostic for undeclared names, mismatched types and unsupported constructs.
        """
        outer, self._emitter.location = self._emitter.location, expression.location
        try:
            return self._dispatch(expression)
        finally:
            self._emitter.location = outer

    def effect(self, expression: syntax.Expression) -> None:
        """Evaluate ``expression`` for its effect; it may also be a call without a result."""
        match expression:
            case syntax.Call():
                with self._emitter.at(expression.location):
                    self._call(expression)
            case syntax.MethodCall():
                with self._emitter.at(expression.location):
                    self._method(expression)
            case syntax.Increment(target=target) | syntax.Assignment(target=target) if (
                self._is_pointer(target)
            ):
                self.array(expression)
            case syntax.Cast(type=syntax.TypeName(base=CVoid()), operand=operand):
                if not self._is_array(operand):
                    self.effect(operand)
            case syntax.Comma(first=first, second=second):
                self.effect(first)
                self.effect(second)
            case _:
                self.value(expression)

    def converted(self, expression: syntax.Expression, kind: CScalar) -> Value:
        """Return the value of ``expression`` converted to ``kind``, as by an assignment."""
        value = self.value(expression)
        with self._emitter.at(expression.location):
            return self._arithmetic.convert(value, kind)

    def index(self, expression: syntax.Expression, what: str) -> Polynomial:
        """Return an integer expression as index arithmetic; ``what`` names its role in errors."""
        value = self.value(expression)
        if not isinstance(value.type, CInteger):
            raise Diagnostic(
                f"mismatched types: {what} has type {value.type}, an integer is needed",
                expression.location,
            )
        with self._emitter.at(expression.location):
            return self._arithmetic.polynomial(value)

    def _dispatch(self, expression: syntax.Expression) -> Value:
        arithmetic = self._arithmetic
        match expression:
            case syntax.Literal(value=value, type=kind):
                return arithmetic.constant(value, kind)
            case syntax.Identifier():
                return self._load_variable(expression)
            case syntax.Binary(operator="&&" | "||"):
                return self._logical(expression)
            case syntax.Binary(operator=operator, left=left, right=right):
                operands = self.value(left), self.value(right)
                return arithmetic.binary(operator, *operands)
            case syntax.Unary(operator="*") | syntax.Subscript():
                return self.load(self._element(expression))
            case syntax.Unary():
                return self._unary(expression)
            case syntax.Conditional():
                return self._conditional(expression)
            case syntax.Assignment():
                return self._assignment(expression)
            case syntax.Increment():
                return self._increment(expression)
            case syntax.Cast(type=type_name, operand=operand):
                return self._cast(type_name, operand)
            case syntax.SizeOf(operand=operand):
                return arithmetic.constant(self._size_of(operand), UNSIGNED_LONG)
            case syntax.Comma(first=first, second=second):
                self.effect(first)
                return self.value(second)
            case syntax.StatementExpression():
                return self._block(expression)
            case syntax.Call(function=name):
                return _required(self._call(expression), name, expression)
            case syntax.MethodCall(method=name):
                return _required(self._method(expression), name, expression)
            case syntax.Member() | syntax.Construct() | syntax.StringLiteral():
                raise without_value(expression)

    def _unary(self, expression: syntax.Unary) -> Value:
        if expression.operator == "&":
            raise Diagnostic(
                "an address can only be passed to a function or start a pointer variable",
                expression.location,
                hint="use subscripts",
            )
        operand = self.value(expression.operand)
        if expression.operator == "!":
            return self._arithmetic.invert(operand)
        if expression.operator == "-":
            return self._arithmetic.negate(operand)
        if expression.operator == "~":
            return self._arithmetic.complement(operand)
        return self._arithmetic.promote(operand)

    def _cast(self, type_name: syntax.TypeName, operand: syntax.Expression) -> Value:
        if type_name.derivations or isinstance(type_name.base, CVoid):
            raise Diagnostic(
                "only casts to integers, float and double are supported",
                type_name.location,
                hint="declare the parameter with the type that it is used with",
            )
        return self._arithmetic.convert(self.value(operand), type_name.base)

    def _size_of(self, operand: syntax.TypeName | syntax.Expression) -> int:
        if isinstance(operand, syntax.TypeName):
            if operand.derivations or isinstance(operand.base, CVoid):
                raise Diagnostic("sizeof takes a scalar type here", operand.location)
            return operand.base.bits // 8
        if not self._is_array(operand):
            return self.type_of(operand).bits // 8
        array = self.array(operand)
        size = array.element.bits // 8
        for extent in array.extents[len(array.fixed) :]:
            constant = extent.constant_value if extent is not None else None
            if constant is None:
                raise Diagnostic("sizeof needs an array of constant size", operand.location)
            size *= constant
        return size

    def type_of(self, expression: syntax.Expression) -> CScalar:
        """Return the type of a scalar expression, which is not evaluated."""
        with self.paths.branch() as block:
            kind = self.value(expression).type
        self.paths.discard(block)
        return kind

    # ---- paths that are not always taken --------------------------------------------------------
    def _logical(self, expression: syntax.Binary) -> Value:
        is_and = expression.operator == "&&"
        left = self.value(expression.left)
        if left.constant is not None and (left.constant != 0) != is_and:
            return self._arithmetic.constant(int(not is_and), INT)
        left_truth = self._arithmetic.truth(left)
        known = left.facts.if_true if is_and else left.facts.if_false
        with self.paths.branch(facts=known) as block:
            right = self.value(expression.right)
            right_truth = self._arithmetic.truth(right)
        facts = left.facts.both(right.facts) if is_and else left.facts.either(right.facts)
        if self.paths.may_run_always(block):
            self.paths.append(block)
            operation = arith.AndIOp if is_and else arith.OrIOp
            result = self._emitter.value(operation(left_truth, right_truth))
            return self._arithmetic.from_truth(result, facts=facts)
        block.add_op(scf.YieldOp(right_truth))
        decided = Block([scf.YieldOp(self._emitter.truth(not is_and))])
        then, otherwise = (block, decided) if is_and else (decided, block)
        choice = scf.IfOp(left_truth, [right_truth.type], Region(then), Region(otherwise))
        return self._arithmetic.from_truth(self._emitter.value(choice), facts=facts)

    def _conditional(self, expression: syntax.Conditional) -> Value:
        condition = self.value(expression.condition)
        if condition.constant is not None:
            return self._known_arm(expression, is_true=condition.constant != 0)
        with self.paths.branch(facts=condition.facts.if_true) as then_block:
            then = self.value(expression.then)
        with self.paths.branch(facts=condition.facts.if_false) as else_block:
            otherwise = self.value(expression.otherwise)
        kind = usual_arithmetic_conversions(then.type, otherwise.type)
        return self.choose(condition, (then_block, then), (else_block, otherwise), kind)

    def _known_arm(self, expression: syntax.Conditional, *, is_true: bool) -> Value:
        """Return the arm that is always taken, in the type that C gives to both of them.

        The other one is not evaluated; what would have no result there, as in macros for any
        constant, is no error.
        """
        taken, skipped = expression.then, expression.otherwise
        if not is_true:
            taken, skipped = skipped, taken
        value = self.value(taken)
        with suppress(Diagnostic):
            kind = usual_arithmetic_conversions(value.type, self.type_of(skipped))
            return self._arithmetic.convert(value, kind)
        return value

    def choose(
        self,
        condition: Value,
        then: tuple[Block, Value],
        otherwise: tuple[Block, Value],
        kind: CScalar,
    ) -> Value:
        """Return one of two values, each computed by the operations of its block, as a ``kind``.

        Gives ``arith.select`` where both blocks may run whatever the condition is, else ``scf.if``.
        """
        truth = self._arithmetic.truth(condition)
        values: list[Value] = []
        results: list[SSAValue] = []
        for block, value in (then, otherwise):
            with self._emitter.inside(block):
                values.append(self._arithmetic.convert(value, kind))
                results.append(self._arithmetic.materialise(values[-1]))
        if not all(self.paths.may_run_always(block) for block in (then[0], otherwise[0])):
            return Value(kind, ssa=self._branches(truth, (then[0], otherwise[0]), results))
        for block in (then[0], otherwise[0]):
            self.paths.append(block)
        selected = self._emitter.value(arith.SelectOp(truth, *results))
        if isinstance(kind, CInteger):
            polynomial = self._arithmetic.choice(condition, (values[0], values[1]))
            if polynomial is not None:
                return self._arithmetic.indexed(kind, selected, polynomial)
        return Value(kind, ssa=selected)

    def _branches(
        self, truth: SSAValue, blocks: tuple[Block, Block], results: list[SSAValue]
    ) -> SSAValue:
        for block, result in zip(blocks, results, strict=True):
            block.add_op(scf.YieldOp(result))
        then, otherwise = (Region(block) for block in blocks)
        return self._emitter.value(scf.IfOp(truth, [results[0].type], then, otherwise))

    # ---- variables and array elements -----------------------------------------------------------
    def load(self, place: Place) -> Value:
        """Return the value that ``place`` holds."""
        if isinstance(place, Element):
            operation = memref.LoadOp.get(place.array.memref, place.indices)
            kind, is_safe = place.array.element, place.is_safe
        else:
            if place.walks is not None:
                return self._formula(place)
            if place.storage is None:
                return known_value(place, self._emitter.location)
            operation = memref.LoadOp.get(place.storage, [])
            kind, is_safe = place.type, True
        loaded = self._emitter.emit(operation)
        if is_safe:
            self.paths.mark_safe(loaded)
        return Value(kind, ssa=loaded.res)

    def store(self, place: Place, value: Value) -> Value:
        """Store ``value``, converted to the type of ``place``; return the converted value."""
        kind = place.array.element if isinstance(place, Element) else place.type
        converted = self._arithmetic.convert(value, kind)
        if isinstance(place, ScalarVariable) and place.walks is not None:
            self.scopes.rebind(walked(place, converted))
            return converted
        ssa = self._arithmetic.materialise(converted)
        if isinstance(place, Element):
            self._emitter.emit(memref.StoreOp.get(ssa, place.array.memref, place.indices))
        else:
            assert place.storage is not None
            self._emitter.emit(memref.StoreOp.get(ssa, place.storage, []))
        return converted

    def _formula(self, variable: ScalarVariable) -> Value:
        """Return the value of a variable that walks, computed here from its formula."""
        assert variable.walks is not None
        if variable.value is None or variable.value.polynomial is None:
            raise CannotWalkError(variable.walks)
        polynomial = variable.value.polynomial
        if (number := polynomial.constant_value) is not None:
            return self._arithmetic.constant(number, variable.type)
        assert isinstance(variable.type, CInteger)
        ssa = self._arithmetic.from_index(self._emitter.index(polynomial), variable.type)
        return Value(variable.type, ssa=ssa, polynomial=polynomial)

    def find(self, name: str, location: SourceLocation) -> Variable:
        """Return the variable called ``name``. Raises Diagnostic if there is none."""
        variable = self.scopes.find(name)
        if variable is None:
            raise Diagnostic(
                f"'{name}' is not declared",
                location,
                hint="declare it, or define it with #define if it is a constant of a header",
            )
        return variable

    def element(self, array: ArrayVariable, index: Polynomial, location: SourceLocation) -> Element:
        """Return ``array[index]``, where ``array`` has one dimension left, its indices emitted."""
        facts = self.paths.facts
        subscripts, extents = memory_subscripts(array, index, facts, self.accesses, location)
        safe = check_access(array, subscripts, extents, self.paths.certain, location)
        key = (array.memref, tuple(frozenset(part.terms.items()) for part in subscripts))
        safe = self.paths.access(key) or safe
        indices = tuple(self._emitter.index(part) for part in subscripts)
        return Element(array, indices, safe)

    def array(self, expression: syntax.Expression) -> ArrayVariable:
        """Return the array, or the part of one, that ``expression`` points to.

        Raises Diagnostic if it is not an array, a row of one, or a pointer into one.
        """
        match expression:
            case syntax.Identifier(name=name, location=location):
                variable = self.find(name, location)
                if isinstance(variable, ArrayVariable):
                    return variable
                if isinstance(variable, UnsetPointer):
                    raise Diagnostic(
                        f"cannot tell where pointer '{name}' points",
                        location,
                        hint="set it before, and move it by the same distance in each iteration",
                    )
                raise Diagnostic(f"mismatched types: '{name}' is not an array", location)
            case syntax.Subscript(base=base, index=index):
                whole = self._outer_array(base, expression)
                return whole.part(self.index(index, "the subscript"))
            case syntax.Unary(operator="*", operand=operand):
                return self._outer_array(operand, expression).part(Polynomial.constant(0))
            case syntax.Unary(operator="&", operand=operand):
                return self._address(operand)
            case syntax.Cast(type=type_name, operand=operand) if type_name.derivations:
                return cast_pointer(self.array(operand), type_name)
            case syntax.Binary(operator="+" | "-" as operator, left=left, right=right):
                if operator == "+" and self._is_array(right):
                    left, right = right, left
                distance = self.index(right, "the distance")
                return self.array(left).moved(distance if operator == "+" else -distance)
            case syntax.Increment(target=target, step=step, prefix=prefix):
                before = self._pointer(target)
                self.scopes.rebind(after := before.moved(Polynomial.constant(step)))
                return after if prefix else before
            case syntax.Assignment():
                return self._pointer_assignment(expression)
            case _:
                raise Diagnostic(
                    "mismatched types: an array is needed here",
                    expression.location,
                    hint="give the name of an array, a row of one, or the address of an element",
                )

    def _is_pointer(self, target: syntax.Expression) -> bool:
        """Tell whether ``target`` is a variable that points into an array."""
        if not isinstance(target, syntax.Identifier):
            return False
        return isinstance(self.scopes.find(target.name), ArrayVariable | UnsetPointer)

    def _pointer(self, target: syntax.Expression) -> ArrayVariable:
        """Return the pointer variable ``target``. Raises Diagnostic if it cannot move."""
        if not isinstance(target, syntax.Identifier):
            raise moving_pointer(target.location)
        array = self.array(target)
        if not array.movable:
            raise moving_pointer(target.location)
        return array

    def _pointer_assignment(self, expression: syntax.Assignment) -> ArrayVariable:
        target, operator = expression.target, expression.operator
        if not isinstance(target, syntax.Identifier):
            raise moving_pointer(expression.location)
        if operator in ("+", "-"):
            distance = self.index(expression.value, "the distance")
            after = self._pointer(target).moved(distance if operator == "+" else -distance)
        elif operator:
            raise moving_pointer(expression.location)
        else:
            variable = self.find(target.name, target.location)
            if isinstance(variable, ScalarVariable) or not variable.movable:
                raise moving_pointer(expression.location)
            after = pointed(variable, self.array(expression.value), expression.location)
        self.scopes.rebind(after)
        return after

    def _address(self, operand: syntax.Expression) -> ArrayVariable:
        if self._is_array(operand):
            raise Diagnostic(
                "the address of a whole array is not supported",
                operand.location,
                hint="pass the array itself",
            )
        match operand:
            case syntax.Subscript(base=base, index=index):
                return self.array(base).moved(self.index(index, "the subscript"))
            case syntax.Unary(operator="*", operand=inner):
                return self.array(inner)
            case _:
                raise Diagnostic(
                    "the address of a scalar is not supported",
                    operand.location,
                    hint="return the value, or use an array of one element",
                )

    def _outer_array(self, base: syntax.Expression, access: syntax.Expression) -> ArrayVariable:
        """Return the array below ``access``, which must leave at least one dimension."""
        if not self._is_array(base):
            raise self._too_many_subscripts(access)
        whole = self.array(base)
        if whole.rank < 2:
            raise Diagnostic(
                f"mismatched types: this is one element of '{whole.name}', an array is needed",
                access.location,
                hint="leave out a subscript, or write '&' in front to start at the element",
            )
        return whole

    def _element(self, expression: syntax.Expression) -> Element:
        match expression:
            case syntax.Subscript(base=base, index=index):
                subscript = index
            case syntax.Unary(operator="*", operand=base):
                subscript = None
            case _:
                raise Diagnostic(
                    "this cannot be assigned",
                    expression.location,
                    hint="assign a variable or an array element",
                )
        if not self._is_array(base):
            raise self._too_many_subscripts(expression)
        array = self.array(base)
        if array.rank != 1:
            raise Diagnostic(
                wrong_subscripts(array, len(array.fixed) + 1),
                expression.location,
                hint="give a subscript for each dimension",
            )
        index = Polynomial.constant(0)
        if subscript is not None:
            index = self.index(subscript, f"the subscript of '{array.name}'")
        return self.element(array, index, expression.location)

    def _too_many_subscripts(self, expression: syntax.Expression) -> Diagnostic:
        root = expression
        while isinstance(root, syntax.Subscript):
            root = root.base
        named = isinstance(root, syntax.Identifier)
        variable = self.find(root.name, root.location) if named else None
        return too_many_subscripts(variable, expression)

    def _is_array(self, expression: syntax.Expression) -> bool:
        return self._rank(expression) > 0

    def _rank(self, expression: syntax.Expression) -> int:
        """Return how many subscripts ``expression`` takes, 0 for a scalar, emitting nothing."""
        match expression:
            case syntax.Identifier(name=name, location=location):
                variable = self.find(name, location)
                if isinstance(variable, UnsetPointer):
                    return 1
                return variable.rank if isinstance(variable, ArrayVariable) else 0
            case syntax.Subscript(base=base) | syntax.Unary(operator="*", operand=base):
                return max(0, self._rank(base) - 1)
            case syntax.Unary(operator="&", operand=operand):
                return self._rank(operand) + 1
            case syntax.Binary(operator="+" | "-", left=left, right=right):
                return max(self._rank(left), self._rank(right))
            case syntax.Increment(target=target) | syntax.Assignment(target=target):
                return self._rank(target)
            case syntax.Cast(type=type_name, operand=operand) if type_name.derivations:
                return self._rank(operand)
            case _:
                return 0

    def _load_variable(self, expression: syntax.Identifier) -> Value:
        variable = self.find(expression.name, expression.location)
        if not isinstance(variable, ScalarVariable):
            raise Diagnostic(
                f"mismatched types: the array '{variable.name}' is used as a scalar",
                expression.location,
                hint="give a subscript for each dimension",
            )
        return self.load(variable)

    # ---- assignments ----------------------------------------------------------------------------
    def _assignment(self, expression: syntax.Assignment) -> Value:
        if not expression.operator:
            value = self.value(expression.value)
            return self.store(self._place(expression.target), value)
        value = self.value(expression.value)
        place = self._place(expression.target)
        current = self.load(place)
        return self.store(place, self._arithmetic.binary(expression.operator, current, value))

    def _increment(self, expression: syntax.Increment) -> Value:
        place = self._place(expression.target)
        old = self.load(place)
        step = self._arithmetic.constant(expression.step, INT)
        new = self.store(place, self._arithmetic.binary("+", old, step))
        return new if expression.prefix else old

    def _place(self, target: syntax.Expression) -> Place:
        """Return what an assignment to ``target`` changes. Raises Diagnostic if it may not."""
        if not isinstance(target, syntax.Identifier):
            place = self._element(target)
            if place.array.const:
                raise write_to_const(place.array.name, target.location)
            return place
        variable = self.find(target.name, target.location)
        if not isinstance(variable, ScalarVariable):
            raise moving_pointer(target.location)
        if variable.const:
            raise write_to_const(target.name, target.location)
        if variable.is_loop_variable:
            raise Diagnostic(
                f"the loop variable '{target.name}' is changed in the body of its loop",
                target.location,
                hint="only the loop's step may change it",
            )
        return variable


def _required(result: Value | None, name: str, call: syntax.Expression) -> Value:
    """Return the result of a call. Raises Diagnostic if there is none."""
    if result is None:
        raise Diagnostic(
            f"mismatched types: '{name}' returns nothing, a value is needed here", call.location
        )
    return result
