"""Subscripts of arrays that are pooled: over one operation's loops, or over another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import TensorType
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.ir import SSAValue

from ..coalesce import Form
from ..kernel import refusal


def loop_of(form: Form, generic: GenericOp) -> int:
    """The loop that a subscript is; refuses other subscripts."""
    loops = [loop for loop, factor in form.items() if factor]
    if len(loops) != 1 or loops[0] is None or form[loops[0]] != 1:
        raise refusal(generic, f"the subscript {dict(form)} is no loop by itself")
    return loops[0]


def extents_of(value: SSAValue) -> tuple[int, ...]:
    """The extents of a tensor."""
    assert isinstance(value.type, TensorType)
    return value.type.get_shape()


def combined(parts: Sequence[tuple[Form, int]]) -> Form:
    """The sum of subscripts, each times a number."""
    found: dict[int | None, int] = {}
    for form, times in parts:
        for loop, factor in form.items():
            found[loop] = found.get(loop, 0) + factor * times
    return {loop: factor for loop, factor in found.items() if factor}


def composed(form: Form, inner: Mapping[int, Form]) -> Form:
    """A subscript, with what is known of its loops put in their place."""
    parts: list[tuple[Form, int]] = []
    for loop, factor in form.items():
        parts.append(({None: 1} if loop is None else inner.get(loop, {loop: 1}), factor))
    return combined(parts)
