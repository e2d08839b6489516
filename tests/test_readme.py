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
from liftproof.tools.cli import main as liftproof
from liftproof.tools.opt import main as liftproof_opt

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = {"liftproof": liftproof, "liftproof-opt": liftproof_opt}
MAY_FAIL = " || true"
"""Behind commands whose exit status says that a program was refuted."""
FILE = re.compile(r"^```\w+ title=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def name_of(document: Path) -> str:
    """How a test calls a document."""
    return str(document.relative_to(ROOT))


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


def run_in_a_shell(command: str, folder: Path) -> tuple[int, str]:
    """Exit status and output of a command as a user types it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def run_here(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The same in this process, which has imported everything already."""
    program, *arguments = shlex.split(command)
    status = PROGRAMS[program](arguments)
    done = capsys.readouterr()
    return status or 0, done.out + done.err


def needs_a_shell(command: str) -> bool:
    """Whether a command is not just one of our programs with arguments."""
    return command.split()[0] not in PROGRAMS or re.search(r"[|&;<>$*`]", command) is not None


def headings(document: Path) -> set[str]:
    """The names by which links refer to the headings of a document."""
    found = re.findall(r"^#+ (.*)", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_what_the_document_names_exists(document: Path) -> None:
    """Links lead to files and headings, and files of the repository have the names given."""
    text = document.read_text(encoding="utf-8")
    prose = re.sub(r"`[^`\n]*`", "", text)
    for path, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", prose):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not heading or heading in headings(target), heading
    for path in re.findall(r"`((?:\w+/)+[\w*]+\.(?:py|lark|txt|toml))`", text):
        assert list(ROOT.glob(path)), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_of_the_document_run(
    document: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every command of the document exits with 0 and prints the lines that are shown.

    The README's first one is a process of its own, as are all that need a shell.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("examples", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILE.findall(document.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for number, (command, shown) in enumerate(commands(document)):
        if shlex.split(command)[0] in ("git", "cd", "make"):
            continue  # what `make demo` and `make test` do is what runs here
        plain = command.removesuffix(MAY_FAIL)
        if (document, number) == (DOCUMENTS[0], 0) or needs_a_shell(plain):
            status, output = run_in_a_shell(command, tmp_path)
        else:
            status, output = run_here(plain, capsys)
        assert status == 0 or plain != command, f"{command}\n{output}"
        for line in shown:
            assert re.search(pattern_of(line), output), f"{command}\nmissing: {line}\n{output}"
