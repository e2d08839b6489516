"""The proof: run the stream over symbolic values and compare what it leaves with the source."""

from __future__ import annotations

from dataclasses import dataclass

from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.findings import CommandError
from ...hw.gemmini.memory import MemoryLayout
from ...hw.stream import CommandStream
from ..core.polyhedral import Unsupported
from ..hazards.check import hazard_and_assumptions
from .decode import plan_of, resolve_checked
from .execute import execute
from .final_state import FinalState
from .finding import Clue, Finding
from .specification import Specification
from .state import Machine, new_machine
from .status import Status, explain
from .transforms import TransformTable


@dataclass
class Proof:
    """One stream, without hardware loops, and what it should compute."""

    specification: Specification
    stream: CommandStream
    layout: MemoryLayout
    config: GemminiConfig
    lemmas: int = 0
    """Post-operations that were compared."""
    assumptions: tuple[str, ...] = ()
    """What the order of the commands rests on."""

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
        final = FinalState(
            self.specification, program, machine, transforms.transforms, self.layout, config
        )
        final.require_inputs_kept(inputs)
        for output in self.specification.outputs:
            self.lemmas += final.compare(output)
        if hazards:
            hazard, self.assumptions = hazard_and_assumptions(
                self.stream, program, self.layout, config
            )
            if hazard is not None:
                raise Finding(f"hazard: {hazard.reason}", hazard.command, is_certain=True)


def _stopped(machine: Machine, status: Status) -> Exception:
    at = machine.registers[0]
    reason = explain(status, int(at["error_row"]), int(at["error_column"]))
    index = int(at["error_index"])
    if status in (Status.UNDEFINED_SPAD, Status.UNDEFINED_ACCUMULATOR):
        return Finding(reason, index, Clue(), is_certain=True)
    return Unsupported(f"command {index}: {reason}")
