"""The configuration that reaches each Gemmini instruction: registers are state (trusted core).

Configuration operations are followed through the structured control flow. Where different values
may reach an instruction, using the register is ``Unsupported``; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from xdsl.ir import Operation, Region

from ...dialects.gemmini import (
    ComputePreloadedOp,
    ConfigExOp,
    ConfigLdOp,
    ConfigStOp,
    PreloadOp,
)
from ..core.condition import Condition
from ..core.index import Index
from ..core.polyhedral import Unsupported


@dataclass(frozen=True)
class ExecuteConfig:
    """What CONFIG_EX set."""

    dataflow: str
    activation: str
    shift: int
    a_stride: int
    c_stride: int
    a_transpose: bool
    b_transpose: bool


@dataclass(frozen=True)
class LoadConfig:
    """What CONFIG_LD set for one channel; ``stride`` is bytes between DRAM rows."""

    stride: int
    scale: float
    shrunk: bool
    block_stride: int
    pixel_repeats: int


@dataclass(frozen=True)
class Pooling:
    """How CONFIG_ST makes a move-out pool: square windows over an image of pixels."""

    stride: int
    size: int
    out_dim: int
    """Pixels from one row of the pooled image to the next in DRAM."""
    rows: int
    cols: int
    """Extents of the pooled image."""
    image_rows: int
    image_cols: int
    upper_pad: int
    left_pad: int


@dataclass(frozen=True)
class StoreConfig:
    """What CONFIG_ST set; without ``pooling`` elements are stored one by one."""

    stride: int
    activation: str
    scale: float
    pooling: Pooling | None


@dataclass(frozen=True)
class Ambiguous:
    """More than one value may be in the register here."""


@dataclass(frozen=True)
class Held:
    """The dataflows for which the array may hold an operand: it has one place for all of them."""

    dataflows: frozenset[str] = frozenset()


Register: TypeAlias = ExecuteConfig | LoadConfig | StoreConfig | Held | Ambiguous
EXECUTE, STORE, ARRAY = "execute", "store", "array"


def load_register(channel: int) -> str:
    return f"load {channel}"


@dataclass(frozen=True)
class LocalAddress:
    """A local address: memory (``spad``, ``acc`` or ``none``), row and flags."""

    space: str
    row: Index
    accumulate: Condition
    full: bool = False


@dataclass(frozen=True)
class Operand:
    """An operand of the array: where it lies, and how many rows and columns of it count."""

    address: LocalAddress
    rows: Index
    cols: Index

    @property
    def exists(self) -> bool:
        return self.address.space != "none"


@dataclass(frozen=True)
class Preload:
    """A preload whose computation is still to come, where ``condition`` holds."""

    condition: Condition
    stationary: Operand
    target: Operand
    origin: PreloadOp


class Registers:
    """Register contents at the current point of the walk."""

    def __init__(self) -> None:
        self.contents: dict[str, Register] = {ARRAY: Held()}
        self.preloads: list[Preload] = []

    def configure(self, operation: Operation) -> None:
        name, value = _written(operation, self.contents)
        self.contents[name] = value

    def get(self, name: str, operation: Operation) -> Register:
        value = self.contents.get(name)
        if value is None:
            raise Unsupported(f"the {name} unit is used before it is configured", operation)
        if isinstance(value, Ambiguous):
            raise Unsupported(f"different configurations of the {name} unit may reach", operation)
        return value

    def use_array(self, dataflow: str, operation: Operation, *, preloaded: bool) -> None:
        """A computation goes on from what the array holds, unless it is preloaded."""
        if preloaded:
            self.contents[ARRAY] = Held(frozenset((dataflow,)))
        elif not self._held(self.contents) <= {dataflow}:
            raise Unsupported("the array may hold an operand of the other dataflow", operation)

    @staticmethod
    def _held(contents: dict[str, Register]) -> frozenset[str]:
        held = contents[ARRAY]
        assert isinstance(held, Held)
        return held.dataflows

    def snapshot(self) -> dict[str, Register]:
        return dict(self.contents)

    def join(self, *branches: dict[str, Register]) -> None:
        """After a branch or a loop: what all paths agree on."""
        names = {name for branch in branches for name in branch}
        merged: dict[str, Register] = {}
        for name in names:
            values = {branch.get(name) for branch in branches}
            value = values.pop()
            # A register that only some paths set may hold anything.
            merged[name] = Ambiguous() if values or value is None else value
        merged[ARRAY] = Held(frozenset[str]().union(*map(self._held, branches)))
        self.contents = merged

    def enter_loop(self, body: Region) -> None:
        """At the head of a loop, the registers that the body changes are not known."""
        values = [self.contents.get(EXECUTE)]
        for operation in _configurations(body):
            name, value = _written(operation, self.contents)
            values += [value] if name == EXECUTE else []
            if self.contents.get(name) != value:
                self.contents[name] = Ambiguous()
        if any(isinstance(operation, ComputePreloadedOp) for operation in body.walk()):
            found = {value.dataflow for value in values if isinstance(value, ExecuteConfig)}
            self.contents[ARRAY] = Held(self._held(self.contents) | found)


def _configurations(body: Region) -> Iterator[Operation]:
    return (op for op in body.walk() if isinstance(op, ConfigExOp | ConfigLdOp | ConfigStOp))


def _written(operation: Operation, before: dict[str, Register]) -> tuple[str, Register]:
    """The register that a configuration operation writes, and its new value."""
    if isinstance(operation, ConfigExOp):
        return EXECUTE, _execute(operation, before.get(EXECUTE))
    if isinstance(operation, ConfigLdOp):
        return load_register(operation.channel.value.data), LoadConfig(
            operation.stride.value.data,
            operation.scale.value.data,
            operation.shrunk is not None,
            operation.block_stride.value.data,
            max(1, operation.pixel_repeats.value.data),
        )
    if isinstance(operation, ConfigStOp):
        return STORE, StoreConfig(
            operation.stride.value.data,
            str(operation.activation.data),
            operation.scale.value.data,
            _pooling(operation),
        )
    raise Unsupported(f"`{operation.name}` is not supported", operation)


def _pooling(operation: ConfigStOp) -> Pooling | None:
    """The pooling that a store configuration asks for; a stride of 0 asks for none."""
    pooling = Pooling(
        stride=operation.pool_stride.value.data,
        size=operation.pool_size.value.data,
        out_dim=operation.pool_out_dim.value.data,
        rows=operation.pool_rows.value.data,
        cols=operation.pool_cols.value.data,
        image_rows=operation.out_rows.value.data,
        image_cols=operation.out_cols.value.data,
        upper_pad=operation.upper_pad.value.data,
        left_pad=operation.left_pad.value.data,
    )
    return pooling if pooling.stride else None


def _execute(operation: ConfigExOp, before: Register | None) -> Register:
    a_stride, c_stride = operation.a_stride.value.data, operation.c_stride.value.data
    if operation.strides_only is not None:
        if not isinstance(before, ExecuteConfig):
            return Ambiguous()
        return replace(before, a_stride=a_stride, c_stride=c_stride)
    return ExecuteConfig(
        str(operation.dataflow.data),
        str(operation.activation.data),
        operation.shift.value.data,
        a_stride,
        c_stride,
        operation.a_transpose is not None,
        operation.b_transpose is not None,
    )
