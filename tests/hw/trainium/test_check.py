"""Rules of one version of the machine, and the capacity of its memories."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from numpy.typing import NDArray

Run = Callable[..., dict[str, NDArray[Any]]]
F32 = np.float32
BF16 = ml_dtypes.bfloat16
TILE = "tile_size = array<i64: 32, 32>, tile_position = array<i64: 0, 0>"
PRODUCT = "trn.nc_matmul %a, %b to %p {{OPTION}} : {a}, {b}, {p}"
PRODUCT_TILES = {
    "a": np.ones((32, 32), BF16),
    "b": np.ones((32, 8), BF16),
    "p": np.zeros((32, 8), F32),
}
PAIRS = {
    "a": np.ones((32, 2, 32), ml_dtypes.float8_e4m3),
    "b": np.ones((32, 2, 8), ml_dtypes.float8_e4m3),
    "p": np.zeros((32, 8), F32),
}
COPY = {"a": np.ones((8, 4), F32), "b": np.zeros((8, 4), F32)}
TURN = {"a": np.ones((8, 4), BF16), "b": np.zeros((4, 8), BF16)}

RULES: list[tuple[str, str, dict[str, NDArray[Any]], tuple[str, ...]]] = [
    ("double_row needs NeuronCore-v3", PRODUCT.replace("OPTION", "double_row"), PAIRS, ("p",)),
    (
        "tile_size: rows and columns cannot both be 32 before NeuronCore-v3",
        PRODUCT.replace("OPTION", TILE),
        PRODUCT_TILES,
        ("p",),
    ),
    (
        "a DMA that transposes needs NeuronCore-v3",
        "trn.dma_transpose %a to %b : {a}, {b}",
        TURN,
        (),
    ),
    (
        "tensor_copy on act needs NeuronCore-v3",
        "trn.tensor_copy %a to %b {{engine = #trn<engine act>}} : {a}, {b}",
        COPY,
        (),
    ),
    (
        "tensor_scalar on act needs NeuronCore-v3",
        "trn.tensor_scalar add %a to %b {{immediate0 = 1.0 : f32, engine = #trn<engine act>}}"
        " : {a}, {b}",
        COPY,
        (),
    ),
]


@pytest.mark.parametrize(("rule", "text", "tiles", "psum"), RULES)
def test_what_the_first_version_lacks(
    rule: str,
    text: str,
    tiles: dict[str, NDArray[Any]],
    psum: tuple[str, ...],
    run_instruction: Run,
) -> None:
    """trainium1 refuses the instruction with the rule's text, trainium2 runs it."""
    run_instruction(text, tiles, psum=psum, config="trainium2")
    with pytest.raises(Diagnostic, match=re.escape(rule)):
        run_instruction(text, tiles, psum=psum, config="trainium1")


def buffers(*columns: int, space: str = "sbuf", used_together: bool = True) -> str:
    """Buffers of 128 partitions of f32; all written first and then read, or one after the other."""
    views: list[str] = []
    writes: list[str] = []
    reads: list[str] = []
    for number, size in enumerate(columns):
        kind = f"memref<128x{size}xf32, #trn<space {space}>>"
        view = f"!trn.view<{space}, 128x1xf32>"
        views.append(
            f"%b{number} = memref.alloc() : {kind}\n"
            f"%v{number} = trn.view %b{number}[0, 0] : {kind} to {view}"
        )
        writes.append(f"trn.memset %v{number} to 0.0 : {view}")
        reads.append(f"trn.reciprocal %v{number} to %v{number} : {view}, {view}")
    parts = (
        [*views, *writes, *reads]
        if used_together
        else [line for group in zip(views, writes, reads, strict=True) for line in group]
    )
    body = "\n".join(parts)
    return f"func.func @f() {{\n{body}\nfunc.return\n}}"


def test_live_buffers_must_fit(run_text: Run) -> None:
    """Two buffers of 100 KiB per partition do not fit trainium1; trainium2 has room for them."""
    text = buffers(25_600, 25_600)
    run_text(text, config="trainium2")
    with pytest.raises(Diagnostic, match="204800 bytes per partition of SBUF, which has 180224"):
        run_text(text, config="trainium1")


def test_buffers_that_are_dead_take_no_room(run_text: Run) -> None:
    """The same buffers one after the other can share their place."""
    run_text(buffers(25_600, 25_600, used_together=False), config="trainium1")


def test_arrays_must_fit_hbm(run_text: Run) -> None:
    """An array of 14 GiB is more than a core of trainium2 has."""
    text = """
    func.func @f() {
      %a = memref.alloc() : memref<3758096384xf32, #trn<space hbm>>
      func.return
    }"""
    with pytest.raises(Diagnostic, match="capacity: the arrays take 15032385536 bytes of HBM"):
        run_text(text, config="trainium2")


def test_psum_has_eight_banks(run_text: Run) -> None:
    """Nine results of a bank each are more than PSUM holds."""
    run_text(buffers(*[512] * 8, space="psum"))
    with pytest.raises(Diagnostic, match="18432 bytes per partition of PSUM, which has 16384"):
        run_text(buffers(*[512] * 9, space="psum"))


def test_small_buffers_share_a_partition_range(run_text: Run) -> None:
    """Buffers of 32 partitions take a quarter of the room: four lie side by side."""
    text = buffers(*[40_000] * 4).replace("128x", "32x")
    run_text(text)
    with pytest.raises(Diagnostic, match="capacity"):
        run_text(buffers(*[40_000] * 5).replace("128x", "32x"))


def test_a_buffer_around_a_loop_is_live_in_it(run_text: Run) -> None:
    """What is read after a loop, or in its next iteration, keeps its room during the loop."""
    text = """
    func.func @f() {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %a = memref.alloc() : memref<128x25600xf32, #trn<space sbuf>>
      %v = trn.view %a[0, 0] : memref<128x25600xf32, #trn<space sbuf>>
        to !trn.view<sbuf, 128x1xf32>
      scf.for %i = %c0 to %c1 step %c1 {
        trn.memset %v to 0.0 : !trn.view<sbuf, 128x1xf32>
        %b = memref.alloc() : memref<128x25600xf32, #trn<space sbuf>>
        %w = trn.view %b[0, 0] : memref<128x25600xf32, #trn<space sbuf>>
          to !trn.view<sbuf, 128x1xf32>
        trn.memset %w to 0.0 : !trn.view<sbuf, 128x1xf32>
      }
      func.return
    }"""
    with pytest.raises(Diagnostic, match="204800 bytes per partition") as error:
        run_text(text)
    assert "%b = memref.alloc" in str(error.value)


def test_an_engine_has_one_stream(run_text: Run) -> None:
    """Two streams for one engine have no order."""
    stream = "trn.stream act {\n trn.wait %s until %c\n}"
    text = f"""
    func.func @f() {{
      %c = arith.constant 0 : index
      %s = trn.semaphore
      {stream}
      {stream}
      func.return
    }}"""
    with pytest.raises(Diagnostic, match="there is one stream for act, not two"):
        run_text(text)
