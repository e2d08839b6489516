"""The proof: run the stream over symbolic values and compare what it leaves with the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.findings import CommandError
from ...hw.gemmini.memory import MemoryLayout
from ...hw.gemmini.resolve import Program
from ...hw.stream import CommandStream
from ..core.polyhedral import Unsupported
from ..core.smt import Answer
from ..hazards.check import find_hazard
from .compare import check_outputs, new_scratch
from .decode import plan_of, resolve_checked
from .difference import find_difference
from .execute import execute
from .finding import Clue, Finding, difference_text, element_name, last_store
from .post_operation import chain_transforms, compare_post_operation, is_zero_at_zero
from .specification import Output, Specification
from .state import CHAIN_LIMIT, Machine, new_machine
from .status import Status, explain
from .term_table import expected_terms, term_table
from .transforms import Transform, TransformTable, element_type


@dataclass
class Proof:
    """One stream, without hardware loops, and what it should compute."""

    specification: Specification
    stream: CommandStream
    layout: MemoryLayout
    config: GemminiConfig
    lemmas: int = 0
    """Post-operations that were compared."""

    def run(self, *, hazards: bool) -> None:
        """Prove the refinement; raises ``Finding`` or ``Unsupported`` if it is not proved."""
        config = self.config
        try:
            program = resolve_checked(self.stream, config, self.layout)
        except CommandError as error:
            raise Finding(error.reason, error.index, Clue(), is_certain=True) from error
        transforms = TransformTable(config)
        plan = plan_of(program, config, transforms)
        fresh = new_machine(config, self.layout, len(transforms.transforms), len(self.stream))
        inputs = fresh.dram.copy()
        machine, status = execute(fresh, plan)
        if status is not Status.DONE:
            raise _stopped(machine, status)
        final = _Final(self, program, machine, transforms.transforms)
        final.require_inputs_kept(inputs)
        for output in self.specification.outputs:
            final.compare(output)
        if hazards:
            hazard = find_hazard(self.stream, program, self.layout, config)
            if hazard is not None:
                raise Finding(f"hazard: {hazard.reason}", hazard.command, is_certain=True)


def _stopped(machine: Machine, status: Status) -> Exception:
    at = machine.registers[0]
    reason = explain(status, int(at["error_row"]), int(at["error_column"]))
    index = int(at["error_index"])
    if status in (Status.UNDEFINED_SPAD, Status.UNDEFINED_ACCUMULATOR):
        return Finding(reason, index, Clue(), is_certain=True)
    return Unsupported(f"command {index}: {reason}")


@dataclass
class _Final:
    """The state after the last command."""

    proof: Proof
    program: Program
    machine: Machine
    transforms: Sequence[Transform]

    def __post_init__(self) -> None:
        arrays = self.machine.arrays
        self.first: list[int] = [int(number) for number in arrays["first"]]
        self.count: list[int] = [int(n) for n in arrays["size"] // arrays["width"]]

    def require_inputs_kept(self, inputs: NDArray[np.int64]) -> None:
        """Arrays that the source does not write must keep their contents."""
        changed = self.machine.dram != inputs
        for output in self.proof.specification.outputs:
            first = self.first[output.position]
            changed[first : first + self.count[output.position]] = False
        if changed.any():
            number = int(np.argmax(changed))
            name = element_name(self.proof.layout, number)
            raise self._finding(f"writes {name}, which the source does not", number, Clue())

    def compare(self, output: Output) -> None:
        """Compare one output array: the terms of every element, then what is done to the sums."""
        seen = self._compare_terms(output)
        if seen[-1] and not is_zero_at_zero(output):
            reason = f"{self._name(output)} is 0 where the source has {output.shape!r}"
            raise Finding(reason, is_suspicion=False)
        for chain in np.flatnonzero(seen[:-1]):
            transforms = chain_transforms(self.machine, self.transforms, int(chain))
            self._compare_post_operation(output, transforms)

    def _compare_terms(self, output: Output) -> NDArray[np.bool_]:
        """Compare all elements; which chains of transforms were met, and last, whether zeros."""
        table = term_table(output, self.first, self.count)
        limits = self._clip_limits()
        scratch = new_scratch(table, limits)
        seen = np.zeros(CHAIN_LIMIT + 1, np.bool_)
        first, total = self.first[output.position], self.count[output.position]
        number, count = check_outputs(self.machine, table, first, 0, seen, scratch)
        while number < total:
            for place in range(number, number + count):
                cell = int(self.machine.dram[first + place])
                found, chain = find_difference(
                    self.machine, output, place, cell, self.first, limits
                )
                if found is not None:
                    layout = self.proof.layout
                    reason = difference_text(layout, output.position, found)
                    finding = self._finding(reason, first + place, Clue(found))
                    if found.extra_command >= 0:
                        finding.command = found.extra_command
                    finding.is_suspicion = not found.is_opaque
                    raise finding
                seen[chain] = True
            number, count = check_outputs(self.machine, table, first, number + count, seen, scratch)
        return seen

    def _compare_post_operation(self, output: Output, chain: Sequence[Transform]) -> None:
        self.proof.lemmas += 1
        accumulator_type = element_type(self.proof.config.accumulator_type)
        result = compare_post_operation(output, chain, accumulator_type)
        if result.answer is Answer.UNSAT:
            return
        is_suspicion = result.answer is Answer.SAT
        terms = tuple(expected_terms(output, [0] * len(output.extents), self.first))
        raise Finding(
            f"{'' if is_suspicion else 'not decided: '}{self._name(output)}: "
            f"the sum is {result.target}, the source has {output.shape!r}",
            clue=Clue(terms=terms, witness=result.witness),
            is_suspicion=is_suspicion,
        )

    def _clip_limits(self) -> NDArray[np.float64]:
        """For each chain, how large a sum may be that it does not change; −1 if none is kept."""
        limits = np.full(CHAIN_LIMIT, -1.0)
        for chain in range(1, int(self.machine.registers["chain_count"][0])):
            link = self.machine.chains[chain]
            transform = self.transforms[int(link["transform"])]
            if link["parent"] == 0 and transform.clips_only:
                limits[chain] = (1 << (transform.bits - 1)) - 1
        return limits

    def _finding(self, reason: str, number: int, clue: Clue) -> Finding:
        """A finding about an element of DRAM, blamed on the command that stored it."""
        proof = self.proof
        command = last_store(self.program, proof.layout, number, proof.config)
        return Finding(reason, command, clue)

    def _name(self, output: Output) -> str:
        return self.proof.layout.arrays[output.position].name
