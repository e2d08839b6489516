"""The fuzz command: random kernels, random schedules, random mutations, judged by running them.

``python -m liftproof.tools.fuzz --cases 2000`` prints a table per mutation operator and every case
that deserves a look; the exit status is 1 if anything wrong was proved or anything right refuted.
``--operators 1`` tries every operator once on every program of a fixed corpus instead (with
``--share 0.2``, on a fifth of them), and ``--lemmas 5000`` asks for so many equalities of random
value terms and checks the answers.
With ``--log``, each kernel's counts are appended to a file as one line, and a later run with the
same file goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ...validation.fuzz import Report, fuzz_lemmas
from .corpus import try_operators
from .programs import Plan, fuzz_kernel


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="stop after so many cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="file of counts, to go on from")
    parser.add_argument("--instructions", type=int, default=Plan.instructions)
    parser.add_argument("--commands", type=int, default=Plan.commands)
    parser.add_argument("--operators", type=int, metavar="TRIES", help="mutate the fixed corpus")
    parser.add_argument("--share", type=float, default=1.0, help="part of these tries to make")
    parser.add_argument("--lemmas", type=int, metavar="COUNT", help="compare value terms only")
    options = parser.parse_args(arguments)
    if options.lemmas is not None:
        return _show_lemmas(options)
    if options.operators is not None:
        report = Report()
        for name, found in try_operators(options.operators, options.seed, options.share):
            print(f"{name}: {found.summary()}", flush=True)
            report.merge(found)
        return _show(report)
    return _show(_fuzz(options))


def _fuzz(options: argparse.Namespace) -> Report:
    report, number = _resume(options.log)
    plan = Plan(instructions=options.instructions, commands=options.commands)
    while report.total < options.cases:
        found = fuzz_kernel(options.seed, number, plan)
        report.merge(found)
        if options.log is not None:
            with options.log.open("a") as log:
                log.write(json.dumps({"kernel": number, **found.to_json()}) + "\n")
        number += 1
    return report


def _show(report: Report) -> int:
    print(report.table())
    for note in report.notes:
        print(note)
    print(report.summary())
    return 0 if report.is_sound else 1


def _show_lemmas(options: argparse.Namespace) -> int:
    found = fuzz_lemmas(options.lemmas, options.seed)
    print(*found.wrong, found.summary(), sep="\n")
    return 1 if found.wrong else 0


def _resume(log: Path | None) -> tuple[Report, int]:
    """The counts so far, and the number of the next kernel."""
    report, number = Report(), 0
    if log is not None and log.exists():
        for line in log.read_text().splitlines():
            value = json.loads(line)
            report.merge(Report.from_json(value))
            number = value["kernel"] + 1
    return report, number


if __name__ == "__main__":
    sys.exit(main())
