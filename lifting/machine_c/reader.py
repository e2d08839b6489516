"""Builds the ISA IR of a machine-C kernel: its function, parameters and attributes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, MemRefType, ModuleOp, StringAttr, i64
from xdsl.ir import Attribute, Block, Region

from ...diagnostics import Diagnostic, SourceLocation
from ...dialects.gemmini import LoopConvWsOp, LoopWsOp, MvoutOp
from ...hw.gemmini.config import GemminiConfig
from ...validation.hazards.final_fence import store_without_fence
from ..c import syntax
from ..c.call_graph import find_kernel
from ..c.parser import parse_c
from ..c.preprocess import MACHINE_C_KEYWORDS
from ..c.source import blank_comments
from ..c.types import CVoid, to_mlir
from .context import Context
from .core_work import CoreWork
from .early_exits import COUNTED_LOOP
from .emitter import Emitter
from .expressions import Expressions
from .header import header_constants, header_types
from .host_code import plain_text, without_host_code
from .instructions import Instructions
from .interface import (
    Shapes,
    arrays_of_file,
    of_accelerator,
    shapes_of,
    with_main_as_kernel,
)
from .loops import run_loop
from .plain_unit import plain_unit
from .scopes import Scopes
from .signatures import UNAMBIGUOUS_NAMES
from .statements import Statements
from .terms import ZERO
from .values import DramArray, Pointer, Variable

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


def read_machine_c(
    text: str, filename: str, config: GemminiConfig, like: ModuleOp | None = None
) -> ModuleOp:
    """Return the ISA IR of the kernel in the machine-C source ``text``.

    Arrays whose extents the text leaves open have those of the program ``like``, by position.

    The function has one ``memref`` per array parameter, and the attributes of the C front end;
    ``liftproof.warnings`` lists what is accepted but probably not meant. Raises Diagnostic, with
    the place, for anything else.
    """
    try:
        plain, macros = plain_text(text)
        unit = parse_c(plain, filename, header_types(config), TOKEN_LIMIT, MACHINE_C_KEYWORDS)
        unit, notes = without_host_code(with_main_as_kernel(of_accelerator(unit)), macros)
        shapes = shapes_of(like)
        try:
            return _Reader(unit, filename, config, notes, shapes).read()
        except Diagnostic as error:
            try:
                return _Reader(unit, filename, config, notes, shapes, step_by_step=True).read()
            except Diagnostic as other:
                # Step by step, any control flow is followed: what stops that is what is wrong.
                raise (other if error.hint == COUNTED_LOOP else error) from None
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
        shapes: Shapes,
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
        self._statements.core = CoreWork(context, unit)
        self._arrays: list[DramArray] = []
        self._shapes = shapes
        self._shared = arrays_of_file(unit, self._kernel)
        self._parameters = self._kernel.parameters or self._shared

    def read(self) -> ModuleOp:
        for declaration in self._unit.declarations:
            for declarator in declaration.declarators:
                if declarator in self._shared:
                    self._parameter(declarator)
                else:
                    self._statements.declarations.declare(declarator)
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
        if len(parameter.type.derivations) == len(extents):
            is_new = self._scopes.declare(array)
        else:
            start = Pointer(array, ZERO, array.element_bytes)
            is_new = self._scopes.declare(
                Variable(
                    parameter.name,
                    kind,
                    parameter.location,
                    is_pointer=True,
                    unit=array.element_bytes,
                    cells=[start],
                )
            )
        if not is_new:
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
        like = self._shapes[len(self._arrays)] if len(self._arrays) < len(self._shapes) else None
        is_open = not isinstance(parts[0], syntax.ArrayOf) or parts[0].extent is None
        if like is not None and is_open and self._inner_extents(parts[1:]) in ((), like[1:]):
            return like
        extents: list[int] = []
        for part in parts:
            if not isinstance(part, syntax.ArrayOf) or part.extent is None:
                raise Diagnostic(
                    f"the size of array '{name}' is unknown",
                    location,
                    hint="give every extent as a constant, as in 'elem_t A[512][512]'; validation "
                    "takes those of the other program",
                )
            extent = self._expressions.constant(part.extent, "the extent of an array")
            if not 0 < extent < 1 << 31:
                raise Diagnostic(f"array '{name}' has extent {extent}", part.extent.location)
            extents.append(extent)
        return tuple(extents)

    def _inner_extents(self, parts: Sequence[syntax.Derivation]) -> tuple[int | None, ...]:
        """The extents behind an open one, None where it is a pointer or open too."""
        return tuple(
            self._expressions.constant(part.extent, "the extent of an array")
            if isinstance(part, syntax.ArrayOf) and part.extent is not None
            else None
            for part in parts
        )

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
        array, parameter = self._arrays[position], self._parameters[position]
        const = "const " if parameter.type.const else ""
        return f"{const}{array.element}" + "".join(f"[{extent}]" for extent in array.extents)

    def _outputs(self) -> list[int]:
        written = {op.target for op in self._block.walk() if isinstance(op, MvoutOp)}
        for op in self._block.walk():
            if isinstance(op, memref.StoreOp):
                written.add(op.memref)
            elif isinstance(op, LoopWsOp) and op.c is not None:
                written.add(op.c)
            elif isinstance(op, LoopConvWsOp) and op.output is not None:
                written.add(op.output)
        return [argument.index for argument in self._block.args if argument in written]

    def _fence_warning(self) -> list[str]:
        if store_without_fence(self._block) is None:
            return []
        return [
            f"{self._kernel.location}: warning: the kernel does not end with a fence; "
            "the core may read the result before it is stored"
        ]
