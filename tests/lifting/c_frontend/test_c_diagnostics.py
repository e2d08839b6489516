"""Every rejected kernel gets one diagnostic that names the place and the reason."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from liftproof.diagnostics import Diagnostic
from liftproof.lifting.c.affine import check_affine
from liftproof.lifting.c.frontend import parse_c_kernel, read_c_kernel

# Each case starts with the diagnostic it must get: "// error line:column: message".
REJECTED = (Path(__file__).parent / "rejected_kernels.txt").read_text().split("// -----\n")
assert len(REJECTED) >= 200

NOT_AFFINE = [
    ("void k(int A[99]) { for (int i = 0; i < 9; i++) A[i * i] = 1; }", 49, "loop variables"),
    ("void k(int A[9], const int B[9]) { for (int i = 0; i < 9; i++) A[B[i]] = 1; }", 64, "'B'"),
    ("void k(int n, int A[99]) { for (int i = 0; i < 9; i++) A[i * n + 3] = 1; }", 56, "parameter"),
    (
        "void k(int A[9]) { int x = 0; for (int i = 0; i < 9; i++) { x += i; A[x] = 1; } }",
        69,
        "'x'",
    ),
    ("void k(int A[9]) { for (int i = 0; i < 9; i++) A[i & 5] = 1; }", 48, "not computed by"),
    ("void k(int n, int *A) { for (int i = 1; i < n * n; i++) A[i] = 1; }", 25, "parameter"),
]

SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
HEAD = "void k(int A[4]) { A[0] = "


def diagnose(text: str) -> Diagnostic:
    with pytest.raises(Diagnostic) as caught:
        parse_c_kernel(text, "k.c")
    return caught.value


def assert_handled(text: str) -> None:
    """Assert that ``text`` becomes loop IR or gets a diagnostic with a place."""
    diagnostic = None
    try:
        parse_c_kernel(text, "k.c").verify()
    except Diagnostic as error:
        diagnostic = error
    assert diagnostic is None or (diagnostic.location is not None and diagnostic.message)


@pytest.mark.parametrize("case", REJECTED)
def test_rejection(case: str) -> None:
    """The diagnostic has the exact message, at the exact line and column."""
    expected, text = case.split("\n", 1)
    diagnostic = diagnose(text.removesuffix("\n"))
    place = diagnostic.location
    assert place is not None
    assert f"// error {place.line}:{place.column}: {diagnostic.message}" == expected
    assert place.file == "k.c"


@pytest.mark.parametrize(("text", "column", "reason"), NOT_AFFINE)
def test_non_affine(text: str, column: int, reason: str) -> None:
    """An access that is not affine becomes loop IR, and the affine check names it."""
    module = parse_c_kernel(text, "k.c")
    with pytest.raises(Diagnostic, match="non-affine") as caught:
        check_affine(module)
    assert caught.value.location is not None
    assert caught.value.location.column == column
    assert reason in caught.value.message


def test_symbolic_strides_are_affine_on_request() -> None:
    """A product with a parameter passes the affine check where symbolic strides are allowed."""
    text = "void k(int n, int A[99]) { for (int i = 0; i < n; i++) A[i * n + 3] = 1; }"
    check_affine(parse_c_kernel(text, "k.c"), symbolic_strides=True)


def test_rendering() -> None:
    """The text shown has the place, the line with a caret under the column, and the hint."""
    text = "void k(int A[4]) {\n\tA[0] = b;\n}"
    assert diagnose(text).render(text).splitlines() == [
        "k.c:2:9: error: 'b' is not declared",
        "    \tA[0] = b;",
        "    \t       ^",
        "hint: declare it, or define it with #define if it is a constant of a header",
    ]


HOSTILE = {
    "a million parentheses": HEAD + "(" * 1_000_000,
    "nested parentheses": HEAD + "(" * 5000 + "1" + ")" * 5000 + "; }",
    "nested blocks": "void k(int A[4]) " + "{" * 5000,
    "nested signs": HEAD + "- " * 20_000 + "1; }",
    "a long sum": HEAD + "+".join(["A[1]"] * 5000) + "; }",
    "else if without end": "void k(int A[4]) { if (A[0]) ; " + "else if (A[1]) ; " * 3000 + "}",
    "for without braces": "void k(int A[4]) { " + "for (int i = 0; i < 4; i++) " * 500 + "; }",
    "many early returns": "int k(int a) { " + "if (a == 1) return 2; " * 500 + "return 1; }",
    "partial returns": "int k(int a) { "
    + "if (a > 1) { if (a > 2) return 2; a = a + 1; } " * 30
    + "return 1; }",
    "a macro bomb": "\n".join(f"#define M{i} M{i + 1} M{i + 1}" for i in range(40))
    + "\n#define M40 + 1\n"
    + HEAD
    + "1 M0; }",
    "a helper bomb": "static int f0(int x) { return x; }\n"
    + "".join(
        f"static int f{i}(int x) {{ return f{i - 1}(x) + f{i - 1}(x); }}\n" for i in range(1, 16)
    )
    + HEAD
    + "f15(A[1]); }",
    "too many bytes": "// " + "x" * (1 << 20),
    "too many tokens": HEAD + "1; " * 60_000 + "}",
    "a huge number": HEAD + "9" * 100_000 + "; }",
    "a huge array": "void k(int A[99999999999]) { A[0] = 1; }",
    "a huge polynomial": "void k(int a, int b, int c, int A[4]) { "
    + "".join(f"int x{i} = {f'x{i - 1} * x{i - 1}' if i else 'a + b + c'};" for i in range(40))
    + "A[x39 + b[0]] = 1; }",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused_fast(name: str) -> None:
    """Input made to exhaust stack, memory or time gets a diagnostic instead."""
    start = time.process_time()
    diagnose(HOSTILE[name])
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF\x02\x01\x01\0\0", "NUL byte"),
        (b"void k(int A[4]) {\n  A[0] = '\xff'; }", "0xff is not UTF-8"),
        (b"", "the file is empty"),
        (b"x" * (1 << 21), "larger than 1024 KiB"),
    ],
)
def test_bad_file(tmp_path: Path, content: bytes, message: str) -> None:
    """A file that is no C text is refused with the reason."""
    path = tmp_path / "k.c"
    path.write_bytes(content)
    with pytest.raises(Diagnostic, match=message):
        read_c_kernel(path)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    """A path without a file behind it is refused, not opened."""
    with pytest.raises(Diagnostic, match="no such file"):
        read_c_kernel(tmp_path / "missing.c")
    with pytest.raises(Diagnostic, match="is a directory"):
        read_c_kernel(tmp_path)
    with pytest.raises(Diagnostic, match="cannot read"):
        read_c_kernel("a\0b.c")


def test_marks_and_line_ends_are_accepted(tmp_path: Path) -> None:
    """A byte order mark and the line ends of Windows do not matter."""
    path = tmp_path / "k.c"
    path.write_bytes(b"\xef\xbb\xbf#define N \\\r\n 4\r\nvoid k(int A[N]) {\r\n A[0] = 1;\r\n}\r\n")
    assert read_c_kernel(path).ops.first is not None


FRAGMENTS = [
    *"{}()[];,?:+-*/%=<>&|!~#\\.'\"@$",
    *("int", "int8_t", "float", "void", "const", "static", "for", "if", "else", "return", "enum"),
    *("sizeof", "typedef", "while", "k", "A", "B", "++", "+=", "==", "<=", "&&", "<<"),
    *("i", "n", "0", "1.5f", "0x", "'a'", "//", "/*", "*/", "#define", "#if", "#endif", "\n"),
    "void k(int A[4]) {",
    "for (int i = 0; i < 4; i++)",
    "A[i] = 1;",
]


@settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(st.integers(0, 2**32))
def test_nothing_but_diagnostics(seed: int) -> None:
    """Any soup of C fragments either parses or gets a diagnostic, within a second."""
    generator = random.Random(seed)
    soup = " ".join(generator.choices(FRAGMENTS, k=generator.randrange(1, 40)))
    if generator.random() < 0.5:
        soup = f"void k(int n, int A[4], int B[4][n]) {{ {soup} }}"
    start = time.process_time()
    assert_handled(soup)
    assert time.process_time() - start < 1


@settings(SETTINGS, max_examples=60)
@given(st.integers(0, 2**32))
def test_damaged_kernels(seed: int) -> None:
    """A good kernel with characters changed, removed or doubled parses or gets a diagnostic."""
    generator = random.Random(seed)
    text = """#define N 4
    static int f(int x) { if (x > 127) return 127; return x; }
    void k(int n, const signed char A[N][N], int B[n]) {
        for (int i = 0; i < N; i++) { int s = 0; for (int j = 0; j < N; ++j) s += A[i][j] * 2;
        B[0] = f(s) > 0 ? s : -s / 3; } }"""
    for _ in range(generator.randrange(1, 4)):
        at = generator.randrange(len(text))
        new = generator.choice(["", text[at] * 2, generator.choice("(){}[];,+*=<>i0A \n#\"'é")])
        text = text[:at] + new + text[at + 1 :]
    assert_handled(text)
