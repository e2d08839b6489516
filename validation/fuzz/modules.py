"""Programs from text, for tests and fuzzing."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialects import arith, builtin, func, math, memref, scf, tensor
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.linalg import Linalg
from xdsl.parser import Parser

from ...dialects.gemmini import GEMMINI
from ...dialects.tile import TILE


def parse_module(text: str, name: str = "<text>") -> ModuleOp:
    """Parse MLIR text with all dialects that validation reads."""
    context = Context()
    for dialect in (
        *(arith.Arith, builtin.Builtin, func.Func, Linalg, math.Math, memref.MemRef),
        *(scf.Scf, tensor.Tensor, GEMMINI, TILE),
    ):
        context.load_dialect(dialect)
    module = Parser(context, text, name).parse_module()
    module.verify()
    return module
