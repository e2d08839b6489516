"""One entry for all levels of IR: which extractor reads a module."""

from __future__ import annotations

from enum import Enum

from xdsl.dialects.builtin import ModuleOp, TensorType

from ...hw.gemmini.config import GemminiConfig
from ..core.polyhedral import Program
from .from_gemmini import extract_gemmini
from .from_linalg import extract_linalg
from .from_loops import extract_loops
from .from_tile import extract_tiles
from .from_trn import extract_trn
from .structured import single_function


class Level(Enum):
    """Levels of IR, from the C kernel to the machine's instructions."""

    LOOPS = "loop IR"
    TENSOR = "tensor IR"
    TILE = "tile IR"
    ISA = "ISA IR"
    NEURON = "Trainium's tile program"


def level_of(module: ModuleOp) -> Level:
    """The level of a module: machine instructions, tile operations, tensors, or plain loops.

    Raises ``Unsupported`` if there is not exactly one function with a body.
    """
    function = single_function(module)
    names = {operation.name.split(".")[0] for operation in function.walk()}
    if "gemmini" in names:
        return Level.ISA
    if "trn" in names:
        return Level.NEURON
    if "tile" in names:
        return Level.TILE
    if any(isinstance(argument.type, TensorType) for argument in function.args):
        return Level.TENSOR
    return Level.LOOPS


def extract(module: ModuleOp, config: GemminiConfig) -> Program:
    """The affine statements of a module at any level.

    Raises ``Unsupported`` for constructs outside the quasi-affine class.
    """
    match level_of(module):
        case Level.ISA:
            return extract_gemmini(module, config)
        case Level.TILE:
            return extract_tiles(module)
        case Level.NEURON:
            return extract_trn(module)
        case Level.TENSOR:
            return extract_linalg(module).program
        case Level.LOOPS:
            return extract_loops(module).program


def extract_without_offsets(module: ModuleOp) -> Program | None:
    """A source whose factors that are numbers plus constants are several summands.

    None where it is neither loop nor tensor IR.
    """
    match level_of(module):
        case Level.TENSOR:
            return extract_linalg(module, drops_offsets=True).program
        case Level.LOOPS:
            return extract_loops(module, drops_offsets=True).program
        case _:
            return None
