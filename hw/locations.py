"""Where operations stand in the file that they were read from."""

from __future__ import annotations

from xdsl.dialects.builtin import FileLineColLoc
from xdsl.ir import Operation

from ..diagnostics import SourceLocation


def location_of(op: Operation) -> SourceLocation | None:
    """Where an operation stands in its file, if that is known."""
    place = op.location
    if not isinstance(place, FileLineColLoc):
        return None
    return SourceLocation(place.filename.data, place.line.data, place.column.data)
