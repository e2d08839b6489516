"""NKI kernels against C kernels: the right ones are proved, near misses are refuted."""

from __future__ import annotations

import pytest
from liftproof.validation.extract.composed import ROUNDED_ONCE
from liftproof.validation.lemmas.inverses import INVERSES

MATMUL_C = """
#define M 512
#define N 1024
#define K 512
void matmul(const float At[K][M], const float B[K][N], float C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      float s = 0.0f;
      for (int k = 0; k < K; k++) s += At[k][i] * B[k][j];
      C[i][j] = s;
    }
}
"""
MATMUL = """
def matmul(lhsT, rhs):
    K, M = lhsT.shape
    K_, N = rhs.shape
    TM, TK, TN = 128, 128, 512
    out = nl.ndarray((M, N), dtype=lhsT.dtype, buffer=nl.shared_hbm)
    for m in nl.affine_range(M // TM):
        for n in nl.affine_range(N // TN):
            acc = nl.ndarray((TM, TN), dtype=nl.float32, buffer=nl.psum)
            for k in nl.affine_range(K // TK):
                a = nl.ndarray((TK, TM), dtype=lhsT.dtype, buffer=nl.sbuf)
                b = nl.ndarray((TK, TN), dtype=rhs.dtype, buffer=nl.sbuf)
                nisa.dma_copy(dst=a, src=lhsT[k*TK:(k+1)*TK, m*TM:(m+1)*TM])
                nisa.dma_copy(dst=b, src=rhs[k*TK:(k+1)*TK, n*TN:(n+1)*TN])
                nisa.nc_matmul(dst=acc, stationary=a, moving=b)
            o = nl.ndarray((TM, TN), dtype=lhsT.dtype, buffer=nl.sbuf)
            nisa.tensor_copy(dst=o, src=acc)
            nisa.dma_copy(dst=out[m*TM:(m+1)*TM, n*TN:(n+1)*TN], src=o)
    return out
"""
TRANSPOSED_C = """
void matmul(const float A[256][128], const float B[128][512], float C[256][512]) {
  for (int i = 0; i < 256; i++)
    for (int j = 0; j < 512; j++) {
      float s = 0.0f;
      for (int k = 0; k < 128; k++) s += A[i][k] * B[k][j];
      C[i][j] = s;
    }
}
"""
TRANSPOSED = """
def matmul(A, B):
    C = nl.ndarray((256, 512), dtype=nl.float32, buffer=nl.shared_hbm)
    b = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=b, src=B)
    for m in nl.affine_range(2):
        a = nl.ndarray((128, 128), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=a, src=A[m*128:(m+1)*128, :])
        at_p = nl.ndarray((128, 128), dtype=nl.float32, buffer=nl.psum)
        nisa.nc_transpose(dst=at_p, data=a)
        at = nl.ndarray((128, 128), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_copy(dst=at, src=at_p)
        c_p = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
        nisa.nc_matmul(dst=c_p, stationary=at, moving=b)
        c = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_copy(dst=c, src=c_p)
        nisa.dma_copy(dst=C[m*128:(m+1)*128, :], src=c)
    return C
"""
SOFTMAX_C = """
void softmax(const float x[256][300], float y[256][300]) {
  for (int i = 0; i < 256; i++) {
    float m = x[i][0];
    for (int j = 1; j < 300; j++) if (x[i][j] > m) m = x[i][j];
    float s = 0.0f;
    for (int j = 0; j < 300; j++) { y[i][j] = expf(x[i][j] - m); s += y[i][j]; }
    for (int j = 0; j < 300; j++) y[i][j] = y[i][j] / s;
  }
}
"""
SOFTMAX = """
def softmax(x):
    R, C = x.shape
    out = nl.ndarray((R, C), dtype=nl.float32, buffer=nl.shared_hbm)
    for r in nl.affine_range(R // 128):
        t = nl.ndarray((128, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=t, src=x[r*128:(r+1)*128, :])
        m = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=m, op=nl.maximum, data=t, axis=1)
        d = nl.ndarray((128, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=d, data=t, op0=nl.subtract, operand0=m)
        e = nl.ndarray((128, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=e, op=nl.exp, data=d)
        s = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=s, op=nl.add, data=e, axis=1)
        y = nl.ndarray((128, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=y, data=e, op0=nl.divide, operand0=s)
        nisa.dma_copy(dst=out[r*128:(r+1)*128, :], src=y)
    return out
"""
RMSNORM_C = """
void rmsnorm(const float x[256][300], const float g[300], float y[256][300]) {
  for (int i = 0; i < 256; i++) {
    float s = 0.0f;
    for (int j = 0; j < 300; j++) s += x[i][j] * x[i][j];
    float r = 1.0f / sqrtf(s / 300.0f + 1e-5f);
    for (int j = 0; j < 300; j++) y[i][j] = x[i][j] * r * g[j];
  }
}
"""
RMSNORM = """
def rmsnorm(x, g):
    R, C = x.shape
    out = nl.ndarray((R, C), dtype=nl.float32, buffer=nl.shared_hbm)
    gb = nl.ndarray((128, C), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=gb, src=g.reshape((1, C)).broadcast_to((128, C)))
    for r in nl.affine_range(R // 128):
        t = nl.ndarray((128, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=t, src=x[r*128:(r+1)*128, :])
        q = nl.ndarray((128, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=q, data1=t, data2=t, op=nl.multiply)
        s = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=s, op=nl.add, data=q, axis=1)
        v = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=v, data=s, op0=nl.divide, operand0=300.0, op1=nl.add, operand1=1e-5)
        w = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=w, op=nl.sqrt, data=v)
        z = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.reciprocal(dst=z, data=w)
        y = nl.ndarray((128, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=y, data=t, op0=nl.multiply, operand0=z)
        y2 = nl.ndarray((128, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=y2, data1=y, data2=gb, op=nl.multiply)
        nisa.dma_copy(dst=out[r*128:(r+1)*128, :], src=y2)
    return out
"""
RAGGED_C = """
void add(const float x[200][300], const float z[200][300], float y[200][300]) {
  for (int i = 0; i < 200; i++) for (int j = 0; j < 300; j++) y[i][j] = x[i][j] + 2.0f * z[i][j]; }
"""
RAGGED = """
def add(x, z):
    R, C = x.shape
    out = nl.ndarray((R, C), dtype=nl.float32, buffer=nl.shared_hbm)
    for r in nl.affine_range((R + 127) // 128):
        n = min(128, R - r*128)
        a = nl.ndarray((n, C), dtype=nl.float32, buffer=nl.sbuf)
        b = nl.ndarray((n, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=a, src=x[r*128:r*128+n, :])
        nisa.dma_copy(dst=b, src=z[r*128:r*128+n, :])
        nisa.scalar_tensor_tensor(dst=a, data=b, op0=nl.multiply, operand0=2.0,
                                  op1=nl.add, operand1=a)
        nisa.dma_copy(dst=out[r*128:r*128+n, :], src=a)
    return out
"""
MASKED = """
def add(x, z):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    for r in nl.affine_range(2):
        i_p = nl.arange(128)[:, None]
        i_f = nl.arange(300)[None, :]
        a = nl.load(x[r*128 + i_p, i_f], mask=(r*128 + i_p < 200))
        b = nl.load(z[r*128 + i_p, i_f], mask=(r*128 + i_p < 200))
        c = nl.add(a, nl.multiply(b, 2.0))
        nl.store(out[r*128 + i_p, i_f], c, mask=(r*128 + i_p < 200))
    return out
"""
CAUSAL_C = """
void causal(const float x[128][128], float y[128][128]) {
  for (int i = 0; i < 128; i++)
    for (int j = 0; j < 128; j++) y[i][j] = j <= i ? x[i][j] : -1000.0f;
}
"""
CAUSAL = """
def causal(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    a = nl.ndarray((128, 128), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=a, src=x)
    i_p = nl.arange(128)[:, None]
    i_f = nl.arange(128)[None, :]
    b = nisa.affine_select(pred=(i_p >= i_f), on_true_tile=a, on_false_value=-1000.0)
    nisa.dma_copy(dst=out, src=b)
    return out
"""

ROTATED_C = """
void rotate(const float x[64][64], const float c[64][32], float y[64][64]) {
  for (int i = 0; i < 64; i++)
    for (int j = 0; j < 32; j++) {
      y[i][j] = x[i][j] * c[i][j] - x[i][j + 32] * x[i][j + 32];
      y[i][j + 32] = x[i][j + 32] * c[i][j] + x[i][j] * x[i][j];
    }
}
"""
ROTATED = """
def rotate(x, c):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    a = nl.ndarray((64, 64), dtype=nl.float32, buffer=nl.sbuf)
    b = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=a, src=x)
    nisa.dma_copy(dst=b, src=c)
    y = nl.ndarray((64, 64), dtype=nl.float32, buffer=nl.sbuf)
    t = nl.ndarray((64, 32), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=y[:, :32], data1=a[:, :32], data2=b, op=nl.multiply)
    nisa.tensor_tensor(dst=t, data1=a[:, 32:], data2=a[:, 32:], op=nl.multiply)
    nisa.tensor_tensor(dst=y[:, :32], data1=y[:, :32], data2=t, op=nl.subtract)
    nisa.tensor_tensor(dst=y[:, 32:], data1=a[:, 32:], data2=b, op=nl.multiply)
    nisa.tensor_tensor(dst=t, data1=a[:, :32], data2=a[:, :32], op=nl.multiply)
    nisa.tensor_tensor(dst=y[:, 32:], data1=y[:, 32:], data2=t, op=nl.add)
    nisa.dma_copy(dst=out, src=y)
    return out
"""

MATMUL_SHAPES = ("lhsT=512x512:f32", "rhs=512x1024:f32")
SOFTMAX_SHAPES = ("x=256x300:f32",)
RMSNORM_SHAPES = ("x=256x300:f32", "g=300:f32")
RAGGED_SHAPES = ("x=200x300:f32", "z=200x300:f32")
CAUSAL_SHAPES = ("x=128x128:f32",)
RIGHT = {
    "matmul": (MATMUL_C, MATMUL, MATMUL_SHAPES),
    "transposed on the array": (TRANSPOSED_C, TRANSPOSED, ("A=256x128:f32", "B=128x512:f32")),
    "softmax": (SOFTMAX_C, SOFTMAX, SOFTMAX_SHAPES),
    "rmsnorm": (RMSNORM_C, RMSNORM, RMSNORM_SHAPES),
    "last tile is ragged": (RAGGED_C, RAGGED, RAGGED_SHAPES),
    "first API with masks": (RAGGED_C, MASKED, RAGGED_SHAPES),
    "halves in place": (ROTATED_C, ROTATED, ("x=64x64:f32", "c=64x32:f32")),
    "causal mask": (CAUSAL_C, CAUSAL, CAUSAL_SHAPES),
}
SLICE = "lhsT[k*TK:(k+1)*TK, m*TM:(m+1)*TM]"
WRONG = {
    "wrong tile": (MATMUL_C, MATMUL, MATMUL_SHAPES, SLICE, "lhsT[k*TK:(k+1)*TK, 0:TM]"),
    "lost accumulation": (MATMUL_C, MATMUL, MATMUL_SHAPES, "// TK):", "// TK - 1):"),
    "swapped operands": (
        MATMUL_C.replace("1024", "512"),
        MATMUL,
        ("lhsT=512x512:f32", "rhs=512x512:f32"),
        "rhs[k*TK:(k+1)*TK, n*TN:(n+1)*TN]",
        "lhsT[k*TK:(k+1)*TK, n*TN:(n+1)*TN]",
    ),
    "minimum": (SOFTMAX_C, SOFTMAX, SOFTMAX_SHAPES, "nl.maximum", "nl.minimum"),
    "not normalised": (SOFTMAX_C, SOFTMAX, SOFTMAX_SHAPES, "op0=nl.divide", "op0=nl.multiply"),
    "never loaded": (
        RMSNORM_C,
        RMSNORM,
        RMSNORM_SHAPES,
        "        nisa.dma_copy(dst=t, src=x[r*128:(r+1)*128, :])\n",
        "",
    ),
    "other factor": (RAGGED_C, RAGGED, RAGGED_SHAPES, "operand0=2.0", "operand0=2.5"),
    "last row masked": (
        RAGGED_C,
        MASKED,
        RAGGED_SHAPES,
        "c, mask=(r*128 + i_p < 200",
        "c, mask=(r*128 + i_p < 199",
    ),
    "mask off by one": (CAUSAL_C, CAUSAL, CAUSAL_SHAPES, "i_p >= i_f", "i_p > i_f"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_kernels_are_proved(proof, name: str) -> None:
    """A kernel as its author would write it is proved equal to the plain loops."""
    c, nki, shapes = RIGHT[name]
    result = proof(c, nki, *shapes)
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize("name", WRONG)
def test_wrong_kernels_are_refuted(proof, name: str) -> None:
    """One change, and there are inputs on which running both programs shows the difference."""
    c, nki, shapes, old, new = WRONG[name]
    assert old in nki
    result = proof(c, nki.replace(old, new), *shapes)
    assert result.verdict == "refuted", result.reason
    assert result.counterexample is not None


def test_size_does_not_matter(proof) -> None:
    """The proof of a product of 131,072 instructions asks no more than that of a small one."""
    large = MATMUL_C
    for old, new in (("M 512", "M 4096"), ("N 1024", "N 8192"), ("K 512", "K 8192")):
        large = large.replace(old, new)
    small = proof(MATMUL_C, MATMUL, *MATMUL_SHAPES)
    result = proof(large, MATMUL, "lhsT=8192x4096:f32", "rhs=8192x8192:f32")
    assert result.verdict == "proved"
    assert result.obligations == small.obligations


def test_precision_is_not_changed_silently(proof) -> None:
    """A kernel that keeps an intermediate in bf16 is not the kernel in f32."""
    half = MATMUL.replace(
        "a = nl.ndarray((TK, TM), dtype=lhsT.dtype", "a = nl.ndarray((TK, TM), dtype=nl.bfloat16"
    )
    half = half.replace(
        "b = nl.ndarray((TK, TN), dtype=rhs.dtype", "b = nl.ndarray((TK, TN), dtype=nl.bfloat16"
    )
    assert half.count("bfloat16") == 2
    small = MATMUL_C
    for old, new in (("M 512", "M 128"), ("N 1024", "N 512"), ("K 512", "K 128")):
        small = small.replace(old, new)
    assert proof(small, half, "lhsT=128x128:f32", "rhs=128x512:f32").verdict != "proved"


DIVIDE = "nisa.tensor_scalar(dst=y, data=e, op0=nl.divide, operand0=s)"
INVERSE = """q = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.reciprocal(dst=q, data=s)
        nisa.tensor_scalar(dst=y, data=e, op0=nl.multiply, operand0=q)"""


@pytest.mark.parametrize(
    ("quotient", "inverted", "verdict", "is_assumed"),
    [
        ("y[i][j] / s", "s", "proved", True),
        ("y[i][j] * (1.0f / s)", "s", "proved", False),
        ("y[i][j] / s", "m", "refuted", False),
        ("y[i][j] / m", "s", "refuted", False),
    ],
)
def test_products_with_an_inverse_are_quotients_under_an_assumption(
    proof, quotient: str, inverted: str, verdict: str, is_assumed: bool
) -> None:
    """Kernels that multiply with `reciprocal` divide by it, and the verdict says how they round."""
    c = SOFTMAX_C.replace("y[i][j] / s", quotient)
    kernel = SOFTMAX.replace(DIVIDE, INVERSE.replace("data=s", f"data={inverted}"))
    result = proof(c, kernel, *SOFTMAX_SHAPES)
    assert result.verdict == verdict, result.reason
    assert (INVERSES in result.assumptions) == is_assumed


def test_products_with_an_inverse_are_no_quotients_elsewhere(proof) -> None:
    """Without an instruction for inverses the kernel has no reason to round twice."""
    c = SOFTMAX_C.replace("y[i][j] / s", "y[i][j] * (1.0f / s)")
    assert proof(c, SOFTMAX, *SOFTMAX_SHAPES).verdict == "unknown"


COMPOSED_C = """
void f(const float x[128][32], float y[128][32]) {
  for (int i = 0; i < 128; i++)
    for (int j = 0; j < 32; j++) y[i][j] = EXPRESSION;
}
"""
COMPOSED = """
def f(x):
    out = nl.ndarray(x.shape, dtype=nl.float32, buffer=nl.shared_hbm)
    t = nl.ndarray(x.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=t, src=x)
    nisa.activation(dst=t, op=nl.FUNCTION, data=t)
    nisa.dma_copy(dst=out, src=t)
    return out
"""
EXPRESSIONS = {
    "rsqrt": "1.0f / sqrtf(x[i][j])",
    "sigmoid": "1.0f / (1.0f + expf(-x[i][j]))",
    "silu": "x[i][j] / (1.0f + expf(-x[i][j]))",
}


@pytest.mark.parametrize("function", EXPRESSIONS)
def test_function_equals_its_expression_under_an_assumption(proof, function: str) -> None:
    """The table function is the expression of C, and the verdict says that it rounds once."""
    for expression in EXPRESSIONS.values():
        c = COMPOSED_C.replace("EXPRESSION", expression)
        result = proof(c, COMPOSED.replace("FUNCTION", function), "x=128x32:f32")
        expected = "proved" if expression == EXPRESSIONS[function] else "refuted"
        assert result.verdict == expected, result.reason
        assert (ROUNDED_ONCE in result.assumptions) == (expected == "proved")
