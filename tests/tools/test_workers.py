"""The pool of workers: every task runs once, where its like ran before."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from liftproof.tools.workers import WorkerPool, worker_pool


def pool(workers: int) -> WorkerPool:
    """A pool of threads: one for each process."""
    return WorkerPool([ThreadPoolExecutor(1) for _ in range(workers)])


def test_results_come_in_the_order_of_the_tasks() -> None:
    """Whoever runs a task, ``map`` gives the results in order."""
    with pool(3) as executor:
        assert list(executor.map(str.upper, "abcdefgh")) == list("ABCDEFGH")


def test_tasks_run_where_their_like_ran() -> None:
    """Of the tasks that wait, a worker takes the one that begins like those it had."""
    ran: dict[str, set[int]] = {"left": set(), "right": set()}
    submitted, together = threading.Event(), threading.Barrier(2)

    def run(text: str) -> None:
        submitted.wait(timeout=10)
        together.wait(timeout=10)
        ran[text.split(",")[0]].add(threading.get_ident())

    with pool(2) as executor:
        names = [f"{side},{number}" for side in ran for number in range(4)]
        first = [executor.submit(run, name) for name in ("left", "right")]
        rest = [executor.submit(run, name) for name in names]
        submitted.set()
        assert all(future.exception() is None for future in [*first, *rest])
    assert all(len(threads) == 1 for threads in ran.values())


def test_an_exception_belongs_to_its_task() -> None:
    """A task that fails ends with its exception, and the others run."""
    with pool(1) as executor:
        failing, fine = executor.submit(int, "x"), executor.submit(int, "7")
        with pytest.raises(ValueError, match="invalid literal"):
            failing.result()
        assert fine.result() == 7


def test_shutdown_waits_for_tasks_or_cancels_them() -> None:
    """Tasks that wait are run before the pool ends, unless they are cancelled."""
    waited, cancelled = pool(1), pool(1)
    gate = threading.Event()
    for executor in (waited, cancelled):
        executor.submit(gate.wait, 10)
    kept, dropped = waited.submit(int, "1"), cancelled.submit(int, "1")
    cancelled.shutdown(wait=False, cancel_futures=True)
    gate.set()
    waited.shutdown()
    assert kept.result() == 1
    assert dropped.cancelled()


def test_an_interrupt_is_left_to_the_main_process() -> None:
    """A worker goes on with its task, so that it prints no traceback of its own."""
    with worker_pool(1) as executor:
        assert executor.submit(signal.raise_signal, signal.SIGINT).exception(timeout=60) is None


def test_after_an_exception_only_running_tasks_end() -> None:
    """What waits when the pool is left by an exception is not run."""
    gate, executor = threading.Event(), pool(1)
    executor.submit(gate.wait, 10)
    waiting = executor.submit(int, "1")
    threading.Timer(0.1, gate.set).start()
    executor.__exit__(KeyboardInterrupt, None, None)
    assert waiting.cancelled()
