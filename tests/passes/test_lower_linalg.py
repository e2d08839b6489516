"""Tensor IR to untuned tile IR: any shape, and a diagnostic for what is no matrix product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from liftproof.passes.pipelines import TO_INSTRUCTIONS, baseline_pipeline
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

Apply = Callable[..., ModuleOp]
Agrees = Callable[[Any, ModuleOp], bool]

SHAPES = [(1, 1, 1), (17, 16, 16), (33, 47, 129), (100, 75, 130), (1, 100, 70), (64, 1, 3)]
FORMS: list[dict[str, Any]] = [
    {},
    {"bias": "matrix", "relu": True, "scale": 1 / 64},
    {"bias": "row"},
    {"wide": True},
    {"wide": True, "bias": "matrix"},
    {"a_transposed": True},
    {"b_transposed": True, "relu": True},
    {"a_transposed": True, "b_transposed": True, "bias": "row"},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_untuned_program_is_right(
    gemm: Any, apply: Apply, agrees: Agrees, shape: tuple[int, ...], form: dict[str, Any]
) -> None:
    """The baseline computes the kernel for ragged sizes, biases, post-operations, transposes."""
    kernel = gemm(*shape, **form)
    assert agrees(kernel, apply(kernel.text(), baseline_pipeline()))


def test_swapped_factors_are_found(gemm: Any, apply: Apply, agrees: Agrees) -> None:
    """A product whose inputs are named in the other order is the same product."""
    kernel = gemm(20, 33, 17)
    text = kernel.text()
    swapped = (
        text.replace("(d0, d1, d2) -> (d0, d2)", "X")
        .replace("(d0, d1, d2) -> (d2, d1)", "(d0, d1, d2) -> (d0, d2)")
        .replace("X", "(d0, d1, d2) -> (d2, d1)")
        .replace(
            "ins(%A, %B : tensor<20x17xi8>, tensor<17x33xi8>)",
            "ins(%B, %A : tensor<17x33xi8>, tensor<20x17xi8>)",
        )
    )
    assert swapped != text
    maps = "[affine_map<(d0, d1, d2) -> (d2, d1)>,\n      affine_map<(d0, d1, d2) -> (d0, d2)>"
    assert maps in swapped
    assert agrees(kernel, apply(swapped, baseline_pipeline()))


def test_sums_onto_the_old_output(apply: Apply, gemm: Any) -> None:
    """C += A·B loads each tile of C before it stores it."""
    text = gemm(20, 20, 20, wide=True).text()
    text = text.replace("outs(%init :", "outs(%C :")
    module = apply(text, "gemmini-lower-linalg")
    loads = [op for op in module.walk() if op.name == "tile.load"]
    assert loads[0].operands[0].name_hint == "C"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("arith.muli %wide_a, %wide_b", "arith.addi %wide_a, %wide_b", "add one product"),
        ("arith.constant 0 : i32", "arith.constant 1 : i32", "start from zero"),
        ("arith.addi %c, %product", "arith.maxsi %c, %product", "must add to the sum"),
        ("20x30xi8", "20x30xi16", "multiplies int8"),
        ("liftproof.outputs = array<i64: 2>", "liftproof.other = 1", "liftproof.outputs"),
        ("func.return %result : tensor<20x10xi8>", "func.return %C : tensor<20x10xi8>", "generic"),
    ],
)
def test_other_kernels_are_refused(
    gemm: Any, apply: Apply, old: str, new: str, reason: str
) -> None:
    """What is not a product that Gemmini can do is refused with what was met."""
    text = gemm(20, 10, 30).text()
    changed = text.replace(old, new)
    if "i16" in new:
        changed = changed.replace("^bb0(%a: i8", "^bb0(%a: i16").replace(
            "%a : i8 to", "%a : i16 to"
        )
    assert changed != text
    with pytest.raises(PassFailedException, match=reason):
        apply(changed, "gemmini-lower-linalg")


def test_a_column_bias_is_refused(gemm: Any, apply: Apply) -> None:
    """One bias per row of C has no form in Gemmini's moves."""
    text = gemm(20, 20, 30, bias="row").text()
    text = text.replace("affine_map<(d0, d1) -> (d1)>", "affine_map<(d0, d1) -> (d0)>")
    with pytest.raises(PassFailedException, match="one row that repeats"):
        apply(text, "gemmini-lower-linalg")


def test_an_unknown_configuration_is_refused(gemm: Any, apply: Apply) -> None:
    """The option names a configuration; the diagnostic lists them."""
    with pytest.raises(PassFailedException, match="gemmini-16x16-int8"):
        apply(gemm(4, 4, 4).text(), 'gemmini-lower-linalg{config="missing"}')


def test_attributes_survive(gemm: Any, apply: Apply) -> None:
    """The kernel's own attributes reach the instructions, for the emission of C."""
    text = gemm(4, 4, 4).text().replace("array<i64: 2>", 'array<i64: 2>, liftproof.source = "k.c"')
    module = apply(text, f"gemmini-lower-linalg,{TO_INSTRUCTIONS}")
    assert 'liftproof.source = "k.c"' in str(module)
