"""Run functions in processes that may die: limits on memory and processor time for each call.

Proposals come from outside, and a solver or a simulator can be made to run for hours. A call over
its limits ends its process, and nothing else; a new process takes the next call.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Limits:
    """What one call may take."""

    cpu_seconds: int = 120
    wall_seconds: int = 600
    """Longer, as other programs may hold the cores."""
    memory_bytes: int = 6 << 30
    """Address space of a process."""


@dataclass(frozen=True)
class Killed:
    """A call that gave no result; ``reason`` says which limit it met."""

    reason: str


class Sandbox:
    """A fixed number of worker processes, started when they are needed."""

    def __init__(self, jobs: int = 1, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for _ in range(jobs):
            self._idle.put(_Worker(self.limits))
        self._threads = ThreadPoolExecutor(jobs)
        self._jobs = jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        for _ in range(self._jobs):
            self._idle.get().stop()

    def map(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The results of the calls in their order; ``Killed`` where there is none.

        ``function`` must be importable.
        """
        return list(self._threads.map(lambda arguments: self._call(function, arguments), calls))

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(function, arguments)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, replaced when it dies."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: Any = None
        self._connection: Any = None

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if self._process is None:
            self._start()
        try:
            self._connection.send((function, arguments))
            if self._connection.poll(self._limits.wall_seconds):
                return self._connection.recv()
        except (EOFError, ConnectionError):
            return Killed(self._obituary())
        self.stop()
        return Killed(f"took over {self._limits.wall_seconds} seconds")

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._limits), daemon=True)
        self._process.start()
        theirs.close()

    def _obituary(self) -> str:
        """Why the process died; the next call starts another."""
        self._process.join(5)
        code = self._process.exitcode
        self.stop()
        if code == -signal.SIGXCPU:
            return f"took over {self._limits.cpu_seconds} seconds of processor time"
        return f"ended its process (status {code})"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None


def _serve(connection: Connection, limits: Limits) -> None:
    """Take calls and send back results until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _lower_limit(resource.RLIMIT_AS, limits.memory_bytes)
    _lower_limit(resource.RLIMIT_CORE, 0)
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _lower_limit(
            resource.RLIMIT_CPU, int(usage.ru_utime + usage.ru_stime) + 1 + limits.cpu_seconds
        )
        try:
            result = function(*arguments)
        except MemoryError:
            result = Killed(f"needs over {limits.memory_bytes >> 20} MiB")
        except Exception as error:
            # A fault of ours, but one proposal's only: the search goes on without it.
            result = Killed(f"internal error: {type(error).__name__}: {error}")
        connection.send(result)


def _lower_limit(kind: int, limit: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(kind, (limit, hard))
