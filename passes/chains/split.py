"""Distribute loops over time over the statements in them, as far as they do not need each other.

A recurrence then holds only what depends on its own earlier steps; the rest runs before or after
it, one product behind the other and with one configuration of the array. Local arrays that each
step writes anew get one copy for each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from .products import Access, Affine, Assign, Counter, Loop, Node, Term, assignments


def split_products(nodes: Sequence[Node], locals: Sequence[SSAValue]) -> list[Node]:
    """The nodes with each loop distributed; ``locals`` are the local arrays of the program."""
    found: list[Node] = []
    for position, node in enumerate(nodes):
        if isinstance(node, Assign):
            found.append(node)
            continue
        outside = {
            access.array
            for other in (*nodes[:position], *nodes[position + 1 :])
            for assign in assignments([other])
            for access in (assign.target, *assign.reads)
        }
        private = [array for array in locals if array not in outside]
        body = [n for part in split_products(node.body, private) for n in [part]]
        if all(isinstance(inner, Assign) for inner in body):
            steps = [inner for inner in body if isinstance(inner, Assign)]
            found += _distributed(node.counter, steps, private)
        else:
            found.append(Loop(node.counter, body))
    return found


def _distributed(
    counter: Counter, body: Sequence[Assign], locals: Sequence[SSAValue]
) -> list[Node]:
    steps = _with_copies(counter, body, locals)
    steps = [part for assign in steps for part in _apart(counter, assign, steps)]
    return [Loop(counter, list(component)) for component in _components(counter, steps)]


# Local arrays.


def _with_copies(
    counter: Counter, body: Sequence[Assign], locals: Sequence[SSAValue]
) -> list[Assign]:
    """Give local arrays that every step writes first a dimension for the steps."""
    steps = list(body)
    for array in locals:
        first = next((a for a in steps if array in _arrays(a)), None)
        if first is None or first.target.array is not array:
            continue
        if any(read.array is array for read in first.reads):
            continue
        shape = array.type.get_shape() if isinstance(array.type, MemRefType) else ()
        copies = _local_array(array, (counter.extent, *shape))
        steps = [_replaced(assign, array, copies, counter) for assign in steps]
    return steps


def _arrays(assign: Assign) -> set[SSAValue]:
    return {assign.target.array, *(read.array for read in assign.reads)}


def _local_array(like: SSAValue, shape: Sequence[int]) -> SSAValue:
    assert isinstance(like.type, MemRefType)
    array = memref.AllocaOp.get(like.type.element_type, None, list(shape)).memref
    array.name_hint = like.name_hint
    return array


def _replaced(assign: Assign, old: SSAValue, new: SSAValue, counter: Counter) -> Assign:
    def access(a: Access) -> Access:
        return Access(new, ({counter.number: 1}, *a.subscripts)) if a.array is old else a

    terms = tuple(
        replace(term, factors=tuple(access(f) for f in term.factors)) for term in assign.terms
    )
    return replace(assign, target=access(assign.target), terms=terms)


# Sums.


def _apart(counter: Counter, assign: Assign, steps: Sequence[Assign]) -> list[Assign]:
    """A sum in a recurrence as two: what no step computes, and the rest, which adds it."""
    written = {other.target.array for other in steps}
    if not any(read.array is assign.target.array for read in assign.reads):
        return [assign]
    known: list[Term] = []
    rest: list[Term] = []
    for term in assign.terms:
        is_known = all(factor.array not in written for factor in term.factors)
        (known if is_known else rest).append(term)
    if not rest or not any(len(term.factors) > 1 for term in known):
        return [assign]
    shape = [counter.extent, *(loop.extent for loop in assign.loops)]
    subscripts: list[Affine] = [{counter.number: 1}, *({c.number: 1} for c in assign.loops)]
    part = Access(_local_array(assign.target.array, shape), tuple(subscripts))
    return [
        Assign(part, assign.loops, tuple(known)),
        replace(assign, terms=(Term(1, (part,)), *rest)),
    ]


# Dependences.


def _components(counter: Counter, steps: Sequence[Assign]) -> list[list[Assign]]:
    """Statements that need each other over the iterations, in an order that keeps dependences."""
    count = len(steps)
    reaches = [[_must_precede(counter, steps, a, b) for b in range(count)] for a in range(count)]
    for middle in range(count):
        for a in range(count):
            for b in range(count):
                reaches[a][b] |= reaches[a][middle] and reaches[middle][b]
    found: list[list[Assign]] = []
    placed: set[int] = set()
    while len(placed) < count:
        for a in range(count):
            if a in placed:
                continue
            group = [b for b in range(count) if b == a or (reaches[a][b] and reaches[b][a])]
            waits = any(
                reaches[b][member]
                for b in range(count)
                for member in group
                if b not in placed and b not in group
            )
            if not waits:
                placed |= set(group)
                found.append([steps[b] for b in group])
                break
    return found


def _must_precede(counter: Counter, steps: Sequence[Assign], a: int, b: int) -> bool:
    """Whether some iteration of ``a`` must come before one of ``b``."""
    first, second = steps[a], steps[b]
    pairs = [(first.target, access) for access in (second.target, *second.reads)]
    pairs += [(access, second.target) for access in first.reads]
    for left, right in pairs:
        if left.array is not right.array:
            continue
        distance = _distance(counter, left, right)
        if distance is None or distance > 0 or (distance == 0 and a < b):
            return True
    return False


def _distance(counter: Counter, left: Access, right: Access) -> int | None:
    """Iterations from an access to a later one of the same element; None where it is not known."""
    for one, other in zip(left.subscripts, right.subscripts, strict=True):
        factor = one.get(counter.number, 0)
        if not factor or other.get(counter.number, 0) != factor:
            continue
        if set(one) - {counter.number, None} or set(other) - {counter.number, None}:
            continue
        difference = one.get(None, 0) - other.get(None, 0)
        # Iterations of fractional distance never meet; saying that they do is harmless.
        return difference // factor if difference % factor == 0 else None
    return None
