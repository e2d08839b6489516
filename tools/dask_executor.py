"""A Dask cluster as an executor: the same results as local processes, byte for byte.

Evaluations are pure functions of text, so a task whose worker is lost is run again by another one,
and nothing depends on which. What models propose is still checked on this machine, in its sandbox.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, ParamSpec, TypeVar

from distributed import Client
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from ..diagnostics import Diagnostic

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer."""
RETRIES = 3
"""Times that a task is run again after its worker was lost or raised an error."""
PACKAGES = ("liftproof", "xdsl", "z3-solver", "islpy", "numba", "numpy")
"""Packages of which workers need the same version: cycle counts and proofs depend on them."""

P = ParamSpec("P")
R = TypeVar("R")
_one_at_a_time = threading.Lock()


@contextmanager
def cluster(address: str) -> Generator[Executor]:
    """The cluster whose scheduler listens at ``address``.

    Raises ``Diagnostic`` for a cluster that cannot be reached, does not fit, or is lost.
    """
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise Diagnostic(f"dask: no scheduler at {address}: {error}") from error
    with client:
        _check_workers(client, address)
        try:
            yield DaskExecutor(client)
        except (KilledWorker, CommClosedError, CancelledError) as error:
            raise Diagnostic(f"dask: the cluster at {address} was lost: {error}") from error


def _check_workers(client: Client, address: str) -> None:
    """Raise ``Diagnostic`` for a cluster without workers, or with another version of anything."""
    mine = versions()
    found: Any = client.run(versions)
    if not found:
        raise Diagnostic(f"dask: the scheduler at {address} has no workers")
    for worker, theirs in found.items():
        other = [f"{name} {theirs[name]}" for name in PACKAGES if theirs[name] != mine[name]]
        if other:
            raise Diagnostic(
                f"dask: worker {worker} has {', '.join(other)}",
                hint=f"install {', '.join(f'{name} {mine[name]}' for name in PACKAGES)} there",
            )


def versions() -> dict[str, str]:
    """The versions of what results depend on, in the process that asks."""
    return {name: version(name) for name in PACKAGES}


class DaskExecutor(Executor):
    """Runs calls on the workers of a cluster, one at a time in each of their processes."""

    def __init__(self, client: Client) -> None:
        self._executor: Any = client.get_executor(pure=False, retries=RETRIES)

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Start one call; its result comes as from any other executor."""
        return self._executor.submit(alone, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for all calls, or give them up."""
        self._executor.shutdown(wait=wait and not cancel_futures)


def alone(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call ``function`` while no other thread of this worker does: solvers have one state each."""
    with _one_at_a_time:
        return function(*arguments, **options)
