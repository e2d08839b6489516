"""The sandbox: a call that goes too far ends, and the next one runs as if nothing had been."""

from __future__ import annotations

import math
import os
import time

import pytest
from liftproof.llm.sandbox import Killed, Limits, Sandbox

SMALL = Limits(cpu_seconds=1, wall_seconds=60, memory_bytes=1 << 30)


def test_results_come_in_the_order_of_the_calls() -> None:
    """Two processes, many calls: each result is in its place."""
    with Sandbox(2, SMALL) as sandbox:
        assert sandbox.map(math.factorial, [(n,) for n in range(20)]) == [
            math.factorial(n) for n in range(20)
        ]


def test_processor_time_is_limited() -> None:
    """A computation without end is stopped, and the sandbox goes on."""
    with Sandbox(1, SMALL) as sandbox:
        (killed,) = sandbox.map(sum, [(range(10**15),)])
        assert isinstance(killed, Killed)
        assert "processor time" in killed.reason
        assert sandbox.map(abs, [(-3,)]) == [3]


def test_waiting_is_limited() -> None:
    """A call that sleeps instead of computing is stopped too."""
    with Sandbox(1, Limits(wall_seconds=1)) as sandbox:
        (killed,) = sandbox.map(time.sleep, [(60,)])
        assert isinstance(killed, Killed)
        assert "seconds" in killed.reason


def test_memory_is_limited() -> None:
    """A call that asks for more than the limit fails alone."""
    with Sandbox(1, SMALL) as sandbox:
        (killed,) = sandbox.map(bytes, [(1 << 40,)])
        assert isinstance(killed, Killed)
        assert "MiB" in killed.reason
        assert sandbox.map(len, [("abc",)]) == [3]


def test_a_process_that_dies_takes_nothing_with_it() -> None:
    """A crash, as a fault in a library would cause, is one result among others."""
    with Sandbox(1, SMALL) as sandbox:
        first, second, third = sandbox.map(eval, [("1",), ("__import__('os').abort()",), ("3",)])
        assert (first, third) == (1, 3)
        assert isinstance(second, Killed)


def test_a_fault_of_ours_is_one_result_too() -> None:
    """An exception does not end the search; it is reported with its name."""
    with Sandbox(1, SMALL) as sandbox:
        (killed,) = sandbox.map(int, [("x",)])
        assert isinstance(killed, Killed)
        assert "ValueError" in killed.reason


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_process_is_left_behind(jobs: int) -> None:
    """When the sandbox closes, its processes are gone."""
    with Sandbox(jobs, SMALL) as sandbox:
        pids = sandbox.map(os.getpid, [()] * 4)
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
