"""Claims about sums, by hand: only pairs of equal summands, one to one, prove two sums equal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core import summands
from liftproof.validation.core.certificate import (
    FlowCertificate,
    Pairing,
    SumCertificate,
    SumQuestion,
)
from liftproof.validation.core.checker import Violation
from liftproof.validation.core.condition import TRUE, Condition, equal, negate
from liftproof.validation.core.index import Index, Variable, constant_index
from liftproof.validation.core.matching import Matcher
from liftproof.validation.core.polyhedral import Array, Program, Read, Role, Statement
from liftproof.validation.core.smt import Solver, with_symbols
from liftproof.validation.core.sum_ranges import sum_range
from liftproof.validation.core.summands import Summands, Valued, summands_of
from liftproof.validation.core.terms import leaves, read
from liftproof.validation.core.values import Side, Sum
from liftproof.validation.engine import Analysed, analyse
from liftproof.validation.extract.extraction import extract
from liftproof.validation.lemmas.equality import equal_for_all
from liftproof.validation.validate import validate

CONFIG = load_config()
NESTED = """#include <stdint.h>
void k(const int32_t A[4], int32_t y[1]) {
  y[0] = 0;
  for (int i = 0; i < 2; i++) {
    int32_t s = 0;
    for (int j = 0; j < 2; j++) s += A[ELEMENT];
    y[0] += s;
  }
}"""
FLAT = """#include <stdint.h>
void k(const int32_t A[4], int32_t y[1]) {
  y[0] = 0;
  for (int i = 0; i < 2; i++) for (int j = 0; j < 2; j++) y[0] += A[ELEMENT];
}"""
Place = Callable[[Index, Index], tuple[Index, Index]]
"""From the counters i and j of a summand to those of its partner."""


def analysed(text: str, element: str = "") -> Analysed:
    program = extract(parse_c_kernel(text.replace("ELEMENT", element), "k.c"), CONFIG)
    return analyse(program, Solver())


def classes_of(found: Analysed, bits: int = 32) -> list[Summands]:
    """The classes of summands of the only output."""
    side = Side(found.program, found.certificate)
    (final,) = found.program.outputs.values()
    query, side.symbols = with_symbols(found.program)
    (case,) = side.value(query, final, side.constants(query, final))
    total = Valued(side, case.shape, case.slots)
    return list(summands_of(query, total, bits, 0, lambda side, shape: shape))


def class_of(found: Analysed) -> tuple[str, list[Index]]:
    """The label of the summands that are elements of A, and their counters."""
    (only,) = classes_of(found)
    return only.label, [Index.of(Variable(name)) for name in only.names]


def pairing(
    left: Analysed, right: Analysed, place: Place, condition: Condition = TRUE
) -> Callable[[], Pairing]:
    """A claim about the summands of the left sum; inner sums count i again."""
    (own, counters), (label, others) = class_of(left), class_of(right)
    i, j = place(counters[0], counters[-1])
    return Pairing(own, label, condition, (i,) * (len(others) - 1) + (j,))


def check(left: Analysed, right: Analysed, claim: SumCertificate) -> None:
    """Check that both programs have the same output, under this claim about their sums."""

    def propose(question: SumQuestion) -> SumCertificate:
        assert question.depth == 0
        return claim

    sides = (Side(found.program, found.certificate) for found in (left, right))
    (position,) = left.program.outputs
    Matcher(*sides, Solver(), propose, equal_for_all).output(position)


def claimed(left: Analysed, right: Analysed, there: Place, back: Place) -> SumCertificate:
    return SumCertificate((pairing(left, right, there),), (pairing(right, left, back),))


def same(i: Index, j: Index) -> tuple[Index, Index]:
    return i, j


def transposed(i: Index, j: Index) -> tuple[Index, Index]:
    return j, i


@pytest.mark.parametrize(("source", "target"), [(NESTED, FLAT), (FLAT, NESTED)], ids=["in", "out"])
def test_only_a_bijection_proves_sums_equal(source: str, target: str) -> None:
    """Rows and columns of the same elements are equal; no other way to pair them is."""
    left, right = analysed(source, "2 * i + j"), analysed(target, "i + 2 * j")
    truth = claimed(left, right, transposed, transposed)
    check(left, right, truth)
    first, back = truth.forward[0], truth.backward[0]
    zero, one = constant_index(0), constant_index(1)
    (own, counters), (label, _) = class_of(left), class_of(right)
    halves = [
        pairing(left, right, transposed, condition)
        for condition in (equal(counters[-1], 0), negate(equal(counters[-1], 0)))
    ]
    check(left, right, SumCertificate(tuple(halves), (back,)))
    lies = [
        claimed(left, right, same, same),
        claimed(left, right, transposed, same),
        claimed(left, right, same, transposed),
        claimed(left, right, lambda i, j: (zero, zero), transposed),
        claimed(left, right, transposed, lambda i, j: (zero, zero)),
        claimed(left, right, lambda i, j: (j + 1, i), lambda i, j: (j, i - 1)),
        claimed(left, right, lambda i, j: (j, i + 1), transposed),
        SumCertificate((), ()),
        SumCertificate((first,), ()),
        SumCertificate((), (back,)),
        SumCertificate((halves[0],), (back,)),
        SumCertificate((back,), (first,)),
        SumCertificate((Pairing(own, own, TRUE, first.point),), (back,)),
        SumCertificate((Pairing(own, "nothing", TRUE, first.point),), (back,)),
        SumCertificate((Pairing(own, label.split(" > ")[0], TRUE, ()),), (back,)),
        SumCertificate((Pairing(own, f"{label} > x", TRUE, first.point),), (back,)),
        SumCertificate((Pairing(own, label, TRUE, first.point[1:]),), (back,)),
        SumCertificate((Pairing(own, label, TRUE, (*first.point, one)),), (back,)),
        SumCertificate((first,), (Pairing(label, own, TRUE, back.point[1:]),)),
        SumCertificate((Pairing(own, label, TRUE, (Index.of(Variable("q")), one)),), (back,)),
    ]
    for lie in lies:
        with pytest.raises(Violation):
            check(left, right, lie)


@pytest.mark.parametrize(
    ("source", "target"),
    [(NESTED, NESTED), (FLAT, FLAT), (NESTED, FLAT)],
    ids=["nested", "flat", "mixed"],
)
def test_how_often_an_element_is_added_counts(source: str, target: str) -> None:
    """{a, a, b, b} and {a, a, a, b} have the same elements, and claims that look right each way."""
    left, right = analysed(source, "i"), analysed(target, "(i + j) / 2")
    with pytest.raises(Violation):
        check(
            left,
            right,
            claimed(left, right, lambda i, j: (i, i), lambda i, j: ((i + j) // 2, i * 0)),
        )


def test_paired_summands_have_the_same_value() -> None:
    """A bijection between summands of other elements proves nothing."""
    other = analysed(NESTED, "i + j")
    for element in ("2 * i + j", "i + 2 * j"):
        flat = analysed(FLAT, element)
        with pytest.raises(Violation, match="same product") as found:
            check(flat, other, claimed(flat, other, same, same))
        assert found.value.model


def copied(extent: int, *, position: int, given: int = 4) -> Side:
    """A program whose output, of this extent, is an input, element by element."""
    counter = Variable("i", 0, extent - 1)
    array, source = (
        Array(name, "i8", (constant_index(size),), role, place)
        for name, size, role, place in (
            ("y", extent, Role.MEMORY, 1),
            ("x", given, Role.INPUT, position),
        )
    )
    place = (Index.of(counter),)
    final = Statement(
        "F", (counter,), TRUE, place, array, place, read(0, "i8"), (Read(source, place, place),)
    )
    return Side(Program(outputs={1: final}), FlowCertificate())


def test_arrays_of_other_extents_are_not_compared() -> None:
    """Outputs, and inputs of one position, have the same extents; positions count too."""

    def compare(left: Side, right: Side) -> None:
        def propose(question: SumQuestion) -> SumCertificate:
            raise AssertionError(question)

        Matcher(left, right, Solver(), propose, equal_for_all).output(1)

    compare(copied(3, position=0), copied(3, position=0))
    for other in (
        copied(4, position=0),
        copied(2, position=0),
        copied(3, position=0, given=5),
        copied(3, position=2),
    ):
        with pytest.raises(Violation):
            compare(copied(3, position=0), other)


SUM = """#include <stdint.h>
void k(const int8_t A[5], const uint8_t B[5], int32_t y[1]) {
  int32_t s = START, T[2];
  T[0] = A[0];
  T[1] = B[0];
  for (int i = 0; i < 5; i++) for (int j = 0; j < TIMES; j++) s += SUMMAND;
  y[0] = s;
}"""


@pytest.mark.parametrize(
    ("start", "times", "summand", "expected"),
    [
        ("0", 1, "A[i]", (-640, 635)),
        ("7", 2, "A[i]", (-1273 - 7, 1277)),
        ("-7", 2, "B[i]", (-7, 2550)),
        ("A[0]", 1, "B[i]", (-128, 1275 + 127)),
        ("0", 3, "-B[i]", (-3825, 0)),
        ("0", 1, "A[i] * B[j]", (-163200, 161925)),
        ("0", 10**6, "A[i] * B[0]", (-(2**31), 2**31 - 1)),
        ("0", 2, "T[j]", (-1280, 2550)),
        ("0", 1, "(A[i] > 0)", (0, 5)),
        ("0", 1, "-(A[i] > 0)", (-5, 0)),
    ],
)
def test_ranges_of_sums(start: str, times: int, summand: str, expected: tuple[int, int]) -> None:
    """As many summands as counters tell apart, each in its range, unless the type wraps around."""
    text = SUM.replace("START", start).replace("TIMES", str(times)).replace("SUMMAND", summand)
    found = analysed(text)
    side, final = Side(found.program, found.certificate), found.program.outputs[2]
    (source,) = side.sources(final, 0)
    writer = side.statements[source.writer]
    (seen,) = leaves(writer.value, "read")
    assert sum_range(side, Sum(writer.name, seen.payload, ()), Solver()) == expected


TWO_TYPES = """#include <stdint.h>
void k(int n, int m, int64_t y[1]) {
  int64_t T[2];
  int32_t narrow[1];
  narrow[0] = VALUE;
  T[0] = narrow[0];
  for (int64_t j = 5; j < 6; j++) T[1] = j;
  y[0] = 0;
  for (int k = 0; k < 2; k++) y[0] += T[k];
}"""


def test_summands_of_two_types_have_two_names() -> None:
    """A counter of 32 bits is none of 64 bits: a claim about one says nothing of the other."""
    found = classes_of(analysed(TWO_TYPES.replace("VALUE", "n")), 64)
    assert len(found) == len({each.label for each in found}) == 2
    left, right = (parse_c_kernel(TWO_TYPES.replace("VALUE", name), "k.c") for name in "nm")
    assert validate(left, right).verdict == "refuted"


@pytest.mark.parametrize("value", ["n", "m"])
def test_classes_with_one_name_are_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If two classes had one name, a claim about one would be taken for one about the other."""
    monkeypatch.setattr(summands, "step_text", lambda statement, shape, part: statement.name)
    left, right = (analysed(TWO_TYPES.replace("VALUE", name)) for name in ("n", value))
    (own, _), (other, _) = classes_of(left, 64), classes_of(right, 64)
    counter = (Index.of(Variable(next(iter(own.names)))),)
    claim = Pairing(own.label, other.label, TRUE, counter)
    with pytest.raises(Violation, match="two classes"):
        check(left, right, SumCertificate((claim,), (claim,)))
