"""The README is a contract: every command in it runs and prints what it shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^```\w+ title=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(document: Path) -> list[tuple[str, list[str]]]:
    """Each ``$ command`` of the console blocks, with the output lines shown under it."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall(document.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and line.strip():
                found[-1][1].append(line)
    return found


def pattern_of(shown: str) -> str:
    """A regular expression for a shown line: ``…`` is anything, seconds may differ."""
    text = re.escape(shown.rstrip()).replace("…", ".*").replace(r"\ ", r"\s+")
    return re.sub(r"\d+\\\.\d+(?=(\\s\+|\\ )s\b)", r"\\d+\\.\\d+", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_of_the_document_run(document: Path, tmp_path: Path) -> None:
    """Every command of the document exits with 0 and prints the lines that are shown."""
    for name in ("examples", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILE.findall(document.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command, shown in commands(document):
        if shlex.split(command)[0] in ("git", "cd", "make"):
            continue  # what `make demo` and `make test` do is what runs here
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}\n{output}"
        for line in shown:
            assert re.search(pattern_of(line), output), f"{command}\nmissing: {line}\n{output}"
