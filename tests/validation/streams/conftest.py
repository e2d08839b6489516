"""ISA-level programs that have no hazard, and the checker on texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from liftproof.dialects.context import new_context
from liftproof.hw.trainium.config import load_config
from liftproof.validation.hazards.streams import StreamHazard, find_stream_hazard
from xdsl.dialects import func
from xdsl.parser import Parser

Find = Callable[..., StreamHazard | None]
PROGRAMS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in (Path(__file__).parent / "programs").glob("*.mlir")
}
_CHECKED = Path(__file__).parents[2] / "filecheck/dialects/trn/isa.mlir"
PROGRAMS["product"] = "\n".join(
    line
    for line in _CHECKED.read_text(encoding="utf-8").splitlines()
    if not line.lstrip().startswith("//")
)


def parse(text: str) -> func.FuncOp:
    """The only function in IR text, verified."""
    module = Parser(new_context(), text).parse_module()
    module.verify()
    (function,) = (op for op in module.body.block.ops if isinstance(op, func.FuncOp))
    return function


def find(text: str, config: str = "trainium1") -> StreamHazard | None:
    return find_stream_hazard(parse(text), load_config(config))


@pytest.fixture(name="find_hazard")
def _find_hazard() -> Find:
    return find


@pytest.fixture
def programs() -> dict[str, str]:
    """Programs without a hazard, by name."""
    return PROGRAMS
