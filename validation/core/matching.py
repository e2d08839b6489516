"""Prove that two checked programs leave the same value in an output element (trusted core).

For an arbitrary element, the values of both programs are cases of terms over input elements and
sums. Cases that can meet must agree: the same form, the same elements of the inputs, and equal
totals (see ``sum_matching``). Where forms differ, a lemma about all values must make them equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..lemmas.equality import LemmaResult
from ..lemmas.ranges import Range, Ranges
from .certificate import SumCertificate, SumQuestion
from .checker import Violation
from .folds import FOLDS, fold_assumption
from .polyhedral import Array, Program, Role, Statement
from .smt import (
    Answer,
    Names,
    Query,
    Solver,
    disjunction,
    equalities,
    holds,
    in_domain,
    negation,
    ranges,
    with_symbols,
)
from .sum_matching import SumMatcher
from .sum_ranges import sum_range
from .summands import Valued, sum_of
from .terms import Term, brief, is_float, substitute, term
from .totals import (
    FLOAT_TOTAL,
    align,
    is_sum,
    outermost,
    structure,
    total_bits,
    with_widest_totals,
)
from .values import Case, Side, Sum, normal_case, slot_kind, slots_of

ProposePairs = Callable[[SumQuestion], SumCertificate]
"""Asks the oracle to pair a total of the source and one of the target, for an output."""
DecideShapes = Callable[[Term, Term, dict[Term, Range]], LemmaResult]
"""Whether two shapes over the same slots are equal, given ranges of slots (``lemmas.equality``)."""

REASSOCIATED = (
    "floating-point sums may be reassociated, and zeros of either sign count as equal there"
)
SAME_ELEMENTS = "the output is computed from the same input elements"


@dataclass(frozen=True)
class Context:
    """Where two values are compared: for which output, and what may be named in a pairing."""

    position: int
    names: Names
    """Constants of the output element and of the counters around."""
    depth: int
    """How many statements the counters in ``names`` are from."""
    final: Statement


@dataclass
class Matcher:
    """Compares the outputs of a source and a target program."""

    source: Side
    target: Side
    solver: Solver
    propose: ProposePairs
    decide: DecideShapes

    def __post_init__(self) -> None:
        self.assumptions: list[str] = []
        _require_same_inputs(self.source.program, self.target.program)
        self._require_all_sizes()
        self._sums = SumMatcher(self.solver, self._sums_certificate, self.equal, self._assume)

    def output(self, position: int) -> None:
        """Prove that the output parameter at ``position`` ends with the same contents.

        Raises ``Violation`` if an obligation fails or is not decided.
        """
        left, right = self.source.program.outputs[position], self.target.program.outputs[position]
        if left.array.extents != right.array.extents:
            raise Violation(f"output {position} has different extents", None)
        query, element = self._context(left, right)
        context = Context(position, element, 0, right)
        mine = self.source.value(query, left, self.source.symbols | element)
        theirs = self.target.value(query, right, self.target.symbols | element)
        for first in [self._unified(query, self.source, case) for case in mine]:
            for second in [self._unified(query, self.target, case) for case in theirs]:
                both = query.copy()
                both.add(first.guard)
                both.add(second.guard)
                if len(mine) * len(theirs) > 1 and self._is_impossible(both, right):
                    continue
                self.equal(
                    context,
                    both,
                    Valued(self.source, first.shape, first.slots),
                    Valued(self.target, second.shape, second.slots),
                    SAME_ELEMENTS,
                )

    def _require_all_sizes(self) -> None:
        """What the target assumes of its parameters must follow from what the source does."""
        source, target = self.source.program, self.target.program
        if source.context == target.context:
            return
        query, symbols = with_symbols(source)
        symbols |= query.constants([s for s in target.symbols if s.name not in symbols])
        # That sizes are at least 1 is listed for both programs.
        query.add(ranges(target.symbols, symbols))
        query.add(negation(holds(target.context, symbols)))
        obligation = "the target assumes no more of its parameters than the source"
        answer, model = self.solver.check(query, obligation)
        if answer is not Answer.UNSAT:
            raise Violation(obligation, model if answer is Answer.SAT else None)

    def _is_impossible(self, query: Query, final: Statement) -> bool:
        """Whether two cases never meet, which spares all that would be proved about both."""
        text = "both cases of the value occur?"
        return self.solver.check(query, text, final.origin)[0] is Answer.UNSAT

    def _context(self, left: Statement, right: Statement) -> tuple[Query, dict[str, str]]:
        query, symbols = with_symbols(self.source.program)
        target_symbols = [s for s in self.target.program.symbols if s.name not in symbols]
        symbols |= query.constants(target_symbols)
        query.add(holds(self.target.program.context, symbols))
        self.source.symbols = self.target.symbols = symbols
        element = query.constants(left.dims)
        query.add(in_domain(left, symbols | element))
        return query, element

    # Equality of two values.

    def equal(
        self, context: Context, query: Query, first: Valued, second: Valued, obligation: str
    ) -> None:
        """Prove that the two values are equal wherever the query holds."""
        pairs = align(first.value, second.value)
        if pairs is not None:
            try:
                self._aligned(context, query, first, second, pairs, obligation)
                return
            except Violation:
                if len(pairs) < 2:
                    raise
        self._by_lemma(context, query, first, second)

    def _aligned(
        self,
        context: Context,
        query: Query,
        first: Valued,
        second: Valued,
        pairs: Sequence[tuple[Term, Term]],
        obligation: str,
    ) -> None:
        """Equal forms: what stands at the same places must be equal."""
        different: list[str] = []
        totals: list[tuple[Term, Term]] = []
        for mine, theirs in dict.fromkeys(pairs):
            if total_bits(mine) is None and total_bits(theirs) is None:
                different.append(negation(equalities(first.place(mine), second.place(theirs))))
            else:
                totals.append((mine, theirs))
        if different:
            elements = query.copy()
            elements.add(disjunction(different))
            answer, model = self.solver.check(elements, obligation, context.final.origin)
            if answer is not Answer.UNSAT:
                known = model if answer is Answer.SAT else None
                reason = self.solver.unproved(obligation, answer)
                raise Violation(reason, known, context.final.origin)
        for mine, theirs in totals:
            self._equal_totals(
                context, query, replace(first, value=mine), replace(second, value=theirs)
            )

    def _equal_totals(self, context: Context, query: Query, first: Valued, second: Valued) -> None:
        narrow = self._without_low_bits(first, second), self._without_low_bits(second, first)
        first, second = narrow[0] or first, narrow[1] or second
        widths = [total_bits(value.value) for value in (first, second)]
        known = [width for width in widths if width is not None]
        if len(set(known)) > 1 and narrow == (None, None):
            if min(known) < 0:
                raise Violation("totals of different kinds", None)
            self._fits(first if widths[0] == max(known) else second, min(known))
        self._sums.equal(context, query, first, second, min(known))

    def _sums_certificate(
        self, context: Context, left: tuple[str, int], right: tuple[str, int], bits: int
    ) -> SumCertificate:
        assumption = fold_assumption(bits) if bits < 0 else None
        if bits == FLOAT_TOTAL:
            assumption = REASSOCIATED
        if assumption is not None:
            self._assume(assumption)
        around = tuple(sorted(context.names.keys() - self.source.symbols.keys()))
        question = SumQuestion(context.position, left, right, context.depth, around)
        return self.propose(question)

    def _assume(self, assumption: str) -> None:
        if assumption not in self.assumptions:
            self.assumptions.append(assumption)

    def _without_low_bits(self, value: Valued, other: Valued) -> Valued | None:
        """The total behind ``low_bits``, where it is enough that ``other`` is equal modulo 2^bits.

        Both are then numbers without a sign that fit the bits.
        """
        total = value.value.operands[0] if value.value.operation == "low_bits" else None
        bits = value.value.payload
        if total is None or not isinstance(bits, int) or total_bits(total) != bits:
            return None
        wide = total_bits(other.value)
        low, high = self._range(other) if wide is not None and wide >= bits else (-1, 0)
        return replace(value, value=total) if low >= 0 and high < 1 << bits else None

    def _fits(self, total: Valued, bits: int) -> None:
        """The wider of two totals is equal if it is so modulo the narrower one's 2^bits, and fits.

        The narrower one, in the range of its type, is the only such number there.
        """
        low, high = self._range(total)
        half = 1 << (bits - 1)
        if low < -half or high >= half:
            raise Violation(f"a sum of a wider type fits {bits} bits", None)

    def _by_lemma(self, context: Context, query: Query, first: Valued, second: Valued) -> None:
        """Different forms: equal for all values of what they have in common."""
        obligation = f"the value {brief(second.value)} equals {brief(first.value)}"
        origin = context.final.origin
        answer, model = self.solver.check(query, f"both values occur: {obligation}?", origin)
        if answer is Answer.UNSAT:
            return
        if answer is Answer.UNKNOWN:
            raise Violation(self.solver.unproved(obligation, answer), None, origin)
        failure: Violation | None = None
        for leaves_of in (slots_of, outermost):
            try:
                lemma = self._lemma(context, query, first, second, leaves_of)
            except Violation as violation:
                failure = failure or violation
                continue
            if lemma.answer is Answer.UNSAT:
                return
            known = model if lemma.answer is Answer.SAT else None
            failure = Violation(obligation, known, origin, lemma.witness)
            if all(is_sum(v) for v in outermost(first.value) if total_bits(v) is not None):
                # Totals are the sums themselves: the other way would ask the same.
                break
        assert failure is not None
        raise failure

    def _lemma(
        self,
        context: Context,
        query: Query,
        first: Valued,
        second: Valued,
        leaves_of: Callable[[Term], list[Term]],
    ) -> LemmaResult:
        """Whether two values are equal for all values of their sums, or of their totals."""
        first = replace(first, value=with_widest_totals(first.value))
        second = replace(second, value=with_widest_totals(second.value))
        mine, others = leaves_of(first.value), leaves_of(second.value)
        named, ranges = self._named_totals(first, mine)
        pairs = self._paired(context, query, first, second, (mine, others))
        same = {other: named.get(leaf, leaf) for other, leaf in pairs.items()}
        # What equals nothing of the first value is a value of its own, whatever its name.
        foreign = {
            other: term("slot", other.type, payload=("foreign", structure(other), 0))
            for other in others
            if other not in pairs
        }
        theirs = substitute(second.value, same | foreign)
        return self.decide(substitute(first.value, named), theirs, ranges)

    def _named_totals(
        self, value: Valued, leaves: Sequence[Term]
    ) -> tuple[dict[Term, Term], dict[Term, Range]]:
        """A slot of its own for each total of a value, and the ranges of totals."""
        named: dict[Term, Term] = {}
        ranges: dict[Term, Range] = {}
        for total in leaves:
            bits = total_bits(total)
            if bits is None:
                continue
            slot = total
            if total.operation != "slot":
                kind = f"i{bits}" if bits > 0 else total.type
                slot = term("slot", kind, payload=("total", structure(total), 0))
                named[total] = slot
            if not is_float(slot.type):
                ranges[slot] = self._range(replace(value, value=total))
        return named, ranges

    def _range(self, value: Valued) -> Range:
        """The range of a total, from those of its sums."""
        known = {
            slot: sum_range(value.side, value.sum(slot), self.solver)
            for slot in slots_of(value.value)
            if is_sum(slot) and not is_float(slot.type)
        }
        return Ranges(known).integer(value.value)

    def _paired(
        self,
        context: Context,
        query: Query,
        first: Valued,
        second: Valued,
        leaves: tuple[Sequence[Term], Sequence[Term]],
    ) -> dict[Term, Term]:
        """For each leaf of the second value the one of the first that it equals."""
        pairs: dict[Term, Term] = {}
        for theirs in leaves[1]:
            failure: Violation | None = None
            for mine in leaves[0]:
                if align(mine, theirs) is None:
                    continue
                left, right = replace(first, value=mine), replace(second, value=theirs)
                try:
                    self._aligned(context, query, left, right, [(mine, theirs)], SAME_ELEMENTS)
                except Violation as violation:
                    failure = failure or violation
                    continue
                pairs[theirs] = mine
                break
            if theirs not in pairs and failure is not None and total_bits(theirs) is not None:
                raise failure
        return pairs

    # One value that is read at several places.

    def _unified(self, query: Query, side: Side, case: Case) -> Case:
        """The case with one slot for each value that it reads at several places."""
        slots = slots_of(case.shape)
        if len(slots) < 2:
            return case
        query = query.copy()
        query.add(case.guard)
        same: dict[Term, Term] = {}
        for number, later in enumerate(slots):
            for slot in slots[:number]:
                if slot not in same and self._same_slot(query, side, case, slot, later):
                    same[later] = slot
                    break
        return normal_case(replace(case, shape=substitute(case.shape, same))) if same else case

    def _same_slot(self, query: Query, side: Side, case: Case, first: Term, second: Term) -> bool:
        kind = slot_kind(first)[0]
        a, b = _slot(case, first), _slot(case, second)
        if first.type != second.type or slot_kind(second)[0] != kind:
            return False
        if kind == "sum" or kind in FOLDS:
            return self._same_sum(query, side, sum_of(first, a), sum_of(second, b))
        return slot_kind(first) == slot_kind(second) and self._same_element(query, a, b)

    def _same_sum(self, query: Query, side: Side, first: Sum, second: Sum) -> bool:
        """Whether two reads see exactly the same summands."""
        statements = [
            family.statement for total in (first, second) for family in side.families(total)
        ]
        for statement in dict.fromkeys(statements):
            inner = query.copy()
            names = side.constants(inner, statement)
            counted = [
                disjunction(
                    side.contributes(total, family, names)
                    for family in side.families(total)
                    if family.statement is statement
                )
                for total in (first, second)
            ]
            inner.add(f"(not (= {counted[0]} {counted[1]}))")
            if self.solver.check(inner, "two reads see different summands?")[0] is not Answer.UNSAT:
                return False
        return True

    def _same_element(self, query: Query, left: Sequence[str], right: Sequence[str]) -> bool:
        query = query.copy()
        query.add(negation(equalities(left, right)))
        answer, _ = self.solver.check(query, "two reads see different elements?")
        return answer is Answer.UNSAT


def _require_same_inputs(source: Program, target: Program) -> None:
    """Elements are compared by their subscripts, so both must lay out what they read alike."""
    known = {array.position: array for array in _inputs(source)}
    for array in _inputs(target):
        if array.position in known and known[array.position].extents != array.extents:
            raise Violation(f"parameter {array.position} has different extents", None)


def _inputs(program: Program) -> Iterator[Array]:
    for statement in program.readers():
        for read in statement.reads:
            if read.array.role is Role.INPUT:
                yield read.array


def _slot(case: Case, slot: Term) -> tuple[str, ...]:
    return case.slots[slots_of(case.shape).index(slot)]
