"""Run a program of any level on concrete arrays: the reference for counterexamples and tests.

Loop, tensor and tile IR are executed by definition, with the arithmetic of ``arithmetic``; ISA IR
by the functional simulator. Nothing of the proof machinery is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import MemRefType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from ...hw.gemmini.config import GemminiConfig
from ...hw.stream import StreamError
from ..core.polyhedral import Unsupported
from ..extract.extraction import Level, level_of
from ..extract.from_loops import output_positions
from ..extract.pure_operations import type_name
from ..extract.structured import single_function
from .arithmetic import UnknownOperation, numpy_type
from .common import ExecutionFault, TooExpensive
from .execute_core import CoreExecutor
from .execute_loops import LoopExecutor
from .execute_tensors import TensorExecutor
from .execute_tiles import TileExecutor

Arrays = Sequence[NDArray[Any]]
NEURON_CORE = "trainium2"
"""The later version allows all that the earlier does; results do not depend on it."""


def execute(
    module: ModuleOp, arrays: Arrays, config: GemminiConfig, *, strict: bool = False
) -> list[NDArray[Any]]:
    """The contents of all parameters after a run; ``arrays`` are not changed.

    Scalars are arrays of rank 0. In a ``strict`` run, to use a result that the language leaves open
    is a fault. Raises ``ExecutionFault`` for an access out of bounds and for what
    the simulator refuses, ``TooExpensive`` for a run that would take minutes, and ``Unsupported``
    for an operation without a rule.
    """
    function = single_function(module)
    copies = [np.array(array) for array in arrays]
    try:
        match level_of(module):
            case Level.ISA:
                return _simulate(module, copies, config)
            case Level.TENSOR:
                results = TensorExecutor(strict=strict).run(function, copies)
                for position, result in zip(output_positions(function), results, strict=True):
                    copies[position] = result
                return copies
            case Level.TILE:
                return TileExecutor(strict=strict).run(function, copies)
            case Level.NEURON:
                return _run_on_neuron_core(function, copies)
            case Level.LOOPS:
                return LoopExecutor(strict=strict).run(function, copies)
    except UnknownOperation as error:
        raise Unsupported(f"no execution of {error}") from error


def _run_on_neuron_core(function: FuncOp, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    # Another machine's simulator; proofs for the first one should not pay for it.
    from ...diagnostics import Diagnostic
    from ...hw.trainium.config import load_config
    from ...hw.trainium.functional import parameters_of, run

    try:
        names = [parameter.name for parameter in parameters_of(function)]
        contents = run(function, load_config(NEURON_CORE), dict(zip(names, arrays, strict=True)))
    except Diagnostic as error:
        raise ExecutionFault(str(error)) from error
    return [contents[name] for name in names]


def _simulate(
    module: ModuleOp, arrays: list[NDArray[Any]], config: GemminiConfig
) -> list[NDArray[Any]]:
    # The simulator brings a compiler; proofs should not pay for it.
    from ...diagnostics import Diagnostic
    from ...hw.gemmini.commands import instructions
    from ...hw.gemmini.findings import CommandError
    from ...hw.gemmini.functional import run
    from ...hw.gemmini.unroll import NotUnrollableError, stream_of_module

    try:
        stream, layout = stream_of_module(module, config)
    except NotUnrollableError as error:
        # Nothing is wrong with such a program; it only cannot be run here.
        raise Unsupported(str(error)) from error
    except (StreamError, Diagnostic) as error:
        raise ExecutionFault(str(error)) from error
    memory = layout.image(arrays)
    core = CoreExecutor(single_function(module), stream, layout, memory)
    try:
        run(stream, config, memory, layout=layout, core=core.run)
    except CommandError as error:
        operations = instructions(single_function(module))
        raise ExecutionFault(str(error), operations[stream.origin[error.index]]) from error
    except (StreamError, Diagnostic) as error:
        raise ExecutionFault(str(error)) from error
    return list(layout.read(memory))


def parameter_shapes(function: FuncOp) -> list[tuple[tuple[int, ...], str]]:
    """Shape and element type of each parameter; a scalar has rank 0."""
    found: list[tuple[tuple[int, ...], str]] = []
    for argument in function.args:
        type = argument.type
        if isinstance(type, MemRefType | TensorType):
            found.append((_static(type), type_name(type.element_type)))
        else:
            found.append(((), type_name(type)))
    return found


def _static(type: MemRefType[Attribute] | TensorType[Attribute]) -> tuple[int, ...]:
    shape = type.get_shape()
    if any(extent < 0 for extent in shape):
        raise Unsupported("execution needs constant extents")
    return tuple(shape)


def random_array(
    rng: np.random.Generator, shape: tuple[int, ...], type: str, magnitude: int | None = None
) -> NDArray[Any]:
    """Numbers over the full range of the type, or up to ``magnitude``."""
    dtype = numpy_type(type)
    if dtype.kind == "f":
        scale = float(magnitude or 4)
        return rng.integers(-64, 65, shape).astype(dtype) * dtype.type(scale / 64)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = int(limits.min), int(limits.max)
    if magnitude is not None:
        low, high = max(low, -magnitude), min(high, magnitude)
    return rng.integers(low, high, shape, dtype=dtype, endpoint=True)


__all__ = ["ExecutionFault", "TooExpensive", "execute", "parameter_shapes", "random_array"]
