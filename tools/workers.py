"""Worker processes for the search, with a limit on their memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from multiprocessing import forkserver
from threading import RLock
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

WORKER_MEMORY = 6 << 30
"""Bytes of address space that a worker may map; a proposal cannot exhaust the machine."""
REMEMBERED = 64
"""Tasks of a worker that the next one is compared with."""


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class _Task:
    future: Future[Any]
    call: Callable[[], Any]
    words: list[str]
    """What the task is about: the first text among its arguments, at its commas."""


@dataclass
class _Worker:
    process: Executor
    seen: deque[list[str]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    is_idle: bool = True

    def affinity(self, task: _Task) -> int:
        """How many of the task's words the worker has seen at the start of another."""
        return max((_shared_length(words, task.words) for words in self.seen), default=0)


def _shared_length(one: list[str], other: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


class WorkerPool(Executor):
    """Processes that each get the tasks most like those they had.

    Pipelines that begin alike share their first passes, which a process remembers. Who runs a task
    is no part of its result: no process waits while there are tasks.
    """

    def __init__(self, processes: Sequence[Executor]) -> None:
        """``processes`` run one task at a time each."""
        self._workers = [_Worker(process) for process in processes]
        self._waiting: list[_Task] = []
        self._lock = RLock()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        text = next((argument for argument in args if isinstance(argument, str)), "")
        future: Future[R] = Future()
        with self._lock:
            self._waiting.append(_Task(future, partial(fn, *args, **kwargs), text.split(",")))
            self._start()
        return future

    @property
    def idle(self) -> int:
        """How many processes have nothing to do."""
        with self._lock:
            return sum(worker.is_idle for worker in self._workers)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for all tasks, after an exception only for those that run."""
        self.shutdown(cancel_futures=kind is not None)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._lock:
            if cancel_futures:
                for task in self._waiting:
                    task.future.cancel()
                self._waiting.clear()
            pending = [task.future for task in self._waiting]
        for future in pending if wait else ():
            future.exception()
        for worker in self._workers:
            worker.process.shutdown(wait, cancel_futures=cancel_futures)

    def _start(self) -> None:
        """Give each idle process a task; the caller holds the lock."""
        while self._waiting and (idle := [each for each in self._workers if each.is_idle]):
            pairs = [(worker, task) for task in self._waiting for worker in idle]
            worker, task = max(pairs, key=lambda pair: pair[0].affinity(pair[1]))
            self._waiting.remove(task)
            if task.future.set_running_or_notify_cancel():
                self._run(worker, task)

    def _run(self, worker: _Worker, task: _Task) -> None:
        worker.is_idle = False
        worker.seen.append(task.words)
        try:
            running = worker.process.submit(task.call)
        except BrokenExecutor as error:
            worker.is_idle = True
            task.future.set_exception(error)
            return
        running.add_done_callback(partial(self._ended, worker, task))

    def _ended(self, worker: _Worker, task: _Task, running: Future[Any]) -> None:
        error = running.exception()
        if error is not None:
            task.future.set_exception(error)
        else:
            task.future.set_result(running.result())
        with self._lock:
            worker.is_idle = True
            self._start()


def worker_pool(jobs: int | None = None) -> WorkerPool:
    """A pool of ``jobs`` processes (default: one per usable core)."""
    return WorkerPool([worker_process() for _ in range(jobs or usable_cores())])


def worker_process() -> Executor:
    """One process for a pool; it starts with its first task."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["liftproof.tools.worker_start"])
    # What workers share is imported while this process still reads and lifts the kernel.
    forkserver.ensure_running()
    return ProcessPoolExecutor(1, context, initializer=prepare_worker)


def prepare_worker() -> None:
    """Bound this process's address space; leave an interrupt to the one that it works for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = WORKER_MEMORY if hard == resource.RLIM_INFINITY else min(WORKER_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
