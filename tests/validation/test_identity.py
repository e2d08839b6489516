"""Programs that are the same need no proof; programs that differ are never taken for the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.validation.core.condition import TRUE, at_least, less_than
from liftproof.validation.core.identity import same_program
from liftproof.validation.core.index import Index, Variable, constant_index
from liftproof.validation.core.polyhedral import (
    Array,
    Fence,
    Program,
    Read,
    Requirement,
    Role,
    Statement,
)
from liftproof.validation.core.rewriting import replaced
from liftproof.validation.core.terms import read, term
from liftproof.validation.extract.extraction import extract
from liftproof.validation.fuzz import parse_module
from liftproof.validation.validate import validate

CONFIG = load_config()
DIFFERENT = {
    "bound": ("scf.for %jo = %c0", "scf.for %jo = %c1"),
    "address": ("%c = gemmini.acc %c0", "%c = gemmini.acc %c16"),
    "subscript": ("%A[%i, %k_next]", "%A[%i, %k]"),
    "flag": ("accumulate %not_first", ""),
    "scale": ("config_st {", "config_st {scale = 0.5 : f32, "),
    "legal sizes": ("%a[%m, %depth]", "%a[%m, %c16]"),
    "instruction twice": (
        "  gemmini.fence",
        "  %again = gemmini.acc %c0\n"
        "  gemmini.mvout %again[%c1, %c1] to %C[%c0, %c0] : !gemmini.local<acc>,"
        " memref<20x24xi8>\n  gemmini.fence",
    ),
}


def test_order_of_address_computations_does_not_matter(kernel) -> None:
    """Configurations and address computations moved around leave the same program."""
    program = kernel(20, 24, 40)
    moved = (
        "  scf.for %io",
        "  gemmini.config_ex\n  %unused = arith.constant 77 : index\n"
        "  %some = gemmini.spad %unused\n  scf.for %io",
    )
    first, second = program.module("instructions"), program.module("instructions", moved)
    assert same_program(extract(first, CONFIG), extract(second, CONFIG))
    result = validate(first, second)
    assert result.verdict == "proved"
    assert result.target is not None
    third = validate(result.target, program.module("loops"))
    assert third.verdict == "proved"


@pytest.mark.parametrize("change", DIFFERENT)
def test_different_programs_are_not_the_same(kernel, change: str) -> None:
    """Any change of a bound, address, subscript, flag or value is seen."""
    program = kernel(20, 24, 40)
    first = program.module("instructions")
    second = program.module("instructions", DIFFERENT[change])
    assert not same_program(extract(first, CONFIG), extract(second, CONFIG))


SWAPPED = """func.func @k(%A: memref<4xi8>) attributes {{"liftproof.outputs" = array<i64: 0>}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i8
  %two = arith.constant 2 : i8
  memref.store %{}, %A[%c0] : memref<4xi8>
  memref.store %{}, %A[%c0] : memref<4xi8>
  func.return
}}"""


def test_order_of_writes_matters() -> None:
    """The same writes in another order are another program."""
    first, second = (
        extract(parse_module(SWAPPED.format(*names)), CONFIG)
        for names in (("one", "two"), ("two", "one"))
    )
    assert same_program(first, first)
    assert not same_program(first, second)


SIZE, COUNTER, OTHER = Variable("n", 1), Variable("i", 0, 3), Variable("x", 0, 3)
LOCAL, FURTHER = (Array(name, "i32", (constant_index(8),)) for name in ("local", "further"))
GIVEN = Array("given", "i32", (constant_index(8),), Role.INPUT, 0)
RESULT = Array("result", "i32", (constant_index(8),), position=1)
ROW = Index.of(COUNTER)
SUM = term("add", "i32", read(0, "i32"), term("index", "i32", payload=ROW))


def at(*times: Index | int) -> tuple[Index, ...]:
    return tuple(map(Index.of, times))


COPY = Statement(
    "S1",
    (COUNTER,),
    less_than(ROW, 3),
    at(0, ROW, 0),
    LOCAL,
    (ROW,),
    SUM,
    (Read(GIVEN, (ROW,), at(0, ROW, 0)),),
)
USE = replace(
    COPY,
    name="S2",
    schedule=at(0, ROW, 1),
    array=RESULT,
    reads=(Read(LOCAL, (ROW,), at(0, ROW, 1)),),
)
FINAL = replace(USE, name="F", schedule=at(1), reads=(Read(RESULT, (ROW,), at(1)),), array=FURTHER)
LEGAL = Requirement((COUNTER,), at_least(ROW, 1), less_than(ROW, 4), "legal")
PROGRAM = Program(
    symbols=(SIZE,),
    context=at_least(Index.of(SIZE), 2),
    statements=[COPY, USE],
    requirements=[LEGAL],
    outputs={1: FINAL},
    moves={"S1"},
    fences=[Fence((COUNTER,), at_least(ROW, 2), at(0, ROW, 2))],
    local_memories=frozenset({"local"}),
)


def with_copy(**changes) -> Program:
    """The program with its first statement changed."""
    return replace(PROGRAM, statements=[replace(COPY, **changes), USE])


def with_fence(*fences: Fence) -> Program:
    return replace(PROGRAM, fences=list(fences))


def renamed(statement: Statement, array: Array, source: Array, *times: Index | int) -> Statement:
    """Another name for statement and counter, and other points of time."""
    new = replaced(statement, {"i": Index.of(OTHER)}, (OTHER,))
    reads = (Read(source, new.reads[0].indices, at(*times)),)
    return replace(new, name=new.name + "'", array=array, schedule=at(*times), reads=reads)


X = Index.of(OTHER)
(FENCE,) = PROGRAM.fences
ANOTHER = [
    replace(PROGRAM, symbols=()),
    replace(PROGRAM, symbols=(replace(SIZE, low=2),)),
    replace(PROGRAM, context=at_least(Index.of(SIZE), 3)),
    replace(PROGRAM, statements=[USE, COPY]),
    replace(PROGRAM, statements=[COPY]),
    replace(PROGRAM, requirements=[]),
    replace(PROGRAM, requirements=[replace(LEGAL, holds=less_than(ROW, 3))]),
    replace(PROGRAM, requirements=[replace(LEGAL, condition=at_least(ROW, 2))]),
    replace(PROGRAM, requirements=[replace(LEGAL, dims=(replace(COUNTER, high=2),))]),
    replace(PROGRAM, outputs={}),
    replace(PROGRAM, outputs={2: FINAL}),
    replace(PROGRAM, outputs={1: replace(FINAL, condition=TRUE)}),
    replace(PROGRAM, moves={"S2"}),
    replace(PROGRAM, moves=set()),
    replace(PROGRAM, local_memories=frozenset()),
    replace(PROGRAM, local_memories=frozenset({"result"})),
    with_fence(),
    with_fence(replace(FENCE, condition=at_least(ROW, 1))),
    with_fence(replace(FENCE, schedule=at(0, ROW, -1))),
    with_fence(replace(FENCE, schedule=at(0, 1, 2))),
    with_fence(replace(FENCE, dims=(replace(COUNTER, high=2),))),
    with_copy(dims=(replace(COUNTER, high=4),)),
    with_copy(dims=(COUNTER, Variable("j", 0, 1))),
    with_copy(condition=TRUE),
    with_copy(schedule=at(0, ROW, 2)),
    with_copy(schedule=at(0, 0, ROW)),
    with_copy(array=RESULT),
    with_copy(array=GIVEN),
    with_copy(array=FURTHER),
    with_copy(array=replace(LOCAL, element_type="i8")),
    with_copy(array=replace(LOCAL, extents=())),
    with_copy(indices=(ROW + 1,)),
    with_copy(value=read(0, "i32")),
    with_copy(value=term("add", "i32", read(0, "i32"), term("index", "i32", payload=ROW + 1))),
    with_copy(reads=()),
    with_copy(reads=(Read(LOCAL, (ROW,), at(0, ROW, 0)),)),
    with_copy(reads=(Read(replace(GIVEN, position=2), (ROW,), at(0, ROW, 0)),)),
    with_copy(reads=(Read(GIVEN, (ROW + 1,), at(0, ROW, 0)),)),
    with_copy(reads=(Read(GIVEN, (ROW,), at(0, ROW, 2)),)),
    with_copy(accumulates=True),
    with_copy(unordered=1),
    with_copy(fold="mul"),
]


@pytest.mark.parametrize("other", ANOTHER, ids=range(len(ANOTHER)))
def test_each_part_of_a_program_counts(other: Program) -> None:
    """Programs that differ in one thing that a run or the machine may see are not the same."""
    assert not same_program(PROGRAM, other)
    assert not same_program(other, PROGRAM)


def test_names_do_not_count() -> None:
    """Names of counters, statements and local arrays, and gaps between points of time, are free."""
    assert same_program(PROGRAM, replace(PROGRAM, statements=list(PROGRAM.statements)))
    local, further = replace(LOCAL, name="other"), replace(FURTHER, name="last")
    legal = Requirement((OTHER,), at_least(X, 1), less_than(X, 4), "other words")
    other = replace(
        PROGRAM,
        statements=[
            renamed(COPY, local, GIVEN, 2, X, 7),
            renamed(USE, RESULT, local, 2, X, 9),
        ],
        outputs={1: renamed(FINAL, further, RESULT, 5)},
        requirements=[legal],
        moves={"S1'"},
        fences=[Fence((OTHER,), at_least(X, 2), at(2, X, 30))],
        local_memories=frozenset({"other"}),
    )
    assert same_program(PROGRAM, other)
