"""Kernels in many C styles behave in loop IR as in the program that gcc makes."""

from __future__ import annotations

from typing import Any

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from xdsl.dialects import func

KERNELS = {
    "downward": """
        void k(const int a[20], int b[20]) {
            for (int i = 19; i >= 0; i--) b[i] = a[19 - i] * i;
        }""",
    "downward by three": """
        void k(int b[20]) {
            int n = 0; for (int i = 18; i > 1; i -= 3) { n = n * 2 + i; b[i] = n; }
        }
        """,
    "outer variable read after": """
        void k(int n, int b[4]) {
            int i, j = 3;
            for (i = 2; i <= n; i += 4) b[0] += i;
            b[1] = i;
            for (j = 10; j > n; j -= 3) ;
            b[2] = j; b[3] = i + j;
        }""",
    "outer variable in nest": """
        void k(int b[6][7]) {
            int i, j; int count = 0;
            for (i = 0; i < 6; i++)
                for (j = i; j < 7; ++j) { count++; b[i][j] = count * j; }
            b[0][0] = count;
        }""",
    "unequal": "void k(int b[9]) { for (int i = 1; i != 9; i += 2) b[i] = i; }",
    "mirrored": "void k(int b[9]) { for (int i = 1; 9 > i; i = 2 + i) b[i] = i; }",
    "empty loop": """
        void k(int b[3]) { for (int i = 5; i < 3; i++) b[i] = 1; b[1] = 2; }""",
    "unsigned loop": """
        void k(unsigned n, unsigned b[64]) {
            for (unsigned i = 3; i < n; i += 2) b[i - 3] = i - 5;
        }""",
    "size_t loop": """
        #include <stddef.h>
        void k(size_t n, float *b) { for (size_t i = 0; i < n; ++i) b[i] = i * 0.5f; }""",
    "small loop variable": """
        #include <stdint.h>
        void k(int16_t b[200]) { for (uint8_t i = 0; i < 200; i++) b[i] = i * i * 7; }""",
    "linear index": """
        void k(int n, int m, const int *a, int *b) {
            for (int i = 0; i < n; i++)
                for (int j = 0; j < m; j++) { int at = i * m + j; b[at] = a[j * n + i] - at; }
        }""",
    "symbolic strides": """
        void k(int n, int m, int a[n][m], int b[m][2 * n]) {
            for (int i = 0; i < m; i++)
                for (int j = 0; j < 2 * n; j++) b[i][j] = a[j / 2][i] + j % 2;
        }""",
    "compound": """
        #include <stdint.h>
        void k(int8_t a[16], uint16_t b[16], int64_t c[16]) {
            for (int i = 0; i < 16; i++) {
                a[i] += 100; a[i] *= 3; b[i] -= 7; b[i] <<= 3; b[i] >>= 2; b[i] |= 5; b[i] ^= 9;
                c[i] /= 3; c[i] %= 100; c[i] &= ~1; c[i]++; --c[i]; a[i]--;
            }
        }""",
    "assignment values": """
        void k(int b[8]) {
            int x, y; x = y = 5; int i0 = 2;
            b[0] = x++ + 2 * y; b[1] = ++x; b[i0++] = 4; b[3] = (x = 3, x + 1); b[4] = x;
            signed char c; b[5] = (c = 300); b[6] = i0;
        }""",
    "if chains": """
        void k(const int a[32], int b[32]) {
            for (int i = 0; i < 32; i++) {
                int v = a[i] % 100;
                if (v < 0) { if (v < -50) b[i] = 1; else b[i] = 2; }
                else if (v == 7 || (v > 50 && !(v & 1))) b[i] = 3;
                else ;
                if (i > 3 && a[i - 4] > 0) v = -v;
                b[i] += v;
            }
        }""",
    "guarded access": """
        void k(const int a[8], int b[9]) {
            for (int i = 0; i < 9; i++) {
                b[i] = i < 8 ? a[i] : -1;
                b[i] += i > 0 && a[i - 1] > 0;
                b[i] += (i == 8 || a[i] == 0) ? 2 : 0;
            }
        }""",
    "guarded division": """
        void k(const int a[16], int b[16]) {
            for (int i = 0; i < 16; i++) b[i] = a[i] % 3 != 0 ? 100 / (a[i] % 3) : i % (i + 1);
        }""",
    "relu in place": "void k(int a[8]) { for (int i = 0; i < 8; i++) a[i] = a[i] > 0 ? a[i] : 0; }",
    "pointer relu": """
        void k(int n, int *a) { for (int i = 0; i < n; i++) a[i] = a[i] > 0 ? a[i] : -a[i]; }""",
    "helpers": """
        #include <stdint.h>
        static int square(int x) { return x * x; }
        static int twice(int x) { int r = square(x); r = r + square(x); return r; }
        static void put(int *row, int n, int value) { for (int i = 0; i < n; i++) row[i] = value; }
        static int sign(int v) { if (v > 0) return 1; else if (v < 0) return -1; return 0; }
        static int largest(const int row[5]) {
            int best = row[0];
            for (int i = 1; i < 5; i++) if (row[i] > best) best = row[i];
            return best;
        }
        void k(int a[6][5], int b[6]) {
            for (int i = 0; i < 6; i++) { b[i] = largest(a[i]) + sign(a[i][0]); }
            for (int i = 0; i < 6; i++) put(a[i], 5, twice(i) - 1);
            put(&a[2][1], 3, 77);
        }""",
    "early returns": """
        static int grade(int v) {
            if (v > 10) { v = v - 10; if (v > 5) return 1; v *= 2; }
            v += 1;
            if (v % 2 == 0) { return v; }
            return v > 100 ? 3 : 4;
        }
        void k(const int a[32], int b[32]) {
            for (int i = 0; i < 32; i++) b[i] = grade(a[i] % 30);
        }""",
    "early return of the kernel": """
        void k(int n, int b[4]) {
            if (n < 0) return; b[0] = n; if (n > 5) { b[1] = 1; return; } b[2] = 2;
        }
        """,
    "scalar result": """
        #include <stdint.h>
        int32_t dot(int n, const int8_t a[n], const int8_t b[n]) {
            int32_t sum = 0; for (int i = 0; i < n; i++) sum += a[i] * b[i]; return sum;
        }""",
    "narrow result": """
        #include <stdint.h>
        uint8_t k(const int a[4]) { if (a[0] > a[1]) return a[2]; return (a[3] & 63) * 2.5f; }""",
    "local arrays": """
        void k(const int a[5], int b[5]) {
            int t[5], u[2][3] = {{1, 2}, {a[0], 5}}, z[3][2] = {0}, w[] = {7, 8, 9};
            for (int i = 0; i < 5; i++) t[i] = a[4 - i];
            for (int i = 0; i < 5; i++) b[i] = t[i] + u[i % 2][i % 3] + z[i % 3][1] + w[i % 3];
        }""",
    "variable local array": """
        void k(int n, int b[n]) {
            int t[n]; for (int i = 0; i < n; i++) t[i] = i * i;
            for (int i = 0; i < n; i++) b[i] = t[n - 1 - i];
        }""",
    "pointers to rows": """
        void k(const int a[4][6], int b[4][6]) {
            for (int i = 0; i < 4; i++) {
                const int *from = a[i]; int *to = &b[3 - i][0];
                for (int j = 0; j < 6; j++) *(to + j) = from[5 - j] + *from;
            }
        }""",
    "macros": """
        #define N 4
        #define SQUARE(x) ((x) * (x))
        #define APPLY(f, x) f(x)
        #define BOTH(a, b) \\
            (SQUARE(a) + \\
             APPLY(SQUARE, b))
        #ifdef N
        #if N > 3 && !defined(OTHER)
        #define LEN (N * 2)
        #else
        #define LEN nonsense
        #endif
        #else
        #error no N
        #endif
        void k(int b[LEN]) { for (int i = 0; i < LEN; ++i) b[i] = BOTH(i + 1, b[i] % 7); }
        #undef N""",
    "typedef and enum": """
        typedef signed char elem_t; typedef elem_t row_t[8];
        enum mode { FIRST, SECOND = 4, THIRD };
        static const int table[3] = {3, 1, 2}; const float part = 0.25f;
        void k(elem_t x, row_t a, row_t b[THIRD]) {
            for (int i = 0; i < THIRD; i++)
                for (int j = 0; j < 8; j++) b[i][j] = a[j] * table[i % 3] * part + x + SECOND;
        }""",
    "old declarations": """
        int k(register int n, int *restrict a, int *__restrict__ b)
        {
            register int i; int total, extra = 1;
            #pragma omp parallel for
            for (i = 0; i < n; i++) { total = a[i]; b[i] = total + extra; }
            return 0;
        }""",
    "tiles": """
        #define MIN(a, b) ((a) < (b) ? (a) : (b))
        void k(int n, int b[n]) {
            for (int t = 0; t < n; t += 16)
                for (int i = t; i < MIN(t + 16, n); i++) b[i] += i - t;
        }""",
    "shadowing": """
        void k(int b[6]) {
            int x = 1;
            for (int i = 0; i < 6; i++) { int x = i; { int x = 9; x++; b[i] = x; } b[i] += x; }
            b[0] = x;
        }""",
    "float kernel": """
        #include <math.h>
        void k(float alpha, const float x[16], double y[16]) {
            for (int i = 0; i < 16; i++) {
                float t = alpha * x[i] + 0.1; y[i] = t / 3 + sqrt(fabs(x[i])) - (int)x[i];
                y[i] -= floorf(x[i]) > 0.0f ? 1 : x[i];
            }
        }""",
    "bool": """
        #include <stdbool.h>
        void k(const int a[8], bool on, int b[8]) {
            for (int i = 0; i < 8; i++) { bool odd = a[i] & 2; if (odd == on) b[i] = odd + on; }
        }""",
    "statements with a value": """
        #define NEAREST(x) ({ const __typeof__(x) x_ = (x); \\
            const long long down = x_; __typeof__(x) rest = x_ - down; \\
            rest = rest < 0 ? -rest : rest; \\
            __typeof__(x) result = rest < 0.5 ? down : x_ < 0 ? down - 1 : down + 1; result; })
        #define SCALED(x, shift) ((shift) > 0 ? (x) >> (shift) : (x) << -(shift))
        void kernel(const int a[16], int b[16]) {
            for (int i = 0; i < 16; i++) {
                int total = 0;
                for (int j = 0; j < 3; j++) total += ({ int t = a[i]; t *= j; t; });
                b[i] = NEAREST(a[i] * 0.3f) + SCALED(a[i], 3) + SCALED(i, -2) + total;
            }
        }""",
    "sizeof": """
        void k(const short a[12], long b[2]) {
            int n[7]; b[0] = sizeof(n) / sizeof(n[0]) + sizeof(int) * sizeof(b[0]);
            for (int i = 0; i < (int)(sizeof n / sizeof n[0]); i++) b[1] += a[i];
        }""",
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernel(both_ways: Any, random_arguments: Any, name: str) -> None:
    """The kernel leaves the same arrays and returns the same value both ways."""
    text = KERNELS[name]
    module = both_ways.module(text)
    function = next(op for op in module.ops if isinstance(op, func.FuncOp))
    compiled = both_ways.compiled(text, function.sym_name.data)
    for seed in range(3):
        both_ways.compare(module, function, compiled, random_arguments(module, seed))


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (
            "for (int i = 0;; i++) { if (i >= 4) break; A[i] = i; }",
            "for (int i = 0; i < 4; i++) { A[i] = i; }",
        ),
        (
            "int i = 0; while (1) { if (i == 4) { break; } A[i] = i; i++; }",
            "int i = 0; while (i != 4) { A[i] = i; i++; }",
        ),
        (
            "int i = 0; for (;;) { A[i] = i; i++; if (i > 3) break; }",
            "int i = 0; do { A[i] = i; i++; } while (i <= 3);",
        ),
        ("if (B) A[0] = B[0]; else A[1] = 1;", "A[0] = B[0];"),
        ("A[0] = B != NULL ? B[0] : 1;", "A[0] = B[0];"),
    ],
)
def test_other_forms_of_the_same_statements(given: str, plain: str) -> None:
    """Endless loops that are left at an end, and tests whether an array is there."""
    kernel = "void k(int A[4], const int B[4]) {{ {} }}"
    texts = [str(parse_c_kernel(kernel.format(body), "k.c")) for body in (given, plain)]
    assert texts[0] == texts[1]


def test_whether_arrays_are_there_is_no_branch() -> None:
    """Of two ways that depend on arrays only as pointers, the one is left that runs with them."""
    text = (
        "void k(int A[4], const int B[4]) { if (!B || (0 == A && B)) A[0] = 1; else A[0] = B[2]; }"
    )
    module = str(parse_c_kernel(text, "k.c"))
    assert "scf.if" not in module
    assert module.count("memref.store") == module.count("memref.load") == 1


def test_a_pointer_to_an_array_walks_through_all_its_rows() -> None:
    """What counts elements behind ``&A[0][0]`` is an access of the rows."""
    kernel = """void k(const int A[3][4], int s[3]) {{ {}
      for (int i = 0; i < 3; i++) for (int k = 0; k < 4; k++) s[i] += {}; }}"""
    walked = kernel.format("const int *p = &A[0][0];", "p[4 * i + k]")
    rows = kernel.format("", "A[i][k]")
    texts = [str(parse_c_kernel(text, "k.c")) for text in (walked, rows)]
    assert texts[0] == texts[1]
