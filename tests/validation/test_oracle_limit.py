"""The oracle's work is limited: a proof that needs more is not tried on, whatever its answer."""

from __future__ import annotations

import islpy as isl
import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.validation.oracle import oracle_limit
from liftproof.validation.validate import validate

KERNEL = """
void sums(const int A[6][8], int y[6]) {
  for (int i = 0; i < 6; i++) {
    int s = 0;
    for (int j = 0; j < 8; j++) s += A[i][j];
    y[i] = s;
  }
}
"""


def test_a_proof_that_needs_more_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict names the limit, and the next validation starts afresh."""
    source = parse_c_kernel(KERNEL, "sums.c")
    target = lift(source)
    with monkeypatch.context() as changed:
        changed.setattr(oracle_limit, "OPERATIONS", 1000)
        result = validate(source, target)
    assert result.verdict == "unknown"
    assert "dataflow oracle needs more" in result.reason
    assert validate(source, target).verdict == "proved"


def test_no_limit_is_left_behind() -> None:
    """Outside of validations isl works without a limit; limits may be nested."""
    with oracle_limit.limited_oracle():
        with oracle_limit.limited_oracle():
            pass
        assert isl.DEFAULT_CONTEXT.get_max_operations() == oracle_limit.OPERATIONS
    assert isl.DEFAULT_CONTEXT.get_max_operations() == 0
