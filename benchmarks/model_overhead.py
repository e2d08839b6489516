"""Measure what asking models costs besides evaluation: prompts, client, transcript, bookkeeping.

    python benchmarks/model_overhead.py examples/matmul_512.c --budget 12

A service on the loopback interface answers at once, with one instance of the pass that it was asked
about; its own time does not count. Times are of the processor, by thread, so that a loaded machine
does not matter. Evaluation is what a search does with proposals, whoever made them: lowering and
timing, listing neighbours, and checking in full what the model proposed.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from liftproof.lifting.c.frontend import read_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm import guide as guide_module
from liftproof.llm import search as search_module
from liftproof.llm.advice import ModelOptions
from liftproof.llm.advised import Advice
from liftproof.llm.check import check
from liftproof.llm.evaluate import Outcome, Problem
from liftproof.llm.loopback_service import ChatService, Content, Reply
from liftproof.llm.proposal import Proposal
from liftproof.llm.search import Search
from liftproof.llm.session import open_session
from liftproof.passes.pipelines import first_pipelines

CONFIG = "gemmini-16x16-int8"
COMMANDS = 1 << 20
BEFORE_PLACEMENT = 7
"""Passes at the end of a pipeline that a schedule pass stands before."""


class Clock:
    """Seconds of processor time by what they were spent on; nested calls count once."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, with its time counted under ``name``."""

        def call(*arguments: Any, **options: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[name] += time.thread_time() - start

        return call


def reply(content: Content) -> Reply:
    """Choose a menu item by the seed; propose the current pipeline with a listed instance in it."""
    words, seed = content["messages"][-1]["content"], content["seed"]
    if "# Menu" in words:
        items = re.findall(r"^- ([a-z-]+)[:{]", words.partition("# Menu")[2], re.MULTILINE)
        return Reply(json.dumps({"item": items[seed % len(items)], "why": "it may help"}))
    current = re.search(r"^gemmini-lower-linalg.*", words, re.MULTILINE)
    passes = re.findall(r"[a-z-]+(?:\{[^}]*\})?", current.group() if current else "cse")
    listed = re.findall(r"gemmini-[a-z-]+\{[^}]*\}", words.partition("Instances of")[2])
    if listed:
        passes.insert(len(passes) - BEFORE_PLACEMENT, listed[seed % len(listed)])
    return Reply(json.dumps({"kind": "pipeline", "text": ",".join(passes)}))


def measure(path: str, budget: int) -> dict[str, Any]:
    """Search with the service; what was spent on what."""
    clock = Clock()
    service = ChatService()
    service.reply = reply
    loops = read_c_kernel(path)
    problem = Problem(str(lift_and_prove(loops).module), CONFIG)
    for module, name in ((search_module, "evaluate"), (search_module, "neighbours")):
        setattr(module, name, clock.timed(name, getattr(module, name)))
    for name in ("describe", "instance_lines", "instructions", "rule_lines"):
        setattr(guide_module, name, clock.timed("describe", getattr(guide_module, name)))
    examine = clock.timed("check", check)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
        options = ModelOptions(
            base_url=service.url, models=("m",), transcript=Path(folder) / "transcript.jsonl"
        )
        advice = Advice(open_session(options), problem, str(loops), COMMANDS, 0)

        def all_checked(proposals: Sequence[Proposal]) -> list[Outcome]:
            return [examine(advice.task, proposal) for proposal in proposals]

        with advice.opened(executor, 1) as (guide, _):
            guide.propose = clock.timed("propose", guide.propose)
            guide.learn = clock.timed("propose", guide.learn)
            search = Search(
                advice.problem,
                lambda pipeline: "",
                executor,
                budget,
                advisor=guide,
                examine=all_checked,
            )
            search.run(islice(first_pipelines(problem.tensor_ir, CONFIG), 2))
    service.close()
    evaluation = sum(clock.seconds[name] for name in ("evaluate", "neighbours", "check"))
    machinery = clock.seconds["propose"] + clock.seconds["describe"]
    longest = max(sum(len(m["content"].encode()) for m in r["messages"]) for r in service.requests)
    return {
        "kernel": path,
        "requests": len(service.requests),
        "evaluation_seconds": round(evaluation, 3),
        "machinery_seconds": round(machinery, 3),
        "overhead": round(machinery / evaluation, 4),
        "longest_prompt_bytes": longest,
        "seconds": {name: round(seconds, 3) for name, seconds in clock.seconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kernel")
    parser.add_argument("--budget", type=int, default=12)
    options = parser.parse_args()
    print(json.dumps(measure(options.kernel, options.budget), indent=2))


if __name__ == "__main__":
    main()
