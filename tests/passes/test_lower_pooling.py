"""Maxima over windows, of arrays and of convolutions, become pooling stores that are proved."""

from __future__ import annotations

import pytest
from liftproof.dialects.gemmini import ConfigStOp, MvoutOp
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.kernel_bound import kernel_bound
from liftproof.hw.gemmini.lower_bound import lower_bound
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.llm.work import demand_of, necessary_work
from liftproof.passes.kernel import kernel_of
from liftproof.passes.pipelines import first_pipelines, untuned_pipeline
from liftproof.passes.pooling.facts import Pooling
from liftproof.passes.pooling.read import pooling_of, read_pooling
from liftproof.passes.post_op import PostOp
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

POOL = """#include <stdint.h>
void pool(const int8_t X[{batch}][{size}][{size}][{channels}],
          int8_t Y[{batch}][{pooled}][{pooled}][{channels}]) {{
  for (int b = 0; b < {batch}; b++)
    for (int i = 0; i < {pooled}; i++)
      for (int j = 0; j < {pooled}; j++)
        for (int c = 0; c < {channels}; c++) {{
          int8_t m = {start};
          for (int r = 0; r < {window}; r++)
            for (int s = 0; s < {window}; s++) {{
              int y = {step} * i + r - {pad}, x = {step} * j + s - {pad};
              if ({guard}X[b][y][x][c] > m) m = X[b][y][x][c];
            }}
          Y[b][i][j][c] = m;
        }}
}}"""
GUARD = "y >= 0 && y < {size} && x >= 0 && x < {size} && "
CONVOLUTION = """#include <stdint.h>
void conv_pool(const int8_t X[13][13][8], const int8_t W[3][3][8][20], const int32_t B[20],
               int8_t Y[3][3][20]) {
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++)
      for (int c = 0; c < 20; c++) {
        int8_t m = -128;
        for (int u = 0; u < 2; u++)
          for (int v = 0; v < 2; v++) {
            int32_t s = B[c];
            for (int p = 0; p < 3; p++)
              for (int q = 0; q < 3; q++)
                for (int k = 0; k < 8; k++)
                  s += X[2 * (2 * i + u) + p][2 * (2 * j + v) + q][k] * W[p][q][k][c];
            int8_t x = s < -128 ? -128 : s > 127 ? 127 : s;
            if (x > m) m = x;
          }
        Y[i][j][c] = m;
      }
}"""


def _pool(
    size: int,
    window: int,
    step: int,
    pad: int = 0,
    batch: int = 1,
    channels: int = 20,
    start: int = -128,
) -> ModuleOp:
    text = POOL.format(
        size=size,
        window=window,
        step=step,
        pad=pad,
        batch=batch,
        channels=channels,
        start=start,
        pooled=(size + 2 * pad - window) // step + 1,
        guard=GUARD.format(size=size) if pad else "",
    )
    return parse_c_kernel(text, "pool.c")


def _read(source: ModuleOp) -> Pooling:
    return read_pooling(kernel_of(lift(source)))


def _proved(source: ModuleOp, pipeline: str) -> ModuleOp:
    program = lower(str(lift(source)), parse_pipeline(pipeline))
    result = validate(source, program)
    assert result.verdict == "proved", result.reason
    return program


@pytest.mark.parametrize(
    ("source", "blocks"),
    [
        (_pool(6, 2, 2, batch=2), "rows=3 cols=3"),
        (_pool(7, 3, 2, pad=1), "rows=2 cols=4"),
        (_pool(5, 3, 1, channels=8), "rows=3 cols=3"),
        (_pool(6, 2, 2, start=0), "rows=2 cols=3"),
    ],
    ids=["2x2", "border", "overlapping", "relu"],
)
def test_a_pooling_is_proved(source: ModuleOp, blocks: str) -> None:
    """Images, borders, short blocks and channels: the lowered program is the kernel."""
    _proved(source, f"gemmini-lower-pooling{{{blocks}}}")


def test_a_convolution_is_pooled_in_the_store() -> None:
    """Sums never leave the accumulator: as many stores as blocks of channels, all pooling."""
    source = parse_c_kernel(CONVOLUTION, "conv.c")
    program = _proved(source, "gemmini-lower-pooling{rows=3 cols=3},canonicalize,cse")
    stores = [op for op in program.walk() if isinstance(op, MvoutOp)]
    configs = [op for op in program.walk() if isinstance(op, ConfigStOp)]
    assert len(stores) == 2
    assert [op.pool_size.value.data for op in configs] == [2]


def test_a_kernel_names_its_windows() -> None:
    """What is read does not depend on how the border is written."""
    pooling = _read(_pool(7, 3, 2, pad=1))
    rows = pooling.rows
    assert (rows.pooled, rows.window, rows.step, rows.pad, rows.extent) == (4, 3, 2, 1, 7)
    assert not pooling.border_counts
    assert rows.covered == 7


def test_shared_pixels_are_necessary_once() -> None:
    """Windows that overlap need each product of a pixel once only."""
    tensors = lift(parse_c_kernel(CONVOLUTION, "conv.c"))
    work = necessary_work(tensors)
    assert work.macs == 6 * 6 * 20 * 9 * 8
    image = necessary_work(lift(_pool(7, 3, 2, pad=1)))
    assert (image.macs, image.read_bytes, image.written_bytes) == (0, 7 * 7 * 20, 4 * 4 * 20)


def test_no_program_spends_less_than_the_bound_of_the_kernel() -> None:
    """Each unit of a program for a pooled convolution is busy as long as its kernel says."""
    tensors, config = lift(parse_c_kernel(CONVOLUTION, "conv.c")), load_config()
    least = kernel_bound(demand_of(tensors, config), config, dram=False).terms
    program = lower(str(tensors), parse_pipeline(untuned_pipeline(str(tensors))))
    done = lower_bound(stream_of_module(program, config)[0], config)
    assert 0 < least["array"] <= done.compute
    assert 0 < least["load"] <= done.load
    assert 0 < least["store"] <= done.store
    assert 0 < least["port"] <= done.port


def test_pipelines_begin_with_the_best_guess() -> None:
    """All pipelines name sizes that fit; the untuned one is the last."""
    tensors = str(lift(_pool(30, 2, 2)))
    found = [*first_pipelines(tensors)]
    assert found[-1] == untuned_pipeline(tensors)
    assert len(set(found)) > 3
    assert all(lower(tensors, parse_pipeline(pipeline)) for pipeline in found)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("> m", "< m"), "closest store"),
        (("[4][4][20]", "[4][4][20]"), "do not fit"),
        (("X[b][y][x][c]", "X[b][y][c][x]"), "channels come last"),
    ],
)
def test_what_no_store_pools_is_refused(change: tuple[str, str], reason: str) -> None:
    """Minima, windows beyond the store unit's fields and other layouts: a reason, no program."""
    step = 2 if reason != "do not fit" else 4
    window = 2 if reason != "do not fit" else 4
    text = POOL.format(
        batch=1,
        size=20,
        channels=20,
        pooled=4,
        start=-128,
        window=window,
        step=step,
        pad=0,
        guard="",
    )
    tensors = lift(parse_c_kernel(text.replace(*change), "pool.c"))
    with pytest.raises(PassFailedException, match=reason):
        lower(str(tensors), parse_pipeline("gemmini-lower-pooling"))


def test_a_product_is_no_pooling() -> None:
    """Kernels that end with a sum are left to the other passes."""
    text = CONVOLUTION.replace("if (x > m) m = x", "m = m + x")
    assert pooling_of(kernel_of(lift(parse_c_kernel(text, "sum.c")))) is None


def test_a_maximum_in_a_wider_type_is_read() -> None:
    """C that counts in int and narrows at the end means the same pooling."""
    text = POOL.format(
        batch=1, size=6, channels=20, pooled=3, start="INT32_MIN", window=2, step=2, pad=0, guard=""
    )
    pooling = _read(parse_c_kernel(text.replace("int8_t m", "int m"), "pool.c"))
    assert (pooling.rows.window, pooling.post) == (2, PostOp(scale=1.0))
