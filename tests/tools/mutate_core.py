"""Mutation testing of the validator's trusted core: does a test notice each small change of it?

``python tests/tools/mutate_core.py`` changes one place of the core at a time and runs the tests
that execute this place, quickest ones first; a change that none notices survives and is listed.
``--sample 40`` takes so many changes of each module, chosen by ``--seed``. With ``--log FILE`` the
outcomes are kept, and a later run goes on from there; with ``--coverage FILE`` also what each test
executes, which takes minutes to find out.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

import pytest
from core_mutants import Mutant, lines_of, mutants, put_into
from equivalent_mutants import EQUIVALENT

ROOT = Path(__file__).parents[2]
CORE = (
    *(f"core.{path.stem}" for path in sorted(ROOT.glob("validation/core/[a-z]*.py"))),
    "chains.comparison",
    "extract.gemmini_rows",
    "hazards.between",
    "hazards.dram_order",
    "hazards.row_order",
    "recurrences",
    "trace.certify",
    "trace.specification",
)
"""The modules that are changed, named from ``liftproof.validation`` on."""
TESTS = "tests/validation"
SLOW = 4
"""Seconds after which a test is too slow to be asked about thousands of changes."""
WORK = 20
"""Seconds of tests that a change must survive: as long as they take without it."""
LIMIT = 20
"""Seconds after which a change counts as noticed: its queries became too hard."""


@dataclass(frozen=True)
class Test:
    """What one test took and executed."""

    seconds: float
    places: frozenset[str]


def source_of(module: str) -> Path:
    """The file of a module of the core."""
    return ROOT.joinpath("validation", *module.split(".")).with_suffix(".py")


class Recorder:
    """Notes which lines of the core are executed."""

    def __init__(self) -> None:
        self._lines = {
            str(source_of(module)): (module, lines_of(ast.parse(source_of(module).read_text())))
            for module in CORE
        }
        self.places: set[str] = set()

    def __call__(self, frame: FrameType, event: str, argument: object):
        found = self._lines.get(frame.f_code.co_filename)
        if found is None:
            return None
        module, names = found
        places = self.places

        def line(frame: FrameType, event: str, argument: object):
            name = names.get(frame.f_lineno)
            if name is not None:
                places.add(f"{module} {name}")
            return line

        return line(frame, event, argument)


class Judge:
    """A plugin of pytest: instead of the tests, it runs the changes, each in a child process."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.outcomes: dict[str, dict[str, bool]] = defaultdict(dict)
        self.totals: Counter[str] = Counter()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        session.config._tmp_path_factory.getbasetemp()
        for module in CORE:
            importlib.import_module(f"liftproof.validation.{module}")
        gc.freeze()
        tests = self._tests(session)
        log: Path | None = self.options.log
        known = dict[str, bool]()
        if log is not None and log.exists():
            known = dict(json.loads(line) for line in log.read_text().splitlines())
        if self.options.again:
            known = {name: noticed for name, noticed in known.items() if noticed}
        for mutant in self._mutants():
            if _is_equivalent(mutant.module, mutant.name):
                known[mutant.name] = False
            elif mutant.name not in known:
                known[mutant.name] = _is_noticed(session, mutant, tests)
                if log is not None:
                    with log.open("a") as file:
                        file.write(json.dumps([mutant.name, known[mutant.name]]) + "\n")
            self.outcomes[mutant.module][mutant.name] = known[mutant.name]
        return True

    def _mutants(self) -> Iterator[Mutant]:
        for module in self.options.modules:
            every = list(mutants(module, ast.parse(source_of(module).read_text())))
            self.totals[module] = len(every)
            count = min(self.options.sample or len(every), len(every))
            chosen = Random(f"{self.options.seed} {module}").sample(range(len(every)), count)
            yield from (every[place] for place in sorted(chosen))

    def _tests(self, session: pytest.Session) -> dict[str, Test]:
        """What each test executes; of those in the file of earlier runs, what it did then."""
        path: Path = self.options.coverage
        known = dict[str, tuple[float, list[str]]]()
        if path.exists():
            known = json.loads(path.read_text())
        new = [item for item in session.items if item.nodeid not in known]
        if new and _in_child(lambda: _record(session, new, known, path)):
            raise SystemExit("the tests could not be run")
        known = json.loads(path.read_text())
        return {name: Test(seconds, frozenset(found)) for name, (seconds, found) in known.items()}


def _record(
    session: pytest.Session,
    items: list[pytest.Item],
    known: dict[str, tuple[float, list[str]]],
    path: Path,
) -> int:
    recorder = Recorder()

    def too_slow(number: int, frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGPROF, too_slow)
    for item in items:
        recorder.places = set()
        failed, start = session.testsfailed, time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SLOW)
        sys.settrace(recorder)
        _run(item, None)
        sys.settrace(None)
        signal.setitimer(signal.ITIMER_PROF, 0)
        passed = session.testsfailed == failed
        seconds = time.process_time() - start
        known[item.nodeid] = (seconds, sorted(recorder.places) if passed else [])
    path.write_text(json.dumps(known))
    return 0


def _run(item: pytest.Item, following: pytest.Item | None) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _is_noticed(session: pytest.Session, mutant: Mutant, tests: dict[str, Test]) -> bool:
    """Whether a test fails that executes what the mutant changed."""
    places = {f"{mutant.module} {place}" for place in mutant.places}
    able = [item for item in session.items if not places.isdisjoint(tests[item.nodeid].places)]
    able.sort(key=lambda item: tests[item.nodeid].seconds)
    work, items = 0.0, list[pytest.Item]()
    for item in able:
        work += tests[item.nodeid].seconds
        if items and work > WORK:
            break
        items.append(item)
    return bool(items) and _in_child(lambda: _fails(session, mutant, items)) != 0


def _fails(session: pytest.Session, mutant: Mutant, items: list[pytest.Item]) -> int:
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    tree = mutant.of(ast.parse(source_of(mutant.module).read_text()))
    put_into(sys.modules[f"liftproof.validation.{mutant.module}"], tree)
    for item, following in zip(items, [*items[1:], None], strict=True):
        _run(item, following)
        if session.testsfailed:
            return 1
    return 0


def _in_child(run) -> int:
    """Exit status of a process that is a copy of this one and runs a function."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 3
        try:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            status = run()
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def _is_equivalent(module: str, name: str) -> bool:
    return any(name.split(" ", 1)[1] in names for names in EQUIVALENT.get(module, {}).values())


def table(judge: Judge) -> tuple[list[str], list[str], float]:
    """Lines of the table of outcomes, the survivors, and the share in percent that was noticed.

    Changes that are listed as equivalent do not count.
    """
    lines = [
        "| module | changes | tried | noticed | equivalent | survived |",
        "|---|---|---|---|---|---|",
    ]
    survivors: list[str] = []
    sums: Counter[str] = Counter()
    for module, outcomes in judge.outcomes.items():
        missed = [name for name, noticed in outcomes.items() if not noticed]
        left = [name for name in missed if not _is_equivalent(module, name)]
        survivors += left
        row = {
            "changes": judge.totals[module],
            "tried": len(outcomes),
            "noticed": len(outcomes) - len(missed),
            "equivalent": len(missed) - len(left),
            "survived": len(left),
        }
        sums.update(row)
        lines.append(f"| `{module}` | {' | '.join(map(str, row.values()))} |")
    lines.append(f"| all | {' | '.join(map(str, sums.values()))} |")
    share = 100 * sums["noticed"] / max(1, sums["noticed"] + sums["survived"])
    return lines, survivors, share


def _fix_examples() -> None:
    """Let Hypothesis try the same examples each time, and take its time."""
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--again", action="store_true", help="try survivors in the log once more")
    parser.add_argument("--coverage", type=Path)
    parser.add_argument("--modules", nargs="*", default=list(CORE))
    parser.add_argument("--tests", nargs="*", default=[TESTS], help="which tests may notice")
    parser.add_argument("--sample", type=int, help="changes of each module; all without it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.chdir(ROOT)
    _fix_examples()
    with tempfile.TemporaryDirectory() as folder:
        options.coverage = options.coverage or Path(folder, "coverage.json")
        judge = Judge(options)
        arguments = [
            "-q",
            "-s",
            "-p",
            "no:cacheprovider",
            f"--basetemp={folder}/tests",
            *options.tests,
        ]
        pytest.main(arguments, plugins=[judge])
    lines, survivors, share = table(judge)
    print(*(f"survived: {name}" for name in survivors), *lines, sep="\n")
    print(f"{share:.1f} % of those that are not equivalent noticed")
    return 0 if share >= 90 else 1


if __name__ == "__main__":
    sys.exit(main())
