"""From the text of an NKI kernel to a tile-level program.

The text is parsed as Python and read, never executed. A loop over a range stays a loop where its
body means the same for every iteration but for index arithmetic; otherwise the reader starts again,
first with the last iteration on its own (ragged sizes), then with the loop unrolled.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    MemRefType,
    ModuleOp,
    StringAttr,
    i64,
)
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from ...diagnostics import Diagnostic
from ...dialects.trn.types import Space
from .arguments import HINT, SCALARS, Argument, ArrayShape, parse_argument
from .definitions import read_definitions
from .emitter import Emitter
from .expressions import readable
from .index import LoopVariable, UnrollRequest
from .language import Language
from .launches import Programs, grid_of, launcher_of, run_grid
from .scopes import Scopes
from .source import NkiError, Source, parse_source
from .statements import ReturnReached, Statements
from .values import Array, Function, View, whole

DECORATORS = ("jit", "benchmark", "baremetal", "profile", "simulate_kernel", "trace")
"""Names of decorators that mark a kernel."""
GRID = "grid"
"""The name under which the launch grid of a kernel is given, beside its parameters."""
OUTPUTS = "liftproof.outputs"
PARAMETERS = "liftproof.parameters"


class KernelReader(Statements):
    """One reading of a kernel, with given sets of loops unrolled or peeled."""

    def __init__(
        self, source: Source, unrolled: set[ast.AST], peeled: set[ast.AST], may_reload: bool = True
    ) -> None:
        self.source = source
        self.unrolled = unrolled
        self.peeled = peeled
        self.block_of_kernel = Block()
        self.emitter = Emitter(source.path, self.block_of_kernel)
        self.variables: list[LoopVariable] = []
        self.branches: list[ast.AST] = []
        self.statements = 0
        self.is_defining = False
        self.call_depth = 0
        self.programs = Programs()
        self.may_reload = may_reload
        self.reloaded: list[tuple[Array, Array]] = []
        """Tiles that were loaded again to repeat them, and the arrays in HBM they come from."""
        self.is_stale = False
        """Whether one of them does not hold what its tile held."""
        self.language = Language(self)
        self.scopes = Scopes(({},))

    def request_unrolling(self, node: ast.AST, reason: str) -> NoReturn:
        """Ask to unroll the innermost loop; if there is none, the construct is refused."""
        if self.variables:
            raise UnrollRequest(self.variables[-1].loop)
        self.source.refuse(node, reason)


def read_nki(
    text: str,
    path: str,
    shapes: Mapping[str, Argument] | None = None,
    kernel: str | None = None,
) -> ModuleOp:
    """Read an NKI kernel in either form of the API.

    ``shapes`` gives sizes and types of array parameters and values of others (see ``arguments``);
    ``kernel`` names the function, by default the one that is decorated with ``nki.jit`` or its
    like, or the only one that no other calls. Returned arrays become parameters behind the given
    ones. Raises ``NkiError`` for what is not understood.
    """
    source = parse_source(text, path)
    unrolled: set[ast.AST] = set()
    peeled: set[ast.AST] = set()
    may_reload = True
    while True:
        reader = KernelReader(source, unrolled, peeled, may_reload)
        try:
            module = _read(reader, dict(shapes or {}), kernel)
            if not reader.is_stale:
                return module
            may_reload = False
        except UnrollRequest as request:
            if request.loop in unrolled:
                source.refuse(request.loop, "this loop cannot be read")
            (unrolled if request.loop in peeled else peeled).add(request.loop)
        except RecursionError:
            raise NkiError(f"{path}: the kernel is nested too deeply") from None


def parameter_names(text: str, path: str, given: Collection[str] = ()) -> list[str]:
    """The parameters of a kernel that may be arrays, and that nothing in it gives a shape.

    ``given`` names those that have a shape or value already.
    """
    reader = KernelReader(parse_source(text, path), set(), set())
    read_definitions(reader)
    node = _entry(reader, None, given).node
    assert isinstance(node, ast.FunctionDef)
    own = [*node.args.posonlyargs, *node.args.args]
    own = own[: len(own) - len(node.args.defaults)]
    return [one.arg for one in own if _may_be_array(one.annotation)]


def _may_be_array(annotation: ast.expr | None) -> bool:
    """Whether an annotation is neither a shape nor the type of a number or text."""
    if isinstance(annotation, ast.Name):
        return annotation.id not in SCALARS
    text = _shape_text(annotation)
    if text is None:
        return True
    try:
        parse_argument(text, text)
    except Diagnostic:
        return text not in SCALARS
    return False


def _shape_text(annotation: ast.expr | None) -> str | None:
    """What an annotation says that may be a shape: ``"128x512"``, or ``nt.tensor[128, 512]``."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    if not isinstance(annotation, ast.Subscript):
        return None
    inner = annotation.slice
    sizes = [
        size.value if isinstance(size, ast.Constant) else None
        for size in (inner.elts if isinstance(inner, ast.Tuple) else [inner])
    ]
    return f"{'x'.join(map(str, sizes))}:float32" if all(type(n) is int for n in sizes) else None


def _read(reader: KernelReader, shapes: dict[str, Argument], name: str | None) -> ModuleOp:
    read_definitions(reader)
    function = _entry(reader, name, shapes)
    node = function.node
    assert isinstance(node, ast.FunctionDef)
    parameters, frame = _bind(reader, function, node, shapes)
    grid = _given_grid(reader, node, shapes)

    def body() -> Any:
        reader.scopes = Scopes((*function.scopes, frame), reader.scopes.loops)
        try:
            reader.block(node.body)
        except ReturnReached as reached:
            return reached.value
        return None

    returned = run_grid(reader, grid, node, body)
    reader.is_stale = any(_is_changed(*pair) for pair in reader.reloaded)
    return _module(reader, node, parameters, _returned(reader, node, returned))


def _given_grid(
    reader: KernelReader, node: ast.FunctionDef, shapes: Mapping[str, Argument]
) -> tuple[int, ...]:
    """The launch grid among the arguments."""
    given = shapes.get(GRID, ()) if GRID not in _parameter_names(node) else ()
    items = given if isinstance(given, tuple) else (given,)
    return grid_of(reader.source, items, node)


def _parameter_names(node: ast.FunctionDef) -> list[str]:
    own = node.args
    return [one.arg for one in (*own.posonlyargs, *own.args, *own.kwonlyargs)]


def _entry(reader: KernelReader, name: str | None, given: Collection[str]) -> Function:
    """The kernel, or the function that launches it, where the programs of a grid differ."""
    kernel = _kernel(reader, name)
    if name is not None or GRID in given:
        return kernel
    launcher = launcher_of(reader.source, kernel)
    found = reader.scopes.frame.get(launcher.name) if launcher is not None else None
    if launcher is None or not isinstance(found, Function):
        return kernel
    return found if set(given) <= set(_parameter_names(launcher)) else kernel


def _kernel(reader: KernelReader, name: str | None) -> Function:
    functions = {
        key: value
        for key, value in reader.scopes.frame.items()
        if isinstance(value, Function) and isinstance(value.node, ast.FunctionDef)
    }
    if name is not None:
        if name not in functions:
            raise NkiError(f"{reader.source.path}: no function {name!r}", hint=", ".join(functions))
        return functions[name]
    marked = [one for one in functions.values() if _is_marked(one.node)]
    called = {
        node.func.id
        for node in ast.walk(reader.source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    for found in (marked, list(functions.values())):
        top = [one for one in found if one.name not in called]
        if len(top) == 1:
            return top[0]
        if found is marked and top:
            break
    names = ", ".join(one.name for one in marked or functions.values()) or "none"
    raise NkiError(
        f"{reader.source.path}: which function is the kernel? found {names}",
        hint="decorate it with @nki.jit, or name it",
    )


def _is_marked(node: ast.AST) -> bool:
    """Whether a function is decorated with ``nki.jit``, ``nki.benchmark`` or their like."""
    assert isinstance(node, ast.FunctionDef)
    for decorator in node.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        path = ast.unparse(call).split(".")
        if path[0] == "nki" or path[-1] in DECORATORS:
            return True
    return False


def _bind(
    reader: KernelReader, function: Function, node: ast.FunctionDef, shapes: dict[str, Argument]
) -> tuple[list[Array], dict[str, Any]]:
    """The parameters: arrays become arguments of the program, others are values."""
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    for name in shapes:
        if name not in {own.arg for own in parameters} and name != GRID:
            known = ", ".join(own.arg for own in parameters)
            raise NkiError(f"{reader.source.path}: no parameter {name!r}", hint=f"known: {known}")
    arrays, frame = list[Array](), dict[str, Any]()
    if node.args.vararg is not None:
        frame[node.args.vararg.arg] = ()
    if node.args.kwarg is not None:
        frame[node.args.kwarg.arg] = reader.language.new_dict({})
    for parameter in parameters:
        argument, is_given = shapes.get(parameter.arg), parameter.arg in shapes
        annotation = parameter.annotation
        text = _shape_text(annotation)
        if not is_given and annotation is not None and text is not None:
            where = str(reader.source.location(annotation))
            try:
                argument, is_given = parse_argument(text, where), True
            except Diagnostic:
                is_given = False
        if not is_given:
            if parameter.arg not in function.defaults:
                reader.source.refuse(parameter, f"parameter {parameter.arg!r} has no shape", HINT)
            frame[parameter.arg] = readable(function.defaults[parameter.arg])
        elif isinstance(argument, ArrayShape):
            array = _parameter(reader, parameter.arg, argument)
            arrays.append(array)
            frame[parameter.arg] = whole(array)
        else:
            frame[parameter.arg] = argument
    return arrays, frame


def _parameter(reader: KernelReader, name: str, argument: ArrayShape) -> Array:
    block = reader.block_of_kernel
    kind = MemRefType(argument.dtype.attribute, argument.shape)
    value = block.insert_arg(kind, len(block.args))
    value.name_hint = name
    axes = tuple(range(len(argument.shape)))
    return Array(name, argument.shape, argument.dtype, Space.HBM, value, axes)


def _returned(reader: KernelReader, node: ast.FunctionDef, value: Any) -> list[View]:
    if value is None:
        return []
    values = value if isinstance(value, tuple | list) else [value]
    for one in values:
        if not isinstance(one, View) or one.array.on_chip:
            reader.source.refuse(node, "a kernel returns arrays in HBM")
    return list(values)


def _module(
    reader: KernelReader, node: ast.FunctionDef, parameters: list[Array], returned: list[View]
) -> ModuleOp:
    """The function: what it returns and allocates in HBM becomes parameters behind the given."""
    block = reader.block_of_kernel
    names = [array.name for array in parameters]
    outputs = [place for place, array in enumerate(parameters) if _writes(array.buffer)]
    for number, view in enumerate(returned):
        buffer = _root(view.array.buffer)
        if buffer in block.args:
            continue
        outputs.append(len(block.args))
        names.append(_free_name(view.array.name or f"result{number}", names))
        _make_parameter(block, buffer, names[-1])
    block.add_op(func.ReturnOp())
    kind = ([arg.type for arg in block.args], [])
    function = func.FuncOp(node.name, kind, Region(block))
    function.attributes[PARAMETERS] = ArrayAttr([StringAttr(name) for name in names])
    function.attributes[OUTPUTS] = DenseArrayBase.from_list(i64, outputs)
    module = ModuleOp([function])
    _verify(reader, module)
    return module


def _root(buffer: SSAValue) -> SSAValue:
    """The array behind reshapes."""
    from ...dialects.trn import ReshapeOp

    while isinstance(buffer.owner, ReshapeOp):
        buffer = buffer.owner.source
    return buffer


def _free_name(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _make_parameter(block: Block, buffer: SSAValue, name: str) -> None:
    """Turn an allocation in HBM into a parameter."""
    kind, allocation = buffer.type, buffer.owner
    assert isinstance(kind, MemRefType)
    assert not isinstance(allocation, Block)
    value = block.insert_arg(MemRefType(kind.element_type, kind.get_shape()), len(block.args))
    value.name_hint = name if name.isidentifier() else None
    buffer.replace_all_uses_with(value)
    _follow_type(value)
    allocation.detach()
    allocation.erase()


def _follow_type(value: SSAValue) -> None:
    """Let the reshapes of a parameter name no memory either."""
    from ...dialects.trn import ReshapeOp

    for use in tuple(value.uses):
        if isinstance(use.operation, ReshapeOp):
            result = use.operation.result
            kind = MemRefType(result.type.element_type, result.type.get_shape())
            _follow_type(Rewriter.replace_value_with_new_type(result, kind))


def _is_changed(tile: Array, origin: Array) -> bool:
    """Whether a tile that was loaded again, or what it was loaded from, is written elsewhere."""
    return _writes(tile.buffer) > 1 or _writes(_root(origin.buffer)) > 0


def _writes(buffer: SSAValue) -> int:
    """Instructions that write to the array, directly or through a reshape."""
    from ...dialects.trn import Instruction, ReshapeOp, ViewOp

    count = 0
    for use in buffer.uses:
        op = use.operation
        if isinstance(op, ReshapeOp):
            count += _writes(op.result)
        elif isinstance(op, ViewOp):
            users = [user.operation for user in op.view.uses]
            count += sum(isinstance(one, Instruction) and op.view in one.written for one in users)
    return count


def _verify(reader: KernelReader, module: ModuleOp) -> None:
    """Check the machine's operand rules; a broken one is reported at its line."""
    for op in module.walk():
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException as error:
            place = op.location
            line = getattr(getattr(place, "line", None), "data", None)
            column = getattr(getattr(place, "column", None), "data", 1)
            where = None if not line else reader.source.location(_Place(line, column - 1))
            reason = str(error).strip().split("\n")[-1].strip()
            raise NkiError(f"{op.name.removeprefix('trn.')}: {reason}", where) from error


class _Place(ast.AST):
    def __init__(self, line: int, column: int) -> None:
        super().__init__()
        self.lineno, self.col_offset = line, column
