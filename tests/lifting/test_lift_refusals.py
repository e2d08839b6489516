"""What cannot be lifted is refused with the statement and the reason."""

from __future__ import annotations

import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin
from xdsl.dialects.func import Func
from xdsl.dialects.memref import MemRef
from xdsl.dialects.scf import Scf
from xdsl.parser import Parser

HEAD = "#include <stdint.h>\n#define N 12\n"

REFUSALS = {
    "prefix_sum": (
        """void kernel(const int32_t A[N], int32_t y[N]) {
  int32_t s = 0;
  for (int i = 0; i < N; i++) {
    s += A[i];
    y[i] = s;
  }
}""",
        "'s' depends on earlier iterations of loop 'i'",
        6,
    ),
    "shift_in_place": (
        """void kernel(int32_t y[N]) {
  for (int i = 1; i < N; i++)
    y[i] = y[i - 1];
}""",
        "'y' depends on earlier iterations of loop 'i'",
        5,
    ),
    "recursive_filter": (
        """void kernel(const float A[N], float y[N]) {
  y[0] = A[0];
  for (int i = 1; i < N; i++)
    y[i] = 0.5f * y[i - 1] + A[i];
}""",
        "'y' depends on earlier iterations of loop 'i'",
        6,
    ),
    "transposes_onto_itself": (
        """void kernel(int32_t C[N][N]) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      C[i][j] = C[i][j] + C[j][i];
}""",
        "'C' depends on earlier iterations of loop",
        6,
    ),
    "matmul_onto_its_operand": (
        """void kernel(int32_t A[N][N], const int32_t B[N][N]) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      int32_t s = 0;
      for (int k = 0; k < N; k++) s += A[i][k] * B[k][j];
      A[i][j] = s;
    }
}""",
        "'A' depends on earlier iterations of loop 'j'",
        8,
    ),
    "gather": (
        """void kernel(const int32_t A[N], const int32_t x[N], int32_t y[N]) {
  for (int i = 0; i < N; i++)
    y[i] = x[A[i] & 7];
}""",
        "'x' is read at a place that is not an index expression",
        5,
    ),
    "histogram": (
        """void kernel(const uint8_t A[N], int32_t y[256]) {
  for (int i = 0; i < N; i++)
    y[A[i]]++;
}""",
        "'y' is written at a place that is not an index expression",
        5,
    ),
    "several_writes_to_one_cell": (
        """void kernel(const int32_t A[N], int32_t y[N + 4]) {
  for (int i = 0; i < N; i++)
    for (int k = 0; k < 4; k++)
      y[i + k] += A[i];
}""",
        "'y' is written twice at one place by loop 'i'",
        6,
    ),
    "data_dependent_bound": (
        """void kernel(const int32_t A[N], int32_t y[N]) {
  int32_t n = A[0];
  for (int i = 0; i < n; i++)
    y[0] += A[1];
}""",
        "the bounds of loop 'i' are not index expressions",
        5,
    ),
    "position_of_maximum": (
        """void kernel(const int32_t A[N], int32_t y[1]) {
  int best = 0;
  for (int i = 1; i < N; i++)
    if (A[i] > A[best]) best = i;
  y[0] = best;
}""",
        "'A' is read at a place that is not an index expression",
        6,
    ),
    "uninitialised_sum": (
        """void kernel(const int32_t A[N], int32_t y[1]) {
  int32_t s;
  for (int i = 0; i < N; i++)
    s += A[i];
  y[0] = s;
}""",
        "'s' is read before it is written",
        None,
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_refusal_names_statement_and_reason(name: str) -> None:
    """A kernel outside the class is refused at the line that is the reason."""
    body, reason, line = REFUSALS[name]
    try:
        module = parse_c_kernel(HEAD + body, "kernel.c")
    except Diagnostic as diagnostic:
        pytest.fail(f"the front end refuses it already: {diagnostic}")
    with pytest.raises(Diagnostic) as refusal:
        lift(module)
    assert reason in refusal.value.message
    if line is not None:
        assert refusal.value.location is not None
        assert refusal.value.location.line == line
        assert refusal.value.location.file == "kernel.c"


def test_long_chains_are_refused_quickly() -> None:
    """Thousands of statements in a row give a diagnostic, not a traceback or a hang."""
    statements = "".join(f"y[0] = y[0] * y[0] + {k};\n" for k in range(1000))
    module = parse_c_kernel(f"void kernel(int y[1]) {{\n{statements}}}", "kernel.c")
    with pytest.raises(Diagnostic, match="too many operations"):
        lift(module)


def parse_loops(text: str):
    """Parse loop IR from text."""
    context = Context()
    for dialect in (Builtin, Func, Arith, Scf, MemRef):
        context.load_dialect(dialect)
    return Parser(context, text).parse_module()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("builtin.module {}", "expected one function"),
        ("func.func private @k(memref<4xi8>) -> ()", "expected one function"),
        (
            "func.func @k(%A: memref<4xi8>) { func.return }",
            "does not say which arrays it writes",
        ),
        (
            """
            func.func @k(%A: memref<4xi8>) attributes {liftproof.outputs = array<i64: 0>} {
              %0 = memref.get_global @g : memref<4xi8>
              func.return
            }""",
            "cannot lift the operation memref.get_global",
        ),
    ],
)
def test_module_of_another_form_is_refused(text: str, reason: str) -> None:
    """Modules that the front end would not make are refused, not misread."""
    with pytest.raises(Diagnostic, match=reason):
        lift(parse_loops(text))
