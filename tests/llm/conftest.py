"""A service on the loopback interface, and a kernel to propose programs for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from liftproof.lifting.c.frontend import read_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.check import Task
from liftproof.llm.evaluate import Problem
from liftproof.llm.loopback_service import ChatService

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / "examples" / "matmul_17x16x16.c"
CONFIG = "gemmini-16x16-int8"


@pytest.fixture
def service() -> Iterator[ChatService]:
    """A running service; the test sets what it replies."""
    found = ChatService()
    yield found
    found.close()


@pytest.fixture(scope="session")
def task() -> Task:
    """A ragged product, 17 × 16 × 16, to check proposals against."""
    loops = read_c_kernel(str(KERNEL))
    problem = Problem(str(lift_and_prove(loops).module), CONFIG)
    return Task(problem, str(loops), 1 << 16)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """An executor that stays in the process."""
    with ThreadPoolExecutor(1) as executor:
        yield executor
