"""Ask other solvers the questions that Z3 answered: cvc5 all of them, Bitwuzla the lemmas.

Both read the scripts of the query log, so nothing is shared with the way in which Z3 was asked.
They are optional (``pip install 'liftproof[cross-check]'``) and imported only here.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..diagnostics import Diagnostic
from .query_log import INTEGERS, QUANTIFIED, LoggedQuery

SECONDS_PER_QUERY = 10.0
"""Time limit of another solver for one query; what takes longer counts as unknown."""
DECIDED = ("sat", "unsat")


@dataclass
class Tally:
    """What one solver made of the queries."""

    agreed: int = 0
    unknown: int = 0
    """Queries that this solver or Z3 did not decide."""
    seconds: float = 0.0
    disagreed: list[LoggedQuery] = field(default_factory=list[LoggedQuery])

    def count(self, query: LoggedQuery, answer: str) -> None:
        if answer not in DECIDED or query.answer not in DECIDED:
            self.unknown += 1
        elif answer == query.answer:
            self.agreed += 1
        else:
            self.disagreed.append(query)


def cross_check(
    queries: Iterable[LoggedQuery], seconds_per_query: float = SECONDS_PER_QUERY
) -> dict[str, Tally]:
    """Repeat each query with cvc5, and those about bit-vectors and floats with Bitwuzla too.

    Raises ``Diagnostic`` if one of the solvers is not installed.
    """
    require_solvers()
    tallies = {name: Tally() for name in SOLVERS}
    for query in queries:
        for name, answer_of in SOLVERS.items():
            if name == "bitwuzla" and query.logic in (INTEGERS, QUANTIFIED):
                continue
            start = time.perf_counter()
            answer = answer_of(query.question, seconds_per_query)
            tallies[name].seconds += time.perf_counter() - start
            tallies[name].count(query, answer)
    return tallies


def require_solvers() -> None:
    """Raise ``Diagnostic`` unless all solvers are installed."""
    for name in SOLVERS:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise Diagnostic(
                f"a cross-check needs {name}, which is not installed",
                hint="pip install 'liftproof[cross-check]'",
            ) from error


def _ask_cvc5(script: str, seconds: float) -> str:
    cvc5: Any = importlib.import_module("cvc5")
    solver = cvc5.Solver()
    solver.setOption("tlimit-per", str(max(1, int(seconds * 1000))))
    # Half precision counts as experimental there.
    solver.setOption("fp-exp", "true")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "query")
    symbols = parser.getSymbolManager()
    answers: list[str] = []
    try:
        while not (command := parser.nextCommand()).isNull():
            answers += str(command.invoke(solver, symbols)).split()
    except RuntimeError:
        return "unknown"
    return answers[0] if answers else "unknown"


def _ask_bitwuzla(script: str, seconds: float) -> str:
    bitwuzla: Any = importlib.import_module("bitwuzla")
    options = bitwuzla.Options()
    options.set(bitwuzla.Option.TIME_LIMIT_PER, max(1, int(seconds * 1000)))
    manager = bitwuzla.TermManager()
    parser = bitwuzla.Parser(manager, options)
    try:
        # Only parsed: the parser would print the answer itself.
        parser.parse(script, parse_only=True, parse_file=False)
    except bitwuzla.BitwuzlaException:
        return "unknown"
    return str(parser.bitwuzla().check_sat()).rsplit(".", 1)[-1].lower()


SOLVERS: dict[str, Callable[[str, float], str]] = {"cvc5": _ask_cvc5, "bitwuzla": _ask_bitwuzla}
"""How to ask each solver for the answer to one script, within a number of seconds."""
