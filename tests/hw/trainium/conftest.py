"""Programs of one instruction: arrays come in by DMA, and all buffers go out again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from liftproof.dialects.context import new_context
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import run
from numpy.typing import NDArray
from xdsl.dialects import func
from xdsl.parser import Parser

Arrays = dict[str, NDArray[Any]]
Run = Callable[..., Arrays]

_TYPES = {
    np.dtype(np.float32): "f32",
    np.dtype(ml_dtypes.bfloat16): "bf16",
    np.dtype(np.float16): "f16",
    np.dtype(ml_dtypes.float8_e4m3): "f8E4M3",
    np.dtype(ml_dtypes.float8_e5m2): "f8E5M2",
    np.dtype(np.int32): "i32",
    np.dtype(np.uint32): "ui32",
    np.dtype(np.int16): "i16",
    np.dtype(np.uint16): "ui16",
    np.dtype(np.int8): "i8",
    np.dtype(np.uint8): "ui8",
}


def parse(text: str) -> func.FuncOp:
    """The only function in IR text, verified."""
    module = Parser(new_context(), text).parse_module()
    module.verify()
    (function,) = (op for op in module.body.block.ops if isinstance(op, func.FuncOp))
    return function


def run_text(text: str, *, config: str = "trainium1", **arrays: NDArray[Any]) -> Arrays:
    """Run the function in IR text on arrays by name."""
    return run(parse(text), load_config(config), arrays)


def run_instruction(
    instruction: str,
    inputs: Mapping[str, NDArray[Any]],
    *,
    psum: tuple[str, ...] = (),
    unwritten: tuple[str, ...] = (),
    spaces: str = "sbuf",
    config: str = "trainium1",
) -> Arrays:
    """Run instructions on tiles ``%name`` that hold ``inputs``; returns the tiles afterwards.

    ``{name}`` in the text stands for the type of a tile's view. Tiles in ``psum`` lie in PSUM;
    those in ``unwritten`` get no contents first.
    """
    parameters: list[str] = []
    lines: list[str] = []
    stores: list[str] = []
    types: dict[str, str] = {}
    for name, array in inputs.items():
        body = "x".join(map(str, array.shape)) + "x" + _TYPES[array.dtype]
        space = "psum" if name in psum else spaces
        types[name] = f"!trn.view<{space}, {body}>"
        zeros = ", ".join("0" for _ in array.shape)
        parameters.append(f"%{name}_array : memref<{body}>")
        lines += [
            f"%{name}_buffer = memref.alloc() : memref<{body}, #trn<space {space}>>",
            f"%{name} = trn.view %{name}_buffer[{zeros}] :"
            f" memref<{body}, #trn<space {space}>> to {types[name]}",
            f"%{name}_hbm = trn.view %{name}_array[{zeros}] : memref<{body}> to"
            f" !trn.view<hbm, {body}>",
        ]
        load, store, staged = f"%{name}_hbm to %{name}", f"%{name} to %{name}_hbm", types[name]
        if space == "psum":
            staged = f"!trn.view<sbuf, {body}>"
            lines += [
                f"%{name}_stage = memref.alloc() : memref<{body}, #trn<space sbuf>>",
                f"%{name}_staged = trn.view %{name}_stage[{zeros}] :"
                f" memref<{body}, #trn<space sbuf>> to {staged}",
            ]
            load, store = f"%{name}_hbm to %{name}_staged", f"%{name}_staged to %{name}_hbm"
            stores.append(f"trn.tensor_copy %{name} to %{name}_staged : {types[name]}, {staged}")
        if name not in unwritten:
            lines.append(f"trn.dma_copy {load} : !trn.view<hbm, {body}>, {staged}")
            if space == "psum":
                lines.append(f"trn.tensor_copy %{name}_staged to %{name} : {staged}, {types[name]}")
        stores.append(f"trn.dma_copy {store} : {staged}, !trn.view<hbm, {body}>")
    body = "\n  ".join([*lines, instruction.format(**types), *stores])
    text = f"func.func @f({', '.join(parameters)}) {{\n  {body}\n  func.return\n}}"
    arrays = {f"{name}_array": array for name, array in inputs.items()}
    results = run_text(text, config=config, **arrays)
    return {name: results[f"{name}_array"] for name in inputs}


@pytest.fixture(name="run_text")
def _run_text() -> Run:
    return run_text


@pytest.fixture(name="run_instruction")
def _run_instruction() -> Run:
    return run_instruction


@pytest.fixture
def numbers() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(0)
