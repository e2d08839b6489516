"""What ``gemmini.h`` and ``gemmini_params.h`` define: types and constants, from the configuration.

Source: the public ``gemmini.h`` and its generated ``gemmini_params.h``; the numbers follow from the
parameters of the machine.
"""

from __future__ import annotations

from ...hw.gemmini import isa
from ...hw.gemmini.config import TYPE_BYTES, GemminiConfig
from ..c.types import FLOAT, INT, UNSIGNED_INT, CFloat, CInteger, CScalar
from .arithmetic import integer
from .values import Real, Value


def header_types(config: GemminiConfig) -> dict[str, CScalar]:
    """The type names of ``gemmini.h``."""
    return {
        "elem_t": _element_type(config.input_type),
        "acc_t": _element_type(config.accumulator_type),
        "full_t": CInteger(64, signed=True) if config.is_integer else CFloat(64),
        "scale_t": FLOAT,
        "acc_scale_t": FLOAT,
        "scale_acc_t": FLOAT,
        "elem_t_bits": CInteger(8 * config.input_bytes, signed=False),
        "acc_t_bits": CInteger(8 * config.accumulator_bytes, signed=False),
    }


def _element_type(name: str) -> CScalar:
    bits = 8 * TYPE_BYTES[name]
    return CInteger(bits, signed=True) if name.startswith("int") else CFloat(bits)


def header_constants(config: GemminiConfig) -> dict[str, Value]:
    """The constants of ``gemmini.h``, by name."""
    input_bits = 8 * config.input_bytes
    numbers = {
        "DIM": config.dim,
        "ADDR_LEN": 32,
        "BANK_NUM": config.spad_banks,
        "BANK_ROWS": config.spad_bank_rows,
        "ACC_ROWS": config.acc_rows,
        "MAX_BYTES": config.max_request_bytes,
        "MAX_BLOCK_LEN": config.max_blocks,
        "MAX_BLOCK_LEN_ACC": max(
            1, config.max_request_bytes // (config.dim * config.accumulator_bytes)
        ),
        "OUTPUT_STATIONARY": 0,
        "WEIGHT_STATIONARY": 1,
        "NO_ACTIVATION": isa.Activation.NONE,
        "RELU": isa.Activation.RELU,
        "LAYERNORM": isa.Activation.LAYERNORM,
        "IGELU": isa.Activation.IGELU,
        "SOFTMAX": isa.Activation.SOFTMAX,
        "OS": 0,
        "WS": 1,
        "CPU": 2,
        "NULL": 0,
    }
    if config.is_integer:
        numbers["elem_t_max"] = (1 << (input_bits - 1)) - 1
        numbers["elem_t_min"] = -(1 << (input_bits - 1))
    constants: dict[str, Value] = {name: integer(int(n), INT) for name, n in numbers.items()}
    constants["GARBAGE_ADDR"] = integer(isa.GARBAGE_ADDRESS, UNSIGNED_INT)
    for name in ("MVIN_SCALE_IDENTITY", "ACC_SCALE_IDENTITY"):
        constants[name] = Real(FLOAT, 1.0)
    return constants
