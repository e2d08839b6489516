"""What all passes share: the kernel's function, its target, its loops, and how to refuse."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import MemRefType, ModuleOp, StringAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.traits import is_side_effect_free
from xdsl.utils.exceptions import PassFailedException

from ..dialects.gemmini import LocalSpace, LocalSpaceAttr
from ..dialects.tile import LoadOp, MatmulOp, StoreOp, ZeroOp
from ..hw.gemmini.config import ConfigError, GemminiConfig, load_config

TARGET = "liftproof.target"
"""Attribute of a lowered function: the name of the machine configuration."""
UNROLLED = "tile.unrolled"
"""Attribute of a function in which several products stand in a row."""
LOOP = "tile.loop"
"""Attribute of a loop around the products: its name, by which options refer to it."""

Move = LoadOp | ZeroOp | StoreOp
Access = LoadOp | ZeroOp | StoreOp | MatmulOp


class Refusal(PassFailedException):
    """A pass does not apply; ``hint`` says what of the kernel could be written otherwise."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def refusal(op: Operation, reason: str, hint: str = "") -> Refusal:
    """The diagnostic of a pass that does not apply; it names the operation."""
    return Refusal(f"{_describe(op)}: {reason}", hint)


def _describe(op: Operation) -> str:
    if isinstance(op, scf.ForOp) and (name := loop_name(op)):
        return f"scf.for {name!r}"
    names = [result.name_hint for result in op.results if result.name_hint]
    return f"{op.name} %{names[0]}" if names else op.name


def kernel_of(module: ModuleOp) -> func.FuncOp:
    """The one function of ``module``."""
    functions = [op for op in module.body.ops if isinstance(op, func.FuncOp)]
    if len(functions) != 1 or not functions[0].body.blocks:
        raise refusal(module, f"needs exactly one function with a body, found {len(functions)}")
    return functions[0]


def schedulable_kernel(module: ModuleOp) -> func.FuncOp:
    """The one function of ``module``; refuses one whose loops are written out.

    Most schedule passes reason about one product, and the moves of its tiles, in each iteration.
    """
    function = kernel_of(module)
    if UNROLLED in function.attributes:
        raise refusal(function, "has loops that gemmini-unroll wrote out, which comes last")
    return function


def config_of(function: func.FuncOp) -> GemminiConfig:
    """The machine that ``function`` was lowered for."""
    name = function.attributes.get(TARGET)
    if not isinstance(name, StringAttr):
        raise refusal(function, f"has no {TARGET}: gemmini-lower-linalg sets it")
    return named_config(function, name.data)


def named_config(function: func.FuncOp, name: str) -> GemminiConfig:
    """The configuration called ``name``."""
    try:
        return load_config(name)
    except ConfigError as error:
        raise refusal(function, str(error)) from error


def loop_name(loop: scf.ForOp) -> str | None:
    """The name of a loop, if it has one."""
    name = loop.attributes.get(LOOP)
    return name.data if isinstance(name, StringAttr) else None


def set_loop_name(loop: scf.ForOp, name: str) -> None:
    loop.attributes[LOOP] = StringAttr(name)
    loop.body.block.args[0].name_hint = name


def named_loops(function: func.FuncOp) -> dict[str, scf.ForOp]:
    """The loops with a name, outer loops first."""
    found: dict[str, scf.ForOp] = {}
    for op in function.walk():
        if isinstance(op, scf.ForOp) and (name := loop_name(op)):
            if name in found:
                raise refusal(op, "another loop has the same name")
            found[name] = op
    return found


def named_loop(function: func.FuncOp, name: str) -> scf.ForOp:
    """The loop called ``name``; refuses if there is none."""
    loops = named_loops(function)
    if name not in loops:
        raise refusal(function, f"has no loop {name!r}; its loops are {', '.join(loops) or 'none'}")
    return loops[name]


def iv_of(loop: scf.ForOp) -> SSAValue:
    """The induction variable of ``loop``."""
    return loop.body.block.args[0]


def enclosing_loops(op: Operation, scope: Operation) -> list[scf.ForOp]:
    """The loops around ``op`` and inside ``scope``, outermost first."""
    loops: list[scf.ForOp] = []
    parent = op.parent_op()
    while parent is not None and parent is not scope:
        if isinstance(parent, scf.ForOp):
            loops.append(parent)
        parent = parent.parent_op()
    return loops[::-1]


def statement_in(block: Block, op: Operation) -> Operation:
    """The operation of ``block`` that is ``op`` or contains it."""
    found = block.find_ancestor_op_in_block(op)
    assert found is not None
    return found


def accesses(scope: Operation) -> Iterator[Access]:
    """All tile operations in ``scope``, in program order."""
    return (op for op in scope.walk() if isinstance(op, LoadOp | ZeroOp | StoreOp | MatmulOp))


def products(function: Operation) -> list[MatmulOp]:
    """The tile products of ``function``; refuses if there are none."""
    found = [op for op in function.walk() if isinstance(op, MatmulOp)]
    if not found:
        raise refusal(function, "has no tile.matmul")
    return found


OPERANDS = ("a", "b", "c")


def operand_buffer(function: func.FuncOp, operand: str) -> memref.AllocOp:
    """The buffer of operand a, b or c of the products; refuses unless all use the same."""
    if operand not in OPERANDS:
        raise refusal(function, f"operand must be a, b or c, got {operand!r}")
    buffers = {getattr(op, operand) for op in products(function)}
    owner = next(iter(buffers)).owner
    if len(buffers) != 1 or not isinstance(owner, memref.AllocOp):
        raise refusal(function, f"operand {operand} of its products is not one buffer")
    return owner


def buffer_type(buffer: memref.AllocOp) -> MemRefType[Attribute]:
    type = buffer.memref.type
    assert isinstance(type, MemRefType)
    return type


def space_of_buffer(buffer: memref.AllocOp) -> LocalSpace:
    space = buffer_type(buffer).memory_space
    if not isinstance(space, LocalSpaceAttr):
        raise refusal(buffer, "is not in a local memory space")
    return space.data


def users(buffer: memref.AllocOp) -> list[Access]:
    """The tile operations that use ``buffer``; refuses if something else does."""
    found: list[Access] = []
    for use in buffer.memref.uses:
        if not isinstance(use.operation, LoadOp | ZeroOp | StoreOp | MatmulOp):
            raise refusal(use.operation, "uses a tile buffer")
        found.append(use.operation)
    return found


def erase_dead_arithmetic(scope: Operation) -> None:
    """Erase operations without effect whose results nobody uses."""
    for op in reversed(list(scope.walk())):
        unused = bool(op.results) and all(result.first_use is None for result in op.results)
        if unused and op is not scope and is_side_effect_free(op):
            op.detach()
            op.erase()
