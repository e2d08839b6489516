"""The specification of a source is proved; a wrong reading of the source is caught."""

from __future__ import annotations

from dataclasses import replace

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.certificate import TermClaim
from liftproof.validation.core.checker import Violation
from liftproof.validation.core.polyhedral import Unsupported
from liftproof.validation.core.terms import constant, term
from liftproof.validation.core.totals import structure
from liftproof.validation.trace import specify as proposals
from liftproof.validation.trace.certify import _terms  # pyright: ignore[reportPrivateUsage]
from liftproof.validation.trace.specify import specify
from liftproof.validation.trace.term_table import expected_terms
from liftproof.validation.validate import prepare


def shifted(claim):
    """The claim with another element in one place."""
    first, *rest = claim.elements
    return [replace(claim, elements=((first[0] + 1, *first[1:]), *rest))]


def value_of(kernel, config):
    """What all elements of the output are."""
    ((value,),) = (kind.values for kind in specify(prepare(kernel, config)).outputs[0].kinds)
    return value


CHANGES = {
    "other element": shifted,
    "too few": lambda claim: [],
    "claimed twice": lambda claim: [claim, claim],
    "too many": lambda claim: [replace(claim, inequalities=())],
    "one less": lambda claim: [
        replace(
            claim,
            inequalities=(*((row[0] - (row[-1] > 0), *row[1:]) for row in claim.inequalities),),
        )
    ],
    "other statement": lambda claim: [replace(claim, statement="S0")],
}


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_claims_are_caught(name, gemm, conv, config, monkeypatch):
    """Each way to misread a source's summands fails the proof of the specification."""
    sources = [
        prepare(kernel, config) for kernel in (gemm(m=9).kernel(), conv(5, 6, 3, 4).kernel())
    ]
    read = proposals._claims  # pyright: ignore[reportPrivateUsage]

    def misread(*arguments):
        claims = read(*arguments)
        return [changed for claim in claims for changed in CHANGES[name](claim)]

    for source in sources:
        assert specify(source).obligations > 0
    monkeypatch.setattr(proposals, "_claims", misread)
    for source in sources:
        source.derived.clear()
        with pytest.raises(Violation):
            specify(source)


def test_padding_leaves_out_terms(conv, config):
    """A corner of a padded convolution has only the terms inside of the image."""
    value = value_of(conv(5, 6, 3, 4).kernel(), config)
    first = [0, 1000, 2000]
    assert len(expected_terms(value, (0, 0, 0), first)) == 2 * 2 * 3
    assert len(expected_terms(value, (2, 2, 3), first)) == 3 * 3 * 3
    assert sorted(expected_terms(value, (0, 0, 1), first))[0] == (0, 1000 + (3 + 1) * 12 + 1)


def test_guards_do_not_split_the_bias(config):
    """A bias behind guards of the terms is one family, so that each of its elements is one term."""
    kernel = parse_c_kernel(
        """#include <stdint.h>
        void pooled(const int8_t A[4][4], const int8_t W[3][3], const int32_t D[1],
                    int32_t C[2][2]) {
          int32_t t[4][4];
          for (int y = 0; y < 4; y++)
            for (int x = 0; x < 4; x++) {
              t[y][x] = D[0];
              for (int r = 0; r < 3; r++)
                for (int q = 0; q < 3; q++) {
                  int v = y + r - 1, h = x + q - 1;
                  if (v < 0 || v >= 4 || h < 0 || h >= 4) continue;
                  t[y][x] += A[v][h] * W[r][q];
                }
            }
          for (int y = 0; y < 2; y++)
            for (int x = 0; x < 2; x++) {
              C[y][x] = t[2 * y][2 * x];
              for (int r = 0; r < 2; r++)
                for (int q = 0; q < 2; q++)
                  if (t[2 * y + r][2 * x + q] > C[y][x]) C[y][x] = t[2 * y + r][2 * x + q];
            }
        }""",
        "pooled.c",
    )
    (kind,) = specify(prepare(kernel, config)).outputs[0].kinds
    assert all(sum(len(f.operands) == 1 for f in value.families) == 1 for value in kind.values)


def test_squares_are_products_of_an_element_with_itself(config):
    """A summand may use one element twice."""
    kernel = parse_c_kernel(
        """#include <stdint.h>
        void squares(const int8_t A[4][8], int32_t C[4]) {
          for (int i = 0; i < 4; i++) {
            int32_t sum = 0;
            for (int k = 0; k < 8; k++) sum += A[i][k] * A[i][k];
            C[i] = sum;
          }
        }""",
        "squares.c",
    )
    value = value_of(kernel, config)
    assert expected_terms(value, (1,), [0, 32]) == [(k, k) for k in range(8, 16)]


def test_products_of_three_are_refused(config):
    """A source outside the class is refused by name, not approximated."""
    kernel = parse_c_kernel(
        """#include <stdint.h>
        void cubes(const int8_t A[4][8], int32_t C[4]) {
          for (int i = 0; i < 4; i++) {
            int32_t sum = 0;
            for (int k = 0; k < 8; k++) sum += A[i][k] * A[i][k] * A[i][k];
            C[i] = sum;
          }
        }""",
        "cubes.c",
    )
    with pytest.raises(Unsupported, match="products of two elements"):
        specify(prepare(kernel, config))


def test_a_sum_that_is_read_several_times_is_one_sum(config):
    """Comparisons and selections of the same sum are one function of it."""
    kernel = parse_c_kernel(
        """#include <stdint.h>
        void product(const int8_t A[4][8], const int8_t B[8][4], int8_t C[4][4]) {
          int32_t sums[4];
          for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 4; j++) sums[j] = 0;
            for (int k = 0; k < 8; k++)
              for (int j = 0; j < 4; j++) sums[j] += A[i][k] * B[k][j];
            for (int j = 0; j < 4; j++) {
              if (sums[j] > 127) sums[j] = 127;
              if (sums[j] < -128) sums[j] = -128;
              C[i][j] = sums[j];
            }
          }
        }""",
        "product.c",
    )
    value = value_of(kernel, config)
    assert [family.volume for family in value.families] == [8]


def test_terms_are_those_whose_conditions_hold(config):
    """Each element of a triangle's sums has the terms of its own row."""
    kernel = parse_c_kernel(
        """#include <stdint.h>
        void triangle(const int8_t A[4][4], int32_t C[4]) {
          for (int i = 0; i < 4; i++) {
            C[i] = 0;
            for (int k = 0; k <= i; k++) C[i] += A[i][k];
          }
        }""",
        "triangle.c",
    )
    value = value_of(kernel, config)
    terms = [expected_terms(value, [row], [0, 16]) for row in range(4)]
    assert terms == [[(4 * row + k,) for k in range(row + 1)] for row in range(4)]


def test_terms_are_products_of_two_elements() -> None:
    """A summand of another form has no name among the terms that streams are compared by."""
    a, b, c = (term("slot", "i8", payload=("input", place, place)) for place in range(3))
    for shape, factors in (
        (a, (a,)),
        (term("mul", "int", a, b), (a, b)),
        (term("mul", "int", a, b, c), None),
        (term("mul", "int", a, constant(2, "i32")), None),
        (term("add", "int", a, b), None),
    ):
        claim = TermClaim("S", structure(shape), (), (), (), ())
        if factors is None:
            with pytest.raises(Unsupported, match="products of two elements"):
                _terms(claim, [c, shape])
        else:
            assert _terms(claim, [b, shape]).factors == factors
        with pytest.raises(Violation, match="claimed form"):
            _terms(claim, [b, c])
