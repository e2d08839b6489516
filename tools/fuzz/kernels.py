"""Random kernels in C: products with their bias and post-operation, and all kinds of other loops.

Sizes are small, so that a case takes milliseconds, and often just beside a multiple of the array's
dimension, where tiles are ragged.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .expressions import TYPES, expression, saturated

HEADER = """#include <math.h>
#include <stdint.h>
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
"""
PRODUCT_SHARE = 0.6
"""Share of the kernels that are products of matrices: only those go down to instructions."""
SIZES = (1, 2, 5, 8, 15, 16, 17, 18, 20, 31, 32, 33, 40, 48)


def random_kernel(rng: Random) -> str:
    """The C text of a random kernel with constant sizes."""
    if rng.random() < PRODUCT_SHARE:
        return HEADER + _product(rng)
    return HEADER + rng.choice(OTHERS)(rng)


def _function(parameters: list[str], body: str) -> str:
    return f"void kernel({', '.join(parameters)}) {{\n{body}\n}}\n"


def _product(rng: Random) -> str:
    """C = post(A·B + D), any operand transposed, with one of many post-operations."""
    m, n, k = (rng.choice(SIZES) for _ in range(3))
    a, a_shape = rng.choice((("A[i][k]", (m, k)), ("A[i][k]", (m, k)), ("A[k][i]", (k, m))))
    b, b_shape = rng.choice((("B[k][j]", (k, n)), ("B[k][j]", (k, n)), ("B[j][k]", (n, k))))
    kind, value, post = _post_operation(rng)
    starts = [("0", ""), ("0", ""), ("D[j]", f"[{n}]"), ("D[i][j]", f"[{m}][{n}]")]
    start, bias = rng.choice(starts)
    parameters = [
        f"const int8_t A[{a_shape[0]}][{a_shape[1]}]",
        f"const int8_t B[{b_shape[0]}][{b_shape[1]}]",
        *([f"const int32_t D{bias}"] if bias else []),
        f"{kind} C[{m}][{n}]",
    ]
    if kind == "int32_t" and value == "sum" and not bias and rng.random() < 0.4:
        return _function(parameters, _in_place(m, n, k, f"{a} * {b}"))
    loops = [
        f"for (int i = 0; i < {m}; i++)",
        f"for (int j = 0; j < {n}; j++)",
    ]
    if rng.random() < 0.3:
        loops.reverse()
    body = f"""
  {loops[0]}
    {loops[1]} {{
      int32_t sum = {start};
      for (int k = 0; k < {k}; k++) sum += {a} * {b};
      {post}
      C[i][j] = {value};
    }}"""
    return _function(parameters, body)


def _in_place(m: int, n: int, k: int, product: str) -> str:
    loops = [
        f"for (int i = 0; i < {m}; i++)",
        f"for (int j = 0; j < {n}; j++)",
        f"for (int k = 0; k < {k}; k++)",
    ]
    return f"  {loops[0]} {loops[1]} {loops[2]}\n      C[i][j] += {product};"


def _post_operation(rng: Random) -> tuple[str, str, str]:
    """Element type of C, what is stored, and a statement before."""
    relu = rng.choice(("", "", "if (sum < 0) sum = 0;", "sum = MAX(sum, 0);"))
    match rng.randrange(4):
        case 0:
            return "int32_t", "sum", rng.choice(("", "", relu))
        case 1:
            return "int8_t", "sum > 127 ? 127 : sum < -128 ? -128 : sum", relu
        case _:
            scale = rng.choice(("0.5f", "0.25f", "0.0078125f", "0.37f", "1.0f", "0.015625f"))
            return (
                "int8_t",
                f"(int8_t)MIN(MAX(rintf(sum * {scale}), -128.0f), 127.0f)",
                relu,
            )


def _element_wise(rng: Random) -> str:
    """One output from up to three inputs, element by element, also with shifted subscripts."""
    extents = [rng.choice(SIZES[2:]) for _ in range(rng.choice((1, 1, 2)))]
    counters = ["i", "j"][: len(extents)]
    inputs: list[str] = []
    values: list[str] = []
    for name in ("X", "Y", "Z")[: rng.randrange(1, 4)]:
        offset, stretch = rng.choice((0, 0, 1, 2)), rng.choice((1, 1, 1, 2))
        last = extents[-1]
        index = f"{stretch} * {counters[-1]} + {offset}"
        if rng.random() < 0.2:
            index, stretch, offset = f"{last - 1} - {counters[-1]}", 1, 0
        shape = [*extents[:-1], (last - 1) * stretch + offset + 1]
        inputs.append(
            f"const {rng.choice(TYPES)} {name}" + "".join(f"[{extent}]" for extent in shape)
        )
        values.append(name + "".join(f"[{counter}]" for counter in (*counters[:-1], index)))
    kind = rng.choice(TYPES)
    target = "R" + "".join(f"[{counter}]" for counter in counters)
    if rng.random() < 0.2:
        values.append(target)
    loops = " ".join(
        f"for (int {c} = 0; {c} < {e}; {c}++)" for c, e in zip(counters, extents, strict=True)
    )
    result = f"{kind} R" + "".join(f"[{extent}]" for extent in extents)
    value = expression(rng, values, rng.choice((1, 2, 3)))
    if rng.random() < 0.4:
        value = saturated(value, kind)
    guard = rng.choice(("", "", "", f"if ({rng.choice(counters)} > {rng.choice((0, 2))}) "))
    return _function([*inputs, result], f"  {loops} {guard}{target} = {value};")


def _reduction(rng: Random) -> str:
    """Sums over rows or columns, with something done to each summand and to the sum."""
    rows, columns = rng.choice(SIZES), rng.choice(SIZES)
    kept, summed = rng.choice((("i", "j"), ("j", "i")))
    extent = {"i": rows, "j": columns}
    values = ["X[i][j]", f"w[{summed}]"]
    term = expression(rng, values, rng.choice((1, 2)))
    total = rng.choice(("s", "s", f"s + b[{kept}]", "s >> 2", "MAX(s, 0)", "2 * s"))
    start = rng.choice(("0", "0", f"b[{kept}]", "5"))
    first = rng.choice((0, 0, 1)) if extent[summed] > 1 else 0
    parameters = [
        f"const {rng.choice(TYPES)} X[{rows}][{columns}]",
        f"const {rng.choice(TYPES)} w[{extent[summed]}]",
        f"const int32_t b[{extent[kept]}]",
        f"int32_t y[{extent[kept]}]",
    ]
    body = f"""
  for (int {kept} = 0; {kept} < {extent[kept]}; {kept}++) {{
    int32_t s = {start};
    for (int {summed} = {first}; {summed} < {extent[summed]}; {summed}++) s += {term};
    y[{kept}] = {total};
  }}"""
    return _function(parameters, body)


def _chain(rng: Random) -> str:
    """Two outputs, the second computed from the first: a sum, and something of all its elements."""
    rows, columns = rng.choice(SIZES[:10]), rng.choice(SIZES[:10])
    term = expression(rng, ["X[i][j]", "w[j]"], rng.choice((1, 2)))
    later = expression(rng, ["t[i]", "X[i][j]"], rng.choice((1, 2)))
    sums = rng.random() < 0.4
    parameters = [
        f"const int8_t X[{rows}][{columns}]",
        f"const {rng.choice(TYPES)} w[{columns}]",
        f"int32_t t[{rows}]",
        f"int32_t y[{rows}]" if sums else f"int32_t y[{rows}][{columns}]",
    ]
    second = f"y[i][j] = {later};"
    if sums:
        second = f"y[i] += {later};"
    body = f"""
  for (int i = 0; i < {rows}; i++) {{
    t[i] = 0;
    for (int j = 0; j < {columns}; j++) t[i] += {term};
  }}
  for (int i = 0; i < {rows}; i++)
    for (int j = 0; j < {columns}; j++) {second}"""
    return _function(parameters, body)


def _convolution(rng: Random) -> str:
    """A small convolution, by rows or padded, with strides."""
    size, channels, filters = rng.choice((4, 5, 7)), rng.choice((1, 3, 8)), rng.choice((1, 4, 17))
    window, stride, pad = rng.choice((1, 2, 3)), rng.choice((1, 2)), rng.choice((0, 0, 1))
    out = (size + 2 * pad - window) // stride + 1
    y, x = f"(y * {stride} + a - {pad})", f"(x * {stride} + b - {pad})"
    guard = f"if ({y} >= 0 && {y} < {size} && {x} >= 0 && {x} < {size}) " if pad else ""
    parameters = [
        f"const int8_t X[{size}][{size}][{channels}]",
        f"const int8_t W[{window}][{window}][{channels}][{filters}]",
        f"int32_t Y[{out}][{out}][{filters}]",
    ]
    body = f"""
  for (int y = 0; y < {out}; y++) for (int x = 0; x < {out}; x++)
    for (int o = 0; o < {filters}; o++) {{
      int32_t s = 0;
      for (int a = 0; a < {window}; a++) for (int b = 0; b < {window}; b++)
        for (int c = 0; c < {channels}; c++)
          {guard}s += X[{y}][{x}][c] * W[a][b][c][o];
      Y[y][x][o] = s;
    }}"""
    return _function(parameters, body)


def _copy(rng: Random) -> str:
    """A transposed, reversed or blocked copy; or a triangle of it."""
    rows, columns = rng.choice(SIZES), rng.choice(SIZES)
    kind = rng.choice(TYPES)
    source = rng.choice(("X[j][i]", "X[j][i]", f"X[j][{rows - 1} - i]"))
    bounds = rng.choice((f"j < {columns}", f"j < {columns}", f"j <= i && j < {columns}"))
    parameters = [f"const {kind} X[{columns}][{rows}]", f"{kind} Y[{rows}][{columns}]"]
    if "&&" in bounds:
        loops = f"for (int i = 0; i < {rows}; i++) for (int j = 0; j < {columns}; j++) if (j <= i) "
    else:
        loops = f"for (int i = 0; i < {rows}; i++) for (int j = 0; {bounds}; j++) "
    return _function(parameters, f"  {loops}Y[i][j] = {source};")


OTHERS: tuple[Callable[[Random], str], ...] = (
    _element_wise,
    _element_wise,
    _reduction,
    _chain,
    _convolution,
    _copy,
)
