"""Unrolling ISA IR: against a naive walk of the IR, and the costs and diagnostics."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liftproof.diagnostics import Diagnostic
from liftproof.dialects import gemmini
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import UnrollError, stream_of_module
from xdsl.context import Context
from xdsl.dialects import affine, arith, builtin, func, memref, scf
from xdsl.ir import Block, Operation
from xdsl.parser import Parser

CONFIG = load_config()


def parse(text: str) -> builtin.ModuleOp:
    context = Context()
    for dialect in (
        builtin.Builtin,
        arith.Arith,
        affine.Affine,
        func.Func,
        memref.MemRef,
        scf.Scf,
        gemmini.GEMMINI,
    ):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def kernel(body: str, arguments: str = "%A: memref<64x64xi8>, %D: memref<64x64xi32>") -> str:
    return f"func.func @kernel({arguments}) {{\n{body}\nfunc.return\n}}"


# A naive walk: one operation at a time, in Python integers.


def signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) and bits > 1 else number


def truncated(x: int, y: int) -> int:
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


BINARY: dict[str, Callable[[int, int], int]] = {
    "arith.addi": operator.add,
    "arith.subi": operator.sub,
    "arith.muli": operator.mul,
    "arith.andi": operator.and_,
    "arith.ori": operator.or_,
    "arith.xori": operator.xor,
    "arith.minsi": min,
    "arith.maxsi": max,
    "arith.divsi": truncated,
    "arith.remsi": lambda x, y: x - y * truncated(x, y),
    "arith.floordivsi": operator.floordiv,
    "arith.ceildivsi": lambda x, y: -(-x // y),
    "arith.shli": operator.lshift,
    "arith.shrsi": operator.rshift,
}
UNSIGNED: dict[str, Callable[[int, int], int]] = {
    "arith.divui": operator.floordiv,
    "arith.remui": operator.mod,
    "arith.minui": min,
    "arith.maxui": max,
    "arith.ceildivui": lambda x, y: -(-x // y),
    "arith.shrui": operator.rshift,
}
COMPARE = [
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]


class NaiveWalk:
    """Runs a kernel of two arrays, and keeps the commands."""

    def __init__(self, function: func.FuncOp) -> None:
        self.commands: list[tuple[int, int, int]] = []
        self.values: dict[Any, int] = dict(
            zip(function.args, (0x8000_0000, 0x8000_1000), strict=True)
        )
        self.block(function.body.block)

    def block(self, block: Block) -> list[int]:
        for op in block.ops:
            if isinstance(op, scf.YieldOp):
                return [self.values[value] for value in op.operands]
            self.operation(op)
        return []

    def operation(self, op: Operation) -> None:
        values = self.values
        numbers = [values[value] for value in op.operands if value in values]
        match op:
            case scf.ForOp():
                self.loop(op)
            case scf.IfOp():
                region = op.true_region if values[op.cond] else op.false_region
                results = self.block(region.block) if region.blocks else []
                values.update(zip(op.results, results, strict=True))
            case arith.ConstantOp():
                bits = 1 if op.result.type == builtin.i1 else 64
                values[op.result] = signed(op.value.value.data, bits)
            case arith.CmpiOp():
                compare = COMPARE[op.predicate.value.data]
                if op.predicate.value.data >= 6:
                    numbers = [number & (2**64 - 1) for number in numbers]
                values[op.result] = int(compare(*numbers))
            case arith.SelectOp():
                values[op.result] = numbers[1] if numbers[0] else numbers[2]
            case affine.ApplyOp():
                values[op.result] = op.map.data.eval(numbers, [])[0]
            case affine.MinOp():
                values[op.result] = min(op.map.data.eval(numbers, []))
            case gemmini.SpadOp():
                values[op.address] = numbers[0]
            case gemmini.AccOp():
                accumulate = values[op.accumulate] if op.accumulate else 0
                values[op.address] = 1 << 31 | accumulate << 30 | numbers[0]
            case gemmini.NoneOp():
                values[op.address] = 0xFFFFFFFF
            case gemmini.MvinOp():
                size = 4 if op.source.type.element_type == builtin.i32 else 1
                address = values[op.source] + size * (
                    64 * values[op.indices[0]] + values[op.indices[1]]
                )
                funct = (2, 1, 14)[op.channel.value.data]
                local, rows, cols = (values[v] for v in (op.target, op.rows, op.cols))
                self.commands.append((funct, address, local | cols << 32 | rows << 48))
            case gemmini.PreloadOp() | gemmini.ComputePreloadedOp():
                first, second = (
                    numbers[at] | numbers[at + 2] << 32 | numbers[at + 1] << 48 for at in (0, 3)
                )
                self.commands.append((6 if op.name.endswith("preload") else 4, first, second))
            case gemmini.FenceOp():
                self.commands.append((255, 0, 0))
            case func.ReturnOp():
                pass
            case _:
                self.arithmetic(op, numbers)

    def arithmetic(self, op: Operation, numbers: list[int]) -> None:
        if op.name in UNSIGNED:
            result = UNSIGNED[op.name](*(number & (2**64 - 1) for number in numbers))
        else:
            result = BINARY[op.name](*numbers)
        bits = 1 if op.results[0].type == builtin.i1 else 64
        self.values[op.results[0]] = signed(result, bits)

    def loop(self, op: scf.ForOp) -> None:
        values = self.values
        carried = [values[value] for value in op.iter_args]
        for number in range(values[op.lb], values[op.ub], values[op.step]):
            values.update(zip(op.body.block.args, [number, *carried], strict=True))
            carried = self.block(op.body.block)
        values.update(zip(op.results, carried, strict=True))


class RandomKernel:
    """Text of a random loop nest around instructions; every value is an index."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lines: list[str] = []
        self.count = 0
        constants = [self.define(f"arith.constant {number} : index") for number in (0, 1, 3, 16)]
        self.block(constants, depth=0)

    def define(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"%v{self.count} = {text}")
        return f"%v{self.count}"

    def constant(self, number: int) -> str:
        return self.define(f"arith.constant {number} : index")

    def block(self, known: list[str], depth: int) -> list[str]:
        known = list(known)
        for _ in range(self.rng.randint(1, 5)):
            choices = [self.arithmetic, self.instruction, self.instruction]
            if depth < 3:
                choices += [self.loop, self.branch]
            known += self.rng.choice(choices)(known, depth)
        return known

    def arithmetic(self, known: list[str], depth: int) -> list[str]:
        x, y = self.rng.choice(known), self.rng.choice(known)
        kind = self.rng.randrange(6)
        if kind == 0:
            positive = self.constant(self.rng.choice((1, 2, 3, 5, 16, -2, -7)))
            divisions = ("divsi", "remsi", "floordivsi", "ceildivsi", "divui", "remui", "ceildivui")
            return [self.define(f"arith.{self.rng.choice(divisions)} {x}, {positive} : index")]
        if kind == 1:
            amount = self.constant(self.rng.randrange(6))
            shift = self.rng.choice(("shli", "shrsi", "shrui"))
            return [self.define(f"arith.{shift} {x}, {amount} : index")]
        if kind == 2:
            text = self.rng.choice(
                (
                    "affine.apply affine_map<(d0, d1) -> (d0 * 3 - d1 floordiv 2)>",
                    "affine.apply affine_map<(d0, d1) -> (d0 mod 5 + d1 ceildiv 4)>",
                    "affine.min affine_map<(d0, d1) -> (d0, d1 + 3, 40 - d0)>",
                )
            )
            return [self.define(f"{text} ({x}, {y})")]
        if kind == 3:
            return [self.define(f"arith.select {self.condition(known)}, {x}, {y} : index")]
        names = ("addi", "subi", "muli", "andi", "ori", "xori", "minsi", "maxsi", "minui", "maxui")
        return [self.define(f"arith.{self.rng.choice(names)} {x}, {y} : index")]

    def condition(self, known: list[str]) -> str:
        x, y = self.rng.choice(known), self.rng.choice(known)
        predicate = self.rng.choice(("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "uge"))
        compared = self.define(f"arith.cmpi {predicate}, {x}, {y} : index")
        if self.rng.random() < 0.3:
            true = self.define("arith.constant true")
            return self.define(f"arith.xori {compared}, {true} : i1")
        return compared

    def below(self, value: str, limit: int) -> str:
        """Any value brought into 0 … limit-1."""
        return self.define(f"arith.remui {value}, {self.constant(limit)} : index")

    def instruction(self, known: list[str], depth: int) -> list[str]:
        rows, cols = (self.below(self.rng.choice(known), 16) for _ in range(2))
        i, j, row = (self.below(self.rng.choice(known), 64) for _ in range(3))
        kind = self.rng.randrange(4)
        if kind == 0:
            spad = self.define(f"gemmini.spad {row}")
            channel = self.rng.randrange(3)
            self.lines.append(
                f"gemmini.mvin %A[{i}, {j}] to {spad}[{rows}, {cols}] {{channel = {channel} : i64}}"
                " : memref<64x64xi8>, !gemmini.local<spad>"
            )
        elif kind == 1:
            acc = self.define(f"gemmini.acc {row} accumulate {self.condition(known)}")
            self.lines.append(
                f"gemmini.mvin %D[{i}, {j}] to {acc}[{rows}, {cols}]"
                " : memref<64x64xi32>, !gemmini.local<acc>"
            )
        elif kind == 2:
            spad, none = self.define(f"gemmini.spad {row}"), self.define("gemmini.none")
            types = "!gemmini.local<spad>, !gemmini.local<none>"
            self.lines += [
                f"gemmini.preload {spad}[{rows}, {cols}] to {none}[{cols}, {rows}] : {types}",
                f"gemmini.compute_preloaded {spad}[{rows}, {cols}], {none}[{cols}, {rows}]"
                f" : {types}",
            ]
        else:
            self.lines.append("gemmini.fence")
        return []

    def loop(self, known: list[str], depth: int) -> list[str]:
        lower, trips = (self.below(self.rng.choice(known), 5) for _ in range(2))
        offset = self.constant(self.rng.randrange(-1, 4))
        upper = self.define(f"arith.addi {lower}, {trips} : index")
        upper = self.define(f"arith.addi {upper}, {offset} : index")
        step = self.constant(self.rng.randint(1, 3))
        self.count += 1
        name, carried = f"%i{self.count}", f"%c{self.count}"
        if self.rng.random() < 0.6:
            self.lines.append(f"scf.for {name} = {lower} to {upper} step {step} {{")
            self.block([*known, name], depth + 1)
            self.lines.append("}")
            return []
        start = self.rng.choice(known)
        result = self.define(
            f"scf.for {name} = {lower} to {upper} step {step}"
            f" iter_args({carried} = {start}) -> (index) {{"
        )
        inner = self.block([*known, name, carried], depth + 1)
        self.lines += [f"scf.yield {inner[-1]} : index", "}"]
        return [result]

    def branch(self, known: list[str], depth: int) -> list[str]:
        condition = self.condition(known)
        if self.rng.random() < 0.5:
            self.lines.append(f"scf.if {condition} {{")
            self.block(known, depth + 1)
            self.lines.append("}")
            return []
        result = self.define(f"scf.if {condition} -> (index) {{")
        inner = self.block(known, depth + 1)
        self.lines += [f"scf.yield {inner[-1]} : index", "} else {"]
        inner = self.block(known, depth + 1)
        self.lines += [f"scf.yield {inner[-1]} : index", "}"]
        return [result]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_random_nests_unroll_as_a_naive_walk_does(seed: int) -> None:
    """The commands of any nest are those of an execution one operation at a time."""
    module = parse(kernel("\n".join(RandomKernel(random.Random(seed)).lines)))
    function = module.body.block.first_op
    assert isinstance(function, func.FuncOp)
    expected = NaiveWalk(function).commands
    stream, _ = stream_of_module(module, CONFIG)
    words = zip(stream.funct.tolist(), stream.rs1.tolist(), stream.rs2.tolist(), strict=True)
    assert list(words) == expected


LOOP = """
%c0 = arith.constant 0 : index
%c1 = arith.constant 1 : index
%c4 = arith.constant 4 : index
%c16 = arith.constant 16 : index
{before}
scf.for %i = %c0 to %c4 step %c1 {{
  {inside}
  %spad = gemmini.spad %row
  gemmini.mvin %A[%c0, %c0] to %spad[%c16, %c16] : memref<64x64xi8>, !gemmini.local<spad>
}}
"""


def test_hoisted_arithmetic_costs_less() -> None:
    """Core cycles are counted where the arithmetic stands: hoisting it out of a loop shows."""
    row = "%seed = arith.muli %i, %c16 : index\n%row = arith.addi %seed, %c16 : index"
    varying = LOOP.format(before="", inside=row)
    invariant = LOOP.format(before="%row = arith.addi %c16, %c16 : index", inside="")
    costs = []
    for text in (varying, invariant):
        stream, _ = stream_of_module(parse(kernel(text)), CONFIG)
        costs.append(stream.issue_cycles.tolist())
    # Loop entry; multiply, add and the merged address; then the loop's own two cycles too.
    assert costs == [[1 + 3, 5, 5, 5], [1, 2, 2, 2]]


def test_origin_counts_instructions_in_order_of_the_text() -> None:
    """Each command names the instruction it comes from, also when a loop repeats it."""
    text = "gemmini.fence\n" + LOOP.format(before="%row = arith.addi %c16, %c16 : index", inside="")
    stream, _ = stream_of_module(parse(kernel(text + "gemmini.flush")), CONFIG)
    assert stream.origin.tolist() == [0, 1, 1, 1, 1, 2]


def test_loop_ws_becomes_its_six_commands() -> None:
    """The loop operation is five configurations and the loop, with the words of gemmini.h."""
    body = """
    %c0 = arith.constant 0 : index
    gemmini.loop_ws a %A[%c0, %c0] : memref<64x64xi8> b %A[%c0, %c0] : memref<64x64xi8>
      c %A[%c0, %c0] : memref<64x64xi8>
      {bounds = array<i64: 4, 3, 2>, pads = array<i64: 1, 2, 3>,
       strides = array<i64: 64, 65, 66, 67>, a_spad_id = 1 : i64, b_spad_id = 1 : i64}
    """
    stream, _ = stream_of_module(parse(kernel(body)), CONFIG)
    assert list(
        zip(stream.funct.tolist(), stream.rs1.tolist(), stream.rs2.tolist(), strict=True)
    ) == [
        (9, 3 << 32 | 2 << 16 | 1, 2 << 32 | 3 << 16 | 4),
        (10, 0x8000_0000, 0x8000_0000),
        (11, 0, 0x8000_0000),
        (12, 64, 65),
        (13, 66, 67),
        (8, 0x50000, 0),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "%x = arith.constant 64 : index\n%s = gemmini.spad %x\n"
            "gemmini.mvin %A[%x, %x] to %s[%x, %x] : memref<64x64xi8>, !gemmini.local<spad>",
            "index 64 is outside of A",
        ),
        (
            "%x = arith.constant -1 : index\n%s = gemmini.spad %x",
            "local row -1 does not exist",
        ),
        (
            "%x = arith.constant 0 : index\n%y = arith.divsi %x, %x : index",
            "division by 0",
        ),
        (
            "%x = arith.constant 0 : index\n%s = gemmini.spad %x\n"
            "gemmini.mvin %D[%x, %x] to %s[%x, %x] : memref<64x64xi32>, !gemmini.local<spad>",
            "D holds int32, not int8",
        ),
        (
            "%x = arith.constant 0 : index\nscf.for %i = %x to %x step %x {\n}",
            "the step of a loop must be positive",
        ),
        (
            "%x = arith.constant 0 : index\n%y = memref.load %A[%x, %x] : memref<64x64xi8>",
            "memref.load: the machine has no such operation",
        ),
        (
            "%x = arith.constant 1.0 : f32\n%y = arith.addf %x, %x : f32",
            "arith.addf: no index or condition may be computed by it",
        ),
        (
            "%z = arith.constant 0 : index\n%x = arith.constant 70000 : index\n"
            "%s = gemmini.spad %z\n"
            "gemmini.mvin %A[%z, %z] to %s[%x, %z] : memref<64x64xi8>, !gemmini.local<spad>",
            "rows must fit 16 unsigned bits, got 70000",
        ),
        (
            "%z = arith.constant 0 : index\n%o = arith.constant 1 : index\n"
            "%x = arith.constant 1000000000000 : index\n"
            "scf.for %i = %z to %x step %o {\n gemmini.fence\n}",
            "iterations",
        ),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(body: str, expected: str) -> None:
    """A diagnostic names the operation and the reason."""
    with pytest.raises(UnrollError, match=expected):
        stream_of_module(parse(kernel(body)), CONFIG)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("builtin.module {}", "expected one function with a body, found none"),
        (kernel("", "%n: index"), "parameter n: index is no array"),
        (kernel("", "%A: memref<?x4xi8>"), "cannot be placed"),
        (kernel("") + kernel("").replace("@kernel", "@other"), "found kernel, other"),
    ],
)
def test_modules_without_one_kernel_of_arrays_are_refused(text: str, expected: str) -> None:
    """A module must hold exactly one function, and its parameters must be placeable."""
    with pytest.raises(Diagnostic, match=expected.replace("?", r"\?")):
        stream_of_module(parse(text), CONFIG)


def test_a_kernel_can_be_chosen_by_name() -> None:
    """With several functions, the name says which one is unrolled."""
    text = kernel("gemmini.fence") + kernel("").replace("@kernel", "@other")
    stream, _ = stream_of_module(parse(text), CONFIG, "kernel")
    assert len(stream) == 1


def test_arrays_lie_one_after_the_other_on_aligned_addresses() -> None:
    """Arrays begin at 0x80000000, in parameter order, each on a multiple of 64 bytes."""
    arguments = "%A: memref<5xi8>, %B: memref<3x5xi32>, %C: memref<2xf32>"
    _, layout = stream_of_module(parse(kernel("", arguments)), CONFIG)
    assert [array.address for array in layout.arrays] == [0x80000000, 0x80000040, 0x80000080]
    assert layout.size == 0xC0
    contents = [
        np.arange(5, dtype=np.int8),
        np.arange(15, dtype=np.int32).reshape(3, 5),
        np.ones(2, np.float32),
    ]
    image = layout.image(contents)
    assert all(map(np.array_equal, layout.read(image), contents))
    assert np.array_equal(layout.image({"B": contents[1]})[64:124], image[64:124])
    with pytest.raises(Diagnostic, match="no array 'X'"):
        layout.image({"X": contents[0]})
    with pytest.raises(Diagnostic, match=r"array A: expected int8\[5\]"):
        layout.image({"A": contents[1]})
