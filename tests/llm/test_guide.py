"""The guide: plans, proposals and repairs follow from the programs, the answers and the seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from liftproof.llm.answers import PLAN
from liftproof.llm.asker import Asker
from liftproof.llm.chat import Answer, Request
from liftproof.llm.check import Task, check, refused
from liftproof.llm.evaluate import Outcome, evaluate
from liftproof.llm.guide import QUIET_ROUNDS, Guide, GuideOptions
from liftproof.llm.ledger import Ledger
from liftproof.llm.proposal import Proposal
from liftproof.llm.search import Search
from liftproof.passes.pipelines import baseline_pipeline, best_guess

CONFIG = "gemmini-16x16-int8"


class Model:
    """Answers plans with the first item of the menu, and proposals with what it is given."""

    def __init__(self, propose: Callable[[Request], str]) -> None:
        self.propose = propose
        self.requests: list[Request] = []

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        self.requests += requests
        return [Answer(self._text(request), 100, 10, "stop") for request in requests]

    def _text(self, request: Request) -> str:
        if request.schema != PLAN:
            return self.propose(request)
        menu = request.messages[-1].content.partition("# Menu\n")[2]
        item = menu[2:].split("{")[0].split(":")[0]
        return json.dumps({"item": item, "why": "it is the first"})

    def texts(self, about: str) -> list[str]:
        """The last messages of the requests that mention ``about``."""
        texts = [request.messages[-1].content for request in self.requests]
        return [text for text in texts if about in text]


def pipeline_answer(text: str) -> str:
    return json.dumps({"kind": "pipeline", "text": text})


def guide_of(task: Task, model: Model, executor: ThreadPoolExecutor, **options: int) -> Guide:
    asker = Asker(model, ["m"], Ledger(max_tokens=options.pop("max_tokens", None)))
    return Guide(task.problem, asker, executor, GuideOptions(**options))


@pytest.fixture(scope="module")
def parent(task: Task) -> Outcome:
    """The untuned lowering."""
    return evaluate(task.problem, baseline_pipeline(CONFIG))


def test_plan_leads_to_a_proposal(task: Task, parent: Outcome, threads: ThreadPoolExecutor) -> None:
    """A round asks for plans, then for their implementation, and returns what can be read."""
    better = best_guess(task.problem.tensor_ir, CONFIG)
    model = Model(lambda request: pipeline_answer(better))
    guide = guide_of(task, model, threads)
    assert guide.propose([parent], 4) == [Proposal("pipeline", better)]
    (plan, *_), (implement, *_) = model.texts("# Menu"), model.texts("# Plan")
    assert f"Current program: {parent.cycles} cycles" in plan
    assert "where its cycles go" in plan.lower()
    assert "it is the first" in implement
    assert guide.statistics.repeated == len(model.texts("# Plan")) - 1


def test_refusal_goes_back_once_with_its_reason(
    task: Task, parent: Outcome, threads: ThreadPoolExecutor
) -> None:
    """The next round asks to mend the proposal, in the same conversation, and only once."""
    numbers = iter(range(100))
    model = Model(lambda request: pipeline_answer(f"gemmini-tile{{i={next(numbers)}}}"))
    guide = guide_of(task, model, threads)
    (first, *_) = guide.propose([parent], 1)
    guide.learn([(first, refused(first, "element C[3] is 5 instead of 7"))])
    (mended,) = guide.propose([parent], 1)
    (repair,) = [r for r in model.requests if "was refused" in r.messages[-1].content]
    assert "element C[3] is 5 instead of 7" in repair.messages[-1].content
    assert [message.role for message in repair.messages] == ["system", "user", "assistant", "user"]
    guide.learn([(mended, refused(mended, "again"))])
    guide.propose([parent], 1)
    assert len(model.texts("was refused:")) == 1


def test_later_plans_know_what_was_tried(
    task: Task, parent: Outcome, threads: ThreadPoolExecutor
) -> None:
    """Proved and refused attempts are listed with their cycles and reasons."""
    numbers = iter(range(100))
    model = Model(lambda request: pipeline_answer(f"gemmini-tile{{i={next(numbers)}}}"))
    guide = guide_of(task, model, threads)
    first, second = guide.propose([parent], 2)
    better = Outcome("better", 600, 200, "d")
    guide.learn([(first, better), (second, refused(second, "no such loop"))])
    model.requests.clear()
    guide.propose([parent], 4)
    plan = model.texts("# Menu")[0]
    assert "refused: no such loop" in plan
    assert f"proved, {parent.cycles} to 600 cycles" in plan


def test_unreadable_answers_end_in_silence_not_in_a_loop(
    task: Task, parent: Outcome, threads: ThreadPoolExecutor
) -> None:
    """A model that never answers in the wanted form is left alone after a few rounds."""
    model = Model(lambda request: "I would rather talk about the weather.")
    guide = guide_of(task, model, threads)
    for _ in range(QUIET_ROUNDS):
        assert guide.ended == ""
        assert guide.propose([parent], 2) == []
    assert guide.ended
    asked = len(model.requests)
    assert guide.propose([parent], 2) == []
    assert len(model.requests) == asked


def test_spent_budget_ends_the_guide(
    task: Task, parent: Outcome, threads: ThreadPoolExecutor
) -> None:
    """Nothing is asked that the budget does not cover, and the reason is told."""
    model = Model(lambda request: pipeline_answer("cse"))
    guide = guide_of(task, model, threads, max_tokens=1000)
    assert guide.propose([parent], 4) == []
    assert model.requests == []
    assert "budget" in guide.ended


def test_same_seed_same_questions(task: Task, parent: Outcome, threads: ThreadPoolExecutor) -> None:
    """Menus, seeds and prompts depend on the seed; equal seeds ask equal questions."""

    def keys(seed: int) -> list[str]:
        model = Model(lambda request: "nothing")
        guide = guide_of(task, model, threads, seed=seed)
        for _ in range(2):
            guide.propose([parent], 2)
        return [request.key for request in model.requests]

    assert keys(3) == keys(3)
    assert keys(3) != keys(4)


def test_search_takes_the_model_s_proposal_and_builds_on_it(
    task: Task, threads: ThreadPoolExecutor
) -> None:
    """Started from the untuned lowering, the search wins by the pipeline that a model proposes."""
    better = best_guess(task.problem.tensor_ir, CONFIG)
    model = Model(lambda request: pipeline_answer(better))
    guide = guide_of(task, model, threads)

    def examine(proposals: Sequence[Proposal]) -> list[Outcome]:
        return [check(task, proposal) for proposal in proposals]

    search = Search(task.problem, lambda pipeline: "", threads, 2, advisor=guide, examine=examine)
    state = search.run([baseline_pipeline(CONFIG)])
    assert state.best is not None
    assert state.best.pipeline == better
    assert state.evaluated == 2


def test_search_survives_an_advisor_that_proposes_only_nonsense(
    task: Task, threads: ThreadPoolExecutor
) -> None:
    """The offline search goes on, and nothing that was found is lost."""
    numbers = iter(range(1000))
    model = Model(lambda request: json.dumps({"kind": "c", "text": f"int x{next(numbers)};"}))
    guide = guide_of(task, model, threads)
    search = Search(
        task.problem,
        lambda pipeline: "",
        threads,
        4,
        advisor=guide,
        examine=lambda proposals: [check(task, proposal) for proposal in proposals],
    )
    state = search.run([baseline_pipeline(CONFIG)])
    assert state.best is not None
    assert state.evaluated == 4
    assert guide.statistics.refused > 0
    assert guide.statistics.proved == 0
