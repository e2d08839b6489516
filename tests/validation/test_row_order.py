"""Orders of local rows in programs with loops: what the machine keeps, and what it does not."""

from __future__ import annotations

from random import Random

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.resolve import resolve
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.validation.core.polyhedral import Unsupported
from liftproof.validation.core.smt import Solver
from liftproof.validation.extract.extraction import extract
from liftproof.validation.fuzz import parse_module
from liftproof.validation.hazards.check import find_hazard, hazard_and_assumptions
from liftproof.validation.hazards.load_order import load_order
from liftproof.validation.hazards.row_order import check_row_order

NUMBERS = (0, 1, 2, 4, 8, 12, 16, 17, 24, 32, 40, 64)
BODY = """
func.func @f(%A: memref<64x16x{input}>, %B: memref<64x16x{input}>, %C: memref<64x16x{sum}>,
    %D: memref<64x16x{input}>) attributes {{"liftproof.outputs" = array<i64: 3>}} {{
  {constants}
  %yes = arith.constant true
  %none = gemmini.none
  gemmini.config_ex {execute}
  gemmini.config_ld {{stride = {stride} : i64, block_stride = 16 : i64}}
  gemmini.config_ld {{channel = 2 : i64, stride = 64 : i64, block_stride = 16 : i64}}
  gemmini.config_st {{stride = {stride} : i64}}
  {body}
  gemmini.fence
  func.return
}}"""


def program(body: str, *, execute: str = "", machine: str = "gemmini-16x16-int8") -> str:
    constants = "\n".join(f"  %c{n} = arith.constant {n} : index" for n in NUMBERS)
    is_integer = machine.endswith("int8")
    kinds = {"input": "i8", "sum": "i32"} if is_integer else {"input": "f32", "sum": "f32"}
    stride = 16 if is_integer else 64
    return BODY.format(body=body, constants=constants, execute=execute, stride=stride, **kinds)


def load(array: str, row: str, *, rows: str = "16", at: str = "c0", size: str = "16") -> str:
    return f"""
  %{array}_{row}_{rows} = gemmini.spad %{row}
  gemmini.mvin %{array}[%{at}, %c0] to %{array}_{row}_{rows}[%c{rows}, %c{size}]
    : memref<64x16xi8>, !gemmini.local<spad>"""


def store(row: str, *, at: str = "c0") -> str:
    return f"""
  %from_{row} = gemmini.spad %{row}
  gemmini.mvout %from_{row}[%c16, %c16] to %D[%{at}, %c0]
    : !gemmini.local<spad>, memref<64x16xi8>"""


def loop(body: str) -> str:
    return f"scf.for %i = %c0 to %c64 step %c16 {{{body}\n  }}"


def is_kept(text: str, machine: str = "gemmini-16x16-int8") -> bool:
    """Whether the machine keeps all orders that the program needs, as far as loops show it."""
    try:
        check_row_order(extract(parse_module(text), load_config(machine)), Solver())
    except Unsupported:
        return False
    return True


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (load("A", "c0", at="i") + store("c0", at="i"), True),
        (load("A", "c0", at="i"), False),
        (load("A", "c0") + load("A", "c0", rows="8"), False),
        (load("A", "c0", at="i") + load("B", "c0", at="i") + store("c0", at="i"), False),
        (load("A", "c0") + load("B", "c32") + load("B", "c0") + store("c0"), True),
        (load("A", "c0") + store("c0") + load("B", "c0") + store("c0").replace("_c0", "_x"), True),
        (load("A", "c0") + store("c32") + load("B", "c0") + store("c0"), False),
        (load("A", "c0") + "\n  gemmini.fence" + load("B", "c0") + store("c0"), True),
        (load("A", "c0") + load("B", "c12") + store("c0"), False),
        (load("A", "c0", size="17") + load("B", "c16"), False),
    ],
    ids=[
        "a store needs what was loaded",
        "nothing needs what was loaded",
        "a loop begins anew before the rows are read",
        "two loads of one iteration",
        "a load in between",
        "a store in between",
        "a store of other rows in between",
        "a fence in between",
        "some rows in common",
        "one column in a second block",
    ],
)
def test_loads_in_flight_end_in_any_order(body: str, kept: bool) -> None:
    """Two loads of a row need a load, a fence or a command of that row in between, in loops too."""
    assert is_kept(program(loop(body))) == kept


@pytest.mark.parametrize(
    ("between", "assumed"),
    [
        (load("B", "c32"), True),
        (store("c0"), False),
        ("\n  gemmini.fence", False),
        (load("B", "c32") + store("c0"), False),
    ],
    ids=["a load", "a store of the rows", "a fence", "a load and a store"],
)
def test_an_order_that_only_loads_give_is_an_assumption(between: str, assumed: bool) -> None:
    """Memory might answer a load after two later ones; proofs that rest on it say so."""
    copy = store("c0", at="c16").replace("%from_", "%last_")
    text = program(load("A", "c0") + between + load("B", "c0") + copy)
    config, module = load_config(), parse_module(text)
    stream, layout = stream_of_module(module, config)
    found = hazard_and_assumptions(stream, resolve(stream), layout, config)
    assert found == (None, (load_order(2),) if assumed else ())
    loops = extract(module, config)
    check_row_order(loops, Solver())
    # Loops are looked at less closely: loads in between are seen first.
    assert loops.presumes_load_order == ("mvin" in between)


def test_loads_of_a_loop_lie_in_between() -> None:
    """A loop that surely runs loads something between the loads before and behind it."""
    others = loop(load("B", "c32"))
    assert is_kept(program(load("A", "c0") + others + load("B", "c0")))


ADDED = """
  %{name} = gemmini.acc %c0 {adds}
  gemmini.mvin %C[%c0, %c0] to %{name}[%c16, %c16] {{channel = 2 : i64}}
    : memref<64x16xi32>, !gemmini.local<acc>"""
ZEROS = """
  %zeros = gemmini.acc %c0
  gemmini.mvin_zeros %zeros[%c16, %c16] : !gemmini.local<acc>"""


def test_some_loads_may_end_in_any_order() -> None:
    """Zeros are there at once, additions commute, and the same data may arrive twice."""
    sets, adds = ADDED.format(name="s", adds=""), ADDED.format(name="a", adds="accumulate %yes")
    again, more = sets.replace("%s", "%t"), adds.replace("%a", "%b")
    for body, kept in (
        (ZEROS + adds + more, True),
        (sets + adds, False),
        (sets + again, True),
        (sets + again.replace("%C[%c0", "%C[%c16"), False),
        (sets + ZEROS, False),
    ):
        assert is_kept(program(body)) == kept, body


def product(stationary: str, target: str, a: str, *, rows: int = 16, cols: int = 16) -> str:
    space = "acc" if target == "acc" else "spad"
    place = "gemmini.acc %c0" if target == "acc" else f"gemmini.spad %{target}"
    return f"""
  %b_{target} = gemmini.spad %{stationary}
  %a_{target} = gemmini.spad %{a}
  %c_{target} = {place}
  gemmini.preload %b_{target}[%c{rows}, %c{cols}] to %c_{target}[%c8, %c16]
    : !gemmini.local<spad>, !gemmini.local<{space}>
  gemmini.compute_preloaded %a_{target}[%c8, %c16], %none[%c8, %c16]
    : !gemmini.local<spad>, !gemmini.local<none>"""


@pytest.mark.parametrize(
    ("first", "between", "kept"),
    [
        ("c64", "", True),
        ("c40", "", True),
        ("c1", "", False),
        ("c1", "gemmini.config_ex", True),
        ("c1", "gemmini.fence", True),
        ("c1", load("B", "c24"), False),
    ],
)
def test_a_result_in_flight_is_seen_by_its_first_row(first: str, between: str, kept: bool) -> None:
    """A computation that reads a result from its second row on needs the array drained."""
    operands = load("A", "c16") + load("B", "c32")
    body = operands + product("c32", "c0", "c16") + "\n  " + between
    body += "\n" + product("c32", "acc", first if first != "c64" else "c0")
    assert is_kept(program(loop(body.replace("c64", "c0")))) == kept


@pytest.mark.parametrize(
    ("old", "new", "execute", "result", "before"),
    [
        ("%none[%c8, %c16]", "%bias[%c8, %c4]", "{b_transpose}", "c8", "c4"),
        ("%a_acc[%c8, %c16]", "%bias[%c8, %c16]", "{a_stride = 2 : i64}", "c24", "c12"),
    ],
    ids=["rows of a bias", "rows of A, of which every second one counts"],
)
def test_all_rows_of_an_operand_count(
    old: str, new: str, execute: str, result: str, before: str
) -> None:
    """An operand that reaches into a result in flight, from rows before it, needs it finished."""
    second = product("c64", "acc", "c64").replace(old, new)
    if "%none" not in second:
        second = second.replace("<none>", "<spad>")
    for first, kept in ((before, False), ("c40", True)):
        operand = f"\n  %bias = gemmini.spad %{first}"
        body = product("c64", result, "c64") + operand + second
        assert is_kept(program(body, execute=execute)) == kept


def test_weights_that_are_kept_are_not_read_again() -> None:
    """A computation that goes on with its weights reads nothing where their preload says."""
    second = product("c4", "acc", "c64")
    for text, kept in ((second, False), (second.replace("_preloaded", "_accumulated"), True)):
        assert is_kept(program(product("c64", "c0", "c64") + text)) == kept


@pytest.mark.parametrize(
    ("loads", "rows", "kept"),
    [
        (load("B", "c32"), 8, True),
        (load("B", "c32"), 1, True),
        (load("B", "c32", rows="8") + load("B", "c40", rows="8"), 8, False),
        (load("B", "c32", rows="8") + load("B", "c40", rows="8") + "\n  gemmini.fence", 8, True),
    ],
)
def test_a_transposed_operand_is_tracked_by_rows(loads: str, rows: int, kept: bool) -> None:
    """Of 8 × 16 elements read by columns, rows 9 to 16 are tracked only with those before."""
    body = load("A", "c0") + loads + product("c32", "acc", "c0", rows=rows)
    assert is_kept(program(body, execute="{b_transpose}")) == kept


def test_five_loads_are_in_flight_with_small_arrays() -> None:
    """With 4 × 4 arrays, four loads in between are needed instead of one."""
    machine = "gemmini-4x4-fp32"
    for others, kept in ((3, False), (4, True)):
        rows = ["c0", *("c4", "c8", "c12", "c16")[:others]]
        loads = [load("A", row, rows="4", size="4") for row in rows]
        loads.append(load("B", "c0", rows="4", size="4"))
        body = "".join(loads).replace("i8", "f32")
        assert is_kept(program(body, machine=machine), machine) == kept


def random_body(rng: Random) -> str:
    """A few commands on overlapping rows; one buffer alternates with the iteration."""
    commands = [
        lambda: load(rng.choice("AB"), "c0", at="i"),
        lambda: load(rng.choice("AB"), "turn", at="i"),
        lambda: load(rng.choice("AB"), "c40", at="i"),
        lambda: store("c0", at="i"),
        lambda: store("turn", at="i"),
        lambda: "\n  gemmini.fence",
    ]
    texts = [load("A", "turn", at="i"), *(rng.choice(commands)() for _ in range(rng.randrange(4)))]
    rng.shuffle(texts)
    named = [
        text.replace("_c", f"_{n}c").replace("_turn", f"_{n}t") for n, text in enumerate(texts)
    ]
    head = """
  %half = arith.divui %i, %c16 : index
  %phase = arith.remui %half, %c2 : index
  %turn = arith.muli %phase, %c8 : index"""
    return loop(head + "".join(named))


def test_the_exact_analysis_of_the_stream_agrees() -> None:
    """What loops show to be in order is in order command by command, and hardly ever more is."""
    config, found = load_config(), {True: 0, False: 0}
    rng = Random(7)
    start = "".join(load("A", row) for row in ("c0", "c40", "c8")) + "\n  gemmini.fence\n"
    for _ in range(14):
        text = program(start + random_body(rng))
        stream, layout = stream_of_module(parse_module(text), config)
        hazard = find_hazard(stream, resolve(stream), layout, config)
        clean = hazard is None or hazard.rule.name in ("READ_AFTER_STORE", "STORE_AFTER_READ")
        assert is_kept(text) == clean, (hazard, text)
        found[clean] += 1
    assert min(found.values()) >= 3
