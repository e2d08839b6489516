"""The C front end: a kernel in C becomes loop IR that says exactly what the C says.

For example::

    #include <stdint.h>
    void scale(const int8_t x[100], int32_t factor, int32_t y[100]) {
        for (int i = 0; i < 100; i++)
            y[i] = factor * x[i];
    }

becomes::

    func.func @scale(%x: memref<100xi8>, %factor: i32, %y: memref<100xi32>) attributes {
        liftproof.c_types = ["const int8_t[100]", "int32_t", "int32_t[100]"],
        liftproof.parameters = ["x", "factor", "y"],
        liftproof.extents = [[100 : i64], [], [100 : i64]],
        liftproof.outputs = array<i64: 2>, liftproof.source = "scale.c"} {
      %c0 = arith.constant 0 : index
      %c100 = arith.constant 100 : index
      %c1 = arith.constant 1 : index
      scf.for %i = %c0 to %c100 step %c1 {
        %0 = memref.load %x[%i] : memref<100xi8>
        %1 = arith.extsi %0 : i8 to i32
        %2 = arith.muli %factor, %1 : i32
        memref.store %2, %y[%i] : memref<100xi32>
      }
      func.return
    }

The attributes of the function describe the C interface: the type and the name of each parameter,
the extents of the arrays (numbers, expressions in earlier parameters, or ``?`` behind a pointer),
the positions of the arrays that are written, the result type (``liftproof.c_result``), and what a
loop's termination depends on (``liftproof.assumptions``). Every operation carries its place in the
source as its location (``--print-debuginfo`` prints it; ``emitter.source_location`` returns it).
"""

from __future__ import annotations

from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from ...diagnostics import Diagnostic, SourceLocation
from .kernel import lower_kernel
from .parser import parse_c
from .source import read_source


def parse_c_kernel(text: str, filename: str) -> ModuleOp:
    """Return the loop IR of the kernel in the C source ``text``; ``filename`` is for messages.

    Raises Diagnostic for anything else: text that is no C, C outside of the subset, and errors
    that a C compiler would report too.
    """
    try:
        return lower_kernel(parse_c(text, filename), filename)
    except RecursionError:
        raise Diagnostic(
            "the program is nested too deeply",
            SourceLocation(filename, 1, 1),
            hint="split expressions and functions into smaller ones",
        ) from None


def read_c_kernel(path: str | Path) -> ModuleOp:
    """Return the loop IR of the kernel in the C file at ``path``.

    Raises Diagnostic as ``parse_c_kernel`` does, and for a file that cannot be read as text.
    """
    return parse_c_kernel(read_source(path), str(path))
