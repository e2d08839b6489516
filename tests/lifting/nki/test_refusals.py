"""What the NKI reader refuses: a diagnostic with line and column, never a traceback."""

from __future__ import annotations

import random
import re

import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.lifting.nki import NkiError, parse_shapes, read_nki

HEAD = """import nki
import nki.isa as nisa
import nki.language as nl
@nki.jit
def kernel(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
"""
TAIL = """
    nisa.dma_copy(dst=out, src=tile)
    return out
"""
BODIES = {
    "with open('f') as f: pass": "`with` is not understood",
    "try:\n        pass\n    except: pass": "Try is not understood",
    "import os\n    os.system('true')": "name 'os' is not defined",
    "print(__import__('os'))": "name '__import__' is not defined",
    "eval('1')": "name 'eval' is not defined",
    "tile.__class__": "understood|no '__class__'",
    "x.shape.__class__": "has no '__class__'",
    "nisa.frobnicate(tile)": "nisa.frobnicate is not understood",
    "nl.exp(x)": "an array in HBM is no operand",
    "nl.exp(tile, wrong=1)": "no 'wrong' that is understood",
    "tile[:, 40:50] = nl.exp(tile)": "index 49 is outside dimension 1 of size 32",
    "nisa.tensor_tensor(dst=tile, data1=tile, data2=tile, op=nl.exp)": "is no operator",
    "nisa.nc_matmul(dst=tile, stationary=tile, moving=tile)": "must be in PSUM",
    "nl.ndarray((200, 4), dtype=nl.float32, buffer=nl.sbuf)": "200 partitions; there are 128",
    "nl.ndarray((128, 0), dtype=nl.float32)": "must be a positive number",
    "if tile > 0:\n        pass": "depends on data",
    "y = 10 ** 10 ** 10": r"\*\*",
    "y = [0] * 10 ** 9": "a list of over",
    "y = 'a' + 1": "has no meaning here",
    "y = 1 // 0": "division by zero",
    "while True:\n        pass": "over 10000 iterations",
    "for i in range(10 ** 7):\n        y = [i][0] + [0, 1][i % 2]": "over 65536 iterations",
    "for i in nl.affine_range(4):\n        nl.exp(tile[i * 32 : i * 32 + 32, i * 40])": "outside",
    "assert x.shape[1] == 7, 'seven columns'": "seven columns",
    "global y": "Global is not understood",
    "class A:\n        for i in range(3): pass": "a class lists fields and methods",
    "raise ValueError(f'{x.shape[1]} columns')": "raise: 32 columns",
    "d = {'a%d' % 1: tile}": "this text is not known here",
    "y = 3 < nl.arange(32)[None, :] < 9": "depends on data",
    "f = lambda: f()\n    f()": "over 40 calls inside of each other",
    "y = tile[tile]": "an index that is data",
    "y = nl.load(x[0:300])": "outside dimension 0",
    "nisa.activation(dst=tile, op=nl.add, data=tile)": "is no activation",
    "y = x @ x": "@ is not understood",
}


@pytest.mark.parametrize("body", BODIES)
def test_construct_is_refused_where_it_stands(body):
    """A construct that cannot be read is named, with its line."""
    text = HEAD + "    " + body + TAIL
    with pytest.raises(NkiError, match=BODIES[body]) as refused:
        read_nki(text, "kernel.py", parse_shapes(["x=128x32"]))
    assert refused.value.location is not None
    assert refused.value.location.line >= 9
    assert refused.value.location.column >= 1


def test_text_that_is_not_python_is_refused():
    """A syntax error has its place."""
    with pytest.raises(NkiError, match="not Python") as refused:
        read_nki("def kernel(x:\n  pass", "kernel.py")
    assert refused.value.location.line == 1


def test_deep_nesting_is_refused():
    """Nesting that would exhaust the reader's stack is refused, not followed."""
    for depth in (200, 5000, 100_000):
        texts = ["y = " + "-" * depth + "1\ndef kernel(x): pass"]
        if depth > 200:
            texts.append("def kernel(x):\n    y = " + "(" * depth + "1" + ")" * depth + "\n")
        for text in texts:
            with pytest.raises(NkiError, match=r"nested|too many|not Python"):
                read_nki(text, "kernel.py", parse_shapes(["x=1x1"]))


def test_parameters_need_shapes():
    """An array parameter without a shape is refused, with how to give one."""
    with pytest.raises(NkiError, match="parameter 'x' has no shape") as refused:
        read_nki(HEAD + TAIL, "kernel.py")
    assert "--shape" in refused.value.hint


@pytest.mark.parametrize(
    "option", ["x", "x=", "x='a", "x=(1, y)", "x=(1,", "x=4xq", "x=4x4:f99", "=4x4", "x=0x4"]
)
def test_bad_shapes_are_refused(option):
    """A shape that cannot be read is refused, and quoted."""
    with pytest.raises(Diagnostic, match=re.escape(option.split("=")[0] or "--shape")):
        parse_shapes([option])


def test_damaged_kernels_give_diagnostics_only():
    """Whatever is changed in a kernel's text, the reader reads it or refuses it."""
    body = """    for i in nl.affine_range(4):
        part = tile[:, i * 8 : (i + 1) * 8]
        nisa.tensor_scalar(dst=part, data=part, op0=nl.multiply, operand0=2.0)
"""
    text = HEAD + body + TAIL
    words = ["0", "None", "nl", "x", "(", ")", "[", "]", ":", "*", "nl.psum", "'s'", "1.5", "{}"]
    chance = random.Random(3)
    parts = re.findall(r"\w+|\s+|[^\w\s]", text)
    for _ in range(400):
        damaged = list(parts)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.choice([*words, ""])
        try:
            read_nki("".join(damaged), "kernel.py", parse_shapes(["x=128x32"]))
        except Diagnostic:
            continue
