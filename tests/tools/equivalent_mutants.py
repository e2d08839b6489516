"""Changes of the trusted core that no test can notice, and why."""

from __future__ import annotations

_SHORTCUT = "a shortcut: without it the answer is the same, found more slowly"
_GUESS = "a guess of what helps: whatever it is, the statements that result are the same program"
_FEWER = "premises are left out: what follows from fewer follows from all"
_ALIKE = "both programs are described in the same way"

EQUIVALENT: dict[str, dict[str, tuple[str, ...]]] = {
    "core.checker": {
        _SHORTCUT: (
            "Checker._premises_are_satisfiable | condition false: "
            "if not self.program.symbols and self.program.context == TRUE: #1",
            "Checker._writes_once_per_instruction | condition false: "
            "if _visibly_distinct(statement, [dim.name for dim in own]): #1",
        ),
    },
    "core.condition": {
        _SHORTCUT: ("compare | constant: True #1",),
        "all weights have one sign where an equality has digits": ("_digits_of | constant: 0 #1",),
    },
    "core.digits": {
        _GUESS: ("_follows | constant: 1 #1", "_follows | constant: 1 #2"),
    },
    "core.identity": {
        _ALIKE: (
            "_renamed | comparison NotIn: statement.name in program.moves #1",
            "_renamed | comparison NotIn: statement.array.name in program.local_memories #1",
        ),
        "a parameter is known by its position": (
            "_Names._array | condition false: if array.position is not None: #1",
        ),
        "more numbers have ranks, in the same order": (
            "_ranks | condition true: if index.is_constant: #1",
        ),
    },
    "core.index": {"no factor is 0": ("Index.__floordiv__ | comparison LtE: factor < 0 #1",)},
    "core.initialised": {
        "an array that nobody reads has any extents": (
            "require_initialised | operator Sub: (dim.high or 0) + 1 #1",
            "require_initialised | connective And: dim.high or 0 #1",
            "require_initialised | constant: 0 #1",
            "require_initialised | constant: 1 #1",
        ),
        _SHORTCUT: ("require_initialised | condition false: if all_of([*condition]) == FALSE: #1",),
    },
    "core.matching": {
        _FEWER: ("Matcher._unified | dropped: query.add(case.guard) #1",),
        _SHORTCUT: ("Matcher._by_lemma | dropped: break #1",),
        "the range of an element is that of its type": (
            "Matcher._named_totals | condition false: if bits is None: #1",
        ),
        "what the solver leaves open, the lemma may still prove": (
            "Matcher._by_lemma | dropped: "
            "raise Violation(self.solver.unproved(obligation, answer), None, origin) #1",
        ),
    },
    "core.nests": {
        _GUESS: (
            "_carries | connective Or: factors[inner] == 1 and division.divisor == trips #1",
            "_carries | comparison NotEq: factors.get(outer) == trips * factors[inner] #1",
            "_enclosing | connective Or: "
            "_counter(schedule[place]) == inner and schedule[place - 1].is_constant #1",
            "_weighted | comparison LtE: min(factors[outer], weight) + value.constant < 0 #1",
        ),
        "points of time have the same order": (
            "_shortened | condition false: if _counter(index) == outer: #1",
        ),
    },
    "core.rewriting": {
        _SHORTCUT: (
            "_replaced_value | condition true: substitute(value, changed) if changed else value #1",
        ),
    },
    "core.smt": {
        "the text is longer and means the same": (
            "disjunction | SMT true: 'true' #1",
            "disjunction | condition false: if 'true' in kept: #1",
            "negation | SMT true: 'true' #1",
        ),
        "it only limits memory": ("_remember | dropped: _UNSATISFIABLE.popitem(last=False) #1",),
    },
    "core.sum_matching": {
        "one direction compares values, whichever": (
            "SumMatcher._partner | not dropped: not direction.compares #1",
        ),
        "the goals are asked with another query that implies them, or twice": (
            "SumMatcher._exists | constant: 0 #1",
            "SumMatcher._exists | constant: 2 #2",
            "SumMatcher._exists | condition true: if len(partner.steps) != 2: #1",
        ),
        _SHORTCUT: ("SumMatcher._partner | condition false: if mine.anywhere is not None: #1",),
        "for words only": (
            "SumMatcher._prove | condition false: "
            "mine.statement.origin if mine.statement is not None else None #1",
        ),
    },
    "core.sum_ranges": {
        "every sum starts somewhere": ("sum_range | constant: 0 #1",),
        "the start is one summand, so the range is no smaller": (
            "sum_range | condition false: if family.start is not None: #1",
        ),
        "the range of the type is the same": ("sum_range | comparison Lt: least <= low #1",),
        "one summand more is a bound too": ("_largest_count | constant: 0 #2",),
    },
    "core.summands": {
        _FEWER: (
            "_summands | comparison IsNot: family.start is None #1",
            "_summands | condition true: query if alone and piece.total is None else None #1",
            "_summands | comparison IsNot: piece.total is None #1",
        ),
        _SHORTCUT: ("contribution | condition false: if len(families) == 1: #1",),
    },
    "core.totals": {
        _SHORTCUT: (
            "with_widest_totals | condition true: "
            "substitute(shape, narrow) if narrow else shape #1",
        ),
    },
    "core.unrolled": {
        "two groups stay two, under exchanged names": (
            "roll_up | comparison NotIn: plain.name in moves #1",
        ),
        _GUESS: (
            "_is_in_place | name all: any #1",
            "_in_equal_steps | constant: 0 #3",
            "_in_equal_steps | constant: 0 #4",
        ),
    },
    "core.values": {
        "slots of counters have one key, whichever": ("Side.value | constant: 0 #2",),
        "behind a source that no addition follows, there is none to count": (
            "Side.contribution | dropped: continue #1",
        ),
        _SHORTCUT: ("_merge | condition false: if len(group) == 1: #1",),
        "all cases of a group have slots of one form": ("_merge | constant: 0 #2",),
    },
    "extract.gemmini_rows": {
        "an operand that is absent has no rows": (
            "RowRecorder.computation | condition true: if target.exists: #1",
        ),
    },
    "hazards.between": {
        "one of the ways to keep two commands apart suffices, in any order": (
            "Pair.keep_apart | constant: 0 #2",
        ),
        _SHORTCUT: ("_near | constant: 1 #2",),
    },
    "hazards.row_order": {
        _SHORTCUT: (
            "_load_pairs | operator BitAnd: behind | before #1",
            "_load_pairs | condition true: if min(gaps) < in_flight - 1: #1",
            "_shared_loops | operator Sub: count + 2 #3",
        ),
    },
    "trace.certify": {
        "a strict zip refuses it too": (
            "_Certification.run | condition false: if len(slots) != len(self.claims): #1",
        ),
    },
}
"""By module: reasons, each with the changes that it is true of."""
