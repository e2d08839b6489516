"""Runs C statements symbolically: variables change, instructions are emitted, loops stay loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Region
from xdsl.traits import is_side_effect_free

from ...diagnostics import Diagnostic, SourceLocation
from .. import c_syntax as syntax
from ..c_polynomial import Interval
from ..c_types import CInteger, CVoid
from . import arithmetic
from .algebra import Rewriter, compare, invert, narrowed_atoms
from .emitter import Emitter
from .expressions import Expressions, scalar_bytes
from .scopes import Cell, Scopes, State, restore
from .signatures import SIGNATURES
from .terms import Atom, Condition, Sum, Truth, atom, constant
from .values import (
    Either,
    Number,
    Pointer,
    Value,
    Variable,
    depth_of,
    is_null,
    join,
    map_sums,
)

DEPTH_LIMIT = 100
"""How deep the value of a variable may be nested; a longer chain of updates is no address."""
CELL_LIMIT = 4096
"""Elements of a local array that are followed."""

Instruction = Callable[[syntax.Call], None]


@dataclass
class Context:
    """What reading a kernel needs everywhere."""

    scopes: Scopes
    expressions: Expressions
    emitter: Emitter
    instruction: Instruction
    """Emits the instruction that a call stands for."""
    functions: dict[str, syntax.Function]
    analysing: bool = False
    """While true, variables are followed but nothing is emitted."""
    level: int = 0
    """Depth of the region that is being read; 0 is the function's body."""

    def fresh(self, name: str, interval: Interval) -> Atom:
        """An unknown integer of the region that is being read."""
        return Atom(name, interval, self.level)

    def unknown(self, variable: Variable) -> Value | None:
        """Any integer that ``variable`` may hold; None where it holds something else."""
        if variable.is_pointer or not isinstance(variable.type, CInteger):
            return None
        bounds = Interval(variable.type.lowest, variable.type.highest)
        return Number(variable.type, atom(self.fresh(variable.name, bounds)))


class Statements:
    """Runs the statements of one kernel."""

    def __init__(self, context: Context, loop: Callable[[Statements, syntax.For], None]) -> None:
        self.context = context
        self._loop = loop
        context.expressions.inline = self._call_for_value

    def run(self, statement: syntax.Statement) -> None:
        """Run one statement. Raises Diagnostic for what machine C does not support."""
        if not self.context.analysing:
            self.context.emitter.location = statement.location
        match statement:
            case syntax.Declaration():
                for declarator in statement.declarators:
                    self.declare(declarator)
            case syntax.ExpressionStatement(expression=expression):
                self.effect(expression)
            case syntax.Compound():
                self._compound(statement)
            case syntax.If():
                self._branch(statement)
            case syntax.For():
                self._loop(self, statement)
            case syntax.Return():
                raise Diagnostic(
                    "'return' is supported at the end of a function only", statement.location
                )
            case syntax.Empty():
                pass

    def body(self, function: syntax.Function) -> Value | None:
        """Run a function's body and return the value that it returns at its end, if any."""
        statements = function.body.statements
        for statement in statements[:-1]:
            self.run(statement)
        if not statements:
            return None
        last = statements[-1]
        if not isinstance(last, syntax.Return):
            self.run(last)
            return None
        return None if last.value is None else self.context.expressions.value(last.value)

    def _compound(self, statement: syntax.Compound) -> None:
        with self.scope():
            for inner in statement.statements:
                self.run(inner)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Open a scope within the ``with`` statement."""
        self.context.scopes.push()
        try:
            yield
        finally:
            self.context.scopes.pop()

    @contextmanager
    def region(self, block: Block | None, *, is_loop: bool) -> Iterator[None]:
        """Read a region of the operation that comes next; without a block only analyse it."""
        context = self.context
        context.level += 1
        try:
            if block is None:
                yield
            else:
                with context.emitter.region(block, is_loop=is_loop):
                    yield
        finally:
            context.level -= 1

    # ---- declarations -------------------------------------------------------------------------
    def declare(self, declarator: syntax.Declarator) -> Variable:
        """Declare a local variable and give it its initial value."""
        variable = self._variable(declarator)
        initializer = declarator.initializer
        if isinstance(initializer, syntax.InitializerList):
            self._fill(variable, initializer)
        elif initializer is not None:
            if variable.extents:
                raise Diagnostic(
                    "an array is initialised by a list in braces", initializer.location
                )
            variable.cells[0] = self._converted(variable, initializer)
        if not self.context.scopes.declare(variable):
            raise Diagnostic(f"'{variable.name}' is declared twice", declarator.location)
        return variable

    def _variable(self, declarator: syntax.Declarator) -> Variable:
        kind, location = declarator.type, declarator.location
        derivations = list(kind.derivations)
        arrays: list[int] = []
        while derivations and isinstance(derivations[0], syntax.ArrayOf):
            extent = derivations.pop(0).extent
            arrays.append(self._extent(extent, declarator))
        is_pointer = bool(derivations)
        pointee = [part.extent for part in derivations[1:] if isinstance(part, syntax.ArrayOf)]
        if derivations and (
            not isinstance(derivations[0], syntax.PointerTo) or len(pointee) != len(derivations) - 1
        ):
            raise Diagnostic(f"the type of '{declarator.name}' is not supported", location)
        if isinstance(kind.base, CVoid) and not is_pointer:
            raise Diagnostic(f"'{declarator.name}' is declared void", location)
        base = arithmetic.INT if isinstance(kind.base, CVoid) else kind.base
        inner = tuple(
            self.context.expressions.constant(extent, "the extent of an array")
            for extent in pointee
            if extent is not None
        )
        size = 1
        for extent in arrays:
            size *= extent
        unit = scalar_bytes(kind.base)
        for extent in inner:
            unit *= extent
        cells: list[Value | None] = [None] * (size if size <= CELL_LIMIT else 0)
        return Variable(
            declarator.name, base, location, tuple(arrays), is_pointer, unit, inner, cells
        )

    def _extent(self, extent: syntax.Expression | None, declarator: syntax.Declarator) -> int:
        if extent is not None:
            value = self.context.expressions.constant(extent, "the extent of an array")
            if value < 1:
                raise Diagnostic(f"an array of {value} elements", extent.location)
            return value
        if isinstance(declarator.initializer, syntax.InitializerList):
            return len(declarator.initializer.items)
        raise Diagnostic(
            f"the size of '{declarator.name}' is unknown", declarator.location, hint="name it"
        )

    def _fill(self, variable: Variable, values: syntax.InitializerList) -> None:
        if not variable.extents:
            if len(values.items) != 1:
                raise Diagnostic("a scalar takes one initial value", values.location)
            variable.cells[0] = self._initial(variable, values.items[0])
            return
        variable.cells[:] = [self._zero(variable)] * len(variable.cells)
        self._fill_part(variable, values, 0, len(variable.cells), variable.extents)

    def _fill_part(
        self,
        variable: Variable,
        values: syntax.InitializerList,
        start: int,
        size: int,
        extents: tuple[int, ...],
    ) -> None:
        """Fill ``size`` cells; a list without inner braces runs through all dimensions."""
        position = start
        for item in values.items:
            nested = isinstance(item, syntax.InitializerList) and len(extents) > 1
            step = size // extents[0] if nested else 1
            if position + step > start + size:
                raise Diagnostic("more initial values than elements", item.location)
            if nested and isinstance(item, syntax.InitializerList):
                self._fill_part(variable, item, position, step, extents[1:])
            else:
                variable.cells[position] = self._initial(variable, item)
            position += step

    def _initial(self, variable: Variable, item: syntax.Initializer) -> Value | None:
        if isinstance(item, syntax.InitializerList):
            raise Diagnostic("too many braces around an initial value", item.location)
        return self._converted(variable, item)

    def _zero(self, variable: Variable) -> Value:
        return arithmetic.convert(arithmetic.integer(0), variable.type, variable.location)

    # ---- assignments ----------------------------------------------------------------------------
    def effect(self, expression: syntax.Expression) -> None:
        """Run an expression for its effect."""
        match expression:
            case syntax.Assignment(operator="", target=target, value=value):
                self._assign(target, value)
            case syntax.Assignment(operator=operator, target=target, value=value):
                combined = syntax.Binary(expression.location, operator, target, value)
                self._assign(target, combined)
            case syntax.Increment(target=target, step=step):
                one = syntax.Literal(expression.location, 1, arithmetic.INT)
                operator = "+" if step > 0 else "-"
                self._assign(target, syntax.Binary(expression.location, operator, target, one))
            case syntax.Call():
                self._call(expression)
            case syntax.Comma(first=first, second=second):
                self.effect(first)
                self.effect(second)
            case syntax.Cast(operand=syntax.Identifier()):
                pass  # (void)x keeps compilers quiet about an unused variable
            case _:
                raise Diagnostic(
                    "this expression has no effect",
                    expression.location,
                    hint="a statement is an instruction, an assignment or a call of a helper",
                )

    def _assign(self, target: syntax.Expression, expression: syntax.Expression) -> None:
        variable, index = self._target(target)
        value = self._converted(variable, expression)
        if index.is_constant:
            variable.cells[index.constant] = value
            return
        for number, old in enumerate(variable.cells):
            chosen = compare("eq", index, constant(number))
            if isinstance(chosen, Truth) and not chosen.holds:
                continue
            if old is None:
                raise Diagnostic(
                    f"'{variable.name}' needs initial values before a computed subscript",
                    target.location,
                )
            # While a loop is only analysed, a value may be unknown; then so is the element.
            variable.cells[number] = None if value is None else join(chosen, value, old)

    def _target(self, target: syntax.Expression) -> tuple[Variable, Sum]:
        expressions = self.context.expressions
        if isinstance(target, syntax.Identifier):
            found = self.context.scopes.find(target.name)
            if found is None:
                raise Diagnostic(f"'{target.name}' is not declared", target.location)
            if isinstance(found, Variable) and not found.extents:
                return found, constant(0)
        elif isinstance(target, syntax.Subscript):
            element = expressions.element_of_variable(target)
            if element is not None:
                return element
        raise Diagnostic(
            "only local variables can be assigned",
            target.location,
            hint="programs may only let the accelerator touch arrays; use mvout",
        )

    def _converted(self, variable: Variable, expression: syntax.Expression) -> Value | None:
        """The value of ``expression`` as the variable holds it."""
        try:
            value = self.context.expressions.value(expression)
            converted = convert_to_variable(value, variable, expression.location)
        except Diagnostic:
            if not self.context.analysing:
                raise
            return self.context.unknown(variable)
        if depth_of(converted) > DEPTH_LIMIT:
            raise Diagnostic(
                f"the value of '{variable.name}' is too complicated to follow",
                expression.location,
                hint="compute it from the loop variables instead of from its last value",
            )
        return converted

    # ---- calls ----------------------------------------------------------------------------------
    def _call(self, call: syntax.Call) -> None:
        if call.function in self.context.functions:
            self._inline(call)
        elif not self.context.analysing or call.function not in SIGNATURES:
            self.context.instruction(call)

    def _call_for_value(self, call: syntax.Call) -> Value | None:
        """The value of a call of a helper function, None if it is not one."""
        if call.function not in self.context.functions:
            return None
        value = self._inline(call)
        if value is None:
            raise Diagnostic(f"'{call.function}' returns no value", call.location)
        return value

    def _inline(self, call: syntax.Call) -> Value | None:
        function = self.context.functions[call.function]
        if len(call.arguments) != len(function.parameters):
            raise Diagnostic(
                f"'{call.function}' takes {len(function.parameters)} arguments, "
                f"{len(call.arguments)} given",
                call.location,
            )
        values = [self.context.expressions.value(argument) for argument in call.arguments]
        hidden = self.context.scopes.enter_function()
        try:
            for parameter, value in zip(function.parameters, values, strict=True):
                variable = self._parameter(parameter)
                variable.cells[0] = convert_to_variable(value, variable, call.location)
                self.context.scopes.declare(variable)
            value = self.body(function)
        finally:
            self.context.scopes.leave_function(hidden)
        if value is None or isinstance(function.result, CVoid):
            return None
        return arithmetic.convert(value, function.result, call.location)

    def _parameter(self, parameter: syntax.Declarator) -> Variable:
        """A parameter of a helper; an array parameter is a pointer (C17 6.7.6.3)."""
        derivations = parameter.type.derivations
        if derivations and isinstance(derivations[0], syntax.ArrayOf):
            kind = replace(parameter.type, derivations=(syntax.PointerTo(), *derivations[1:]))
            parameter = replace(parameter, type=kind)
        return self._variable(parameter)

    # ---- branches -------------------------------------------------------------------------------
    def _branch(self, statement: syntax.If) -> None:
        condition = self._condition(statement.condition)
        if isinstance(condition, Truth):
            taken = statement.then if condition.holds else statement.otherwise
            if taken is not None:
                with self.scope():
                    self.run(taken)
            return
        _Branches(self, condition).run(statement)

    def _condition(self, expression: syntax.Expression) -> Condition:
        try:
            return self.context.expressions.condition(expression)
        except Diagnostic:
            if not self.context.analysing:
                raise
            unknown = atom(self.context.fresh("condition", Interval(0, 1)))
            return compare("ne", unknown, constant(0))


def convert_to_variable(value: Value, variable: Variable, location: SourceLocation) -> Value:
    """``value`` as ``variable`` holds it. Raises Diagnostic where C would not convert it."""
    if isinstance(value, Either):
        then = convert_to_variable(value.then, variable, location)
        otherwise = convert_to_variable(value.otherwise, variable, location)
        return replace(value, then=then, otherwise=otherwise)
    if not variable.is_pointer:
        return arithmetic.convert(value, variable.type, location)
    if is_null(value):
        return value
    if not isinstance(value, Pointer):
        raise Diagnostic(f"'{variable.name}' needs an address", location)
    inner = value.array.extents[len(value.array.extents) - len(variable.pointee) :]
    subscripts = value.subscripts if inner == variable.pointee else None
    return replace(value, unit=variable.unit, extents=variable.pointee, subscripts=subscripts)


class _Branches:
    """The two sides of an ``if`` whose condition is not known."""

    def __init__(self, statements: Statements, condition: Condition) -> None:
        self._statements = statements
        self._context = statements.context
        self._condition = condition
        self._before = statements.context.scopes.save()

    def run(self, statement: syntax.If) -> None:
        location = statement.location
        blocks = [None, None] if self._context.analysing else [Block(), Block()]
        then = self._side(statement.then, self._condition, blocks[0])
        otherwise = self._side(statement.otherwise, invert(self._condition), blocks[1])
        restore(self._before)
        hidden = self._join(then, otherwise, location)
        if blocks[0] is None or blocks[1] is None:
            for cell, name, left, right in hidden:
                low = min(left.interval.low, right.interval.low)
                high = max(left.interval.high, right.interval.high)
                unknown = atom(self._context.fresh(name, Interval(low, high)))
                _set_sum(cell, unknown)
            return
        self._emit(blocks[0], blocks[1], hidden, location)

    def _side(
        self, statement: syntax.Statement | None, condition: Condition, block: Block | None
    ) -> State:
        restore(self._before)
        if statement is None:
            return self._before
        narrow = Rewriter(narrowed_atoms(condition)).sum
        for variable in self._before:
            variable.cells[:] = [
                None if value is None else map_sums(value, narrow) for value in variable.cells
            ]
        with self._statements.region(block, is_loop=False), self._statements.scope():
            self._statements.run(statement)
        widen = Rewriter({term: atom(term) for term in narrowed_atoms(condition)}).sum
        return {
            variable: tuple(
                None if value is None else map_sums(value, widen) for value in variable.cells
            )
            for variable in self._before
        }

    def _join(
        self, then: State, otherwise: State, location: SourceLocation
    ) -> list[tuple[Cell, str, Sum, Sum]]:
        """Join the variables; returns what only values computed inside of the sides can tell."""
        hidden: list[tuple[Cell, str, Sum, Sum]] = []
        for variable, before in self._before.items():
            for number in range(len(before)):
                left, right = then[variable][number], otherwise[variable][number]
                if left == right:
                    variable.cells[number] = left
                elif left is None or right is None:
                    variable.cells[number] = None
                elif max(level_of(left), level_of(right)) > self._context.level:
                    cell = Cell(variable, number)
                    hidden.append(_hidden(cell, left, right, location))
                else:
                    variable.cells[number] = _joined(self._condition, left, right, variable)
        return hidden

    def _emit(
        self,
        then: Block,
        otherwise: Block,
        hidden: list[tuple[Cell, str, Sum, Sum]],
        location: SourceLocation,
    ) -> None:
        emitter = self._context.emitter
        if not hidden and not any(_has_effect(block) for block in (then, otherwise)):
            return
        for block, side in ((then, 2), (otherwise, 3)):
            with emitter.region(block, is_loop=False):
                results = [emitter.index(entry[side]) for entry in hidden]
                emitter.emit(scf.YieldOp(*results))
        emitter.location = location
        regions = Region(then), Region(otherwise)
        if not hidden and len(otherwise.ops) == 1:
            regions = regions[0], Region()
        kinds = [IndexType() for _ in hidden]
        op = emitter.emit(scf.IfOp(emitter.condition(self._condition), kinds, *regions))
        for result, (cell, name, left, right) in zip(op.results, hidden, strict=True):
            low = min(left.interval.low, right.interval.low)
            high = max(left.interval.high, right.interval.high)
            value = Atom(name, Interval(low, high), self._context.level, result)
            _set_sum(cell, atom(value))


def level_of(value: Value) -> int:
    """Depth of the innermost region whose atoms a value depends on."""
    match value:
        case Number():
            return value.sum.level
        case Pointer(subscripts=subscripts):
            return max(value.offset.level, *(s.level for s in subscripts or ()))
        case Either():
            parts = value.condition.level, level_of(value.then), level_of(value.otherwise)
            return max(parts)
        case _:
            return 0


def sum_of(value: Value) -> Sum | None:
    """The one integer that changes in a number or in an address of a known array."""
    match value:
        case Number():
            return value.sum
        case Pointer():
            return value.offset
        case _:
            return None


def with_sum(value: Value, total: Sum) -> Value:
    """The number or address with another integer in it."""
    match value:
        case Number():
            return replace(value, sum=total)
        case Pointer():
            return replace(value, offset=total, subscripts=None)
        case _:
            return value


def _set_sum(cell: Cell, total: Sum) -> None:
    assert cell.value is not None
    cell.value = with_sum(cell.value, total)


def _hidden(
    cell: Cell, left: Value, right: Value, location: SourceLocation
) -> tuple[Cell, str, Sum, Sum]:
    sums = sum_of(left), sum_of(right)
    if sums[0] is None or sums[1] is None or with_sum(left, sums[1]) != with_sum(right, sums[1]):
        raise Diagnostic(f"cannot follow which array '{cell.variable.name}' points to", location)
    cell.value = left
    return cell, cell.variable.name, sums[0], sums[1]


def _joined(condition: Condition, left: Value, right: Value, variable: Variable) -> Value:
    joined = join(condition, left, right)
    if joined is None:
        raise Diagnostic(f"'{variable.name}' changes its type", variable.location)
    return joined


def _has_effect(block: Block) -> bool:
    return any(op.regions or not is_side_effect_free(op) for op in block.ops)
