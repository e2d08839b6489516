"""``gemmini-hoist-config``: configure once what does not change."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass

from ..dialects.gemmini import ConfigExOp, ConfigLdOp, ConfigNormOp, ConfigStOp
from ..dialects.gemmini.loops import LoopConvWsOp, LoopWsOp
from .kernel import kernel_of
from .nests import erase


@dataclass(frozen=True)
class HoistConfigPass(ModulePass):
    """Move configurations out of loops and drop those that set what is set already.

    Needs ISA IR. Guarantees that each instruction runs under the same configuration. An execute
    configuration waits until the array is empty, so that one inside the loops costs dearly.
    """

    name = "gemmini-hoist-config"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        constant = _constant_registers(function)
        for block in function.body.blocks:
            _hoist(block, constant)


Register = tuple[str, int]
"""A configuration register: its operation's name, and the channel of a load configuration."""


def register_of(op: Operation) -> Register | None:
    """The register that ``op`` writes, if it is a configuration operation."""
    match op:
        case ConfigLdOp():
            return op.name, op.channel.value.data
        case ConfigStOp() | ConfigExOp() | ConfigNormOp():
            return op.name, 0
        case _:
            return None


def _same(a: Operation, b: Operation) -> bool:
    return a.name == b.name and a.properties == b.properties


def _partial(op: Operation) -> bool:
    """Whether ``op`` keeps some fields, so that what it sets depends on what was set before."""
    return isinstance(op, ConfigNormOp) or (
        isinstance(op, ConfigExOp) and op.strides_only is not None
    )


def _constant_registers(function: Operation) -> set[Register]:
    """The registers that the whole function sets to one value only.

    Hoisting is harmless for them: no instruction can rely on another value. Where the hardware's
    own loops run, which leave registers changed, there are none.
    """
    values: dict[Register, Operation] = {}
    varying: set[Register] = set()
    for op in function.walk():
        if isinstance(op, LoopWsOp | LoopConvWsOp):
            return set()
        if (register := register_of(op)) is None:
            continue
        if _partial(op) or not _same(values.setdefault(register, op), op):
            varying.add(register)
    return set(values) - varying


def _hoist(block: Block, constant: set[Register]) -> None:
    """Tidy ``block``: first the regions inside, then what is at its own level."""
    for op in list(block.ops):
        for region in op.regions:
            for inner in region.blocks:
                _hoist(inner, constant)
        if isinstance(op, scf.ForOp | scf.IfOp):
            _move_in_front(op, constant)
    _drop_repeated(block)


def _move_in_front(op: scf.ForOp | scf.IfOp, constant: set[Register]) -> None:
    """Set the constant registers that ``op`` sets in front of it instead."""
    moved: set[Register] = set()
    for region in op.regions:
        for block in region.blocks:
            for config in list(block.ops):
                register = register_of(config)
                if register is None or register not in constant:
                    continue
                if register in moved:
                    erase(config)
                    continue
                config.detach()
                assert op.parent is not None
                op.parent.insert_op_before(config, op)
                moved.add(register)


def _drop_repeated(block: Block) -> None:
    """Within one block, drop a configuration that repeats the last one of its register."""
    current: dict[Register, Operation] = {}
    for op in list(block.ops):
        register = register_of(op)
        if register is None:
            for inner in op.walk():
                if inner is not op and (written := register_of(inner)) is not None:
                    current.pop(written, None)
                if isinstance(inner, LoopWsOp | LoopConvWsOp):
                    current.clear()
            continue
        if register in current and _same(current[register], op) and not _partial(op):
            erase(op)
        else:
            current[register] = op
