"""Illegal commands and configurations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..stream import CORE_WORK, FENCE, CommandStream
from .config import GemminiConfig
from .fields import CONFIG_EX, CONFIG_LAYOUTS, CONFIG_LD, CONFIG_ST, KEEP_SCALE, bits_float
from .findings import Findings
from .isa import Activation, ConfigType, Funct


def check_commands(findings: Findings, stream: CommandStream) -> None:
    known = np.zeros(256, np.bool_)
    known[[*Funct, FENCE, CORE_WORK]] = True
    index = np.arange(len(stream))
    findings.add(index, ~known[stream.funct], "unknown function code {}", stream.funct)


def check_configurations(findings: Findings, stream: CommandStream, config: GemminiConfig) -> None:
    index = np.flatnonzero(stream.funct == Funct.CONFIG)
    rs1, rs2 = stream.rs1[index], stream.rs2[index]
    kind = CONFIG_EX["type"].of(rs1, rs2)
    _check_unused_bits(findings, index, rs1, rs2, kind)

    is_ex = (kind == ConfigType.EXECUTE) & (CONFIG_EX["strides_only"].of(rs1, rs2) == 0)
    is_ws = CONFIG_EX["weight_stationary"].of(rs1, rs2) == 1
    a_transpose = CONFIG_EX["a_transpose"].of(rs1, rs2) == 1
    b_transpose = CONFIG_EX["b_transpose"].of(rs1, rs2) == 1
    shift, activation = CONFIG_EX["shift"].of(rs1, rs2), CONFIG_EX["activation"].of(rs1, rs2)
    both = is_ex & is_ws & a_transpose & b_transpose
    findings.add(index, both, "weight-stationary: A and B cannot both be transposed")
    only_b = is_ex & ~is_ws & ~a_transpose & b_transpose
    findings.add(index, only_b, "output-stationary: B transposed needs A transposed too")
    limit = 8 * config.accumulator_bytes
    findings.add(index, is_ex & (shift >= limit), "shift {} is not below {}", shift, limit)
    findings.add(
        index,
        is_ex & (activation > Activation.RELU),
        "computations have no activation {}; only none and ReLU",
        activation,
    )

    is_load = kind == ConfigType.LOAD
    channel, stride = CONFIG_LD["channel"].of(rs1, rs2), CONFIG_LD["stride"].of(rs1, rs2)
    findings.add(index, is_load & (channel > 2), "load channel {} does not exist", channel)
    wide_stride = is_load & ((stride < 0) | (stride >> 32 != 0))
    findings.add(index, wide_stride, "DRAM row stride {} does not fit 32 bits", stride)
    for configures, field in (
        (is_load, CONFIG_LD["scale"]),
        (kind == ConfigType.STORE, CONFIG_ST["scale"]),
    ):
        bits = field.of(rs1, rs2)
        finite = np.isfinite(bits_float(bits)) | ((bits == KEEP_SCALE) & ~is_load)
        findings.add(index, configures & ~finite, "scale {:#x} is not a finite number", bits)

    missing = (kind == ConfigType.NORM) & (not config.has_normalizations)
    findings.add(index, missing, "this configuration has no normalizer")


def _check_unused_bits(
    findings: Findings,
    index: NDArray[np.int64],
    rs1: NDArray[np.uint64],
    rs2: NDArray[np.uint64],
    kind: NDArray[np.int64],
) -> None:
    """A bit that belongs to no field is a sign of a misplaced one."""
    for config_type, layout in CONFIG_LAYOUTS.items():
        used = [0, 0]
        for field in layout.values():
            used[field.word - 1] |= ((1 << field.bits) - 1) << field.low
        for word, words in ((1, rs1), (2, rs2)):
            unused = words & np.uint64(~used[word - 1] & (1 << 64) - 1)
            wrong = (kind == config_type) & (unused != 0)
            reason = f"rs{word} of a {config_type.name} configuration sets the unused bits {{:#x}}"
            findings.add(index, wrong, reason, unused)
