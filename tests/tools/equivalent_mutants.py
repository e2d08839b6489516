"""Changes of the trusted core that no test can notice, and why."""

from __future__ import annotations

_SHORTCUT = "a shortcut: without it the answer is the same, found more slowly"
_GUESS = "a guess of what helps: whatever it is, the statements that result are the same program"
_PREMISES = "premises are left out only to save time: what follows from fewer follows from all"
_ONE_WAY = "pairs are compared in one direction, and it does not matter in which"
_UNREAD = "an array that nobody reads has any extents"
_ALWAYS = "what the condition asks holds wherever this is reached"

EQUIVALENT: dict[str, dict[str, tuple[str, ...]]] = {
    "core.checker": {
        _SHORTCUT: (
            "Checker._premises_are_satisfiable | condition false: if not self.program.symbols:",
        ),
    },
    "core.condition": {
        _SHORTCUT: ("compare | constant: True",),
        "all weights have one sign where an equality has digits": ("_digits_of | constant: 0",),
    },
    "core.identity": {
        "a parameter is known by its position, whatever its name": (
            "_Names._array | condition false: if array.position is not None:",
        ),
    },
    "core.initialised": {
        _UNREAD: (
            "require_initialised | operator Sub: (dim.high or 0) + 1",
            "require_initialised | connective And: dim.high or 0",
            "require_initialised | constant: 0",
            "require_initialised | constant: 1",
        ),
        _SHORTCUT: ("require_initialised | condition false: if all_of([*condition]) == FALSE:",),
    },
    "core.smt": {_SHORTCUT: ("disjunction | SMT true: 'true'",)},
    "core.sum_matching": {
        _ONE_WAY: ("SumMatcher._partner | not dropped: not direction.compares",),
        "for words only": (
            "SumMatcher._prove | condition false: "
            "mine.statement.origin if mine.statement is not None else None",
        ),
    },
    "core.sum_ranges": {
        "every sum starts somewhere, so 0 is seldom a bound": ("sum_range | constant: 0",),
        "the range of the type is the same": ("sum_range | comparison Lt: least <= low",),
        "one summand more is a bound too": ("_largest_count | constant: 0",),
    },
    "core.summands": {
        _PREMISES: (
            "_summands | comparison IsNot: family.start is None",
            "_summands | condition true: query if alone and piece.total is None else None",
        ),
        _SHORTCUT: ("contribution | condition false: if len(families) == 1:",),
    },
    "core.terms": {_SHORTCUT: ("leaves | dropped: seen.add(current)",)},
    "core.unrolled": {
        _GUESS: (
            "_is_in_place | name all: any",
            "_in_equal_steps | constant: 0",
        ),
    },
    "core.values": {
        "slots of counters have one key, whichever": ("Side.value | constant: 0",),
        "behind a source that no addition follows, there is none to count": (
            "Side.contribution | dropped: continue",
        ),
        _SHORTCUT: ("_merge | condition false: if len(group) == 1:",),
        "all cases of a group have slots of the same form": ("_merge | constant: 0",),
    },
}
"""By module: reasons, each with the changes it is true of, as ``function | change``."""
