"""Loops that carry values are summarised and proved through invariants, without a model."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.diagnostics import Diagnostic
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.invariants.check import Checker, Derived, Prover
from liftproof.lifting.invariants.counterexample import find_difference
from liftproof.lifting.invariants.derive import ClosedForms, close_loop
from liftproof.lifting.invariants.describe import invariant_lines
from liftproof.lifting.invariants.evaluate import evaluate, evaluate_term
from liftproof.lifting.invariants.execution import Contents, Execution
from liftproof.lifting.invariants.fallback import lift_or_summarise
from liftproof.lifting.invariants.prove import Proof, summarise
from liftproof.lifting.invariants.python_view import python_view
from liftproof.lifting.invariants.reference import reference_program
from liftproof.lifting.invariants.simplify import FALSE, TRUE, apply, compare, constant, index
from liftproof.lifting.invariants.terms import INDEX, Symbol, parameter, raw_apply, same
from liftproof.lifting.results import with_result_as_output
from liftproof.validation.execution.execute import execute
from liftproof.validation.extract.pure_operations import PREDICATES
from liftproof.validation.extract.structured import single_function
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType, StringAttr, f32, i1, i32

FOLDER = Path(__file__).parent / "recurrences"
KERNELS = sorted(path.stem for path in FOLDER.glob("*.c"))
SIZES = {"n": 5, "m": 4}
SCALARS = {"limit": 2, "x": 1}


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.c").read_text()


@pytest.fixture(scope="module")
def proofs() -> dict[str, Proof]:
    """Each kernel, summarised once."""
    return {name: summarise(parse_c_kernel(text_of(name), f"{name}.c")) for name in KERNELS}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """All kernels, compiled by gcc to trap on undefined behaviour."""
    folder = tmp_path_factory.mktemp("recurrences")
    sanitize = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
    sources = [str(FOLDER / f"{name}.c") for name in KERNELS]
    command = ["gcc", "-O0", "-shared", "-fPIC", "-ffp-contract=off", *sanitize]
    subprocess.run([*command, "-o", str(folder / "all.so"), *sources, "-lm"], check=True)
    return ctypes.CDLL(str(folder / "all.so"))


def inputs_of(proof: Proof) -> list[np.ndarray]:
    """Small random numbers for each parameter; sizes as in ``SIZES``."""
    rng = np.random.default_rng(7)
    found: list[np.ndarray] = []
    rows = proof.summary.function.attributes["liftproof.extents"]
    for place, (name, type) in enumerate(
        zip(proof.summary.names, proof.summary.c_types, strict=True)
    ):
        base = re.sub(r"const |\[.*|\*", "", type).strip()
        dtype = np.dtype(
            {"float": "float32", "double": "float64"}.get(base, base.removesuffix("_t"))
        )
        shape = tuple(
            SIZES[e.data] if isinstance(e, StringAttr) else e.value.data for e in rows.data[place]
        )
        low = 0 if dtype.kind == "u" else -4
        value = rng.integers(low, 5, shape).astype(dtype)
        if not shape:
            value = np.asarray(SIZES.get(name, SCALARS.get(name, value)), dtype)
        found.append(value)
    return found


def compiled(library: ctypes.CDLL, proof: Proof, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What gcc's code leaves in the parameters; the result is the last one."""
    copies = [array.copy() for array in inputs]
    function = library[proof.summary.function.sym_name.data]
    result = next((i for i, n in enumerate(proof.summary.names) if n == "result"), None)
    arguments: list[Any] = []
    for array in copies[:result]:
        if array.ndim:
            arguments.append(array.ctypes.data_as(ctypes.c_void_p))
        else:
            arguments.append(np.ctypeslib.as_ctypes_type(array.dtype)(array.item()))
    if result is not None:
        function.restype = np.ctypeslib.as_ctypes_type(copies[result].dtype)
        copies[result][()] = function(*arguments)
    else:
        function(*arguments)
    return copies


@pytest.mark.parametrize("name", KERNELS)
def test_recurrence_is_proved(name: str, proofs: dict[str, Proof]) -> None:
    """Every loop has its invariant, and all obligations are discharged for all sizes."""
    proof = proofs[name]
    assert proof.verdict == "proved", proof.reason
    assert proof.method == "for all sizes, through invariants"
    stated = [obligation.states.split(":")[0] for obligation in proof.obligations]
    assert {"initiation", "consecution", "postcondition"} <= set(stated)


@pytest.mark.parametrize("name", KERNELS)
def test_summary_computes_what_gcc_computes(
    name: str, proofs: dict[str, Proof], library: ctypes.CDLL
) -> None:
    """The summary, its NumPy and its loop program all leave what the compiled kernel leaves."""
    proof = proofs[name]
    inputs = inputs_of(proof)
    expected = compiled(library, proof, inputs)
    signed = [a.view(a.dtype.name.removeprefix("u")) for a in inputs]
    for left, right in zip(expected, evaluate(proof.summary, signed), strict=True):
        np.testing.assert_array_equal(left, right.view(left.dtype))
    scope: dict[str, Any] = {}
    exec(python_view(proof.summary), scope)
    function = next(v for k, v in scope.items() if k.startswith("k_"))
    used = function.__code__.co_varnames[: function.__code__.co_argcount]
    by_name = dict(zip(proof.summary.names, inputs, strict=True))
    results = function(*(by_name[n] for n in used))
    outputs = [output.position for output in proof.summary.outputs]
    for place, result in zip(outputs, results if len(outputs) > 1 else [results], strict=True):
        np.testing.assert_array_equal(result, expected[place])
    program = reference_program(proof.summary)
    if "memref.alloc(" not in str(program):
        ran = execute(program, signed, load_config())
        for left, right in zip(expected, ran, strict=True):
            np.testing.assert_array_equal(left, right.view(left.dtype))


@pytest.mark.parametrize("name", ["scan", "iir2", "compact", "integral"])
def test_explanation_shows_each_loop(name: str, proofs: dict[str, Proof]) -> None:
    """Every loop is named with its place, and every carried value with what it equals."""
    lines = invariant_lines(proofs[name])
    assert sum("begins its turn" in line for line in lines) == text_of(name).count("for (")
    assert any(" == " in line for line in lines)
    assert not any("not shown" in line for line in lines)


def test_wrong_recurrence_is_not_proved() -> None:
    """A derivation that is off by one iteration fails its obligations: it is not trusted."""
    source = with_result_as_output(parse_c_kernel(text_of("scan"), "scan.c"))

    def shifted(execution: Execution, loop: Any, memory: Any) -> Derived:
        forms = close_loop(execution, loop, memory)
        later = forms.at(apply(arith.AddiOp, (forms.counter, index(1)), INDEX))
        return Derived(ClosedForms(forms.counter, later))

    prover = Prover()
    Execution(Checker(prover, shifted).on_loop).run_function(single_function(source))
    assert not all(obligation.proved for obligation in prover.obligations)


def test_changed_state_is_not_proved() -> None:
    """A closed form with another constant in it fails: consecution is really checked."""
    source = with_result_as_output(parse_c_kernel(text_of("fib"), "fib.c"))

    def changed(execution: Execution, loop: Any, memory: Any) -> Derived:
        forms = close_loop(execution, loop, memory)
        more = {
            array: Contents(
                held.formals,
                apply(arith.AddiOp, (held.body, constant(1, held.body.type)), held.body.type),
            )
            for array, held in forms.contents.items()
        }
        return Derived(ClosedForms(forms.counter, more))

    prover = Prover()
    Execution(Checker(prover, changed).on_loop).run_function(single_function(source))
    assert not all(obligation.proved for obligation in prover.obligations)


def test_contradicting_premises_prove_nothing() -> None:
    """What follows only because the premises exclude each other is not a proof."""
    n = Symbol(i32, "n")
    low, high = compare("slt", n, constant(0, i32)), compare("sgt", n, constant(0, i32))
    prover = Prover()
    prover.require(compare("eq", n, constant(7, i32)), [low, high], "nonsense")
    assert not prover.obligations[0].proved
    assert "contradict" in prover.obligations[0].cause


def test_resource_limit_is_named() -> None:
    """Where Z3 gives up, the obligation says so, with the limit."""
    wide = IntegerType(64)
    a, b = Symbol(wide, "a"), Symbol(wide, "b")
    square = apply(arith.MuliOp, (a, a), wide)
    other = apply(arith.MuliOp, (b, apply(arith.MuliOp, (b, b), wide)), wide)
    prover = Prover(resource_limit=2_000)
    prover.require(
        compare("ne", square, apply(arith.AddiOp, (other, constant(7, wide)), wide)), [], "hard"
    )
    assert "gave up after 2,000" in prover.obligations[0].cause


def test_floats_are_not_reassociated() -> None:
    """Sums commute, but are not associative: (x + y) + z is not x + (y + z)."""
    x, y, z = (Symbol(f32, name) for name in "xyz")

    def plus(a: Any, b: Any) -> Any:
        return apply(arith.AddfOp, (a, b), f32)

    prover = Prover()
    prover.require(same(plus(x, y), plus(y, x)), [], "commutes")
    prover.require(same(plus(plus(x, y), z), plus(x, plus(y, z))), [], "associates")
    assert [obligation.proved for obligation in prover.obligations] == [True, False]


def test_division_by_zero_proves_nothing() -> None:
    """A quotient by 0 is any number: it does not equal what the machine would give."""
    a = Symbol(i32, "a")
    quotient = apply(arith.DivSIOp, (a, constant(0, i32)), i32)
    prover = Prover()
    for number in (-1, 0, 1):
        prover.require(compare("eq", quotient, constant(number, i32)), [], "a / 0")
    assert not any(obligation.proved for obligation in prover.obligations)


NUMBERS = st.integers(-3, 3) | st.sampled_from([-(2**31), 2**31 - 1])
INTEGER_OPERATIONS = (
    *(arith.AddiOp, arith.SubiOp, arith.MuliOp, arith.AndIOp, arith.OrIOp, arith.XOrIOp),
    *(arith.MinSIOp, arith.MaxUIOp),
)


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Steps of a computation: an operation, and the places of its operands."""
    count = draw(st.integers(1, 8))
    return [
        (
            draw(st.sampled_from([*INTEGER_OPERATIONS, "compare", "select", "cast"])),
            *(draw(st.integers(0, 3 + place)) for _ in range(3)),
            draw(st.sampled_from(["eq", "ne", "slt", "sge", "ult", "uge"])),
        )
        for place in range(count)
    ]


def computed(script: list[tuple[Any, ...]], type: Any, leaves: list[Any], make: Any) -> Any:
    """The last value of a script, built with ``make``."""
    values = list(leaves)
    for operation, a, b, c, predicate in script:
        x, y, z = values[a], values[b], values[c]
        number = IntegerAttr(PREDICATES.index(predicate), 64)
        truth = make(arith.CmpiOp, (x, y), i1, (("predicate", number),))
        if operation == "compare":
            values.append(make(arith.ExtUIOp, (truth,), type) if type == i32 else x)
        elif operation == "select":
            values.append(make(arith.SelectOp, (truth, y, z), type))
        elif operation == "cast":
            other = INDEX if type == i32 else i32
            back = make(arith.IndexCastOp, (x,), other)
            values.append(make(arith.IndexCastOp, (back,), type))
        else:
            values.append(make(operation, (x, y), type))
    return values[-1]


@settings(max_examples=150, deadline=None)
@given(script=scripts(), numbers=st.lists(NUMBERS, min_size=4, max_size=4), wide=st.booleans())
def test_simplification_keeps_the_value(
    script: list[tuple[Any, ...]], numbers: list[int], wide: bool
) -> None:
    """A simplified term has the value of the plain one, whatever its symbols stand for."""
    type = INDEX if wide else i32
    leaves = [parameter(place, type) for place in range(2)]
    leaves += [constant(number, type) for number in numbers[2:]]
    dtype = np.int64 if wide else np.int32
    arrays = [np.asarray(number, dtype) for number in numbers[:2]]
    plain = computed(script, type, leaves, raw_apply)
    simple = computed(script, type, leaves, apply)
    assert evaluate_term(simple, arrays) == evaluate_term(plain, arrays)


def test_conditions_are_decided_by_constants() -> None:
    """Comparisons of numbers fold, with the sign that the predicate says."""
    minus = constant(-1, i32)
    assert compare("ult", constant(1, i32), minus) is TRUE
    assert compare("slt", constant(1, i32), minus) is FALSE


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("x[i] = s[i]; for (int j = 0; j < i; j++) x[i] -= s[j] * x[j];", "x"),
        ("x[i] = x[n - 1 - i] + s[i];", "x"),
        ("for (int j = 0; j < n; j++) x[j] = x[n - 1 - j] + s[i];", "x"),
    ],
)
def test_what_has_no_closed_form_is_diagnosed(body: str, reason: str) -> None:
    """Arrays that depend on all of their past are refused with the array and the loop."""
    text = f"void f(int n, const int s[n], int x[n]) {{ for (int i = 0; i < n; i++) {{ {body} }} }}"
    with pytest.raises(Diagnostic) as caught:
        summarise(parse_c_kernel(text, "f.c"))
    assert f"'{reason}'" in caught.value.message
    assert caught.value.location is not None


def test_tensor_programs_come_first() -> None:
    """A kernel that has a tensor program is lifted to it, not summarised."""
    text = (
        "void f(int n, const int a[n], int b[n]) { for (int i = 0; i < n; i++) b[i] = 2 * a[i]; }"
    )
    assert not isinstance(lift_or_summarise(parse_c_kernel(text, "f.c")), Proof)


def test_no_difference_is_found_for_right_summaries(proofs: dict[str, Proof]) -> None:
    """The search for counterexamples agrees with the proofs."""
    for name in ("argmax2", "delta"):
        source = with_result_as_output(parse_c_kernel(text_of(name), f"{name}.c"))
        assert find_difference(source, proofs[name].summary) is None
