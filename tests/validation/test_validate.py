"""Verdicts on pairs of programs of all levels, and on wrong programs."""

from __future__ import annotations

from itertools import product

import pytest
from liftproof.validation.fuzz import parse_module
from liftproof.validation.validate import prepare, validate, validate_generalized

LEVELS = ("loops", "tensors", "tiles", "instructions")
RAGGED = (20, 24, 40)

WRONG_INSTRUCTIONS = {
    "prefetch after the last": ("slt, %next", "sle, %next"),
    "stale prefetch": ("%B[%k_next, %j]", "%B[%k, %j]"),
    "prefetch into the buffer in use": ("arith.remsi %next", "arith.remsi %ko"),
    "buffers overlap": (
        "%b_row_next = arith.addi %a_row_next, %c64",
        "%b_row_next = arith.addi %a_row_next, %c16",
    ),
    "always accumulate": ("sgt, %ko, %c0", "sge, %ko, %c0"),
    "never accumulate": ("accumulate %not_first", ""),
    "accumulate by the wrong loop": ("sgt, %ko, %c0", "sgt, %jo, %c0"),
    "one loop too short": ("scf.for %jo = %c0", "scf.for %jo = %c1"),
    "wrong column": ("%A[%i, %k_next]", "%A[%i, %k]"),
    "transposed access": ("%B[%c0, %j]", "%B[%j, %c0]"),
    "too many rows out": ("%result[%m, %n]", "%result[%c16, %n]"),
    "too few rows out": ("%result[%m, %n]", "%result[%c1, %n]"),
    "wrong accumulator row": ("%result = gemmini.acc %c0", "%result = gemmini.acc %c16"),
    "ReLU": ("config_st {", "config_st {activation = #gemmini.activation relu, "),
    "scale": ("config_st {", "config_st {scale = 0.5 : f32, "),
    "store stride": ("config_st {stride = 24", "config_st {stride = 25"),
    "load stride": (
        "config_ld {channel = 1 : i64, stride = 24",
        "config_ld {channel = 1 : i64, stride = 23",
    ),
    "transposed operand": ("gemmini.config_ex", "gemmini.config_ex {a_transpose}"),
    "a product twice": (
        "gemmini.preload",
        "gemmini.preload %b[%depth, %n] to %c[%m, %n] : !gemmini.local<spad>, !gemmini.local<acc>\n"
        "gemmini.compute_preloaded %a[%m, %depth], %none[%c16, %c16] : "
        "!gemmini.local<spad>, !gemmini.local<none>\n"
        "gemmini.preload",
    ),
    "reused weights that changed": ("compute_preloaded", "compute_accumulated"),
}

HARMLESS = {
    "columns of A that meet zeros": ("%a[%m, %depth]", "%a[%m, %c16]"),
    "columns of B that nobody reads": ("preload %b[%depth, %n]", "preload %b[%depth, %c16]"),
    "an unused load channel": (
        "gemmini.config_ex",
        "gemmini.config_ex\ngemmini.config_ld"
        " {channel = 2 : i64, stride = 1 : i64, block_stride = 1 : i64}",
    ),
    "the same configuration twice": ("gemmini.config_ex", "gemmini.config_ex\ngemmini.config_ex"),
}

WRONG_LOOPS = {
    "truncation for saturation": ("arith.trunci %v2", "arith.trunci %v"),
    "upper limit": ("%high = arith.constant 127", "%high = arith.constant 126"),
    "start value": ("%zero = arith.constant 0", "%zero = arith.constant 1"),
    "first product missing": ("scf.for %k = %c0", "scf.for %k = %c1"),
    "zero-extended operand": ("%ax = arith.extsi", "%ax = arith.extui"),
    "sum too narrow": ("%t = arith.addi %s, %p : i32", "%t = arith.subi %s, %p : i32"),
    "row missing": ("scf.for %i = %c0", "scf.for %i = %c1"),
}


@pytest.mark.parametrize(("source", "target"), list(product(LEVELS, LEVELS)))
def test_all_levels_agree(kernel, source: str, target: str) -> None:
    """Each level of one kernel, ragged in all dimensions, is proved equal to each other level."""
    program = kernel(*RAGGED)
    result = validate(program.module(source), program.module(target))
    assert result.verdict == "proved", result.reason
    assert result.obligations > 0
    assert result.counterexample is None


@pytest.mark.parametrize("sizes", [(1, 1, 1), (17, 16, 16), (16, 16, 512), (512, 512, 512)])
def test_sizes(kernel, sizes: tuple[int, int, int]) -> None:
    """Sizes with and without ragged edges are proved."""
    program = kernel(*sizes)
    result = validate(program.module("loops"), program.module("instructions"))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize("change", WRONG_INSTRUCTIONS)
def test_wrong_instructions_are_refuted(kernel, change: str) -> None:
    """Each mistake in the instructions is refuted with inputs on which the simulator differs."""
    program = kernel(*RAGGED)
    source = program.module("loops")
    result = validate(source, program.module("instructions", WRONG_INSTRUCTIONS[change]))
    assert result.verdict == "refuted", (result.verdict, result.reason)
    assert result.counterexample is not None
    assert result.reason


@pytest.mark.parametrize("change", HARMLESS)
def test_harmless_changes_are_proved(kernel, change: str) -> None:
    """Changes that no output shows are proved: the validator looks at values, not at form."""
    program = kernel(*RAGGED)
    result = validate(program.module("loops"), program.module("instructions", HARMLESS[change]))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize("change", WRONG_LOOPS)
def test_wrong_loops_are_refuted(kernel, change: str) -> None:
    """Each mistake in loop IR is refuted with inputs on which the programs differ."""
    program = kernel(*RAGGED)
    result = validate(program.module("tensors"), program.module("loops", WRONG_LOOPS[change]))
    assert result.verdict == "refuted", (result.verdict, result.reason)


def test_cost_does_not_grow_with_sizes(kernel) -> None:
    """The number of obligations hardly depends on the sizes, which are numbers in formulas."""
    programs = [kernel(n, n, n) for n in (64, 4096)]
    small, large = (validate(p.module("loops"), p.module("instructions")) for p in programs)
    assert small.verdict == large.verdict == "proved"
    assert large.obligations < 2 * small.obligations


def test_source_is_prepared_once(kernel) -> None:
    """A prepared source gives the same verdicts as the module itself."""
    program = kernel(*RAGGED)
    prepared = prepare(program.module("loops"))
    assert validate(prepared, program.module("instructions")).verdict == "proved"
    wrong = program.module("instructions", WRONG_INSTRUCTIONS["stale prefetch"])
    assert validate(prepared, wrong).verdict == "refuted"


def test_missing_fence_is_not_proved(kernel) -> None:
    """Without a fence the core could read C before it is there, though the simulator agrees."""
    program = kernel(*RAGGED)
    result = validate(
        program.module("loops"), program.module("instructions", ("gemmini.fence", ""))
    )
    assert result.verdict == "unknown"
    assert "fence" in result.reason


@pytest.mark.parametrize("level", ["loops", "tensors"])
def test_summary_is_proved_for_all_sizes(kernel, level: str) -> None:
    """Lifting gets a proof for every size, and an assumption names the sizes."""
    program = kernel(*RAGGED)
    result = validate_generalized(program.module("loops"), program.module(level))
    assert result.verdict == "proved"
    assert any("all sizes" in text and "A[1], B[0]" in text for text in result.assumptions)


def test_equal_sizes_by_chance_stay_apart(kernel) -> None:
    """Sizes that are equal in the text but mean different things become different symbols."""
    program = kernel(512, 512, 512)
    result = validate_generalized(program.module("loops"), program.module("tensors"))
    sizes = next(text for text in result.assumptions if "all sizes" in text)
    assert sizes.count(";") == 2


def test_wrong_summary_is_refuted_at_its_size(kernel) -> None:
    """A wrong summary is refuted at the sizes in the text, and the assumptions say so."""
    program = kernel(*RAGGED)
    wrong = program.module("tensors", ("%high = arith.constant 127", "%high = arith.constant 126"))
    result = validate_generalized(program.module("loops"), wrong)
    assert result.verdict == "refuted"
    assert any("sizes in the program only" in text for text in result.assumptions)


INDIRECT = """
func.func @gather(%A: memref<8xi8>, %I: memref<8xi32>, %C: memref<8xi8>)
    attributes {"liftproof.outputs" = array<i64: 2>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  scf.for %i = %c0 to %c8 step %c1 {
    %n = memref.load %I[%i] : memref<8xi32>
    %p = arith.index_cast %n : i32 to index
    %a = memref.load %A[%p] : memref<8xi8>
    memref.store %a, %C[%i] : memref<8xi8>
  }
  func.return
}"""


def test_what_is_not_affine_is_unknown() -> None:
    """An access through data is outside the class: unknown, and the reason names it."""
    result = validate(parse_module(INDIRECT), parse_module(INDIRECT))
    assert result.verdict == "unknown"
    assert "arith.index_cast" in result.reason


ACCUMULATE = """
func.func @add(%A: memref<8xi32>, %C: memref<8xi32>)
    attributes {"liftproof.outputs" = array<i64: 1>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  scf.for %i = %c0 to %c8 step %c1 {
    %a = memref.load %A[%i] : memref<8xi32>
    %c = memref.load %C[%i] : memref<8xi32>
    %s = arith.addi %c, %a : i32
    memref.store %s, %C[%i] : memref<8xi32>
  }
  func.return
}"""


def test_in_place_update_starts_from_the_old_contents() -> None:
    """The old contents of an output are an input, and elements that nobody writes keep them."""
    source = parse_module(ACCUMULATE)
    assert validate(source, source).verdict == "proved"
    partial = parse_module(
        ACCUMULATE.replace("step %c1", "step %c2").replace(
            "%c8 = arith", "%c2 = arith.constant 2 : index\n  %c8 = arith"
        )
    )
    assert validate(source, partial).verdict == "refuted"
    assert validate(partial, partial).verdict == "proved"


def test_write_to_an_input_is_not_proved() -> None:
    """A target that changes a parameter which is not an output is refuted."""
    wrong = ACCUMULATE.replace("memref.store %s, %C[%i]", "memref.store %s, %A[%i]")
    result = validate(parse_module(ACCUMULATE), parse_module(wrong))
    assert result.verdict == "refuted"


def test_counterexample_replays(kernel, tmp_path) -> None:
    """The saved inputs of a counterexample show the difference when both programs run again."""
    import numpy as np
    from liftproof.hw.gemmini.config import load_config
    from liftproof.validation.execution.execute import execute

    program = kernel(*RAGGED)
    source = program.module("loops")
    target = program.module("instructions", WRONG_INSTRUCTIONS["stale prefetch"])
    found = validate(source, target).counterexample
    assert found is not None
    found.save(tmp_path / "inputs.npz")
    with np.load(tmp_path / "inputs.npz") as saved:
        inputs = [saved[name] for name in found.names]
    runs = [execute(module, inputs, load_config())[2] for module in (source, target)]
    assert str(runs[0][found.element]) == found.expected
    assert str(runs[1][found.element]) == found.actual
    assert found.expected != found.actual
