"""Lowers the statements of a function, and the functions it calls in the place of the call."""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects import scf
from xdsl.ir import Block, Region

from ...diagnostics import Diagnostic
from . import syntax
from .arithmetic import Arithmetic
from .declarations import DeclarationLowering, scalar_type
from .emitter import Emitter
from .expressions import ExpressionLowering
from .guards import Fact
from .library import EXTREMA, LIBRARY, overloaded
from .loops import LoopLowering
from .returns import Statements, always_returns, returns_last
from .traversal import descendants
from .types import VOID, CType, CVoid, usual_arithmetic_conversions
from .usage import VariableUsage
from .values import ArrayVariable, Bindings, ScalarVariable, Scopes, Value
from .vectors import Interface, VectorLowering, VectorUse
from .walking import merged
from .wording import counted

CALL_LIMIT = 1000
"""Calls that are replaced by the body of the function, counted where they end up."""


class FunctionLowering:
    """Emits the bodies of the functions of one file."""

    expressions: ExpressionLowering
    declarations: DeclarationLowering
    loops: LoopLowering
    vectors: VectorLowering

    def __init__(
        self,
        emitter: Emitter,
        unit: syntax.TranslationUnit,
        interface: Interface,
        in_memory: frozenset[syntax.Declarator] = frozenset(),
    ) -> None:
        """Lower functions of ``unit``; the scalars ``in_memory`` are known to have no formula."""
        self._in_memory = in_memory
        self._emitter = emitter
        self._unit = unit
        self._arithmetic = Arithmetic(emitter)
        self._usages: dict[str, VariableUsage] = {}
        self._inlined = 0
        self._usage = VariableUsage(None)
        self.expressions = ExpressionLowering(
            emitter, Scopes(), self.call, self._method, self._statement_expression
        )
        self.vectors = VectorLowering(emitter, self.expressions, interface)
        self.declarations = DeclarationLowering(emitter, self.expressions, self.vectors)
        self.loops = LoopLowering(emitter, self.expressions, self.statement)

    def usage(self, function: syntax.Function) -> VariableUsage:
        """Return what ``function`` does with its variables."""
        if function.name not in self._usages:
            self._usages[function.name] = VariableUsage(function, self._in_memory)
        return self._usages[function.name]

    def file_scope(self) -> None:
        """Declare what stands outside of the functions. Raises Diagnostic unless it is const."""
        for declaration in self._unit.declarations:
            for declarator in declaration.declarators:
                derivations = declarator.type.derivations
                is_prototype = derivations and isinstance(derivations[0], syntax.FunctionTaking)
                if not declarator.type.const and not is_prototype:
                    raise Diagnostic(
                        f"the global variable '{declarator.name}' can change",
                        declarator.location,
                        hint="make it 'const', or pass it as a parameter",
                    )
            self.declarations.lower(declaration, self._usage)

    def body(self, function: syntax.Function) -> Value | None:
        """Emit the body of ``function``, whose parameters are declared; return its result."""
        statements = returns_last(function)
        if not isinstance(function.result, CVoid) and not always_returns(statements):
            raise Diagnostic(
                f"control may reach the end of '{function.name}' without a return",
                function.location,
                hint="return a value on every path",
            )
        outer = self._usage, self.vectors.use
        self._usage, self.vectors.use = self.usage(function), VectorUse.of(function)
        try:
            kind = VOID if function.vector_rank else function.result
            return self._returning(statements, kind)
        finally:
            self._usage, self.vectors.use = outer

    # ---- statements -----------------------------------------------------------------------------
    def statement(self, statement: syntax.Statement) -> None:
        """Emit one statement that contains no ``return``."""
        with self._emitter.at(statement.location):
            match statement:
                case syntax.Declaration():
                    self.declarations.lower(statement, self._usage)
                case syntax.ExpressionStatement(expression=expression):
                    self.expressions.effect(expression)
                case syntax.Compound(statements=inner):
                    self.expressions.scopes.push()
                    for part in inner:
                        self.statement(part)
                    self.expressions.scopes.pop()
                case syntax.If():
                    self._if(statement)
                case syntax.For():
                    self.loops.lower(statement)
                case syntax.While() | syntax.Break() | syntax.Continue():
                    raise Diagnostic("this loop is not supported", statement.location)
                case syntax.Switch() | syntax.Case():
                    raise Diagnostic("'switch' is not supported", statement.location)
                case syntax.Return() | syntax.Empty():
                    pass

    def _statement_expression(self, expression: syntax.StatementExpression) -> Value:
        statements = expression.body.statements
        last = statements[-1] if statements else expression.body
        if not isinstance(last, syntax.ExpressionStatement):
            raise Diagnostic(
                "mismatched types: these statements end without a value",
                last.location,
                hint="end them with an expression",
            )
        if any(isinstance(node, syntax.Return) for node in descendants(expression)):
            raise Diagnostic("a return inside of an expression is not supported", last.location)
        self.expressions.scopes.push()
        for statement in statements[:-1]:
            self.statement(statement)
        result = self.expressions.value(last.expression)
        self.expressions.scopes.pop()
        return result

    def _if(self, statement: syntax.If) -> None:
        condition = self.expressions.value(statement.condition)
        branches = (statement.then, statement.otherwise)
        if condition.constant is not None:
            taken = branches[0] if condition.constant != 0 else branches[1]
            if taken is not None:
                self.statement(syntax.Compound(taken.location, (taken,)))
            return
        truth = self._arithmetic.truth(condition)
        scopes = self.expressions.scopes
        before = scopes.bindings()
        then, otherwise = Region(self._branch(statement.then, condition.facts.if_true)), None
        after = scopes.bindings()
        scopes.restore(before)
        if statement.otherwise is not None:
            otherwise = Region(self._branch(statement.otherwise, condition.facts.if_false))
        self._merge(after)
        self._emitter.emit(scf.IfOp(truth, [], then, otherwise))

    def _merge(self, other: Bindings) -> None:
        """Make each variable what it is on both paths of a condition, the other being ``other``."""
        scopes = self.expressions.scopes
        here = scopes.bindings()
        for scope, others in zip(here, other, strict=True):
            for name, variable in scope.items():
                scope[name] = merged(others[name], variable)
        scopes.restore(here)

    def _branch(self, branch: syntax.Statement, facts: tuple[Fact, ...]) -> Block:
        with self.expressions.paths.branch(facts=facts) as block:
            self.statement(syntax.Compound(branch.location, (branch,)))
        block.add_op(scf.YieldOp())
        return block

    def _returning(self, statements: Statements, kind: CType) -> Value | None:
        """Emit ``statements``, in which a ``return`` only ever comes last; return its value."""
        for statement in statements[:-1]:
            self.statement(statement)
        if not statements:
            return None
        last = statements[-1]
        with self._emitter.at(last.location):
            match last:
                case syntax.Return():
                    return self._return(last, kind)
                case syntax.Compound(statements=inner):
                    self.expressions.scopes.push()
                    result = self._returning(inner, kind)
                    self.expressions.scopes.pop()
                    return result
                case syntax.If() if any(
                    isinstance(node, syntax.Return) for node in descendants(last)
                ):
                    return self._returning_if(last, kind)
                case _:
                    self.statement(last)
                    return None

    def _return(self, statement: syntax.Return, kind: CType) -> Value | None:
        if isinstance(kind, CVoid):
            if isinstance(statement.value, syntax.Identifier) and (
                statement.value.name in self.vectors.use.returned
            ):
                self.expressions.array(statement.value)
            elif statement.value is not None:
                raise Diagnostic(
                    "mismatched types: a void function returns a value",
                    statement.location,
                    hint="declare the type of the result in the place of 'void'",
                )
            return None
        if statement.value is None:
            raise Diagnostic(
                f"mismatched types: a value of type {kind} must be returned",
                statement.location,
                hint="write 'return value;'",
            )
        return self.expressions.converted(statement.value, kind)

    def _returning_if(self, statement: syntax.If, kind: CType) -> Value | None:
        condition = self.expressions.value(statement.condition)
        arms: list[tuple[Block, Value | None]] = []
        before = self.expressions.scopes.bindings()
        facts = (condition.facts.if_true, condition.facts.if_false)
        for branch, known in zip((statement.then, statement.otherwise), facts, strict=True):
            self.expressions.scopes.restore(before)
            with self.expressions.paths.branch(facts=known) as block:
                inner = (branch,) if branch is not None else ()
                result = self._returning((syntax.Compound(statement.location, inner),), kind)
            arms.append((block, result))
        (then_block, then), (else_block, otherwise) = arms
        if condition.constant is not None:
            taken, skipped = arms if condition.constant != 0 else reversed(arms)
            self.expressions.paths.append(taken[0])
            self.expressions.paths.discard(skipped[0])
            return taken[1]
        if isinstance(kind, CVoid):
            truth = self._arithmetic.truth(condition)
            for block, _ in arms:
                block.add_op(scf.YieldOp())
            self._emitter.emit(scf.IfOp(truth, [], Region(then_block), Region(else_block)))
            return None
        assert then is not None
        assert otherwise is not None
        return self.expressions.choose(condition, (then_block, then), (else_block, otherwise), kind)

    # ---- calls ----------------------------------------------------------------------------------
    def _method(self, call: syntax.MethodCall) -> Value | None:
        return self.vectors.call(call)

    def call(self, call: syntax.Call) -> Value | None:
        """Emit what the called function does. Raises Diagnostic if it is not known."""
        if call.function in self._unit.functions:
            return self._inline(call, self._unit.functions[call.function])
        if call.function in EXTREMA:
            return self._extremum(call)
        if call.function in LIBRARY:
            return self._library_call(call)
        raise Diagnostic(
            f"function '{call.function}' is not known",
            call.location,
            hint="define it in the same file; of the C library, abs and the functions of math.h "
            "are supported",
        )

    def _extremum(self, call: syntax.Call) -> Value:
        """Emit ``std::max`` or ``std::min``: the first argument if both are equal."""
        self._check_count(call, 2)
        left, right = (self.expressions.value(argument) for argument in call.arguments)
        kind = usual_arithmetic_conversions(left.type, right.type)
        operands = (left, right) if call.function == "max" else (right, left)
        second_wins = self._arithmetic.binary("<", *operands)
        return self.expressions.choose(second_wins, (Block(), right), (Block(), left), kind)

    def _library_call(self, call: syntax.Call) -> Value:
        values = [self.expressions.value(argument) for argument in call.arguments]
        name = call.function
        if self._unit.is_cplusplus:
            name = overloaded(name, [value.type for value in values])
        function = LIBRARY[name]
        self._check_count(call, len(function.parameters))
        operands = [
            self._arithmetic.materialise(self._arithmetic.convert(value, kind))
            for value, kind in zip(values, function.parameters, strict=True)
        ]
        computed = self._arithmetic.computed(function.operation(*operands), function.computed)
        return self._arithmetic.convert(computed, function.result)

    def _inline(self, call: syntax.Call, function: syntax.Function) -> Value | None:
        self._check_count(call, len(function.parameters))
        if function.vector_rank:
            raise Diagnostic(
                f"helper '{function.name}' returns a vector",
                call.location,
                hint="let it write to a vector that it takes by reference",
            )
        self._inlined += 1
        if self._inlined > CALL_LIMIT:
            raise Diagnostic(
                f"the kernel makes more than {CALL_LIMIT} calls, those of its helpers included",
                call.location,
                hint="call helpers in loops instead of one after the other",
            )
        usage = self.usage(function)
        variables: list[ScalarVariable | ArrayVariable] = []
        for parameter, argument in zip(function.parameters, call.arguments, strict=True):
            if parameter.type.derivations:
                variables.append(self._array_argument(parameter, argument))
            else:
                variables.append(self._scalar_argument(parameter, argument, usage))
        caller = self.expressions.scopes
        self.expressions.scopes = caller.file_scope()
        try:
            for variable in variables:
                self.declarations.declare(variable)
            return self.body(function)
        finally:
            self.expressions.scopes = caller

    def _scalar_argument(
        self, parameter: syntax.Declarator, argument: syntax.Expression, usage: VariableUsage
    ) -> ScalarVariable:
        kind = scalar_type(parameter)
        value = self.expressions.converted(argument, kind)
        if usage.walks(parameter):
            return self.declarations.walking(parameter, value)
        if usage.needs_memory(parameter):
            ssa = self._arithmetic.materialise(value)
            return self.declarations.scalar(parameter, ssa, usage)
        return ScalarVariable(
            parameter.name, kind, parameter.type.const, parameter.location, value=value
        )

    def _array_argument(
        self, parameter: syntax.Declarator, argument: syntax.Expression
    ) -> ArrayVariable:
        array = self.expressions.array(argument)
        kind, rank = parameter.type.base, len(parameter.type.derivations)
        if array.element != kind or array.rank != rank:
            raise Diagnostic(
                f"mismatched types: '{parameter.name}' is an array of {kind} with "
                f"{counted(rank, 'dimension')}, '{array.name}' one of {array.element} with "
                f"{counted(array.rank, 'dimension')}",
                argument.location,
                hint="element types and numbers of dimensions must agree",
            )
        is_value = isinstance(parameter.type.derivations[0], syntax.VectorOf)
        is_value = is_value and not parameter.type.reference
        if array.const and not parameter.type.const and not is_value:
            raise Diagnostic(
                f"mismatched types: '{array.name}' is const, parameter '{parameter.name}' is not",
                argument.location,
                hint="declare the parameter with 'const'",
            )
        return replace(
            array,
            name=parameter.name,
            const=parameter.type.const or is_value,
            location=parameter.location,
            movable=isinstance(parameter.type.derivations[0], syntax.PointerTo),
        )

    def _check_count(self, call: syntax.Call, expected: int) -> None:
        if len(call.arguments) != expected:
            raise Diagnostic(
                f"'{call.function}' takes {counted(expected, 'argument')}, "
                f"{len(call.arguments)} given",
                call.location,
                hint="give one argument for each parameter",
            )
