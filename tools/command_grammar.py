"""``liftproof grammar``: the grammar of pass pipelines, made from the registered passes."""

from __future__ import annotations

import argparse
from typing import Any

from ..llm.grammar import ebnf, gbnf
from .exit_status import ACCEPTED

NOTATIONS = {"gbnf": gbnf, "ebnf": ebnf}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--notation",
        default="gbnf",
        choices=sorted(NOTATIONS),
        help="gbnf for llama.cpp, vLLM and xgrammar; ebnf is ISO 14977",
    )


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Print the grammar."""
    text = NOTATIONS[options.notation]()
    if not options.json:
        print(text, end="")
    return {"notation": options.notation, "grammar": text}, ACCEPTED
