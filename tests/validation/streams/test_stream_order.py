"""The order of events, the cells of access patterns, and what the checker refuses to judge."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.diagnostics import Diagnostic
from liftproof.dialects.trn import Space
from liftproof.hw.trainium.memory import Access, AccessError, new_buffer
from liftproof.validation.hazards import stream_events
from liftproof.validation.hazards.stream_cells import Region, overlaps, shared_cells
from liftproof.validation.hazards.streams import StreamHazard, StreamRule
from xdsl.dialects.builtin import bf16

Find = Callable[..., StreamHazard | None]

# Copies and moves between the columns of a buffer; %v0 to %v3 share nothing.
COLUMNS = """
func.func @f() {{
  %n1 = arith.constant 1 : index
  %n2 = arith.constant 2 : index
  %n3 = arith.constant 3 : index
  %n16 = arith.constant 16 : index
  %n32 = arith.constant 32 : index
  %n48 = arith.constant 48 : index
  %t = trn.sbuf partition 0 offset 0 : memref<32x4xf32, #trn<space sbuf>>
  %v0 = trn.view %t[0, 0] : memref<32x4xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x1xf32>
  %v1 = trn.view %t[0, 1] : memref<32x4xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x1xf32>
  %v2 = trn.view %t[0, 2] : memref<32x4xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x1xf32>
  %v3 = trn.view %t[0, 3] : memref<32x4xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x1xf32>
  %s = trn.semaphore
  %r = trn.semaphore
  {streams}
  func.return
}}
"""
VIEWS = ": !trn.view<sbuf, 32x1xf32>, !trn.view<sbuf, 32x1xf32>"


def columns(**streams: str) -> str:
    """A program of streams by engine; ``a>b`` copies and ``q:a>b`` moves one column to another."""
    texts: list[str] = []
    for engine, steps in streams.items():
        texts.append(f"trn.stream {engine} {{")
        texts += [_step(step) for step in steps.split()]
        texts.append("}")
    return COLUMNS.format(streams="\n  ".join(texts))


def _step(step: str) -> str:
    if ">" not in step:
        semaphore, count = step[0], step[2:]
        word = "trn.wait %{} until %n{}" if step[1] == "?" else "trn.inc %{} by %n{}"
        return word.format(semaphore, count)
    queue, _, copy = step.rpartition(":")
    source, target = copy.split(">")
    operands = f"%v{source} to %v{target}"
    if not queue:
        return f"trn.tensor_copy {operands} {VIEWS}"
    return f"trn.dma_start queue {queue} {operands} inc %s {VIEWS}"


ORDERED = {
    "a semaphore hands a result on": columns(dve="0>1 s+1", pool="s?1 1>2"),
    "all counts are needed": columns(dve="0>1 s+1", pool="3>2 s+1", sp="s?2 7:1>0 8:2>3"),
    "larger counts make smaller ones needed": columns(dve="0>1 s+1", pool="s+2 s?3 1>2"),
    "a count behind the wait does not serve it": columns(dve="0>1 s+1", pool="s?1 1>2 s+1"),
    "either count comes behind the same event": columns(
        sp="0:0>1 r+1", dve="s?16 s+1 r+1", act="s?16 r+1", pool="s?16 r?2 1>2"
    ),
    "a queue keeps the order of one stream": columns(sp="5:0>1 5:1>2"),
    "a queue keeps the order of triggers": columns(sp="5:0>1 r+1", act="r?1 5:1>2"),
    "all moves of two queues": columns(sp="5:0>1 6:0>2 5:0>1", pool="s?48 2>3"),
    "reads need no order": columns(dve="0>1", pool="0>2", sp="3:0>3"),
    "columns that share nothing need no order": columns(dve="0>1", pool="2>3"),
}
UNORDERED = {
    "a count that another stream can make": columns(dve="0>1 s+1", act="s+1", pool="s?1 1>2"),
    "a trigger says nothing about its move": columns(sp="5:0>1 r+1", pool="r?1 1>2"),
    "two queues are in no order": columns(sp="5:0>1 6:1>2"),
    "a stream does not wait for its moves": columns(pool="5:0>1 1>2"),
    "a move reads when it is carried out": columns(pool="5:0>1 3>0"),
    "one of two queues runs ahead": columns(sp="5:0>1 6:0>2 5:0>1", pool="s?32 2>3"),
    "counts before the result": columns(dve="s+1 0>1", pool="s?1 1>2"),
}


@pytest.mark.parametrize("text", ORDERED.values(), ids=[*ORDERED])
def test_what_is_in_order_has_no_race(find_hazard: Find, text: str) -> None:
    """Each rule of the order is enough by itself."""
    assert find_hazard(text) is None


@pytest.mark.parametrize("text", UNORDERED.values(), ids=[*UNORDERED])
def test_what_is_in_no_order_is_a_race(find_hazard: Find, text: str) -> None:
    """What looks like an order and is none gives a race."""
    found = find_hazard(text)
    assert found is not None
    assert found.rule == StreamRule.RACE


def test_a_hazard_is_a_diagnostic(find_hazard: Find) -> None:
    """The diagnostic says which instructions conflict, and what to do."""
    found = find_hazard(UNORDERED["two queues are in no order"])
    assert found is not None
    text = str(found.diagnostic())
    assert "race: 'trn.dma_start queue 5 %v0 to %v1" in text
    assert "and 'trn.dma_start queue 6 %v1 to %v2" in text
    assert "hint: count a semaphore up" in text


REFUSED = {
    "an instruction outside of the streams": COLUMNS.format(
        streams=f"trn.tensor_copy %v0 to %v1 {VIEWS}"
    ),
    "there is one stream for dve": columns(dve="0>1").replace(
        "func.return", "trn.stream dve { trn.inc %s by %n1 }\n func.return"
    ),
    "a buffer on chip has a place": columns(dve="0>1").replace(
        "trn.sbuf partition 0 offset 0 :", "memref.alloc() :"
    ),
    "a semaphore counts up, got -1": columns(dve="s+1").replace("constant 1 ", "constant -1 "),
    "more than 3 instructions": columns(dve="0>1 0>1 s+1", pool="s+1"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_judged_is_refused(
    find_hazard: Find, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs that are not at the ISA level, or too long, are a diagnostic."""
    monkeypatch.setattr(stream_events, "MAX_EVENTS", 3)
    with pytest.raises(Diagnostic, match=reason):
        find_hazard(REFUSED[reason])


SHAPE = (6, 4, 5)


@st.composite
def accesses(draw: st.DrawFn) -> list[Access]:
    """Access patterns of one buffer, with steps, windows and repeated elements."""
    buffer = new_buffer("%t", Space.HBM, bf16, SHAPE)
    found: list[Access] = []
    for _ in range(4):
        offsets = [draw(st.integers(0, size - 1)) for size in SHAPE]
        along = draw(st.lists(st.integers(0, 2), min_size=1, max_size=4))
        shape = [draw(st.integers(1, 3)) for _ in along]
        steps = [draw(st.integers(-2, 2)) for _ in along]
        try:
            found.append(buffer.access(offsets, shape, along, steps))
        except AccessError:
            found.append(buffer.access(offsets, [1], [0], [1]))
    return found


def bytes_of(access: Access) -> set[int]:
    """The bytes of an access, one by one."""
    found = {access.start}
    for size, stride in zip(access.shape, access.strides, strict=True):
        found = {byte + place * stride for byte in found for place in range(size)}
    return found | {byte + 1 for byte in found}


@settings(max_examples=60, deadline=None)
@given(accesses())
def test_regions_share_the_bytes_that_both_name(patterns: list[Access]) -> None:
    """Shared cells and overlaps agree with sets of bytes, and lie in the rectangle shown."""
    regions, sets = [Region(access) for access in patterns], [bytes_of(a) for a in patterns]
    neighbours = overlaps(regions, [True, False, True, False])
    row = prod(SHAPE[-1:]) * 2
    for left, one in enumerate(sets):
        for right, other in enumerate(sets):
            cells, both = shared_cells(regions[left], regions[right]), one & other
            assert (cells is not None) == bool(both)
            assert (right in neighbours[left]) == (bool(both) and not (left % 2 and right % 2))
            if cells is not None:
                assert cells.rows == (min(both) // row, max(both) // row)
                places = [byte % row for byte in both]
                assert cells.row_bytes[0] <= min(places) <= max(places) <= cells.row_bytes[1]
