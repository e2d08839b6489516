"""Certificates: what the untrusted oracle claims and the checker verifies. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from .condition import TRUE, Condition
from .index import Index


@dataclass(frozen=True)
class Source:
    """Where a read finds its value: for reads within ``condition``, in ``writer`` at ``point``.

    ``condition`` and ``point`` are over the reader's dimensions. ``accumulated`` says that
    additions to the element may lie between the writer and the read; the value is then their sum.
    """

    writer: str
    condition: Condition
    point: tuple[Index, ...]
    accumulated: bool = False


@dataclass(frozen=True)
class FlowCertificate:
    """The sources of each read, by statement name and number of the read."""

    sources: dict[tuple[str, int], tuple[Source, ...]] = field(
        default_factory=dict[tuple[str, int], tuple[Source, ...]]
    )


@dataclass(frozen=True)
class Pairing:
    """For additions of ``left`` within ``condition``: the one of ``right`` with the same summand.

    The variables are those of the common context (named by the checker) and the dimensions of the
    statement ``left``; ``point`` gives the dimensions of ``right``.
    """

    left: str
    right: str
    condition: Condition
    point: tuple[Index, ...]


@dataclass(frozen=True)
class SumCertificate:
    """A bijection between the non-zero summands of two sums, in both directions."""

    forward: tuple[Pairing, ...]
    backward: tuple[Pairing, ...]


ReadName = tuple[str, int]
"""A read: the name of the statement and the number of the read."""


@dataclass(frozen=True)
class SumQuestion:
    """Two totals that must be equal: which summand of one is which of the other?"""

    output: int
    """The parameter whose value the totals are part of."""
    left: ReadName
    right: ReadName
    depth: int
    """In how many sums they lie."""
    around: tuple[str, ...]
    """The counters of all of these, which a pairing may name; a total may lie in several sums."""


@dataclass(frozen=True)
class ProofCertificate:
    """All that the oracle contributed to a proof; with it, the proof needs no oracle.

    ``sums`` has a pairing of summands for each two totals that were compared. ``precondition``
    limits the sizes that the proof is about.
    """

    source: FlowCertificate
    target: FlowCertificate
    sums: dict[SumQuestion, SumCertificate]
    precondition: Condition = TRUE


Row = tuple[int, ...]
"""An affine form: a constant, then a factor for each variable."""


@dataclass(frozen=True)
class TermClaim:
    """Terms of a value: one for each point where all rows hold.

    Rows are over the variables of the value's claim and the counters of the adding statement.
    """

    statement: str
    """The adding statement; empty if the term is what the value reads itself."""
    shape: str
    """The term as ``totals.structure`` writes it; its slots are elements of input arrays."""
    equalities: tuple[Row, ...]
    """Forms that are 0."""
    inequalities: tuple[Row, ...]
    """Forms that are not negative."""
    elements: tuple[Row, ...]
    """The row-major number of the element in each slot."""
    box: tuple[tuple[int, int], ...]
    """Least and greatest value of each counter that no equality determines."""


SlotClaims = tuple[TermClaim, ...]
"""All terms of one slot of a value."""


@dataclass(frozen=True)
class ValueClaim:
    """Values that a limit is formed of, or the value of an output element itself.

    There is one at each point where all rows hold. Rows are over the ``counters`` and the output's
    subscripts, in this order; those of ``slots`` go on with the counters of adding statements.
    """

    statement: str
    """The statement whose values the limit combines; empty for the element itself."""
    shape: str
    """The value as ``totals.structure`` writes it."""
    counters: tuple[int, ...]
    """The dimensions of the statement that rows are over."""
    point: tuple[Row, ...]
    """All dimensions of the statement."""
    equalities: tuple[Row, ...]
    inequalities: tuple[Row, ...]
    box: tuple[tuple[int, int], ...]
    """Least and greatest value of each of the ``counters``."""
    slots: tuple[SlotClaims, ...]


@dataclass(frozen=True)
class KindClaim:
    """The output elements whose subscripts meet all rows have values of one shape."""

    shape: str
    equalities: tuple[Row, ...]
    inequalities: tuple[Row, ...]
    values: tuple[ValueClaim, ...]
    """The value itself or, if it is a maximum, the values that it is the greatest of."""


@dataclass(frozen=True)
class SizeCertificate:
    """What the oracle contributed to a proof at a program's sizes (``trace``).

    ``outputs`` says of each output parameter which kinds of elements it has, and what the slots of
    their values are sums of. The target needs no claims: its instructions are executed.
    """

    source: FlowCertificate
    outputs: dict[int, tuple[KindClaim, ...]]


@dataclass(frozen=True)
class InductionCertificate:
    """What the oracle contributed to a proof by induction over recurrences (``recurrences``)."""

    source: FlowCertificate
    target: FlowCertificate
    steps: dict[str, tuple[int, tuple[Index, ...]]]
    """By statement of the target: which recurrence of the source it computes, and which step."""
    cut: ProofCertificate
    """The proof about the programs in which recurrences are cut into steps."""


@dataclass(frozen=True)
class ChainCertificate:
    """What the oracle contributed to a proof that executes both programs (``chains``)."""

    source: FlowCertificate


Certificate: TypeAlias = (
    ProofCertificate | SizeCertificate | InductionCertificate | ChainCertificate
)
