"""Values that are linear in several sums, sums of sums, and sums within other functions."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.limits import ValidationOptions
from liftproof.validation.validate import validate, validate_generalized

HEAD = "#include <stdint.h>\n#define N 12\n#define M 6\n"

TWO_ACCUMULATORS = """void k(const int8_t A[N], const int8_t B[N], int32_t y[1]) {
  int32_t even = 0, odd = 0;
  for (int i = 0; i < N; i += 2) { even += A[i] * B[i]; odd += A[i + 1] * B[i + 1]; }
  y[0] = even + odd;
}"""
ONE_ACCUMULATOR = """void k(const int8_t A[N], const int8_t B[N], int32_t y[1]) {
  int32_t s = 0;
  for (int i = 0; i < N; i++) s += A[i] * B[i];
  y[0] = s;
}"""
BIAS_FIRST = """void k(const int8_t A[M][N], const int32_t b[M], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    int32_t s = b[i];
    for (int j = 0; j < N; j++) s -= A[i][j];
    y[i] = s;
  }
}"""
BIAS_LAST = """void k(const int8_t A[M][N], const int32_t b[M], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    int32_t s = 0;
    for (int j = 0; j < N; j++) s += A[i][j];
    y[i] = b[i] - s;
  }
}"""
ROW_SUMS = """void k(const int32_t A[M][N], int32_t y[1]) {
  y[0] = 0;
  for (int i = 0; i < M; i++) {
    int32_t s = 0;
    for (int j = 0; j < N; j++) s += A[i][j];
    y[0] += s;
  }
}"""
COLUMN_SUMS = """void k(const int32_t A[M][N], int32_t y[1]) {
  int32_t t = 0;
  for (int j = 0; j < N; j++) {
    int32_t s = 0;
    for (int i = 0; i < M; i++) s += A[i][j];
    t += s;
  }
  y[0] = t;
}"""
FACTOR_OUTSIDE = """void k(const int32_t A[M][N], const int32_t x[M], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    int32_t s = 0;
    for (int j = 0; j < N; j++) s += A[i][j];
    y[i] = x[i] * s;
  }
}"""
FACTOR_INSIDE = """void k(const int32_t A[M][N], const int32_t x[M], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    y[i] = 0;
    for (int j = 0; j < N; j++) y[i] += A[i][j] * x[i];
  }
}"""
LEFT_FIRST = """void k(const int8_t A[M][N], const int8_t B[N][M], const int8_t C[M][N],
    int32_t Y[M][N]) {
  static int32_t T[M][M];
  for (int i = 0; i < M; i++) for (int j = 0; j < M; j++) {
    T[i][j] = 0;
    for (int k = 0; k < N; k++) T[i][j] += A[i][k] * B[k][j];
  }
  for (int i = 0; i < M; i++) for (int j = 0; j < N; j++) {
    Y[i][j] = 0;
    for (int k = 0; k < M; k++) Y[i][j] += T[i][k] * C[k][j];
  }
}"""
RIGHT_FIRST = """void k(const int8_t A[M][N], const int8_t B[N][M], const int8_t C[M][N],
    int32_t Y[M][N]) {
  static int32_t T[N][N];
  for (int i = 0; i < N; i++) for (int j = 0; j < N; j++) {
    T[i][j] = 0;
    for (int k = 0; k < M; k++) T[i][j] += B[i][k] * C[k][j];
  }
  for (int i = 0; i < M; i++) for (int j = 0; j < N; j++) {
    Y[i][j] = 0;
    for (int k = 0; k < N; k++) Y[i][j] += A[i][k] * T[k][j];
  }
}"""
LAYERS = """void k(const int8_t A[M][N], const int8_t B[N][M], const int32_t b[M],
    const int8_t C[M][N], int32_t Y[M][N]) {
  static int8_t T[M][M];
  for (int i = 0; i < M; i++) for (int j = 0; j < M; j++) {
    int32_t s = b[j];
    for (int k = 0; k < N; k++) s += A[i][k] * B[k][j];
    T[i][j] = s < 0 ? 0 : s > 127 ? 127 : s;
  }
  for (int i = 0; i < M; i++) for (int j = 0; j < N; j++) {
    Y[i][j] = 0;
    for (int k = 0; k < M; k++) Y[i][j] += T[i][k] * C[k][j];
  }
}"""
LAYERS_BIAS_LAST = LAYERS.replace("int32_t s = b[j];", "int32_t s = 0;").replace("s < 0", "s <= 0")
LAYERS_BIAS_LAST = LAYERS_BIAS_LAST.replace("    T[i][j] = s", "    s = s + b[j];\n    T[i][j] = s")
HALVES_AWAY = LAYERS.replace(
    "s < 0 ? 0 : s > 127 ? 127 : s;", "v < -128 ? -128 : v > 127 ? 127 : v;"
).replace("    T[i][j] =", "    float v = roundf(s * 0.25f);\n    T[i][j] =")
NO_HALVES = HALVES_AWAY.replace("roundf(s * 0.25f)", "rintf(s * 0.250000029802322f)")
TWO_FORMS = """void k(const int8_t A[N], const int16_t B[2], int32_t y[1]) {
  int32_t T[2];
  T[0] = A[0];
  T[1] = A[1] * 3;
  y[0] = 0;
  for (int j = 0; j < 2; j++) y[0] += T[j] + B[j];
}"""

EQUAL = {
    "two accumulators": (TWO_ACCUMULATORS, ONE_ACCUMULATOR),
    "bias before or after": (BIAS_FIRST, BIAS_LAST),
    "rows or columns first": (ROW_SUMS, COLUMN_SUMS),
    "factor outside or inside": (FACTOR_OUTSIDE, FACTOR_INSIDE),
    "product of three matrices": (LEFT_FIRST, RIGHT_FIRST),
    "two layers": (LAYERS, LAYERS_BIAS_LAST),
    "layers that round by other functions": (HALVES_AWAY, NO_HALVES),
    "summands of two forms": (TWO_FORMS, TWO_FORMS.replace("T[j] + B[j]", "B[1 - j] + T[1 - j]")),
}
WRONG = {
    "two accumulators": ("odd += A[i + 1] * B[i + 1]", "odd += A[i + 1] * B[i]"),
    "bias before or after": ("int32_t s = b[i]", "int32_t s = b[0]"),
    "rows or columns first": ("y[0] += s", "y[0] = s"),
    "factor outside or inside": ("x[i] * s", "x[0] * s"),
    "product of three matrices": ("T[i][k] * C[k][j]", "T[k][i] * C[k][j]"),
    "two layers": ("int32_t s = b[j]", "int32_t s = b[i]"),
    "layers that round by other functions": ("0.25f", "0.5f"),
    "summands of two forms": ("A[1] * 3", "A[0] * 3"),
}


def module(text: str):
    return parse_c_kernel((HEAD + text).replace("static ", ""), "k.c")


@pytest.mark.parametrize("name", EQUAL)
@pytest.mark.parametrize("swapped", [False, True])
def test_two_ways_to_add_up_are_equal(name: str, swapped: bool) -> None:
    """Sums that are split, nested, scaled or continued differently are proved equal."""
    first, second = EQUAL[name][::-1] if swapped else EQUAL[name]
    result = validate(module(first), module(second))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize("name", EQUAL)
def test_a_wrong_summand_is_refuted(name: str) -> None:
    """One wrong subscript in such a sum is refuted with inputs that show it."""
    first, second = EQUAL[name]
    wrong = first.replace(*WRONG[name])
    assert wrong != first
    result = validate(module(second), module(wrong))
    assert result.verdict == "refuted", (result.verdict, result.reason)


def test_layers_are_equal_for_all_sizes() -> None:
    """Two layers with a bias are proved for every size."""
    result = validate_generalized(module(LAYERS), module(LAYERS_BIAS_LAST))
    assert result.verdict == "proved", result.reason
    assert any("all sizes" in text for text in result.assumptions)


NARROW = """void k(const ELEMENT A[N], int32_t y[1]) {
  TYPE s = 0;
  for (int i = 0; i < COUNT; i++) s += A[i];
  y[0] = s > 100 ? 100 : s;
}"""


SIGNED, UNSIGNED = ("int16_t", "int32_t"), ("uint16_t", "int32_t")


@pytest.mark.parametrize(
    ("element", "count", "is_equal", "types"),
    [
        *(("int8_t", 12, True, types) for types in (SIGNED, SIGNED[::-1])),
        *(("int8_t", 255, True, types) for types in (SIGNED, SIGNED[::-1])),
        *(("int8_t", 257, False, types) for types in (SIGNED, SIGNED[::-1])),
        *(("uint8_t", 257, True, types) for types in (UNSIGNED, UNSIGNED[::-1])),
        *(("uint8_t", 258, False, types) for types in (UNSIGNED, UNSIGNED[::-1])),
        ("int8_t", 12, False, UNSIGNED),
        ("uint8_t", 129, False, SIGNED),
    ],
)
def test_narrow_accumulators_that_never_overflow(
    element: str, count: int, is_equal: bool, types: tuple[str, str]
) -> None:
    """A sum of 16 bits is that of 32 bits as long as the exact sum fits, with or without a sign."""
    text = NARROW.replace("COUNT", str(count)).replace("[N]", f"[{count}]")
    text = text.replace("ELEMENT", element)
    source, target = (module(text.replace("TYPE", type)) for type in types)
    options = ValidationOptions(counterexamples=False)
    assert (validate(source, target, options=options).verdict == "proved") == is_equal


PLAIN = """void k(const int32_t A[N], int32_t y[M]) {
  for (int i = 0; i < M; i++) y[i] = A[i] ^ 85;
}"""
BITS = PLAIN.replace("A[i] ^ 85", "(A[i] | 85) - (A[i] & 85)")


def test_other_forms_over_other_elements_are_not_equal() -> None:
    """A lemma about two forms holds for the same elements only."""
    assert validate(module(PLAIN), module(BITS)).verdict == "proved"
    turned = [PLAIN.replace("A[i] ^ 85", text) for text in ("A[i] ^ A[i + 1]", "A[i + 1] ^ A[i]")]
    assert validate(*map(module, turned)).verdict == "proved"
    other = BITS.replace("A[i]", "A[i + 1]")
    assert validate(module(PLAIN), module(other)).verdict == "refuted"
    both = PLAIN.replace("A[i] ^ 85", "A[i] ^ A[i + 1]")
    mixed = BITS.replace("85", "A[i + 2]")
    assert validate(module(both), module(mixed)).verdict == "refuted"


TWICE = """void k(const int8_t A[M][N], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    int32_t s = 0;
    int32_t x[1];
    for (int j = 0; j < N; j++) s += A[i][j];
    FIRST
    y[i] = x[0] ^ SECOND;
  }
}"""


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ("x[0] = s;", "s", "x[0] = s; s += A[i][1];"),
        ("x[0] = A[i][0];", "A[i][0]", "x[0] = A[M - 1 - i][0];"),
    ],
    ids=["sum", "element"],
)
def test_equal_values_in_one_expression(first: str, second: str, wrong: str) -> None:
    """What is read or added up twice is one value; what is not the same is not."""
    nothing = module(TWICE.replace("FIRST", "x[0] = 0;").replace("SECOND", "0"))
    twice = TWICE.replace("SECOND", second)
    assert validate(nothing, module(twice.replace("FIRST", first))).verdict == "proved"
    assert validate(nothing, module(twice.replace("FIRST", wrong))).verdict == "refuted"


CARRIED = """void k(const int8_t A[M][N], int32_t y[M]) {
  int32_t s;
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      s = j == 0 ? 0 : s;
      s += A[i][j];
      if (j == N - 1) y[i] = s;
    }
}"""


def test_a_sum_is_restarted_by_a_condition() -> None:
    """A sum that starts again where a condition on the counters holds is still a sum."""
    plain = FACTOR_OUTSIDE.replace("x[i] * s", "s").replace("const int32_t x[M], ", "")
    plain = plain.replace("int32_t A", "int8_t A")
    assert validate(module(plain), module(CARRIED)).verdict == "proved"
    never = CARRIED.replace("j == 0 ? 0 : s", "i == 0 ? 0 : s")
    assert validate(module(plain), module(never)).verdict != "proved"


COPIES = "void k(const int8_t A[N], int32_t y[M]) {{ for (int o = 0; o < M; o++) {{ {sum} }} }}"
ADD = "s += A[i];"
SUM = "int32_t s = 0; {loops} y[o] = s;"


@pytest.mark.parametrize(
    ("loops", "others", "verdict"),
    [
        ("i=0;i<N j=0;j<4", "j=0;j<4 i=0;i<N", "proved"),
        ("i=0;i<N j=0;j<4 k=0;k<4", "k=0;k<4 i=0;i<N j=0;j<4", "proved"),
        ("i=0;i<N j=0;j<=i", "j=0;j<N i=j;i<N", "proved"),
        ("i=0;i<N j=0;j<4", "j=0;j<5 i=0;i<N", "refuted"),
    ],
)
def test_summands_that_occur_once_in_each_iteration(loops: str, others: str, verdict: str) -> None:
    """Where a counter says nothing of a summand, copies have partners with the same counter."""
    programs: list[str] = []
    for nest in (loops, others):
        heads = [f"for (int {head}; {head[0]}++)" for head in nest.split()]
        programs.append(HEAD + COPIES.format(sum=SUM.format(loops=" ".join([*heads, ADD]))))
    source, target = (parse_c_kernel(text, "k.c") for text in programs)
    assert validate(source, target).verdict == verdict
