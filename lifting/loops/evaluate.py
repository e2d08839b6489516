"""Symbolic evaluation of loop IR: what every array holds at the end, as terms over the inputs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import (
    FileLineColLoc,
    FloatAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    StringAttr,
)
from xdsl.ir import Block, Operation, SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from .constants import wrap
from .index import (
    IndexExpression,
    IndexSymbol,
    LoopVariable,
    Quotient,
    Size,
    is_nonnegative,
    is_within,
)
from .loops import close_loop
from .rolled_updates import join_continued, rolled
from .simplify import apply
from .solve import Subscripts
from .split import is_awkward, pieces, thresholds
from .stages import Stage, stage_of
from .state import ArrayState, Update, clobber
from .terms import (
    Apply,
    IndexValue,
    Read,
    Scalar,
    Term,
    Unliftable,
    as_index,
    constant,
    index_value,
    scalar,
    unliftable,
    walk,
)


def location_of(op: Operation) -> SourceLocation | None:
    """Return where the operation stands in the C source, if it was recorded."""
    if isinstance(op.location, FileLineColLoc):
        location = op.location
        return SourceLocation(location.filename.data, location.line.data, location.column.data)
    noted = op.attributes.get("liftproof.loc")
    if isinstance(noted, StringAttr):
        file, line, column = noted.data.rsplit(":", 2)
        return SourceLocation(file, int(line), int(column))
    return None


MOST_ITERATIONS = 8
"""Of a loop that is run iteration by iteration; tables and filters are no longer."""
MOST_ITERATIONS_TOGETHER = 512


@dataclass
class Evaluator:
    """Evaluates the body of one function."""

    names: dict[SSAValue, str]
    conditional: bool = False
    """Whether what an array holds may depend on comparisons of subscripts."""
    unsigned: frozenset[SSAValue] = frozenset()
    """The scalar parameters of unsigned types."""
    measures: frozenset[SSAValue] = frozenset()
    """The scalar parameters that bound loops, or take part in subscripts and extents."""
    singly: bool = False
    """Whether short loops without a closed form are run iteration by iteration."""
    iterations: int = 0
    """How many iterations were run singly so far."""
    padded: bool = False
    """Whether reads may miss their array where a condition prevents it; such loops stay whole."""
    sizes: dict[SSAValue, Size] = field(default_factory=dict[SSAValue, Size])
    """The scalar parameters that are used as sizes or in subscripts."""
    quotients: dict[tuple[IndexExpression, int], Quotient] = field(
        default_factory=dict[tuple[IndexExpression, int], Quotient]
    )
    extents: dict[SSAValue, Subscripts] = field(default_factory=dict[SSAValue, Subscripts])
    """The extents of the array parameters, and of stages."""
    stages: dict[SSAValue, Stage] = field(default_factory=dict[SSAValue, Stage])
    """What the content of arrays that stay is (see ``stages``)."""
    values: dict[SSAValue, Term] = field(default_factory=dict[SSAValue, Term])
    variables: dict[tuple[Operation, IndexExpression, Subscripts], LoopVariable] = field(
        default_factory=dict[tuple[Operation, IndexExpression, Subscripts], LoopVariable]
    )

    def run(self, block: Block) -> ArrayState:
        """Return the state at the end of the function body."""
        state = ArrayState(0, self.names, conditional=self.conditional)
        self._block(block, state)
        return state

    def size(self, argument: SSAValue) -> Size:
        """Return the scalar parameter as a symbol of index expressions."""
        if argument not in self.sizes:
            self.sizes[argument] = Size(
                self.names.get(argument, "n"),
                argument,
                is_unsigned=argument in self.unsigned,
                is_positive=argument in self.measures,
            )
        return self.sizes[argument]

    def _block(self, block: Block, state: ArrayState) -> None:
        for op in block.ops:
            self._operation(op, state)

    def _operation(self, op: Operation, state: ArrayState) -> None:
        match op:
            case memref.AllocaOp() | memref.AllocOp():
                state.declare(op.memref)
            case memref.LoadOp():
                self.values[op.res] = self._load(op, state)
            case memref.StoreOp():
                self._store(op, state)
            case scf.ForOp():
                self._for(op, state)
                self._keep_stages(op, state)
            case scf.IfOp():
                self._if(op, state)
            case scf.YieldOp() | func.ReturnOp() | memref.DeallocOp():
                return
            case _:
                self._pure(op)

    def _pure(self, op: Operation) -> None:
        is_arithmetic = op.name.startswith(("arith.", "math."))
        if not is_arithmetic or len(op.results) != 1:
            raise Diagnostic(
                f"cannot lift the operation {op.name}",
                location_of(op),
                "loops, conditions, arithmetic and array accesses can be lifted",
            )
        result = op.results[0]
        if isinstance(op, arith.ConstantOp):
            self.values[result] = _constant(op)
            return
        operands = tuple(self._value(operand) for operand in op.operands)
        if (quotient := self._quotient(op, operands)) is not None:
            self.values[result] = index_value(quotient, result.type)
            return
        if isinstance(op, arith.IndexCastOp) and (size := self._unsigned_size(operands[0])):
            self.values[result] = index_value(IndexExpression.of(size), result.type)
            return
        if isinstance(result.type, IndexType) or isinstance(op, arith.CmpiOp):
            operands = self._as_sizes(operands)
        properties = tuple(op.properties.items())
        self.values[result] = apply(type(op), operands, result.type, properties)

    def _unsigned_size(self, term: Term) -> Size | None:
        """Return the parameter whose extension without a sign the term is, as a symbol."""
        if not (isinstance(term, Apply) and term.operation is arith.ExtUIOp):
            return None
        (inner,) = term.operands
        if not isinstance(inner, Scalar) or inner.argument not in self.unsigned:
            return None
        return self.size(inner.argument)

    def _quotient(self, op: Operation, operands: tuple[Term, ...]) -> IndexExpression | None:
        """Return a quotient or remainder of sizes by a constant as an index expression."""
        if not isinstance(op, arith.DivSIOp | arith.RemSIOp):
            return None
        dividend, divisor = (as_index(operand) for operand in operands)
        if dividend is None or divisor is None or not isinstance(operands[0], IndexValue):
            return None
        step = divisor.constant
        if step is None or step < 1 or not is_nonnegative(dividend):
            return None
        if any(isinstance(s, Size) and s not in self._extent_symbols() for s in dividend.symbols):
            return None  # a number that may be negative, for which C rounds the other way
        quotient = self._divided(dividend, step)
        if quotient is None:
            return None
        return quotient if isinstance(op, arith.DivSIOp) else dividend - quotient * step

    def _extent_symbols(self) -> set[IndexSymbol]:
        return {s for extents in self.extents.values() for e in extents for s in e.symbols}

    def _divided(self, dividend: IndexExpression, step: int) -> IndexExpression | None:
        """Return ``dividend / step``, rounded down; the dividend is never negative.

        ``None`` if it depends on loops in another way than by its digits.
        """
        whole = [(m, c // step) for m, c in dividend.terms if c % step == 0]
        rest = IndexExpression(tuple((m, c) for m, c in dividend.terms if c % step))
        if not rest.terms:
            return IndexExpression(tuple(whole))
        if is_within(rest, IndexExpression.of(step)):
            return IndexExpression(tuple(whole))
        if dividend.variables:
            return None
        key = (dividend, step)
        if key not in self.quotients:
            name = f"(({dividend}) / {step})"
            self.quotients[key] = Quotient(name, dividend, step)
        return IndexExpression.of(self.quotients[key])

    def _as_sizes(self, operands: tuple[Term, ...]) -> tuple[Term, ...]:
        """Return the operands with scalar parameters as index symbols, where indices are meant."""
        meant = any(isinstance(o, IndexValue) or isinstance(o.type, IndexType) for o in operands)
        is_cast = len(operands) == 1
        if not (meant or is_cast):
            return operands
        return tuple(
            index_value(IndexExpression.of(self.size(operand.argument)), operand.type)
            if isinstance(operand, Scalar)
            else operand
            for operand in operands
        )

    def _value(self, value: SSAValue) -> Term:
        found = self.values.get(value)
        if found is None:
            found = self.values[value] = scalar(value)
        return found

    def _index(self, value: SSAValue) -> IndexExpression | None:
        (term,) = self._as_sizes((self._value(value),))
        return as_index(term)

    def _indices(self, values: tuple[SSAValue, ...]) -> Subscripts | None:
        indices = [self._index(value) for value in values]
        known = tuple(index for index in indices if index is not None)
        return known if len(known) == len(indices) else None

    def _load(self, op: memref.LoadOp, state: ArrayState) -> Term:
        indices = self._indices(tuple(op.indices))
        if indices is None:
            reason = f"'{state.name(op.memref)}' is read at a place that is not an index expression"
            return unliftable(op.res.type, reason, location_of(op))
        return state.read(op.memref, indices)

    def _store(self, op: memref.StoreOp, state: ArrayState) -> None:
        location = location_of(op)
        indices = self._indices(tuple(op.indices))
        if indices is None:
            name = state.name(op.memref)
            reason = f"'{name}' is written at a place that is not an index expression"
            state.write(clobber(op.memref, reason, location))
            return
        value = self._value(op.value)
        if isinstance(value, Unliftable) and value.location is None:
            value = unliftable(value.type, value.reason, location)
        state.write(Update(op.memref, (), indices, value, location))

    # Loops

    def _for(self, op: scf.ForOp, state: ArrayState) -> None:
        if op.iter_args:
            raise Diagnostic("cannot lift a loop that carries values", location_of(op))
        counted = self._counted(op)
        if isinstance(counted, str):
            for array in _written_arrays(op):
                state.write(clobber(array, counted, location_of(op)))
            return
        variable, counter = counted
        updates = self._iterate(op, state, variable, counter)
        if _is_open(updates) and self._iterate_tiles(op, state, variable, counter):
            return
        is_short = self.singly and (_is_open(updates) or _reads_table(op))
        if is_short and self._iterate_singly(op, state, variable, counter):
            return
        if self._must_split(updates, variable):
            parts = pieces(variable, self._split_points(op, variable))
            if len(parts) > 1:
                self._iterate_pieces(op, state, variable, parts, counter)
                return
        state.absorb(updates, state.depth + 1)
        for array in {update.array: None for update in updates}:
            join_continued(state, array)

    def _keep_stages(self, op: scf.ForOp, state: ArrayState) -> None:
        """Let arrays that a nest of the function has computed from sums stay for other nests."""
        for array in _written_arrays(op) if state.depth == 0 else ():
            loads = [
                use.operation for use in array.uses if isinstance(use.operation, memref.LoadOp)
            ]
            if all(op.is_ancestor(load) for load in loads):
                continue
            if (stage := stage_of(state, array)) is not None:
                state.stages[array] = stage.array
                self.stages[stage.array] = stage
                self.extents[stage.array] = stage.extents

    def _counted(self, op: scf.ForOp) -> tuple[LoopVariable, IndexExpression] | str:
        """Return the loop variable and, in terms of it, the value of the induction variable."""
        name = self.names.get(op.body.block.args[0]) or op.body.block.args[0].name_hint or "i"
        lower, step = self._index(op.lb), self._index(op.step)
        uppers = self._upper_bounds(self._value(op.ub))
        if lower is None or uppers is None or step is None or step.constant is None:
            return f"the bounds of loop '{name}' are not index expressions"
        if step.constant == 1:
            variable = self._variable(op, name, lower, uppers)
            return variable, IndexExpression.of(variable)
        counts = [self._trips(upper - lower, step.constant) for upper in uppers]
        known = tuple(trips for trips in counts if trips is not None)
        if len(known) < len(counts):
            return f"the number of iterations of loop '{name}' is not an index expression"
        variable = self._variable(op, name, IndexExpression.of(0), known)
        return variable, IndexExpression.of(variable) * step.constant + lower

    def _trips(self, length: IndexExpression, step: int) -> IndexExpression | None:
        """Return the number of iterations, if it is an index expression."""
        exact = _divided_up(length, step)
        rounded = length + (step - 1)
        if exact is not None or length.variables or not is_nonnegative(rounded):
            return exact
        return self._divided(rounded, step)

    def _variable(
        self, op: scf.ForOp, name: str, lower: IndexExpression, uppers: Subscripts
    ) -> LoopVariable:
        """Return the variable of the loop; the same one if it is evaluated again with the range.

        So the terms of an iteration that was split off can be recognised in the others.
        """
        key = (op, lower, uppers)
        if key not in self.variables:
            self.variables[key] = LoopVariable(name, lower, uppers)
        return self.variables[key]

    def _upper_bounds(self, bound: Term) -> Subscripts | None:
        if isinstance(bound, Apply) and bound.operation is arith.MinSIOp:
            left, right = (self._upper_bounds(operand) for operand in bound.operands)
            return None if left is None or right is None else (*left, *right)
        (bound,) = self._as_sizes((bound,))
        index = as_index(bound)
        return None if index is None else (index,)

    def _iterate(
        self, op: scf.ForOp, state: ArrayState, variable: LoopVariable, counter: IndexExpression
    ) -> list[Update]:
        """Return what the loop does, relative to the state before it (scope ``depth + 1``)."""
        body = state.inner()
        self.values[op.body.block.args[0]] = index_value(counter, IndexType())
        self._block(op.body.block, body)
        return rolled(close_loop(body, variable), variable)

    def _iterate_pieces(
        self,
        op: scf.ForOp,
        state: ArrayState,
        variable: LoopVariable,
        parts: list[LoopVariable],
        counter: IndexExpression,
    ) -> None:
        """Run the parts of the loop's range one after the other."""
        for piece in parts:
            is_single = piece.extent is not None and piece.extent.constant == 1
            value = piece.lower if is_single else IndexExpression.of(piece)
            here = counter.substitute({variable: value})
            if is_single:
                body = state.inner()
                self.values[op.body.block.args[0]] = index_value(here, IndexType())
                self._block(op.body.block, body)
                state.absorb(body.all_updates(), body.depth)
            else:
                state.absorb(self._iterate(op, state, piece, here), state.depth + 1)

    def _iterate_tiles(
        self, op: scf.ForOp, state: ArrayState, variable: LoopVariable, counter: IndexExpression
    ) -> bool:
        """Run the loop as two, where subscripts divide its variable: ``in[i / 2]``, ``x[i % w]``.

        Returns whether that makes what it does known.
        """
        length = variable.extent
        if length is None or variable.lower.constant != 0:
            return False
        for size in self._divisors(op):
            tiles = _divided_up(length, size)
            if tiles is None or size < 2 or length.constant == size:
                continue
            zero = IndexExpression.of(0)
            outer = LoopVariable(variable.name, zero, (tiles,))
            inner = LoopVariable(variable.name, zero, (IndexExpression.of(size),))
            place = IndexExpression.of(outer) * size + IndexExpression.of(inner)
            body = state.inner()
            once = self._iterate(op, body, inner, counter.substitute({variable: place}))
            body.absorb(once, body.depth + 1)
            updates = close_loop(body, outer)
            if not _is_open(updates):
                state.absorb(updates, body.depth)
                return True
        return False

    def _divisors(self, op: scf.ForOp) -> list[int]:
        """Return the numbers by which the body of a loop divides subscripts, smallest first."""
        divisions = [d for d in op.walk() if isinstance(d, arith.DivSIOp | arith.RemSIOp)]
        values = [self.values.get(division.rhs) for division in divisions]
        indices = [as_index(value) for value in values if value is not None]
        numbers = {i.constant for i in indices if i is not None and i.constant is not None}
        return sorted(numbers)

    def _iterate_singly(
        self, op: scf.ForOp, state: ArrayState, variable: LoopVariable, counter: IndexExpression
    ) -> bool:
        """Run a short loop iteration by iteration; return whether what it does is known then."""
        extent = None if variable.extent is None else variable.extent.constant
        if extent is None or not 1 < extent <= MOST_ITERATIONS:
            return False
        self.iterations += extent
        if self.iterations > MOST_ITERATIONS_TOGETHER:
            return False
        edges = [variable.lower + step for step in range(extent + 1)]
        parts = [LoopVariable(variable.name, a, (b,)) for a, b in pairwise(edges)]
        trial = state.clone()
        self._iterate_pieces(op, trial, variable, parts, counter)
        if any(_is_open(trial.updates.get(a, [])) for a in _written_arrays(op)):
            return False
        state.updates, state.stages = trial.updates, trial.stages
        return True

    def _must_split(self, updates: list[Update], variable: LoopVariable) -> bool:
        """Return whether the range is to be cut where a condition on the variable changes."""
        if self.padded:
            return _is_open(updates)
        return is_awkward(updates, variable) or self._reads_outside(updates)

    def _reads_outside(self, updates: list[Update]) -> bool:
        """Return whether a read may miss its array, which a condition must then prevent."""
        reads = (term for u in updates for term in walk(u.value) if isinstance(term, Read))
        return any(
            not is_within(index, extent)
            for term in reads
            if term.array in self.extents
            for index, extent in zip(term.indices, self.extents[term.array], strict=True)
        )

    def _split_points(self, op: scf.ForOp, variable: LoopVariable) -> list[IndexExpression]:
        """Return the values of ``variable`` at which a condition on indices may change."""
        points: list[IndexExpression] = []
        for test in op.walk():
            if not isinstance(test, arith.CmpiOp):
                continue
            term = self.values.get(test.result)
            if not (isinstance(term, Apply) and term.operation is arith.CmpiOp):
                continue
            points.extend(thresholds(term, variable))
        return points

    # Conditions

    def _if(self, op: scf.IfOp, state: ArrayState) -> None:
        condition = self._value(op.cond)
        regions = [region for region in (op.true_region, op.false_region) if region.blocks]
        branches = [state.inner() for _ in range(2)]
        yielded: list[tuple[Term, ...]] = []
        for region, branch in zip(regions, branches, strict=False):
            self._block(region.block, branch)
            last = region.block.last_op
            values = tuple(last.operands) if isinstance(last, scf.YieldOp) else ()
            yielded.append(tuple(state.resolve(self._value(v), branch.depth) for v in values))
        for position, result in enumerate(op.results):
            arms = (condition, yielded[0][position], yielded[1][position])
            self.values[result] = apply(arith.SelectOp, arms, result.type)
        self._merge(state, condition, branches)

    def _merge(self, state: ArrayState, condition: Term, branches: list[ArrayState]) -> None:
        """Apply the updates of both branches, each under its condition."""
        depth = state.depth + 1
        sides = [
            [replace(u, value=state.resolve(u.value, depth)) for u in branch.all_updates()]
            for branch in branches
        ]
        for update in sides[0]:
            twin = _take_twin(update, sides[1])
            other = twin.value if twin is not None else _current(state, update)
            state.write(_chosen(condition, update, update.value, other))
        for update in sides[1]:
            state.write(_chosen(condition, update, _current(state, update), update.value))


def _reads_table(op: Operation) -> bool:
    """Return whether the loop reads an array of the function's own, such as a table of weights."""
    loads = (inner.memref for inner in op.walk() if isinstance(inner, memref.LoadOp))
    return any(isinstance(a.owner, memref.AllocaOp) and _rank(a) for a in loads)


def _rank(array: SSAValue) -> int:
    assert isinstance(array.type, MemRefType)
    return array.type.get_num_dims()


def _is_open(updates: list[Update]) -> bool:
    """Return whether something that the updates write is not known."""
    return any(isinstance(t, Unliftable) for u in updates for t in walk(u.value))


def _constant(op: arith.ConstantOp) -> Term:
    value, type = op.value, op.result.type
    if isinstance(value, IntegerAttr):
        return constant(wrap(value.value.data, type), type)
    if isinstance(value, FloatAttr):
        return constant(value.value.data, type)
    raise Diagnostic(f"cannot lift the constant {value}", location_of(op))


def _written_arrays(op: Operation) -> list[SSAValue]:
    stores = [inner.memref for inner in op.walk() if isinstance(inner, memref.StoreOp)]
    return list(dict.fromkeys(stores))


def _divided_up(range_length: IndexExpression, step: int) -> IndexExpression | None:
    """Return the number of iterations, if it is a polynomial."""
    if (length := range_length.constant) is not None:
        return IndexExpression.of(max(0, -(-length // step)))
    if any(coefficient % step for _, coefficient in range_length.terms):
        return None
    return IndexExpression(tuple((m, c // step) for m, c in range_length.terms))


def _take_twin(update: Update, others: list[Update]) -> Update | None:
    """Remove and return the update of the other branch that writes the same cells."""
    for position, other in enumerate(others):
        if (
            other.array is update.array
            and other.indices == update.indices
            and other.variables == update.variables
        ):
            return others.pop(position)
    return None


def _current(state: ArrayState, update: Update) -> Term:
    """Return what the updated cell holds without the update."""
    if update.indices is None:
        return update.value
    return state.read(update.array, update.indices)


def _chosen(condition: Term, update: Update, if_true: Term, if_false: Term) -> Update:
    """Return the update that writes one of two values."""
    value = apply(arith.SelectOp, (condition, if_true, if_false), if_true.type)
    return replace(update, value=value)
