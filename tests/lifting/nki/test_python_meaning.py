"""What Python itself does in a kernel: keys, closures, classes, definitions of the file."""

from __future__ import annotations

import numpy as np
import pytest
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import run
from liftproof.lifting.nki import NkiError, parse_shapes, read_nki

HEAD = """
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
import neuronxcc.nki as nki
import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl
"""
KERNEL = """
@nki.jit
def kernel(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    part = lambda i: nl.load(x[:, i * 8 : (i + 1) * 8])
    def store(i, tile):
        nl.store(out[:, i * 8 : (i + 1) * 8], tile)
"""
CLASS = """
class Sizes(NamedTuple):
    first: int
    second: int = 3

@dataclass(frozen=True)
class Base:
    factor: float = 2.0

    @property
    def double(self):
        return 2 * self.factor

@dataclass
class Config(Base):
    count: int = 0

    def next(self, step=1):
        self.count += step
        return self.count

class Scaled:
    def __init__(self, factor, *, shift=0.0):
        self.factor, self.shift = factor, shift

    def __post_init__(self):
        raise ValueError("only a dataclass calls this")

    @staticmethod
    def one():
        return 1.0

    def apply(self, tile):
        return tile * (self.factor + self.shift)
"""
FACTORS = {
    "keys of formatted texts": (
        "",
        """
    tiles = {f"{'t'}{i:03d}": part(i) for i in range(4)}
    for i in nl.affine_range(4):
        store(i, tiles[f"t{3 - i:>03}"])
""",
        None,
    ),
    "keys that are loop variables": (
        "",
        """
    tiles = {}
    for i in nl.affine_range(4):
        tiles[i, "t"] = part(i)
    for i in nl.affine_range(4):
        store(i, tiles[3 - i, "t"])
""",
        None,
    ),
    "a loop variable among values": (
        "",
        """
    for i in nl.affine_range(4):
        store(i, part(i) * (2.0 if i in (0, 3) else 1.0))
""",
        (2, 1, 1, 2),
    ),
    "tuples of loop variables compared": (
        "",
        """
    for i in nl.affine_range(4):
        store(i, part(i) * (2.0 if (i, 0) == (1, 0) else 1.0))
""",
        (1, 2, 1, 1),
    ),
    "chained comparisons": (
        "",
        """
    for i in nl.affine_range(4):
        store(i, part(i) * (2.0 if 3 > i > 0 else 1.0))
""",
        (1, 2, 2, 1),
    ),
    "defaults as they are when a function is defined": (
        "",
        """
    functions = []
    for n in range(4):
        functions.append(lambda tile, f=n + 1.0: tile * f)
    n = 7
    for i in range(4):
        store(i, functions[i](part(i)))
""",
        (1, 2, 3, 4),
    ),
    "names as they are when a function is called": (
        "",
        """
    n = 1.0
    f = lambda tile: tile * n
    n = 3.0
    for i in nl.affine_range(4):
        store(i, f(part(i)))
""",
        (3, 3, 3, 3),
    ),
    "a list under two names": (
        "",
        """
    one = []
    two = one
    for i in range(4):
        two += [part(i)]
    for i in range(4):
        store(i, one[i] * float(len(one)))
""",
        (4, 4, 4, 4),
    ),
    "definitions of the file one after the other": (
        """
try:
    import torch
except ImportError:
    pass
FACTOR = 1.0
FACTOR += 1.0
if FACTOR > 1:
    FACTOR = FACTOR * 2
if __name__ == "__main__":
    FACTOR = 100.0
TABLE = [FACTOR]
TABLE.append(5.0)
""",
        """
    for i in nl.affine_range(4):
        store(i, part(i) * TABLE[i % 2])
""",
        (4, 5, 4, 5),
    ),
    "classes, their methods and tuples": (
        CLASS,
        """
    sizes = Sizes(first=1)
    low, high = sizes
    config = Config(3.0)
    for i in nl.affine_range(4):
        factor = config.next() if low <= i < sizes[1] else config.double
        store(i, Scaled(factor, shift=Scaled.one()).apply(part(i)))
""",
        (7, 2, 3, 7),
    ),
    "partial functions, and attributes by name": (
        CLASS,
        """
    scale = partial(lambda tile, factor, shift=0.0: tile * (factor + shift), shift=1.0)
    assert isinstance(x.shape, tuple) and not hasattr(Base, "missing")
    for i in nl.affine_range(4):
        store(i, getattr(nl, "multiply")(scale(part(i), getattr(Base(), "factor")), 2.0))
""",
        (6, 6, 6, 6),
    ),
}


def result_of(text: str) -> tuple[np.ndarray, np.ndarray]:
    """A random input of 16 × 32, and what the kernel makes of it."""
    function = kernel_function(read_nki(text, "kernel.py", parse_shapes(["x=16x32"])))
    x = np.random.default_rng(3).standard_normal((16, 32)).astype(np.float32)
    return x, run(function, load_config("trainium1"), {"x": x, "out": np.zeros_like(x)})["out"]


@pytest.mark.parametrize("name", FACTORS)
def test_python_is_evaluated_as_python_does(name):
    """Blocks of eight columns are multiplied as the kernel says, or change places."""
    before, body, factors = FACTORS[name]
    x, out = result_of(HEAD + before + KERNEL + body + "    return out\n")
    blocks = x.reshape(16, 4, 8)
    if factors is None:
        expected = blocks[:, ::-1]
    else:
        expected = blocks * np.array(factors, dtype=np.float32)[None, :, None]
    np.testing.assert_allclose(out, expected.reshape(x.shape), rtol=1e-6)


@pytest.mark.parametrize(
    "change",
    ["FACTOR += missing", "for n in (5.0,):\n    FACTOR = n", "FACTOR = nl.zeros((4, 4))"],
)
def test_no_older_value_is_taken_for_one_that_is_not_understood(change):
    """A definition of the file that cannot be read makes its name unreadable."""
    body = "    for i in nl.affine_range(4):\n        store(i, part(i) * FACTOR)\n"
    with pytest.raises(NkiError, match=r"kernel\.py:10"):
        result_of(f"{HEAD}\nFACTOR = 2.0\n{change}\n{KERNEL}{body}    return out\n")
