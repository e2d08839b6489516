"""Is what a stream does to a sum what the source does to it? Decided by lemmas on terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.smt import Answer
from ..core.terms import Term, constant, is_float, substitute, term
from ..lemmas.equality import equal_for_all
from ..lemmas.normal_form import integer
from .specification import Value
from .state import Machine
from .transforms import Transform


@dataclass(frozen=True)
class PostOperation:
    """Whether a chain of transforms equals the source's; ``witness`` is a sum where it does not."""

    answer: Answer
    target: str
    witness: int | None = None


def chain_transforms(
    machine: Machine, transforms: Sequence[Transform], chain: int
) -> list[Transform]:
    """The transforms of a chain in the order in which they were applied."""
    found: list[Transform] = []
    while chain:
        link = machine.chains[chain]
        found.append(transforms[int(link["transform"])])
        chain = int(link["parent"])
    return found[::-1]


def compare_post_operation(
    wanted: Value, chain: Sequence[Transform], accumulator_type: str
) -> PostOperation:
    """Compare the source's function of the sum with a chain, for all sums in their range.

    A sum in another type than the accumulator's is the same number only if it fits both.
    """
    applied = " then ".join(str(transform) for transform in chain) or "unchanged"
    total = wanted.total
    is_exact = all(map(wanted.is_exact_in, (total.type, accumulator_type)))
    if total.type != accumulator_type and not is_exact:
        return PostOperation(Answer.UNKNOWN, f"a sum in {accumulator_type} instead of {total.type}")
    value: Term = total
    if not chain and total.type != wanted.type and not is_float(total.type):
        value = term("trunci", wanted.type, total)
    for transform in chain:
        value = transform.term(value)
    result = equal_for_all(wanted.shape, value, wanted.ranges)
    witness = dict(result.witness).get(total)
    return PostOperation(result.answer, applied, witness)


def is_zero_at_zero(value: Value) -> bool:
    """Whether the source's function of an empty sum is 0."""
    zero = constant(0.0, value.total.type) if is_float(value.total.type) else integer(0)
    shape = substitute(value.shape, {value.total: zero})
    return equal_for_all(shape, zero, {}).answer is Answer.UNSAT
