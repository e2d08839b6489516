"""From terms to tensor IR: contractions and element-wise maps as ``linalg`` on tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from xdsl.builder import Builder
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AffineMapAttr,
    ArrayAttr,
    IntegerAttr,
    TensorType,
    i1,
)
from xdsl.dialects.linalg import ops as linalg
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.rewriter import InsertPoint

from ...diagnostics import Diagnostic
from ..loops.index import (
    IndexExpression,
    LoopVariable,
    Monomial,
    is_nonnegative,
    is_within,
    largest,
    smallest,
)
from ..loops.index_tests import compared
from ..loops.recurrence import sum_addend, uses_accumulator
from ..loops.rewrite import substitute
from ..loops.simplify import apply
from ..loops.solve import Subscripts
from ..loops.stages import Stage
from ..loops.terms import (
    Apply,
    Constant,
    Read,
    Reduction,
    Scalar,
    Term,
    accumulator,
    children,
    constant,
    walk,
)
from .guards import guarded_reads, without_needless_guards
from .layout import linear_layout
from .padding import pad_with_zeros
from .scalar import ScalarWriter

_WIDENING = (arith.ExtSIOp, arith.ExtUIOp, arith.ExtFOp)

Loops = tuple[LoopVariable, ...]
Groups = tuple[tuple[IndexExpression, ...], ...]
"""For each dimension of an array, the extents of the dimensions that it is split into."""


@dataclass(frozen=True)
class Operand:
    """An input of a ``linalg`` operation; ``leaf`` is the term that its elements stand for."""

    leaf: Term | None
    value: SSAValue
    map: AffineMap


@dataclass
class TensorEmitter:
    """Appends the operations that compute terms to ``block``.

    ``parameters`` maps the parameters of the source function to those of the new one; ``extents``
    gives the extents of every source array, and ``stages`` arrays that are computed in between.
    """

    block: Block
    parameters: dict[SSAValue, SSAValue]
    extents: dict[SSAValue, tuple[IndexExpression, ...]]
    stages: Mapping[SSAValue, Stage]
    done: dict[tuple[Term, Loops], SSAValue] = field(
        default_factory=dict[tuple[Term, Loops], SSAValue]
    )
    expanded: dict[tuple[SSAValue, Groups], SSAValue] = field(
        default_factory=dict[tuple[SSAValue, Groups], SSAValue]
    )
    standard: dict[tuple[int, IndexExpression], LoopVariable] = field(
        default_factory=dict[tuple[int, IndexExpression], LoopVariable]
    )

    def emit(self, term: Term, loops: Loops) -> SSAValue:
        """Return the tensor whose element at ``loops`` (each from 0) is ``term``.

        Raises :class:`Diagnostic` if ``linalg`` cannot express it.
        """
        standard = tuple(self._standard(d, loop) for d, loop in enumerate(loops))
        names = {a: IndexExpression.of(b) for a, b in zip(loops, standard, strict=True)}
        key = (substitute(term, names), standard)
        if key not in self.done:
            self.done[key] = self._emit(*key)
        return self.done[key]

    def _standard(self, dimension: int, loop: LoopVariable) -> LoopVariable:
        """Return the variable that stands for every loop of this dimension and extent.

        So a tensor that is needed under other loop names is found again.
        """
        key = (dimension, _extent(loop))
        if key not in self.standard:
            self.standard[key] = LoopVariable(loop.name, IndexExpression.of(0), (key[1],))
        return self.standard[key]

    def _emit(self, term: Term, loops: Loops) -> SSAValue:
        if isinstance(term, Reduction):
            variables, body = _from_zero(term)
            return self._generic(body, loops, variables, term.init)
        if isinstance(term, Constant | Scalar):
            empty = self._empty(term.type, loops)
            value = self._writer().value(term)
            return self.insert(linalg.FillOp((value,), (empty,), (empty.type,)))
        if isinstance(term, Read) and self._is_whole(term, loops):
            return self._array(term.array)
        return self._generic(term, loops, (), None)

    def _array(self, array: SSAValue) -> SSAValue:
        """Return the tensor of a parameter, or of a stage, which is computed once."""
        if array not in self.parameters:
            stage = self.stages[array]
            self.parameters[array] = self.emit(stage.value, stage.loops)
        return self.parameters[array]

    def _is_whole(self, term: Read, loops: Loops) -> bool:
        """Return whether the read over all loops is the array itself."""
        if tuple(index.single_variable for index in term.indices) != loops:
            return False
        return tuple(loop.extent for loop in loops) == self.extents[term.array]

    def _writer(self) -> ScalarWriter:
        return ScalarWriter(Builder(InsertPoint.at_end(self.block)), {}, self.parameters)

    def dynamic(self, numbers: Sequence[IndexExpression]) -> list[SSAValue]:
        """Return the values of those numbers that are known at run time only."""
        return [self._writer().index(number) for number in numbers if number.constant is None]

    def insert(self, op: Operation) -> SSAValue:
        """Append the operation and return its result."""
        self.block.add_op(op)
        return op.results[0]

    def _empty(self, type: Attribute, loops: Loops) -> SSAValue:
        return self.empty(type, [_extent(loop) for loop in loops])

    def empty(self, type: Attribute, extents: Sequence[IndexExpression]) -> SSAValue:
        """Return a new tensor without content."""
        shape = [_static(extent) for extent in extents]
        return self.insert(tensor.EmptyOp(self.dynamic(extents), TensorType(type, shape)))

    def _generic(self, term: Term, loops: Loops, variables: Loops, init: Term | None) -> SSAValue:
        """Insert the operation that computes ``term`` at ``loops`` by reducing ``variables``."""
        dimensions = (*loops, *variables)
        outside = {r: self.extents[r.array] for r in guarded_reads(term) if not self._is_inside(r)}
        term = without_needless_guards(term, outside)
        leaves = _leaves(term, _computed_factors(term) if variables else frozenset())
        operands = [self._operand(leaf, dimensions, leaf in outside) for leaf in leaves]
        output = self._empty(term.type, loops) if init is None else self.emit(init, loops)
        operands += self._extent_carriers(operands, loops, variables)
        assert isinstance(output.type, TensorType)
        kept = tuple(AffineExpr.dimension(position) for position in range(len(loops)))
        maps = [*(operand.map for operand in operands), AffineMap(len(dimensions), 0, kept)]
        iterators = [IteratorTypeAttr.parallel()] * len(loops)
        iterators += [IteratorTypeAttr.reduction()] * len(variables)
        op = linalg.GenericOp(
            [operand.value for operand in operands],
            [output],
            self._body(term, dimensions, operands, output.type.element_type),
            [AffineMapAttr(map) for map in maps],
            iterators,
            [output.type],
        )
        return self.insert(op)

    def _operand(self, leaf: Term, dimensions: Loops, is_guarded: bool) -> Operand:
        if isinstance(leaf, Read):
            if is_guarded:
                return self._padded_operand(leaf, dimensions)
            return self._array_operand(leaf, dimensions)
        used = tuple(d for d in dimensions if d in leaf.free)
        exprs = tuple(AffineExpr.dimension(dimensions.index(d)) for d in used)
        return Operand(leaf, self.emit(leaf, used), AffineMap(len(dimensions), 0, exprs))

    def _array_operand(self, leaf: Read, dimensions: Loops) -> Operand:
        extents = self.extents[leaf.array]
        value, indices = self._forwards(leaf)
        exprs: list[AffineExpr] = []
        groups: list[tuple[IndexExpression, ...]] = []
        for index, extent in zip(indices, extents, strict=True):
            layout = linear_layout(index, extent)
            if layout is not None:
                exprs += [AffineExpr.dimension(dimensions.index(v)) for v in layout.variables]
                groups.append(layout.shape)
                continue
            if not is_within(index, extent):
                raise Diagnostic(f"cannot lift: {_cell(leaf)} may lie outside of the array")
            exprs.append(_affine(_apart(index)[1], dimensions, leaf))
            groups.append((extent,))
        if len(exprs) > len(groups):
            value = self._expanded(value, tuple(groups))
        elif any(_is_partial(i, e) for i, e in zip(indices, extents, strict=True)):
            value = self._part(value, indices, extents)
        return Operand(leaf, value, AffineMap(len(dimensions), 0, tuple(exprs)))

    def _forwards(self, leaf: Read) -> tuple[SSAValue, Subscripts]:
        """Return the array turned around along dimensions that are read from a moving end.

        ``linalg`` has no subscripts such as ``n - 1 - i``. The subscripts are those of the result.
        """
        value, extents = self._array(leaf.array), self.extents[leaf.array]
        turned = [_is_backwards(index) for index in leaf.indices]
        if not any(turned):
            return value, leaf.indices
        key = (value, (tuple(IndexExpression.of(int(turn)) for turn in turned),))
        if key not in self.expanded:
            last = [e - 1 if turn else e * 0 for e, turn in zip(extents, turned, strict=True)]
            steps = [-1 if turn else 1 for turn in turned]
            first, sizes = self._mixed(last), self._mixed(extents)
            op = tensor.ExtractSliceOp(value, first, sizes, steps, value.type)
            self.expanded[key] = self.insert(op)
        indices = tuple(
            extent - 1 - index if turn else index
            for index, extent, turn in zip(leaf.indices, extents, turned, strict=True)
        )
        return self.expanded[key], indices

    def _is_inside(self, leaf: Read) -> bool:
        """Return whether the read cannot miss its array, in whatever layout it is written."""
        return all(
            linear_layout(index, extent) is not None or is_within(index, extent)
            for index, extent in zip(leaf.indices, self.extents[leaf.array], strict=True)
        )

    def _padded_operand(self, leaf: Read, dimensions: Loops) -> Operand:
        """Return the array with zeros around it, as far as the subscripts of ``leaf`` reach."""
        value = self._array(leaf.array)
        extents = self.extents[leaf.array]
        margins = [_margins(i, e) for i, e in zip(leaf.indices, extents, strict=True)]
        known = [margin for margin in margins if margin is not None]
        if len(known) < len(margins):
            raise Diagnostic(f"cannot lift: {_cell(leaf)} may lie outside of the array")
        before = tuple(first for first, _ in known)
        padded = tuple(b + e + a for (b, a), e in zip(known, extents, strict=True))
        key = (value, (before, padded))
        if key not in self.expanded:
            self.expanded[key] = pad_with_zeros(self, value, extents, before, padded)
        value = self.expanded[key]
        indices = tuple(index + b for index, b in zip(leaf.indices, before, strict=True))
        if any(_is_partial(i, e) for i, e in zip(indices, padded, strict=True)):
            value = self._part(value, indices, padded)
        exprs = tuple(_affine(_apart(index)[1], dimensions, leaf) for index in indices)
        return Operand(leaf, value, AffineMap(len(dimensions), 0, exprs))

    def _expanded(self, value: SSAValue, groups: Groups) -> SSAValue:
        """Return the array with each dimension split into the extents of its group."""
        key = (value, groups)
        if key not in self.expanded:
            shape = [extent for group in groups for extent in group]
            result = TensorType(_element_type(value), [_static(extent) for extent in shape])
            sizes = self.dynamic(shape)
            self.expanded[key] = self.insert(
                tensor.ExpandShapeOp(
                    value, sizes, _reassociation(groups), [_static(e) for e in shape], result
                )
            )
        return self.expanded[key]

    def _part(self, value: SSAValue, indices: Subscripts, extents: Subscripts) -> SSAValue:
        """Return the array cut to what the subscripts reach.

        ``linalg`` requires a dimension that is subscripted by one loop to have its extent, and has
        no subscripts that begin at a number that is known at run time only.
        """
        offsets: list[IndexExpression] = []
        sizes: list[IndexExpression] = []
        for index, extent in zip(indices, extents, strict=True):
            offset, rest = _apart(index)
            offsets.append(offset)
            if (variable := rest.single_variable) is not None:
                sizes.append(_extent(variable))
            else:
                sizes.append(extent - offset if rest.variables else rest + 1)
            if not offset.terms and variable is None:
                sizes[-1] = extent
        key = (value, tuple(zip(offsets, sizes, strict=True)))
        if key not in self.expanded:
            result = TensorType(_element_type(value), [_static(size) for size in sizes])
            first, shape = self._mixed(offsets), self._mixed(sizes)
            self.expanded[key] = self.insert(
                tensor.ExtractSliceOp(value, first, shape, [1] * len(sizes), result)
            )
        return self.expanded[key]

    def _mixed(self, numbers: Sequence[IndexExpression]) -> list[SSAValue | int]:
        """Return numbers as they are known: as such, or as values."""
        values = iter(self.dynamic(numbers))
        return [next(values) if n.constant is None else n.constant for n in numbers]

    def collapse(self, value: SSAValue, groups: Groups) -> SSAValue:
        """Return the tensor with the dimensions of each group joined into one."""
        if all(len(group) == 1 for group in groups):
            return value
        shape = [_static(reduce(lambda a, b: a * b, group)) for group in groups]
        result = TensorType(_element_type(value), shape)
        return self.insert(
            tensor.CollapseShapeOp.create(
                operands=[value],
                result_types=[result],
                properties={"reassociation": _reassociation(groups)},
            )
        )

    def _extent_carriers(
        self, operands: Sequence[Operand], loops: Loops, variables: Loops
    ) -> list[Operand]:
        """Return an operand without data for each reduced loop that no subscript has alone.

        ``linalg`` reads the number of iterations off the shapes of its operands.
        """
        alone = {expr for operand in operands for expr in operand.map.results}
        carriers: list[Operand] = []
        for position, variable in enumerate(variables, start=len(loops)):
            dimension = AffineExpr.dimension(position)
            if dimension not in alone:
                map = AffineMap(len(loops) + len(variables), 0, (dimension,))
                carriers.append(Operand(None, self._empty(i1, (variable,)), map))
        return carriers

    def _body(
        self, term: Term, dimensions: Loops, operands: Sequence[Operand], output: Attribute
    ) -> Region:
        types = [_element_type(operand.value) for operand in operands]
        block = Block(arg_types=[*types, output])
        known: dict[Term, SSAValue] = {accumulator(output): block.args[-1]}
        for operand, argument in zip(operands, block.args, strict=False):
            if operand.leaf is not None:
                known[operand.leaf] = argument
        builder = Builder(InsertPoint.at_end(block))
        writer = ScalarWriter(
            builder,
            known,
            self.parameters,
            lambda variable: linalg.IndexOp(dimensions.index(variable)),
        )
        builder.insert(linalg.YieldOp(writer.value(term)))
        return Region(block)


def _margins(
    index: IndexExpression, extent: IndexExpression
) -> tuple[IndexExpression, IndexExpression] | None:
    """Return how far a subscript reaches below 0 and beyond the extent, if that is known."""
    first, last = smallest(index), largest(index)
    if first is None or last is None:
        return None
    before, after = _excess(first * -1), _excess(last + 1 - extent)
    return None if before is None or after is None else (before, after)


def _excess(distance: IndexExpression) -> IndexExpression | None:
    """Return the distance, or 0 if it is negative; ``None`` if either is possible."""
    if is_nonnegative(distance):
        return distance
    return IndexExpression.of(0) if is_nonnegative(distance * -1) else None


def _static(extent: IndexExpression) -> int:
    """Return the extent as MLIR's types show it."""
    return DYNAMIC_INDEX if extent.constant is None else extent.constant


def _reassociation(groups: Groups) -> ArrayAttr[ArrayAttr[IntegerAttr]]:
    """Return the attribute of MLIR's reshapes: which dimensions belong together."""
    position = 0
    listed: list[ArrayAttr[IntegerAttr]] = []
    for group in groups:
        numbers = range(position, position + len(group))
        listed.append(ArrayAttr([IntegerAttr(number, 64) for number in numbers]))
        position += len(group)
    return ArrayAttr(listed)


def _is_partial(index: IndexExpression, extent: IndexExpression) -> bool:
    """Return whether the subscript is one loop that does not cover the dimension, or is shifted."""
    offset, rest = _apart(index)
    variable = rest.single_variable
    return bool(offset.terms) or (variable is not None and variable.extent != extent)


def _apart(index: IndexExpression) -> tuple[IndexExpression, IndexExpression]:
    """Split a subscript into what is known at run time only and fixed, and the rest."""
    fixed = [term for term in index.terms if not _has_loop(term[0])]
    rest = [term for term in index.terms if _has_loop(term[0])]
    is_number = all(not monomial for monomial, _ in fixed)
    if is_number or any(coefficient < 0 for _, coefficient in rest):
        return IndexExpression(()), index
    return IndexExpression.from_terms(fixed), IndexExpression.from_terms(rest)


def _is_backwards(index: IndexExpression) -> bool:
    """Return whether the subscript is a number known at run time only, minus loops."""
    fixed = [term for term in index.terms if not _has_loop(term[0])]
    moving = [coefficient for monomial, coefficient in index.terms if _has_loop(monomial)]
    is_number = all(not monomial for monomial, _ in fixed)
    return bool(moving) and all(c < 0 for c in moving) and not is_number


def _has_loop(monomial: Monomial) -> bool:
    return any(isinstance(symbol, LoopVariable) for symbol in monomial)


def _computed_factors(term: Term) -> frozenset[Term]:
    """Return the factors of a sum of products that are computed from other reductions.

    As tensors of their own they leave a plain contraction.
    """
    found: set[Term] = set()
    if isinstance(term, Apply) and term.operation in (arith.AddiOp, arith.AddfOp):
        stack = list(term.operands)
        while stack:
            factor = stack.pop()
            if not isinstance(factor, Apply):
                continue
            if factor.operation in (arith.MuliOp, arith.MulfOp, *_WIDENING):
                stack += factor.operands
            elif any(isinstance(part, Reduction) for part in walk(factor)):
                found.add(factor)
    return frozenset(f for f in found if not uses_accumulator(f))


def _leaves(term: Term, factors: frozenset[Term]) -> list[Term]:
    """Return the reads, inner reductions and ``factors`` of a term, in the program's order."""
    found: dict[Term, None] = {}
    seen: set[Term] = set()
    stack = [term]
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if isinstance(current, Read | Reduction) or current in factors:
            found[current] = None
        else:
            stack.extend(reversed(children(current)))
    return list(found)


def _from_zero(term: Reduction) -> tuple[Loops, Term]:
    """Return variables and body of the reduction with all ranges starting at 0.

    A range that depends on other loops is widened; the body then keeps what it has so far outside.
    """
    variables: list[LoopVariable] = []
    values: dict[LoopVariable, IndexExpression] = {}
    inside: list[IndexExpression] = []
    for variable in term.variables:
        lower, upper = variable.lower, _fixed_upper(variable)
        here = IndexExpression.of(variable)
        inside += [u - 1 - here for u in variable.uppers if u is not upper]
        if upper.variables and (last := largest(upper)) is not None and not last.variables:
            inside.append(upper - 1 - here)
            upper = last
        if lower.variables and is_nonnegative(lower):
            inside.append(here - lower)
            lower = IndexExpression.of(0)
        if variable.lower.constant == 0 and variable.uppers == (upper,):
            variables.append(variable)
            continue
        shifted = LoopVariable(variable.name, IndexExpression.of(0), (upper - lower,))
        values[variable] = IndexExpression.of(shifted) + lower
        variables.append(shifted)
    tests = [compared("sge", distance.substitute(values)) for distance in inside]
    kept = accumulator(term.body.type)
    addend = sum_addend(term)
    step = substitute(term.body if addend is None else addend, values)
    unchanged = kept if addend is None else constant(0, step.type)
    for test in tests:  # over the widened ranges: nothing is known of the outcome there
        step = apply(arith.SelectOp, (test, step, unchanged), step.type)
    if addend is not None:
        step = apply(arith.AddiOp, (kept, step), step.type)
    return tuple(variables), step


def _fixed_upper(loop: LoopVariable) -> IndexExpression:
    """Return an upper bound of the loop that does not depend on other loops, if it has one."""
    fixed = [upper for upper in loop.uppers if not upper.variables]
    return fixed[0] if fixed else loop.uppers[0]


def _extent(loop: LoopVariable) -> IndexExpression:
    extent = loop.extent
    if extent is None or extent.variables:
        raise Diagnostic(f"cannot lift: the range of loop '{loop.name}' depends on other loops")
    return extent


def _affine(index: IndexExpression, dimensions: Loops, leaf: Read) -> AffineExpr:
    """Return the subscript as an affine expression of the loops."""
    total: AffineExpr = AffineExpr.constant(0)
    for monomial, coefficient in index.terms:
        if not monomial:
            total = total + coefficient
            continue
        (symbol, *others) = monomial
        if others or not isinstance(symbol, LoopVariable):
            raise Diagnostic(f"cannot lift: the subscript {index} of {_cell(leaf)} is not affine")
        total = total + AffineExpr.dimension(dimensions.index(symbol)) * coefficient
    return total.simplify(len(dimensions), 0)


def _cell(leaf: Read) -> str:
    subscripts = "".join(f"[{index}]" for index in leaf.indices)
    return f"'{leaf.array.name_hint or 'array'}{subscripts}'"


def _element_type(value: SSAValue) -> Attribute:
    return value.type.element_type if isinstance(value.type, TensorType) else value.type
