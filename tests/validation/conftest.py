"""Small programs at each level of IR, as text with sizes filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from liftproof.validation.fuzz import parse_module
from xdsl.dialects.builtin import ModuleOp


@dataclass(frozen=True)
class Kernel:
    """A product of an M × K and a K × N int8 matrix, saturated to int8, at several levels."""

    m: int
    n: int
    k: int

    @property
    def arguments(self) -> str:
        return (
            f"%A: memref<{self.m}x{self.k}xi8>, %B: memref<{self.k}x{self.n}xi8>,"
            f" %C: memref<{self.m}x{self.n}xi8>"
        )

    def constants(self, *more: int) -> str:
        numbers = {0, 1, 2, 16, 64, self.m, self.n, self.k, *more}
        return "\n".join(f"  %c{n} = arith.constant {n} : index" for n in sorted(numbers))

    def loops(self) -> str:
        """Loop IR as the C front end writes it."""
        m, n, k = self.m, self.n, self.k
        return f"""
func.func @matmul({self.arguments}) attributes {{"liftproof.outputs" = array<i64: 2>}} {{
{self.constants()}
  %zero = arith.constant 0 : i32
  %high = arith.constant 127 : i32
  %low = arith.constant -128 : i32
  scf.for %i = %c0 to %c{m} step %c1 {{
    scf.for %j = %c0 to %c{n} step %c1 {{
      %acc = memref.alloca() : memref<i32>
      memref.store %zero, %acc[] : memref<i32>
      scf.for %k = %c0 to %c{k} step %c1 {{
        %a = memref.load %A[%i, %k] : memref<{m}x{k}xi8>
        %b = memref.load %B[%k, %j] : memref<{k}x{n}xi8>
        %ax = arith.extsi %a : i8 to i32
        %bx = arith.extsi %b : i8 to i32
        %p = arith.muli %ax, %bx : i32
        %s = memref.load %acc[] : memref<i32>
        %t = arith.addi %s, %p : i32
        memref.store %t, %acc[] : memref<i32>
      }}
      %v = memref.load %acc[] : memref<i32>
      %above = arith.cmpi sgt, %v, %high : i32
      %v1 = arith.select %above, %high, %v : i32
      %below = arith.cmpi slt, %v1, %low : i32
      %v2 = arith.select %below, %low, %v1 : i32
      %v3 = arith.trunci %v2 : i32 to i8
      memref.store %v3, %C[%i, %j] : memref<{m}x{n}xi8>
    }}
  }}
  func.return
}}"""

    def tensors(self) -> str:
        """Tensor IR as lifting writes it."""
        m, n, k = self.m, self.n, self.k
        return f"""
#a = affine_map<(i, j, k) -> (i, k)>
#b = affine_map<(i, j, k) -> (k, j)>
#c = affine_map<(i, j, k) -> (i, j)>
#each = affine_map<(i, j) -> (i, j)>
func.func @matmul(%A: tensor<{m}x{k}xi8>, %B: tensor<{k}x{n}xi8>, %C: tensor<{m}x{n}xi8>)
    -> tensor<{m}x{n}xi8> attributes {{"liftproof.outputs" = array<i64: 2>}} {{
  %zero = arith.constant 0 : i32
  %high = arith.constant 127 : i32
  %low = arith.constant -128 : i32
  %empty = tensor.empty() : tensor<{m}x{n}xi32>
  %start = linalg.fill ins(%zero : i32) outs(%empty : tensor<{m}x{n}xi32>) -> tensor<{m}x{n}xi32>
  %sum = linalg.generic {{indexing_maps = [#a, #b, #c],
      iterator_types = ["parallel", "parallel", "reduction"]}}
      ins(%A, %B : tensor<{m}x{k}xi8>, tensor<{k}x{n}xi8>)
      outs(%start : tensor<{m}x{n}xi32>) {{
  ^bb0(%a: i8, %b: i8, %c: i32):
    %ax = arith.extsi %a : i8 to i32
    %bx = arith.extsi %b : i8 to i32
    %p = arith.muli %ax, %bx : i32
    %q = arith.addi %c, %p : i32
    linalg.yield %q : i32
  }} -> tensor<{m}x{n}xi32>
  %narrow = tensor.empty() : tensor<{m}x{n}xi8>
  %r = linalg.generic {{indexing_maps = [#each, #each], iterator_types = ["parallel", "parallel"]}}
      ins(%sum : tensor<{m}x{n}xi32>) outs(%narrow : tensor<{m}x{n}xi8>) {{
  ^bb0(%v: i32, %c: i8):
    %v1 = arith.minsi %v, %high : i32
    %v2 = arith.maxsi %v1, %low : i32
    %v3 = arith.trunci %v2 : i32 to i8
    linalg.yield %v3 : i8
  }} -> tensor<{m}x{n}xi8>
  func.return %r : tensor<{m}x{n}xi8>
}}"""

    def tiles(self) -> str:
        """Tile IR: one array tile of C after the other."""
        m, n, k = self.m, self.n, self.k
        tiles = [-(-size // 16) for size in (m, n, k)]
        spad, acc = "memref<16x16xi8, #gemmini.space spad>", "memref<16x16xi32, #gemmini.space acc>"
        return f"""
func.func @matmul({self.arguments}) attributes {{"liftproof.outputs" = array<i64: 2>}} {{
{self.constants(*tiles)}
  %a = memref.alloc() : {spad}
  %b = memref.alloc() : {spad}
  %c = memref.alloc() : {acc}
  scf.for %io = %c0 to %c{tiles[0]} step %c1 {{
    %i = arith.muli %io, %c16 : index
    %left_m = arith.subi %c{m}, %i : index
    %m = arith.minsi %left_m, %c16 : index
    scf.for %jo = %c0 to %c{tiles[1]} step %c1 {{
      %j = arith.muli %jo, %c16 : index
      %left_n = arith.subi %c{n}, %j : index
      %n = arith.minsi %left_n, %c16 : index
      scf.for %ko = %c0 to %c{tiles[2]} step %c1 {{
        %k = arith.muli %ko, %c16 : index
        %left_k = arith.subi %c{k}, %k : index
        %depth = arith.minsi %left_k, %c16 : index
        tile.load %A[%i, %k] to %a[] sizes %m, %depth : memref<{m}x{k}xi8>, {spad}
        tile.load %B[%k, %j] to %b[] sizes %depth, %n : memref<{k}x{n}xi8>, {spad}
        %more = arith.cmpi sgt, %ko, %c0 : index
        tile.matmul %a[], %b[] to %c[] sizes %m, %n, %depth accumulate %more : {spad}, {spad}, {acc}
      }}
      tile.store %c[] to %C[%i, %j] sizes %m, %n {{scale = 1.0 : f32}} : {acc}, memref<{m}x{n}xi8>
    }}
  }}
  func.return
}}"""

    def instructions(self) -> str:
        """ISA IR: double-buffered, the next tiles loaded while this product is formed."""
        m, n, k = self.m, self.n, self.k
        tiles = [-(-size // 16) for size in (m, n, k)]
        spad, acc = "!gemmini.local<spad>", "!gemmini.local<acc>"
        a_type, b_type, c_type = (f"memref<{s}xi8>" for s in (f"{m}x{k}", f"{k}x{n}", f"{m}x{n}"))
        return f"""
func.func @matmul({self.arguments}) attributes {{"liftproof.outputs" = array<i64: 2>}} {{
{self.constants(*tiles)}
  gemmini.config_ex
  gemmini.config_ld {{channel = 0 : i64, stride = {k} : i64, block_stride = 16 : i64}}
  gemmini.config_ld {{channel = 1 : i64, stride = {n} : i64, block_stride = 16 : i64}}
  gemmini.config_st {{stride = {n} : i64}}
  scf.for %io = %c0 to %c{tiles[0]} step %c1 {{
    %i = arith.muli %io, %c16 : index
    %left_m = arith.subi %c{m}, %i : index
    %m = arith.minsi %left_m, %c16 : index
    scf.for %jo = %c0 to %c{tiles[1]} step %c1 {{
      %j = arith.muli %jo, %c16 : index
      %left_n = arith.subi %c{n}, %j : index
      %n = arith.minsi %left_n, %c16 : index
      %k0 = arith.minsi %c{k}, %c16 : index
      %a0 = gemmini.spad %c0
      %b0 = gemmini.spad %c64
      gemmini.mvin %A[%i, %c0] to %a0[%m, %k0] : {a_type}, {spad}
      gemmini.mvin %B[%c0, %j] to %b0[%k0, %n] {{channel = 1 : i64}} : {b_type}, {spad}
      scf.for %ko = %c0 to %c{tiles[2]} step %c1 {{
        %k = arith.muli %ko, %c16 : index
        %left_k = arith.subi %c{k}, %k : index
        %depth = arith.minsi %left_k, %c16 : index
        %phase = arith.remsi %ko, %c2 : index
        %a_row = arith.muli %phase, %c16 : index
        %b_row = arith.addi %a_row, %c64 : index
        %next = arith.addi %ko, %c1 : index
        %more = arith.cmpi slt, %next, %c{tiles[2]} : index
        scf.if %more {{
          %k_next = arith.muli %next, %c16 : index
          %left_next = arith.subi %c{k}, %k_next : index
          %depth_next = arith.minsi %left_next, %c16 : index
          %phase_next = arith.remsi %next, %c2 : index
          %a_row_next = arith.muli %phase_next, %c16 : index
          %b_row_next = arith.addi %a_row_next, %c64 : index
          %a_next = gemmini.spad %a_row_next
          %b_next = gemmini.spad %b_row_next
          gemmini.mvin %A[%i, %k_next] to %a_next[%m, %depth_next] : {a_type}, {spad}
          gemmini.mvin %B[%k_next, %j] to %b_next[%depth_next, %n]
            {{channel = 1 : i64}} : {b_type}, {spad}
        }}
        %a = gemmini.spad %a_row
        %b = gemmini.spad %b_row
        %not_first = arith.cmpi sgt, %ko, %c0 : index
        %c = gemmini.acc %c0 accumulate %not_first
        %none = gemmini.none
        gemmini.preload %b[%depth, %n] to %c[%m, %n] : {spad}, {acc}
        gemmini.compute_preloaded %a[%m, %depth], %none[%c16, %c16] : {spad}, !gemmini.local<none>
      }}
      %result = gemmini.acc %c0
      gemmini.mvout %result[%m, %n] to %C[%i, %j] : {acc}, {c_type}
    }}
  }}
  gemmini.fence
  func.return
}}"""

    def text(self, level: str) -> str:
        return {
            "loops": self.loops,
            "tensors": self.tensors,
            "tiles": self.tiles,
            "instructions": self.instructions,
        }[level]()

    def module(self, level: str, *changes: tuple[str, str]) -> ModuleOp:
        """The program of a level, with pieces of its text replaced."""
        text = self.text(level)
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return parse_module(text)


@pytest.fixture(scope="session")
def kernel() -> Callable[[int, int, int], Kernel]:
    """The kernel for any sizes."""
    return Kernel
