"""The trusted core by itself: queries against Python's arithmetic, checks on programs by hand."""

from __future__ import annotations

import operator
from dataclasses import replace
from functools import reduce
from itertools import pairwise, product
from types import SimpleNamespace

import pytest
from liftproof.validation.core.certificate import FlowCertificate, Pairing, Source, SumCertificate
from liftproof.validation.core.checker import Checker, Violation
from liftproof.validation.core.condition import (
    FALSE,
    TRUE,
    Comparison,
    Connective,
    all_of,
    any_of,
    at_least,
    compare,
    equal,
    less_than,
    negate,
    within,
)
from liftproof.validation.core.index import Index, Variable, constant_index
from liftproof.validation.core.polyhedral import (
    Array,
    Program,
    Read,
    Requirement,
    Role,
    Statement,
)
from liftproof.validation.core.smt import (
    Answer,
    Query,
    Solver,
    conjunction,
    disjunction,
    earlier,
    equalities,
    holds,
    in_domain,
    negation,
    ranges,
    values,
    with_symbols,
)
from liftproof.validation.core.sum_matching import _leads_back
from liftproof.validation.core.terms import term

WIDE, HIGH = Variable("x", 0, 3), Variable("y", 0, 3)
ROW, COLUMN = Variable("i", 0, 3), Variable("j", 0, 2)
X, Y, R, C = (Index.of(variable) for variable in (WIDE, HIGH, ROW, COLUMN))
PLACES = {"x": "x", "y": "y", "i": "i", "j": "j"}
FOLDS = {"+": operator.add, "*": operator.mul, "-": operator.sub}
RELATIONS = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">=": operator.ge}


def meaning(text: str, point: dict[str, int]) -> int | bool:
    """The value of an SMT-LIB expression, by an evaluator that knows nothing of the validator."""
    tokens = text.replace("(", " ( ").replace(")", " ) ").split()
    result, rest = _evaluate(tokens, point)
    assert rest == []
    return result


def _evaluate(tokens: list[str], point: dict[str, int]):
    head, *rest = tokens
    if head != "(":
        known = {"true": True, "false": False} | point
        return (known[head] if head in known else int(head)), rest
    name, *rest = rest
    arguments = []
    while rest[0] != ")":
        value, rest = _evaluate(rest, point)
        arguments.append(value)
    return _apply(name, arguments), rest[1:]


def _apply(name: str, arguments: list):
    if name in RELATIONS:
        return all(RELATIONS[name](a, b) for a, b in pairwise(arguments))
    if name == "-" and len(arguments) == 1:
        return -arguments[0]
    if name in FOLDS:
        return reduce(FOLDS[name], arguments)
    return {
        "and": all, "or": any, "not": lambda v: not v[0],
        "div": lambda v: v[0] // v[1], "mod": lambda v: v[0] % v[1],
        "ite": lambda v: v[1] if v[0] else v[2],
    }[name](arguments)  # fmt: skip


def points(*names: str):
    for numbers in product(range(-1, 5), repeat=len(names)):
        yield dict(zip(names, numbers, strict=True))


def at(index: Index, point: dict[str, int]) -> int:
    return index.replace({n: constant_index(v) for n, v in point.items()}).constant


# Text of queries.


def test_connectives_are_those_of_logic() -> None:
    """Conjunction, disjunction and negation of texts mean what they say, constants included."""
    texts = ["true", "false", "(< x 2)", "(= y 1)"]
    for parts in [p for length in range(4) for p in product(texts, repeat=length)]:
        for point in ({"x": a, "y": b} for a in (1, 2) for b in (0, 1)):
            truths = [meaning(part, point) for part in parts]
            assert meaning(conjunction(parts), point) == all(truths)
            assert meaning(disjunction(parts), point) == any(truths)
            for part, truth in zip(parts, truths, strict=True):
                assert meaning(negation(part), point) == (not truth)
    assert conjunction(["true", "(< x 2)"]) == disjunction(["false", "(< x 2)"]) == "(< x 2)"


def test_equalities_hold_where_all_pairs_are_equal() -> None:
    """Every pair counts; pairs of the same text hold by themselves."""
    text = equalities(["x", "y", "x"], ["y", "2", "x"])
    for point in points("x", "y"):
        assert meaning(text, point) == (point["x"] == point["y"] == 2)
    assert equalities(["x"], ["x"]) == equalities([], []) == "true"
    with pytest.raises(ValueError, match="zip"):
        equalities(["x"], [])


def test_ranges_and_domains() -> None:
    """Both limits of every dimension belong to the domain, and its condition."""
    half = Variable("y", None, 2)
    statement = write("S", (WIDE, half), [X], [0], condition=less_than(Index.of(half), X))
    for point in points("x", "y"):
        inside = 0 <= point["x"] <= 3 and point["y"] <= 2
        assert meaning(ranges((WIDE, half), PLACES), point) == inside
        assert meaning(in_domain(statement, PLACES), point) == (inside and point["y"] < point["x"])
    assert ranges((Variable("x"),), PLACES) == "true"


TIMES = [
    [constant_index(0), X, constant_index(1)],
    [constant_index(0), X, constant_index(2)],
    [constant_index(0), X + 1, constant_index(0), Y],
    [constant_index(1), Y],
    [X, constant_index(1), Y],
    [Y, constant_index(1), X],
    [constant_index(0)],
]


@pytest.mark.parametrize("left", range(len(TIMES)))
@pytest.mark.parametrize("right", range(len(TIMES)))
def test_earlier_is_the_lexicographic_order(left: int, right: int) -> None:
    """Two points of time compare as tuples do; equal beginnings are not earlier."""
    names = {"x": "u", "y": "v"}
    text = earlier(TIMES[left], PLACES, TIMES[right], names)
    for u, v, point in ((u, v, p) for u in (0, 2) for v in (1, 3) for p in points("x", "y")):
        first = [at(index, point) for index in TIMES[left]]
        second = [at(index, {"x": u, "y": v}) for index in TIMES[right]]
        length = min(len(first), len(second))
        assert meaning(text, point | {"u": u, "v": v}) == (first[:length] < second[:length])


def test_definitions_name_what_is_not_plain() -> None:
    """A name or number stays as it is; anything else gets a constant that equals it."""
    query = Query()
    a, b = query.constant("a"), query.constant("a")
    assert a != b
    assert query.define("c", a) == a
    assert query.define("c", "7") == "7"
    c = query.define("c", f"(+ {a} 1)")
    copied = query.copy()
    copied.add("false")
    copied.constant("d")
    assert query.assertions == [f"(= {c} (+ {a} 1))"]
    assert query.declarations == [a, b, c]
    assert copied.constant("e") not in query.declarations
    query.add("true")
    assert len(query.assertions) == 1
    query.add(f"(= {c} 5)")
    answer, model = Solver().check(query, "states")
    assert (answer, model[a], model[c]) == (Answer.SAT, 4, 5)


def test_cases_are_asked_one_by_one() -> None:
    """Each case is checked with the query, without the other cases, and counted."""
    query = Query()
    a = query.constant("a")
    query.add(f"(<= {a} 3)")
    solver = Solver()
    cases = [f"(= {a} 3)", f"(= {a} 4)", "true"]
    answers = [(answer, model) for answer, model in solver.check_each(query, cases, "states")]
    assert [answer for answer, _ in answers] == [Answer.SAT, Answer.UNSAT, Answer.SAT]
    assert (answers[0][1][a], answers[1][1]) == (3, {})
    assert solver.queries == 3
    assert solver.seconds > 0


def test_a_limit_is_unknown() -> None:
    """A query beyond the resource limit is not answered, and the text says so."""
    query = Query()
    a, b, c = (query.constant(name) for name in "abc")
    query.add(f"(= (+ (* 17 {a}) (* 23 {b}) (* 29 {c})) 1000003)")
    query.add(f"(and (< 0 {a} {b} {c}) (= (mod {a} 7) 3) (= (mod {b} 11) 5))")
    solver = Solver(resource_limit=1)
    assert solver.check(query, "states")[0] is Answer.UNKNOWN
    assert "gave up" in solver.unproved("text", Answer.UNKNOWN)
    assert solver.unproved("text", Answer.SAT) == "text"


# Conditions.

LOW, OPEN = Variable("y", -1, 2), Variable("y", 0, None)
EXPRESSIONS = [
    X * 4 + Index.of(LOW) - 7,
    X * 4 + Index.of(OPEN) - 9,
    X * 2 - Y * 4 + 4,
    X,
    X - 2,
    X * 2 - 3,
    -X * 3 + 6,
    X - Y,
    X * 4 + Y - 9,
    -(X * 4 + Y) + 9,
    X * 2 + Y - 5,
    X * 8 + Y * 2 - 9,
    X * 4 + C - 3,
    X - 3,
    -X,
    constant_index(0),
    constant_index(-1),
]


def truth(condition, point: dict[str, int]) -> bool:
    found = meaning(holds(condition, PLACES), point)
    assert found == holds_at(condition, point)
    return bool(found)


def holds_at(condition, point: dict[str, int]) -> bool:
    replaced = condition.replace({n: constant_index(v) for n, v in point.items()})
    assert replaced in (TRUE, FALSE)
    return replaced == TRUE


def inner_points():
    for x, y, j in product(range(4), range(4), range(3)):
        yield {"x": x, "y": y, "j": j, "i": 0}


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=repr)
def test_comparisons_mean_what_they_say(expression: Index) -> None:
    """Simplified, replaced, negated or as text: the truth at every point of the ranges is one."""
    for is_equality in (False, True):
        condition = compare(expression, is_equality)
        plain = Comparison(expression, is_equality)
        decided = plain.decided
        for point in inner_points():
            number = at(expression, point)
            expected = number == 0 if is_equality else number >= 0
            assert truth(condition, point) == expected
            assert truth(negate(condition), point) == (not expected)
            assert decided in (None, expected)
    every = {at(expression, point) >= 0 for point in inner_points()}
    if len(every) == 1:
        assert compare(expression) in (TRUE, FALSE)


def test_two_sides() -> None:
    """The helpers compare two expressions, limits included on the right side."""
    for point in inner_points():
        x, y = point["x"], point["y"]
        a, b = X, Y
        assert truth(at_least(a, b), point) == (x >= y)
        assert truth(less_than(a, b), point) == (x < y)
        assert truth(equal(a, b), point) == (x == y)
        assert truth(within(a, 1, b), point) == (1 <= x < y)


def test_all_and_any() -> None:
    """Nested, empty and absorbed parts keep the meaning."""
    a, b, c = less_than(X, Y), equal(X, 2), at_least(Y, 1)
    for parts in ([], [a], [a, b], [a, TRUE, b], [a, FALSE], [all_of([a, b]), any_of([b, c])]):
        for point in inner_points():
            truths = [truth(part, point) for part in parts]
            assert truth(all_of(parts), point) == all(truths)
            assert truth(any_of(parts), point) == any(truths)
            assert truth(negate(any_of(parts)), point) == (not any(truths))
            assert truth(negate(all_of(parts)), point) == (not all(truths))
    assert all_of([a, a, b]).parts == (a, b)
    assert all_of([a]) == a
    assert all_of([a, FALSE]) == FALSE
    assert any_of([a, TRUE]) == TRUE
    for connective in (all_of([a, b]), any_of([a, b]), TRUE, FALSE):
        assert isinstance(connective, Connective)
        assert ("or" in connective.isl) == (connective.kind == "or" and connective != FALSE)
    assert (TRUE.isl, FALSE.isl) == ("true", "false")
    assert all_of([TRUE, a]) == any_of([FALSE, a]) == a
    assert all_of([TRUE, TRUE]) == TRUE


def test_digits_of_a_number_are_equalities_of_their_own() -> None:
    """A mixed-radix number equals a constant where each digit does, whatever the sign."""
    digits = all_of([equal(X, 2), equal(Y, 1)])
    assert equal(X * 4 + Y, 9) == digits
    assert equal(-(X * 4 + Y), -9) == digits
    assert equal(X * 8 + Y * 2, 9) == FALSE
    assert equal(X * 4 + Y, 16) == FALSE
    assert Comparison(X) == Comparison(X, is_equality=False)


# Programs by hand: memory M is written, then read.

M = Array("M", "i32", (constant_index(8),))
N = Array("N", "i32", (constant_index(8),))
ONE = term("constant", "i32", payload=1)
OUT = Array("R", "i32", (constant_index(8),))


def write(
    name: str,
    dims: tuple[Variable, ...],
    indices: list[Index],
    schedule: list[Index | int],
    *,
    array: Array = M,
    condition=TRUE,
    reads: tuple[Read, ...] = (),
    accumulates: bool = False,
    unordered: int = 0,
) -> Statement:
    return Statement(
        name, dims, condition, tuple(map(Index.of, schedule)), array, tuple(indices), ONE, reads,
        accumulates, unordered,
    )  # fmt: skip


def read_of(index: Index | int, schedule: list[Index | int], array: Array = M) -> Read:
    return Read(array, (Index.of(index),), tuple(map(Index.of, schedule)))


FIRST = write("W", (ROW,), [R], [0, R])
USE = write("U", (COLUMN,), [C], [2, C], array=N, reads=(read_of(C, [2, C]),))
HONEST = Source("W", TRUE, (C,))


def check(*statements: Statement, sources: tuple[Source, ...] = (HONEST,), **more) -> None:
    """Check a program of these statements, where U reads from the given sources."""
    claims = FlowCertificate({("U", 0): sources})
    Checker(Program(statements=list(statements), **more), claims, Solver()).run()


def test_an_honest_claim_is_accepted() -> None:
    """The last write before the read, at the claimed point."""
    check(FIRST, USE)


between = replace(FIRST, name="V", schedule=(constant_index(1), R))
adding = replace(between, accumulates=True)
after = replace(FIRST, name="V", schedule=(constant_index(3), R))
elsewhere = replace(between, indices=(R + 4,))
crossing = replace(between, indices=(R + 2,))
before = replace(FIRST, name="V", schedule=(constant_index(-1), R))
FAR = Variable("i", 3, 6)
overtaking = write("V", (FAR,), [Index.of(FAR) - 3], [Index.of(FAR) - 1])
ahead = write("V", (ROW,), [R + 2], [R + 5])
used_late = replace(USE, reads=(read_of(C, [C + 4]),))
used_last = replace(USE, reads=(read_of(C, [10, C]),))
same_time = replace(USE, reads=(read_of(C, [0, C]),))
just_after = replace(USE, reads=(read_of(C, [0, C, 1]),))
timed = replace(FIRST, schedule=(constant_index(0), R, constant_index(0)))


@pytest.mark.parametrize(
    "accepted",
    [
        lambda: check(FIRST, after, USE),
        lambda: check(before, FIRST, USE),
        lambda: check(FIRST, elsewhere, USE),
        lambda: check(FIRST, replace(between, array=N), USE),
        lambda: check(FIRST, adding, USE, sources=(replace(HONEST, accumulated=True),)),
        lambda: check(timed, just_after),
        lambda: check(
            FIRST,
            crossing,
            USE,
            sources=(
                replace(HONEST, condition=less_than(C, 2)),
                Source("V", at_least(C, 2), (C - 2,)),
            ),
        ),
    ],
)
def test_other_writes_that_do_not_matter(accepted) -> None:
    """Writes before the source, behind the read, to other cells, or announced additions."""
    accepted()


@pytest.mark.parametrize(
    "refused",
    [
        lambda: check(FIRST, USE, sources=()),
        lambda: check(FIRST, USE, sources=(replace(HONEST, condition=less_than(C, 2)),)),
        lambda: check(FIRST, USE, sources=(replace(HONEST, point=(C + 1,)),)),
        lambda: check(FIRST, USE, sources=(replace(HONEST, writer="nobody"),)),
        lambda: check(FIRST, USE, sources=(replace(HONEST, point=()),)),
        lambda: check(replace(FIRST, array=N), USE),
        lambda: check(replace(FIRST, accumulates=True), USE),
        lambda: check(replace(FIRST, condition=less_than(R, 2)), USE),
        lambda: check(replace(FIRST, dims=(Variable("i", 1, 3),)), USE),
        lambda: check(FIRST, same_time),
        lambda: check(replace(after, name="W"), USE),
        lambda: check(FIRST, between, USE),
        lambda: check(FIRST, between, USE, sources=(replace(HONEST, accumulated=True),)),
        lambda: check(FIRST, adding, USE),
        lambda: check(FIRST, crossing, USE),
        # Overwritten by a later iteration of a statement that stands earlier, or ahead, in time.
        lambda: check(replace(FIRST, schedule=(R,)), overtaking, used_last),
        lambda: check(replace(FIRST, schedule=(constant_index(-1),)), ahead, used_late),
        lambda: check(FIRST, replace(between, condition=equal(R, 1)), USE),
        lambda: check(FIRST, before, USE, sources=(replace(HONEST, writer="V"),)),
        lambda: check(
            FIRST, crossing, USE, sources=(HONEST, Source("V", at_least(C, 2), (C - 2,)))
        ),
        lambda: check(FIRST, USE, sources=(HONEST, replace(HONEST, point=(C + 1,)))),
    ],
)
def test_false_claims_are_refused(refused) -> None:
    """No source, a wrong or late one, one that does not cover the read, or one overwritten."""
    with pytest.raises(Violation):
        refused()


def test_final_reads_are_checked_too() -> None:
    """What an observer reads at the end needs a source like any other read."""
    final = write("F", (ROW,), [R], [9], array=OUT, reads=(read_of(R, [9]),))
    claims = FlowCertificate({("F", 0): (Source("W", TRUE, (R,)),)})
    program = Program(statements=[FIRST], outputs={0: final})
    Checker(program, claims, Solver()).run()
    with pytest.raises(Violation):
        Checker(program, FlowCertificate(), Solver()).run()
    given = replace(M, role=Role.INPUT, position=0)
    from_input = replace(final, reads=(read_of(R, [9], given),))
    Checker(Program(outputs={0: from_input}), FlowCertificate(), Solver()).run()


def test_writes_of_one_instruction_are_to_different_cells() -> None:
    """Elements without an order must not share a cell, unless they only add."""
    two = (ROW, COLUMN)
    for index, legal in (
        (R + C * 4, True),
        (R * 3 + C, True),
        (R * 2 + C, False),
        (R, False),
        (R + C, False),
    ):
        statement = write("W", two, [index], [0], unordered=2)
        if legal:
            check(statement)
        else:
            with pytest.raises(Violation, match="share a cell"):
                check(statement)
        check(replace(statement, accumulates=True))
    # In one subscript each, or with the other as a counter that is in the schedule.
    check(write("W", two, [R, C], [0], unordered=2))
    check(write("W", two, [C], [0, R], unordered=1))
    check(write("W", two, [R - C], [0, R], unordered=1))
    with pytest.raises(Violation, match="share a cell"):
        check(write("W", two, [R - C // 2], [0, R], unordered=1))
    with pytest.raises(Violation, match="share a cell"):
        check(write("W", two, [C - C // 2 * 2], [0, R], unordered=1))
    with pytest.raises(Violation, match="share a cell"):
        check(write("W", two, [C + C // 2 * -2], [0], unordered=1))
    half = replace(FIRST, indices=(R // 2,), unordered=1)
    with pytest.raises(Violation, match="share a cell"):
        check(half)
    check(replace(half, condition=equal(R % 2, 0)))


def test_requirements() -> None:
    """A requirement holds at every point of its domain, or the model shows where not."""
    free = Index.of(Variable("i"))
    inside = Requirement((ROW,), TRUE, less_than(free, 4), "in range")
    check(sources=(), requirements=[inside])
    check(sources=(), requirements=[replace(inside, dims=(Variable("i"),), condition=FALSE)])
    wide = replace(inside, dims=(Variable("i", 0, 4),))
    check(
        sources=(),
        requirements=[replace(wide, condition=less_than(free, 4))],
    )
    with pytest.raises(Violation, match="in range") as found:
        check(sources=(), requirements=[wide])
    assert found.value.model is not None
    assert 4 in found.value.model.values()


def test_premises_can_be_met() -> None:
    """Contradictory assumptions on the sizes prove nothing."""
    variable = Variable("n", 1, None)
    size, other = Index.of(variable), Variable("m", None, 3)
    check(sources=(), symbols=(variable,), context=at_least(size, 5))
    empty = all_of([at_least(size, 5), less_than(size, Index.of(other))])
    program = Program(symbols=(variable, other), context=empty)
    with pytest.raises(Violation, match="can be met"):
        Checker(program, FlowCertificate(), Solver()).run()
    query, names = with_symbols(Program(symbols=(variable,), context=less_than(size, 3)))
    query.add(f"(> {names['n']} 2)")
    assert Solver().check(query, "states")[0] is Answer.UNSAT


def test_a_violation_says_no_more_than_it_knows() -> None:
    """Without a model an obligation was not decided, and no finding is certain by default."""
    assert str(Violation("it holds", None)) == "not decided: it holds"
    assert str(Violation("it holds", {})) == "it holds"
    assert Violation("it holds", {}).certain is False


def test_an_undecided_obligation_is_a_violation() -> None:
    """What the solver does not answer is not proved, and has no model."""
    with pytest.raises(Violation, match="not decided") as found:
        Checker(
            Program(statements=[FIRST, between, USE]),
            FlowCertificate({("U", 0): (HONEST,)}),
            Solver(resource_limit=1),
        ).run()
    assert found.value.model is None


# Pairings.


MINE = SimpleNamespace(label="a", names={"k": "k"})
PARTNER = SimpleNamespace(names={"q": "q"})


def back(*pairings: Pairing) -> bool:
    """Whether the goals hold at k = 2, q = 2."""
    goals = _leads_back(MINE, {}, PARTNER, pairings, "b")
    return all(meaning(goal, {"k": 2, "q": 2}) for goal in goals)


K = Index.of(Variable("q", 0, 7))


def test_a_partner_leads_back() -> None:
    """The first backward pairing that applies must give the summand itself."""
    home = Pairing("b", "a", TRUE, (K,))
    away = replace(home, point=(K + 1,))
    later = replace(home, condition=at_least(K, 3))
    now = replace(home, condition=at_least(K, 2))
    assert back(home)
    assert back(now)
    assert not back()
    assert not back(away)
    assert not back(later)
    assert not back(replace(home, left="c"))
    assert not back(replace(home, right="c"))
    assert back(later, home)
    assert back(replace(away, condition=at_least(K, 3)), home)
    assert not back(away, home)
    assert not back(replace(home, right="c"), home)
    assert back(now, away)
    with pytest.raises(Violation, match="point"):
        back(replace(home, point=()))
    assert values([K], {"q": "7"}) == ["7"]
    assert SumCertificate((home,), ()).forward == (home,)
