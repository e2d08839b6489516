"""Programs around the instance of a rule that make all of the machine's state visible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import (
    Builtin,
    DenseArrayBase,
    IndexType,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.parser import Parser
from xdsl.rewriter import InsertPoint, Rewriter

from ...dialects.gemmini import (
    GEMMINI,
    LOAD_CHANNELS,
    ConfigLdOp,
    FenceOp,
    LocalSpace,
    LocalType,
    MvinOp,
    MvinZerosOp,
    SpadOp,
)
from ...hw.gemmini.config import GemminiConfig
from ..core.polyhedral import Unsupported
from ..execution.common import ExecutionFault
from ..execution.counterexample import replay
from ..execution.execute import random_array
from ..execution.trial_sizes import shapes_at
from ..extract.from_gemmini import ELEMENT_TYPES
from ..extract.from_loops import output_positions
from ..extract.structured import single_function
from .instance import Instance

RANDOM_OPERANDS = 40
"""Choices of operands to run if the failed proof suggests none."""


@dataclass(frozen=True)
class OperandDifference:
    """Operands for which the two programs end differently, and what is different."""

    operands: tuple[tuple[int, int], ...]
    """Values of the index operands by position."""
    expected: str
    actual: str


class Harness:
    """Programs for one instance; its operands become their first parameters."""

    def __init__(self, instance: Instance, config: GemminiConfig) -> None:
        self.instance = instance
        self.config = config
        self.block = single_function(instance.before).body.block
        modules = (instance.before, instance.after)
        self.operations = [op for module in modules for op in module.walk()]
        for argument in self.block.args:
            type = argument.type
            if not _is_spad(type) and not isinstance(type, IndexType | MemRefType):
                raise Unsupported(f"an operand of type {type}: match what computes it")

    def label(self, position: int) -> str:
        """How to name an operand to people."""
        hint = self.block.args[position].name_hint or f"operand {position}"
        return f"row of {hint}" if _is_spad(self.block.args[position].type) else hint

    def bare(self, module: ModuleOp) -> ModuleOp:
        """The instance alone, on parameters instead of local addresses."""
        return self._filled(f"func.func @bare({self._parameters()}) {self._attributes()}", module)

    def program(self, module: ModuleOp) -> ModuleOp:
        """The instance between filling and storing the local memories."""
        used = [memory for memory in (self._spad(), self._acc()) if memory.is_touched]
        extra = [f"%{m.name}_in: {m.type}, %{m.name}_out: {m.type}" for m in used]
        parameters = ", ".join(filter(None, [self._parameters(), *extra]))
        first = len(self.block.args)
        outputs = [first + 2 * number + 1 for number in range(len(used))]
        head = f"func.func @observed({parameters}) {self._attributes(outputs)}"
        channel = self._free_channel()
        before = "\n".join(memory.filling(self.config.dim, channel) for memory in used)
        after = "\n".join(memory.storing(self.config.dim) for memory in used)
        return self._filled(head, module, before, after)

    def _parameters(self) -> str:
        return ", ".join(
            f"%p{number}: {'index' if _is_spad(argument.type) else argument.type}"
            for number, argument in enumerate(self.block.args)
        )

    def _attributes(self, more: list[int] | None = None) -> str:
        stored = [
            argument.index
            for module in (self.instance.before, self.instance.after)
            for argument in single_function(module).args
            if isinstance(argument.type, MemRefType)
            and any(use.operation.name == "gemmini.mvout" for use in argument.uses)
        ]
        outputs = ", ".join(str(n) for n in sorted({*stored, *(more or ())}))
        return f'attributes {{"liftproof.outputs" = array<i64{": " if outputs else ""}{outputs}>}}'

    def _filled(self, head: str, module: ModuleOp, before: str = "", after: str = "") -> ModuleOp:
        """The program with the instance's operations at the place of its first fence."""
        text = f"{head} {{\n{before}\ngemmini.fence\n{after}\ngemmini.fence\nfunc.return\n}}"
        program = Parser(_context(), text).parse_module()
        function = single_function(program)
        marker = next(op for op in function.body.block.ops if isinstance(op, FenceOp))
        values: dict[SSAValue, SSAValue] = {}
        inner = single_function(module).body.block
        for argument, own in zip(inner.args, function.args, strict=False):
            values[argument] = own
            if _is_spad(argument.type):
                address = SpadOp(own)
                Rewriter.insert_op(address, InsertPoint.before(marker))
                values[argument] = address.address
        for operation in inner.ops:
            if operation is not inner.last_op:
                Rewriter.insert_op(operation.clone(values), InsertPoint.before(marker))
        Rewriter.erase_op(marker)
        program.verify()
        return program

    def _free_channel(self) -> int:
        """A load channel whose configuration the instance neither reads nor writes."""
        used = {
            op.channel.value.data
            for op in self.operations
            if isinstance(op, ConfigLdOp | MvinOp | MvinZerosOp)
        }
        free = [channel for channel in range(LOAD_CHANNELS) if channel not in used]
        if not free:
            raise Unsupported("a pattern that uses all load channels")
        return free[0]

    def _touches(self, space: LocalSpace) -> bool:
        types = [result.type for op in self.operations for result in op.results]
        types += [argument.type for argument in self.block.args]
        return any(isinstance(t, LocalType) and t.space.data == space for t in types)

    def _spad(self) -> _Memory:
        kind = ELEMENT_TYPES[self.config.input_type]
        rows, size = self.config.spad_rows, self.config.input_bytes
        return _Memory("spad", rows, self.config.dim, kind, size, self._touches(LocalSpace.SPAD))

    def _acc(self) -> _Memory:
        kind = ELEMENT_TYPES[self.config.accumulator_type]
        rows, size = self.config.acc_rows, self.config.accumulator_bytes
        return _Memory("acc", rows, self.config.dim, kind, size, self._touches(LocalSpace.ACC))

    # Refutation.

    def difference(
        self, instance: Instance, suggested: Mapping[int, int]
    ) -> OperandDifference | None:
        """Operands for which running both programs shows a difference."""
        before, after = self.program(instance.before), self.program(instance.after)
        for operands in self._choices(suggested):
            found = self._run(before, after, operands)
            if found is not None:
                return OperandDifference(tuple(operands.items()), *found)
        return None

    def _choices(self, suggested: Mapping[int, int]) -> Iterator[dict[int, int]]:
        positions = [n for n, a in enumerate(self.block.args) if not isinstance(a.type, MemRefType)]
        if all(position in suggested for position in positions):
            yield {position: suggested[position] for position in positions}
        rng = np.random.default_rng(0)
        dim = self.config.dim
        usual = [0, 1, dim // 2, dim - 1, dim, 2 * dim, 3 * dim + 1]
        for _ in range(RANDOM_OPERANDS):
            yield {position: int(rng.choice(usual)) for position in positions}

    def _run(
        self, before: ModuleOp, after: ModuleOp, operands: dict[int, int]
    ) -> tuple[str, str] | None:
        programs = [_with_constants(module, operands) for module in (before, after)]
        function = single_function(programs[0])
        rng = np.random.default_rng(0)
        shapes = shapes_at(function, ("",) * len(function.args), {})
        inputs = [random_array(rng, shape, type) for shape, type in shapes]
        try:
            found = replay(programs[0], programs[1], self.config, inputs)
        except ExecutionFault:
            # The matched instructions are illegal for these operands.
            return None
        if found is None:
            return None
        if found.fault:
            return "no fault", found.fault
        place = "".join(f"[{index}]" for index in found.element)
        return f"{found.parameter}{place} = {found.expected}", found.actual


@dataclass(frozen=True)
class _Memory:
    """One of the local memories, and the text that fills and stores it."""

    name: str
    rows: int
    dim: int
    element: str
    bytes: int
    is_touched: bool

    @property
    def type(self) -> str:
        return f"memref<{self.rows}x{self.dim}x{self.element}>"

    def filling(self, dim: int, channel: int) -> str:
        local, name = f"!gemmini.local<{self.name}>", self.name
        size = f"%{name}_dim_in"
        return (
            f"gemmini.config_ld {{channel = {channel} : i64, stride = {dim * self.bytes} : i64,"
            f" block_stride = {dim} : i64}}\n"
            + self._loop("in", "")
            + f"gemmini.mvin %{name}_in[%{name}_row_in, %{name}_zero_in] to %{name}_at_in"
            f"[{size}, {size}] {{channel = {channel} : i64}} : {self.type}, {local}\n}}"
        )

    def storing(self, dim: int) -> str:
        local, name = f"!gemmini.local<{self.name}>", self.name
        return (
            f"gemmini.config_st {{stride = {dim * self.bytes} : i64}}\n"
            + self._loop("out", " full" if name == "acc" else "")
            + f"gemmini.mvout %{name}_at_out[%{name}_dim_out, %{name}_dim_out] to"
            f" %{name}_out[%{name}_row_out, %{name}_zero_out] : {local}, {self.type}\n}}"
        )

    def _loop(self, way: str, flag: str) -> str:
        """The head of a loop over all tiles, up to the local address of the tile."""
        p = f"%{self.name}"
        return (
            f"{p}_zero_{way} = arith.constant 0 : index\n"
            f"{p}_one_{way} = arith.constant 1 : index\n"
            f"{p}_dim_{way} = arith.constant {self.dim} : index\n"
            f"{p}_tiles_{way} = arith.constant {self.rows // self.dim} : index\n"
            f"scf.for {p}_i_{way} = {p}_zero_{way} to {p}_tiles_{way} step {p}_one_{way} {{\n"
            f"{p}_row_{way} = arith.muli {p}_i_{way}, {p}_dim_{way} : index\n"
            f"{p}_at_{way} = gemmini.{self.name} {p}_row_{way}{flag}\n"
        )


def _is_spad(type: Attribute) -> bool:
    return isinstance(type, LocalType) and type.space.data == LocalSpace.SPAD


def _with_constants(module: ModuleOp, operands: Mapping[int, int]) -> ModuleOp:
    """The program with numbers for its index parameters."""
    module = module.clone()
    function = single_function(module)
    block: Block = function.body.block
    arguments = list(block.args)
    for position, value in operands.items():
        constant = arith.ConstantOp(IntegerAttr(value, IndexType()))
        first = block.first_op
        assert isinstance(first, Operation)
        Rewriter.insert_op(constant, InsertPoint.before(first))
        arguments[position].replace_all_uses_with(constant.result)
    for position in sorted(operands, reverse=True):
        block.erase_arg(arguments[position])
    function.update_function_type()
    kept = [number for number in range(len(arguments)) if number not in operands]
    outputs = [kept.index(position) for position in output_positions(function)]
    function.attributes["liftproof.outputs"] = DenseArrayBase.from_list(i64, outputs)
    return module


def _context() -> Context:
    context = Context()
    for dialect in (Builtin, arith.Arith, func.Func, memref.MemRef, scf.Scf, GEMMINI):
        context.load_dialect(dialect)
    return context
