"""A Model Context Protocol server: the commands as tools for coding agents.

Every tool runs a command line of Liftproof in a process of its own, so that a crash or a limit of
one call cannot hurt another, and nothing but the protocol reaches the server's stdout.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import DEFAULT_CONFIG, named_configs
from ..hw.gemmini.timing import Level
from ..llm.render import pass_items
from ..llm.untrusted_pipeline import read_untrusted_pipeline

RUN_TOOL = "import sys; from liftproof.tools.{module} import main; sys.exit(main())"
LIFT = "lift-loops"
"""The pass from C to tensor IR: safe, but no part of a schedule."""
STDERR_SHOWN = 4000
"""Characters of a command's diagnostics that an agent gets."""

Report = dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """What a command printed, and how it ended (see ``exit_status``)."""

    status: int
    output: str
    diagnostics: str

    def report(self) -> Report:
        """Its JSON report; without one, the diagnostics."""
        found: Report = json.loads(self.output) if self.output.strip() else {}
        if self.diagnostics:
            found["diagnostics"] = self.diagnostics[-STDERR_SHOWN:]
        return {**found, "status": self.status}


async def command(*arguments: str, module: str = "cli") -> Finished:
    """Run ``liftproof`` (or the tool in ``module``) with ``arguments``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        RUN_TOOL.format(module=module),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, diagnostics = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return Finished(process.returncode or 0, output.decode(), diagnostics.decode())


def file_name(text: str) -> str:
    """The name of a file; raises ``ToolError`` for what a command would take for an option."""
    if text.startswith("-") or not text.strip():
        raise ToolError(f"{text!r} is no file name")
    return text


def config_name(text: str) -> str:
    """The name of a configuration; raises ``ToolError`` for other names, which could be files."""
    if text not in named_configs():
        raise ToolError(f"config is one of {', '.join(named_configs())}, not {text!r:.80}")
    return text


def admitted(pipeline: str, config: str) -> str:
    """A pipeline whose passes run no programs and read no files; else raises ``ToolError``."""
    first, _, rest = pipeline.partition(",")
    if pipeline.strip() == LIFT:
        return pipeline
    try:
        read_untrusted_pipeline(rest if first.strip() == LIFT else pipeline, config)
    except Diagnostic as diagnostic:
        raise ToolError(diagnostic.message) from diagnostic
    return pipeline


class Searches:
    """Searches that were submitted, by the hash of what was asked."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Finished]] = {}

    def submit(self, kernel: str, arguments: list[str]) -> str:
        """Start a search, or find the one that was started with the same content."""
        path = Path(kernel)
        content = path.read_bytes() if path.is_file() else b""
        asked = json.dumps([kernel, *arguments]).encode() + content
        name = hashlib.sha256(asked).hexdigest()[:12]
        if name not in self._tasks:
            run = command("optimize", kernel, "--json", *arguments)
            self._tasks[name] = asyncio.create_task(run)
        return name

    def poll(self, name: str) -> Report:
        """The report of a search that has ended, or that it is still running."""
        task = self._tasks.get(name)
        if task is None:
            return {"state": "unknown"}
        return {"state": "done", **task.result().report()} if task.done() else {"state": "running"}


def build_server() -> MCPServer:
    """The server with its tools; ``run`` speaks over stdin and stdout."""
    server: MCPServer = MCPServer(
        "liftproof",
        version=version("liftproof"),
        instructions="Optimizes C kernels for tensor accelerators; every result is proven.",
    )
    searches = Searches()

    @server.tool()
    def list_passes() -> list[str]:
        """The schedule passes with their options and what they do."""
        return [item.about for item in pass_items()]

    @server.tool()
    async def opt(file: str, pipeline: str, config: str = DEFAULT_CONFIG) -> Report:
        """Apply a pass pipeline to a .c or .mlir file; returns the IR.

        A C kernel begins with lift-loops. Only passes of list_passes and clean-ups are admitted,
        and only the machine config.
        """
        passes = admitted(pipeline, config_name(config))
        done = await command(file_name(file), "-p", passes, module="opt")
        return {"status": done.status, "ir": done.output, "diagnostics": done.diagnostics}

    @server.tool()
    async def lift(kernel: str) -> Report:
        """Lift a C kernel to tensor IR, with a proof."""
        return (await command("lift", file_name(kernel), "--json")).report()

    @server.tool()
    async def validate(source: str, target: str, config: str = DEFAULT_CONFIG) -> Report:
        """Is the program target a refinement of the program source? Proved, refuted or unknown."""
        programs = file_name(source), file_name(target)
        choices = ["--config", config_name(config), "--json"]
        return (await command("validate", *programs, *choices)).report()

    @server.tool()
    async def simulate(program: str, config: str = DEFAULT_CONFIG, level: Level = "soc") -> Report:
        """Count the cycles of a program (.mlir, .c or .rocc), and what its units waited for.

        At the level soc, the core issues the commands and memory has caches; accelerator is the
        accelerator alone.
        """
        choices = ["--config", config_name(config), "--level", level, "--timing-only", "--json"]
        return (await command("simulate", file_name(program), *choices)).report()

    @server.tool()
    async def explain(program: str, config: str = DEFAULT_CONFIG, level: Level = "soc") -> str:
        """Say in words where the cycles of a program go, and what to try next."""
        report = await simulate(program, config, level)
        return str(report.get("summary") or report.get("diagnostics"))

    @server.tool()
    async def search_submit(
        kernel: str, out: str, budget: int = 64, seed: int = 0, config: str = DEFAULT_CONFIG
    ) -> str:
        """Start optimizing a C kernel into the folder out; returns an id for search_poll.

        budget is how many programs are evaluated.
        """
        if budget < 1:
            raise ToolError(f"a budget is at least 1, not {budget}")
        choices = ["--out", file_name(out), "--config", config_name(config)]
        choices += ["--budget", str(budget), "--seed", str(seed)]
        return searches.submit(file_name(kernel), choices)

    @server.tool()
    async def search_poll(search: str) -> Report:
        """The report of a search, once it is done."""
        return searches.poll(search)

    return server
