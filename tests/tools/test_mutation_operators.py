"""Every mutation operator on scheduled kernels, and the fuzz command that tries them."""

from __future__ import annotations

import json
from random import Random

import pytest
from liftproof.tools.fuzz.__main__ import main
from liftproof.tools.fuzz.corpus import KERNELS, programs
from liftproof.tools.fuzz.programs import Plan, fuzz_kernel
from liftproof.validation.fuzz import Campaign, Outcome
from liftproof.validation.mutate import FAMILIES, OPERATORS

ROUNDS = 5
"""Tries of one operator on each program."""
LOOPS_ONLY = Plan(loops=2, tensors=0, tiles=0, instructions=0, commands=0, faults=0, schedules=0)
ONE_EACH = Plan(loops=1, tensors=1, tiles=1, instructions=1, commands=3, faults=1, schedules=1)


@pytest.fixture(scope="module")
def targets():
    """Campaigns with the programs of four kernels at all levels."""
    found = []
    for name in ("plain", "bias", "scaled", "pooled"):
        loops, modules = programs(KERNELS[name])
        campaign = Campaign(loops)
        found += [(campaign, module) for module in modules.values()]
    return found


@pytest.mark.parametrize("name", OPERATORS)
def test_each_operator_is_refuted_where_it_is_wrong(name: str, targets) -> None:
    """Of each operator a wrong mutant is found and refuted; none is accepted or a false alarm."""
    rng = Random(name)
    for campaign, target in rng.sample(targets, len(targets)) * ROUNDS:
        campaign.operator(name, target, 1, rng, "corpus")
        assert campaign.report.is_sound, campaign.report.notes
        counts = campaign.report.counts.get(name, {})
        if counts.get(Outcome.REFUTED) or counts.get(Outcome.HAZARD):
            return
    pytest.fail("no mutant by this operator was refuted")


def test_there_are_many_operators() -> None:
    """Names are unique over all families, so that a table by name loses nothing."""
    assert len(OPERATORS) == sum(len(family) for family in FAMILIES.values()) >= 30


def test_random_kernels_and_schedules() -> None:
    """Unchanged programs of a random kernel are not rejected, their mutants judged rightly."""
    report = fuzz_kernel(11, 0, ONE_EACH)
    assert report.is_sound, report.notes
    assert report.counts["unchanged"].total() == report.counts["unchanged"][Outcome.PROVED] > 0
    assert json.loads(json.dumps(report.to_json())) == report.to_json()


def test_a_log_is_continued(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command goes on where its log ends, and counts what the log holds."""
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({"kernel": 0, **fuzz_kernel(11, 3, LOOPS_ONLY).to_json()}) + "\n")
    arguments = ["--seed", "11", "--log", str(log), "--cases", "1"]
    before = log.read_text()
    assert main(arguments) == 0
    assert log.read_text() == before
    total = sum(sum(counts.values()) for counts in json.loads(before)["counts"].values())
    assert f"{total} cases" in capsys.readouterr().out
