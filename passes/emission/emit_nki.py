"""Emit a Trainium tile program as an NKI kernel in the Beta-2 form, for people to read.

Parameters carry their sizes as annotations, so that reading the text back needs nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects import affine, arith, func, memref, scf
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, MemRefType, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.target import Target

from ...dialects import trn
from ...dialects.trn.types import Space, space_of
from ..contraction import OUTPUTS
from ..kernel import kernel_of, refusal
from .nki_expressions import Names, bare, dtype_name, index_text, short_dtype
from .nki_instructions import instruction_text

PARAMETERS = "liftproof.parameters"
INDENT = "    "
MAX_LINE = 100
PRELUDE = """\
import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
"""


def emit_nki(module: ModuleOp) -> str:
    """The Python text of the only kernel in ``module``.

    Arrays that are only written and stand behind all others become results. Raises
    ``PassFailedException`` for an operation that has no spelling.
    """
    function = kernel_of(module)
    emitter = _Emitter(function)
    return PRELUDE + emitter.text()


@dataclass(frozen=True)
class NkiTarget(Target):
    """Print a Trainium tile program as an NKI kernel."""

    name = "nki"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        output.write(emit_nki(module))


class _Emitter:
    def __init__(self, function: func.FuncOp) -> None:
        self.function = function
        self.names = Names()
        self.lines: list[str] = []

    def text(self) -> str:
        arguments = list(self.function.args)
        given = len(arguments) - self._results(arguments)
        for value, name in zip(arguments, self._parameter_names(), strict=True):
            value.name_hint = name
            self.names.declare(value, "array")
        name = self.function.sym_name.data
        parameters = ", ".join(self._parameter(value) for value in arguments[:given])
        self._line(0, f"def {name}({parameters})")
        self.lines[-1] += ":"
        for value in arguments[given:]:
            self._line(1, self._allocation(value, "nl.shared_hbm"))
        self._block(self.function.body.block, 1)
        if arguments[given:]:
            returned = ", ".join(self.names[value] for value in arguments[given:])
            self._line(1, f"return {returned}")
        elif len(self.lines) == 1:
            self._line(1, "return")
        return "\n".join(self.lines) + "\n"

    def _parameter_names(self) -> list[str | None]:
        given = self.function.attributes.get(PARAMETERS)
        if isinstance(given, ArrayAttr):
            return [name.data if isinstance(name, StringAttr) else None for name in given]
        return [value.name_hint for value in self.function.args]

    def _results(self, arguments: Sequence[SSAValue]) -> int:
        """How many of the last parameters are only written: they become results."""
        outputs = self.function.attributes.get(OUTPUTS)
        marked = set(outputs.get_values()) if isinstance(outputs, DenseArrayBase) else set()
        count = 0
        for place in range(len(arguments) - 1, -1, -1):
            if place not in marked or _is_read(arguments[place]):
                return count
            count += 1
        return count

    def _parameter(self, value: SSAValue) -> str:
        kind = _array(value)
        sizes = "x".join(map(str, kind.get_shape()))
        return f'{self.names[value]}: "{sizes}:{short_dtype(kind.element_type)}"'

    def _allocation(self, value: SSAValue, buffer: str) -> str:
        kind = _array(value)
        sizes = "".join(f"{size}, " for size in kind.get_shape())[:-1]
        if len(kind.get_shape()) > 1:
            sizes = sizes[:-1]
        dtype = dtype_name(kind.element_type)
        return f"{self.names[value]} = nl.ndarray(({sizes}), dtype={dtype}, buffer={buffer})"

    def _line(self, depth: int, text: str) -> None:
        line = INDENT * depth + text
        if len(line) <= MAX_LINE or "(" not in text or not text.endswith(")"):
            self.lines.append(line)
            return
        head, _, rest = text.partition("(")
        self.lines.append(f"{INDENT * depth}{head}(")
        self.lines.extend(f"{INDENT * (depth + 1)}{part}," for part in _arguments(rest[:-1]))
        self.lines.append(f"{INDENT * depth})")

    def _block(self, block: Block, depth: int) -> None:
        before = len(self.lines)
        for op in block.ops:
            self._operation(op, depth)
        if len(self.lines) == before and depth > 1:
            self._line(depth, "pass")

    def _operation(self, op: Operation, depth: int) -> None:
        if isinstance(op, trn.Instruction):
            return self._line(depth, instruction_text(op, self.names))
        if isinstance(op, scf.ForOp):
            return self._loop(op, depth)
        if isinstance(op, scf.IfOp):
            return self._branch(op, depth)
        if isinstance(op, memref.AllocOp):
            self.names.declare(op.memref, "tile")
            space = space_of(op.memref.type)
            buffer = "nl.private_hbm" if space == Space.HBM else f"nl.{space.value}"
            return self._line(depth, self._allocation(op.memref, buffer))
        if isinstance(op, trn.ReshapeOp):
            source = self.names[op.source]
            name = self.names.declare(op.result, f"{source}_reshaped")
            sizes = ", ".join(map(str, _array(op.result).get_shape()))
            return self._line(depth, f"{name} = {source}.reshape(({sizes},))")
        if isinstance(op, trn.ViewOp | affine.ApplyOp | scf.YieldOp | func.ReturnOp):
            return None
        if isinstance(op, arith.ConstantOp) or op.name.startswith("arith."):
            return None  # spelled where it is used
        raise refusal(op, "NKI has no spelling for this operation")

    def _loop(self, op: scf.ForOp, depth: int) -> None:
        if op.iter_args:
            raise refusal(op, "NKI's loops carry no values")
        lower, upper, step = (
            bare(index_text(bound, self.names)) for bound in (op.lb, op.ub, op.step)
        )
        bounds = [lower, upper, step] if step != "1" else [lower, upper]
        if bounds[0] == "0" and len(bounds) == 2:
            bounds = bounds[1:]
        name = self.names.declare(op.body.block.args[0], "i")
        self._line(depth, f"for {name} in nl.sequential_range({', '.join(bounds)}):")
        self._block(op.body.block, depth + 1)

    def _branch(self, op: scf.IfOp, depth: int) -> None:
        if op.results:
            raise refusal(op, "NKI's branches have no results")
        self._line(depth, f"if {bare(index_text(op.cond, self.names))}:")
        self._block(op.true_region.block, depth + 1)
        if op.false_region.blocks and any(
            not isinstance(one, scf.YieldOp) for one in op.false_region.block.ops
        ):
            self._line(depth, "else:")
            self._block(op.false_region.block, depth + 1)


def _array(value: SSAValue) -> MemRefType:  # pyright: ignore[reportMissingTypeArgument]
    assert isinstance(value.type, MemRefType)
    return value.type


def _is_read(buffer: SSAValue) -> bool:
    """Whether an instruction reads an array, directly or through a reshape."""
    for use in buffer.uses:
        op = use.operation
        if isinstance(op, trn.ReshapeOp) and _is_read(op.result):
            return True
        if isinstance(op, trn.ViewOp):
            users = (user.operation for user in op.view.uses)
            if any(isinstance(user, trn.Instruction) and op.view in user.read for user in users):
                return True
            for user in op.view.uses:
                if isinstance(user.operation, trn.DmaCopyOp) and user.operation.add is not None:
                    return True
    return False


def _arguments(text: str) -> list[str]:
    """The arguments of a call: split at the commas that are in no bracket."""
    parts, depth, start = list[str](), 0, 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]
