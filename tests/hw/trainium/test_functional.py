"""The functional simulator on whole programs: loops, ragged edges, streams, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Run = Callable[..., Arrays]
F32 = np.float32
BF16 = ml_dtypes.bfloat16
FILECHECK = Path(__file__).parents[2] / "filecheck/dialects/trn"

# C = Aᵀ·B in tiles of 128 × 128 × 512, ragged in all three sizes.
MATMUL = """
func.func @matmul(%A : memref<{K}x{M}x{T}>, %B : memref<{K}x{N}x{T}>, %C : memref<{M}x{N}xf32>) {{
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %c512 = arith.constant 512 : index
  %K = arith.constant {K} : index
  %M = arith.constant {M} : index
  %N = arith.constant {N} : index
  scf.for %m = %c0 to %M step %c128 {{
    %mleft = arith.subi %M, %m : index
    %ms = arith.minsi %mleft, %c128 : index
    scf.for %n = %c0 to %N step %c512 {{
      %nleft = arith.subi %N, %n : index
      %ns = arith.minsi %nleft, %c512 : index
      %p = memref.alloc() : memref<128x512xf32, #trn<space psum>>
      %pv = trn.view %p[0, 0] sizes(%ms, %ns)
        : memref<128x512xf32, #trn<space psum>> to !trn.view<psum, ?x?xf32>
      scf.for %k = %c0 to %K step %c128 {{
        %kleft = arith.subi %K, %k : index
        %ks = arith.minsi %kleft, %c128 : index
        %a = memref.alloc() : memref<128x128x{T}, #trn<space sbuf>>
        %b = memref.alloc() : memref<128x512x{T}, #trn<space sbuf>>
        %av = trn.view %a[0, 0] sizes(%ks, %ms)
          : memref<128x128x{T}, #trn<space sbuf>> to !trn.view<sbuf, ?x?x{T}>
        %bv = trn.view %b[0, 0] sizes(%ks, %ns)
          : memref<128x512x{T}, #trn<space sbuf>> to !trn.view<sbuf, ?x?x{T}>
        %ah = trn.view %A[%k, %m] sizes(%ks, %ms) : memref<{K}x{M}x{T}> to !trn.view<hbm, ?x?x{T}>
        %bh = trn.view %B[%k, %n] sizes(%ks, %ns) : memref<{K}x{N}x{T}> to !trn.view<hbm, ?x?x{T}>
        trn.dma_copy %ah to %av : !trn.view<hbm, ?x?x{T}>, !trn.view<sbuf, ?x?x{T}>
        trn.dma_copy %bh to %bv : !trn.view<hbm, ?x?x{T}>, !trn.view<sbuf, ?x?x{T}>
        %more = arith.cmpi {more}, %k, %c0 : index
        trn.nc_matmul %av, %bv to %pv accumulate %more
          : !trn.view<sbuf, ?x?x{T}>, !trn.view<sbuf, ?x?x{T}>, !trn.view<psum, ?x?xf32>
      }}
      %o = memref.alloc() : memref<128x512xf32, #trn<space sbuf>>
      %ov = trn.view %o[0, 0] sizes(%ms, %ns)
        : memref<128x512xf32, #trn<space sbuf>> to !trn.view<sbuf, ?x?xf32>
      trn.tensor_copy %pv to %ov : !trn.view<psum, ?x?xf32>, !trn.view<sbuf, ?x?xf32>
      %ch = trn.view %C[%m, %n] sizes(%ms, %ns) : memref<{M}x{N}xf32> to !trn.view<hbm, ?x?xf32>
      trn.dma_copy %ov to %ch : !trn.view<sbuf, ?x?xf32>, !trn.view<hbm, ?x?xf32>
    }}
  }}
  func.return
}}
"""


def matmul(k: int, m: int, n: int, kind: str = "bf16", more: str = "ne") -> str:
    return MATMUL.format(K=k, M=m, N=n, T=kind, more=more)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("bf16", BF16),
        ("f32", F32),
        ("f16", np.float16),
        ("f8E4M3", ml_dtypes.float8_e4m3),
        ("f8E5M2", ml_dtypes.float8_e5m2),
    ],
)
def test_a_ragged_matmul(
    kind: str, dtype: Any, run_text: Run, numbers: np.random.Generator
) -> None:
    """Loops with tails in all sizes give the product, summed in float32 per tile."""
    k, m, n = 300, 150, 700
    a = numbers.standard_normal((k, m)).astype(dtype)
    b = numbers.standard_normal((k, n)).astype(dtype)
    found = run_text(matmul(k, m, n, kind), A=a, B=b, C=np.zeros((m, n), F32))["C"]
    expected = a.astype(np.float64).T @ b.astype(np.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_integers_are_multiplied_exactly(run_text: Run, numbers: np.random.Generator) -> None:
    """Products of small whole numbers have no rounding at all."""
    a = numbers.integers(-8, 8, (256, 64)).astype(BF16)
    b = numbers.integers(-8, 8, (256, 512)).astype(BF16)
    found = run_text(matmul(256, 64, 512), A=a, B=b, C=np.zeros((64, 512), F32))["C"]
    np.testing.assert_array_equal(found, a.astype(np.int64).T @ b.astype(np.int64))


def test_the_first_product_must_overwrite(run_text: Run) -> None:
    """Adding to PSUM that no matrix product wrote is refused, with the operation."""
    a, b = np.ones((128, 128), BF16), np.ones((128, 512), BF16)
    with pytest.raises(Diagnostic, match="first matrix product into PSUM must overwrite") as error:
        run_text(matmul(128, 128, 512, more="eq"), A=a, B=b, C=np.zeros((128, 512), F32))
    assert "trn.nc_matmul" in str(error.value)


def test_adding_to_a_memset_is_refused(run_instruction: Run) -> None:
    """Zeros that the vector engine wrote to PSUM are no start of a sum."""
    with pytest.raises(Diagnostic, match="first matrix product into PSUM must overwrite"):
        run_instruction(
            "%true = arith.constant true\n"
            "trn.memset %p to 0.0 : {p}\n"
            "trn.nc_matmul %a, %b to %p accumulate %true : {a}, {b}, {p}",
            {
                "a": np.zeros((16, 8), BF16),
                "b": np.zeros((16, 4), BF16),
                "p": np.zeros((8, 4), F32),
            },
            psum=("p",),
        )


def test_double_rows_sum_over_both(run_instruction: Run, numbers: np.random.Generator) -> None:
    """With double_row the sum runs over two rows per partition (NeuronCore-v3)."""
    kind = ml_dtypes.float8_e4m3
    a = numbers.integers(-3, 4, (128, 2, 32)).astype(kind)
    b = numbers.integers(-3, 4, (128, 2, 40)).astype(kind)
    found = run_instruction(
        "trn.nc_matmul %a, %b to %p {{double_row}} : {a}, {b}, {p}",
        {"a": a, "b": b, "p": np.zeros((32, 40), F32)},
        psum=("p",),
        config="trainium2",
    )
    expected = np.einsum("krm,krn->mn", a.astype(np.int64), b.astype(np.int64))
    np.testing.assert_array_equal(found["p"], expected)


def test_tf32_has_ten_bits_of_fraction(run_text: Run) -> None:
    """A move to a tf32 buffer rounds half to even at 10 bits, and back it is exact."""
    text = """
    func.func @f(%x : memref<1x3xf32>) {
      %t = memref.alloc() : memref<1x3xtf32, #trn<space sbuf>>
      %h = trn.view %x[0, 0] : memref<1x3xf32> to !trn.view<hbm, 1x3xf32>
      %v = trn.view %t[0, 0] : memref<1x3xtf32, #trn<space sbuf>> to !trn.view<sbuf, 1x3xtf32>
      trn.dma_copy %h to %v : !trn.view<hbm, 1x3xf32>, !trn.view<sbuf, 1x3xtf32>
      trn.dma_copy %v to %h : !trn.view<sbuf, 1x3xtf32>, !trn.view<hbm, 1x3xf32>
      func.return
    }"""
    x = np.array([[1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-11 + 2**-20]], F32)
    assert run_text(text, x=x)["x"][0].tolist() == [1, 1 + 2**-9, 1 + 2**-10]


def test_views_repeat_stride_and_make_windows(run_text: Run) -> None:
    """Steps of 0 repeat rows, steps of 2 skip, two dimensions along one make windows."""
    text = """
    func.func @f(%x : memref<20xf32>, %y : memref<4x5xf32>, %z : memref<9x4xf32>) {
      %a = trn.view %x[3] {along = array<i64: 0, 0>, steps = array<i64: 0, 2>}
        : memref<20xf32> to !trn.view<hbm, 4x5xf32>
      %b = trn.view %y[0, 0] : memref<4x5xf32> to !trn.view<hbm, 4x5xf32>
      trn.dma_copy %a to %b : !trn.view<hbm, 4x5xf32>, !trn.view<hbm, 4x5xf32>
      %w = trn.view %x[0] {along = array<i64: 0, 0>, steps = array<i64: 2, 1>}
        : memref<20xf32> to !trn.view<hbm, 9x4xf32>
      %c = trn.view %z[0, 0] : memref<9x4xf32> to !trn.view<hbm, 9x4xf32>
      trn.dma_copy %w to %c : !trn.view<hbm, 9x4xf32>, !trn.view<hbm, 9x4xf32>
      func.return
    }"""
    x = np.arange(20, dtype=F32)
    found = run_text(text, x=x, y=np.zeros((4, 5), F32), z=np.zeros((9, 4), F32))
    np.testing.assert_array_equal(found["y"], np.tile(x[3:13:2], (4, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(x, 4)[:18:2]
    np.testing.assert_array_equal(found["z"], windows)


def test_reshapes_keep_the_order(run_text: Run, numbers: np.random.Generator) -> None:
    """An array in HBM is seen with other sizes, and moved with its last two exchanged."""
    text = """
    func.func @f(%x : memref<6x4xf32>, %y : memref<2x4x3xf32>) {
      %r = trn.reshape %x : memref<6x4xf32> to memref<2x3x4xf32>
      %a = trn.view %r[0, 0, 0] {along = array<i64: 0, 2, 1>}
        : memref<2x3x4xf32> to !trn.view<hbm, 2x4x3xf32>
      %b = trn.view %y[0, 0, 0] : memref<2x4x3xf32> to !trn.view<hbm, 2x4x3xf32>
      trn.dma_copy %a to %b : !trn.view<hbm, 2x4x3xf32>, !trn.view<hbm, 2x4x3xf32>
      func.return
    }"""
    x = numbers.standard_normal((6, 4)).astype(F32)
    found = run_text(text, x=x, y=np.zeros((2, 4, 3), F32))
    np.testing.assert_array_equal(found["y"], x.reshape(2, 3, 4).transpose(0, 2, 1))


def test_carried_values_and_conditions(run_text: Run) -> None:
    """Loops carry index values, conditions choose, and a DMA adds to what is there."""
    text = """
    func.func @f(%x : memref<8xf32>, %y : memref<8xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %c8 = arith.constant 8 : index
      %last = scf.for %i = %c0 to %c8 step %c1 iter_args(%j = %c0) -> (index) {
        %parity = arith.remui %i, %c2 : index
        %odd = arith.cmpi ne, %parity, %c0 : index
        %a = trn.view %x[%i] : memref<8xf32> to !trn.view<hbm, 1xf32>
        %b = trn.view %y[%j] : memref<8xf32> to !trn.view<hbm, 1xf32>
        scf.if %odd {
          trn.dma_copy %a to %b {add} : !trn.view<hbm, 1xf32>, !trn.view<hbm, 1xf32>
        }
        %next = arith.addi %j, %parity : index
        scf.yield %next : index
      }
      func.return
    }"""
    x, y = np.arange(8, dtype=F32), np.full(8, 100, F32)
    found = run_text(text, x=x, y=y)
    assert found["y"].tolist() == [101, 103, 105, 107, 100, 100, 100, 100]


def test_a_buffer_is_new_in_each_iteration(run_text: Run) -> None:
    """What an earlier iteration wrote to its own buffer cannot be read by the next."""
    text = """
    func.func @f(%x : memref<8x4xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      scf.for %i = %c0 to %c2 step %c1 {
        %t = memref.alloc() : memref<8x4xf32, #trn<space sbuf>>
        %v = trn.view %t[0, 0] : memref<8x4xf32, #trn<space sbuf>> to !trn.view<sbuf, 8x4xf32>
        %h = trn.view %x[0, 0] : memref<8x4xf32> to !trn.view<hbm, 8x4xf32>
        %first = arith.cmpi eq, %i, %c0 : index
        scf.if %first {
          trn.dma_copy %h to %v : !trn.view<hbm, 8x4xf32>, !trn.view<sbuf, 8x4xf32>
        }
        trn.reciprocal %v to %v : !trn.view<sbuf, 8x4xf32>, !trn.view<sbuf, 8x4xf32>
      }
      func.return
    }"""
    with pytest.raises(Diagnostic, match=r"uninitialised memory: element \[0, 0\] .* %t"):
        run_text(text, x=np.ones((8, 4), F32))


@pytest.mark.parametrize(
    ("rows", "start", "message"),
    [
        (33, 32, "33 partitions start at partition 0, 64, got 32"),
        (8, 16, "8 partitions start at partition 0, 32, 64, 96, got 16"),
        (65, 64, "got 65 from partition 64 on"),
    ],
)
def test_partition_starts_of_values_are_checked(
    rows: int, start: int, message: str, run_text: Run
) -> None:
    """A start or a size that only the run knows follows the same rules."""
    text = f"""
    func.func @f() {{
      %start = arith.constant {start} : index
      %rows = arith.constant {rows} : index
      %t = memref.alloc() : memref<128x4xf32, #trn<space sbuf>>
      %v = trn.view %t[%start, 0] sizes(%rows)
        : memref<128x4xf32, #trn<space sbuf>> to !trn.view<sbuf, ?x4xf32>
      trn.memset %v to 0.0 : !trn.view<sbuf, ?x4xf32>
      func.return
    }}"""
    with pytest.raises(Diagnostic, match=message if rows < 65 else "bounds|partitions"):
        run_text(text)


def test_rules_hold_at_the_sizes_of_the_run(run_text: Run) -> None:
    """A product whose result has a size that is known late is checked then."""
    text = """
    func.func @f(%x : memref<128x600xf32>) {
      %n = arith.constant 600 : index
      %t = memref.alloc() : memref<128x600xf32, #trn<space sbuf>>
      %p = memref.alloc() : memref<128x600xf32, #trn<space psum>>
      %h = trn.view %x[0, 0] : memref<128x600xf32> to !trn.view<hbm, 128x600xf32>
      %l = trn.view %t[0, 0] : memref<128x600xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x600xf32>
      trn.dma_copy %h to %l : !trn.view<hbm, 128x600xf32>, !trn.view<sbuf, 128x600xf32>
      %s = trn.view %t[0, 0] : memref<128x600xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x128xf32>
      %v = trn.view %t[0, 0] sizes(%n)
        : memref<128x600xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x?xf32>
      %d = trn.view %p[0, 0] sizes(%n)
        : memref<128x600xf32, #trn<space psum>> to !trn.view<psum, 128x?xf32>
      trn.nc_matmul %s, %v to %d
        : !trn.view<sbuf, 128x128xf32>, !trn.view<sbuf, 128x?xf32>, !trn.view<psum, 128x?xf32>
      func.return
    }"""
    with pytest.raises(Diagnostic, match="the moving operand has at most 512 columns, got 600"):
        run_text(text, x=np.ones((128, 600), F32))


def test_a_product_does_not_cross_banks(run_text: Run) -> None:
    """A result of half a bank that begins in the middle of one reaches into the next."""
    text = """
    func.func @f(%x : memref<128x512xf32>) {
      %t = memref.alloc() : memref<128x512xf32, #trn<space sbuf>>
      %p = memref.alloc() : memref<128x1024xf32, #trn<space psum>>
      %h = trn.view %x[0, 0] : memref<128x512xf32> to !trn.view<hbm, 128x512xf32>
      %l = trn.view %t[0, 0] : memref<128x512xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x512xf32>
      trn.dma_copy %h to %l : !trn.view<hbm, 128x512xf32>, !trn.view<sbuf, 128x512xf32>
      %s = trn.view %t[0, 0] : memref<128x512xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x128xf32>
      %v = trn.view %t[0, 0] : memref<128x512xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x256xf32>
      %d = trn.view %p[0, 384]
        : memref<128x1024xf32, #trn<space psum>> to !trn.view<psum, 128x256xf32>
      trn.nc_matmul %s, %v to %d
        : !trn.view<sbuf, 128x128xf32>, !trn.view<sbuf, 128x256xf32>, !trn.view<psum, 128x256xf32>
      func.return
    }"""
    with pytest.raises(Diagnostic, match="one PSUM bank, got banks 0 to 1"):
        run_text(text, x=np.ones((128, 512), F32))


# The ISA level.

ISA = (FILECHECK / "isa.mlir").read_text(encoding="utf-8")


def test_streams_compute_a_product(run_text: Run, numbers: np.random.Generator) -> None:
    """Three engines and two queues wait for each other, and give the product."""
    a = numbers.integers(-8, 8, (128, 64)).astype(BF16)
    b = numbers.integers(-8, 8, (128, 256)).astype(BF16)
    found = run_text(ISA, A=a, B=b, C=np.zeros((64, 256), F32))["C"]
    np.testing.assert_array_equal(found, a.astype(np.int64).T @ b.astype(np.int64))


def run_isa(run_text: Run, old: str, new: str) -> Arrays:
    assert old in ISA
    arrays = {"A": np.ones((128, 64), BF16), "B": np.ones((128, 256), BF16)}
    return run_text(ISA.replace(old, new), **arrays, C=np.zeros((64, 256), F32))


def test_a_missing_wait_reads_unwritten_memory(run_text: Run) -> None:
    """Without its wait, the tensor engine reads a tile that no DMA has filled yet."""
    with pytest.raises(Diagnostic, match=r"uninitialised memory.*trn\.load_stationary"):
        run_isa(run_text, "trn.wait %loaded until %loads", "")


def test_a_deadlock_names_who_waits_for_what(run_text: Run) -> None:
    """A semaphore that nobody counts up stops all who wait for it."""
    with pytest.raises(Diagnostic, match="deadlock") as error:
        run_isa(run_text, "trn.inc %multiplied by %one", "")
    assert "act waits until %multiplied is 1, it stays 0" in str(error.value)
    assert "sp waits until %copied is 1, it stays 0" in str(error.value)


def test_products_need_a_stationary_operand(run_text: Run) -> None:
    """mult_moving without load_stationary is refused."""
    with pytest.raises(Diagnostic, match="the array holds no stationary operand"):
        run_isa(run_text, "trn.load_stationary %a_view : !trn.view<sbuf, 128x64xbf16>", "")


def test_the_capacity_of_sbuf_depends_on_the_machine(run_text: Run) -> None:
    """A place at the end of trainium2's partitions is past that of trainium1's."""
    text = """
    func.func @f() {
      %t = trn.sbuf partition 0 offset 200000 : memref<128x64xf32, #trn<space sbuf>>
      func.return
    }"""
    run_text(text, config="trainium2")
    with pytest.raises(Diagnostic, match="capacity: reaches byte 200256 of 180224"):
        run_text(text, config="trainium1")


def test_buffers_with_places_share_memory(run_text: Run) -> None:
    """Two buffers at the same place hold the same bytes."""
    text = """
    func.func @f(%x : memref<32x4xf32>, %y : memref<32x8xbf16>) {
      %a = trn.sbuf partition 32 offset 64 : memref<32x4xf32, #trn<space sbuf>>
      %b = trn.sbuf partition 32 offset 64 : memref<32x8xbf16, #trn<space sbuf>>
      %av = trn.view %a[0, 0] : memref<32x4xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x4xf32>
      %bv = trn.view %b[0, 0] : memref<32x8xbf16, #trn<space sbuf>> to !trn.view<sbuf, 32x8xbf16>
      %xv = trn.view %x[0, 0] : memref<32x4xf32> to !trn.view<hbm, 32x4xf32>
      %yv = trn.view %y[0, 0] : memref<32x8xbf16> to !trn.view<hbm, 32x8xbf16>
      trn.dma_copy %xv to %av : !trn.view<hbm, 32x4xf32>, !trn.view<sbuf, 32x4xf32>
      trn.dma_copy %bv to %yv : !trn.view<sbuf, 32x8xbf16>, !trn.view<hbm, 32x8xbf16>
      func.return
    }"""
    x = np.arange(128, dtype=F32).reshape(32, 4)
    found = run_text(text, x=x, y=np.zeros((32, 8), BF16))
    np.testing.assert_array_equal(found["y"].view(np.uint16), x.view(np.uint16))


# Two buffers in turn: the loads of the next tile overlap the work on this one.
DOUBLE_BUFFERED = """
func.func @f(%x : memref<8x32x16xf32>, %y : memref<8x32x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c8 = arith.constant 8 : index
  %c16 = arith.constant 16 : index
  %t = trn.sbuf partition 0 offset 0 : memref<32x2x16xf32, #trn<space sbuf>>
  %loaded = trn.semaphore
  %squared = trn.semaphore
  %stored = trn.semaphore
  trn.stream sp {
    scf.for %i = %c0 to %c8 step %c1 {
      %early = arith.cmpi slt, %i, %c2 : index
      %before = arith.subi %i, %c1 : index
      %needed = arith.muli %before, %c16 : index
      %count = arith.select %early, %c0, %needed : index
      trn.wait %stored until %count
      %slot = arith.remui %i, %c2 : index
      %from = trn.view %x[%i, 0, 0] {along = array<i64: 1, 2>}
        : memref<8x32x16xf32> to !trn.view<hbm, 32x16xf32>
      %to = trn.view %t[0, %slot, 0] {along = array<i64: 0, 2>}
        : memref<32x2x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x16xf32>
      trn.dma_start queue 0 %from to %to inc %loaded
        : !trn.view<hbm, 32x16xf32>, !trn.view<sbuf, 32x16xf32>
    }
  }
  trn.stream act {
    scf.for %i = %c0 to %c8 step %c1 {
      %next = arith.addi %i, %c1 : index
      %count = arith.muli %next, %c16 : index
      trn.wait %loaded until %count
      %slot = arith.remui %i, %c2 : index
      %v = trn.view %t[0, %slot, 0] {along = array<i64: 0, 2>}
        : memref<32x2x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x16xf32>
      trn.activation square %v to %v : !trn.view<sbuf, 32x16xf32>, !trn.view<sbuf, 32x16xf32>
      trn.inc %squared by %c1
    }
  }
  trn.stream pool {
    scf.for %i = %c0 to %c8 step %c1 {
      %next = arith.addi %i, %c1 : index
      trn.wait %squared until %next
      %slot = arith.remui %i, %c2 : index
      %from = trn.view %t[0, %slot, 0] {along = array<i64: 0, 2>}
        : memref<32x2x16xf32, #trn<space sbuf>> to !trn.view<sbuf, 32x16xf32>
      %to = trn.view %y[%i, 0, 0] {along = array<i64: 1, 2>}
        : memref<8x32x16xf32> to !trn.view<hbm, 32x16xf32>
      trn.dma_start queue 1 %from to %to inc %stored
        : !trn.view<sbuf, 32x16xf32>, !trn.view<hbm, 32x16xf32>
    }
  }
  func.return
}
"""


def test_streams_with_loops_take_buffers_in_turn(
    run_text: Run, numbers: np.random.Generator
) -> None:
    """Loops in three streams wait for each other by counts that depend on the iteration."""
    x = numbers.standard_normal((8, 32, 16)).astype(F32)
    found = run_text(DOUBLE_BUFFERED, x=x, y=np.zeros_like(x))["y"]
    np.testing.assert_array_equal(found, np.square(x))


def test_a_buffer_that_is_taken_too_early_spoils_the_result(
    run_text: Run, numbers: np.random.Generator
) -> None:
    """Without the wait for the store, later loads overwrite tiles before they were stored."""
    x = numbers.standard_normal((8, 32, 16)).astype(F32)
    text = DOUBLE_BUFFERED.replace("trn.wait %stored until %count", "")
    found = run_text(text, x=x, y=np.zeros_like(x))["y"]
    assert not np.array_equal(found, np.square(x))
