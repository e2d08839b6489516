"""``liftproof mcp``: serve the commands to coding agents over stdin and stdout."""

from __future__ import annotations

import argparse
from typing import Any

from ..diagnostics import Diagnostic
from .exit_status import ACCEPTED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # an agent chooses by calling tools


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Serve until stdin closes; nothing but the protocol goes to stdout."""
    try:
        from .mcp_server import build_server
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        raise Diagnostic(
            "the package mcp is not installed", hint="pip install 'liftproof[mcp]'"
        ) from error
    options.json = False
    build_server().run("stdio")
    return {}, ACCEPTED
