"""The two-phase proposer: a model plans one step, then carries it out, then mends it if refused.

A round asks for a few plans for each of the best programs, each from a menu that loses items at
random, and for one proposal a plan. What was refused goes back once, with the reason. Everything
depends on the programs, the answers and the seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from random import Random

from xdsl.parser import Parser

from ..hw.gemmini.config import load_config
from .anonymize import signature
from .answers import PLAN, PROPOSAL, AnswerError, Plan, read_answer, read_plan
from .asker import Asker
from .chat import Answer, Message, Request
from .describe import Description, describe, instance_lines, instructions, rule_lines
from .evaluate import Outcome, Problem, new_context
from .proposal import Proposal
from .render import (
    WRITE_C,
    WRITE_ISA,
    WRITE_PATTERN,
    WRITE_TILE,
    MenuItem,
    how_to_c,
    how_to_ir,
    how_to_pattern,
    how_to_pipeline,
    menu_lines,
    pass_items,
    render,
    rule_item,
    system_prompt,
)
from .rules import Shelf

PARENTS = 2
"""Programs of the beam that a round starts from."""
PLANS = 2
"""Plans for each of them."""
DROPOUT = 0.4
"""Share of the menu that a plan does not see: it makes plans differ."""
REMEMBERED = 6
"""Earlier attempts that a prompt lists."""
REASON_SHOWN = 600
"""Characters of a diagnostic that go back to the model."""
QUIET_ROUNDS = 3
"""Rounds without any new proposal after which the model has nothing more to say."""
FRUITLESS_ROUNDS = 8
"""Rounds after which a model is left alone whose proposals are not faster than their parents."""


@dataclass(frozen=True)
class GuideOptions:
    """How to ask."""

    seed: int = 0
    temperature: float = 1.0
    answer_tokens: int = 8192
    """Tokens that one answer may have."""


@dataclass(frozen=True)
class Step:
    """A plan for one program."""

    parent: Outcome
    item: MenuItem
    plan: Plan


@dataclass(frozen=True)
class Attempt:
    """A question for a proposal and what came of it."""

    step: Step
    request: Request
    answer: str
    reason: str = ""
    """Why it was refused; empty while it is not."""
    cycles: int | None = None
    is_repair: bool = False


@dataclass
class Statistics:
    """What a guide asked for and what it got."""

    proposed: int = 0
    proved: int = 0
    refused: int = 0
    unreadable: int = 0
    repeated: int = 0
    patterns: int = 0
    """Rewrite rules that were proved and are on the menu."""


@dataclass
class Guide:
    """Proposes programs for one kernel; ``problem`` must be anonymous."""

    problem: Problem
    asker: Asker
    executor: Executor
    options: GuideOptions = field(default_factory=GuideOptions)
    similar: str = ""
    """Schedules of similar kernels, for the first prompts."""
    shelf: Shelf = field(default_factory=Shelf)
    """Proven rewrite rules: proposals may use them and add to them."""
    statistics: Statistics = field(default_factory=Statistics)

    def __post_init__(self) -> None:
        self._round = self._turn = self._quiet = self._fruitless = 0
        self._seen: set[Proposal] = set()
        self._open: dict[Proposal, Attempt] = {}
        self._to_repair: list[Attempt] = []
        self._history: list[Attempt] = []
        self._descriptions: dict[str, Description] = {}
        self._origin: dict[str, Attempt] = {}
        """Which attempt made a program, by the program's name."""
        self._system = Message("system", system_prompt(self.problem.config))
        module = Parser(new_context(), self.problem.tensor_ir).parse_module()
        self._signature = signature(module)

    @property
    def ended(self) -> str:
        """Why there will be no more proposals; empty while there may be."""
        if self.asker.ended:
            return self.asker.ended
        if self._quiet >= QUIET_ROUNDS:
            return self.asker.last_error or "the model proposes nothing new"
        if self._fruitless >= FRUITLESS_ROUNDS:
            return f"nothing faster was proposed in {FRUITLESS_ROUNDS} rounds"
        return ""

    def propose(self, beam: Sequence[Outcome], room: int) -> list[Proposal]:
        """At most ``room`` new proposals that start from the best programs of ``beam``."""
        if self.ended or room < 1:
            return []
        self._round += 1
        repairs, self._to_repair = self._to_repair[:room], []
        requests = [self._repair_request(attempt) for attempt in repairs]
        steps = self._plan(beam[:PARENTS], room - len(repairs))
        if not self.asker.ended:
            requests += [self._implement_request(step) for step in steps]
        attempts = [(attempt.step, True) for attempt in repairs] + [(s, False) for s in steps]
        answers = self.asker.ask(requests)
        proposals: list[Proposal] = []
        for (step, is_repair), request, answer in zip(attempts, requests, answers, strict=False):
            attempt = Attempt(step, request, answer.text, is_repair=is_repair)
            found = self._read(attempt, answer)
            if found is not None:
                self._open[found] = attempt
                proposals.append(found)
        self._quiet = 0 if proposals else self._quiet + 1
        self.statistics.proposed += len(proposals)
        return proposals

    def learn(self, results: Sequence[tuple[Proposal, Outcome]]) -> None:
        """Hear what became of the proposals of a round."""
        self._fruitless += 1
        for proposal, outcome in results:
            attempt = self._open.pop(proposal)
            if outcome.rule is not None:
                self.statistics.patterns += outcome.rule.text not in self.shelf
                self.shelf.add(outcome.rule)
            if outcome.cycles is None and outcome.rule is not None:
                self._history.append(_with(attempt, reason=outcome.diagnostic[:REASON_SHOWN]))
                continue
            if outcome.cycles is None:
                self.statistics.refused += 1
                self._refuse(attempt, outcome.diagnostic)
                continue
            self.statistics.proved += 1
            if outcome.cycles < (attempt.step.parent.cycles or 0):
                self._fruitless = 0
            done = _with(attempt, cycles=outcome.cycles)
            self._history.append(done)
            self._origin.setdefault(outcome.name, done)

    # Plans.

    def _plan(self, parents: Sequence[Outcome], room: int) -> list[Step]:
        """Ask for plans: the parents take turns until there is no room."""
        wanted = [parent for _ in range(PLANS) for parent in parents][: max(0, room)]
        menus = [self._menu(parent, number) for number, parent in enumerate(wanted)]
        requests = [self._plan_request(p, m) for p, m in zip(wanted, menus, strict=True)]
        steps: list[Step] = []
        for parent, menu, answer in zip(wanted, menus, self.asker.ask(requests), strict=True):
            step = self._read_plan(parent, menu, answer)
            if step is not None:
                steps.append(step)
        return steps

    def _menu(self, parent: Outcome, number: int) -> list[MenuItem]:
        """What may be done to ``parent``, less what drops out this time."""
        description = self._describe(parent)
        if parent.kind == "pipeline":
            items = [*pass_items(), *map(rule_item, self.shelf.rules.values()), WRITE_PATTERN]
            items += [WRITE_TILE] if description.tile else []
            items += [WRITE_ISA] + ([WRITE_C] if description.c else [])
        else:
            items = [WRITE_C if parent.kind == "c" else WRITE_ISA]
        random = Random(f"{self.options.seed} {self._round} {number}")
        kept = [item for item in items if random.random() >= DROPOUT]
        return kept or items[:1]

    def _plan_request(self, parent: Outcome, menu: Sequence[MenuItem]) -> Request:
        text = render(
            "plan",
            signature=self._signature,
            kernel=self.problem.tensor_ir.strip(),
            current=self._current(parent),
            cycles=parent.cycles,
            bound=parent.lower_bound,
            breakdown=self._describe(parent).breakdown,
            ancestors=self._ancestors(parent),
            tried=self._tried(),
            similar=self._similar(),
            menu=menu_lines(menu),
        )
        return self._request((Message("user", text),), is_plan=True)

    def _read_plan(self, parent: Outcome, menu: Sequence[MenuItem], answer: Answer) -> Step | None:
        if answer.error:
            return None
        try:
            plan = read_plan(answer.text)
        except AnswerError:
            self.statistics.unreadable += 1
            return None
        item = next((item for item in menu if item.name == plan.item), None)
        if item is None:
            self.statistics.unreadable += 1
            return None
        return Step(parent, item, plan)

    # Proposals.

    def _implement_request(self, step: Step) -> Request:
        text = render(
            "implement",
            signature=self._signature,
            current=self.shelf.fold(step.parent.pipeline) or "(a program; see below)",
            cycles=step.parent.cycles,
            bound=step.parent.lower_bound,
            item=step.item.name,
            why=step.plan.why,
            how=self._how(step),
            kind=step.item.kind,
        )
        return self._request((Message("user", text),), is_plan=False)

    def _how(self, step: Step) -> str:
        description = self._describe(step.parent)
        if step.item.kind == "pattern":
            shown = self.executor.submit(instructions, self.problem, step.parent.pipeline)
            return how_to_pattern(shown.result())
        if step.item.kind == "pipeline":
            config = load_config(self.problem.config)
            names = list(self.shelf.rules)
            return how_to_pipeline(config, step.item.name, self._places(step), names)
        if step.item.kind == "c":
            return how_to_c(step.parent.text or description.c)
        if step.item is WRITE_TILE:
            return how_to_ir("tile", description.tile)
        return how_to_ir("gemmini", description.isa)

    def _places(self, step: Step) -> list[str]:
        """Where the item of a plan applies in the parent's pipeline."""
        problem, pipeline, name = self.problem, step.parent.pipeline, step.item.name
        rule = self.shelf.rules.get(name)
        lines = (
            self.executor.submit(instance_lines, problem, pipeline, name)
            if rule is None
            else self.executor.submit(rule_lines, problem, pipeline, rule.text)
        )
        return [self.shelf.fold(line) for line in lines.result()]

    def _read(self, attempt: Attempt, answer: Answer) -> Proposal | None:
        if answer.error:
            return None
        try:
            proposal = read_answer(answer.text, attempt.step.item.kind)
        except AnswerError as error:
            self.statistics.unreadable += 1
            cut = " It was cut off." if answer.finish == "length" else ""
            self._refuse(attempt, f"the answer cannot be read: {error}.{cut}")
            return None
        parent = attempt.step.parent
        if proposal.kind == "pattern" and parent.kind == "pipeline":
            proposal = replace(proposal, base=parent.pipeline)
        elif proposal.kind == "pipeline":
            proposal = replace(proposal, text=self.shelf.expand(proposal.text))
        if proposal in self._seen:
            self.statistics.repeated += 1
            return None
        self._seen.add(proposal)
        return proposal

    # What is fed back.

    def _refuse(self, attempt: Attempt, reason: str) -> None:
        refused = _with(attempt, reason=reason[:REASON_SHOWN])
        self._history.append(refused)
        if not attempt.is_repair:
            self._to_repair.append(refused)

    def _repair_request(self, attempt: Attempt) -> Request:
        reason = render("repair", reason=attempt.reason, kind=attempt.step.item.kind)
        before = attempt.request.messages[1:]
        turns = (Message("assistant", attempt.answer), Message("user", reason))
        return self._request((*before, *turns), is_plan=False)

    def _request(self, messages: tuple[Message, ...], *, is_plan: bool) -> Request:
        model = self.asker.model(self._turn)
        self._turn += 1
        return Request(
            model,
            (self._system, *messages),
            PLAN if is_plan else PROPOSAL,
            self.options.answer_tokens,
            self.options.temperature,
            self.options.seed * 1_000_003 + self._turn,
        )

    def _describe(self, outcome: Outcome) -> Description:
        if outcome.name not in self._descriptions:
            found = self.executor.submit(describe, self.problem, outcome).result()
            self._descriptions[outcome.name] = found
        return self._descriptions[outcome.name]

    def _current(self, parent: Outcome) -> str:
        c = self._describe(parent).c
        pipeline = self.shelf.fold(parent.pipeline)
        passes = f"Pipeline: {pipeline}\n" if pipeline else ""
        return f"{passes}As C:\n```c\n{c or self._describe(parent).isa}\n```"

    def _similar(self) -> str:
        """Schedules of similar kernels, with the names of the rules in them."""
        lines = self.shelf.fold(self.similar)
        return f"\n# Schedules of similar kernels\n{lines}\n" if lines else ""

    def _ancestors(self, outcome: Outcome) -> str:
        lines: list[str] = []
        while (made := self._origin.get(outcome.name)) is not None and len(lines) < REMEMBERED:
            parent = made.step.parent
            lines.append(f"- {parent.cycles} to {made.cycles} cycles: {_plan_words(made)}")
            if parent.name == outcome.name:
                break
            outcome = parent
        return "\n".join(reversed(lines)) or "Found by the search without a model."

    def _tried(self) -> str:
        return "\n".join(_story(attempt) for attempt in self._history[-REMEMBERED:]) or "Nothing."


def _with(attempt: Attempt, reason: str = "", cycles: int | None = None) -> Attempt:
    step, request, answer = attempt.step, attempt.request, attempt.answer
    return Attempt(step, request, answer, reason, cycles, attempt.is_repair)


def _plan_words(attempt: Attempt) -> str:
    return f"{attempt.step.item.name}: {attempt.step.plan.why[:200]}"


def _story(attempt: Attempt) -> str:
    before = attempt.step.parent.cycles
    if attempt.cycles is None:
        return f"- {_plan_words(attempt)} — refused: {attempt.reason}"
    return f"- {_plan_words(attempt)} — proved, {before} to {attempt.cycles} cycles"
