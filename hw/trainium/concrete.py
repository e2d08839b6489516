"""Operand rules at the sizes that a run finds where the program has ``?``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.dialects.test import TestOp
from xdsl.ir import Attribute, SSAValue

from ...dialects.trn import EngineAttr, EngineInstruction, Instruction, ViewType, view_of
from .memory import Access

Shapes = tuple[tuple[int, ...], ...]


@dataclass
class ConcreteRules:
    """Verifies instructions of unknown sizes again, once for each combination of sizes."""

    _checked: set[tuple[Instruction, Shapes]] = field(
        default_factory=set[tuple[Instruction, Shapes]]
    )

    def check(self, op: Instruction, accesses: Mapping[SSAValue, Access]) -> None:
        """Raise ``VerifyException`` where a rule does not hold at the sizes of ``accesses``."""
        if not any(DYNAMIC_INDEX in view_of(view).shape for view in op.views):
            return
        shapes = tuple(accesses[view].shape for view in op.views)
        if (op, shapes) in self._checked or any(0 in shape for shape in shapes):
            return
        self._verify(op, accesses)
        self._checked.add((op, shapes))

    def _verify(self, op: Instruction, accesses: Mapping[SSAValue, Access]) -> None:
        """Verify a copy of the instruction whose views have known sizes."""
        types = [_with_sizes(operand, accesses) for operand in op.operands]
        source = TestOp(result_types=types)
        found = dict(op.properties)
        if isinstance(op, EngineInstruction):
            found["engine"] = EngineAttr(op.chosen_engine)
        copy = type(op).create(operands=source.results, properties=found)
        copy.verify_()


def _with_sizes(operand: SSAValue, accesses: Mapping[SSAValue, Access]) -> Attribute:
    kind = operand.type
    if not isinstance(kind, ViewType):
        return kind
    return ViewType.of(kind.space.data, accesses[operand].shape, kind.element_type)
