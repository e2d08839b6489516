"""Emit ISA IR as C against the public ``gemmini.h``: a function with the kernel's own signature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    Float32Type,
    FloatAttr,
    IndexType,
    IntegerType,
    MemRefType,
    ModuleOp,
    StringAttr,
)
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue
from xdsl.utils.target import Target

from ...dialects.gemmini import AccOp, NoneOp, SpadOp
from ..contraction import OUTPUTS
from ..index_math import constant_value
from ..kernel import kernel_of, refusal
from .c_core_work import MATH_HEADER, expression, is_arithmetic, literal, may_fail, needs_math
from .c_expressions import HELPERS, Expressions, bare
from .c_instructions import instruction_text

C_TYPES = "liftproof.c_types"
PARAMETERS = "liftproof.parameters"
INDENT = "    "
LONG_EXPRESSION = 48
"""Characters from which on an expression gets a line of its own."""

PRELUDE = """\
#include <stdbool.h>
#include <stdint.h>
#include "gemmini.h"

/* Local addresses: bit 31 selects the accumulator, bit 30 adds to it, bit 29 reads it unscaled. */
#define ACC(row) ((uint32_t)1 << 31 | (uint32_t)(row))
#define ADD(flag) ((uint32_t)(flag) << 30)
#define FULL_WIDTH ((uint32_t)1 << 29)
#define NO_ADDRESS 0xFFFFFFFFu
"""


def emit_c(module: ModuleOp, provenance: str = "") -> str:
    """The C text of a lowered kernel.

    ``provenance`` is put into the comment at the top. Raises ``PassFailedException`` for an
    operation that has no C spelling.
    """
    function = kernel_of(module)
    emitter = _Emitter(function)
    body = emitter.body()
    helpers = [text for name, text in HELPERS.items() if name in emitter.expressions.helpers]
    parts = [_comment(provenance), PRELUDE]
    if emitter.needs_math:
        parts.append(MATH_HEADER)
    if helpers:
        parts.append("\n".join(helpers) + "\n")
    parts.append(f"{emitter.signature()}\n{{\n{body}}}\n")
    return "\n".join(part for part in parts if part)


def _comment(provenance: str) -> str:
    if not provenance:
        return ""
    lines = provenance.replace("*/", "* /").splitlines()
    return "/*\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */"


@dataclass(frozen=True)
class GemminiCTarget(Target):
    """Print the kernel as C against ``gemmini.h``."""

    name = "gemmini-c"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        output.write(emit_c(module))


class _Emitter:
    def __init__(self, function: func.FuncOp) -> None:
        self.function = function
        self.names = _parameter_names(function)
        self.expressions = Expressions(self.names)
        for argument, name in zip(function.args, self.names, strict=True):
            self.expressions.texts[argument] = name
        self.types = _c_types(function)
        self.lines: list[str] = []
        self.depth = 1
        self.needs_math = False
        self.may_fail: set[SSAValue] = set()
        """What must not be computed where nobody asks for it."""

    def signature(self) -> str:
        declarations = [
            _declaration(type, name) for type, name in zip(self.types, self.names, strict=True)
        ]
        return f"void {self.function.sym_name.data}({', '.join(declarations) or 'void'})"

    def body(self) -> str:
        self._block(self.function.body.blocks[0])
        return "".join(f"{line}\n" for line in self.lines)

    def _line(self, text: str) -> None:
        self.lines.append(INDENT * self.depth + text)

    def _declare(self, name: str, text: str) -> None:
        self._line(f"const int {name} = {text};")

    def _block(self, block: Block) -> None:
        for op in block.ops:
            self._operation(op)

    def _operation(self, op: Operation) -> None:
        match op:
            case scf.ForOp():
                self._loop(op)
            case scf.IfOp():
                self._condition(op)
            case scf.YieldOp() if op.operands:
                self._yield(op)
            case scf.YieldOp() | func.ReturnOp():
                if op.operands:
                    raise refusal(op, "returns values, which C emission does not support")
            case SpadOp() | AccOp() | NoneOp():
                self._local_address(op)
            case memref.CollapseShapeOp():
                self.expressions.texts[op.result] = self.expressions.text(op.src)
            case memref.AllocOp():
                self._line(f"static {self._own_array(op)};")
            case memref.AllocaOp():
                self._line(f"{self._own_array(op)};")
            case memref.LoadOp():
                self._load(op)
            case memref.StoreOp():
                value = bare(self.expressions.text(op.value))
                self._line(f"{self._element(op.memref, op.indices)} = {value};")
            case arith.ConstantOp() if isinstance(op.value, FloatAttr):
                self.expressions.texts[op.result] = literal(op)
            case _ if is_arithmetic(op) and op.dialect_name() in ("arith", "math"):
                self._compute(op)
            case _ if op.dialect_name() == "arith":
                self.expressions.define(op, self._declare)
            case _:
                self._line(instruction_text(op, self.expressions.text, self._pointer))

    def _loop(self, loop: scf.ForOp) -> None:
        text = self.expressions.text
        lower, upper = bare(text(loop.lb)), bare(text(loop.ub))
        self._carried(loop)
        with self.expressions.scope():
            name = self.expressions.name(loop.body.block.args[0], "i")
            step = constant_value(loop.step)
            advance = f"{name}++" if step == 1 else f"{name} += {bare(text(loop.step))}"
            self._line(f"for (int {name} = {lower}; {name} < {upper}; {advance}) {{")
            self._nested(loop.body.block)
        self._line("}")

    def _carried(self, loop: scf.ForOp) -> None:
        """Declare a variable for each value that a loop carries; it holds the result behind it."""
        arguments = loop.body.block.args[1:]
        for argument, start, result in zip(arguments, loop.iter_args, loop.results, strict=True):
            if not isinstance(argument.type, IndexType | IntegerType):
                raise refusal(loop, "carries a value that is no integer")
            name = self.expressions.name(argument, "carried")
            self._line(f"int {name} = {bare(self.expressions.text(start))};")
            self.expressions.texts[result] = name

    def _yield(self, op: scf.YieldOp) -> None:
        """Give the carried variables their values for the next iteration, all at once."""
        loop = op.parent_op()
        if not isinstance(loop, scf.ForOp):
            raise refusal(op, "returns values, which C emission does not support")
        names = [self.expressions.text(argument) for argument in loop.body.block.args[1:]]
        values = [bare(self.expressions.text(value)) for value in op.operands]
        changes = [(n, v) for n, v in zip(names, values, strict=True) if n != v]
        if len(changes) > 1:
            for name, value in changes:
                self._declare(f"next_{name}", value)
            changes = [(name, f"next_{name}") for name, _ in changes]
        for name, value in changes:
            self._line(f"{name} = {value};")

    def _condition(self, op: scf.IfOp) -> None:
        self._line(f"if ({bare(self.expressions.text(op.cond))}) {{")
        self._nested(op.true_region.block)
        if op.false_region.blocks:
            self._line("} else {")
            self._nested(op.false_region.block)
        self._line("}")

    def _nested(self, block: Block) -> None:
        self.depth += 1
        with self.expressions.scope():
            self._block(block)
        self.depth -= 1

    def _local_address(self, op: SpadOp | AccOp | NoneOp) -> None:
        texts, result = self.expressions.texts, op.results[0]
        if isinstance(op, NoneOp):
            texts[result] = "NO_ADDRESS"
            return
        text = bare(self.expressions.text(op.row))
        if isinstance(op, AccOp):
            text = f"ACC({text})"
            if op.accumulate is not None:
                text += f" | ADD({bare(self.expressions.text(op.accumulate))})"
            if op.full is not None:
                text += " | FULL_WIDTH"
        uses = list(result.uses)
        if len(uses) == 1 and uses[0].operation.parent is op.parent:
            texts[result] = f"({text})"
            return
        self._line(f"const uint32_t {self.expressions.name(result, 'tile')} = {text};")

    def _pointer(self, array: SSAValue, indices: list[SSAValue]) -> str:
        """The address of an element, as the kernel's author would write it."""
        name = self.expressions.text(array)
        type = array.type
        assert isinstance(type, MemRefType)
        subscripts = [self.expressions.text(index) for index in indices]
        while isinstance(view := array.owner, memref.CollapseShapeOp):
            array = view.src
        if self._rank_of(array) == len(indices):
            return f"&{name}{''.join(f'[{bare(s)}]' for s in subscripts)}"
        offset = subscripts[0]
        for subscript, extent in zip(subscripts[1:], type.get_shape()[1:], strict=True):
            offset = f"({offset} * {extent} + {subscript})"
        return f"({c_name(type.element_type)} *){name} + {offset}"

    def _rank_of(self, array: SSAValue) -> int:
        """Dimensions of an array as C declares it."""
        if isinstance(array, BlockArgument):
            return _rank(self.types[array.index])
        assert isinstance(array.type, MemRefType)
        return array.type.get_num_dims()

    def _element(self, array: SSAValue, indices: Sequence[SSAValue]) -> str:
        """An element of an array, as the core reads or writes it."""
        pointer = self._pointer(array, list(indices))
        if pointer.startswith("&"):
            return pointer.removeprefix("&")
        name, _, offset = pointer.partition(" + ")
        return f"({name})[{bare(offset)}]"

    def _load(self, op: memref.LoadOp) -> None:
        """An element that is read, as a number of its array's type in the IR."""
        type = c_name(op.res.type)
        name = self.expressions.name(op.res, "element")
        # The kernel's own type may be another one of that width, as uint8_t.
        self._line(f"const {type} {name} = ({type}){self._element(op.memref, op.indices)};")

    def _compute(self, op: Operation) -> None:
        """A number that the core computes: in place where that stays readable."""
        result, type = op.results[0], c_name(op.results[0].type)
        if constant_value(result) is not None:
            return
        texts = [self.expressions.text(operand) for operand in op.operands]
        text = expression(op, texts, self.expressions.call)
        self.needs_math |= needs_math(op)
        if may_fail(op) or not self.may_fail.isdisjoint(op.operands):
            self.may_fail.add(result)
        if len(text) <= LONG_EXPRESSION or result in self.may_fail:
            self.expressions.give(result, text, lambda name, text: self._value(type, name, text))
        else:
            self._value(type, self.expressions.name(result, "x"), text)

    def _value(self, type: str, name: str, text: str) -> None:
        self._line(f"const {type} {name} = {text};")

    def _own_array(self, op: memref.AllocOp | memref.AllocaOp) -> str:
        type = _c_type(op.memref.type, self.function, written=True)
        return _declaration(type, self.expressions.name(op.memref, "between"))


def _rank(c_type: str) -> int:
    return c_type.count("[") + c_type.count("*")


def _declaration(c_type: str, name: str) -> str:
    """``const int8_t[4][8]`` and a name make ``const int8_t name[4][8]``."""
    base, bracket, extents = c_type.partition("[")
    return f"{base.strip()} {name}{bracket}{extents}"


def _strings(function: func.FuncOp, attribute: str) -> list[str] | None:
    values = function.attributes.get(attribute)
    if not isinstance(values, ArrayAttr):
        return None
    texts = [value.data for value in values if isinstance(value, StringAttr)]
    return texts if len(texts) == len(function.args) else None


def _parameter_names(function: func.FuncOp) -> list[str]:
    names = _strings(function, PARAMETERS)
    if names is None:
        names = [
            re.sub(r"\W", "_", argument.name_hint or f"arg{argument.index}")
            for argument in function.args
        ]
    return names


def _c_types(function: func.FuncOp) -> list[str]:
    """The parameters' C types: those of the source, or else what their memrefs say."""
    types = _strings(function, C_TYPES)
    if types is not None:
        return types
    outputs = function.attributes.get(OUTPUTS)
    written = set(outputs.get_values()) if isinstance(outputs, DenseArrayBase) else set()
    return [
        _c_type(argument.type, function, argument.index in written) for argument in function.args
    ]


def _c_type(type: Attribute, function: func.FuncOp, written: bool) -> str:
    if not isinstance(type, MemRefType):
        return c_name(type)
    if any(extent < 0 for extent in type.get_shape()):
        raise refusal(function, f"has a parameter of unknown extents, {type}")
    extents = "".join(f"[{extent}]" for extent in type.get_shape())
    return f"{'' if written else 'const '}{c_name(type.element_type)}{extents}"


def c_name(type: Attribute) -> str:
    """The C name of a scalar type."""
    match type:
        case IntegerType():
            return "int" if type.width.data == 1 else f"int{type.width.data}_t"
        case Float32Type():
            return "float"
        case IndexType():
            return "int"
        case _:
            return "double"
