"""Read small products from loop IR: vectors and matrices as signed sums, in loops over time.

Loops whose iterations do not depend on each other become the loops of an assignment, if all that
they do is to compute elements; other loops stay, in order. What an element is computed from is
found by running the loop body once over symbolic sums.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import Float32Type, FloatAttr, IndexType, IntegerAttr, MemRefType
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ..kernel import refusal
from .merge_sums import merge_sums
from .products import Access, Affine, Assign, Counter, Loop, Node, ProductProgram, Term, plus

Sum = tuple[Term, ...]
Place = tuple[SSAValue, tuple[tuple[tuple[int | None, int], ...], ...]]
"""An element as a key: the array and its subscripts, sorted."""


def read_products(function: func.FuncOp) -> ProductProgram:
    """The products that a function of loop IR computes; refuses what is not made of them."""
    for argument in function.args:
        type = argument.type
        if not isinstance(type, MemRefType) or not isinstance(type.element_type, Float32Type):
            raise refusal(function, f"products are of arrays of float32, a parameter is {type}")
        if any(extent < 0 for extent in type.get_shape()):
            raise refusal(function, f"needs sizes that are numbers, a parameter is {type}")
    reader = _Reader()
    nodes = reader.block(function.body.block)
    if not nodes:
        raise refusal(function, "computes nothing")
    return ProductProgram(merge_sums(nodes, reader.locals), tuple(reader.locals))


class _NotOneElement(Exception):  # noqa: N818 - it says why a loop is no loop over elements
    """A loop that does more than to compute elements, independently of each other."""

    def __init__(self, op: Operation, reason: str) -> None:
        super().__init__(reason)
        self.op = op


class _Reader:
    def __init__(self) -> None:
        self.index: dict[SSAValue, Affine] = {}
        self.locals: list[SSAValue] = []
        self.numbers = count()

    def block(self, block: Block) -> list[Node]:
        nodes: list[Node] = []
        for op in block.ops:
            match op:
                case scf.ForOp():
                    nodes += self._loop(op)
                case memref.AllocaOp() | memref.AllocOp() if op.memref.type.get_num_dims():
                    self.locals.append(op.memref)
                case scf.YieldOp() | func.ReturnOp() | memref.DeallocOp():
                    pass
                case _ if is_index_or_constant(op):
                    self.arithmetic(op)
                case _:
                    raise refusal(op, "is outside of a loop over the elements of an array")
        return nodes

    def counter(self, loop: scf.ForOp) -> Counter:
        """A number for a loop between constants with step 1; it counts from 0."""
        low, high, step = (self.affine(value) for value in (loop.lb, loop.ub, loop.step))
        if step != {None: 1} or (set(low) | set(high)) - {None} or loop.iter_args:
            raise refusal(loop, "is no loop between constants with step 1")
        variable = loop.body.block.args[0]
        extent = max(0, high.get(None, 0) - low.get(None, 0))
        found = Counter(next(self.numbers), extent, variable.name_hint or "t")
        self.index[variable] = plus({found.number: 1}, low)
        return found

    def affine(self, value: SSAValue) -> Affine:
        if value not in self.index:
            raise PassFailedException(f"{value.owner}: a subscript that is not affine")
        return self.index[value]

    def _loop(self, loop: scf.ForOp) -> list[Node]:
        known = dict(self.index), list(self.locals)
        try:
            return list(_Elements(self).read(loop))
        except _NotOneElement as error:
            self.index, self.locals = known
            counter = self.counter(loop)
            try:
                return [Loop(counter, self.block(loop.body.block))]
            except PassFailedException as inner:
                if "outside of a loop" in str(inner):
                    raise refusal(error.op, str(error)) from error
                raise

    def arithmetic(self, op: Operation) -> None:
        """Note what an index operation or a constant computes, if it is affine."""
        result = op.results[0]
        if not isinstance(result.type, IndexType):
            return
        match op:
            case arith.ConstantOp() if isinstance(op.value, IntegerAttr):
                number = op.value.value.data
                self.index[result] = {None: number} if number else {}
            case arith.AddiOp():
                self.index[result] = plus(self.affine(op.lhs), self.affine(op.rhs))
            case arith.SubiOp():
                self.index[result] = plus(self.affine(op.lhs), self.affine(op.rhs), -1)
            case arith.MuliOp():
                left, right = self.affine(op.lhs), self.affine(op.rhs)
                if set(left) - {None}:
                    left, right = right, left
                if set(left) - {None}:
                    raise refusal(op, "a subscript that is not affine")
                self.index[result] = plus({}, right, left.get(None, 0))
            case _:
                raise refusal(op, "a subscript that is not affine")


def is_index_or_constant(op: Operation) -> bool:
    """Whether an operation computes subscripts or is a constant."""
    return op.name.startswith("arith.") and (
        isinstance(op, arith.ConstantOp) or isinstance(op.results[0].type, IndexType)
    )


class _Elements:
    """Runs one loop over elements, over symbolic sums."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        self.values: dict[SSAValue, Sum] = {}
        self.memory: dict[Place, Sum] = {}
        """What the elements hold that were written so far."""
        self.access: dict[Place, Access] = {}
        self.loops: dict[Place, tuple[Counter, ...]] = {}
        self.inner: set[SSAValue] = set()
        """Variables of the loop body: each element has its own."""

    def read(self, loop: scf.ForOp) -> list[Assign]:
        self._element_loop(loop, ())
        found = [
            Assign(self.access[place], self.loops[place], terms)
            for place, terms in self.memory.items()
            if place[0] not in self.inner
        ]
        if not found or any(not assign.terms for assign in found):
            raise _NotOneElement(loop, "sets elements to what is no sum")
        return found

    # Loops.

    def _element_loop(self, loop: scf.ForOp, around: tuple[Counter, ...]) -> None:
        if len(around) == 2:
            raise _NotOneElement(loop, "is the third loop around an element")
        counter = self.reader.counter(loop)
        self._require_independent(loop, counter)
        self._body(loop.body.block, (*around, counter))

    def _require_independent(self, loop: scf.ForOp, counter: Counter) -> None:
        """Whether no iteration touches what another one writes."""
        reader = self.reader
        for op in loop.walk():
            if op is not loop and isinstance(op, scf.ForOp):
                reader.counter(op)
            elif is_index_or_constant(op):
                reader.arithmetic(op)
        inside = {
            op.memref for op in loop.walk() if isinstance(op, memref.AllocaOp | memref.AllocOp)
        }
        stores = [op for op in loop.walk() if isinstance(op, memref.StoreOp)]
        stores = [op for op in stores if op.memref not in inside]
        loads = [op for op in loop.walk() if isinstance(op, memref.LoadOp)]
        for store in stores:
            for other in (*stores, *loads):
                if other.memref is store.memref and not self._apart(store, other, counter):
                    raise _NotOneElement(other, "depends on other iterations of a loop")

    def _apart(
        self,
        store: memref.StoreOp,
        other: memref.StoreOp | memref.LoadOp,
        counter: Counter,
    ) -> bool:
        """Whether different iterations of a loop access different elements."""
        for a, b in zip(store.indices, other.indices, strict=True):
            first, second = self.reader.affine(a), self.reader.affine(b)
            difference = plus(first, second, -1)
            if not difference and first.get(counter.number):
                return True
            apart = set(difference) == {None}
            if apart and not first.get(counter.number) and not second.get(counter.number):
                return True
        return False

    def _body(self, block: Block, loops: tuple[Counter, ...]) -> None:
        for op in block.ops:
            match op:
                case scf.ForOp() if self._stores_depend_on(op):
                    self._element_loop(op, loops)
                case scf.ForOp():
                    self._reduction(op, loops)
                case memref.AllocaOp() | memref.AllocOp():
                    self.inner.add(op.memref)
                case memref.LoadOp():
                    self.values[op.res] = self._load(op)
                case memref.StoreOp():
                    self._store(op, loops)
                case scf.YieldOp() | memref.DeallocOp():
                    pass
                case _ if is_index_or_constant(op):
                    self._constant(op)
                case _:
                    self.values[op.results[0]] = self._compute(op)

    def _stores_depend_on(self, loop: scf.ForOp) -> bool:
        """Whether each iteration writes elements of its own, rather than adding to some."""
        counter = self.reader.counter(loop)
        for op in loop.walk():
            if is_index_or_constant(op):
                self.reader.arithmetic(op)
            elif isinstance(op, scf.ForOp) and op is not loop:
                self.reader.counter(op)
        inside = {
            op.memref for op in loop.walk() if isinstance(op, memref.AllocaOp | memref.AllocOp)
        }
        stores = [
            op for op in loop.walk() if isinstance(op, memref.StoreOp) and op.memref not in inside
        ]
        return bool(stores) and all(
            any(self.reader.affine(index).get(counter.number) for index in op.indices)
            for op in stores
        )

    def _reduction(self, loop: scf.ForOp, loops: tuple[Counter, ...]) -> None:
        """A loop that adds to elements: each one gets a sum over the loop."""
        counter = self.reader.counter(loop)
        before, self.memory = self.memory, dict(self.memory)
        written = self._written_in(loop)
        for place in written:
            if place not in before:
                self.memory[place] = self._initial(place)
                before[place] = self.memory[place]
        marks = {place: Term(1, (), Counter(-1 - n, 0, "")) for n, place in enumerate(written)}
        for place, mark in marks.items():
            self.memory[place] = (mark,)
        self._body(loop.body.block, loops)
        for place, mark in marks.items():
            terms = self.memory[place]
            others = [term for term in terms if term is not mark and term != mark]
            if terms.count(mark) != 1 or any(not term.factors for term in others):
                raise _NotOneElement(loop, "is no sum")
            summed = tuple(self._over(term, counter, loop) for term in others)
            self.memory[place] = (*before[place], *summed)

    def _written_in(self, loop: scf.ForOp) -> list[Place]:
        inside = {
            op.memref for op in loop.walk() if isinstance(op, memref.AllocaOp | memref.AllocOp)
        }
        for op in loop.body.block.ops:
            if is_index_or_constant(op):
                self.reader.arithmetic(op)
        found: dict[Place, None] = {}
        for op in loop.walk():
            if isinstance(op, memref.StoreOp) and op.memref not in inside:
                found[self._place(op)] = None
        return list(found)

    def _over(self, term: Term, counter: Counter, loop: scf.ForOp) -> Term:
        if term.k is not None or not all(f.depends_on(counter) for f in term.factors):
            raise _NotOneElement(loop, "sums what is no product of two elements")
        return replace(term, k=counter)

    # Memory.

    def _place(self, op: memref.LoadOp | memref.StoreOp) -> Place:
        forms = tuple(self.reader.affine(index) for index in op.indices)
        key = tuple(tuple(sorted(f.items(), key=str)) for f in forms)
        self.access.setdefault((op.memref, key), Access(op.memref, forms))
        return op.memref, key

    def _initial(self, place: Place) -> Sum:
        """What an element holds before the loop; what is local must be written first."""
        if place[0] in self.inner:
            raise _NotOneElement(place[0].owner, "is read before it is written")  # pyright: ignore
        return (Term(1, (self.access[place],)),)

    def _load(self, op: memref.LoadOp) -> Sum:
        place = self._place(op)
        if place in self.memory:
            return self.memory[place]
        for array, _ in self.memory:
            if array is op.memref and not self._disjoint(place):
                raise _NotOneElement(op, "reads what another element may have written")
        return self._initial(place)

    def _disjoint(self, place: Place) -> bool:
        """Whether no element written so far is this one."""
        mine = self.access[place]
        for other in self.memory:
            if other[0] is not place[0] or other == place:
                continue
            pairs = zip(mine.subscripts, self.access[other].subscripts, strict=True)
            if not any(set(plus(a, b, -1)) == {None} for a, b in pairs):
                return False
        return True

    def _store(self, op: memref.StoreOp, loops: tuple[Counter, ...]) -> None:
        place = self._place(op)
        self.memory[place] = self._operand(op.value, op)
        self.loops.setdefault(place, loops)

    # Values.

    def _constant(self, op: Operation) -> None:
        if isinstance(op, arith.ConstantOp) and isinstance(op.value, FloatAttr):
            return
        self.reader.arithmetic(op)

    def _operand(self, value: SSAValue, op: Operation) -> Sum:
        if value in self.values:
            return self.values[value]
        if _number(value) == 0:
            return ()
        raise _NotOneElement(op, "adds or stores a value that is no sum of elements")

    def _compute(self, op: Operation) -> Sum:
        match op:
            case arith.AddfOp():
                return (*self._operand(op.lhs, op), *self._operand(op.rhs, op))
            case arith.SubfOp():
                right = tuple(term.negated for term in self._operand(op.rhs, op))
                return (*self._operand(op.lhs, op), *right)
            case arith.NegfOp():
                return tuple(term.negated for term in self._operand(op.operand, op))
            case arith.MulfOp():
                return self._product(op)
            case _:
                raise _NotOneElement(op, "is no addition and no product")

    def _product(self, op: arith.MulfOp) -> Sum:
        for number, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            if _number(number) in (1.0, -1.0):
                terms = self._operand(other, op)
                return terms if _number(number) == 1.0 else tuple(t.negated for t in terms)
        left, right = self._operand(op.lhs, op), self._operand(op.rhs, op)
        single = [len(s) == 1 and len(s[0].factors) == 1 and s[0].k is None for s in (left, right)]
        if not all(single):
            raise _NotOneElement(op, "multiplies sums; only elements are multiplied")
        sign = left[0].sign * right[0].sign
        return (Term(sign, (*left[0].factors, *right[0].factors)),)


def _number(value: SSAValue) -> float | None:
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, FloatAttr):
        return owner.value.value.data
    return None
