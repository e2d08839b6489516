"""Machine code that never outlives the source it was compiled from.

numba caches a function by its own source and its closure only, not by what it calls. So the digest
of all sources that a compiled entry depends on is made part of its closure.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path


def source_digest(paths: Sequence[str | Path]) -> int:
    """A number that changes with the contents of the files."""
    text = b"".join(Path(path).read_bytes() for path in paths)
    return int.from_bytes(sha256(text).digest()[:7], "big")
