"""Summaries as reference loop programs, where tensor IR cannot say them.

One nest of loops for each output; a fold is a loop that carries its states. Nothing is shared
between elements: the program says what is computed, not how it should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.builder import Builder
from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import (
    FloatAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    ModuleOp,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from ...diagnostics import Diagnostic
from .simplify import constant, is_integer
from .summary import Output, Summary, extents_of
from .terms import (
    Apply,
    Constant,
    Element,
    Fold,
    Parameter,
    Symbol,
    Term,
    is_uninitialised,
    walk,
)


def reference_program(summary: Summary) -> ModuleOp:
    """A function with the parameters of the source that leaves in the outputs what is summarised.

    Raises :class:`Diagnostic` for a term that only proofs use.
    """
    source = summary.function
    block = Block(arg_types=[argument.type for argument in source.args])
    for old, new, name in zip(source.args, block.args, summary.names, strict=True):
        new.name_hint = old.name_hint or name
    writer = _Writer(Builder(InsertPoint.at_end(block)), list(block.args))
    targets = [writer.target(output, summary) for output in summary.outputs]
    for output, target in zip(summary.outputs, targets, strict=True):
        writer.nest(output, summary, target)
    for output, target in zip(summary.outputs, targets, strict=True):
        if target is not block.args[output.position]:
            writer.builder.insert(memref.CopyOp(target, block.args[output.position]))
    writer.builder.insert(func.ReturnOp())
    types = ([argument.type for argument in block.args], [])
    function = func.FuncOp(source.sym_name.data, types, Region(block))
    for name, attribute in source.attributes.items():
        if name.startswith("liftproof.") and name != "liftproof.loc":
            function.attributes[name] = attribute
    module = ModuleOp([function])
    module.verify()
    return module


@dataclass
class _Writer:
    builder: Builder
    arguments: list[SSAValue]
    values: dict[Term, SSAValue] = field(default_factory=dict[Term, SSAValue])

    def target(self, output: Output, summary: Summary) -> SSAValue:
        """Where an output is computed: in itself, unless a summary reads what it held."""
        reads = {
            term.position
            for other in summary.outputs
            for term in walk(other.contents.body, into_folds=True)
            if isinstance(term, Element)
        }
        own = self.arguments[output.position]
        if output.position not in reads:
            return own
        type = own.type
        assert isinstance(type, MemRefType)
        extents = extents_of(summary.function, output.position)
        sizes = zip(extents, type.get_shape(), strict=True)
        dynamic = [self.value(extent) for extent, size in sizes if size < 0]
        return self.builder.insert(
            memref.AllocOp.get(type.element_type, shape=type.get_shape(), dynamic_sizes=dynamic)
        ).memref

    def nest(self, output: Output, summary: Summary, target: SSAValue) -> None:
        """The loops that compute one output."""
        outer = self.builder
        extents = extents_of(summary.function, output.position)
        zero, one = self._number(0), self._number(1)
        sizes = [self.value(extent) for extent in extents]
        before = dict(self.values)
        counters: list[SSAValue] = []
        for formal, size in zip(output.contents.formals, sizes, strict=True):
            body = Block(arg_types=[IndexType()])
            body.args[0].name_hint = formal.name
            self.builder.insert(scf.ForOp(zero, size, one, [], Region(body)))
            body.add_op(scf.YieldOp())
            self.builder = Builder(InsertPoint.before(body.ops.first))  # pyright: ignore[reportArgumentType]
            self.values[formal] = body.args[0]
            counters.append(body.args[0])
        value = self.value(output.contents.body)
        self.builder.insert(memref.StoreOp.get(value, target, counters))
        self.builder, self.values = outer, before

    def value(self, term: Term) -> SSAValue:
        """The SSA value of a term at the current place."""
        if term not in self.values:
            self.values[term] = self._make(term)
        return self.values[term]

    def _make(self, term: Term) -> SSAValue:
        match term:
            case Constant():
                return self._constant(term)
            case Parameter(position=position):
                return self.arguments[position]
            case Element(position=position, indices=indices):
                places = [self.value(part) for part in indices]
                return self.builder.insert(memref.LoadOp.get(self.arguments[position], places)).res
            case Fold():
                return self._fold(term)
            case Apply() if term.operation is arith.SelectOp and _is_partial(*term.operands[1:]):
                return self._choice(term)
            case Apply() if is_uninitialised(term):
                return self._constant(constant(0, term.type))
            case Apply():
                operands = [self.value(operand) for operand in term.operands]
                made = term.operation.create(
                    operands=operands,
                    result_types=[term.type],
                    properties=dict(term.properties) | _defaults(term),
                )
                return self.builder.insert(made).results[0]
            case Symbol(name=name):
                raise Diagnostic(f"the value of '{name}' is not known")
            case _:
                raise Diagnostic("a term that only proofs use")

    def _constant(self, term: Constant) -> SSAValue:
        if is_integer(term.type):
            attribute = IntegerAttr(int(term.value), term.type)  # pyright: ignore[reportArgumentType, reportCallIssue]
        else:
            attribute = FloatAttr(float(term.value), term.type)  # pyright: ignore[reportArgumentType, reportCallIssue]
        return self.builder.insert(arith.ConstantOp(attribute)).result

    def _number(self, value: int) -> SSAValue:
        return self.builder.insert(arith.ConstantOp(IntegerAttr.from_index_int_value(value))).result

    def _choice(self, term: Apply) -> SSAValue:
        """A choice of which only the side that is chosen may be computed."""
        condition, *sides = term.operands
        chosen = self.value(condition)
        regions = [self._region([], {}, [side]) for side in sides]
        return self.builder.insert(scf.IfOp(chosen, [term.type], regions[0], regions[1])).results[0]

    def _fold(self, fold: Fold) -> SSAValue:
        closed = fold.recurrence
        before = dict(self.values)
        arguments = [self.value(part) for part in fold.arguments]
        upper = self.value(fold.upper)
        self.values |= dict(zip(closed.formals, arguments, strict=True))
        lower = self.value(closed.lower)
        inits = [self.value(init) for init in closed.inits]
        bound = (closed.counter, *closed.states)
        types = [symbol.type for symbol in bound]
        region = self._region(types, dict(enumerate(bound)), closed.steps)
        self.values = before
        loop = self.builder.insert(scf.ForOp(lower, upper, self._number(1), inits, region))
        return loop.results[fold.which]

    def _region(
        self, types: Sequence[object], bound: dict[int, Symbol], results: Sequence[Term]
    ) -> Region:
        """A block that yields the terms; ``bound`` are the symbols that are its arguments."""
        outer, before = self.builder, dict(self.values)
        block = Block(arg_types=types)  # pyright: ignore[reportArgumentType]
        self.builder = Builder(InsertPoint.at_end(block))
        for number, symbol in bound.items():
            block.args[number].name_hint = symbol.name.replace("$", "_")
            self.values[symbol] = block.args[number]
        yielded = [self.value(result) for result in results]
        self.builder.insert(scf.YieldOp(*yielded))
        self.builder, self.values = outer, before
        return Region(block)


def _is_partial(*terms: Term) -> bool:
    """Whether an element of an array is needed, which may not be there in all cases."""
    return any(isinstance(part, Element | Fold) for part in walk(*terms))


def _defaults(term: Apply) -> dict[str, Attribute]:
    """Properties that the operation must have and that terms do not keep."""
    if issubclass(term.operation, arith.AddiOp | arith.SubiOp | arith.MuliOp):
        return {"overflowFlags": arith.IntegerOverflowAttr("none")}
    if "fastmath" in term.operation.get_irdl_definition().properties:  # pyright: ignore[reportAttributeAccessIssue]
        return {"fastmath": arith.FastMathFlagsAttr("none")}
    return {}
