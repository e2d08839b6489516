"""Kernels in C and in NKI, for proofs between them."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.nki import parse_shapes, read_nki
from liftproof.validation.validate import Validation, validate

HEAD = """
import nki
import nki.isa as nisa
import nki.language as nl

@nki.jit
"""


@pytest.fixture(scope="session")
def proof() -> Callable[..., Validation]:
    """Validates the text of an NKI kernel against the text of a C kernel."""

    def run(c: str, nki: str, *shapes: str) -> Validation:
        source = parse_c_kernel("#include <math.h>\n" + c, "kernel.c")
        target = read_nki(HEAD + dedent(nki).strip() + "\n", "kernel.py", parse_shapes(shapes))
        return validate(source, target)

    return run
