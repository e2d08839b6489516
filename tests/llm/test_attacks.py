"""Attacks: proposals that look fast, or harm the machine that checks them. None is accepted."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from liftproof.llm.check import Task, check
from liftproof.llm.evaluate import Outcome
from liftproof.llm.proposal import Kind, Proposal
from liftproof.llm.sandbox import Limits, Sandbox

FOLDER = Path(__file__).parent / "attacks"
LOWERING = "gemmini-lower-linalg,gemmini-place,gemmini-lower-tiles,gemmini-hoist-config"
BASES: dict[str, Proposal] = {
    "c": Proposal("c", (FOLDER / "base.c").read_text()),
    "isa": Proposal("ir", (FOLDER / "base_isa.mlir").read_text()),
    "tile": Proposal("ir", (FOLDER / "base_tile.mlir").read_text()),
    "pipeline": Proposal("pipeline", LOWERING),
    "pattern": Proposal("pattern", (FOLDER / "base_pattern.mlir").read_text(), LOWERING),
}
ATTACKS: list[dict[str, Any]] = tomllib.loads((FOLDER / "attacks.toml").read_text())["attack"]


def proposal_of(attack: dict[str, Any]) -> Proposal:
    """The proposal that an entry of the file describes; an edit that changes nothing is a fault."""
    base = BASES[attack["base"]]
    text = base.text
    if "repeat" in attack:
        piece, times = attack["repeat"]
        text = piece * times
    for old, new in attack.get("edits", ()):
        assert old in text, old
        text = text.replace(old, new)
    return replace(base, text=attack.get("text", text))


@pytest.fixture(scope="module")
def sandbox(task: Task) -> Iterator[Sandbox]:
    """One process that has checked a proposal already, as in the middle of a search."""
    with Sandbox(1, Limits(cpu_seconds=30)) as found:
        found.map(check, [(task, base) for base in BASES.values()])
        yield found


def run(sandbox: Sandbox, task: Task, proposal: Proposal) -> Outcome:
    result = sandbox.map(check, [(task, proposal)])[0]
    assert isinstance(result, Outcome), result
    return result


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: f"{a['base']}: {a['name']}")
def test_attack_is_refused_for_the_right_reason(
    attack: dict[str, Any], sandbox: Sandbox, task: Task
) -> None:
    """No attack is accepted; the diagnostic names what is wrong with it."""
    proposal = proposal_of(attack)
    outcome = run(sandbox, task, proposal)
    assert outcome.cycles is None
    assert re.search(attack["reason"], outcome.diagnostic, re.DOTALL), outcome.diagnostic


def test_attacks_are_many_and_of_all_kinds() -> None:
    """The suite covers every kind of proposal, with at least 40 attacks."""
    assert len(ATTACKS) >= 40
    assert len({proposal_of(attack) for attack in ATTACKS}) == len(ATTACKS)
    assert min(Counter(attack["base"] for attack in ATTACKS).values()) >= 4


@pytest.mark.parametrize("base", BASES)
def test_what_the_attacks_start_from_is_accepted(base: str, sandbox: Sandbox, task: Task) -> None:
    """The bases are correct, so it is the change that is refused."""
    outcome = run(sandbox, task, BASES[base])
    assert outcome.diagnostic == ""
    assert outcome.cycles is not None
    assert outcome.cycles >= outcome.lower_bound


def test_attributes_of_a_proposal_count_for_nothing(sandbox: Sandbox, task: Task) -> None:
    """A program that claims another machine or other outputs is checked like any other."""
    claims = '{liftproof.target = "/etc/passwd", liftproof.outputs = array<i64: 0>} {'
    text = BASES["tile"].text.replace("{", f"attributes {claims}", 1)
    assert run(sandbox, task, Proposal("ir", text)).cycles is not None


@pytest.mark.parametrize(
    ("kind", "old", "new", "reason"),
    [
        ("isa", "%c0 to %c2", "%c0 to %c1", "4,096 multiply-accumulates"),
        ("isa", "%c16] to %C", "%c1] to %C", "17 bytes written"),
        ("isa", "mvin %B[%c0, %c0] to %weights[%c16", "mvin %B[%c0, %c0] to %weights[%c1", "bytes"),
    ],
)
def test_less_work_than_the_kernel_needs_is_not_believed(
    kind: str, old: str, new: str, reason: str, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the proof were wrong, a program that does too little is refused."""
    _believe_everything(monkeypatch)
    text = BASES[kind].text
    assert old in text
    outcome = check(task, Proposal(BASES[kind].kind, text.replace(old, new)))
    assert outcome.cycles is None
    assert reason in outcome.diagnostic


def test_fewer_cycles_than_possible_are_not_believed(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the timing model cannot win: the analytic bound is checked apart from it."""
    from liftproof.llm import check as module

    timing = module.simulate_timing

    def optimistic(*arguments: Any, **options: Any) -> Any:
        result = timing(*arguments, **options)
        object.__setattr__(result, "cycles", 3)
        return result

    monkeypatch.setattr(module, "simulate_timing", optimistic)
    outcome = check(task, BASES["isa"])
    assert outcome.cycles is None
    assert "3 cycles are below the lower bound" in outcome.diagnostic


def _believe_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    from liftproof.llm import check as module
    from liftproof.validation.validate import Validation

    proved = Validation("proved", (), 0, "none", 0.0, 0.0)
    monkeypatch.setattr(module, "decide", lambda *arguments, **options: proved)


def test_kinds_are_checked() -> None:
    """A proposal of no known kind cannot be made."""
    kind: Any = "python"
    with pytest.raises(ValueError, match="python"):
        Proposal(kind, "import os")
    assert {proposal.kind for proposal in BASES.values()} == set(_kinds())


def _kinds() -> tuple[Kind, ...]:
    from liftproof.llm.proposal import KINDS

    return KINDS
