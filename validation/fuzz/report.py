"""Counts of a fuzz run, by operator."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .judge import FAULTS, UNDECIDED, Judgement, Outcome


@dataclass
class Report:
    """Outcomes by operator, and every case that deserves a look."""

    counts: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    notes: list[str] = field(default_factory=list[str])
    """Outcome, case, operator, change and reason of faults and of undecided cases."""
    skipped: list[str] = field(default_factory=list[str])
    """Sources that could not be analysed: nothing was judged."""
    seconds: float = 0.0

    def add(self, operator: str, judgement: Judgement, case: str) -> None:
        self.counts.setdefault(operator, Counter())[judgement.outcome] += 1
        if judgement.outcome in (*FAULTS, *UNDECIDED):
            self.notes.append(f"{judgement.outcome}: {case} | {judgement.reason}")

    def merge(self, other: Report) -> None:
        for operator, counter in other.counts.items():
            self.counts.setdefault(operator, Counter()).update(counter)
        self.notes += other.notes
        self.skipped += other.skipped
        self.seconds += other.seconds

    @property
    def total(self) -> int:
        return sum(counter.total() for counter in self.counts.values())

    def count(self, *outcomes: Outcome) -> int:
        return sum(counter[each] for counter in self.counts.values() for each in outcomes)

    @property
    def decided(self) -> float:
        """The share of cases with a verdict that is not ``unknown``."""
        return 1 - self.count(*UNDECIDED) / self.total if self.total else 1.0

    @property
    def is_sound(self) -> bool:
        return self.count(*FAULTS) == 0

    def table(self) -> str:
        """One line per operator, one column per outcome that occurred."""
        columns = [outcome for outcome in Outcome if self.count(outcome)]
        width = max([len(name) for name in self.counts] + [8])
        lines = [" ".join([f"{'operator':{width}}", *(f"{c:>14}" for c in columns)])]
        for name, counter in sorted(self.counts.items()):
            lines.append(" ".join([f"{name:{width}}", *(f"{counter[c]:14}" for c in columns)]))
        lines.append(" ".join([f"{'total':{width}}", *(f"{self.count(c):14}" for c in columns)]))
        return "\n".join(lines)

    def summary(self) -> str:
        return (
            f"{self.total} cases in {self.seconds:.0f} s, {100 * self.decided:.1f} % decided: "
            f"{self.count(Outcome.ACCEPTED_WRONG)} accepted wrong, "
            f"{self.count(Outcome.REJECTED_RIGHT)} rejected right, "
            f"{self.count(Outcome.CONTRADICTION)} contradictions of the engines, "
            f"{self.count(Outcome.CRASH)} crashes; "
            f"{len(self.skipped)} sources skipped"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "counts": self.counts,
            "notes": self.notes,
            "skipped": self.skipped,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Report:
        counts = {name: Counter(counter) for name, counter in value["counts"].items()}
        return cls(counts, value["notes"], value["skipped"], value["seconds"])
