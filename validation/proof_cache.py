"""Proofs kept on disk: a pair of programs that was proved need not be proved again.

Only proofs with a certificate are kept, so each can be checked again (``recheck``). The key is a
hash of all that a proof depends on: the text of both programs, the machine, the limits, the solver,
and the sources of the validator and of the semantics. A change of any of them finds nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import z3
from xdsl.dialects.builtin import ModuleOp

from ..hw.gemmini.config import GemminiConfig
from ..hw.trainium.config import TrainiumConfig
from .core.certificate_json import certificate_text
from .limits import ValidationOptions
from .validate import Validation

KEPT = 2000
"""Proofs that the file keeps, the latest ones; some 10 kB each."""
BUSY_SECONDS = 5.0
"""How long another process may hold the file before it is left alone."""
_TABLE = "CREATE TABLE IF NOT EXISTS proofs (key BLOB PRIMARY KEY, proof BLOB NOT NULL)"
_PROVERS = ("validation", "dialects", "hw")
"""Folders of this package whose sources decide what a proof is worth."""


@dataclass(frozen=True)
class KeptProof:
    """What is known of a proof that was made before."""

    assumptions: tuple[str, ...]
    obligations: int
    solver: str
    certificate: str
    """As ``--certificate`` writes it."""

    def validation(self) -> Validation:
        """The verdict, without the analysis of the programs."""
        return Validation("proved", self.assumptions, self.obligations, self.solver, 0.0, 0.0)


def default_folder() -> Path:
    """Where proofs are kept: the user's folder for caches (XDG base directories)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "liftproof"


class ProofCache:
    """Proofs in one SQLite file. A file that cannot be used is as good as an empty one."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or default_folder()) / "proofs.sqlite"

    def find(self, key: bytes) -> KeptProof | None:
        """The proof with this key, if there is one."""
        with suppress(OSError, sqlite3.Error, zlib.error, ValueError, TypeError, KeyError):
            if not self._path.is_file():
                return None
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as file:
                found = file.execute("SELECT proof FROM proofs WHERE key = ?", (key,)).fetchone()
            if found is not None:
                fields = json.loads(zlib.decompress(found[0]))
                return KeptProof(**(fields | {"assumptions": tuple(fields["assumptions"])}))
        return None

    def keep(self, key: bytes, result: Validation, about: dict[str, str]) -> None:
        """Keep a proof; anything else is not kept."""
        if result.verdict != "proved" or result.certificate is None:
            return
        text = certificate_text(result.certificate, about)
        proof = KeptProof(result.assumptions, result.obligations, result.solver, text)
        content = zlib.compress(json.dumps(asdict(proof)).encode())
        with suppress(OSError, sqlite3.Error):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as file, file:
                file.execute(_TABLE)
                file.execute("INSERT OR REPLACE INTO proofs VALUES (?, ?)", (key, content))
                file.execute(
                    "DELETE FROM proofs WHERE rowid <= (SELECT MAX(rowid) FROM proofs) - ?",
                    (KEPT,),
                )


def proof_key(
    source: ModuleOp,
    target: ModuleOp,
    config: GemminiConfig,
    options: ValidationOptions,
    neuron: TrainiumConfig | None = None,
) -> bytes:
    """The hash of all that a proof of these two programs depends on."""
    programs = [_exact_text(module) for module in (source, target)]
    parts = (prover_digest(), repr(config), repr(neuron), str(options.resource_limit), *programs)
    return sha256(b"".join(sha256(part.encode()).digest() for part in parts)).digest()


def _exact_text(module: ModuleOp) -> str:
    """The program as text, and its attributes as Python shows them: no digit of a float is lost."""
    attributes = (
        f"{name} = {attribute!r}"
        for op in module.walk()
        for name, attribute in (*op.attributes.items(), *op.properties.items())
    )
    return "\n".join([str(module), *attributes])


@cache
def prover_digest() -> str:
    """A hash of the sources of validator and semantics, and the versions of what they use."""
    package = Path(__file__).parent.parent
    digest = sha256()
    for name in ("liftproof", "xdsl", "islpy", "numpy"):
        digest.update(f"{name} {version(name)}\0".encode())
    digest.update(z3.get_full_version().encode())
    for path in sorted(path for room in _PROVERS for path in (package / room).rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()
