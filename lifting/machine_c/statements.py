"""Runs C statements symbolically: variables change, instructions are emitted, loops stay loops."""

from __future__ import annotations

from collections.abc import Callable

from ...diagnostics import Diagnostic
from ..c import syntax
from ..c.polynomial import Interval
from ..c.types import CVoid
from . import arithmetic
from .algebra import compare
from .branches import run_branches
from .context import Context
from .core_work import CoreWork
from .declarations import Declarations, convert_to_variable
from .expressions import CoreAccessError
from .scopes import restore
from .side_effects import separated
from .signatures import SIGNATURES
from .step_by_step import LeaveFunction, LeaveIteration, run_step_by_step
from .terms import Condition, Sum, Truth, atom, constant
from .values import Unknown, Value, Variable, join


class Statements:
    """Runs the statements of one kernel."""

    def __init__(self, context: Context, loop: Callable[[Statements, syntax.For], None]) -> None:
        self.context = context
        self._loop = loop
        self.declarations = Declarations(context)
        context.expressions.inline = self._call_for_value
        context.expressions.acts = context.acts
        self.core: CoreWork | None = None
        """What the core does to arrays itself; None where that is not supported."""

    def run(self, statement: syntax.Statement) -> None:
        """Run one statement. Raises Diagnostic for what machine C does not support."""
        steps = self.context.steps
        if steps.loop_level is not None:
            steps.left -= 1
            if steps.left < 0:
                raise Diagnostic("too many iterations to read one by one", statement.location)
        if not self.context.analysing:
            self.context.emitter.location = statement.location
        if self.core is None or self.context.analysing:
            self._run(statement)
        elif self.core.owns(statement):
            self.core.run(statement)
        else:
            before = self.context.scopes.save()
            try:
                self._run(statement)
            except CoreAccessError as error:
                if self.context.level or not self.is_for_core(statement, error):
                    raise
                restore(before)
                self.core.run(statement)

    def is_for_core(self, statement: syntax.Statement, error: Diagnostic) -> bool:
        """Whether an error says that the core computes from data, in a statement of its own."""
        is_own = self.core is not None and self.core.may_own(statement)
        return is_own and isinstance(error, CoreAccessError)

    def _run(self, statement: syntax.Statement) -> None:
        match statement:
            case syntax.Declaration():
                for declarator in statement.declarators:
                    self.declarations.declare(declarator)
            case syntax.ExpressionStatement(expression=expression):
                self.effect(expression)
            case syntax.Compound():
                self._compound(statement)
            case syntax.If():
                self._branch(statement)
            case syntax.For():
                self._loop(self, statement)
            case syntax.Return() | syntax.Break() | syntax.Continue():
                self._leave(statement)
            case syntax.While():
                if not self.context.steps.allowed:
                    raise Diagnostic("only counted loops are supported", statement.location)
                run_step_by_step(self, statement, None)
            case syntax.Case() | syntax.Switch():
                raise Diagnostic("a label has no use here", statement.location)
            case syntax.Empty():
                pass

    def _leave(self, statement: syntax.Return | syntax.Break | syntax.Continue) -> None:
        """Leave a loop or function that runs step by step."""
        steps, level = self.context.steps, self.context.level
        if isinstance(statement, syntax.Return):
            if not steps.allowed or steps.function_level != level:
                raise Diagnostic(
                    "'return' is supported at the end of a function only", statement.location
                )
            value = statement.value
            raise LeaveFunction(None if value is None else self.context.expressions.value(value))
        if not steps.allowed or steps.loop_level != level:
            raise Diagnostic("only counted loops are supported", statement.location)
        raise LeaveIteration(ends_loop=isinstance(statement, syntax.Break))

    def body(self, function: syntax.Function) -> Value | None:
        """Run a function's body and return the value that it returns, if any."""
        steps = self.context.steps
        outer = steps.function_level, steps.loop_level
        steps.function_level, steps.loop_level = self.context.level, None
        try:
            return self._body(function)
        except LeaveFunction as left:
            return left.value
        finally:
            steps.function_level, steps.loop_level = outer

    def _body(self, function: syntax.Function) -> Value | None:
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
        with self.context.scope():
            for inner in statement.statements:
                self.run(inner)

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
        value = self.declarations.converted(variable, expression)
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
            if value is None or isinstance(value, Unknown) or isinstance(old, Unknown):
                variable.cells[number] = None
            else:
                variable.cells[number] = join(chosen, value, old)

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

    # ---- calls ----------------------------------------------------------------------------------
    def _call(self, call: syntax.Call) -> None:
        if call.function in self.context.functions:
            self._inline(call)
        elif not self.context.analysing or call.function not in SIGNATURES:
            self.context.instruction(call)
        else:
            # An instruction changes no variable, but what it is called with may.
            for argument in filter(self.context.acts, call.arguments):
                self.context.expressions.value(argument)

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
                variable = self.declarations.parameter(parameter)
                variable.cells[0] = convert_to_variable(value, variable, call.location)
                self.context.scopes.declare(variable)
            value = self.body(function)
        finally:
            self.context.scopes.leave_function(hidden)
        if value is None or isinstance(function.result, CVoid):
            return None
        return arithmetic.convert(value, function.result, call.location)

    # ---- branches -------------------------------------------------------------------------------
    def _branch(self, statement: syntax.If) -> None:
        condition = self._condition(statement.condition)
        if isinstance(condition, Truth):
            taken = statement.then if condition.holds else statement.otherwise
            if taken is not None:
                with self.context.scope():
                    self.run(taken)
            return
        run_branches(self.context, self.run, statement, condition)

    def holds(self, expression: syntax.Expression) -> bool:
        """Whether a condition holds; Diagnostic where that is not known."""
        taken = separated(expression)
        for statement in taken.before:
            self.run(statement)
        condition = self._condition(taken.expression)
        if not isinstance(condition, Truth):
            raise Diagnostic("it is not known whether this holds", expression.location)
        for statement in taken.after:
            self.run(statement)
        return condition.holds

    def _condition(self, expression: syntax.Expression) -> Condition:
        try:
            return self.context.expressions.condition(expression)
        except Diagnostic:
            if not self.context.analysing:
                raise
            unknown = atom(self.context.fresh("condition", Interval(0, 1)))
            return compare("ne", unknown, constant(0))
