"""Loop IR executed over expressions: control is numbers, data is expressions (trusted core)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import Float32Type, MemRefType, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from ..core.polyhedral import Unsupported
from ..execution.common import Values
from ..extract.pure_operations import FLOAT_PREDICATES, type_name
from ..extract.structured import single_function
from .expressions import Expression, Table

MAX_STEPS = 1_000_000
"""Operations of a run: seconds of work. Longer programs are not decided here."""

Cells: TypeAlias = "dict[tuple[int, ...], Expression]"


class LoopRun:
    """One run of a function of loop IR."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.numbers = Values()
        """Integers, conditions and indices."""
        self.data: dict[SSAValue, Expression] = {}
        self.memory: dict[SSAValue, Cells] = {}
        self.steps = 0
        self.handlers: dict[type[Operation], Callable[..., None]] = {
            scf.ForOp: self._for,
            scf.IfOp: self._if,
            memref.AllocaOp: self._allocate,
            memref.AllocOp: self._allocate,
            memref.DeallocOp: lambda operation: None,
            memref.LoadOp: self._load,
            memref.StoreOp: self._store,
            scf.YieldOp: lambda operation: None,
            ReturnOp: lambda operation: None,
        }

    def run(self, module: ModuleOp) -> list[Cells]:
        """The contents of all array parameters after the run.

        Raises ``Unsupported`` for data other than float32, control that depends on data, and what
        has no rule.
        """
        function = single_function(module)
        self._enter(function)
        self.block(function.body.block)
        return [self.memory[argument] for argument in function.args]

    def _enter(self, function: FuncOp) -> None:
        for position, argument in enumerate(function.args):
            type = argument.type
            if not isinstance(type, MemRefType) or not isinstance(type.element_type, Float32Type):
                raise Unsupported(f"parameter {position} is no array of float32")
            places = np.ndindex(*type.get_shape())
            self.memory[argument] = {
                place: self.table.element(position, number) for number, place in enumerate(places)
            }

    def block(self, block: Block) -> None:
        for operation in block.ops:
            self.operation(operation)

    def operation(self, operation: Operation) -> None:
        """Execute one operation; raises as ``run`` does."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Unsupported(f"a chain of products of more than {MAX_STEPS} steps")
        handler = self.handlers.get(type(operation))
        if handler is not None:
            handler(operation)
        elif any(operand in self.data for operand in operation.operands):
            self._compute(operation)
        else:
            self._number(operation)

    # Control.

    def _for(self, loop: scf.ForOp) -> None:
        low, high, step = (int(self.numbers[bound]) for bound in (loop.lb, loop.ub, loop.step))
        if step <= 0:
            raise Unsupported("a loop step that is not positive", loop)
        block = loop.body.block
        carried = list(loop.iter_args)
        values = [self._value(value) for value in carried]
        for counter in range(low, high, step):
            self.numbers[block.args[0]] = np.int64(counter)
            for argument, value in zip(block.args[1:], values, strict=True):
                self._bind(argument, value)
            self.block(block)
            values = self._yielded(block)
        for result, value in zip(loop.results, values, strict=True):
            self._bind(result, value)

    def _if(self, branch: scf.IfOp) -> None:
        if branch.cond in self.data:
            raise Unsupported("control that depends on data", branch)
        region = branch.true_region if bool(self.numbers[branch.cond]) else branch.false_region
        if not region.blocks:
            return
        self.block(region.block)
        for result, value in zip(branch.results, self._yielded(region.block), strict=True):
            self._bind(result, value)

    def _yielded(self, block: Block) -> list[object]:
        last = block.last_op
        return [self._value(o) for o in last.operands] if isinstance(last, scf.YieldOp) else []

    def _value(self, value: SSAValue) -> object:
        found = self.data.get(value)
        return self.numbers[value] if found is None else found

    def _bind(self, name: SSAValue, value: object) -> None:
        self.data.pop(name, None)
        if isinstance(value, Expression):
            self.data[name] = value
        else:
            self.numbers[name] = value

    # Memory.

    def _allocate(self, operation: memref.AllocaOp | memref.AllocOp) -> None:
        self.memory[operation.memref] = {}

    def _place(
        self, array: SSAValue, indices: Sequence[SSAValue], operation: Operation
    ) -> tuple[int, ...]:
        if array not in self.memory:
            raise Unsupported("this array in a chain of products", operation)
        assert isinstance(array.type, MemRefType)
        place = tuple(int(self.numbers[index]) for index in indices)
        extents = array.type.get_shape()
        if not all(0 <= number < extent for number, extent in zip(place, extents, strict=True)):
            raise Unsupported("the source leaves its array", operation)
        return place

    def _load(self, operation: memref.LoadOp) -> None:
        place = self._place(operation.memref, operation.indices, operation)
        value = self.memory[operation.memref].get(place)
        if value is None:
            raise Unsupported("the source reads what it never wrote", operation)
        self._bind(operation.res, value)

    def _store(self, operation: memref.StoreOp) -> None:
        place = self._place(operation.memref, operation.indices, operation)
        value = self._operand(operation.value, operation)
        self.memory[operation.memref][place] = value

    # Data.

    def _number(self, operation: Operation) -> None:
        for result in operation.results:
            self.data.pop(result, None)  # in an earlier iteration it may have been data
        self.numbers.pure(operation)

    def _operand(self, value: SSAValue, operation: Operation) -> Expression:
        """An operand as an expression; a float32 number is a constant."""
        found = self.data.get(value)
        if found is not None:
            return found
        if not isinstance(value.type, Float32Type):
            raise Unsupported("data that is not float32", operation)
        return self.table.constant(float(self.numbers[value]))

    def _compute(self, operation: Operation) -> None:
        if len(operation.results) != 1 or operation.regions:
            raise Unsupported("no rule in a chain of products", operation)
        table, result = self.table, operation.results[0]
        if not isinstance(result.type, Float32Type):
            self.data[result] = self._unknown(operation)
            return
        match operation:
            case arith.AddfOp() | arith.SubfOp() | arith.MulfOp():
                left = self._operand(operation.lhs, operation)
                right = self._operand(operation.rhs, operation)
                if isinstance(operation, arith.MulfOp):
                    value = table.multiply(left, right)
                else:
                    is_difference = isinstance(operation, arith.SubfOp)
                    value = table.add(left, -right if is_difference else right)
            case arith.NegfOp():
                value = -self._operand(operation.operand, operation)
            case _:
                value = self._unknown(operation)
        self.data[result] = value

    def _unknown(self, operation: Operation) -> Expression:
        """The result as an unknown function of the operands."""
        operands: list[object] = []
        for value in operation.operands:
            found = self.data.get(value)
            # The text tells zeros of either sign apart, and 1 from 1.0.
            operands.append(found if found is not None else repr(self.numbers[value].item()))
        if isinstance(operation, arith.CmpfOp):
            payload = FLOAT_PREDICATES[operation.predicate.value.data]
        else:
            payload = " ".join(f"{key}={operation.properties[key]}" for key in _payload(operation))
        name = f"{operation.name} {type_name(operation.results[0].type)} {payload}"
        return self.table.apply(name, operands)  # pyright: ignore[reportArgumentType]


def _payload(operation: Operation) -> list[str]:
    """The properties that say what an operation computes, such as the kind of a comparison."""
    return sorted(operation.properties.keys() - {"fastmath", "overflowFlags"})
