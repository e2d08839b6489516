"""``gemmini-lower-to-core``: element-wise work that no store does becomes loops of the core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, func, memref
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import FillOp, GenericOp, IndexOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ..hw.gemmini.config import DEFAULT_CONFIG
from .begin_function import lower_to_items
from .chains.products import Counter
from .coalesce import Form
from .contraction import (
    iterators_of,
    maps_of,
    output_position,
    parameter_position,
    returned_tensor,
    subscript_form,
)
from .instruction_tree import Item, LoopOfItems, TreeBuilder
from .kernel import kernel_of, refusal
from .reshaped import joined_subscripts, split_result, whole_array

LOOP_NAMES = "ijkl"


@dataclass(frozen=True)
class LowerToCorePass(ModulePass):
    """Lower an element-wise operation to plain loops, which the core runs between two fences.

    Needs tensor IR: one operation without reductions on parameters, whatever it computes.
    Guarantees the same function for any sizes, in the order of its loops. Costs: the accelerator
    stands still, and each element takes the core several cycles.
    """

    name = "gemmini-lower-to-core"

    config: str = DEFAULT_CONFIG

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        loops = CoreLoops(kernel_of(op))
        lower_to_items(op, self.config, lambda lowered, _: loops.items(lowered))


def is_for_core(function: func.FuncOp) -> bool:
    """Whether the kernel is one element-wise operation, which the core can do."""
    try:
        CoreLoops(function)
    except PassFailedException:
        return False
    return True


class CoreLoops:
    """The loops of one element-wise operation; refuses other kernels."""

    def __init__(self, function: func.FuncOp) -> None:
        value, joins = split_result(returned_tensor(function))
        generic = value.owner
        if not isinstance(generic, GenericOp) or len(generic.results) != 1:
            raise refusal(function, "is no single operation on arrays")
        self.generic = generic
        kinds = iterators_of(generic)
        self.kept = [n for n, kind in enumerate(kinds) if kind == IteratorType.PARALLEL]
        self.reduces = len(self.kept) < len(kinds)
        products = [op for op in generic.walk() if isinstance(op, arith.MuliOp | arith.MulfOp)]
        if self.reduces and products:
            raise refusal(generic, "the core forms no sums of products")
        self.sizes = tuple(generic.get_static_loop_ranges())
        self.out = output_position(function)
        maps = [[subscript_form(x, generic) for x in map.results] for map in maps_of(generic)]
        arguments = generic.body.block.args
        self.reads = [
            (argument, *self._read(operand, forms))
            for argument, operand, forms in zip(arguments, generic.operands, maps, strict=True)
            if argument.first_use is not None and not (self.reduces and argument is arguments[-1])
        ]
        self.written = maps[-1]
        for join in joins:
            self.written = joined_subscripts(join, self.written)
        self._require_own_element()
        start = generic.outputs[0].owner
        if self.reduces and not (
            isinstance(start, FillOp) and isinstance(start.inputs[0].owner, arith.ConstantOp)
        ):
            raise refusal(generic, "reductions of the core start from a number")

    def _read(self, operand: SSAValue, forms: Sequence[Form]) -> tuple[int, Sequence[Form]]:
        array, subscripts = whole_array(operand, forms)
        return parameter_position(array, self.generic), subscripts

    def _require_own_element(self) -> None:
        """No element may be written before another one is computed from it."""
        for _, position, forms in self.reads:
            if position == self.out and list(forms) != list(self.written):
                raise refusal(self.generic, "overwrites elements that it reads later")

    def items(self, lowered: func.FuncOp) -> list[Item]:
        """The operation in loops over the arrays of ``lowered``; a reduction behind its start."""
        start: list[Item] = [lambda tree: self._begin(tree, lowered)] if self.reduces else []
        work: list[Item] = [lambda tree: self._insert(tree, lowered)]
        every = range(len(self.sizes))
        return [*self._in_loops(start, self.kept), *self._in_loops(work, every)]

    def _in_loops(self, items: list[Item], loops: Sequence[int]) -> list[Item]:
        for loop in reversed(loops) if items else ():
            name = LOOP_NAMES[loop] if loop < len(LOOP_NAMES) else "x"
            items = [LoopOfItems(Counter(loop, self.sizes[loop], name), items)]
        return items

    def _begin(self, tree: TreeBuilder, lowered: func.FuncOp) -> None:
        """Store what a reduction starts from."""
        fill = self.generic.outputs[0].owner
        assert isinstance(fill, FillOp)
        value = fill.inputs[0].owner
        assert isinstance(value, arith.ConstantOp)
        start = value.clone()
        tree.index.insert(start)
        places = [tree.number(form) for form in self.written]
        tree.index.insert(memref.StoreOp.get(start.result, lowered.args[self.out], places))

    def _insert(self, tree: TreeBuilder, lowered: func.FuncOp) -> None:
        index = tree.index
        old, new = self.generic.parent_block(), lowered.body.block
        assert old is not None
        known: dict[SSAValue, SSAValue] = dict(zip(old.args, new.args, strict=True))
        if self.reduces:
            places = [tree.number(form) for form in self.written]
            load = memref.LoadOp.get(new.args[self.out], places)
            index.insert(load)
            known[self.generic.body.block.args[-1]] = load.res
        for argument, position, forms in self.reads:
            load = memref.LoadOp.get(new.args[position], [tree.number(form) for form in forms])
            index.insert(load)
            known[argument] = load.res
        for op in self.generic.body.block.ops:
            if op is self.generic.body.block.last_op:
                break
            if isinstance(op, IndexOp):
                known[op.result] = tree.variables[op.dim.value.data]
                continue
            _copy_constants(op, known, tree)
            index.insert(op.clone(known))
        last = self.generic.body.block.last_op
        assert last is not None
        _copy_constants(last, known, tree)
        result = known[last.operands[0]]
        places = [tree.number(form) for form in self.written]
        index.insert(memref.StoreOp.get(result, new.args[self.out], places))


def _copy_constants(op: Operation, known: dict[SSAValue, SSAValue], tree: TreeBuilder) -> None:
    """Copy constants of the function around that ``op`` reads."""
    for operand in op.operands:
        owner = operand.owner
        if operand not in known and isinstance(owner, arith.ConstantOp):
            tree.index.insert(owner.clone(known))
