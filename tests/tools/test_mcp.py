"""The protocol server: an agent reaches every command, and stdout holds only the protocol."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")
from mcp import Client, StdioServerParameters

ROOT = Path(__file__).parents[2]
KERNEL = str(ROOT / "examples" / "matmul_17x16x16.c")
BASE = str(ROOT / "tests" / "llm" / "attacks" / "base.c")
SERVE = "import sys; from liftproof.tools.cli import main; sys.exit(main(['mcp']))"


def talk(conversation: Callable[[Client], Awaitable[Any]]) -> Any:
    """Run a conversation with a server process of its own."""

    async def run() -> Any:
        from mcp.client.stdio import stdio_client

        server = StdioServerParameters(command=sys.executable, args=["-c", SERVE])
        async with Client(stdio_client(server)) as client:
            return await conversation(client)

    return asyncio.run(asyncio.wait_for(run(), 120))


def test_tools_are_listed_and_answer() -> None:
    """Passes are listed, programs are timed, explained and validated, searches can be polled."""

    async def conversation(client: Client) -> dict[str, Any]:
        async def call(name: str, **arguments: Any) -> Any:
            return (await client.call_tool(name, arguments)).structured_content

        return {
            "tools": {tool.name for tool in (await client.list_tools()).tools},
            "passes": await call("list_passes"),
            "simulated": await call("simulate", program=BASE),
            "explained": await call("explain", program=BASE),
            "refused": await call("lift", kernel="/no/such/file.c"),
            "polled": await call("search_poll", search="nothing"),
        }

    found = talk(conversation)
    assert found["tools"] == {
        "list_passes",
        "opt",
        "lift",
        "validate",
        "simulate",
        "explain",
        "search_submit",
        "search_poll",
    }
    assert any("gemmini-tile" in line for line in found["passes"]["result"])
    assert found["simulated"]["cycles"] > 0
    assert "cycles for" in found["explained"]["result"]
    assert found["refused"]["status"] == 1
    assert "no such file" in found["refused"]["diagnostics"]
    assert found["polled"] == {"state": "unknown"}


def test_search_runs_in_the_background(tmp_path: Path) -> None:
    """A search is submitted once for equal questions, polled, and ends with its report."""
    kernel = str(ROOT / "examples" / "matmul_1x1x1.c")

    async def conversation(client: Client) -> tuple[str, str, dict[str, Any]]:
        async def call(name: str, **arguments: Any) -> Any:
            return (await client.call_tool(name, arguments)).structured_content

        asked = {"kernel": kernel, "out": str(tmp_path), "budget": 1}
        first = (await call("search_submit", **asked))["result"]
        second = (await call("search_submit", **asked))["result"]
        report = await call("search_poll", search=first)
        while report["state"] == "running":
            await asyncio.sleep(0.2)
            report = await call("search_poll", search=first)
        return first, second, report

    first, second, report = talk(conversation)
    assert first == second
    assert (report["state"], report["status"], report["verdict"]) == ("done", 0, "proved")
    assert (tmp_path / "kernel.mlir").exists()


def test_agents_cannot_smuggle_options_or_programs() -> None:
    """File names that are options are refused, and so are passes that would run a program."""

    async def conversation(client: Client) -> list[Any]:
        shell = 'mlir-opt{executable="/bin/sh" arguments="-c","id"}'
        right = {"file": KERNEL, "pipeline": "lift-loops,gemmini-lower-linalg,canonicalize,cse"}
        return [
            await client.call_tool("lift", {"kernel": "--help"}),
            await client.call_tool("opt", {"file": KERNEL, "pipeline": shell}),
            await client.call_tool("opt", {"file": KERNEL, "pipeline": f"lift-loops,{shell}"}),
            await client.call_tool("simulate", {"program": BASE, "config": "/etc/passwd"}),
            await client.call_tool("search_submit", {"kernel": KERNEL, "out": "x", "budget": 0}),
            await client.call_tool("opt", right),
        ]

    *wrong, right = talk(conversation)
    reasons = ("no file name", "no pass", "no pass", "config is one of", "at least 1")
    for found, reason in zip(wrong, reasons, strict=True):
        assert found.is_error
        assert reason in found.content[0].text
    assert "tile.matmul" in right.structured_content["ir"]
