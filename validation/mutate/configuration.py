"""Mistakes in configurations and attributes: strides, scales, activation, dataflow, flags."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, ModuleOp, UnitAttr
from xdsl.ir import Attribute, Operation

from ...dialects.gemmini import ActivationAttr, ActivationKind, ConfigStOp, Dataflow, DataflowAttr
from .edit import Mutation, describe, named, pick

Change = Callable[[Attribute | None, Random], Attribute | None]


def _attribute(
    names: tuple[str, ...],
    fields: tuple[str, ...],
    change: Change,
    where: Callable[[Operation], bool] = lambda op: True,
) -> Mutation:
    """Change one of the fields of one of the operations; ``None`` from ``change`` removes it."""

    def mutate(module: ModuleOp, rng: Random) -> str | None:
        found = [(op, field) for op in named(module, *names) if where(op) for field in fields]
        chosen = pick([(op, f) for op, f in found if _has_field(op, f)], rng)
        if chosen is None:
            return None
        op, field = chosen
        before = describe(op)
        new = change(op.properties.get(field), rng)
        if new is None:
            op.properties.pop(field, None)
        else:
            op.properties[field] = new
        return f"{field} = {new} in {before}"

    return mutate


def _has_field(op: Operation, field: str) -> bool:
    return field in op.get_irdl_definition().properties  # pyright: ignore[reportAttributeAccessIssue]


def _pools(op: Operation) -> bool:
    return isinstance(op, ConfigStOp) and op.pool_stride.value.data > 0


def _by(*amounts: int) -> Change:
    def change(old: Attribute | None, rng: Random) -> Attribute | None:
        assert isinstance(old, IntegerAttr)
        return IntegerAttr(max(0, old.value.data + rng.choice(amounts)), old.type)

    return change


def _times(*factors: float) -> Change:
    def change(old: Attribute | None, rng: Random) -> Attribute | None:
        if not isinstance(old, FloatAttr):
            return old
        return FloatAttr(old.value.data * rng.choice(factors), old.type)

    return change


def _toggle(old: Attribute | None, rng: Random) -> Attribute | None:
    return UnitAttr() if old is None else None


def _activation(old: Attribute | None, rng: Random) -> Attribute | None:
    relu, none = ActivationAttr(ActivationKind.RELU), ActivationAttr(ActivationKind.NONE)
    return none if old == relu else relu


def _dataflow(old: Attribute | None, rng: Random) -> Attribute | None:
    kept = DataflowAttr(Dataflow.WEIGHT_STATIONARY)
    return DataflowAttr(Dataflow.OUTPUT_STATIONARY) if old == kept else kept


LOAD, STORE, EXECUTE = ("gemmini.config_ld",), ("gemmini.config_st",), ("gemmini.config_ex",)
OPERATORS: dict[str, Mutation] = {
    "wrong load stride": _attribute(LOAD, ("stride",), _by(1, -1, 4, 16, -16)),
    "wrong store stride": _attribute(STORE, ("stride",), _by(1, -1, 4, 16, -16)),
    "wrong block stride": _attribute(LOAD, ("block_stride",), _by(1, -1, 16, -8)),
    "wrong channel": _attribute(
        (*LOAD, "gemmini.mvin", "gemmini.mvin_zeros"), ("channel",), _by(1, -1, 2)
    ),
    "wrong load scale": _attribute(LOAD, ("scale",), _times(0.5, 2.0)),
    "wrong store scale": _attribute(
        (*STORE, "tile.store"), ("scale",), _times(0.5, 2.0, 0.25, 1.0078125)
    ),
    "wrong pooling window": _attribute(
        STORE, ("pool_size", "pool_stride", "upper_pad", "left_pad"), _by(1, -1), _pools
    ),
    "wrong pooled image": _attribute(
        STORE,
        ("pool_out_dim", "pool_rows", "pool_cols", "out_rows", "out_cols"),
        _by(1, -1),
        _pools,
    ),
    "wrong activation": _attribute(STORE, ("activation",), _activation),
    "ReLU or not": _attribute(("tile.store",), ("relu",), _toggle),
    "transposed or not": _attribute(
        (*EXECUTE, "tile.matmul"), ("a_transpose", "b_transpose"), _toggle
    ),
    "other dataflow": _attribute(EXECUTE, ("dataflow",), _dataflow),
    "wrong array stride": _attribute(EXECUTE, ("a_stride", "c_stride"), _by(1, -1)),
    "shrunk load": _attribute(LOAD, ("shrunk",), _toggle),
    "repeated or changing row": _attribute(("tile.load",), ("broadcast",), _toggle),
}
