"""Read a program from a file: C, IR of any level, or a command stream."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import FileLineColLoc, IntAttr, ModuleOp, StringAttr, UnknownLoc
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.utils.exceptions import DiagnosticException, ParseError

from ..diagnostics import Diagnostic, SourceLocation
from ..dialects.context import new_context
from ..hw.gemmini.config import GemminiConfig, load_config
from ..hw.gemmini.rocc import read_rocc
from ..hw.stream import CommandStream
from ..lifting.c.frontend import parse_c_kernel
from ..lifting.machine_c import is_machine_c, read_machine_c

MAX_BYTES = 64 << 20
MAX_NESTING = 400
"""Brackets that may be open at once: xDSL's parser is recursive, and so must be bounded."""
C_SUFFIXES = (".c", ".cc", ".cpp")
SUPPORTED = (
    "supported: .c (kernel), .mlir (IR of any level), .rocc (command stream), .py (NKI kernel, with"
    " a Trainium configuration)"
)
SHAPES_OF_NKI = "--shape is about the parameters of NKI kernels (.py)"


def read_text(path: str) -> str:
    """The text of a file; raises ``Diagnostic`` where it is missing, too large, or not text."""
    file = Path(path)
    if not file.exists():
        raise Diagnostic(f"{path}: no such file")
    if not file.is_file():
        raise Diagnostic(f"{path}: not a file")
    if file.stat().st_size > MAX_BYTES:
        raise Diagnostic(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Diagnostic(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Diagnostic(f"{path}: not a text file (byte {error.start})") from error
    if "\0" in text:
        raise Diagnostic(f"{path}: not a text file (it holds a NUL)")
    return text


def read_c(path: str) -> str:
    """The text of a C file."""
    if (suffix := Path(path).suffix) not in C_SUFFIXES:
        raise Diagnostic(f"{path}: a C kernel is needed ({', '.join(C_SUFFIXES)}), not {suffix!r}")
    return read_text(path)


def read_module(
    path: str, config: GemminiConfig | None = None, like: ModuleOp | None = None
) -> ModuleOp:
    """The program in a ``.c`` or ``.mlir`` file as a verified module.

    C that calls the macros of ``gemmini.h`` is machine C, and becomes ISA IR for ``config``; it
    takes extents that it leaves open from the program ``like``.
    """
    text = read_text(path)
    suffix = Path(path).suffix
    if suffix in C_SUFFIXES:
        if is_machine_c(text):
            return read_machine_c(text, path, config or load_config(), like)
        return parse_c_kernel(text, path)
    if suffix != ".mlir":
        raise Diagnostic(f"{path}: unknown kind of file {suffix!r}", hint=SUPPORTED)
    return parse_mlir(text, path)


class LocatingParser(Parser):
    """A parser that notes the place of each operation that does not give its location."""

    def __init__(self, context: Context, text: str, path: str) -> None:
        super().__init__(context, text, path)
        self._file = StringAttr(path)
        self._line_starts = [0, *(place + 1 for place, c in enumerate(text) if c == "\n")]

    def parse_operation(self) -> Operation:
        start = self.pos
        operation = super().parse_operation()
        if isinstance(operation.location, UnknownLoc):
            line = bisect_right(self._line_starts, start)
            column = start - self._line_starts[line - 1] + 1
            operation.location = FileLineColLoc(self._file, IntAttr(line), IntAttr(column))
        return operation


def parse_mlir(text: str, path: str) -> ModuleOp:
    """Parse and verify IR text; raises ``Diagnostic`` with the place of the first fault."""
    if not text.strip():
        raise Diagnostic("the file is empty", SourceLocation(path, 1, 1))
    _check_nesting(text, path)
    try:
        module = LocatingParser(new_context(), text, path).parse_module()
        module.verify()
    except ParseError as error:
        line = text.count("\n", 0, error.span.start) + 1
        column = error.span.start - text.rfind("\n", 0, error.span.start)
        message = error.msg or "syntax error"
        raise Diagnostic(message, SourceLocation(path, line, column)) from error
    except DiagnosticException as error:
        raise Diagnostic(f"{path}: {error}") from error
    return module


def _check_nesting(text: str, path: str) -> None:
    depth = 0
    for position, character in enumerate(text):
        if character in "([{<":
            depth += 1
        elif character in ")]}" or (character == ">" and text[position - 1] != "-"):
            depth -= 1
        if depth > MAX_NESTING:
            line = text.count("\n", 0, position) + 1
            raise Diagnostic(f"over {MAX_NESTING} open brackets", SourceLocation(path, line, 1))


def read_stream(path: str, config: GemminiConfig) -> CommandStream:
    """The commands in a ``.rocc`` file."""
    return read_rocc(read_text(path), path, config)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of an ``.npz`` file; pickled objects are refused, not executed."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, AttributeError, EOFError, BadZipFile) as error:
        raise Diagnostic(
            f"{path}: not an .npz file of arrays", hint="numpy.savez(file, A=…, B=…) writes one"
        ) from error
