"""``for (int x : v)`` of C++ as a loop over the subscripts of ``v``."""

from __future__ import annotations

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .rewrite_tree import rebuilt
from .traversal import descendants
from .types import INT, CScalar


def range_loop(
    place: SourceLocation,
    kind: syntax.TypeName,
    name: str,
    vector: syntax.Expression,
    body: syntax.Statement,
) -> syntax.For:
    """Return the loop that runs ``body`` with ``name``, of type ``kind``, for each element.

    Raises Diagnostic for a range that is more than a vector or a row of one.
    """
    if any(
        isinstance(n, syntax.Call | syntax.Assignment | syntax.Increment)
        for n in descendants(vector)
    ):
        raise Diagnostic(
            "a loop over the elements of this expression is not supported",
            vector.location,
            hint="name the vector: for (int x : v)",
        )
    index = syntax.Identifier(place, f"{name}$index")
    element = syntax.Subscript(place, vector, index)
    is_copy = isinstance(kind.base, CScalar) and not kind.derivations and not kind.reference
    if is_copy:
        declared = syntax.Declarator(place, name, kind, element)
        inner = syntax.Compound(place, (syntax.Declaration(place, (declared,)), body))
    else:
        inner = syntax.Compound(place, (_with_element(body, name, element),))
    counter = syntax.TypeName(place, INT, False, ())
    start = syntax.Declarator(place, index.name, counter, syntax.Literal(place, 0, INT))
    size = syntax.MethodCall(place, vector, "size", ())
    condition = syntax.Binary(place, "<", index, size)
    step = syntax.Increment(place, index, 1, prefix=True)
    return syntax.For(place, syntax.Declaration(place, (start,)), condition, step, inner)


def _with_element(body: syntax.Statement, name: str, element: syntax.Subscript) -> syntax.Statement:
    """Return ``body`` with ``element`` in the place of the variable ``name``."""
    for node in descendants(body):
        if isinstance(node, syntax.Declarator) and node.name == name:
            raise Diagnostic(
                f"'{name}' has another meaning inside of the loop over its values",
                node.location,
                hint="rename one of the variables",
            )

    def change(node: syntax.Node) -> syntax.Node | None:
        is_variable = isinstance(node, syntax.Identifier) and node.name == name
        return element if is_variable else None

    return rebuilt(body, change)
