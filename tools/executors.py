"""Where proposals are evaluated: processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from ..diagnostics import Diagnostic
from .workers import worker_pool

PROCESSES = "processes"
DASK = "dask:"


def executor_name(text: str) -> str:
    """An argparse type: ``processes`` or ``dask:ADDRESS``."""
    if text == PROCESSES or (text.startswith(DASK) and len(text) > len(DASK)):
        return text
    raise argparse.ArgumentTypeError(f"{text!r}: choose {PROCESSES} or {DASK}ADDRESS")


@contextmanager
def open_executor(name: str = PROCESSES, jobs: int | None = None) -> Generator[Executor]:
    """The executor called ``name``, with ``jobs`` processes where they are of this machine.

    Raises ``Diagnostic`` for a cluster that cannot be reached.
    """
    if name == PROCESSES:
        with worker_pool(jobs) as pool:
            yield pool
        return
    if importlib.util.find_spec("distributed") is None:
        raise Diagnostic("Dask is not installed", hint="pip install 'liftproof[dask]'")
    from .dask_executor import cluster

    with cluster(name.removeprefix(DASK)) as executor:
        yield executor


@contextmanager
def in_this_process() -> Generator[Executor]:
    """An executor for work that is not worth the start of a process."""
    with ThreadPoolExecutor(1) as executor:
        yield executor
