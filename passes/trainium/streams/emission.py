"""The streams of a tile program that is placed, bound to engines, and synchronised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import IndexType, MemRefType
from xdsl.ir import Block, Operation, Region, SSAValue

from ....dialects import trn
from ....dialects.trn import Engine, Space, SpaceAttr
from ....dialects.trn.limits import DMA_SEMAPHORE_STEP, PSUM_BANK_BYTES
from ..tensor_functions import index_constant_op
from .choose_engines import Chain
from .place_buffers import Placed, Placement
from .synchronise import Affine, Synchronisation, Wait
from .write_out_loops import bounds_of, constant_value

_STREAM_ORDER = (Engine.SP, Engine.PE, Engine.ACT, Engine.DVE, Engine.POOL)


@dataclass(frozen=True)
class Plan:
    """What becomes of each statement of a function."""

    placement: Placement
    statements: Sequence[trn.Instruction]
    chains: Sequence[Chain]
    done: Sequence[int]
    """The number of each statement's chain."""
    synchronisation: Synchronisation


def emit_streams(function: func.FuncOp, plan: Plan) -> Block:
    """The body of the same function at the ISA level."""
    return _Emitter(function, plan).body()


@dataclass
class _Emitter:
    function: func.FuncOp
    plan: Plan
    block: Block = field(init=False)
    constants: dict[int, arith.ConstantOp] = field(default_factory=dict[int, arith.ConstantOp])
    semaphores: dict[int, SSAValue] = field(default_factory=dict[int, SSAValue])
    buffers: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    number: dict[Operation, int] = field(init=False)

    def __post_init__(self) -> None:
        self.block = Block(arg_types=[argument.type for argument in self.function.args])
        self.number = {op: number for number, op in enumerate(self.plan.statements)}
        for new, old in zip(self.block.args, self.function.args, strict=True):
            new.name_hint = old.name_hint
            self.buffers[old] = new

    def body(self) -> Block:
        plan = self.plan
        for op in self.function.walk():
            if isinstance(op, memref.AllocOp):
                self.buffers[op.memref] = self._buffer(op)
        counted = {plan.done[n] for n, up in enumerate(plan.synchronisation.counts) if up}
        for chain in sorted(counted):
            self.semaphores[chain] = self._semaphore(plan.chains[chain])
        streams: list[trn.StreamOp] = []
        for engine in _STREAM_ORDER:
            own = {op for op, n in self.number.items() if self._chain(n).engine == engine}
            if own:
                streams.append(_Stream(self, engine, own).build())
        constants = [self.constants[number] for number in sorted(self.constants)]
        others = list(self.block.ops)
        for op in others:
            op.detach()
        self.block.add_ops([*constants, *others, *streams, func.ReturnOp()])
        return self.block

    def _chain(self, statement: int) -> Chain:
        return self.plan.chains[self.plan.done[statement]]

    def _buffer(self, op: memref.AllocOp) -> SSAValue:
        placed = self.plan.placement.buffers.get(op.memref)
        if placed is None:
            made = op.clone()
            self.block.add_op(made)
            return made.memref
        place = _placed_buffer(placed)
        self.block.add_op(place)
        place.buffer.name_hint = op.memref.name_hint
        return place.buffer

    def _semaphore(self, chain: Chain) -> SSAValue:
        semaphore = trn.SemaphoreOp()
        self.block.add_op(semaphore)
        queue = "" if chain.queue is None else f"_queue{chain.queue}"
        semaphore.semaphore.name_hint = f"{chain.engine}{queue}_done"
        return semaphore.semaphore

    def constant(self, number: int) -> SSAValue:
        """An index constant, in front of all streams."""
        if number not in self.constants:
            made = self.constants[number] = index_constant_op(number)
            made.result.name_hint = f"c{number}" if number >= 0 else f"m{-number}"
        return self.constants[number].result


def _placed_buffer(placed: Placed) -> trn.SbufOp | trn.PsumOp:
    kind = _placed_type(placed)
    if placed.space == Space.SBUF:
        return trn.SbufOp(0, placed.offset, kind)
    bank, offset = divmod(placed.offset, PSUM_BANK_BYTES)
    return trn.PsumOp(0, bank, kind, offset)


def _placed_type(placed: Placed) -> MemRefType:
    """With several copies, one after the other in each partition: partition, copy, the rest."""
    kind = placed.op.memref.type
    shape = kind.get_shape()
    if placed.copies == 1:
        return kind
    rest = shape[1:] if placed.rows is None else (placed.rows, *shape[2:])
    sizes = (shape[0], placed.copies, *rest)
    return MemRefType(kind.element_type, sizes, memory_space=SpaceAttr(placed.space))


class _Stream:
    """Builds the stream of one engine: its instructions, in the loops around them."""

    def __init__(self, emitter: _Emitter, engine: Engine, own: set[Operation]) -> None:
        self.emitter = emitter
        self.engine = engine
        self.own = own
        self.needed = _needed(own)
        self.values: dict[SSAValue, SSAValue] = dict(emitter.buffers)
        self.loops: list[tuple[SSAValue, int]] = []
        """Counter and iterations of the loops around, the outermost first."""
        self.block = Block()
        self.computed: dict[tuple[object, ...], SSAValue] = {}
        """Index arithmetic that is there already."""

    def build(self) -> trn.StreamOp:
        self._operations(self.emitter.function.body.block)
        return trn.StreamOp(self.engine, Region(self.block))

    def _operations(self, block: Block) -> None:
        for op in block.ops:
            if isinstance(op, scf.ForOp):
                if op in self.needed:
                    self._loop(op)
            elif op in self.own:
                assert isinstance(op, trn.Instruction)
                self._statement(op)
            elif isinstance(op, trn.ViewOp):
                if op in self.needed:
                    self._view(op)
            elif isinstance(op, trn.ReshapeOp):
                if op in self.needed:
                    self._reshape(op)
            elif op in self.needed and not isinstance(op, memref.AllocOp):
                self._copy(op)

    def _copy(self, op: Operation) -> None:
        is_index = len(op.results) == 1 and isinstance(op.results[0].type, IndexType)
        number = constant_value(op.results[0]) if is_index else None
        if number is not None:
            self.values[op.results[0]] = self.emitter.constant(number)
        else:
            self._add(op.clone(self.values))

    def _add(self, op: Operation) -> None:
        self.block.add_op(op)

    def _loop(self, op: scf.ForOp) -> None:
        bounds = bounds_of(op)
        assert bounds is not None
        lower, step, trips = bounds
        constant = self.emitter.constant
        outer, body = self.block, Block(arg_types=[IndexType()])
        computed = dict(self.computed)
        old, counter = op.body.block.args[0], body.args[0]
        counter.name_hint = old.name_hint
        self.block = body
        self.loops.append((counter, trips))
        value = self._sum(self._product(counter, step), lower)
        assert isinstance(value, SSAValue)
        self.values[old] = value
        self._operations(op.body.block)
        self._add(scf.YieldOp())
        self.loops.pop()
        self.block, self.computed = outer, computed
        self._add(scf.ForOp(constant(0), constant(trips), constant(1), [], Region(body)))

    # Buffers.

    def _view(self, op: trn.ViewOp) -> None:
        offsets: list[SSAValue | int] = [self._mapped(offset) for offset in op.offset_list]
        sizes = [self._mapped(size) for size in op.size_list]
        along, steps = op.dimensions, op.step_list
        placed = self._placed(op.source)
        is_plain = op.along is None
        if placed is not None and placed.copies > 1:
            offsets.insert(1, self._turn(placed))
            along, is_plain = tuple(d + (d > 0) for d in along), False
        made = trn.ViewOp(
            self.values[op.source],
            offsets,
            sizes,
            None if is_plain else along,
            None if op.steps is None else steps,
        )
        key = (*made.operands, *made.properties.items(), made.view.type)
        if key not in self.computed:
            self._add(made)
            made.view.name_hint = op.view.name_hint
            self.computed[key] = made.view
        self.values[op.view] = self.computed[key]

    def _reshape(self, op: trn.ReshapeOp) -> None:
        kind = op.result.type
        assert isinstance(kind, MemRefType)
        placed = self._placed(op.source)
        if placed is not None and placed.copies > 1:
            shape = kind.get_shape()
            sizes = (shape[0], placed.copies, *shape[1:])
            kind = MemRefType(kind.element_type, sizes, memory_space=kind.memory_space)
        made = trn.ReshapeOp(self.values[op.source], kind)
        self._add(made)
        self.values[op.result] = made.result

    def _placed(self, array: SSAValue) -> Placed | None:
        while isinstance(array.owner, trn.ReshapeOp):
            array = array.owner.source
        return self.emitter.plan.placement.buffers.get(array)

    def _turn(self, placed: Placed) -> SSAValue | int:
        """The copy that this iteration uses: iterations of all loops around it, in turns."""
        loops = self.loops[: placed.depth]
        number: SSAValue | int = 0
        for place, (counter, _) in enumerate(loops):
            inner = prod(trips for _, trips in loops[place + 1 :])
            if inner % placed.copies:
                number = self._sum(number, self._product(counter, inner))
        if isinstance(number, int):
            return number
        copies = self.emitter.constant(placed.copies)
        return self._result(arith.RemUIOp(number, copies))

    def _mapped(self, value: SSAValue | int) -> SSAValue | int:
        number = value if isinstance(value, int) else constant_value(value)
        return self.values[value] if number is None else number  # pyright: ignore

    # Instructions.

    def _statement(self, op: trn.Instruction) -> None:
        emitter = self.emitter
        number = emitter.number[op]
        synchronisation = emitter.plan.synchronisation
        for wait in synchronisation.waits[number]:
            self._wait(wait)
        chain = emitter.plan.done[number]
        for made in self._instructions(op, emitter.plan.chains[chain], chain):
            self._add(made)
        if synchronisation.counts[number] and emitter.plan.chains[chain].queue is None:
            self._add(trn.IncOp(emitter.semaphores[chain], emitter.constant(1)))

    def _instructions(self, op: trn.Instruction, chain: Chain, number: int) -> list[Operation]:
        if isinstance(op, trn.DmaCopyOp | trn.DmaTransposeOp):
            assert chain.queue is not None
            sides = self.values[op.src], self.values[op.dst]
            return [
                trn.DmaStartOp(
                    chain.queue,
                    *sides,
                    self.emitter.semaphores[number],
                    add=op.add is not None,
                    transpose=isinstance(op, trn.DmaTransposeOp),
                )
            ]
        if isinstance(op, trn.NcMatmulOp):
            return self._product_of(op)
        made = op.clone(self.values)
        assert isinstance(made, trn.EngineInstruction)
        made.engine = None
        return [made]

    def _product_of(self, op: trn.NcMatmulOp) -> list[Operation]:
        double = op.double_row is not None
        values = self.values
        load = trn.LoadStationaryOp(values[op.stationary], double_row=double)
        accumulate = None if op.accumulate is None else values[op.accumulate]
        product = trn.MultMovingOp(values[op.moving], values[op.dst], accumulate, double_row=double)
        for made in (load, product):
            made.tile_position, made.tile_size = op.tile_position, op.tile_size
        return [load, product]

    def _wait(self, wait: Wait) -> None:
        is_queue = self.emitter.plan.chains[wait.chain].queue is not None
        unit = DMA_SEMAPHORE_STEP if is_queue else 1
        count = self._affine(wait.count, unit)
        if wait.limit is not None:
            limit = self._affine(wait.limit, unit)
            count = self._result(arith.MinSIOp(count, limit))
        self._add(trn.WaitOp(self.emitter.semaphores[wait.chain], count))

    # Index arithmetic.

    def _affine(self, function: Affine, unit: int) -> SSAValue:
        total: SSAValue | int = 0
        for stride, (counter, trips) in zip(function.strides, self.loops, strict=True):
            if trips > 1:
                total = self._sum(total, self._product(counter, stride * unit))
        total = self._sum(total, function.constant * unit)
        return self.emitter.constant(total) if isinstance(total, int) else total

    def _product(self, value: SSAValue, factor: int) -> SSAValue | int:
        if factor in (0, 1):
            return value if factor else 0
        return self._result(arith.MuliOp(value, self.emitter.constant(factor)))

    def _sum(self, left: SSAValue | int, right: SSAValue | int) -> SSAValue | int:
        if isinstance(left, int) and isinstance(right, int):
            return left + right
        if left == 0 or right == 0:
            return right if left == 0 else left
        values = [self.emitter.constant(v) if isinstance(v, int) else v for v in (left, right)]
        return self._result(arith.AddiOp(values[0], values[1]))

    def _result(self, op: Operation) -> SSAValue:
        key = (type(op), *op.operands)
        if key not in self.computed:
            self._add(op)
            self.computed[key] = op.results[0]
        return self.computed[key]


def _needed(own: set[Operation]) -> set[Operation]:
    """All operations that some instructions depend on, and the loops around them."""
    found: set[Operation] = set()
    pending = list(own)
    while pending:
        op = pending.pop()
        if op in found:
            continue
        found.add(op)
        owners = (operand.owner for operand in op.operands)
        pending.extend(owner for owner in owners if isinstance(owner, Operation))
        parent = op.parent_op()
        if isinstance(parent, scf.ForOp):
            pending.append(parent)
    return found
