"""Measure how much faster a search is with more workers, and how busy each of them is.

    python benchmarks/throughput.py examples/matmul_512.c --budget 40 --jobs 1 2

Workers are processes, as in a search, but one runs at a time, and the clock is computed: each task
takes its processor time on its worker, and the search's own work takes that of this process. These
are the times of a machine with a free core for each, whatever else runs on this one.
"""

from __future__ import annotations

import argparse
import heapq
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from liftproof.llm import look_ahead
from liftproof.tools.optimize import Listener, OptimizeOptions, optimize
from liftproof.tools.workers import WorkerPool, worker_process


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call, and the processor seconds that it took."""
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


class Clock:
    """Seconds since the start, of this process and of workers beside it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.busy = 0.0
        """Seconds in which this process worked."""
        self._mark = time.process_time()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, moment: float, event: Callable[[], None]) -> None:
        """Let something happen when the clock comes to ``moment``."""
        heapq.heappush(self._events, (moment, self._count, event))
        self._count += 1

    def worked(self) -> None:
        """Advance by what this process has worked since the clock last looked."""
        seconds = time.process_time() - self._mark
        self.busy += seconds
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.step()
        self.now = until
        self.rest()

    def step(self) -> None:
        """Advance to the next event."""
        self.now, _, event = heapq.heappop(self._events)
        event()

    def wait_for(self, tasks: Sequence[Future[Any]], **_: Any) -> None:
        """Advance until one of ``tasks`` has ended."""
        self.worked()
        while not any(task.done() for task in tasks):
            self.step()
        self.rest()

    def rest(self) -> None:
        """What this process did since ``worked`` does not count."""
        self._mark = time.process_time()


@dataclass
class ClockedProcess(Executor):
    """A worker whose tasks end when the clock says so."""

    clock: Clock
    process: Executor = field(default_factory=worker_process)
    busy: float = 0.0
    tasks: int = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        result, seconds = self.process.submit(timed, fn).result()
        self.busy += seconds
        self.tasks += 1
        self.clock.at(self.clock.now + seconds, lambda: future.set_result(result))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.process.shutdown(wait, cancel_futures=cancel_futures)


class ClockedFuture(Future[Any]):
    """A result; waiting for it advances the clock."""

    def __init__(self, clock: Clock, task: Future[Any]) -> None:
        super().__init__()
        self.clock, self.task = clock, task

    def result(self, timeout: float | None = None) -> Any:
        self.clock.wait_for([self.task])
        return self.task.result()

    def done(self) -> bool:
        return self.task.done()

    def cancel(self) -> bool:
        return self.task.cancel()


@dataclass
class ClockedPool(Executor):
    """The pool of a search, on the computed clock."""

    clock: Clock
    pool: WorkerPool

    @property
    def idle(self) -> int:
        self.clock.worked()
        return self.pool.idle

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.clock.worked()
        task = self.pool.submit(fn, *args, **kwargs)
        self.clock.rest()
        return ClockedFuture(self.clock, task)


@dataclass
class Stages(Listener):
    """When each stage ended, by the computed clock."""

    clock: Clock
    ends: dict[str, float] = field(default_factory=dict[str, float])

    def stage(self, name: str, text: str) -> None:
        self.clock.worked()
        self.ends[name] = self.clock.now


def measure(path: Path, budget: int, jobs: int) -> float:
    """Search with ``jobs`` workers and print what they did; evaluations per second."""
    clock = Clock()
    workers = [ClockedProcess(clock) for _ in range(jobs)]
    stages = Stages(clock)
    look_ahead.wait = clock.wait_for  # pyright: ignore[reportPrivateImportUsage]
    with WorkerPool(workers) as pool:
        options = OptimizeOptions(budget=budget, jobs=jobs)
        result = optimize(str(path), options, ClockedPool(clock, pool), stages)
        before = clock.busy
    search = stages.ends["search"] - stages.ends["lift"]
    rate = result.evaluated / search
    shares = ", ".join(f"{worker.busy / search:.0%} ({worker.tasks} tasks)" for worker in workers)
    print(f"-j{jobs}: {result.timing.cycles:,} cycles, {len(result.outcomes)} proposals")
    print(f"  search {search:.1f} s, {result.evaluated} programs, {rate:.2f} per second")
    print(f"  workers busy {shares}; all stages {clock.now:.1f} s, this process {before:.1f} s")
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernel", type=Path)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    rates: list[float] = []
    for jobs in options.jobs:  # each in a process of its own, as what one learned helps the next
        with ProcessPoolExecutor(1, context) as process:
            rates.append(process.submit(measure, options.kernel, options.budget, jobs).result())
    for jobs, rate in zip(options.jobs[1:], rates[1:], strict=True):
        print(f"-j{jobs} against -j{options.jobs[0]}: {rate / rates[0]:.2f} times the programs")


if __name__ == "__main__":
    main()
