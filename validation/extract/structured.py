"""From structured control flow to affine statements: what all levels of IR share (trusted core).

``Extractor`` walks a function once, keeps the loops, conditions and positions around the current
operation, and turns loads and stores into reads and statements. Subclasses add the operations of
their level.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects import affine, memref, scf
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, SSAValue

from ..core.accumulation import split_accumulation, without_offsets
from ..core.condition import (
    TRUE,
    Comparison,
    Condition,
    Connective,
    all_of,
    less_than,
    negate,
)
from ..core.folds import ADDITION, split_fold
from ..core.index import Index, Variable, constant_index
from ..core.polyhedral import (
    Array,
    Program,
    Read,
    Requirement,
    Role,
    Statement,
    Unsupported,
    all_within,
    element_variables,
)
from ..core.terms import Term, constant_value, leaves, read, rebuilt, rewrite, substitute, term
from ..sizes import CONCRETE, SizePlan
from .affine_expressions import affine_index
from .pure_operations import Value, as_condition, as_index, as_term, evaluate, type_name


@dataclass
class _Scope:
    """Where the walk stands: loop counters, conditions and the schedule prefix."""

    loops: list[Variable] = field(default_factory=list[Variable])
    conditions: list[Condition] = field(default_factory=list[Condition])
    predicates: list[Term] = field(default_factory=list[Term])
    """Data-dependent conditions: a store under them keeps the old value where they are false."""
    prefix: list[Index] = field(default_factory=list[Index])
    position: int = 0


class Extractor:
    """Walks the operations of one function and collects a ``Program``."""

    inlines_single_iterations = False
    """Whether loops of one iteration leave no counter; their number must not become a symbol."""
    instructions: tuple[type[Operation], ...] = ()
    """Instructions of a machine; what they write knows of conditions on counters only."""

    def __init__(self, plan: SizePlan = CONCRETE) -> None:
        self.plan = plan
        self.program = Program(symbols=plan.symbols, context=plan.context)
        self.loops: dict[str, tuple[scf.ForOp, int, int]] = {}
        """Loops from number to number, their upper bound and step, by their counter's name."""
        self.same_extents: list[tuple[tuple[Array, int], tuple[Array, int]]] = []
        """Dimensions of arrays that an operation forces to be equal."""
        self.values: dict[SSAValue, Value] = {}
        self.arrays: dict[SSAValue, Array] = {}
        self.scope = _Scope()
        self._names = 0
        self._loads: dict[Term, Read] = {}
        self._known_loads: dict[tuple[str, tuple[Index, ...], tuple[int, int]], Term] = {}
        self._versions: dict[Term, tuple[int, int]] = {}
        self._loop_edges = 0
        self._writes: dict[str, int] = {}
        self.drops_offsets = False
        """Whether products of sums with constants are several summands (``without_offsets``)."""
        self.running: frozenset[Operation] = frozenset()
        """Stores whose results between are read: they go on from the value before, and add up
        nothing."""
        self.handlers: dict[type[Operation], Callable[..., None]] = {
            scf.ForOp: self._for,
            scf.IfOp: self._if,
            memref.AllocaOp: self._allocate,
            memref.AllocOp: self._allocate,
            memref.DeallocOp: lambda operation: None,
            memref.LoadOp: self._load,
            memref.StoreOp: self._store,
            affine.ApplyOp: self._apply,
            ReturnOp: lambda operation: None,
        }

    # Names, positions, lookups.

    def fresh(self, prefix: str) -> str:
        """A name that no other array, statement or variable of the program has."""
        self._names += 1
        return f"{prefix}{self._names}"

    def next_schedule(self) -> tuple[Index, ...]:
        """The current point of time; the next call gives a later one."""
        schedule = (*self.scope.prefix, constant_index(self.scope.position))
        self.scope.position += 1
        return schedule

    def index(self, value: SSAValue, operation: Operation) -> Index:
        found = as_index(self.value(value, operation))
        if found is None:
            raise Unsupported("a size, bound or subscript that is not affine", operation)
        return found

    def indices(self, values: Sequence[SSAValue], operation: Operation) -> tuple[Index, ...]:
        return tuple(self.index(value, operation) for value in values)

    def value(self, value: SSAValue, operation: Operation) -> Value:
        if value not in self.values:
            raise Unsupported(f"a value of type {value.type} that is not computed here", operation)
        return self.values[value]

    def array(self, value: SSAValue, operation: Operation) -> Array:
        if value not in self.arrays:
            raise Unsupported("an array that is not a parameter or a local buffer", operation)
        return self.arrays[value]

    # Walking.

    def walk(self, block: Block) -> None:
        for operation in block.ops:
            handler = self.handlers.get(type(operation))
            if handler is not None:
                handler(operation)
            elif isinstance(operation, scf.YieldOp):
                continue
            elif operation.regions or len(operation.results) != 1:
                raise Unsupported(f"`{operation.name}` is not supported at this level", operation)
            else:
                self._pure(operation)

    def _pure(self, operation: Operation) -> None:
        operands = [self.value(operand, operation) for operand in operation.operands]
        facts = self.scope.conditions
        self.values[operation.results[0]] = evaluate(operation, operands, facts)

    def _for(self, loop: scf.ForOp) -> None:
        low = self.index(loop.lb, loop)
        high = self.plan.loops.get(loop) or self.index(loop.ub, loop)
        step = self.index(loop.step, loop)
        if not step.is_constant or step.constant <= 0:
            raise Unsupported("a loop step that is not a positive constant", loop)
        trips = (high - low + (step.constant - 1)) // step.constant
        if self.inlines_single_iterations and trips == constant_index(1):
            self._once(loop, low)
            return
        greatest = trips.interval[1]
        counter = Variable(self.fresh("t"), 0, None if greatest is None else greatest - 1)
        position = Index.of(counter) * step.constant + low
        if low.is_constant and high.is_constant:
            self.loops[counter.name] = loop, high.constant, step.constant
        self.values[loop.body.block.args[0]] = position
        carried = self._carry_in(loop)
        outer = self.scope
        self.scope = _Scope(
            [*outer.loops, counter],
            [*outer.conditions, less_than(position, high)],
            outer.predicates,
            [*outer.prefix, constant_index(outer.position), Index.of(counter)],
        )
        self._loop_edges += 1
        before = self.state()
        self.enter_loop(loop)
        for argument, cell in zip(loop.body.block.args[1:], carried, strict=True):
            self.values[argument] = self.read_element(cell, ())
        self.walk(loop.body.block)
        self._carry_out(loop.body.block, carried)
        self.scope = outer
        self.scope.position += 1
        self._loop_edges += 1
        least = trips.interval[0]
        self.leave_loop(loop, before, runs=least is not None and least >= 1)
        for result, cell in zip(loop.results, carried, strict=True):
            self.values[result] = self.read_element(cell, ())

    def _once(self, loop: scf.ForOp, low: Index) -> None:
        """A loop of one iteration is its body."""
        starts = [self.value(start, loop) for start in loop.iter_args]
        for argument, value in zip(loop.body.block.args, (low, *starts), strict=True):
            self.values[argument] = value
        self.walk(loop.body.block)
        last = loop.body.block.last_op
        ends = last.operands if isinstance(last, scf.YieldOp) else ()
        for result, end in zip(loop.results, ends, strict=True):
            self.values[result] = self.value(end, loop)

    @contextmanager
    def counted(self, counter: Variable) -> Generator[None]:
        """What is emitted within happens once for each value of a counter, one after the other."""
        outer = self.scope
        self.scope = _Scope(
            [*outer.loops, counter],
            outer.conditions,
            outer.predicates,
            [*outer.prefix, constant_index(outer.position), Index.of(counter)],
        )
        self._loop_edges += 1
        yield
        self.scope = outer
        self.scope.position += 1
        self._loop_edges += 1

    # State that a level keeps during the walk, such as configuration registers.

    def state(self) -> Any:
        """A copy of the level's own state."""
        return None

    def restore(self, state: Any) -> None:
        """Go back to a copy of the state."""

    def enter_loop(self, loop: scf.ForOp) -> None:
        """Before the body: keep only what every iteration starts with."""

    def leave_loop(self, loop: scf.ForOp, before: Any, *, runs: bool) -> None:
        """After the body; ``runs`` if it is executed at least once."""

    def merge(
        self, branch: scf.IfOp, condition: Condition | None, then: Any, otherwise: Any
    ) -> None:
        """After a branch: combine the states at the ends of its two sides."""
        if condition is None and (found := self._instruction_in(branch)) is not None:
            reason = "an instruction under a condition that depends on data"
            raise Unsupported(reason, found)

    def _instruction_in(self, branch: scf.IfOp) -> Operation | None:
        return next((op for op in branch.walk() if isinstance(op, self.instructions)), None)

    def _carry_in(self, loop: scf.ForOp) -> list[Array]:
        """Values carried from one iteration to the next live in cells of their own."""
        cells: list[Array] = []
        for start in loop.iter_args:
            value = self.value(start, loop)
            if not isinstance(value, Term):
                raise Unsupported("a loop that carries an index or a condition", loop)
            cell = Array(self.fresh("carried"), value.type, ())
            self.write_element(cell, (), value, loop)
            cells.append(cell)
        return cells

    def _carry_out(self, block: Block, cells: list[Array]) -> None:
        last = block.last_op
        if not cells or last is None:
            return
        values = [as_term(self.value(operand, last)) for operand in last.operands]
        # All cells change at once: a value that reads another cell is kept before any changes.
        for number, (cell, value) in enumerate(zip(cells, values, strict=True)):
            if any(load.array in cells and load.array != cell for load in self._reads_of(value)):
                kept = Array(self.fresh("kept"), value.type, ())
                self.write_element(kept, (), value, last)
                values[number] = self.read_element(kept, ())
        for cell, value in zip(cells, values, strict=True):
            self.write_element(cell, (), value, last)

    def _reads_of(self, value: Term) -> list[Read]:
        return [self._loads[leaf] for leaf in leaves(value, "load")]

    def _if(self, branch: scf.IfOp) -> None:
        value = self.value(branch.cond, branch)
        condition = as_condition(value)
        outer = self.scope
        chosen: list[list[Value]] = []
        before = self.state()
        ends: list[Any] = []
        for number, region in enumerate((branch.true_region, branch.false_region)):
            self.restore(before)
            if not region.blocks:
                ends.append(self.state())
                continue
            conditions, predicates = list(outer.conditions), list(outer.predicates)
            if condition is not None:
                conditions.append(condition if number == 0 else negate(condition))
            elif number == 0:
                for part in _conjuncts(as_term(value)):
                    known = as_condition(part)
                    if known is None:
                        predicates.append(part)
                    else:
                        conditions.append(known)
            else:
                predicates.append(_not(as_term(value)))
            self.scope = _Scope(outer.loops, conditions, predicates, outer.prefix, outer.position)
            self.walk(region.block)
            ends.append(self.state())
            outer.position = self.scope.position
            last = region.block.last_op
            if branch.results and last is not None:
                chosen.append([self.value(operand, last) for operand in last.operands])
        self.scope = outer
        self.merge(branch, condition, *ends)
        for number, result in enumerate(branch.results):
            then, otherwise = chosen[0][number], chosen[1][number]
            self.values[result] = _select(as_term(value), then, otherwise, branch)

    def _apply(self, operation: affine.ApplyOp) -> None:
        map = operation.map.data
        operands = self.indices(operation.mapOperands, operation)
        dims, symbols = operands[: map.num_dims], operands[map.num_dims :]
        found = affine_index(map.results[0], dims, operation, symbols)
        self.values[operation.result] = found

    # Memory.

    def _allocate(self, operation: memref.AllocaOp | memref.AllocOp) -> None:
        type = operation.memref.type
        sizes = iter(operation.dynamic_sizes)
        extents = self.plan.extents.get(operation.memref) or tuple(
            self.index(next(sizes), operation) if extent < 0 else constant_index(extent)
            for extent in type.get_shape()
        )
        array = Array(self.fresh("local"), element_type(type), extents)
        self.arrays[operation.memref] = array
        if self.scope.loops and not _is_set_at_once(operation.memref):
            self._forget(array, operation)

    def _forget(self, array: Array, operation: Operation) -> None:
        """An array in a loop is a new one in each iteration: nobody knows what it holds."""
        dims = element_variables(self.fresh("e"), array.extents)
        indices = tuple(Index.of(dim) for dim in dims)
        unknown = term("unknown", array.element_type, payload=array.name)
        inside = [all_within(indices, array.extents)]
        self.emit(array, indices, unknown, operation, dims=dims, condition=inside)

    def _load(self, operation: memref.LoadOp) -> None:
        array = self.array(operation.memref, operation)
        indices = self.indices(operation.indices, operation)
        self.require(all_within(indices, array.extents), "load within the array", operation)
        self.values[operation.res] = self.read_element(array, indices)

    def _store(self, operation: memref.StoreOp) -> None:
        array = self.array(operation.memref, operation)
        indices = self.indices(operation.indices, operation)
        value = as_term(self.value(operation.value, operation), array.element_type)
        self.require(all_within(indices, array.extents), "store within the array", operation)
        self.write_element(array, indices, value, operation)

    def require(
        self,
        holds: Condition,
        description: str,
        operation: Operation,
        dims: Sequence[Variable] = (),
        condition: Sequence[Condition] = (),
    ) -> None:
        """Demand a property at the current point, for all values of the extra ``dims``."""
        if holds == TRUE:
            return
        domain = (*self.scope.loops, *dims)
        constraint = all_of([*self.scope.conditions, *condition])
        requirement = Requirement(domain, constraint, holds, description, operation)
        self.program.requirements.append(requirement)

    def read_element(self, array: Array, indices: tuple[Index, ...]) -> Term:
        """The value of an element at the current point of time."""
        key = (array.name, indices, self._version(array))
        if key in self._known_loads:
            return self._known_loads[key]
        self._names += 1
        leaf = term("load", array.element_type, payload=self._names)
        self._loads[leaf] = Read(array, indices, self.next_schedule())
        self._versions[leaf] = self._version(array)
        self._known_loads[key] = leaf
        return leaf

    def write_element(
        self,
        array: Array,
        indices: tuple[Index, ...],
        value: Term,
        operation: Operation,
        dims: Sequence[Variable] = (),
        condition: Sequence[Condition] = (),
    ) -> None:
        """Assign to an element, or add to it where the value is the old one plus something.

        With ``dims``, to one element for each of their values, all of them different.
        """
        version = self._version(array)
        for predicate in reversed(self.scope.predicates):
            before = self.read_element(array, indices)
            value = term("select", value.type, predicate, value, before)
        for chosen, conditions in by_condition(value):
            # In each case for itself: `k == 0 ? 0 : cell` starts a sum, and else keeps it.
            old = [
                leaf
                for leaf in leaves(chosen, "load")
                if self._loads[leaf].array == array
                and self._loads[leaf].indices == indices
                and self._versions[leaf] == version
            ]
            is_running = operation in self.running
            combines = not is_running and self.combines(array, indices)
            # A reduction may add up other elements of its own array, such as rows not yet changed.
            summed = old.__contains__ if combines else self._reads_array(array)
            summands = None if is_running else self.summands(chosen, old, summed)
            fold = ADDITION
            if summands is None and combines:
                found = split_fold(chosen, old, self._reads_array(array))
                fold, summands = found or (ADDITION, None)
            both = [*condition, *conditions]
            if summands is None:
                self.emit(array, indices, chosen, operation, dims=dims, condition=both)
            for summand in summands or ():
                self.emit(
                    array,
                    indices,
                    summand,
                    operation,
                    accumulates=True,
                    dims=dims,
                    condition=both,
                    fold=fold,
                )

    def summands(
        self, value: Term, old: Sequence[Term], reads_cell: Callable[[Term], bool]
    ) -> list[Term] | None:
        """What ``value`` adds to a cell, or ``None`` if it is no such sum."""
        found = split_accumulation(value, old, reads_cell)
        if found is None or not self.drops_offsets:
            return found
        return [part for summand in found for part in without_offsets(summand)]

    def combines(self, array: Array, indices: tuple[Index, ...]) -> bool:
        """Whether a loop writes the same element again and again, and nothing else sets it there.

        A write that happens once, such as a limit after a sum, is no reduction.
        """
        used = {name for index in indices for name in index.variables}
        assigned = [s for s in self.program.writers(array) if not s.accumulates]
        return any(
            loop.name not in used and not any(loop in statement.dims for statement in assigned)
            for loop in self.scope.loops
        )

    def _reads_array(self, array: Array) -> Callable[[Term], bool]:
        return lambda leaf: self._loads[leaf].array == array

    def _version(self, array: Array) -> tuple[int, int]:
        """Equal at two points of the walk only if no write to the array lies between them."""
        return self._loop_edges, self._writes.get(array.name, 0)

    def emit(
        self,
        array: Array,
        indices: tuple[Index, ...],
        value: Term,
        operation: Operation,
        *,
        accumulates: bool = False,
        dims: Sequence[Variable] = (),
        condition: Sequence[Condition] = (),
        fold: str = ADDITION,
    ) -> None:
        """Add a statement at the current point; one per case if its value depends on conditions."""
        cases = list(by_condition(value))
        if len(cases) > 1:
            for chosen, facts in cases:
                extra = [*condition, *facts]
                self.emit(
                    array,
                    indices,
                    chosen,
                    operation,
                    accumulates=accumulates,
                    dims=dims,
                    condition=extra,
                    fold=fold,
                )
            return
        if array.role is Role.INPUT:
            raise Unsupported(
                "a write to a parameter that is not in `liftproof.outputs`", operation
            )
        self._writes[array.name] = self._writes.get(array.name, 0) + 1
        loads = leaves(value, "load")
        renamed = {leaf: read(number, leaf.type) for number, leaf in enumerate(loads)}
        statement = Statement(
            self.fresh("S"),
            (*self.scope.loops, *dims),
            all_of([*self.scope.conditions, *condition]),
            self.next_schedule(),
            array,
            indices,
            substitute(value, renamed),
            tuple(self._loads[leaf] for leaf in loads),
            accumulates,
            len(dims),
            operation,
            fold,
        )
        self.program.statements.append(statement)


def by_condition(value: Term) -> Iterator[tuple[Term, list[Condition]]]:
    """The value in each case of the conditions on loop counters that it depends on."""
    cases = leaves(value, "condition")
    if not cases:
        yield value, []
        return
    truth = cases[0].payload
    assert isinstance(truth, Comparison | Connective)
    for fact, number in ((truth, 1), (negate(truth), 0)):
        chosen = substitute(value, {cases[0]: term("constant", "i1", payload=number)})
        for inner, facts in by_condition(_decide_selects(chosen)):
            yield inner, [fact, *facts]


def _is_set_at_once(cell: SSAValue) -> bool:
    """Whether the first use of a cell, in its own block, is to set it."""
    owner = cell.owner
    assert isinstance(owner, Operation)
    following = owner.next_op
    while following is not None and not any(cell in op.operands for op in following.walk()):
        following = following.next_op
    is_cell = isinstance(cell.type, MemRefType) and all(n == 1 for n in cell.type.get_shape())
    return is_cell and isinstance(following, memref.StoreOp) and following.memref == cell


def _conjuncts(truth: Term) -> Iterator[Term]:
    """What must all hold: ``a && b`` is ``a & b``, or ``a ? b : false``."""
    is_choice = truth.operation == "select" and constant_value(truth.operands[2]) == 0
    if truth.operation == "andi" or is_choice:
        yield from _conjuncts(truth.operands[0])
        yield from _conjuncts(truth.operands[1])
    else:
        yield truth


def _not(truth: Term) -> Term:
    return term("xori", "i1", truth, term("constant", "i1", payload=1))


def _select(condition: Term, then: Value, otherwise: Value, operation: Operation) -> Value:
    if then == otherwise:
        return then
    left, right = as_term(then), as_term(otherwise)
    if left.type == "index":
        raise Unsupported("an index chosen by a condition", operation)
    return term("select", left.type, condition, left, right)


def _decide_selects(value: Term) -> Term:
    """Remove selections whose condition has become a constant."""

    def visit(old: Term, operands: tuple[Term, ...]) -> Term:
        if old.operation == "select" and operands[0].operation == "constant":
            return operands[1] if operands[0].payload else operands[2]
        return rebuilt(old, operands)

    return rewrite(value, visit)


def element_type(type: MemRefType[Attribute]) -> str:
    return type_name(type.element_type)


def single_function(module: ModuleOp) -> FuncOp:
    """The one function of a module."""
    functions = [op for op in module.ops if isinstance(op, FuncOp) and op.body.blocks]
    if len(functions) != 1:
        raise Unsupported(f"expected one function with a body, found {len(functions)}")
    return functions[0]
