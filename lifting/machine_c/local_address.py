"""Reads local addresses: which memory, which row, and when a write accumulates.

In C a local address is an integer with flags: bit 31 the accumulator, bit 30 accumulate, bit 29
full width, all ones "none" (LocalAddr.scala). Flags may depend on conditions.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...dialects.gemmini import LocalSpace
from .algebra import FLAG_BITS, assuming, choice, choose, compare, is_bit, is_none
from .bits import split_constant
from .terms import ALWAYS, NEVER, Bitwise, Choice, Condition, Sum, atom, constant

_MAX_CONDITIONS = 8
"""Conditions that the flags of one address may depend on."""
_SMALL = 1 << 29
"""Rows and the distances between them lie below the flags."""


class NeedsCase(Exception):  # noqa: N818 - not an error: the instruction is split into two
    """What an instruction needs to know depends on a condition."""

    def __init__(self, condition: Condition) -> None:
        super().__init__("a condition decides")
        self.condition = condition


class UnknownFlagsError(Exception):
    """The flags of an address cannot be told from its row."""


@dataclass(frozen=True)
class LocalAddress:
    """A local address with its flags apart."""

    space: LocalSpace
    row: Sum
    accumulate: Condition = NEVER
    full: bool = False


def decode(value: Sum) -> LocalAddress:
    """Read the low 32 bits of ``value`` as a local address.

    A row that does not fit below the flags stays as it is; no machine has such a row. Raises
    ``NeedsCase`` where a condition decides about the memory or the width, and
    ``UnknownFlagsError`` where the flags cannot be told from the row.
    """
    return _decode(value, _MAX_CONDITIONS)


def _decode(value: Sum, budget: int) -> LocalAddress:
    condition = _flag_condition(value)
    if condition is None:
        return _decode_row(value)
    if budget == 0:
        raise UnknownFlagsError
    then, otherwise = (
        _decode(assuming(condition, holds).sum(value), budget - 1) for holds in (True, False)
    )
    if then.space != otherwise.space or then.full != otherwise.full:
        raise NeedsCase(condition)
    return LocalAddress(
        then.space,
        choice(condition, then.row, otherwise.row),
        choose(condition, then.accumulate, otherwise.accumulate),
        then.full,
    )


def _flag_condition(value: Sum) -> Condition | None:
    """A condition that decides about flags, if there is one."""
    for term, factor in value.terms:
        if isinstance(term, Choice):
            leaves = (term.then.scaled(factor), term.otherwise.scaled(factor))
            if not all(leaf.within(1 - _SMALL, _SMALL - 1) for leaf in leaves):
                return term.condition
        elif abs(factor) >= _SMALL and is_bit(atom(term)):
            return compare("ne", atom(term), constant(0))
    return None


def _decode_row(value: Sum) -> LocalAddress:
    if value.is_constant and is_none(value.constant):
        return LocalAddress(LocalSpace.NONE, constant(0))
    if any(abs(factor) >= _SMALL for _, factor in value.terms):
        raise UnknownFlagsError
    for term, _ in value.terms:
        limit = _SMALL if isinstance(term, Bitwise) else 1 << 31
        if term.interval.high >= limit:
            raise UnknownFlagsError
    flags, number = split_constant(value)
    row = Sum(value.terms, number)
    if not flags & FLAG_BITS[0]:
        if flags:
            raise UnknownFlagsError
        return LocalAddress(LocalSpace.SPAD, row)
    accumulate = ALWAYS if flags & FLAG_BITS[1] else NEVER
    return LocalAddress(LocalSpace.ACC, row, accumulate, bool(flags & FLAG_BITS[2]))
