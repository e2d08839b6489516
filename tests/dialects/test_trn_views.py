"""Views, places and streams of Trainium that no machine has are refused with the rule's text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[..., Any]

S = "#trn<space sbuf>"
P = "#trn<space psum>"

VIEWS: list[tuple[str, str, str, str]] = [
    # rule, buffer, view arguments, view
    (
        "partition start: 33 partitions start at partition 0, 64, got 32",
        f"128x4xf32, {S}",
        "[32, 0]",
        "sbuf, 33x4xf32",
    ),
    (
        "partition start: 8 partitions start at partition 0, 32, 64, 96, got 8",
        f"128x4xf32, {S}",
        "[8, 0]",
        "sbuf, 8x4xf32",
    ),
    (
        "partition start: 65 partitions start at partition 0, got 32",
        f"128x4xf32, {S}",
        "[32, 0]",
        "sbuf, 65x4xf32",
    ),
    (
        "partition stride",
        f"128x4xf32, {S}",
        "[0, 0] {steps = array<i64: 2, 1>}",
        "sbuf, 64x4xf32",
    ),
    (
        "partition stride",
        f"128x4xf32, {S}",
        "[0, 0] {along = array<i64: 1, 0>}",
        "sbuf, 4x128xf32",
    ),
    (
        "access pattern: at most 4 free dimensions, got 5",
        f"8x2x2x2x2x2xf32, {S}",
        "[0, 0, 0, 0, 0, 0]",
        "sbuf, 8x2x2x2x2x2xf32",
    ),
    (
        "access pattern: strides are from -32768 to 32767 elements, got 40000",
        f"8x2x40000xi8, {S}",
        "[0, 0, 0]",
        "sbuf, 8x2x2xi8",
    ),
    (
        "access pattern: sizes are up to 65535, got 65536",
        f"8x65536xi8, {S}",
        "[0, 0]",
        "sbuf, 8x65536xi8",
    ),
    (
        "access pattern: at most 65536 elements per partition in sbuf, got 65538",
        f"8x3x21846xi8, {S}",
        "[0, 0, 0]",
        "sbuf, 8x3x21846xi8",
    ),
    (
        "access pattern: at most 4096 elements per partition in psum, got 4097",
        f"8x4097xi8, {P}",
        "[0, 0]",
        "psum, 8x4097xi8",
    ),
    (
        "bounds: the view reaches from 2 to 5 in dimension 1",
        f"8x4xf32, {S}",
        "[0, 2]",
        "sbuf, 8x4xf32",
    ),
    (
        "bounds: the view reaches from -2 to 1 in dimension 0",
        "8xf32",
        "[1] {steps = array<i64: -1>}",
        "hbm, 4xf32",
    ),
    ("has its element type and its space", f"8x4xf32, {S}", "[0, 0]", "sbuf, 8x4xbf16"),
    ("has its element type and its space", f"8x4xf32, {S}", "[0, 0]", "psum, 8x4xf32"),
    ("needs 2 offsets, got 1", f"8x4xf32, {S}", "[0]", "sbuf, 8x4xf32"),
    ("needs `along`", f"8x4xf32, {S}", "[0, 0]", "sbuf, 8xf32"),
    ("has 2 dimensions", f"8x4xf32, {S}", "[0, 0] {along = array<i64: 0, 2>}", "sbuf, 8x4xf32"),
    (
        "one number for each of 2",
        f"8x4xf32, {S}",
        "[0, 0] {steps = array<i64: 1>}",
        "sbuf, 8x4xf32",
    ),
    ("in the sizes", f"8x4xf32, {S}", "[0, 0]", "sbuf, ?x4xf32"),
    ("is in no memory of Trainium", "8x4xf32, 7 : i32", "[0, 0]", "hbm, 8x4xf32"),
]


@pytest.mark.parametrize(("rule", "buffer", "arguments", "view"), VIEWS)
def test_views_are_refused(
    rule: str, buffer: str, arguments: str, view: str, refuse: Check
) -> None:
    """An access pattern that the encoding, the partitions or the array do not allow."""
    refuse(
        rule,
        f"%b = memref.alloc() : memref<{buffer}>",
        f"%v = trn.view %b{arguments} : memref<{buffer}> to !trn.view<{view}>",
    )


PLACES: list[tuple[str, str]] = [
    (
        "partition start: 64 partitions start",
        f"trn.sbuf partition 32 offset 0 : memref<64x4xf32, {S}>",
    ),
    ("partitions: there are 128", f"trn.sbuf partition 96 offset 0 : memref<64x4xf32, {S}>"),
    ("offset 2 is no place", f"trn.sbuf partition 0 offset 2 : memref<64x4xf32, {S}>"),
    ("is not in sbuf", f"trn.sbuf partition 0 offset 0 : memref<64x4xf32, {P}>"),
    ("is not in psum", f"trn.psum partition 0 bank 0 : memref<64x4xf32, {S}>"),
    ("PSUM has banks 0 to 7", f"trn.psum partition 0 bank 8 : memref<64x4xf32, {P}>"),
    (
        "capacity: memref<64x513xf32",
        f"trn.psum partition 0 bank 7 : memref<64x513xf32, {P}>",
    ),
    ("a buffer has known sizes", f"trn.sbuf partition 0 offset 0 : memref<?x4xf32, {S}>"),
]


@pytest.mark.parametrize(("rule", "text"), PLACES)
def test_places_are_refused(rule: str, text: str, refuse: Check) -> None:
    """A buffer lies where its memory has room, and where its partitions may start."""
    refuse(rule, f"%b = {text}")


def test_the_start_of_a_buffer_counts(verify: Check, refuse: Check) -> None:
    """A view at partition 32 of a buffer at partition 32 starts at partition 64."""
    kind, view = f"memref<64x4xf32, {S}>", "!trn.view<sbuf, 33x4xf32>"
    placed = "%b = trn.sbuf partition 64 offset 0"
    verify(f"{placed} : {kind}", f"%v = trn.view %b[0, 0] : {kind} to {view}")
    small = f"memref<32x4xf32, {S}>"
    verify(
        f"%b = trn.sbuf partition 32 offset 0 : {small}",
        f"%v = trn.view %b[0, 0] : {small} to !trn.view<sbuf, 32x4xf32>",
    )
    refuse(
        "partition start: 16 partitions start at partition 0, 32, 64, 96, got 80",
        f"{placed} : {kind}",
        f"%v = trn.view %b[16, 0] : {kind} to !trn.view<sbuf, 16x4xf32>",
    )


@pytest.mark.parametrize(
    "attributes",
    ["{along = array<i64: 0, 1>, steps = array<i64: 1, 0>}", "{along = array<i64: 0, 1, 1>}"],
)
def test_a_target_names_each_element_once(
    attributes: str, verify: Check, refuse: Check, tiles: Check
) -> None:
    """A repeated element, or overlapping windows, may be read but not written."""
    shape = "8x4xf32" if "steps" in attributes else "8x4x3xf32"
    kind = f"memref<8x16xf32, {S}>"
    view = [
        f"%b = memref.alloc() : {kind}",
        f"%v = trn.view %b[0, 0] {attributes} : {kind} to !trn.view<sbuf, {shape}>",
    ]
    verify(
        *view,
        *tiles(o=shape),
        f"trn.tensor_copy %v to %o : {', '.join([f'!trn.view<sbuf, {shape}>'] * 2)}",
    )
    refuse(
        "a target names each element once",
        *view,
        f"trn.memset %v to 0.0 : !trn.view<sbuf, {shape}>",
    )


def test_interleaved_targets_are_allowed(verify: Check) -> None:
    """Steps 2 and 3 of two elements each name four elements: windows that do not meet."""
    kind = f"memref<8x16xf32, {S}>"
    verify(
        f"%b = memref.alloc() : {kind}",
        "%v = trn.view %b[0, 0] {along = array<i64: 0, 1, 1>, steps = array<i64: 1, 2, 3>}"
        f" : {kind} to !trn.view<sbuf, 8x2x2xf32>",
        "trn.memset %v to 0.0 : !trn.view<sbuf, 8x2x2xf32>",
    )


def test_a_reshape_changes_sizes_only(verify: Check, refuse: Check) -> None:
    """The elements stay, and on chip so do the partitions."""
    text = "%b = memref.alloc() : {0}\n%r = trn.reshape %b : {0} to {1}"
    sbuf = f"memref<8x4xf32, {S}>"
    verify(text.format(sbuf, f"memref<8x2x2xf32, {S}>"))
    refuse("keeps the partitions", text.format(sbuf, f"memref<4x8xf32, {S}>"))
    refuse("hold different numbers", text.format(sbuf, f"memref<8x5xf32, {S}>"))
    refuse("changes sizes only", text.format(sbuf, f"memref<8x4xi32, {S}>"))


STREAMS: list[tuple[str, str]] = [
    ("trn.wait stands in a stream", "trn.wait %s until %i"),
    ("trn.inc stands in a stream", "trn.inc %s by %i"),
    (
        "trn.nc_matmul belongs to the tile level",
        "trn.stream pe { trn.nc_matmul %a, %a to %p : {a}, {a}, {p} }",
    ),
    (
        "trn.dma_copy belongs to the tile level",
        "trn.stream sp { trn.dma_copy %a to %b : {a}, {a} }",
    ),
    (
        "engine: trn.activation runs on act, not on dve",
        "trn.stream dve { trn.activation exp %a to %b : {a}, {a} }",
    ),
    (
        "engine: trn.tensor_copy for act in the stream of dve",
        "trn.stream dve { trn.tensor_copy %a to %b {engine = #trn<engine act>} : {a}, {a} }",
    ),
    (
        "GpSimd cannot access PSUM",
        "trn.stream pool { trn.memset %p to 0.0 : {p} }",
    ),
    ("a stream holds no stream", "trn.stream pe { trn.stream act { trn.wait %s until %i } }"),
    (
        "queue: 0 to 15, got 16",
        "trn.stream sp { trn.dma_start queue 16 %a to %b inc %s : {a}, {a} }",
    ),
    (
        "a DMA counts its semaphore 16 up",
        "trn.stream sp { trn.dma_start queue 0 %a to %b inc %s {step = 1} : {a}, {a} }",
    ),
    (
        "DMA cannot access PSUM",
        "trn.stream sp { trn.dma_start queue 0 %a to %p inc %s : {a}, {p} }",
    ),
]


@pytest.mark.parametrize(("rule", "text"), STREAMS)
def test_streams_are_refused(rule: str, text: str, refuse: Check, tiles: Check) -> None:
    """What belongs to another engine or level does not stand in a stream."""
    kinds = {"{a}": "!trn.view<sbuf, 8x8xf32>", "{p}": "!trn.view<psum, 8x8xf32>"}
    for name, kind in kinds.items():
        text = text.replace(name, kind)
    refuse(rule, *tiles(a="8x8xf32", b="8x8xf32", p="8x8xf32@psum"), "%s = trn.semaphore", text)
