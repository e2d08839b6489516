"""``liftproof``: the command line. Each command lives in a module of its own.

Contract: ``--json`` prints exactly one JSON object on stdout, diagnostics go to stderr, and the
exit status is 0 (accepted), 1 (refused with a diagnostic), 2 (usage) or 3 (unknown).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..diagnostics import Diagnostic, describe_os_error
from ..hw.gemmini.config import ConfigError
from .exit_status import REJECTED, USAGE

DESCRIPTION = "Turns a plain C kernel into fast, proven tensor-accelerator code."
STATUSES = "exit status: 0 accepted or proved, 1 refuted or refused, 2 usage, 3 unknown"
COMMANDS = {
    "optimize": "turn a C kernel into fast, proven accelerator code",
    "compile": "lower a C kernel with a given pipeline, without search",
    "lift": "lift a C kernel to tensor IR, with a proof",
    "validate": "is the second program a refinement of the first?",
    "simulate": "run a program on the machine model and count its cycles",
    "grammar": "print the grammar of pass pipelines, for constrained decoding",
    "mcp": "serve the commands to coding agents (Model Context Protocol)",
    "bench": "run the regression suite of cycle counts",
}
INTERRUPTED = 130
INTERNAL_ERROR = 70


def build_parser(named: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The argument parser with the options of the commands that are ``named``.

    The other commands are known by name only: importing them all would take seconds.
    """
    parser = argparse.ArgumentParser(prog="liftproof", description=DESCRIPTION, epilog=STATUSES)
    parser.add_argument("--version", action="version", version=f"liftproof {version('liftproof')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name not in named:
            continue
        command.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        import_module(f".command_{name}", __package__).add_arguments(command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = build_parser(arguments).parse_args(arguments)
    command = import_module(f".command_{options.command}", __package__)
    # Only commands need what reads streams, and NumPy with it.
    from ..hw.stream import StreamError

    try:
        report: dict[str, Any]
        report, status = command.run(options)
        if options.json:
            print(json.dumps(report, indent=2))
        return status
    except Diagnostic as diagnostic:
        return _fail(diagnostic.render(_source_of(diagnostic)), REJECTED)
    except StreamError as error:
        return _fail(f"error: {error}", REJECTED)
    except ConfigError as error:
        return _fail(f"error: {error}", USAGE)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = None
        return REJECTED
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            return _fail(f"error: {describe_os_error(error)}", REJECTED)
        if "LIFTPROOF_TRACEBACK" in os.environ:
            raise
        return _fail(
            f"internal error: {type(error).__name__}: {error}\n"
            "hint: this is a fault of Liftproof; set LIFTPROOF_TRACEBACK=1 to see where",
            INTERNAL_ERROR,
        )


def _source_of(diagnostic: Diagnostic) -> str | None:
    """The text that a diagnostic points into, if it can still be read."""
    if diagnostic.location is None:
        return None
    try:
        return Path(diagnostic.location.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _fail(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status
