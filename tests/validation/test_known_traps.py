"""Wrong programs that this validator, its prototype, or one of the literature once accepted."""

from __future__ import annotations

import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.hw.gemmini.config import DEFAULT_CONFIG, load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c.reader import read_machine_c
from liftproof.validation.assumptions import DIVISION
from liftproof.validation.chains.prove import validate_chain
from liftproof.validation.core.checker import Violation
from liftproof.validation.core.polyhedral import Unsupported
from liftproof.validation.decide import decide
from liftproof.validation.fuzz import parse_module
from liftproof.validation.limits import ValidationOptions
from liftproof.validation.recheck import check_certificate
from liftproof.validation.trace.api import validate_unrolled
from liftproof.validation.validate import prepare, validate
from xdsl.context import Context
from xdsl.dialects import affine, arith, builtin, func, memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.transforms.lower_affine import LowerAffinePass

PRODUCT = """
func.func @f(%A: memref<2x2xi8>, %B: memref<2x5xi8>, %C: memref<2x5xi32>)
    attributes {"liftproof.outputs" = array<i64: 2>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c5 = arith.constant 5 : index
  %zero = arith.constant 0 : i32
  scf.for %i = %c0 to %c2 step %c1 {
    scf.for %j = %c0 to %c5 step %c1 {
      memref.store %zero, %C[%i, %j] : memref<2x5xi32>
      scf.for %k = %c0 to %c2 step %c1 {
        %a = memref.load %A[%i, %k] : memref<2x2xi8>
        %b = memref.load %B[%k, %j] : memref<2x5xi8>
        %ax = arith.extsi %a : i8 to i32
        %bx = arith.extsi %b : i8 to i32
        %p = arith.muli %ax, %bx : i32
        %s = memref.load %C[%i, %j] : memref<2x5xi32>
        %t = arith.addi %s, %p : i32
        memref.store %t, %C[%i, %j] : memref<2x5xi32>
      }
    }
  }
  func.return
}"""

INSTRUCTIONS = """
func.func @f(%A: memref<2x2xi8>, %B: memref<2x5xi8>, %C: memref<2x5xi32>)
    attributes {{"liftproof.outputs" = array<i64: 2>}} {{
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c5 = arith.constant 5 : index
  %on = arith.constant true
  %b_row = arith.constant 4096 : index
  gemmini.config_ex
  gemmini.config_ld {{stride = 0 : i64, block_stride = 16 : i64}}
  gemmini.config_ld {{channel = 1 : i64, stride = 2 : i64, block_stride = 16 : i64}}
  gemmini.config_ld {{channel = 2 : i64, stride = 5 : i64, block_stride = 16 : i64}}
  gemmini.config_st {{stride = 20 : i64}}
  %start = gemmini.acc %c0
  gemmini.mvin_zeros %start[%c2, %c5] : !gemmini.local<acc>
  %a = gemmini.spad %c0
  gemmini.mvin %A[%c0, %c0] to %a[%c2, %c2] {{channel = 1 : i64}}
    : memref<2x2xi8>, !gemmini.local<spad>
  %b = gemmini.spad %b_row
  gemmini.mvin %B[%c0, %c0] to %b[%c2, %c5] {{channel = 2 : i64}}
    : memref<2x5xi8>, !gemmini.local<spad>
  %sum = gemmini.acc %c0 accumulate %on
  %none = gemmini.none
  {products}
  %result = gemmini.acc %c0 full
  gemmini.mvout %result[%c2, %c5] to %C[%c0, %c0] : !gemmini.local<acc>, memref<2x5xi32>
  gemmini.fence
  func.return
}}"""

ONE_PRODUCT = """
  gemmini.preload %b[%c2, %c5] to %sum[{rows}, %c5] : !gemmini.local<spad>, !gemmini.local<acc>
  gemmini.compute_preloaded %a[{a_rows}, %c2], %none[{none_rows}, %c5]
    : !gemmini.local<spad>, !gemmini.local<none>"""


def product(rows: str, a_rows: str = "%c2", none_rows: str = "%c2") -> str:
    return ONE_PRODUCT.format(rows=rows, a_rows=a_rows, none_rows=none_rows)


@pytest.mark.parametrize(
    ("products", "verdict"),
    [
        (product("%c2"), "proved"),
        (product("%c5"), "refuted"),
        (product("%c2", a_rows="%c5"), "refuted"),
        (2 * product("%c2"), "refuted"),
    ],
    ids=[
        "right",
        "adds to rows that nobody wrote or reads",
        "fetches rows of A that nobody wrote or uses",
        "a second statement adds it again",
    ],
)
def test_both_engines_on_accumulated_products(products: str, verdict: str) -> None:
    """Adding to uninitialised rows, and the same product in two statements, are refuted."""
    source, target = parse_module(PRODUCT), parse_module(INSTRUCTIONS.format(products=products))
    for engine in (validate, validate_unrolled):
        result = engine(source, target)
        assert result.verdict == verdict, (engine, result.reason)
        assert (result.counterexample is not None) == (verdict == "refuted")


@pytest.mark.parametrize("number", ["-5", "65536"])
def test_sizes_without_an_operand_still_fit_their_fields(number: str) -> None:
    """No command can say that nothing has −5 rows, so neither engine accepts that."""
    products = f"%n = arith.constant {number} : index" + product("%c2", none_rows="%n")
    source, target = parse_module(PRODUCT), parse_module(INSTRUCTIONS.format(products=products))
    for engine in (validate, validate_unrolled):
        assert engine(source, target).verdict != "proved", engine


BETWEEN = """
  gemmini.config_ex {{dataflow = #gemmini<dataflow os>}}
  gemmini.preload %none[%c2, %c5] to %none[%c2, %c5] : !gemmini.local<none>, !gemmini.local<none>
  gemmini.{compute} %a[%c2, %c2], %b[%c2, %c5] : !gemmini.local<spad>, !gemmini.local<spad>
  gemmini.config_ex"""
WITH_KEPT_WEIGHTS = """
  gemmini.preload %b[%c2, %c5] to %none[%c2, %c5] : !gemmini.local<spad>, !gemmini.local<none>
  gemmini.compute_preloaded %none[%c2, %c2], %none[%c2, %c5]
    : !gemmini.local<none>, !gemmini.local<none>
  {before}
  %c1 = arith.constant 1 : index
  scf.for %t = %c0 to %c2 step %c1 {{
    gemmini.preload %none[%c2, %c5] to %start[%c2, %c5] : !gemmini.local<none>, !gemmini.local<acc>
    gemmini.compute_accumulated %a[%c2, %c2], %none[%c2, %c5]
      : !gemmini.local<spad>, !gemmini.local<none>
    {behind}
  }}"""


@pytest.mark.parametrize("compute", ["compute_preloaded", "compute_accumulated"])
@pytest.mark.parametrize("place", ["before", "behind"])
def test_output_stationary_sums_replace_weights(place: str, compute: str) -> None:
    """The array has one place for the operands of both dataflows."""
    source = parse_module(PRODUCT)
    for between in ("", BETWEEN.format(compute=compute)):
        places = {"before": "", "behind": ""} | {place: between}
        products = WITH_KEPT_WEIGHTS.format(**places)
        target = parse_module(INSTRUCTIONS.format(products=products))
        assert (validate(source, target).verdict == "proved") == (not between)


NARROW_SUM = """#include <stdint.h>
void f(const int8_t X[2][16], const int32_t B[1][16], {result} Y[1][16]) {{
  for (int j = 0; j < 16; j++) {{
    {sum} s = 0;
    for (int k = 0; k < 2; k++) s += X[k][j];
    Y[0][j] = {value};
  }}
}}"""
WIDE_SUM = """
func.func @f(%X: memref<2x16xi8>, %B: memref<1x16xi32>, %Y: memref<1x16x{result}>)
    attributes {{"liftproof.outputs" = array<i64: 2>}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %on = arith.constant true
  gemmini.config_ex
  gemmini.config_ld {{stride = 16 : i64, block_stride = 16 : i64, shrunk}}
  gemmini.config_ld {{channel = 1 : i64, stride = 64 : i64, block_stride = 16 : i64}}
  gemmini.config_st {{stride = 64 : i64}}
  %start = gemmini.acc %c0
  %sum = gemmini.acc %c0 accumulate %on
  {bias}
  gemmini.mvin %X[%c0, %c0] to %sum[%c1, %c16] : memref<2x16xi8>, !gemmini.local<acc>
  gemmini.fence
  gemmini.mvin %X[%c1, %c0] to %sum[%c1, %c16] : memref<2x16xi8>, !gemmini.local<acc>
  %result = gemmini.acc %c0 {full}
  gemmini.mvout %result[%c1, %c16] to %Y[%c0, %c0]
    : !gemmini.local<acc>, memref<1x16x{result}>
  gemmini.fence
  func.return
}}"""
NO_BIAS = "gemmini.mvin_zeros %start[%c1, %c16] {channel = 1 : i64} : !gemmini.local<acc>"
BIAS = """gemmini.mvin %B[%c0, %c0] to %start[%c1, %c16] {channel = 1 : i64}
    : memref<1x16xi32>, !gemmini.local<acc>
  gemmini.fence"""


@pytest.mark.parametrize("sum", ["int8_t", "int16_t"])
@pytest.mark.parametrize(
    ("result", "value", "bias"),
    [("int8_t", "s > 127 ? 127 : s < -128 ? -128 : s", NO_BIAS), ("int32_t", "s + B[0][j]", BIAS)],
    ids=["stored", "with a bias"],
)
def test_sums_of_a_narrow_type_wrap_around(sum: str, result: str, value: str, bias: str) -> None:
    """What wraps around in the source is not what the accumulator holds."""
    text = NARROW_SUM.format(sum=sum, result=result, value=value)
    type, full = ("i8", "") if result == "int8_t" else ("i32", "full")
    target = parse_module(WIDE_SUM.format(result=type, full=full, bias=bias))
    source = parse_c_kernel(text, "f.c")
    assert (validate_unrolled(source, target).verdict == "proved") == (sum == "int16_t")


HEADER = """#include <math.h>
#include <stdint.h>
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
"""


def element_wise(value: str, kind: str = "int32_t") -> ModuleOp:
    return parse_c_kernel(
        f"{HEADER}void f(const {kind} X[9], const {kind} Y[9], int32_t R[9]) {{"
        f" for (int i = 0; i < 9; i++) R[i] = {value}; }}",
        "f.c",
    )


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("X[i] + Y[i]", "X[i] - Y[i]", "int32_t"),
        ("X[i] - Y[i]", "Y[i] - X[i]", "int8_t"),
        ("X[i]", "X[8 - i]", "int32_t"),
        ("X[i] / 2", "X[i] >> 1", "int8_t"),
        ("X[i] * Y[i] / 32", "(X[i] * Y[i]) >> 5", "int32_t"),
        ("X[i] % 4", "X[i] & 3", "int32_t"),
        ("(uint8_t)(X[i] + 200)", "X[i] + 200", "int8_t"),
        ("(int8_t)X[i]", "X[i]", "int32_t"),
        ("Y[i] == 0 ? 0 : X[i] / Y[i]", "X[i] / Y[i]", "int8_t"),
        ("X[i] > 127 ? 127 : X[i]", "(int8_t)X[i]", "int32_t"),
    ],
)
def test_integers_are_those_of_the_machine(source: str, target: str, kind: str) -> None:
    """Inconsistent axioms, unbounded or tiny integers, and C's division proved such pairs."""
    result = validate(element_wise(source, kind), element_wise(target, kind))
    assert result.verdict == "refuted", result.reason
    assert result.counterexample is not None


def test_overflow_is_not_forgotten() -> None:
    """``x + 1 > x`` holds for a promoted int8, and is not proved for an int32 that may wrap."""
    always, compared = "1", "X[i] + 1 > X[i] ? 1 : 0"
    narrow = validate(element_wise(always, "int8_t"), element_wise(compared, "int8_t"))
    wide = validate(element_wise(always), element_wise(compared))
    assert narrow.verdict == "proved"
    assert wide.verdict != "proved"


def test_an_unanswered_query_proves_nothing() -> None:
    """Where the solver gives up at its limit, the verdict is ``unknown``."""
    source = parse_module(PRODUCT)
    starved = ValidationOptions(resource_limit=1)
    result = validate(source, parse_module(PRODUCT), options=starved)
    assert result.verdict == "unknown"
    assert "not decided" in result.reason


ROUNDED_SHIFT = "(sum >> 18) + (((sum >> 17) & 1) & (((sum & 131071) != 0) | ((sum >> 18) & 1)))"


def scaled_product(depth: int, statement: str) -> ModuleOp:
    return parse_c_kernel(
        f"""{HEADER}
        void f(const int8_t A[2][{depth}], const int8_t B[{depth}][3], int8_t C[2][3]) {{
          for (int i = 0; i < 2; i++)
            for (int j = 0; j < 3; j++) {{
              int32_t sum = 0;
              for (int k = 0; k < {depth}; k++) sum += A[i][k] * B[k][j];
              {statement}
              C[i][j] = (int8_t)MIN(MAX(q, -128), 127);
            }}
        }}""",
        "f.c",
    )


@pytest.mark.parametrize(("depth", "is_equal"), [(1024, True), (1032, True), (1200, False)])
def test_scaling_by_2_to_minus_18_is_a_shift_while_float32_is_exact(
    depth: int, is_equal: bool
) -> None:
    """The first sum that float32 rounds across a tie is 64.5 · 2^18 + 1 > 1032 · 2^14."""
    exact = scaled_product(depth, f"int32_t q = {ROUNDED_SHIFT};")
    scaled = scaled_product(depth, f"float q = rintf(sum * {2.0**-18!r}f);")
    result = validate(exact, scaled)
    assert (result.verdict == "proved") == is_equal, result.reason
    # Z3 does not always find the one sum that differs within its limit.
    assert (result.counterexample is not None) == (result.verdict == "refuted")


REMAINDER = """
#shifted = affine_map<(i) -> ((i - 3) mod 4)>
func.func @f(%A: memref<4xi32>, %R: memref<8xi32>)
    attributes {{"liftproof.outputs" = array<i64: 1>}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  scf.for %i = %c0 to %c8 step %c1 {{
    {remainder}
    %x = memref.load %A[%m] : memref<4xi32>
    memref.store %x, %R[%i] : memref<8xi32>
  }}
  func.return
}}"""
FLOORED = """
    %d = arith.addi %i, %c1 : index
    %m = arith.remsi %d, %c4 : index"""


def test_a_remainder_of_negative_numbers_lowered_wrongly() -> None:
    """xDSL 0.74 lowers ``mod`` of a negative number to one that may be negative."""
    context = Context()
    for dialect in (affine.Affine, arith.Arith, func.Func, memref.MemRef, scf.Scf, builtin.Builtin):
        context.load_dialect(dialect)
    text = REMAINDER.format(remainder="%m = affine.apply #shifted(%i)")
    lowered = Parser(context, text).parse_module()
    LowerAffinePass().apply(context, lowered)
    source = parse_module(REMAINDER.format(remainder=FLOORED))
    assert validate(source, source).verdict == "proved"
    assert validate(source, lowered).verdict == "refuted"


NESTED = """
void f(const int8_t X[2][17], const int8_t w[17], int32_t t[2], int32_t y[2]) {{
  for (int i = 0; i < 2; i++) {{
    t[i] = 0;
    for (int j = 0; j < 17; j++) t[i] += {first};
  }}
  int32_t s = 0;
  for (int j = 0; j < 17; j++) s += {second};
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 17; j++) y[i] += MIN({total}, X[i][j]);
}}"""


def test_sums_that_are_read_with_other_subscripts_are_no_crash() -> None:
    """Sums inside of summands, read by row in one program and once in the other, are compared."""

    def kernel(first: str, second: str, total: str) -> ModuleOp:
        text = NESTED.format(first=first, second=second, total=total)
        return parse_c_kernel(HEADER + text, "f.c")

    source = kernel("w[j] * 7", "0", "t[i]")
    assert validate(source, kernel("w[j] * 7", "w[j] + 7", "s")).verdict == "refuted"
    assert validate(source, source).verdict == "proved"


def test_a_shift_by_zero_is_no_change_of_sign() -> None:
    """``(int32_t)((uint32_t)x >> 0)`` is negative where x is, unlike ``(uint32_t)x``."""

    def kernel(value: str) -> ModuleOp:
        loop = f"for (int i = 0; i < 8; i++) y[i] = (int64_t){value};"
        text = f"void f(const int32_t x[8], int64_t y[8]) {{ {loop} }}"
        return parse_c_kernel("#include <stdint.h>\n" + text, "f.c")

    source = kernel("(int32_t)((uint32_t)x[i] >> 0)")
    assert validate(source, kernel("(uint32_t)x[i]")).verdict == "refuted"
    assert validate(source, kernel("x[i]")).verdict == "proved"


def test_a_maximum_of_numbers_with_and_without_sign_is_none_of_narrow_ones() -> None:
    """``if (u > m) m = u`` of a ``uint8_t`` u and an ``int8_t`` m is not ``max((int8_t)u, m)``."""

    def kernel(step: str) -> ModuleOp:
        text = "int8_t m = r[0]; for (int i = 0; i < 5; i++) { " + step + " } r[0] = m;"
        return parse_c_kernel(HEADER + f"void f(const uint8_t x[5], int8_t r[1]) {{ {text} }}", "f")

    mixed = validate(kernel("if (x[i] > m) m = x[i];"), kernel("int8_t v = x[i]; m = MAX(m, v);"))
    assert mixed.verdict == "refuted"


EXTENDED = "arith.extsi %true : i1 to i32"


def on_truths(operation: str, minus_one: str = EXTENDED) -> ModuleOp:
    return parse_module(f"""
    func.func @f(%X: memref<4xi32>, %R: memref<4xi32>)
        attributes {{"liftproof.outputs" = array<i64: 1>}} {{
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      %zero = arith.constant 0 : i32
      %one = arith.constant 1 : i32
      %true = arith.constant true
      scf.for %i = %c0 to %c4 step %c1 {{
        %x = memref.load %X[%i] : memref<4xi32>
        %p = arith.cmpi slt, %x, %zero : i32
        %q = arith.cmpi slt, %x, %one : i32
        %r = {operation} : i1
        %n = arith.extui %r : i1 to i32
        %t = {minus_one}
        %v = arith.addi %n, %t : i32
        memref.store %v, %R[%i] : memref<4xi32>
      }}
      func.return
    }}""")


def test_a_truth_value_with_a_sign_is_minus_one() -> None:
    """As numbers with a sign, ``true`` is less than ``false``; there are no more such numbers."""
    unsigned = on_truths("arith.cmpi ult, %p, %q", "arith.constant -1 : i32")
    assert validate(unsigned, on_truths("arith.cmpi sgt, %p, %q")).verdict == "proved"
    assert validate(unsigned, on_truths("arith.cmpi slt, %p, %q")).verdict == "refuted"
    both = on_truths("arith.andi %p, %q")
    assert validate(both, on_truths("arith.maxsi %p, %q")).verdict == "unknown"
    assert validate(both, on_truths("arith.minsi %p, %q")).verdict == "refuted"


@pytest.mark.parametrize("type", ["bf16", "f8E4M3", "f32"])
def test_floats_of_any_type_may_be_large(type: str) -> None:
    """A float of 8 or 16 bits is no integer of as many bits, and may be no number at all."""

    def program(limit: int) -> ModuleOp:
        return parse_module(f"""
        func.func @f(%X: memref<4x{type}>, %R: memref<4xi32>)
            attributes {{"liftproof.outputs" = array<i64: 1>}} {{
          %c0 = arith.constant 0 : index
          %limit = arith.constant {limit} : i32
          %x = memref.load %X[%c0] : memref<4x{type}>
          %n = arith.fptosi %x : {type} to i32
          %r = arith.minsi %n, %limit : i32
          memref.store %r, %R[%c0] : memref<4xi32>
          func.return
        }}""")

    assert validate(program(40000), program(50000)).verdict != "proved"


def test_zeros_of_either_sign_are_told_apart_by_limits() -> None:
    """``fmaxf`` of -0 and +0 is +0, and a selection by ``>`` is the second, whichever it is."""
    minus, plus = "-(float)X[i]", "(float)Y[i]"

    def kernel(value: str) -> ModuleOp:
        bits = f"1.0f / {value} > 0.0f"
        return element_wise(bits, "int8_t")

    source = kernel(f"fmaxf({minus}, {plus})")
    assert validate(source, kernel(f"MAX({minus}, {plus})")).verdict == "proved"
    assert validate(source, kernel(f"MAX({plus}, {minus})")).verdict != "proved"
    both = f"MAX({plus}, (float)X[i])"
    assert validate(kernel(f"fmaxf((float)X[i], {plus})"), kernel(both)).verdict == "proved"


def test_a_division_that_the_source_avoids_is_an_assumption() -> None:
    """A proof compares values; that a division is never by zero is said, not proved."""
    signature = "void f(const int32_t X[9], const int32_t Y[9], int32_t R[9])"
    early = parse_c_kernel(
        f"{HEADER}{signature} {{ for (int i = 0; i < 9; i++) {{"
        " int32_t q = X[i] / Y[i]; R[i] = Y[i] == 0 ? 0 : q; } }",
        "f.c",
    )
    guarded = element_wise("Y[i] == 0 ? 0 : X[i] / Y[i]")
    assert DIVISION in validate(guarded, early).assumptions
    assert DIVISION not in validate(element_wise("X[i] / 3"), element_wise("X[i] / 3")).assumptions


def test_inputs_on_which_the_source_divides_by_zero_refute_nothing() -> None:
    """There the source is undefined, and any target would do."""
    divided, guarded = element_wise("X[i] / Y[i]"), element_wise("Y[i] == 0 ? 0 : X[i] / Y[i]")
    assert validate(divided, guarded).verdict != "refuted"
    assert validate(guarded, divided).verdict == "refuted"


COPY = """
void f(const int8_t P[1], const int8_t X[4][4], int8_t Y[4][4]) {
  for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++) Y[i][j] = X[i][j];
}"""


def test_tiles_under_a_condition_on_data_are_no_plain_ones() -> None:
    """A move that happens for some inputs only is not the move that always happens."""
    kind = "memref<1x16x16xi32, #gemmini<space acc>>"
    target = parse_module(f"""
    func.func @f(%P: memref<1xi8>, %X: memref<4x4xi8>, %Y: memref<4x4xi8>)
        attributes {{"liftproof.outputs" = array<i64: 2>}} {{
      %c0 = arith.constant 0 : index
      %c4 = arith.constant 4 : index
      %zero = arith.constant 0 : i8
      %a = memref.alloc() : {kind}
      %n = memref.load %P[%c0] : memref<1xi8>
      %p = arith.cmpi sgt, %n, %zero : i8
      scf.if %p {{
        tile.load %X[%c0, %c0] to %a[%c0] sizes %c4, %c4 : memref<4x4xi8>, {kind}
        tile.store %a[%c0] to %Y[%c0, %c0] sizes %c4, %c4 {{scale = 1.0 : f32}}
          : {kind}, memref<4x4xi8>
      }}
      func.return
    }}""")
    assert validate(parse_c_kernel(HEADER + COPY, "f.c"), target).verdict == "refuted"


COPY_TWICE = """
void f(const int8_t X[4][4], int8_t Y[4][4], int8_t Z[4][4]) {
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) { Y[i][j] = X[i][j]; Z[i][j] = X[i][j]; }
}"""


@pytest.mark.parametrize("fence", ["", "gemmini.fence"])
def test_the_host_waits_for_stores_at_a_fence_only(fence: str) -> None:
    """What the host reads right after a move-out may be what was there before."""
    target = parse_module(f"""
    func.func @f(%X: memref<4x4xi8>, %Y: memref<4x4xi8>, %Z: memref<4x4xi8>)
        attributes {{"liftproof.outputs" = array<i64: 1, 2>}} {{
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      gemmini.config_ld {{stride = 4 : i64, block_stride = 16 : i64}}
      gemmini.config_st {{stride = 4 : i64}}
      %a = gemmini.spad %c0
      gemmini.mvin %X[%c0, %c0] to %a[%c4, %c4] : memref<4x4xi8>, !gemmini.local<spad>
      gemmini.mvout %a[%c4, %c4] to %Y[%c0, %c0] : !gemmini.local<spad>, memref<4x4xi8>
      {fence}
      scf.for %i = %c0 to %c4 step %c1 {{
        scf.for %j = %c0 to %c4 step %c1 {{
          %v = memref.load %Y[%i, %j] : memref<4x4xi8>
          memref.store %v, %Z[%i, %j] : memref<4x4xi8>
        }}
      }}
      gemmini.fence
      func.return
    }}""")
    found = validate(parse_c_kernel(HEADER + COPY_TWICE, "f.c"), target)
    assert found.verdict == ("proved" if fence else "unknown")
    assert bool(fence) or "before an earlier move of it ends" in found.reason


def test_an_array_in_a_loop_keeps_nothing_from_one_iteration_to_the_next() -> None:
    """What an earlier iteration left where the array was is not what the array holds."""

    def kernel(step: str) -> ModuleOp:
        loop = f"for (int i = 0; i < 4; i++) {{ int32_t t[1]; {step} Y[i] = t[0]; }}"
        return parse_c_kernel(f"{HEADER}void f(const int32_t X[4], int32_t Y[4]) {{ {loop} }}", "f")

    source = kernel("t[0] = X[0];")
    assert validate(source, kernel("if (i >= 0) t[0] = X[0];")).verdict == "proved"
    assert validate(source, kernel("if (i == 0) t[0] = X[0];")).verdict == "refuted"


def test_an_array_of_other_extents_is_another_array() -> None:
    """The same subscripts are other elements where the rows of a parameter are shorter."""

    def kernel(rows: int, columns: int) -> ModuleOp:
        loop = "for (int i = 0; i < 4; i++) Y[i] = X[i][0];"
        head = f"void f(const int8_t X[{rows}][{columns}], int8_t Y[4])"
        return parse_c_kernel(f"{HEADER}{head} {{ {loop} }}", "f.c")

    assert validate(kernel(4, 16), kernel(4, 16)).verdict == "proved"
    assert validate(kernel(4, 16), kernel(8, 8)).verdict != "proved"


@pytest.mark.parametrize("is_chain", [False, True])
def test_what_the_core_does_between_commands_counts(is_chain: bool) -> None:
    """The commands alone are right; the core then overwrites an element of the result."""
    config = load_config("gemmini-4x4-fp32" if is_chain else DEFAULT_CONFIG)
    source = COPY.replace("const int8_t P[1], ", "")
    source = source.replace("int8_t", "float") if is_chain else source
    kind = "f32" if is_chain else "i8"

    def target(work: str) -> ModuleOp:
        return parse_module(f"""
        func.func @f(%X: memref<4x4x{kind}>, %Y: memref<4x4x{kind}>)
            attributes {{"liftproof.outputs" = array<i64: 1>}} {{
          %c0 = arith.constant 0 : index
          %c4 = arith.constant 4 : index
          %x = arith.constant {"7.0 : f32" if is_chain else "7 : i8"}
          gemmini.config_ld {{stride = {16 if is_chain else 4} : i64, block_stride = 4 : i64}}
          gemmini.config_st {{stride = {16 if is_chain else 4} : i64}}
          %a = gemmini.spad %c0
          gemmini.mvin %X[%c0, %c0] to %a[%c4, %c4] : memref<4x4x{kind}>, !gemmini.local<spad>
          gemmini.mvout %a[%c4, %c4] to %Y[%c0, %c0] : !gemmini.local<spad>, memref<4x4x{kind}>
          gemmini.fence
          {work}
          func.return
        }}""")

    kernel = prepare(parse_c_kernel(HEADER + source, "f.c"), config)
    right = target("")
    wrong = target(f"memref.store %x, %Y[%c0, %c0] : memref<4x4x{kind}>")
    engine = validate_chain if is_chain else validate_unrolled
    proof = engine(kernel, right, config)
    assert proof.verdict == "proved"
    assert engine(kernel, wrong, config).verdict != "proved"
    assert decide(kernel, wrong, config=config).verdict == "refuted"
    assert proof.certificate is not None
    with pytest.raises((Unsupported, Violation), match=r"core works on arrays|Y\[0\]\[0\] is 7.0"):
        check_certificate(kernel.module, wrong, proof.certificate, config)


@pytest.mark.parametrize("storage", ["static", ""])
def test_arrays_of_one_name_in_the_core_s_work_are_two_arrays(storage: str) -> None:
    """A pointer to an array that an inner one hides was once taken for one to the inner one."""
    config = load_config("gemmini-4x4-fp32")
    head = "void f(const float X[4], float Y[4])"

    def target(hidden: str) -> ModuleOp:
        text = f"""#include "gemmini.h"
        {head} {{
          {storage} float t[4];
          for (int i = 0; i < 4; i++) t[i] = X[i];
          float *p = &t[0];
          {{
            {storage} float t[4];
            for (int i = 0; i < 4; i++) t[i] = 2.0f;
            for (int i = 0; i < 4; i++) Y[i] = {hidden} - t[i];
          }}
          gemmini_fence();
        }}"""
        return read_machine_c(text, "f.c", config)

    loop = "for (int i = 0; i < 4; i++) Y[i] = X[i] - 2.0f;"
    kernel = parse_c_kernel(f"{head} {{ {loop} }}", "f.c")
    assert decide(kernel, target("p[i]"), config=config).verdict == "proved"
    assert decide(kernel, target("t[i]"), config=config).verdict != "proved"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("const uint8_t *", "X"),
        ("const uint8_t *", "(const uint8_t *)X"),
        ("const void *", "X"),
        ("const int16_t *", "(const int16_t *)X"),
        ("const int8_t *", "(const int8_t *)Z"),
        ("const float *", "(const float *)Z"),
        ("const int32_t *", "(const int32_t *)((const int8_t *)Z + 2)"),
    ],
)
def test_the_core_reads_arrays_as_what_they_are(kind: str, value: str) -> None:
    """Pointers of another type to an array were once taken for pointers to its elements."""
    text = f"""#include "gemmini.h"
    void f(const int8_t X[16], const int32_t Z[16], int32_t Y[16]) {{
      {kind} p = {value};
      for (int i = 0; i < 16; i++) Y[i] = p[i];
      gemmini_fence();
    }}"""
    with pytest.raises(Diagnostic, match=r"the core reads '[XZ]' as other elements"):
        read_machine_c(text, "f.c", load_config())


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("", "int n = 16; assert((n = 8)); MOVE(n)"),
        ("", 'int n = 16; printf("%d", n -= 8); MOVE(n)'),
        ("", "int t; { int t = read_cycles(); } t = change(Y); MOVE(16)"),
        ("", "exit(0); MOVE(16)"),
        ("", "MOVE(16) for (int i = 0; i < 16; i++) { Y[0][i] = X[0][i]; if (X[0][i]) abort(); }"),
        ("#define LOG(...) printf(__VA_ARGS__); gemmini_mvout(Z, 0)", 'MOVE(16) LOG("%d", 1);'),
    ],
)
def test_what_is_left_out_for_the_core_changes_nothing(before: str, text: str) -> None:
    """Calls that print were once left out with what their arguments did, and so was ``exit``."""
    moves = "gemmini_extended_mvin(X, 0, n, n); gemmini_extended_mvout(Y, 0, n, n);"
    program = f"""#include "gemmini.h"
    {before}
    #define MOVE(n) {moves} gemmini_fence();
    static int change(elem_t Y[16][16]) {{ Y[0][0] = 1; return 1; }}
    void f(const elem_t X[16][16], elem_t Y[16][16]) {{ {text} }}"""
    with pytest.raises(Diagnostic):
        read_machine_c(program, "f.c", load_config())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(int)x < 3 ? x : 1.0f", "(int)x > 3 ? x : 1.0f"),
        ("(int)x < 3 ? x : 1.0f", "(unsigned)(int)x < 3 ? x : 1.0f"),
        ("copysignf(x, 0.0f)", "copysignf(x, -0.0f)"),
    ],
)
def test_unknown_functions_of_chains_differ_in_what_they_compute(right: str, wrong: str) -> None:
    """Comparisons of integers were once one function, whatever they compare for."""
    config = load_config("gemmini-4x4-fp32")
    head = "void f(const float X[4][4], float Y[4][4])"

    def loops(array: str, value: str) -> str:
        around = "for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++)"
        return f"{around} {{ float x = {array}[i][j]; Y[i][j] = {value}; }}"

    def target(value: str) -> ModuleOp:
        moves = "gemmini_mvin(X, 0); gemmini_mvout(Y, 0); gemmini_fence();"
        text = f"""#include "gemmini.h"
        {head} {{ gemmini_config_ld(16); gemmini_config_st(16); {moves} {loops("Y", value)} }}"""
        return read_machine_c(text, "f.c", config)

    source = prepare(parse_c_kernel(f"{head} {{ {loops('X', right)} }}", "f.c"), config)
    assert validate_chain(source, target(right), config).verdict == "proved"
    assert validate_chain(source, target(wrong), config).verdict != "proved"


def test_numbers_in_sums_are_no_crash_at_size() -> None:
    """A sum that starts from a number has no claim about elements; other engines decide."""
    source = """void f(const int8_t A[2][2], const int8_t B[2][5], int32_t C[2][5]) {
      for (int i = 0; i < 2; i++) for (int j = 0; j < 5; j++) {
        int32_t s = 1;
        for (int k = 0; k < 2; k++) s += A[i][k] * B[k][j];
        C[i][j] = s; } }"""
    kernel = prepare(parse_c_kernel(HEADER + source, "f.c"), load_config())
    module = parse_module(INSTRUCTIONS.format(products=product("%c2")))
    assert validate_unrolled(kernel, module).verdict == "unknown"
    assert decide(kernel, module).verdict == "refuted"


@pytest.mark.parametrize(
    "loop",
    [
        "while (1) {{ int n = 2; {copy} i += 1; if (i >= n) break; }}",
        "while (i < 4) {{ int n = 2; {copy} i += n; }}",
        "while (1) {{ if (i >= 4) break; int n = 2; {copy} i += n; }}",
        "do {{ int n = 2; {copy} i += n; }} while (i < 4);",
    ],
)
def test_what_leaves_a_loop_means_what_its_body_declares(loop: str) -> None:
    """Steps and conditions at the end of a body were once read with the names around it."""
    head = "void f(const int8_t X[4][4], int8_t Y[4][4])"
    start = "int i = 0; int n = 1;" if "i += n" in loop else "int i = 0; int n = 4;"

    def rows(body: str) -> str:
        return f"{head} {{ for (int i = 0; i < 4; i++) {body} }}"

    copy = "for (int j = 0; j < 4; j++) Y[i][j] = X[i][j];"
    moves = "gemmini_extended_mvin(&X[i][0], i, 4, 1); gemmini_extended_mvout(&Y[i][0], i, 4, 1);"
    every = parse_c_kernel(HEADER + rows(copy), "f.c")
    machine = f"""#include "gemmini.h"
    {head} {{
      gemmini_config_ld(4); gemmini_config_st(4);
      {start} {loop.format(copy=moves)} gemmini_fence(); }}"""
    assert decide(every, read_machine_c(machine, "f.c", load_config())).verdict != "proved"
    with pytest.raises(Diagnostic, match="does not count"):
        parse_c_kernel(f"{HEADER}{head} {{ {start} {loop.format(copy=copy)} }}", "f.c")
