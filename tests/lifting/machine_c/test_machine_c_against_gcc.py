"""Random programs: the commands that gcc's program issues are those that the reader finds."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from liftproof.diagnostics import Diagnostic
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.isa import cols_of, local_of, rows_of
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.machine_c import read_machine_c

PROGRAMS = 40
RECORDER = """
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
static void record(uint64_t operand) { printf("%llx\\n", (unsigned long long)operand); }
#define mvin(dram, local, cols, rows) \\
    record((uint64_t)(rows) << 48 | (uint64_t)(cols) << 32 | (uint32_t)(local))
#define mvout(dram, local, cols, rows) (void)0
#define fence() (void)0
"""
"""Stands in for gemmini.h: prints the second operand of each move-in."""


class ProgramWriter:
    """Writes random kernels whose variables change in loops in every way that is supported."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.loops: list[str] = []

    def program(self, name: str) -> str:
        self.lines = [f"void {name}(int8_t C[16][16]) {{"]
        for number in range(4):
            start = self.random.choice([0, 1, 16, 48, 512])
            self.line(f"uint32_t x{number} = {start};")
        self.line(f"int toggle = {self.random.randint(0, 1)}, table[3] = {{5, 0, 32}};")
        for _ in range(self.random.randint(1, 3)):
            self.statement(0)
        self.record()
        self.line("mvout(&C[0][0], 0x80000000, 16, 16);")
        self.line("fence();")
        return "\n".join([*self.lines, "}", ""])

    def line(self, text: str) -> None:
        self.lines.append("    " + text)

    def atom(self) -> str:
        choices = ["x0", "x1", "x2", "x3", "toggle", *self.loops * 2]
        choices += [str(self.random.choice([1, 2, 3, 16, 64])), "table[2]"]
        if self.loops:
            choices.append(f"(uint32_t)table[{self.random.choice(self.loops)} % 3]")
        return self.random.choice(choices)

    def condition(self) -> str:
        left, right = self.atom(), self.atom()
        simple = f"{left} {self.random.choice(['==', '!=', '<', '<=', '>', '>='])} {right}"
        extra = self.random.choice(["", "", " && toggle", f" || {self.atom()} > 2", " == 0"])
        return simple + extra

    def value(self) -> str:
        a, b = self.atom(), self.atom()
        return self.random.choice(
            [
                f"{a} + {b}",
                f"{a} * {self.random.choice([2, 16, 3])} + {b}",
                f"({a} + {b}) % {self.random.choice([2, 3, 4, 64])}",
                f"({a} + {b}) / {self.random.choice([2, 3, 16])}",
                f"{a} ^ {self.random.choice([1, 16, 512])}",
                f"({a} & {self.random.choice([1, 3, 48])}) | {self.random.choice([64, 4])}",
                f"({a} & 0xff) << {self.random.choice([1, 4])}",
                f"{self.condition()} ? {a} : {b}",
                f"({a} + 100u) >> 2",
                f"{self.random.choice([512, 64])} - ({a} % 32)",
            ]
        )

    def update(self) -> None:
        x, y = self.random.sample(["x0", "x1", "x2", "x3"], 2)
        updates = [
            [f"{x} += {self.random.choice([1, 16, 64])};"],
            [f"{x} ^= {self.random.choice([1, 16, 512])};"],
            [f"{x} = 512 - {x} % 512;"],
            [f"{{ uint32_t t = {x}; {x} = {y}; {y} = t; }}"],
            [f"{x} = ({x} + 1) % {self.random.choice([2, 3, 4])};"],
            [f"{x} = {self.value()};"],
            ["toggle = !toggle;"],
            ["toggle = 1 - toggle;"],
            ["table[1]++;"],
            [f"table[toggle] = {self.random.choice(['x0 % 64', '7', 'toggle'])};"],
        ]
        for line in self.random.choice(updates):
            self.line(line)

    def record(self) -> None:
        row = self.random.choice(["x0", "x1 + x2", "x3", "table[0] + table[1]", self.value()])
        rows = self.random.choice(["16", "1 + toggle % 2"])
        flags = self.random.choice(["", f" + ((uint32_t)({self.condition()}) << 30) + 0x80000000u"])
        self.line(f"mvin(0, ({row}) % 1000u{flags}, 16, {rows});")

    def statement(self, depth: int) -> None:
        kind = self.random.random()
        if kind < 0.5 - depth / 8 and depth < 3:
            self.loop(depth)
        elif kind < 0.6 and depth < 4:
            self.branch(depth)
        elif kind < 0.8:
            self.update()
        else:
            self.record()

    def loop(self, depth: int) -> None:
        name = f"i{depth}"
        header = self.random.choice(
            [
                f"for (int {name} = 0; {name} < {self.random.randint(1, 6)}; {name}++)",
                f"for (int {name} = 0; {name} < {self.random.randint(3, 40)}; {name} += 8)",
                f"for (int {name} = {self.random.randint(0, 5)}; {name} >= 0; {name}--)",
                f"for (uint32_t {name} = 2; {name} <= 6; {name} += 2)",
            ]
        )
        if name in self.loops:
            return
        self.line(header + " {")
        self.loops.append(name)
        for _ in range(self.random.randint(1, 3)):
            self.statement(depth + 1)
        self.loops.remove(name)
        self.line("}")

    def branch(self, depth: int) -> None:
        self.line(f"if ({self.condition()}) {{")
        self.statement(depth + 1)
        if self.random.random() < 0.5:
            self.line("} else {")
            self.statement(depth + 1)
        self.line("}")


def run_with_gcc(programs: list[str], directory: Path) -> list[list[int]]:
    """The operands that each program records when gcc compiles it."""
    calls = "\n".join(f'    puts("#"); kernel{n}(0);' for n in range(len(programs)))
    source = RECORDER + "\n".join(programs) + f"\nint main(void) {{\n{calls}\n    return 0;\n}}\n"
    file, executable = directory / "programs.c", directory / "programs"
    file.write_text(source)
    subprocess.run(["gcc", "-O0", "-w", "-o", executable, file], check=True, timeout=60)
    output = subprocess.run([executable], check=True, capture_output=True, text=True, timeout=60)
    return [[int(line, 16) for line in part.split()] for part in output.stdout.split("#\n")[1:]]


def read_operands(program: str) -> list[int] | None:
    """The same operands, from the ISA IR that the reader builds; None if it refuses."""
    config = load_config()
    try:
        module = read_machine_c(program, "random.c", config)
    except Diagnostic:
        return None
    stream, _ = stream_of_module(module, config)
    return [int(rs2) for funct, rs2 in zip(stream.funct, stream.rs2, strict=True) if funct == 2]


def test_random_programs_issue_what_gcc_issues(tmp_path: Path) -> None:
    """A program that is read has exactly gcc's commands, and nine in ten programs are read."""
    writer = ProgramWriter(seed=1)
    programs = [writer.program(f"kernel{number}") for number in range(PROGRAMS)]
    expected = run_with_gcc(programs, tmp_path)
    refused = 0
    for program, operands in zip(programs, expected, strict=True):
        found = read_operands(program)
        refused += found is None
        assert found in (None, operands), f"{program}\n{_first_difference(found, operands)}"
    assert refused <= PROGRAMS // 10


LOAD = """static uint32_t load{n}(uint32_t a) {{ mvin(0, a, 16, 1); return a + 1; }}
static int count{n} = 0;
static int next{n}(void) {{ count{n} += 1; return count{n}; }}"""
EXPRESSIONS = (
    "for (int i = 0; i < 2; i++) {{ uint32_t r = i == 0 ? load{n}(5) : 7; mvin(0, r, 16, 1); }}",
    "for (int i = 0; i < 2; i++) if (i == 0 && load{n}(5)) mvin(0, 20, 16, 1);",
    "for (int i = 0; i < 2; i++) {{ int b = i == 0 || load{n}(5) == 6; mvin(0, b, 16, 1); }}",
    "for (uint32_t i = 0; i < load{n}(2); i++) mvin(0, i, 16, 1);",
    "uint32_t r = 1 ? load{n}(5) : load{n}(7); mvin(0, r, 16, 1);",
    "mvin(0, ((1 ? -1 : 0u) > 0) + 2 * ((0 ? 0u : -1) > 0), 16, 1);",
    "mvin(0, (1 ? -1 : 0l) > 0u, 16, 1);",
    "uint8_t p = 250; for (int i = 0; i < 4; i++) {{ p += 3; mvin(0, p, 16, 1); }}",
    "int8_t p = 120; for (int i = 0; i < 4; i++) {{ p += 3; mvin(0, p + 200, 16, 1); }}",
    "uint32_t u = 0x7ffffffe; for (int i = 0; i < 4; i++) {{ u++; mvin(0, (int)u < 0, 16, 1); }}",
    "for (int i = 0; i < 3; i++) mvin(0, (int8_t)(i * 100) + 500, 16, 1);",
    "for (int i = 0; i < 3; i++) mvin(0, next{n}() + i, 16, 1); mvin(0, count{n}, 16, 1);",
    "for (int i = 0; i < 3; i++) {{ int r = i == 1 ? next{n}() : 50; mvin(0, r, 16, 1); }}",
    "int t[2] = {{4, 5}}; for (int i = 0; i < 2; i++) mvin(0, i > 0 ? t[i - 1] : 9, 16, 1);",
)
"""What is evaluated sometimes, in the type of what is not, or wraps around in a narrow type."""


def test_expressions_do_what_gcc_makes_of_them(tmp_path: Path) -> None:
    """Helpers that issue instructions are called when C calls them, and choices have one type."""
    programs: list[str] = []
    for number, text in enumerate(EXPRESSIONS):
        body = f"{text} mvout(&C[0][0], 0x80000000, 16, 16); fence();".format(n=number)
        head = LOAD.format(n=number)
        programs.append(f"{head}\nvoid kernel{number}(int8_t C[16][16]) {{ {body} }}\n")
    for program, operands in zip(programs, run_with_gcc(programs, tmp_path), strict=True):
        assert read_operands(program) == operands, program


def _first_difference(found: list[int] | None, expected: list[int]) -> str:
    found = found or []
    for number, (a, b) in enumerate(zip(found, expected, strict=False)):
        if a != b:
            return f"move {number}: read {_operand(a)}, gcc {_operand(b)}"
    return f"read {len(found)} moves, gcc {len(expected)}"


def _operand(value: int) -> str:
    return f"local {local_of(value):#x}, {rows_of(value)} rows, {cols_of(value)} columns"
