"""What a run prints while it goes on: one line a stage, and a progress bar on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ..llm.search import SearchState
from .optimize import Listener


class TerminalListener(Listener):
    """Prints stages to stdout; the progress bar goes to stderr and vanishes when it is done."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("[bold]search    [/]"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("candidates   {task.description}"),
            console=Console(stderr=True),
            transient=True,
            disable=quiet or not Console(stderr=True).is_terminal,
        )
        self.task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def stage(self, name: str, text: str) -> None:
        self.bar.stop()
        self.console.print(f"[bold]{name:<10}[/] {escape(text)}")

    def searching(self, state: SearchState, budget: int) -> None:
        if self.task is None:
            self.bar.start()
            self.task = self.bar.add_task("", total=budget)
        best = "" if state.best is None else f"best {state.best.cycles_text} cycles"
        self.bar.update(self.task, completed=state.evaluated, description=best)

    def paragraph(self, text: str) -> None:
        """Print a paragraph of prose under the stages."""
        self.console.print(f"\n{escape(text)}")
