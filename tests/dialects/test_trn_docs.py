"""The reference of the Trainium dialect is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from liftproof.dialects.trn import TRN, EngineInstruction

REFERENCE = Path(__file__).parents[2] / "docs/trainium.md"


@pytest.fixture(scope="module")
def reference() -> str:
    return REFERENCE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [op.name for op in TRN.operations])
def test_every_operation_is_described(name: str, reference: str) -> None:
    """docs/trainium.md names each operation, in code font."""
    short = name.removeprefix("trn.")
    assert re.search(rf"`(trn\.)?{short}\b", reference), name


def test_the_engines_are_those_of_the_verifier(reference: str) -> None:
    """The engines column of the table lists each instruction's engines, the usual one first."""
    engines = {
        op.name.removeprefix("trn."): ", ".join(op.ENGINES)
        for op in TRN.operations
        if issubclass(op, EngineInstruction)
    }
    found = 0
    for line in reference.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = cells[0].split(",")[0].strip("`")
        if name in engines and len(cells) == 5:
            assert cells[2] == engines[name], name
            found += 1
    assert found > 25
