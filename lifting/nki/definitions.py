"""What a kernel's file defines outside of its functions: imports, constants, classes.

A statement that is not understood leaves the names that it may have changed unreadable, so that
no older value is taken for theirs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .index import UnrollRequest
from .source import NkiError
from .values import Record, Unreadable

if TYPE_CHECKING:
    from .reader import KernelReader

SIMPLE = (
    ast.FunctionDef,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
)


def read_definitions(reader: KernelReader) -> None:
    """Bind what the file defines, as if it was imported."""
    reader.scopes.write("__name__", "kernel")
    reader.is_defining = True
    for node in reader.source.tree.body:
        _define(reader, node)
    reader.is_defining = False


def _define(reader: KernelReader, node: ast.stmt) -> None:
    if isinstance(node, ast.If):
        try:
            parts = node.body if reader.condition(node.test) else node.orelse
        except (NkiError, TypeError, ValueError, AttributeError) as error:
            location = reader.source.location(node)
            known = error if isinstance(error, NkiError) else NkiError(str(error), location)
            return _forget(reader, node, known)
        for part in parts:
            _define(reader, part)
        return None
    if isinstance(node, ast.Try):  # what handlers are for, such as a missing module, is not here
        for part in (*node.body, *node.orelse, *node.finalbody):
            _define(reader, part)
        return None
    if isinstance(node, SIMPLE) or _is_method_call(node):
        return _attempt(reader, node)
    location = reader.source.location(node)
    return _forget(reader, node, NkiError("this is not understood outside of functions", location))


def _is_method_call(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)


def _attempt(reader: KernelReader, node: ast.stmt) -> None:
    """Do a statement; it must not compute on tiles, which belong to the kernel."""
    block = reader.block_of_kernel
    last, error = block.last_op, None
    try:
        reader.statement(node)
    except NkiError as refusal:
        error = refusal
    except UnrollRequest:
        error = NkiError("this depends on a loop", reader.source.location(node))
    if block.last_op is not last and error is None:
        error = NkiError("tiles outside of the kernel", reader.source.location(node))
    while block.last_op is not last and block.last_op is not None:
        op = block.last_op
        op.detach()
        op.erase(safe_erase=False)
    if error is not None:
        _forget(reader, node, error)


def _forget(reader: KernelReader, node: ast.stmt, error: NkiError) -> None:
    frame = reader.scopes.frame
    for name, is_bound in _changed(node):
        if is_bound or isinstance(frame.get(name), list | dict | Record):
            frame[name] = Unreadable(error)


def _changed(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """Names that a statement may bind, and names of what it may change by methods or elements."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name, True
        return
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id, True
    if isinstance(node, ast.Attribute | ast.Subscript):
        root = node.value
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if isinstance(root, ast.Name):
            yield root.id, False
    for child in ast.iter_child_nodes(node):
        yield from _changed(child)
