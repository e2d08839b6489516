"""Which operations of the two programs a counterexample is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import Operation

from ..hw.locations import location_of
from .core.certificate import FlowCertificate
from .core.condition import TRUE
from .core.index import Index, constant_index
from .core.polyhedral import Program, Statement, describe


@dataclass(frozen=True)
class Explanation:
    """An operation of each program, as text and as ``file:line:column``; empty where not known."""

    instruction: str = ""
    """Of the target: where the first failed obligation belongs."""
    instruction_place: str = ""
    source_operation: str = ""
    """Of the source: what computes the differing element."""
    source_place: str = ""


def place_of(operation: Operation | None) -> str:
    """``file:line:column`` of an operation, if it is known."""
    return "" if operation is None else str(location_of(operation) or "")


def explain(instruction: Operation | None, source_operation: Operation | None) -> Explanation:
    return Explanation(
        describe(instruction),
        place_of(instruction),
        describe(source_operation),
        place_of(source_operation),
    )


def last_writer(
    program: Program,
    certificate: FlowCertificate,
    position: int,
    element: tuple[int, ...],
    sizes: dict[str, int],
) -> Operation | None:
    """The operation whose value an element of an output has at the end.

    ``sizes`` gives the values of the program's symbols by name.
    """
    final = program.outputs.get(position)
    if final is None or len(final.dims) != len(element):
        return None
    values = {
        dim.name: constant_index(place) for dim, place in zip(final.dims, element, strict=True)
    }
    values |= {name: constant_index(size) for name, size in sizes.items()}
    writers = {statement.name: statement for statement in program.statements}
    for source in certificate.sources.get((final.name, 0), ()):
        if source.condition.replace(values) == TRUE:
            writer = writers.get(source.writer)
            point = [index.replace(values) for index in source.point]
            return None if writer is None else _origin(program, writer, point)
    return None


def _origin(program: Program, writer: Statement, point: Sequence[Index]) -> Operation | None:
    """The operation behind a statement at one of its points."""
    rolled = program.rolled.get(writer.name)
    if rolled is None:
        return writer.origin
    place = {dim.name: index.constant for dim, index in zip(writer.dims, point, strict=True)}
    return rolled.origins.get(tuple(place.get(name, 0) for name in rolled.counters))
