"""Symbolic execution of loop IR: what memory holds, as terms over the inputs (trusted core).

Straight-line code and conditions are executed here; what a loop does is left to a handler, which
either looks for a closed form (:mod:`derive`) or checks one (:mod:`check`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, MemRefType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from ...diagnostics import Diagnostic
from ..loops.evaluate import location_of
from .simplify import TRUE, apply, both, compare, constant, negate, select, substitute
from .terms import INDEX, Apply, Symbol, Term, element, parameter


class OutOfReach(Diagnostic):
    """A construct, or a dependence between iterations, that has no description here."""


@dataclass(frozen=True)
class Contents:
    """What an array holds: ``body``, as a function of the subscripts ``formals``."""

    formals: tuple[Symbol, ...]
    body: Term

    def read(self, indices: Sequence[Term]) -> Term:
        """The element at the subscripts."""
        return substitute(self.body, dict(zip(self.formals, indices, strict=True)))

    def written(self, indices: Sequence[Term], value: Term) -> Contents:
        """The contents after a store of ``value`` at the subscripts."""
        return Contents(self.formals, select(self._here(indices), value, self.body))

    def chosen(self, condition: Term, other: Contents) -> Contents:
        """These contents where ``condition`` holds, else the ``other`` ones."""
        return Contents(self.formals, select(condition, self.body, other.read(self.formals)))

    def _here(self, indices: Sequence[Term]) -> Term:
        here: Term = TRUE
        for formal, index in zip(self.formals, indices, strict=True):
            here = both(here, compare("eq", formal, index))
        return here


Memory = dict[SSAValue, Contents]
LoopHandler = Callable[["Execution", scf.ForOp, Memory], None]


def subscripts(type: Attribute) -> tuple[Symbol, ...]:
    """Fresh symbols for the subscripts of an array; none for a scalar in memory."""
    assert isinstance(type, MemRefType)
    return tuple(Symbol(INDEX, f"d{position}") for position in range(len(type.get_shape())))


@dataclass
class Execution:
    """Executes blocks; ``on_loop`` changes the memory as a loop does."""

    on_loop: LoopHandler
    values: dict[SSAValue, Term] = field(default_factory=dict[SSAValue, Term])
    path: list[Term] = field(default_factory=list[Term])
    """Conditions under which the current operation is executed."""

    def run_function(self, function: func.FuncOp) -> Memory:
        """The memory after the function; raises :class:`Diagnostic` for what has no rule here."""
        memory: Memory = {}
        for position, argument in enumerate(function.body.block.args):
            if isinstance(argument.type, MemRefType):
                formals = subscripts(argument.type)
                type = argument.type.element_type
                memory[argument] = Contents(formals, element(position, formals, type))
            else:
                self.values[argument] = parameter(position, argument.type)
        self.run(function.body.block, memory)
        return memory

    def run(self, block: Block, memory: Memory) -> None:
        """Execute a block on ``memory``, which is changed."""
        for operation in block.ops:
            self._operation(operation, memory)

    def _operation(self, operation: Operation, memory: Memory) -> None:
        match operation:
            case memref.AllocaOp() | memref.AllocOp():
                memory[operation.memref] = _uninitialised(operation.memref)
            case memref.LoadOp():
                contents = _array(memory, operation.memref, operation)
                self.values[operation.res] = contents.read(self._terms(operation.indices))
            case memref.StoreOp():
                contents = _array(memory, operation.memref, operation)
                indices = self._terms(operation.indices)
                memory[operation.memref] = contents.written(indices, self.term(operation.value))
            case scf.ForOp():
                if operation.iter_args:
                    raise _unsupported(operation, "a loop that carries values by name")
                self.on_loop(self, operation, memory)
            case scf.IfOp():
                self._if(operation, memory)
            case scf.YieldOp() | func.ReturnOp() | memref.DeallocOp():
                return
            case _:
                self._pure(operation)

    def term(self, value: SSAValue) -> Term:
        return self.values[value]

    def _terms(self, values: Sequence[SSAValue]) -> tuple[Term, ...]:
        return tuple(self.values[value] for value in values)

    def _pure(self, operation: Operation) -> None:
        if not operation.name.startswith(("arith.", "math.")) or len(operation.results) != 1:
            raise _unsupported(operation, f"the operation {operation.name}")
        result = operation.results[0]
        if isinstance(operation, arith.ConstantOp):
            self.values[result] = _constant(operation)
            return
        kept = ("predicate",) if isinstance(operation, arith.CmpiOp | arith.CmpfOp) else ()
        properties = tuple((name, operation.properties[name]) for name in kept)
        operands = self._terms(operation.operands)
        self.values[result] = apply(type(operation), operands, result.type, properties)

    def _if(self, operation: scf.IfOp, memory: Memory) -> None:
        condition = self.term(operation.cond)
        sides: list[tuple[Memory, tuple[Term, ...]]] = []
        for region, holds in (
            (operation.true_region, condition),
            (operation.false_region, negate(condition)),
        ):
            side = dict(memory)
            yielded: tuple[Term, ...] = ()
            if region.blocks:
                depth = len(self.path)
                self.path.append(holds)
                self.run(region.block, side)
                # What loops added holds in this branch only.
                del self.path[depth:]
                last = region.block.last_op
                yielded = self._terms(last.operands) if isinstance(last, scf.YieldOp) else ()
            sides.append((side, yielded))
        (then, first), (otherwise, second) = sides
        for array in memory:
            if then[array] is not otherwise[array]:
                memory[array] = then[array].chosen(condition, otherwise[array])
        for result, left, right in zip(operation.results, first, second, strict=True):
            self.values[result] = select(condition, left, right)


def _array(memory: Memory, array: SSAValue, operation: Operation) -> Contents:
    if array not in memory:
        raise _unsupported(operation, "an access through a view of an array")
    return memory[array]


def _uninitialised(array: SSAValue) -> Contents:
    """Contents that nothing is known of: any function of the subscripts."""
    assert isinstance(array.type, MemRefType)
    formals = subscripts(array.type)
    unknown = Symbol(array.type.element_type, "uninitialised")
    if not formals:
        return Contents(formals, unknown)
    return Contents(formals, Apply(unknown.type, memref.LoadOp, (unknown, *formals), ()))


def _constant(operation: arith.ConstantOp) -> Term:
    value, type = operation.value, operation.result.type
    if isinstance(value, IntegerAttr | FloatAttr):
        return constant(value.value.data, type)
    raise _unsupported(operation, f"the constant {value}")


def _unsupported(operation: Operation, what: str) -> OutOfReach:
    return OutOfReach(f"cannot execute {what} symbolically", location_of(operation))


def written_arrays(loop: scf.ForOp) -> list[SSAValue]:
    """The arrays and scalars in memory that the loop writes and that exist before it."""
    inside = {op.results[0] for op in loop.body.walk() if isinstance(op, memref.AllocaOp)}
    inside |= {op.results[0] for op in loop.body.walk() if isinstance(op, memref.AllocOp)}
    stores = [op.memref for op in loop.body.walk() if isinstance(op, memref.StoreOp)]
    return [array for array in dict.fromkeys(stores) if array not in inside]
