"""Builds the ISA IR of a machine-C kernel: its function, parameters and attributes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, MemRefType, ModuleOp, StringAttr, i64
from xdsl.ir import Attribute, Block, Region

from ...diagnostics import Diagnostic, SourceLocation
from ...dialects.gemmini import FenceOp, LoopConvWsOp, LoopWsOp, MvoutOp
from ...hw.gemmini.config import GemminiConfig
from ..c import syntax
from ..c.call_graph import find_kernel
from ..c.parser import parse_c
from ..c.preprocess import MACHINE_C_KEYWORDS
from ..c.source import blank_comments
from ..c.types import CVoid, to_mlir
from .context import Context
from .emitter import Emitter
from .expressions import Expressions
from .header import header_constants, header_types
from .host_code import plain_text, without_host_code
from .instructions import Instructions
from .loops import run_loop
from .plain_unit import plain_unit
from .scopes import Scopes
from .signatures import UNAMBIGUOUS_NAMES
from .statements import Statements
from .values import DramArray

TOKEN_LIMIT = 200_000
"""Tokens of a source; generated kernels spell out hundreds of instructions, 20 tokens each."""
_CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")


def is_machine_c(text: str) -> bool:
    """Whether C source calls the accelerator's instructions, rather than being a plain kernel."""
    try:
        text = blank_comments(text, "")
    except Diagnostic:
        return False  # no reader accepts it; the plain one reports the comment that does not end
    return any(name in UNAMBIGUOUS_NAMES for name in _CALL.findall(text))


def read_machine_c(text: str, filename: str, config: GemminiConfig) -> ModuleOp:
    """Return the ISA IR of the kernel in the machine-C source ``text``.

    The function has one ``memref`` per array parameter, and the attributes of the C front end;
    ``liftproof.warnings`` lists what is accepted but probably not meant. Raises Diagnostic, with
    the place, for anything else.
    """
    try:
        plain, macros = plain_text(text)
        unit = parse_c(plain, filename, header_types(config), TOKEN_LIMIT, MACHINE_C_KEYWORDS)
        unit, notes = without_host_code(unit, macros)
        try:
            return _Reader(unit, filename, config, notes).read()
        except Diagnostic as error:
            try:
                return _Reader(unit, filename, config, notes, step_by_step=True).read()
            except Diagnostic:
                raise error from None
    except RecursionError:
        raise Diagnostic(
            "the program is nested too deeply",
            SourceLocation(filename, 1, 1),
            hint="split expressions and functions into smaller ones",
        ) from None


class _Reader:
    def __init__(
        self,
        unit: syntax.TranslationUnit,
        filename: str,
        config: GemminiConfig,
        notes: Sequence[str],
        *,
        step_by_step: bool = False,
    ) -> None:
        unit = plain_unit(unit, keep=step_by_step)
        self._unit = unit
        self._filename = filename
        self._notes = notes
        self._kernel = find_kernel(unit, filename)
        self._block = Block()
        self._emitter = Emitter(self._block, self._kernel.location)
        scopes = Scopes()
        self._expressions = Expressions(scopes, header_constants(config))
        self._instructions = Instructions(self._emitter, self._expressions, config)
        helpers = {n: f for n, f in unit.functions.items() if f is not self._kernel}
        context = Context(
            scopes, self._expressions, self._emitter, self._instructions.call, helpers
        )
        context.steps.allowed = step_by_step
        self._steps = context.steps
        self._scopes = scopes
        self._statements = Statements(context, run_loop)
        self._arrays: list[DramArray] = []

    def read(self) -> ModuleOp:
        for declaration in self._unit.declarations:
            self._statements.run(declaration)
        self._scopes.push()
        for parameter in self._kernel.parameters:
            self._parameter(parameter)
        if self._statements.body(self._kernel) is not None:
            raise Diagnostic("a kernel returns nothing", self._kernel.location)
        self._emitter.finish()
        self._emitter.emit(func.ReturnOp())
        return self._module()

    # ---- parameters -----------------------------------------------------------------------------
    def _parameter(self, parameter: syntax.Declarator) -> None:
        extents = self._extents(parameter)
        kind = parameter.type.base
        assert not isinstance(kind, CVoid)
        memref = self._block.insert_arg(MemRefType(to_mlir(kind), extents), len(self._block.args))
        memref.name_hint = parameter.name
        array = DramArray(parameter.name, kind, extents, memref)
        self._arrays.append(array)
        if not self._scopes.declare(array):
            raise Diagnostic(f"'{parameter.name}' is declared twice", parameter.location)

    def _extents(self, parameter: syntax.Declarator) -> tuple[int, ...]:
        """The constant extents of an array parameter; Diagnostic for any other parameter."""
        name, location = parameter.name, parameter.location
        if not name:
            raise Diagnostic("this parameter has no name", location)
        parts = parameter.type.derivations
        if not parts or isinstance(parameter.type.base, CVoid):
            raise Diagnostic(
                f"parameter '{name}' is no array",
                location,
                hint="a program for the accelerator takes arrays; make scalars constants",
            )
        extents: list[int] = []
        for part in parts:
            if not isinstance(part, syntax.ArrayOf) or part.extent is None:
                raise Diagnostic(
                    f"the size of array '{name}' is unknown",
                    location,
                    hint="give every extent as a constant, as in 'elem_t A[512][512]'",
                )
            extent = self._expressions.constant(part.extent, "the extent of an array")
            if not 0 < extent < 1 << 31:
                raise Diagnostic(f"array '{name}' has extent {extent}", part.extent.location)
            extents.append(extent)
        return tuple(extents)

    # ---- result ---------------------------------------------------------------------------------
    def _module(self) -> ModuleOp:
        inputs = [argument.type for argument in self._block.args]
        function = func.FuncOp(self._kernel.name, (inputs, []), Region(self._block))
        outputs = self._outputs()
        if not outputs:
            raise Diagnostic(
                f"kernel '{self._kernel.name}' moves nothing out",
                self._kernel.location,
                hint="store the result in an array parameter with mvout",
            )
        strings = StringAttr
        attributes: dict[str, Attribute] = {
            "c_types": ArrayAttr([strings(self._c_type(n)) for n in range(len(inputs))]),
            "parameters": ArrayAttr([strings(array.name) for array in self._arrays]),
            "outputs": DenseArrayBase.from_list(i64, outputs),
            "source": strings(PurePath(self._filename).name),
        }
        warnings = [*self._instructions.warnings, *self._fence_warning(), *self._notes]
        warnings.extend(self._steps.notes.values())
        if warnings:
            attributes["warnings"] = ArrayAttr([strings(warning) for warning in warnings])
        for name, attribute in attributes.items():
            function.attributes[f"liftproof.{name}"] = attribute
        module = ModuleOp([function])
        module.verify()
        return module

    def _c_type(self, position: int) -> str:
        array, parameter = self._arrays[position], self._kernel.parameters[position]
        const = "const " if parameter.type.const else ""
        return f"{const}{array.element}" + "".join(f"[{extent}]" for extent in array.extents)

    def _outputs(self) -> list[int]:
        written = {op.target for op in self._block.walk() if isinstance(op, MvoutOp)}
        for op in self._block.walk():
            if isinstance(op, LoopWsOp) and op.c is not None:
                written.add(op.c)
            elif isinstance(op, LoopConvWsOp) and op.output is not None:
                written.add(op.output)
        return [argument.index for argument in self._block.args if argument in written]

    def _fence_warning(self) -> list[str]:
        last = self._block.last_op
        before = last.prev_op if last is not None else None
        if isinstance(before, FenceOp):
            return []
        return [
            f"{self._kernel.location}: warning: the kernel does not end with a fence; "
            "the core may read the result before it is stored"
        ]
