"""The NKI writer: what it writes is read back as the same program."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.lifting.nki import parse_shapes, read_nki
from liftproof.passes.emission.emit_nki import emit_nki
from liftproof.tools.read import parse_mlir

KERNELS = Path(__file__).parents[2] / "benchmarks" / "trainium" / "kernels"
SHAPES = {
    "layernorm_v1": ("gamma_vector=8192:f32", "beta_vector=8192:f32"),
    "layernorm_v2": ("gamma_vector=8192:f32", "beta_vector=8192:f32"),
}


@pytest.mark.parametrize("path", sorted(KERNELS.glob("*.py")), ids=lambda path: path.stem)
def test_written_kernel_reads_back_as_the_same_program(path):
    """Reading what was written gives the program again, operation by operation."""
    shapes = parse_shapes(list(SHAPES.get(path.stem, ())))
    module = read_nki(path.read_text(encoding="utf-8"), str(path), shapes)
    text = emit_nki(module)
    again = read_nki(text, "written.py")
    assert emit_nki(again) == text
    names = [
        [op.name for op in one.walk() if op.name.startswith("trn.")] for one in (module, again)
    ]
    assert names[0] == names[1]


def test_written_kernel_is_for_people():
    """Names, loops and subscripts are those of a kernel that a person would write."""
    source = """
import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def double(a: "256x64:bf16"):
    result = nl.ndarray((256, 64), dtype=a.dtype, buffer=nl.shared_hbm)
    for row in nl.affine_range(2):
        tile = nl.ndarray((128, 64), dtype=a.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=a[row * 128 : row * 128 + 128, 0:64])
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(dst=result[row * 128 : row * 128 + 128, 0:64], src=tile)
    return result
"""
    lines = emit_nki(read_nki(source, "double.py")).splitlines()
    assert "    for row in nl.sequential_range(2):" in lines
    assert "        tile = nl.ndarray((128, 64), dtype=nl.bfloat16, buffer=nl.sbuf)" in lines
    assert "        nisa.dma_copy(dst=tile, src=a[row * 128 : row * 128 + 128, 0 : 64])" in lines
    assert lines[-1] == "    return result"


def test_sizes_that_are_computed_are_slices():
    """A slice ends where the loop says; the loop stays one when that is read."""
    text = """
func.func @k(%a: memref<128x64xf32>, %r: memref<128x64xf32>) attributes {
    liftproof.parameters = ["a", "r"], liftproof.outputs = array<i64: 1>} {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %four = arith.constant 4 : index
  %width = arith.constant 16 : index
  %b = memref.alloc() : memref<128x64xf32, #trn<space sbuf>>
  %all = trn.view %b[0, 0] : memref<128x64xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x64xf32>
  trn.memset %all to 0xff800000 : !trn.view<sbuf, 128x64xf32>
  scf.for %i = %zero to %four step %one {
    %next = arith.addi %i, %one : index
    %n = arith.muli %next, %width : index
    %s = trn.view %a[0, 0] sizes(%n) : memref<128x64xf32> to !trn.view<hbm, 128x?xf32>
    %d = trn.view %b[0, 0] sizes(%n)
      : memref<128x64xf32, #trn<space sbuf>> to !trn.view<sbuf, 128x?xf32>
    trn.dma_copy %s to %d : !trn.view<hbm, 128x?xf32>, !trn.view<sbuf, 128x?xf32>
  }
  %out = trn.view %r[0, 0] : memref<128x64xf32> to !trn.view<hbm, 128x64xf32>
  trn.dma_copy %all to %out : !trn.view<sbuf, 128x64xf32>, !trn.view<hbm, 128x64xf32>
  func.return
}
"""
    written = emit_nki(parse_mlir(text, "k.mlir"))
    assert "src=a[0 : 128, 0 : (i + 1) * 16]" in written
    assert 'value=float("-inf")' in written
    read = emit_nki(read_nki(written, "written.py"))
    assert read.count("nisa.dma_copy") == written.count("nisa.dma_copy") == 2
    assert emit_nki(read_nki(read, "read.py")) == read


def test_selections_are_read_back():
    """Both forms of the false value, the reversed predicate and the maximum survive."""
    source = """
import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def select(a: "128x64:f32", p: "128x64:uint8"):
    result = nl.ndarray((128, 64), dtype=nl.float32, buffer=nl.shared_hbm)
    tile = nl.ndarray((128, 64), dtype=nl.float32, buffer=nl.sbuf)
    mask = nl.ndarray((128, 64), dtype=nl.uint8, buffer=nl.sbuf)
    most = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=a)
    nisa.dma_copy(dst=mask, src=p)
    nisa.select_reduce(
        dst=tile,
        predicate=mask,
        on_true=tile,
        on_false=0.5,
        reduce_res=most,
        reduce_cmd=nisa.reduce_cmd.reset_reduce,
    )
    nisa.select_reduce(dst=tile, predicate=mask, on_true=tile, on_false=most, reverse_pred=True)
    nisa.dma_copy(dst=result, src=tile)
    return result
"""
    module = read_nki(source, "select.py")
    first, second = [op for op in module.walk() if op.name == "trn.select_reduce"]
    assert first.reduced is not None
    assert second.scalar0 is not None
    assert second.reverse is not None
    text = emit_nki(module)
    assert emit_nki(read_nki(text, "written.py")) == text
