"""Executors: a cluster, processes or threads, the results are the same, byte for byte."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.llm.search import SearchState
from liftproof.tools.cli import main
from liftproof.tools.optimize import OptimizeOptions, Result, optimize
from liftproof.tools.terminal import TerminalListener
from liftproof.tools.write import write_result

ROOT = Path(__file__).parents[2]
KERNEL = str(ROOT / "examples" / "matmul_1x1x1.c")
OPTIONS = OptimizeOptions(budget=6)


class Direct(Executor):
    """The plainest executor: it runs each call at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def told(result: Result) -> tuple[object, ...]:
    """What must not depend on where a search ran."""
    return result.best, str(result.program), result.outcomes, result.timing.cycles


@pytest.fixture(scope="module")
def expected() -> Result:
    """What a search in this process finds."""
    return optimize(KERNEL, OPTIONS, Direct())


def test_threads_give_the_same_result(expected: Result) -> None:
    """The library call takes any executor of the standard library's kind."""
    with ThreadPoolExecutor(1) as executor:
        assert told(optimize(KERNEL, OPTIONS, executor)) == told(expected)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options, host="127.0.0.1") as found:
        yield found


def test_cluster_gives_the_same_files_though_a_worker_is_lost(
    cluster: Any, expected: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tasks of a worker that dies in the middle of a search run on another one."""
    killed: list[int] = []

    def kill(listener: TerminalListener, state: SearchState, budget: int) -> None:
        if not killed:
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    monkeypatch.setattr(TerminalListener, "searching", kill)
    options = ["--budget", str(OPTIONS.budget), "--out", str(tmp_path / "cluster")]
    address = f"dask:{cluster.scheduler_address}"
    assert main(["optimize", KERNEL, *options, "--executor", address]) == 0
    assert killed != [os.getpid()]
    write_result(expected, tmp_path / "here", ("mlir", "c"))
    for name in ("kernel.mlir", "kernel.c", "schedule.txt", "search.jsonl"):
        here, there = (tmp_path / folder / name for folder in ("here", "cluster"))
        assert here.read_bytes() == there.read_bytes()


def test_cluster_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """An address where nobody listens, and one that is none, give a diagnostic."""
    pytest.importorskip("distributed")
    from liftproof.tools import dask_executor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask_executor, "CONNECT_SECONDS", 0.2)
        assert main(["optimize", KERNEL, "--executor", "dask:127.0.0.1:9"]) == 1
    assert "127.0.0.1:9" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["optimize", KERNEL, "--executor", "slurm"])
    assert stop.value.code == 2


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Dask, the message says what to install."""
    from liftproof.tools import executors

    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr(executors.importlib.util, "find_spec", nothing)
    with pytest.raises(Diagnostic, match="not installed"), executors.open_executor("dask:x"):
        pass
