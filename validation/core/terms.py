"""Value terms: what a statement computes from the elements it reads (trusted core).

A term is an operation of the ``arith``/``math`` dialects applied to terms, with the bit-precise
meaning of C on the reference machine (two's complement, wrap-around, IEEE floats). Terms are
interned: equal terms are the same object, so they compare and hash in constant time and a shared
subterm costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, TypeAlias

Payload: TypeAlias = Hashable


class Term:
    """An operation, its result type (``i8``, ``f32``, …), its operands and its parameters.

    Leaves are ``constant`` (payload: the number), ``read`` (payload: position among the reads of
    the statement), ``index`` (payload: an ``Index``), ``condition`` (payload: a ``Condition``).
    Create terms with ``term`` only.
    """

    __slots__ = ("__weakref__", "operands", "operation", "payload", "type")

    def __init__(
        self, operation: str, type: str, operands: tuple[Term, ...], payload: Payload
    ) -> None:
        self.operation: Final = operation
        self.type: Final = type
        self.operands: Final = operands
        self.payload: Final = payload

    def __repr__(self) -> str:
        if self.operation == "constant":
            return f"{self.payload[0] if isinstance(self.payload, tuple) else self.payload}"
        if self.operation == "slot" and isinstance(self.payload, tuple):
            return f"input {self.payload[1]}" if self.payload[0] == "input" else self.payload[0]
        inner = [repr(operand) for operand in self.operands]
        if self.payload is not None:
            inner.append(str(self.payload))
        return f"{self.operation}({', '.join(inner)})"


LONGEST_TEXT = 300


def brief(value: Term) -> str:
    """A value for a person to read: a long one without its middle."""
    text = repr(value)
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]} … {text[-half:]}"


_INTERNED: dict[tuple[str, str, tuple[Term, ...], Payload], Term] = {}


def term(operation: str, type: str, *operands: Term, payload: Payload = None) -> Term:
    """The one term with this operation, type, operands and payload."""
    if isinstance(payload, float):
        # 0.0 == -0.0 in Python; the sign of zero is part of the value.
        payload = (payload, str(payload))
    key = (operation, type, operands, payload)
    found = _INTERNED.get(key)
    if found is None:
        found = _INTERNED[key] = Term(operation, type, operands, payload)
    return found


def constant(value: int | float, type: str) -> Term:
    """A number of the given type; integers are reduced to signed numbers of their width."""
    if type.startswith("i") and isinstance(value, int):
        return term("constant", type, payload=wrapped(value, bit_width(type)))
    return term("constant", type, payload=float(value))


def read(position: int, type: str) -> Term:
    return term("read", type, payload=position)


def constant_value(value: Term) -> int | float | None:
    """The number of a constant, else ``None``."""
    if value.operation != "constant":
        return None
    payload = value.payload
    if isinstance(payload, tuple):
        payload = payload[0]
    assert isinstance(payload, int | float)
    return payload


def is_zero(value: Term) -> bool:
    return constant_value(value) == 0


def is_float(type: str) -> bool:
    return type.startswith(("f", "bf"))


def bit_width(type: str) -> int:
    """Bits of a type such as ``i8``, ``bf16`` or ``f8E4M3``; an ``index`` has 64, as in C here."""
    return 64 if type == "index" else int(type.lstrip("iufb").split("E")[0])


def wrapped(value: int, bits: int) -> int:
    """``value`` modulo 2^bits as a signed number (``i1`` is 0 or 1)."""
    if bits == 1:
        return value & 1
    half = 1 << (bits - 1)
    return ((value + half) & (2 * half - 1)) - half


def rewrite(root: Term, visit: Callable[[Term, tuple[Term, ...]], Term]) -> Term:
    """Rebuild a term bottom-up, each shared subterm once: ``visit(old, new operands)``."""
    done: dict[Term, Term] = {}
    stack = [root]
    while stack:
        current = stack[-1]
        waiting = [operand for operand in current.operands if operand not in done]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        done[current] = visit(current, tuple(done[operand] for operand in current.operands))
    return done[root]


def rebuilt(old: Term, operands: tuple[Term, ...]) -> Term:
    """``old`` with new operands."""
    if operands == old.operands:
        return old
    payload = old.payload
    return term(old.operation, old.type, *operands, payload=payload)


def leaves(root: Term, operation: str) -> list[Term]:
    """All distinct subterms with the given operation, in order of first appearance."""
    found: dict[Term, None] = {}
    seen: set[Term] = set()
    stack = [root]
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if current.operation == operation:
            found[current] = None
        stack.extend(reversed(current.operands))
    return list(found)


def subterms(root: Term) -> list[Term]:
    """All distinct subterms, the term itself first."""
    found: dict[Term, None] = {}
    stack = [root]
    while stack:
        current = stack.pop()
        if current not in found:
            found[current] = None
            stack.extend(reversed(current.operands))
    return list(found)


def substitute(root: Term, replacements: dict[Term, Term]) -> Term:
    """``root`` with subterms replaced."""

    def visit(old: Term, operands: tuple[Term, ...]) -> Term:
        return replacements.get(old) or rebuilt(old, operands)

    return rewrite(root, visit)
