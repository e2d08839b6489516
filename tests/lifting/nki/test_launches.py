"""Kernels whose programs run on a grid: all of them are read, and share what they allocate."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import run
from liftproof.lifting.nki import NkiError, parameter_names, parse_shapes, read_nki

KERNEL = """
import neuronxcc.nki as nki
import neuronxcc.nki.language as nl

@nki.jit
def kernel(x):
    rows, columns = x.shape
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    ix = nl.program_id(0) * 128 + nl.arange(128)[:, None]
    width = columns // nl.num_programs(1)
    iy = nl.program_id(1) * width + nl.arange(width)[None, :]
    tile = nl.load(x[ix, iy], mask=(ix < rows))
    nl.store(out[ix, iy], value=tile * 2.0, mask=(ix < rows))
    return out
"""
LAUNCHER = """
def launch(x):
    return kernel[-(-x.shape[0] // 128), nl.nc(4)](x)

def test_kernel():
    x = torch.rand(256, 64)
    assert kernel[2, 4](x).sum() > 0
"""


@pytest.mark.parametrize(
    ("text", "options", "loops"),
    [
        (KERNEL, ["x=256x64", "grid=(2, 4)"], 2),
        (KERNEL, ["x=128x64"], 0),
        (KERNEL + LAUNCHER, ["x=512x64"], 2),
        (KERNEL + LAUNCHER, ["x=300x64"], 3),
    ],
    ids=["grid as an option", "one program", "launched in the file", "ragged"],
)
def test_all_programs_of_a_grid_are_read(text, options, loops):
    """Each program does its part, in loops as long as none is special."""
    function = kernel_function(read_nki(text, "kernel.py", parse_shapes(options)))
    shape = tuple(int(size) for size in options[0][2:].split("x"))
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    arrays = run(function, load_config("trainium1"), {"x": x, "out": np.zeros_like(x)})
    np.testing.assert_array_equal(arrays["out"], 2 * x)
    assert Counter(op.name for op in function.walk())["scf.for"] == loops


def test_function_that_launches_gives_the_parameters():
    """Shapes are asked for the function that is read, whose names may be others."""
    text = KERNEL + LAUNCHER.replace("launch(x)", "launch(given)").replace("x.shape", "given.shape")
    text = text.replace("(x)\n\ndef test", "(given)\n\ndef test")
    assert parameter_names(text, "kernel.py") == ["given"]
    assert parameter_names(text, "kernel.py", ["x"]) == ["x"]


def test_bad_grid_is_refused():
    """A grid has positive sizes, and its programs launch no other."""
    with pytest.raises(NkiError, match="positive sizes"):
        read_nki(KERNEL, "kernel.py", parse_shapes(["x=256x64", "grid=(2, 0)"]))
    nested = KERNEL.replace("    rows,", "    return kernel[2](x)\n    rows,")
    with pytest.raises(NkiError, match="program of another grid"):
        read_nki(nested, "kernel.py", parse_shapes(["x=256x64", "grid=2"]))
