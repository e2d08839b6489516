"""Runs a kernel twice: compiled by gcc, and by an evaluator of loop IR that is written for tests.

The evaluator shares no code with the project and does not use xDSL's interpreter; it knows only the
meaning of the MLIR operations.
"""

from __future__ import annotations

import ctypes
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from xdsl.dialects import builtin, func
from xdsl.ir import Attribute, Block, Operation, SSAValue


class Poison:
    """The result of an operation that has none, such as a float too large for an integer."""


POISON = Poison()


def wrap(value: int, mlir_type: Attribute) -> int:
    """Return ``value`` as the signed number that the type holds (0 or 1 for ``i1``)."""
    width = mlir_type.width.data if isinstance(mlir_type, builtin.IntegerType) else 64
    value &= (1 << width) - 1
    return value - (1 << width) if width > 1 and value >> (width - 1) else value


def unsigned(value: int, mlir_type: Attribute) -> int:
    width = mlir_type.width.data if isinstance(mlir_type, builtin.IntegerType) else 64
    return value & ((1 << width) - 1)


def truncating(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def round_half_away(x: Any) -> Any:
    whole = np.trunc(x)
    return whole if abs(x - whole) < 0.5 else whole + np.copysign(type(x)(1), x)


INTEGER: dict[str, Callable[[int, int, Attribute], Any]] = {
    "arith.addi": lambda a, b, t: a + b,
    "arith.subi": lambda a, b, t: a - b,
    "arith.muli": lambda a, b, t: a * b,
    "arith.andi": lambda a, b, t: a & b,
    "arith.ori": lambda a, b, t: a | b,
    "arith.xori": lambda a, b, t: a ^ b,
    "arith.minsi": lambda a, b, t: min(a, b),
    "arith.maxsi": lambda a, b, t: max(a, b),
    "arith.divsi": lambda a, b, t: truncating(a, b),
    "arith.remsi": lambda a, b, t: a - b * truncating(a, b),
    "arith.divui": lambda a, b, t: unsigned(a, t) // unsigned(b, t),
    "arith.remui": lambda a, b, t: unsigned(a, t) % unsigned(b, t),
    "arith.shli": lambda a, b, t: a << b,
    "arith.shrsi": lambda a, b, t: a >> b,
    "arith.shrui": lambda a, b, t: unsigned(a, t) >> b,
}
FLOAT: dict[str, Callable[..., Any]] = {
    "arith.addf": lambda a, b: a + b,
    "arith.subf": lambda a, b: a - b,
    "arith.mulf": lambda a, b: a * b,
    "arith.divf": lambda a, b: a / b,
    "arith.negf": lambda a: -a,
    "arith.minnumf": np.fmin,
    "arith.maxnumf": np.fmax,
    "math.roundeven": np.rint,
    "math.round": round_half_away,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.trunc": np.trunc,
    "math.absf": np.abs,
    "math.sqrt": np.sqrt,
    "math.copysign": np.copysign,
}
COMPARISON: list[Callable[[Any, Any], bool]] = [
    lambda a, b: a == b,
    lambda a, b: a != b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    lambda a, b: a > b,
    lambda a, b: a >= b,
]
FLOAT_PREDICATES: dict[int, Callable[[Any, Any], bool]] = {
    1: lambda a, b: a == b,
    2: lambda a, b: a > b,
    3: lambda a, b: a >= b,
    4: lambda a, b: a < b,
    5: lambda a, b: a <= b,
    13: lambda a, b: a != b,
}


class Evaluator:
    """Runs the function of a loop IR module on numpy arrays, in place."""

    def run(self, module: builtin.ModuleOp, arguments: list[Any]) -> Any:
        function = next(op for op in module.ops if isinstance(op, func.FuncOp))
        self.values: dict[SSAValue, Any] = {}
        block = function.body.block
        for argument, value in zip(block.args, arguments, strict=True):
            self.values[argument] = value
        with np.errstate(all="ignore"):
            results = self.block(block)
        return results[0] if results else None

    def block(self, block: Block) -> list[Any]:
        for op in block.ops:
            if op.name in ("scf.yield", "func.return"):
                return [self.values[operand] for operand in op.operands]
            results = self.operation(op)
            for result, value in zip(op.results, results, strict=True):
                self.values[result] = value
        return []

    def operation(self, op: Operation) -> list[Any]:
        operands = [self.values[operand] for operand in op.operands]
        if op.name == "scf.for":
            lower, upper, step = operands
            assert step > 0
            for index in range(lower, upper, step):
                self.values[op.regions[0].block.args[0]] = index
                self.block(op.regions[0].block)
            return []
        if op.name == "scf.if":
            region = op.regions[0 if operands[0] else 1]
            return self.block(region.block) if region.blocks else []
        if op.name == "memref.alloca":
            shape = list(op.results[0].type.get_shape())
            sizes = iter(operands)
            shape = [next(sizes) if size == builtin.DYNAMIC_INDEX else size for size in shape]
            return [np.full(shape, 85, dtype=object)]
        if op.name == "memref.load":
            array, *indices = operands
            self.check(array, indices)
            return [self.from_memory(array[tuple(indices)], op.results[0].type)]
        if op.name == "memref.store":
            value, array, *indices = operands
            self.check(array, indices)
            array[tuple(indices)] = self.to_memory(value, array)
            return []
        return [self.computation(op, operands)]

    def check(self, array: Any, indices: list[int]) -> None:
        assert len(array.shape) == len(indices)
        assert all(0 <= i < n for i, n in zip(indices, array.shape, strict=True)), indices

    def from_memory(self, value: Any, mlir_type: Attribute) -> Any:
        if isinstance(value, (Poison, float | np.floating)):
            return value
        return wrap(int(value), mlir_type)

    def to_memory(self, value: Any, array: Any) -> Any:
        if array.dtype == object:
            return value
        assert not isinstance(value, Poison)
        return array.dtype.type(
            value & (1 << 8 * array.itemsize) - 1
            if isinstance(value, int) and array.dtype.kind == "u"
            else value
        )

    def computation(self, op: Operation, operands: list[Any]) -> Any:
        result_type = op.results[0].type
        if op.name == "arith.constant":
            value = op.properties["value"]
            if isinstance(value, builtin.IntegerAttr):
                return wrap(value.value.data, result_type)
            return self.float_type(result_type)(value.value.data)
        if op.name == "arith.select":
            return operands[1] if operands[0] else operands[2]
        if any(isinstance(operand, Poison) for operand in operands):
            return POISON
        if op.name in INTEGER:
            if op.name.startswith("arith.sh") and not 0 <= operands[1] < result_type.width.data:
                return POISON
            return wrap(INTEGER[op.name](*operands, result_type), result_type)
        if op.name in FLOAT:
            return self.float_type(result_type)(FLOAT[op.name](*operands))
        return self.conversion(op, operands, result_type)

    def conversion(self, op: Operation, operands: list[Any], result_type: Attribute) -> Any:
        source = op.operands[0].type
        match op.name:
            case "arith.cmpi":
                predicate = op.properties["predicate"].value.data
                if predicate >= 6:
                    operands = [unsigned(operand, source) for operand in operands]
                    predicate -= 4
                return int(COMPARISON[predicate](*operands))
            case "arith.cmpf":
                return int(FLOAT_PREDICATES[op.properties["predicate"].value.data](*operands))
            case "arith.extsi" | "arith.trunci" | "arith.index_cast":
                return wrap(operands[0], result_type)
            case "arith.extui":
                return wrap(unsigned(operands[0], source), result_type)
            case "arith.sitofp":
                return self.from_integer(operands[0], result_type)
            case "arith.uitofp":
                return self.from_integer(unsigned(operands[0], source), result_type)
            case "arith.extf" | "arith.truncf":
                return self.float_type(result_type)(operands[0])
            case "arith.fptosi" | "arith.fptoui":
                return self.to_integer(operands[0], op.name == "arith.fptosi", result_type)
            case "math.absi":
                return wrap(abs(operands[0]), result_type)
            case _:
                raise NotImplementedError(op.name)

    def from_integer(self, value: int, mlir_type: Attribute) -> Any:
        # numpy rounds an integer of 64 bits to float32 in one step, as the hardware does.
        wide = np.uint64(value) if value >= 0 else np.int64(value)
        return self.float_type(mlir_type)(wide)

    def to_integer(self, value: Any, signed: bool, mlir_type: Attribute) -> Any:
        if not math.isfinite(value):
            return POISON
        whole = int(value)
        width = mlir_type.width.data
        low, high = (-(1 << width - 1), 1 << width - 1) if signed else (0, 1 << width)
        return wrap(whole, mlir_type) if low <= whole < high else POISON

    def float_type(self, mlir_type: Attribute) -> Any:
        return np.float32 if isinstance(mlir_type, builtin.Float32Type) else np.float64


class BothWays:
    """Compiles C text with gcc and runs it beside its loop IR."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def compiled(self, text: str, name: str) -> Any:
        self.count += 1
        source = self.folder / f"kernel{self.count}.c"
        library = source.with_suffix(".so")
        source.write_text(text)
        options = ["-O1", "-w", "-shared", "-fPIC", "-fwrapv", "-ffp-contract=off", "-std=gnu11"]
        command = ["gcc", *options, "-o", str(library), str(source), "-lm"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return getattr(ctypes.CDLL(str(library)), name)

    def module(self, text: str) -> builtin.ModuleOp:
        return parse_c_kernel(text, "kernel.c")

    def check(self, text: str, arguments: list[Any]) -> None:
        """Assert that both ways leave the same arrays and return the same value."""
        module = self.module(text)
        function = next(op for op in module.ops if isinstance(op, func.FuncOp))
        compiled = self.compiled(text, function.sym_name.data)
        self.compare(module, function, compiled, arguments)

    def compare(
        self, module: builtin.ModuleOp, function: func.FuncOp, compiled: Any, arguments: list[Any]
    ) -> None:
        types = [attribute.data for attribute in function.attributes["liftproof.c_types"]]
        ours = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        theirs = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        result = Evaluator().run(module, ours)
        compiled.argtypes = None
        result_type = function.attributes.get("liftproof.c_result")
        compiled.restype = C_TYPES[result_type.data] if result_type is not None else None
        passed = [
            a.ctypes.data_as(ctypes.c_void_p) if isinstance(a, np.ndarray) else C_TYPES[kind](a)
            for a, kind in zip(theirs, types, strict=True)
        ]
        expected = compiled(*passed)
        if result is not None:
            unsigned_result = result_type.data.startswith("u") or result_type.data == "bool"
            if unsigned_result:
                result = unsigned(result, function.function_type.outputs.data[0])
            assert result == expected, (result, expected)
        for mine, reference in zip(ours, theirs, strict=True):
            if isinstance(mine, np.ndarray):
                np.testing.assert_array_equal(mine, reference)


C_TYPES: dict[str, Any] = {
    **{f"int{bits}_t": getattr(ctypes, f"c_int{bits}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}_t": getattr(ctypes, f"c_uint{bits}") for bits in (8, 16, 32, 64)},
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "bool": ctypes.c_bool,
}


NUMPY_TYPES: dict[str, Any] = {
    **{name: getattr(np, name.removesuffix("_t")) for name in C_TYPES if name.endswith("_t")},
    "float": np.float32,
    "double": np.float64,
}
POINTER_EXTENT = 256


def arguments_of(module: builtin.ModuleOp, seed: int) -> list[Any]:
    """Return random arguments of the shapes that the kernel declares."""
    function = next(op for op in module.ops if isinstance(op, func.FuncOp))
    generator = np.random.default_rng(seed)
    attributes = function.attributes
    scalars: dict[str, Any] = {}
    result: list[Any] = []
    descriptions = zip(
        attributes["liftproof.parameters"],
        attributes["liftproof.c_types"],
        attributes["liftproof.extents"],
        strict=True,
    )
    for name, c_type, extents in descriptions:
        base = c_type.data.removeprefix("const ").split("[")[0].removesuffix(" *")
        if not extents.data:
            scalars[name.data] = generator.integers(1, 12) if base != "bool" else True
            result.append(NUMPY_TYPES.get(base, np.bool)(scalars[name.data]).item())
            continue
        shape = [
            POINTER_EXTENT if text == "?" else eval(str(text), {}, scalars)
            for text in (getattr(e, "data", None) or e.value.data for e in extents)
        ]
        dtype = NUMPY_TYPES[base]
        array = generator.integers(-120, 120, shape).astype(dtype)
        if np.issubdtype(dtype, np.floating):
            array = generator.normal(0, 9, shape).astype(dtype)
        result.append(array)
    return result


@pytest.fixture(scope="session")
def random_arguments() -> Callable[[builtin.ModuleOp, int], list[Any]]:
    """Return a function from a kernel's module and a seed to arguments for the kernel."""
    return arguments_of


@pytest.fixture(scope="session")
def both_ways(tmp_path_factory: pytest.TempPathFactory) -> BothWays:
    return BothWays(tmp_path_factory.mktemp("gcc"))
