"""Loops with a linear recurrence as three parts: what goes into its steps, the scan, and the rest.

``h = a · h + b`` in a loop nest becomes a function on loops that computes all ``a`` and ``b``, and
one that takes all ``h`` from an array. Both can be lifted to tensors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from ..diagnostics import Diagnostic


@dataclass(frozen=True)
class Outlined:
    """The parts of a program around one linear recurrence."""

    inputs: ModuleOp
    """Computes the factors and summands, its last parameters, from the others.

    What the recurrence starts from comes behind them if it is no number.
    """
    rest: ModuleOp
    """Computes the outputs; its last parameter holds the values of the recurrence."""
    sizes: tuple[int, ...]
    """The extents of the loops around each step: those of the three arrays."""
    along: int
    """The loop from whose iterations each step goes on to the next."""
    start: float | None


@dataclass(frozen=True)
class _Step:
    """The store ``h = a · h + b`` of a function; ``None`` stands for a factor 1 or a summand 0."""

    store: memref.StoreOp
    load: memref.LoadOp
    factor: SSAValue | None
    summand: SSAValue | None
    loops: tuple[scf.ForOp, ...]


def outlined(module: ModuleOp) -> Outlined:
    """Take a recurrence out of a program; raises ``Diagnostic`` if there is not one."""
    step = _only_step(module)
    initial = _initial(step)
    own = set(_loops_around(initial))
    counters = [loop.body.block.args[0] for loop in step.loops]
    waiting = [
        number
        for number, loop in enumerate(step.loops)
        if loop not in own and counters[number] not in step.store.indices
    ]
    if len(waiting) != 1:
        raise Diagnostic("a recurrence that does not go on along one loop")
    start, along = _start(initial), waiting[0]
    if start is None and own != {loop for loop in step.loops if loop is not step.loops[along]}:
        raise Diagnostic("a recurrence that starts from values of other loops")
    sizes = tuple(_extent(loop) for loop in step.loops)
    return Outlined(_inputs(module, sizes, along), _rest(module, sizes), sizes, along, start)


def _start(initial: memref.StoreOp) -> float | None:
    """The number that a recurrence starts from; ``None`` for other values."""
    number = initial.value.owner
    if isinstance(number, arith.ConstantOp) and isinstance(number.value, FloatAttr):
        return number.value.value.data
    return None


def _only_step(module: ModuleOp) -> _Step:
    found = [
        step
        for operation in module.walk()
        if isinstance(operation, memref.StoreOp) and (step := _step(operation)) is not None
    ]
    if len(found) != 1:
        raise Diagnostic(f"{len(found)} linear recurrences in local variables, not one")
    return found[0]


def _step(store: memref.StoreOp) -> _Step | None:
    """A store of ``a · h + b`` to ``h``, in whatever order the operands are."""
    if not isinstance(store.memref.owner, memref.AllocaOp | memref.AllocOp):
        return None
    value, summand = store.value, None
    if isinstance(addition := value.owner, arith.AddfOp):
        sides = [addition.lhs, addition.rhs]
        own = [side for side in sides if _previous(side, store) is not None]
        if len(own) != 1:
            return None
        value = own[0]
        summand = sides[1 - sides.index(value)]
    factor = None
    if isinstance(multiplication := value.owner, arith.MulfOp):
        sides = [multiplication.lhs, multiplication.rhs]
        own = [side for side in sides if _is_load(side, store)]
        if len(own) != 1:
            return None
        value = own[0]
        factor = sides[1 - sides.index(value)]
    load = value.owner
    if not isinstance(load, memref.LoadOp) or not _is_load(value, store) or value is store.value:
        return None
    loops = tuple(reversed(_loops_around(store)))
    if summand is not None and factor is None and not _is_observed(store, loops):
        return None
    return _Step(store, load, factor, summand, loops)


def _previous(value: SSAValue, store: memref.StoreOp) -> SSAValue | None:
    """The load of the cell in a side of a sum: alone, or times something."""
    owner = value.owner
    if isinstance(owner, arith.MulfOp):
        return next((side for side in owner.operands if _is_load(side, store)), None)
    return value if _is_load(value, store) else None


def _is_load(value: SSAValue, store: memref.StoreOp) -> bool:
    owner = value.owner
    return (
        isinstance(owner, memref.LoadOp)
        and owner.memref is store.memref
        and owner.parent is store.parent
        and tuple(owner.indices) == tuple(store.indices)
    )


def _is_observed(store: memref.StoreOp, loops: tuple[scf.ForOp, ...]) -> bool:
    """Whether the innermost loop reads a sum that is not complete."""
    return bool(loops) and any(
        isinstance(use.operation, memref.LoadOp)
        and loops[-1] in _loops_around(use.operation)
        and not any(other.operation is store.value.owner for other in use.operation.res.uses)
        for use in store.memref.uses
    )


def _loops_around(operation: Operation) -> list[scf.ForOp]:
    """The loops around an operation, the innermost first."""
    found: list[scf.ForOp] = []
    parent = operation.parent_op()
    while parent is not None:
        if isinstance(parent, scf.ForOp):
            found.append(parent)
        elif not isinstance(parent, func.FuncOp | ModuleOp):
            raise Diagnostic("a recurrence under a condition")
        parent = parent.parent_op()
    return found


def _initial(step: _Step) -> memref.StoreOp:
    others = [
        use.operation
        for use in step.store.memref.uses
        if isinstance(use.operation, memref.StoreOp) and use.operation is not step.store
    ]
    if len(others) != 1:
        raise Diagnostic("a recurrence that does not start at one place")
    return others[0]


def _extent(loop: scf.ForOp) -> int:
    """The number of iterations of a loop from 0 in steps of 1."""
    numbers: list[int] = []
    for value in (loop.lb, loop.ub, loop.step):
        owner = value.owner
        if not isinstance(owner, arith.ConstantOp) or not isinstance(owner.value, IntegerAttr):
            raise Diagnostic("a recurrence in a loop of unknown length")
        numbers.append(owner.value.value.data)
    if numbers[0] != 0 or numbers[2] != 1 or numbers[1] < 1:
        raise Diagnostic("a recurrence in a loop that does not count from 0")
    return numbers[1]


# The parts, as copies of the program.


def _inputs(module: ModuleOp, sizes: tuple[int, ...], along: int) -> ModuleOp:
    """The program that stores factors and summands, and nothing else."""
    copy = module.clone()
    step = _only_step(copy)
    element = step.store.value.type
    function = _function(copy)
    arrays = [_parameter(function, name, sizes, element) for name in ("factors", "summands")]
    counters = [loop.body.block.args[0] for loop in step.loops]
    for array, value, number in zip(arrays, (step.factor, step.summand), (1.0, 0.0), strict=True):
        if value is None:
            constant = arith.ConstantOp(FloatAttr(number, element))  # pyright: ignore
            _insert_before(step.store, constant)
            value = constant.result
        _insert_before(step.store, memref.StoreOp.get(value, array, counters))
    initial = _initial(step)
    if _start(initial) is None:
        others = sizes[:along] + sizes[along + 1 :]
        arrays.append(_parameter(function, "initial", others, element))
        store = memref.StoreOp.get(
            initial.value, arrays[-1], counters[:along] + counters[along + 1 :]
        )
        _insert_before(initial, store)
    _remove_stores(function, step.store.memref, _outputs(function), set(arrays))
    places = range(len(function.args) - len(arrays), len(function.args))
    function.attributes["liftproof.outputs"] = DenseArrayBase.from_list(i64, list(places))
    return copy


def _rest(module: ModuleOp, sizes: tuple[int, ...]) -> ModuleOp:
    """The program that reads the values of the recurrence from an array."""
    copy = module.clone()
    step = _only_step(copy)
    function = _function(copy)
    array = _parameter(function, "states", sizes, step.store.value.type, is_output=False)
    cell = step.store.memref
    places = dict(zip(step.store.indices, range(len(step.store.indices)), strict=True))
    loads = [use.operation for use in cell.uses if isinstance(use.operation, memref.LoadOp)]
    for load in loads:
        if load is step.load:
            continue
        around = _loops_around(load)
        if not _is_behind(load, step.store):
            raise Diagnostic("a recurrence whose earlier values are read")
        at: list[SSAValue] = []
        for loop in step.loops:
            counter = loop.body.block.args[0]
            if counter in places:
                at.append(load.indices[places[counter]])
            elif loop in around:
                at.append(counter)
            else:
                raise Diagnostic("a recurrence whose last values are read")
        found = memref.LoadOp.get(array, at)
        _insert_before(load, found)
        load.res.replace_all_uses_with(found.res)
        Rewriter.erase_op(load)
    _remove_stores(function, cell, set(), set())
    return copy


def _is_behind(load: memref.LoadOp, store: memref.StoreOp) -> bool:
    """Whether a load comes after a store in the iterations of the loops around both."""
    block = store.parent
    own: Operation = store
    while block is not None:
        other: Operation | None = load
        while other is not None and other.parent is not block:
            other = other.parent_op()
        if other is not None:
            return own is not other and own.is_before_in_block(other)
        parent = block.parent_op()
        if parent is None:
            return False
        own, block = parent, parent.parent
    return False


def _function(module: ModuleOp) -> func.FuncOp:
    return next(op for op in module.walk() if isinstance(op, func.FuncOp))


def _parameter(
    function: func.FuncOp,
    name: str,
    sizes: tuple[int, ...],
    element: Attribute,
    *,
    is_output: bool = True,
) -> SSAValue:
    """A further array parameter."""
    block = function.body.block
    value = block.insert_arg(MemRefType(element, sizes), len(block.args))
    value.name_hint = name
    function.update_function_type()
    text = "".join(f"[{size}]" for size in sizes)
    extents = ArrayAttr(IntegerAttr(size, i64) for size in sizes)
    added: dict[str, Attribute] = {
        "liftproof.parameters": StringAttr(name),
        "liftproof.c_types": StringAttr(f"{'' if is_output else 'const '}float{text}"),
        "liftproof.extents": extents,
    }
    for key, entry in added.items():
        known = function.attributes.get(key)
        if isinstance(known, ArrayAttr):
            function.attributes[key] = ArrayAttr([*known.data, entry])  # pyright: ignore
    return value


def _outputs(function: func.FuncOp) -> set[SSAValue]:
    attribute = function.attributes["liftproof.outputs"]
    assert isinstance(attribute, DenseArrayBase)
    return {function.args[int(position)] for position in attribute.get_values()}


def _remove_stores(
    function: func.FuncOp, cell: SSAValue, outputs: set[SSAValue], kept: set[SSAValue]
) -> None:
    """Drop all stores to a cell, to outputs, and to what is computed from them.

    Outputs to which nothing but the recurrence is written may be read: they still have what they
    had before.
    """
    removed = {cell} | outputs
    stores = [op for op in function.walk() if isinstance(op, memref.StoreOp)]
    readable = outputs - {one.memref for one in stores if not _reads(one.value, {cell})}
    removed -= readable
    while True:
        stores = [op for op in function.walk() if isinstance(op, memref.StoreOp)]
        tainted = {
            store.memref
            for store in stores
            if store.memref not in removed | kept | readable and _reads(store.value, removed)
        }
        if not tainted:
            break
        removed |= tainted
    for store in [op for op in function.walk() if isinstance(op, memref.StoreOp)]:
        if store.memref in removed | readable:
            Rewriter.erase_op(store)
        elif _reads(store.value, removed):
            raise Diagnostic("steps of a recurrence that depend on it in other ways")
    _remove_dead(function.body.block)


def _reads(value: SSAValue, arrays: Iterable[SSAValue]) -> bool:
    """Whether a value is computed from what is loaded from some arrays."""
    owner = value.owner
    if isinstance(owner, Block):
        return False
    if isinstance(owner, memref.LoadOp):
        return owner.memref in arrays
    return any(_reads(operand, arrays) for operand in owner.operands)


def _remove_dead(block: Block) -> None:
    """Drop what nothing uses, and loops that are empty then."""
    for operation in reversed(list(block.ops)):
        for region in operation.regions:
            for inner in region.blocks:
                _remove_dead(inner)
        is_empty_loop = isinstance(operation, scf.ForOp) and len(operation.body.block.ops) == 1
        is_value = isinstance(operation, memref.LoadOp | memref.AllocaOp | memref.AllocOp) or (
            operation.name.split(".")[0] in ("arith", "math")
        )
        unused = all(result.first_use is None for result in operation.results)
        if unused and (is_empty_loop or is_value):
            Rewriter.erase_op(operation)


def _insert_before(operation: Operation, added: Operation) -> None:
    Rewriter.insert_op(added, InsertPoint.before(operation))
