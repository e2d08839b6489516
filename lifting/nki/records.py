"""Classes of a kernel's file, such as a dataclass of tile sizes, and their objects."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from .source import NkiError
from .values import Function, Partial, Record, RecordClass

if TYPE_CHECKING:
    from .expressions import Expressions

PROPERTIES = ("property", "cached_property")


def read_class(reader: Expressions, node: ast.ClassDef) -> RecordClass:
    """A class of fields and methods; of its bases, only classes of the file matter."""
    fields, defaults, methods = list[str](), dict[str, Any](), dict[str, Function]()
    for base in _known_bases(reader, node):
        fields.extend(base.fields)
        defaults.update(base.defaults)
        methods.update(base.methods)
    for part in node.body:
        if isinstance(part, ast.Pass | ast.Expr):
            continue
        if isinstance(part, ast.FunctionDef):
            methods[part.name] = reader.function(part)
            continue
        target = part.target if isinstance(part, ast.AnnAssign) else None
        if isinstance(part, ast.Assign) and len(part.targets) == 1:
            target = part.targets[0]
        if not isinstance(part, ast.Assign | ast.AnnAssign) or not isinstance(target, ast.Name):
            reader.source.refuse(
                part, "a class lists fields and methods", "write functions instead"
            )
        if target.id not in fields:
            fields.append(target.id)
        if part.value is not None:
            defaults[target.id] = reader.evaluate(part.value)
    names = [ast.unparse(base).split(".")[-1] for base in node.bases]
    return RecordClass(node.name, tuple(fields), defaults, methods, "NamedTuple" in names)


def _known_bases(reader: Expressions, node: ast.ClassDef) -> list[RecordClass]:
    found = list[RecordClass]()
    for base in node.bases:
        try:
            value = reader.evaluate(base)
        except NkiError:
            continue
        if isinstance(value, RecordClass):
            found.append(value)
    return found


def construct(
    reader: Expressions, kind: RecordClass, given: list[Any], named: dict[str, Any], node: ast.AST
) -> Record:
    """A new object: from ``__init__``, else its fields are the arguments or the defaults."""
    record = Record(kind, reader.language.new_dict(dict(kind.defaults)))
    if "__init__" in kind.methods:
        reader.inline(kind.methods["__init__"], [record, *given], named, node)
        return record
    values = record.values
    values.update(zip(kind.fields, given, strict=False))
    values.update(named)
    missing = [name for name in kind.fields if name not in values]
    if missing or len(given) > len(kind.fields) or set(values) - set(kind.fields):
        reader.source.refuse(node, f"{kind.name} has the fields {', '.join(kind.fields)}")
    if "__post_init__" in kind.methods:
        reader.inline(kind.methods["__post_init__"], [record], {}, node)
    return record


def has_attribute(value: Record | RecordClass, name: str) -> bool:
    kind = value.kind if isinstance(value, Record) else value
    values = value.values if isinstance(value, Record) else value.defaults
    return name in values or name in kind.methods


def attribute(reader: Expressions, value: Record | RecordClass, name: str, node: ast.AST) -> Any:
    """A field, a property, or a method bound to its object; ``has_attribute`` has found it."""
    kind = value.kind if isinstance(value, Record) else value
    values = value.values if isinstance(value, Record) else value.defaults
    if name in values:
        return values[name]
    method = kind.methods[name]
    assert isinstance(method.node, ast.FunctionDef)
    marks = {ast.unparse(mark).split(".")[-1] for mark in method.node.decorator_list}
    if "staticmethod" in marks:
        return method
    if "classmethod" in marks:
        return Partial(method, (kind,), {})
    if isinstance(value, RecordClass):
        return method
    if marks & set(PROPERTIES):
        return reader.inline(method, [value], {}, node)
    return Partial(method, (value,), {})
