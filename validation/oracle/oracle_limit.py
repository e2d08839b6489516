"""A limit on the work of the dataflow oracle: isl's operations are counted, the same everywhere."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import islpy as isl

from ..core.polyhedral import Unsupported

OPERATIONS = 10_000_000
"""Operations of one validation: at most half a minute; the 512³ product takes less than half."""


class OracleLimitError(Unsupported):
    """The oracle needs more operations than it is given."""


@contextmanager
def limited_oracle() -> Generator[None]:
    """Count isl's operations within, and let it fail (``isl.Error``) once there are too many."""
    context = isl.DEFAULT_CONTEXT
    if context.get_max_operations():
        yield  # within another limit
        return
    context.reset_operations()
    context.set_max_operations(OPERATIONS)
    try:
        yield
    finally:
        context.set_max_operations(0)


def check_oracle_limit(error: isl.Error) -> None:
    """Raise ``OracleLimitError`` if that is why isl failed; all its next calls would fail too."""
    try:
        isl.Set("{ [0] }")  # what fails at the limit is not always said to
    except isl.Error:
        reason = f"the dataflow oracle needs more than {OPERATIONS:,} operations"
        raise OracleLimitError(reason) from error
