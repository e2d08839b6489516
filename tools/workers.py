"""Worker processes for the search, with a limit on their memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
from concurrent.futures import ProcessPoolExecutor

WORKER_MEMORY = 6 << 30
"""Bytes of address space that a worker may map; a proposal cannot exhaust the machine."""


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def worker_pool(jobs: int | None = None) -> ProcessPoolExecutor:
    """A pool of ``jobs`` processes (default: one per usable core)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["liftproof.llm.moves"])
    return ProcessPoolExecutor(jobs or usable_cores(), context, initializer=limit_memory)


def limit_memory() -> None:
    """Bound this process's address space."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = WORKER_MEMORY if hard == resource.RLIM_INFINITY else min(WORKER_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
