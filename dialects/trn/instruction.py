"""What all instructions share: a target view, input views, and the engines that can run them."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from xdsl.dialects.builtin import (
    DenseArrayBase,
    Float32Type,
    FloatAttr,
    IntegerAttr,
    UnitAttr,
    f32,
    i64,
)
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import IRDLOperation, opt_prop_def
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from .rules import require_engine_reaches
from .types import (
    Engine,
    EngineAttr,
    Function,
    FunctionAttr,
    Operator,
    OperatorAttr,
    ReduceCommand,
    ReduceCommandAttr,
    ViewType,
)
from .views import ViewOp

F32 = FloatAttr.constr(Float32Type())
I64 = IntegerAttr.constr(i64)
STREAM = "trn.stream"


class Instruction(IRDLOperation, ABC):
    """An operation on views: it reads its view operands, and writes those named in ``WRITTEN``.

    All inputs are read before anything is written, so a target may be an input too, with the same
    access pattern.
    """

    ENGINES: ClassVar[tuple[Engine, ...]] = ()
    """The engines that can run the instruction, the usual one first; none are DMA queues."""
    WRITTEN: ClassVar[tuple[str, ...]] = ("dst",)
    """The operands that are written."""

    def initialise(self, operands: dict[str, SSAValue | None], **values: PropertyValue) -> None:
        """Initialise from operands by name, and from properties as plain values."""
        names = [name for name, _ in self.get_irdl_definition().operands]
        assert set(operands) <= set(names)
        super().__init__(
            operands=[operands.get(name) for name in names], properties=_properties(values)
        )

    @property
    def written(self) -> list[SSAValue]:
        """The views that the instruction writes."""
        found = [getattr(self, name) for name in self.WRITTEN]
        return [view for view in found if view is not None]

    @property
    def read(self) -> list[SSAValue]:
        """The views that the instruction reads, besides those that it updates."""
        written = self.written
        return [
            operand
            for operand in self.operands
            if isinstance(operand.type, ViewType) and operand not in written
        ]

    def verify_targets(self) -> None:
        """Each place of a target is another element: the order of the writes is not defined."""
        for view in self.written:
            source = view.owner
            if isinstance(source, ViewOp) and source.names_twice:
                raise VerifyException("a target names each element once")

    @property
    def views(self) -> list[SSAValue]:
        return [operand for operand in self.operands if isinstance(operand.type, ViewType)]


class EngineInstruction(Instruction, ABC):
    """An instruction of a compute engine. Without ``engine`` the scheduler chooses one."""

    engine = opt_prop_def(EngineAttr)

    @property
    def chosen_engine(self) -> Engine:
        """The engine that is named, or that of the surrounding stream, or the usual one."""
        if self.engine is not None:
            return self.engine.data
        return stream_engine(self) or self.usual_engine

    @property
    def usual_engine(self) -> Engine:
        """The engine that runs the instruction where nothing is said."""
        return self.ENGINES[0]

    def verify_(self) -> None:
        chosen = self.chosen_engine
        if chosen not in self.ENGINES:
            allowed = ", ".join(self.ENGINES)
            raise VerifyException(f"engine: {self.name} runs on {allowed}, not on {chosen}")
        for view in self.views:
            require_engine_reaches(chosen, "an operand", view)
        self.verify_targets()
        self.verify_operands(chosen)

    def verify_operands(self, engine: Engine) -> None:
        """Check the rules of this instruction on ``engine``."""
        raise NotImplementedError


def stream_engine(op: Operation) -> Engine | None:
    """The engine of the ``trn.stream`` around an operation, None at the tile level."""
    parent = op.parent_op()
    while parent is not None:
        engine = parent.properties.get("engine")
        if parent.name == STREAM and isinstance(engine, EngineAttr):
            return engine.data
        parent = parent.parent_op()
    return None


PropertyValue = Attribute | StrEnum | bool | int | float | Sequence[int] | None
_ENUMS: dict[type[StrEnum], type[EnumAttribute[Any]]] = {
    Operator: OperatorAttr,
    Function: FunctionAttr,
    Engine: EngineAttr,
    ReduceCommand: ReduceCommandAttr,
}


def _properties(values: Mapping[str, PropertyValue]) -> dict[str, Attribute]:
    """Properties from plain values; what is None or false is left out."""
    found = {name: _property(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not None}


def _property(value: PropertyValue) -> Attribute | None:
    if value is None or value is False or isinstance(value, Attribute):
        return value or None
    if isinstance(value, StrEnum):
        return _ENUMS[type(value)](value)
    if value is True:
        return UnitAttr()
    if isinstance(value, int):
        return IntegerAttr(value, i64)
    if isinstance(value, float):
        return FloatAttr(value, f32)
    return DenseArrayBase.from_list(i64, list(value))
