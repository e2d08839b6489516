"""IR text from outside: parsed with the few dialects that a program needs, and then inspected."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp, UnknownLoc
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.utils.exceptions import DiagnosticException, ParseError

from ..diagnostics import Diagnostic
from .evaluate import universe
from .untrusted_text import check_mlir

DIALECTS = ("builtin", "func", "arith", "scf", "memref", "gemmini", "tile")
"""Dialects of a proposed program; all other operations are unregistered."""
OPERATIONS = (
    "builtin.module",
    "func.func",
    "func.return",
    "memref.alloc",
    "memref.collapse_shape",
)
"""Operations of ``builtin``, ``func`` and ``memref`` that are admitted: no calls, no casts."""
OWN_ATTRIBUTES = ("tile.", "liftproof.")
"""Prefixes of the attributes that are admitted besides an operation's own properties."""


def read_ir(text: str, kernel: func.FuncOp) -> ModuleOp:
    """The verified program in ``text``, with the name and attributes of ``kernel``.

    ``kernel`` is the function that the program claims to be. Raises ``Diagnostic`` for anything but
    one function of its type, built from admitted operations.
    """
    check_mlir(text, "IR")
    module = _parse(text)
    for operation in module.walk():
        _check_operation(operation)
    adopt_signature(module, kernel)
    return module


def _parse(text: str) -> ModuleOp:
    context = Context()
    for name in DIALECTS:
        context.register_dialect(name, universe().all_dialects[name])
    try:
        module = Parser(context, text, "proposal").parse_module()
        module.verify()
    except ParseError as error:
        line = text.count("\n", 0, error.span.start) + 1
        raise Diagnostic(f"IR, line {line}: {error.msg or 'syntax error'}") from error
    except DiagnosticException as error:
        raise Diagnostic(f"IR does not verify: {error}") from error
    except (ValueError, IndexError, KeyError, AssertionError) as error:
        raise Diagnostic(f"IR cannot be parsed: {error}") from error
    except RecursionError as error:
        raise Diagnostic("the IR is nested too deeply") from error
    return module


def _check_operation(operation: Operation) -> None:
    name, dialect = operation.name, operation.dialect_name()
    if dialect in ("builtin", "func", "memref") and name not in OPERATIONS:
        raise Diagnostic(f"IR: {name} is not admitted in a proposal")
    if not isinstance(operation.location, UnknownLoc):
        raise Diagnostic(f"IR: {name} has a location, which could name a file")
    for attribute in operation.attributes:
        if not attribute.startswith(OWN_ATTRIBUTES):
            raise Diagnostic(f"IR: attribute {attribute!r} of {name} is not admitted")


def adopt_signature(module: ModuleOp, kernel: func.FuncOp) -> None:
    """Give the only function of ``module`` the name and attributes of ``kernel``.

    Its own attributes count for nothing: some name the machine, and so a file. Raises
    ``Diagnostic`` where there is not exactly one function, or its parameters are others.
    """
    functions = [op for op in module.walk() if isinstance(op, func.FuncOp)]
    usable = [op for op in functions if op.body.blocks and op.parent_op() is module]
    if len(functions) != 1 or not usable:
        raise Diagnostic(f"a program is one function with a body, not {len(functions)}")
    found = usable[0]
    wanted = [_array(argument.type) for argument in kernel.args]
    given = [_array(argument.type) for argument in found.args]
    if given != wanted or found.function_type.outputs.data:
        listed = ", ".join(wanted)
        raise Diagnostic(f"the parameters must be ({listed}), not ({', '.join(given)})")
    found.sym_name = kernel.sym_name
    found.attributes.clear()
    found.attributes.update(kernel.attributes)
    for argument, original in zip(found.args, kernel.args, strict=True):
        argument.name_hint = original.name_hint


def _array(type: object) -> str:
    if not isinstance(type, MemRefType):
        return str(type)
    extents = "x".join(str(extent) for extent in type.get_shape())
    return f"memref<{extents}x{type.element_type}>"
