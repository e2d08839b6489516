"""Small programs of the Trainium dialect, accepted or refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from liftproof.dialects.context import new_context
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException


def verify(*lines: str) -> None:
    """Parse and verify a function of these operations."""
    body = "\n".join(lines)
    Parser(
        new_context(), f"func.func @f(%i : index) {{\n{body}\nfunc.return\n}}"
    ).parse_module().verify()


def refuse(rule: str, *lines: str) -> None:
    with pytest.raises((VerifyException, ParseError), match=re.escape(rule)):
        verify(*lines)


def tiles(**shapes: str) -> list[str]:
    """Views ``%name`` of buffers; a shape is ``128x4xf32``, with ``@psum`` or ``@hbm`` at will."""
    lines: list[str] = []
    for name, described in shapes.items():
        shape, _, space = described.partition("@")
        kind = f"memref<{shape}, #trn<space {space or 'sbuf'}>>"
        zeros = ", ".join("0" for _ in shape.split("x")[:-1])
        lines.append(f"%{name}_buffer = memref.alloc() : {kind}")
        lines.append(
            f"%{name} = trn.view %{name}_buffer[{zeros}] : {kind} to"
            f" !trn.view<{space or 'sbuf'}, {shape}>"
        )
    return lines


def instruction(text: str, shapes: dict[str, str]) -> list[str]:
    """The views, and an instruction in whose text ``{name}`` stands for the type of ``%name``."""
    types: dict[str, str] = {}
    for name, described in shapes.items():
        shape, _, space = described.partition("@")
        types[name] = f"!trn.view<{space or 'sbuf'}, {shape}>"
    return [*tiles(**shapes), text.format(**types)]


@pytest.fixture(name="verify")
def _verify() -> Callable[..., None]:
    return verify


@pytest.fixture(name="refuse")
def _refuse() -> Callable[..., None]:
    return refuse


@pytest.fixture(name="tiles")
def _tiles() -> Callable[..., list[str]]:
    return tiles


@pytest.fixture(name="instruction")
def _instruction() -> Callable[..., list[str]]:
    return instruction
