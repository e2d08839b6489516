"""Mistakes in loops and branches: which iterations are run, and under which condition."""

from __future__ import annotations

from random import Random

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.ir import Operation

from .edit import (
    Mutation,
    add_to_operand,
    block_of,
    constant_before,
    constant_value,
    describe,
    insert_before,
    named,
    pick,
    replace,
)

LOWER, UPPER, STEP = 0, 1, 2


def _loop(module: ModuleOp, rng: Random) -> scf.ForOp | None:
    loop = pick(named(module, "scf.for"), rng)
    return loop if isinstance(loop, scf.ForOp) else None


def _shift_bound(place: int, steps: int) -> Mutation:
    def mutate(module: ModuleOp, rng: Random) -> str | None:
        loop = _loop(module, rng)
        if loop is None:
            return None
        step = constant_value(loop.step)
        add_to_operand(loop, place, steps * (step or 1))
        return describe(loop)

    return mutate


def _bound_by_one(module: ModuleOp, rng: Random) -> str | None:
    """A bound is off by one, whatever the step."""
    loop = _loop(module, rng)
    if loop is None:
        return None
    add_to_operand(loop, rng.choice((LOWER, UPPER)), rng.choice((1, -1)))
    return describe(loop)


def _double_step(module: ModuleOp, rng: Random) -> str | None:
    loop = _loop(module, rng)
    if loop is None:
        return None
    total = arith.AddiOp(loop.step, loop.step)
    insert_before(loop, total)
    loop.operands[STEP] = total.result
    return describe(loop)


def _exchange_bounds(module: ModuleOp, rng: Random) -> str | None:
    """Two loops have each other's upper bound."""
    loops = [op for op in named(module, "scf.for") if constant_value(op.operands[UPPER])]
    if len(loops) < 2:
        return None
    first, second = rng.sample(loops, 2)
    numbers = [constant_value(loop.operands[UPPER]) for loop in (first, second)]
    if numbers[0] is None or numbers[1] is None or numbers[0] == numbers[1]:
        return None
    first.operands[UPPER] = constant_before(first, numbers[1])
    second.operands[UPPER] = constant_before(second, numbers[0])
    return f"{describe(first)} and {describe(second)}"


def _other_counter(module: ModuleOp, rng: Random) -> str | None:
    """One use of a loop's counter becomes that of a loop around it."""
    loops = [op for op in module.walk() if isinstance(op, scf.ForOp)]
    found: list[tuple[Operation, int, scf.ForOp]] = []
    for loop in loops:
        outer = [each for each in loops if each is not loop and each.is_ancestor(loop)]
        uses = [(use.operation, use.index) for use in loop.body.block.args[0].uses]
        found.extend((op, index, each) for op, index in uses for each in outer)
    chosen = pick(found, rng)
    if chosen is None:
        return None
    op, index, other = chosen
    before = describe(op)
    op.operands[index] = other.body.block.args[0]
    return f"operand {index} of {before}"


def _branch(module: ModuleOp, rng: Random) -> scf.IfOp | None:
    branch = pick([op for op in module.walk() if isinstance(op, scf.IfOp)], rng)
    return branch if branch is not None and not branch.results else None


def _always(module: ModuleOp, rng: Random) -> str | None:
    """What stands in an ``if`` is executed always."""
    branch = _branch(module, rng)
    if branch is None:
        return None
    for op in list(branch.true_region.block.ops):
        if not isinstance(op, scf.YieldOp):
            op.detach()
            block_of(branch).insert_op_before(op, branch)
    return describe(branch)


def _never(module: ModuleOp, rng: Random) -> str | None:
    """What stands in an ``if`` is never executed."""
    branch = _branch(module, rng)
    if branch is None:
        return None
    off = arith.ConstantOp.from_int_and_width(0, 1)
    insert_before(branch, off)
    branch.operands[0] = off.result
    return describe(branch)


STRICT = {2: 3, 3: 2, 4: 5, 5: 4, 6: 7, 7: 6, 8: 9, 9: 8}
"""Predicates of ``arith.cmpi`` that differ in whether equal numbers count."""
INVERSE = {0: 1, 1: 0, 2: 5, 3: 4, 4: 3, 5: 2, 6: 9, 7: 8, 8: 7, 9: 6}


def _predicate(numbers: dict[int, int] | None) -> Mutation:
    def mutate(module: ModuleOp, rng: Random) -> str | None:
        compare = pick([op for op in module.walk() if isinstance(op, arith.CmpiOp)], rng)
        if compare is None:
            return None
        old = compare.predicate.value.data
        new = rng.randrange(6) if numbers is None else numbers.get(old, old)
        if new == old:
            return None
        before = describe(compare)
        replace(compare, arith.CmpiOp(compare.lhs, compare.rhs, new))
        return f"predicate {new} in {before}"

    return mutate


def _constant_condition(module: ModuleOp, rng: Random) -> str | None:
    """A comparison is always true or always false."""
    compare = pick([op for op in module.walk() if isinstance(op, arith.CmpiOp)], rng)
    if compare is None:
        return None
    before, number = describe(compare), rng.randrange(2)
    replace(compare, arith.ConstantOp(IntegerAttr(-number, 1)))
    return f"{bool(number)} for {before}"


OPERATORS: dict[str, Mutation] = {
    "first iteration missing": _shift_bound(LOWER, 1),
    "last iteration missing": _shift_bound(UPPER, -1),
    "one iteration too many": _shift_bound(UPPER, 1),
    "one iteration too early": _shift_bound(LOWER, -1),
    "bound off by one": _bound_by_one,
    "step doubled": _double_step,
    "bounds of two loops exchanged": _exchange_bounds,
    "counter of another loop": _other_counter,
    "branch always taken": _always,
    "branch never taken": _never,
    "comparison off by one": _predicate(STRICT),
    "condition inverted": _predicate(INVERSE),
    "another comparison": _predicate(None),
    "constant condition": _constant_condition,
}
