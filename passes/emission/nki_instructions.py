"""Spell the instructions of the Trainium tile level as calls of ``nki.isa`` (Beta-2 form)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.ir import Attribute, SSAValue

from ...dialects import trn
from ...dialects.trn.types import Engine, Operator
from ..kernel import refusal
from .nki_expressions import Names, bare, index_text, view_text

ENGINES = {
    Engine.PE: "nisa.tensor_engine",
    Engine.ACT: "nisa.scalar_engine",
    Engine.DVE: "nisa.vector_engine",
    Engine.POOL: "nisa.gpsimd_engine",
}
Values = dict[str, str | None]


def instruction_text(op: trn.Instruction, names: Names) -> str:
    """The call; raises ``PassFailedException`` for an instruction that has no spelling."""
    spell = SPELLINGS.get(type(op))
    if spell is None:
        raise refusal(op, "NKI has no spelling for this instruction yet")
    function, values = spell(op, _Operands(names))
    if isinstance(op, trn.EngineInstruction) and op.engine is not None:
        values["engine"] = ENGINES[op.engine.data]
    arguments = ", ".join(f"{name}={value}" for name, value in values.items() if value is not None)
    return f"nisa.{function}({arguments})"


class _Operands:
    """Operands and properties as text; None for what is not given."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def view(self, value: SSAValue | None) -> str | None:
        return None if value is None else view_text(value, self.names)

    def index(self, value: SSAValue | None) -> str | None:
        return None if value is None else bare(index_text(value, self.names))

    def scalar(self, vector: SSAValue | None, immediate: Attribute | None) -> str | None:
        """A scalar operand: a vector, a number, or nothing."""
        return self.view(vector) if vector is not None else number(immediate)


def number(value: Attribute | None) -> str | None:
    """A number as Python writes it."""
    if isinstance(value, FloatAttr):
        text = repr(value.value.data)
        return {"inf": 'float("inf")', "-inf": 'float("-inf")'}.get(text, text)
    return str(value.value.data) if isinstance(value, IntegerAttr) else None


def operator(value: Any) -> str | None:
    """``nl.add`` and its like for an operator or function attribute."""
    return None if value is None else f"nl.{OPERATOR_NAMES.get(value.data, value.data.value)}"


OPERATOR_NAMES = {Operator.BITWISE_NOT: "invert"}


def _flag(value: Attribute | None) -> str | None:
    return None if value is None else "True"


Spelling = tuple[str, Values]


def _dma_copy(op: trn.DmaCopyOp, operands: _Operands) -> Spelling:
    add = None if op.add is None else "nl.add"
    values = {"dst": operands.view(op.dst), "src": operands.view(op.src), "dst_rmw_op": add}
    return "dma_copy", values


def _dma_transpose(op: trn.DmaTransposeOp, operands: _Operands) -> Spelling:
    return "dma_transpose", {"dst": operands.view(op.dst), "src": operands.view(op.src)}


def _matmul(op: trn.NcMatmulOp, operands: _Operands) -> Spelling:
    accumulate = "False" if op.accumulate is None else operands.index(op.accumulate)
    return "nc_matmul", {
        "dst": operands.view(op.dst),
        "stationary": operands.view(op.stationary),
        "moving": operands.view(op.moving),
        "accumulate": accumulate,
    }


def _transpose(op: trn.NcTransposeOp, operands: _Operands) -> Spelling:
    return "nc_transpose", {"dst": operands.view(op.dst), "data": operands.view(op.src)}


def _activation(op: trn.ActivationOp, operands: _Operands) -> Spelling:
    scale = number(op.scale_immediate) if op.scale is None else operands.view(op.scale)
    command = None if op.command is None else f"nisa.reduce_cmd.{op.command.data.value}"
    return "activation", {
        "dst": operands.view(op.dst),
        "op": operator(op.function),
        "data": operands.view(op.data),
        "bias": operands.view(op.bias),
        "scale": None if scale == "1.0" else scale,
        "reduce_op": None if op.reduced is None else "nl.add",
        "reduce_res": operands.view(op.reduced),
        "reduce_cmd": command,
    }


def _tensor_tensor(op: trn.TensorTensorOp, operands: _Operands) -> Spelling:
    return "tensor_tensor", {
        "dst": operands.view(op.dst),
        "data1": operands.view(op.lhs),
        "data2": operands.view(op.rhs),
        "op": operator(op.op),
    }


def _tensor_scalar(op: trn.TensorScalarOp, operands: _Operands) -> Spelling:
    return "tensor_scalar", {
        "dst": operands.view(op.dst),
        "data": operands.view(op.data),
        "op0": operator(op.op0),
        "operand0": operands.scalar(op.scalar0, op.immediate0),
        "reverse0": _flag(op.reverse0),
        "op1": operator(op.op1),
        "operand1": operands.scalar(op.scalar1, op.immediate1),
        "reverse1": _flag(op.reverse1),
    }


def _tensor_scalar_reduce(op: trn.TensorScalarReduceOp, operands: _Operands) -> Spelling:
    return "tensor_scalar_reduce", {
        "dst": operands.view(op.dst),
        "data": operands.view(op.data),
        "op0": operator(op.op0),
        "operand0": operands.scalar(op.scalar0, op.immediate0),
        "reduce_op": operator(op.reduce_op),
        "reduce_res": operands.view(op.reduced),
        "reverse0": _flag(op.reverse0),
    }


def _scalar_tensor_tensor(op: trn.ScalarTensorTensorOp, operands: _Operands) -> Spelling:
    return "scalar_tensor_tensor", {
        "dst": operands.view(op.dst),
        "data": operands.view(op.data),
        "op0": operator(op.op0),
        "operand0": operands.scalar(op.scalar0, op.immediate0),
        "op1": operator(op.op1),
        "operand1": operands.view(op.rhs),
        "reverse0": _flag(op.reverse0),
        "reverse1": _flag(op.reverse1),
    }


def _scan(op: trn.TensorTensorScanOp, operands: _Operands) -> Spelling:
    return "tensor_tensor_scan", {
        "dst": operands.view(op.dst),
        "data0": operands.view(op.data0),
        "data1": operands.view(op.data1),
        "initial": operands.scalar(op.scalar0, op.immediate0),
        "op0": operator(op.op0),
        "op1": operator(op.op1),
        "reverse0": _flag(op.reverse0),
        "reverse1": _flag(op.reverse1),
    }


def _tensor_reduce(op: trn.TensorReduceOp, operands: _Operands) -> Spelling:
    rank, count = len(trn.view_of(op.data).shape), op.axes.value.data
    axes = ", ".join(str(axis) for axis in range(rank - count, rank))
    return "tensor_reduce", {
        "dst": operands.view(op.dst),
        "op": operator(op.op),
        "data": operands.view(op.data),
        "axis": f"[{axes}]",
        "negate": _flag(op.negate),
    }


def _partition_reduce(op: trn.TensorPartitionReduceOp, operands: _Operands) -> Spelling:
    return "tensor_partition_reduce", {
        "dst": operands.view(op.dst),
        "op": operator(op.op),
        "data": operands.view(op.data),
    }


def _memset(op: trn.MemsetOp, operands: _Operands) -> Spelling:
    return "memset", {"dst": operands.view(op.dst), "value": number(op.value)}


def _predicated(op: trn.TensorCopyPredicatedOp, operands: _Operands) -> Spelling:
    return "tensor_copy_predicated", {
        "dst": operands.view(op.dst),
        "src": operands.view(op.src),
        "predicate": operands.view(op.predicate),
        "reverse_pred": _flag(op.reverse),
    }


def _select_reduce(op: trn.SelectReduceOp, operands: _Operands) -> Spelling:
    return "select_reduce", {
        "dst": operands.view(op.dst),
        "predicate": operands.view(op.predicate),
        "on_true": operands.view(op.on_true),
        "on_false": operands.scalar(op.scalar0, op.immediate0),
        "reduce_res": operands.view(op.reduced),
        "reduce_cmd": None if op.reduced is None else "nisa.reduce_cmd.reset_reduce",
        "reverse_pred": _flag(op.reverse),
    }


def _pattern(op: trn.IotaOp | trn.AffineSelectOp) -> str:
    shape = trn.view_of(op.dst).shape[1:]
    pairs = zip(op.steps.get_values(), shape, strict=True)
    return "[" + ", ".join(f"[{step}, {size}]" for step, size in pairs) + "]"


def _offset(op: trn.IotaOp | trn.AffineSelectOp, operands: _Operands) -> str:
    base = op.base.value.data
    if op.offset is None:
        return str(base)
    return f"{index_text(op.offset, operands.names)} + {base}"


def _iota(op: trn.IotaOp, operands: _Operands) -> Spelling:
    return "iota", {
        "dst": operands.view(op.dst),
        "pattern": _pattern(op),
        "channel_multiplier": number(op.partition_step),
        "offset": _offset(op, operands),
    }


def _affine_select(op: trn.AffineSelectOp, operands: _Operands) -> Spelling:
    return "affine_select", {
        "dst": operands.view(op.dst),
        "pattern": _pattern(op),
        "channel_multiplier": number(op.partition_step),
        "on_true_tile": operands.view(op.data),
        "on_false_value": number(op.fill),
        "cmp_op": operator(op.comparison),
        "offset": _offset(op, operands),
    }


def _find_index(op: trn.FindIndex8Op, operands: _Operands) -> Spelling:
    return "nc_find_index8", {
        "dst": operands.view(op.dst),
        "data": operands.view(op.data),
        "vals": operands.view(op.values),
    }


def _match_replace(op: trn.MatchReplace8Op, operands: _Operands) -> Spelling:
    if op.indices is not None:
        raise refusal(op, "NKI's spelling of the positions is not known")
    return "nc_match_replace8", {
        "dst": operands.view(op.dst),
        "data": operands.view(op.data),
        "vals": operands.view(op.values),
        "imm": number(op.replacement),
    }


def _shuffle(op: trn.StreamShuffleOp, operands: _Operands) -> Spelling:
    return "nc_stream_shuffle", {
        "src": operands.view(op.src),
        "dst": operands.view(op.dst),
        "shuffle_mask": str(list(op.mask.get_values())),
    }


def _one_input(function: str, argument: str) -> Callable[[Any, _Operands], Spelling]:
    def spell(op: Any, operands: _Operands) -> Spelling:
        source = op.src if hasattr(op, "src") else op.data
        return function, {"dst": operands.view(op.dst), argument: operands.view(source)}

    return spell


SPELLINGS: dict[type[trn.Instruction], Callable[[Any, _Operands], Spelling]] = {
    trn.DmaCopyOp: _dma_copy,
    trn.DmaTransposeOp: _dma_transpose,
    trn.NcMatmulOp: _matmul,
    trn.NcTransposeOp: _transpose,
    trn.ActivationOp: _activation,
    trn.TensorTensorOp: _tensor_tensor,
    trn.TensorScalarOp: _tensor_scalar,
    trn.TensorScalarReduceOp: _tensor_scalar_reduce,
    trn.ScalarTensorTensorOp: _scalar_tensor_tensor,
    trn.TensorTensorScanOp: _scan,
    trn.TensorReduceOp: _tensor_reduce,
    trn.TensorPartitionReduceOp: _partition_reduce,
    trn.TensorCopyOp: _one_input("tensor_copy", "src"),
    trn.TensorCopyPredicatedOp: _predicated,
    trn.SelectReduceOp: _select_reduce,
    trn.ReciprocalOp: _one_input("reciprocal", "data"),
    trn.MemsetOp: _memset,
    trn.BnStatsOp: _one_input("bn_stats", "data"),
    trn.BnAggrOp: _one_input("bn_aggr", "data"),
    trn.Max8Op: _one_input("max8", "src"),
    trn.FindIndex8Op: _find_index,
    trn.MatchReplace8Op: _match_replace,
    trn.StreamShuffleOp: _shuffle,
    trn.IotaOp: _iota,
    trn.AffineSelectOp: _affine_select,
}
"""Name and arguments of each instruction's call."""
