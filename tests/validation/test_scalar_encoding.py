"""The bit-vector and float meaning of ``arith`` agrees with what programs compute when they run."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import z3
from liftproof.validation.execution.arithmetic import apply, numpy_type
from liftproof.validation.extract.pure_operations import FLOAT_PREDICATES, PREDICATES
from liftproof.validation.extract.structured import single_function
from liftproof.validation.fuzz import parse_module
from liftproof.validation.lemmas.scalar_encoding import Scalar, encode, variable

BINARY = (
    *("addi", "subi", "muli", "andi", "ori", "xori", "divsi", "divui", "remsi", "remui"),
    *("floordivsi", "ceildivsi", "shli", "shrsi", "shrui", "minsi", "maxsi", "minui", "maxui"),
)
FLOAT_BINARY = ("addf", "subf", "mulf", "divf", "maximumf", "minimumf", "maxnumf", "minnumf")
CONVERSIONS = (
    *(("extsi", "i8", "i32"), ("extui", "i8", "i32"), ("trunci", "i32", "i8")),
    *(("extsi", "i1", "i8"), ("extui", "i1", "i8"), ("trunci", "i32", "i1")),
    *(("sitofp", "i32", "f32"), ("uitofp", "i32", "f32"), ("sitofp", "i1", "f32")),
    *(("fptosi", "f32", "i32"), ("fptosi", "f32", "i8"), ("fptoui", "f32", "i8")),
    *(("extf", "f32", "f64"), ("truncf", "f64", "f32"), ("truncf", "f32", "f16")),
)
EDGES = {
    "i1": [0, 1],
    "i8": [-128, -127, -2, -1, 0, 1, 2, 7, 8, 127],
    "i32": [-(2**31), -(2**31) + 1, -1, 0, 1, 31, 32, 2**24 + 1, 2**31 - 1],
    "f16": [0.0, 1.5, -2.25],
    "f32": [0.0, -0.0, 1.0, -1.5, 0.5, 2.5, 127.6, 1e30, -1e30, np.inf, -np.inf, np.nan, 1e-42],
    "f64": [0.0, -0.0, 1.0 + 2**-30, 3e38, 3.5e38, 1e-46, -np.inf, np.nan],
}


def samples(kind: str, count: int = 12) -> list[Any]:
    """Values where something changes, and random ones."""
    rng = np.random.default_rng(len(kind))
    values: list[Any] = list(EDGES[kind])
    if kind.startswith("f"):
        values += [float(x) for x in rng.standard_normal(count).astype(numpy_type(kind))]
    elif kind != "i1":
        limits = np.iinfo(numpy_type(kind))
        values += [int(x) for x in rng.integers(limits.min, limits.max, count, endpoint=True)]
    return values


@lru_cache(maxsize=32)
def encoded(text: str, kinds: tuple[str, ...]) -> tuple[list[Any], Any, Any]:
    """Parameters, value and definedness of the only operation of a function."""
    parameters = ", ".join(f"%{name}: {kind}" for name, kind in zip("abc", kinds, strict=False))
    module = parse_module(f"func.func @f({parameters}) {{\n%r = {text}\nfunc.return\n}}")
    block = single_function(module).body.block
    variables = [variable(f"a{n}", argument.type) for n, argument in enumerate(block.args)]
    found = encode(block, [Scalar(each, z3.BoolVal(True)) for each in variables])
    operation = block.first_op
    assert operation is not None
    result = found.values[operation.results[0]]
    return variables, result.value, z3.And(result.ok, *found.defined)


def computed(text: str, kinds: list[str], values: list[Any]) -> tuple[Any, bool]:
    """The encoded value for given operands, and whether it is defined."""
    variables, value, defined = encoded(text, tuple(kinds))
    given = [(each, literal(each.sort(), v)) for each, v in zip(variables, values, strict=True)]
    value, defined = (z3.simplify(z3.substitute(term, given)) for term in (value, defined))
    return value, z3.is_true(defined)


def literal(sort: Any, value: Any) -> Any:
    if sort.kind() == z3.Z3_FLOATING_POINT_SORT:
        return z3.FPVal(value, sort)
    return z3.BitVecVal(int(value), sort)


def same(term: Any, expected: Any) -> bool:
    """Bit for bit, all NaNs alike."""
    if isinstance(term, z3.BitVecNumRef):
        return term.as_long() == int(expected) % (1 << term.size())
    return z3.is_true(z3.simplify(term == z3.FPVal(float(expected), term.sort())))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, kind) for name in BINARY for kind in ("i8", "i32")),
        *((name, "i1") for name in BINARY[:6]),
    ],
)
def test_integer_operations_agree_with_execution(name: str, kind: str) -> None:
    """Where the operation is defined, proof and execution compute the same number."""
    checked = 0
    dtype = numpy_type(kind)
    for a in samples(kind, 2):
        for b in samples(kind, 2):
            term, defined = computed(f"arith.{name} %a, %b : {kind}", [kind, kind], [a, b])
            if defined:
                checked += 1
                expected = apply(name, kind, [np.asarray(a, dtype), np.asarray(b, dtype)])
                assert same(term, expected), (a, b, term, expected)
    assert checked > 1


@pytest.mark.parametrize("name", FLOAT_BINARY)
def test_float_operations_agree_with_execution(name: str) -> None:
    """Single precision, with zeros of both signs, infinities, NaN and numbers below normal."""
    for a in samples("f32", 4):
        for b in samples("f32", 4):
            if name in ("maxnumf", "minnumf") and a == b == 0:
                continue  # the sign of the result is left open
            term, _ = computed(f"arith.{name} %a, %b : f32", ["f32", "f32"], [a, b])
            operands = [np.asarray(value, np.float32) for value in (a, b)]
            if name in ("maximumf", "minimumf") and a == b == 0:
                continue  # NumPy leaves the sign open; MLIR orders -0 below +0
            assert same(term, apply(name, "f32", operands)), (a, b, term)


@pytest.mark.parametrize(("name", "source", "target"), CONVERSIONS)
def test_conversions_agree_with_execution(name: str, source: str, target: str) -> None:
    """Every conversion rounds or truncates as execution does, where it is defined."""
    checked = 0
    for a in samples(source):
        term, defined = computed(f"arith.{name} %a : {source} to {target}", [source], [a])
        if defined:
            checked += 1
            expected = apply(name, target, [np.asarray(a, numpy_type(source))])
            assert same(term, expected), (a, term, expected)
    assert checked > 1


@pytest.mark.parametrize("predicate", PREDICATES)
def test_integer_comparisons_agree_with_execution(predicate: str) -> None:
    """All ten predicates."""
    for a in samples("i8", 2):
        for b in samples("i8", 2):
            term, _ = computed(f"arith.cmpi {predicate}, %a, %b : i8", ["i8", "i8"], [a, b])
            operands = [np.asarray(value, np.int8) for value in (a, b)]
            assert same(term, apply("cmpi", "i1", operands, predicate))


@pytest.mark.parametrize("predicate", FLOAT_PREDICATES)
def test_float_comparisons_agree_with_execution(predicate: str) -> None:
    """All sixteen predicates, ordered and unordered."""
    for a in (0.0, -0.0, 1.0, np.inf, np.nan):
        for b in (0.0, -1.0, 1.0, np.nan):
            term, _ = computed(f"arith.cmpf {predicate}, %a, %b : f32", ["f32", "f32"], [a, b])
            operands = [np.asarray(value, np.float32) for value in (a, b)]
            assert same(term, apply("cmpf", "i1", operands, predicate))


@pytest.mark.parametrize(
    ("text", "values", "defined"),
    [
        ("arith.divsi %a, %b : i8", [5, 0], False),
        ("arith.divsi %a, %b : i8", [-128, -1], False),
        ("arith.remsi %a, %b : i8", [-128, -1], False),
        ("arith.divui %a, %b : i8", [-128, -1], True),
        ("arith.shli %a, %b : i8", [1, 8], False),
        ("arith.shli %a, %b : i8", [1, -1], False),
        ("arith.shrsi %a, %b : i8", [1, 7], True),
    ],
)
def test_undefined_operands_are_known(text: str, values: list[int], defined: bool) -> None:
    """Division by zero, quotients that do not fit, and shifts by the width or more."""
    assert computed(text, ["i8", "i8"], values)[1] is defined
