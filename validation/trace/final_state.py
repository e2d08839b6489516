"""What a stream leaves in memory, compared with what the source says of each output element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.resolve import Program
from ..core.smt import Answer
from ..core.terms import constant_value
from ..lemmas.normal_form import NormalForm, integer
from .cell_form import candidates_of
from .compare import check_values, first_not_found, new_scratch
from .difference import Difference, find_difference
from .finding import Clue, Finding, difference_text, element_name, last_store
from .post_operation import chain_transforms, compare_post_operation, is_zero_at_zero
from .specification import Kind, Output, Specification, Value
from .state import CHAIN_LIMIT, Machine
from .term_table import expected_terms, present, term_table
from .transforms import Transform, element_type

Mask = NDArray[np.bool_]


@dataclass
class FinalState:
    """The state after the last command; comparing raises ``Finding`` for what is different."""

    specification: Specification
    program: Program
    machine: Machine
    transforms: Sequence[Transform]
    layout: MemoryLayout
    config: GemminiConfig

    def __post_init__(self) -> None:
        arrays = self.machine.arrays
        self.first: list[int] = [int(number) for number in arrays["first"]]
        self.count: list[int] = [int(n) for n in arrays["size"] // arrays["width"]]

    def require_inputs_kept(self, inputs: NDArray[np.int64]) -> None:
        """Arrays that the source does not write must keep their contents."""
        changed = self.machine.dram != inputs
        for output in self.specification.outputs:
            first = self.first[output.position]
            changed[first : first + self.count[output.position]] = False
        if changed.any():
            number = int(np.argmax(changed))
            name = element_name(self.layout, number)
            raise self.finding(f"writes {name}, which the source does not", number, Clue())

    def compare(self, output: Output) -> int:
        """Compare one output array; how many post-operations were compared."""
        return sum(_Comparison(self, output, kind).run() for kind in output.kinds)

    def finding(self, reason: str, number: int, clue: Clue) -> Finding:
        """A finding about an element of DRAM, blamed on the command that stored it."""
        return Finding(reason, last_store(self.program, self.layout, number, self.config), clue)

    @cached_property
    def clip_limits(self) -> NDArray[np.float64]:
        """For each chain, how large a sum may be that it does not change; −1 if none is kept."""
        limits = np.full(CHAIN_LIMIT, -1.0)
        for chain in range(1, int(self.machine.registers["chain_count"][0])):
            link = self.machine.chains[chain]
            transform = self.transforms[int(link["transform"])]
            if link["parent"] == 0 and transform.clips_only:
                limits[chain] = (1 << (transform.bits - 1)) - 1
        return limits

    def longest_window(self) -> int:
        """The largest number of cells that an output cell is the greatest of."""
        pools = self.machine.pools[: int(self.machine.registers["pool_count"][0]) + 1]
        return max(1, int(np.diff(pools).max(initial=0)))


@dataclass
class _Comparison:
    """The elements of one kind of an output, and which of their candidates were found."""

    final: FinalState
    output: Output
    kind: Kind

    def run(self) -> int:
        """Compare the elements; how many post-operations were compared."""
        chosen = present(self.kind.region)
        found = [(v, present(v.region).reshape(-1, len(chosen)) & chosen) for v in self.kind.values]
        try:
            return self._run(chosen, found)
        except Finding:
            without_numbers = _without_numbers(chosen, found) if self.kind.is_maximum else None
            if without_numbers is None:
                raise
            try:
                return self._run(chosen, without_numbers)
            except Finding:
                pass
            raise

    def _run(self, chosen: Mask, values: Sequence[tuple[Value, Mask]]) -> int:
        """Compare the terms of every value, then what is done to their sums.

        The values of a maximum are all among the candidates of a cell, and the other way round;
        but numbers that one of the values never falls short of do not matter.
        """
        final = self.final
        least = self._least(values)
        self.found: Mask = np.zeros((len(chosen), final.longest_window()), np.bool_)
        compared = 0
        for value, mask in values:
            number = constant_value(value.shape)
            if self.kind.is_maximum and number is not None:
                mask = mask & (number > least)
            compared += self._compare(value, mask)
        first = final.first[self.output.position]
        place = first_not_found(final.machine, chosen, first, self.found, least >= 0)
        if place < len(chosen):
            name = element_name(final.layout, first + place)
            reason = f"{name} is a maximum of more than in the source"
            finding = final.finding(reason, first + place, Clue())
            finding.is_suspicion = False
            raise finding
        return compared

    def _least(self, values: Sequence[tuple[Value, Mask]]) -> NDArray[np.float64]:
        """The largest number that the maximum of an element is known not to fall short of."""
        least = np.full(values[0][1].shape[1], -np.inf)
        for value, mask in values if self.kind.is_maximum else ():
            if constant_value(value.shape) is None:
                here = _somewhere(mask)
                least[here] = np.maximum(least[here], value.limits[0])
        return least

    def _compare(self, value: Value, mask: Mask) -> int:
        """Find a value of each element that the mask has one for; the post-operations compared."""
        if not mask.any():
            return 0
        final, machine = self.final, self.final.machine
        table = term_table(value, final.first, final.count)
        scratch = new_scratch(table, final.clip_limits)
        first, at = final.first[self.output.position], (0, 0)
        while True:
            start, window, count = check_values(
                machine, table, mask, first, at, self.found, scratch
            )
            if start == mask.shape[1]:
                break
            for number in range(start, start + count):
                scratch.seen[self._find(value, window, number)] = True
            at = start, window + 1
        point = self._point(value, int(np.argmax(mask)))
        if scratch.seen[-1] and not is_zero_at_zero(value):
            reason = f"{self._name()} is 0 where the source has {value.shape!r}"
            raise Finding(reason, is_suspicion=False)
        chains = np.flatnonzero(scratch.seen[:-1])
        for chain in chains:
            element = first + int(np.argmax(mask)) % mask.shape[1]
            self._compare_post_operation(value, int(chain), point, element)
        return len(chains)

    def _find(self, value: Value, window: int, number: int) -> int:
        """Find one value among the candidates of an element, term by term; its chain."""
        final, place = self.final, self.final.first[self.output.position] + number
        point = self._point(value, window * len(self.found) + number)
        differences: list[Difference] = []
        for candidate, cell in enumerate(candidates_of(final.machine, place)):
            different, chain = find_difference(
                final.machine, value, point, cell, final.first, final.clip_limits
            )
            if different is None:
                self.found[number, candidate] = True
                return chain
            differences.append(different)
        nearest = min(differences, key=lambda one: len(one.missing) + len(one.extra))
        reason = difference_text(final.layout, place, nearest)
        finding = final.finding(reason, place, Clue(nearest))
        if nearest.extra_command >= 0:
            finding.command = nearest.extra_command
        finding.is_suspicion = not (nearest.is_opaque or self.kind.is_maximum)
        raise finding

    def _point(self, value: Value, number: int) -> tuple[int, ...]:
        """The point with this number in a value's box."""
        region = value.region
        offsets = np.unravel_index(number, region.extents)
        return tuple(low + int(offset) for low, offset in zip(region.low, offsets, strict=True))

    def _compare_post_operation(
        self, value: Value, chain: int, point: tuple[int, ...], element: int
    ) -> None:
        final = self.final
        transforms = chain_transforms(final.machine, final.transforms, chain)
        accumulator_type = element_type(final.config.accumulator_type)
        result = compare_post_operation(value, transforms, accumulator_type)
        if result.answer is Answer.UNSAT:
            return
        is_suspicion = result.answer is Answer.SAT
        terms = tuple(expected_terms(value, point, final.first))
        reason = (
            f"{'' if is_suspicion else 'not decided: '}{self._name()}: "
            f"the sum is {result.target}, the source has {value.shape!r}"
        )
        found = final.finding(reason, element, Clue(terms=terms, witness=result.witness))
        found.is_suspicion = is_suspicion and not self.kind.is_maximum
        raise found

    def _name(self) -> str:
        return self.final.layout.arrays[self.output.position].name


def _somewhere(mask: Mask) -> Mask:
    """Which elements have a value at some point of the window."""
    return np.asarray(mask.any(axis=0))


def _without_numbers(
    chosen: Mask, values: Sequence[tuple[Value, Mask]]
) -> list[tuple[Value, Mask]] | None:
    """The same maxima without numbers: ``max(c, x, y)`` is ``max(max(c, x), max(c, y))``.

    ``None`` if there are none, or not for all elements, or elements without other values.
    """
    numbers = [(constant_value(value.shape), mask) for value, mask in values]
    limits = [number for number, _ in numbers if number is not None]
    masks = [_somewhere(mask) for number, mask in numbers if number is not None]
    others = [(value, mask) for value, mask in values if constant_value(value.shape) is None]
    if not limits or not others:
        return None
    masks.append(_somewhere(np.vstack([mask for _, mask in others])))
    if not all(mask[chosen].all() for mask in masks):
        return None
    least = integer(int(max(limits)))
    return [
        (replace(value, shape=NormalForm(value.ranges).maximum(value.shape, least)), mask)
        for value, mask in others
    ]
