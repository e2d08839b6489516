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
        for block in kernel_of(op).body.blocks:
            _hoist(block)


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


def _hoist(block: Block) -> None:
    """Tidy ``block``: first the loops inside, then what is at its own level."""
    for op in list(block.ops):
        for region in op.regions:
            for inner in region.blocks:
                _hoist(inner)
        if isinstance(op, scf.ForOp | scf.IfOp):
            _move_in_front(op)
    _drop_repeated(block)


def _move_in_front(op: scf.ForOp | scf.IfOp) -> None:
    """Hoist each register that has only one value inside ``op`` and is not read before it is set.

    Setting it although ``op`` may run no iteration is harmless only where nothing later relies on
    the old value; every instruction of ours has its configuration in front of it, and a register
    with several values is only hoisted where no other value follows unset.
    """
    writes: dict[Register, list[Operation]] = {}
    for inner in op.walk():
        if isinstance(inner, LoopWsOp | LoopConvWsOp):
            return
        if (register := register_of(inner)) is not None:
            writes.setdefault(register, []).append(inner)
    for register, configs in writes.items():
        if any(_partial(config) or not _same(config, configs[0]) for config in configs):
            continue
        if _is_only_value(op, register, configs[0]):
            first = configs[0]
            first.detach()
            assert op.parent is not None
            op.parent.insert_op_before(first, op)
            for config in configs[1:]:
                erase(config)


def _is_only_value(op: Operation, register: Register, config: Operation) -> bool:
    """Whether the whole function sets ``register`` to this one value."""
    top = op
    while (parent := top.parent_op()) is not None:
        top = parent
    return all(_same(other, config) for other in top.walk() if register_of(other) == register)


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
