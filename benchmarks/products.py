"""Products that are not six equal ones: ragged, of one row, transposed, with a bias and a scale.

``python benchmarks/products.py`` replays the schedules in ``products.golden.json`` and fails where
a count of cycles has changed. ``--update`` searches for schedules anew, ``--budget`` programs at
level ``soc`` and half as many at level ``accelerator``, proves the best and writes the table.
``--only TEXT`` takes the products whose name contains the text. Bounds are those of the kernel, for
any program (``hw/gemmini/kernel_bound.py``).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from gemms import SOURCE, changed, update
from networks import Kernel, read_kernel

GOLDEN = Path(__file__).with_suffix(".golden.json")
B_TRANSPOSED = SOURCE.replace("B[{k}][{n}]", "B[{n}][{k}]").replace("B[k][j]", "B[j][k]")
A_TRANSPOSED = SOURCE.replace("A[{m}][{k}]", "A[{k}][{m}]").replace("A[i][k]", "A[k][i]")
POST_OP = """#include <math.h>
#include <stdint.h>
void matmul(const int8_t A[{m}][{k}], const int8_t B[{k}][{n}], const int32_t bias[{n}],
            int8_t C[{m}][{n}]) {{
  for (int i = 0; i < {m}; i++)
    for (int j = 0; j < {n}; j++) {{
      int32_t sum = bias[j];
      for (int k = 0; k < {k}; k++)
        sum += A[i][k] * B[k][j];
      int32_t positive = sum > 0 ? sum : 0;
      int32_t scaled = (int32_t)rintf((float)positive * 0.0078125f);
      C[i][j] = scaled > 127 ? 127 : (scaled < -128 ? -128 : scaled);
    }}
}}
"""
PRODUCTS = {
    "33x47x129": (SOURCE, 33, 47, 129),
    "197x64x197": (SOURCE, 197, 64, 197),
    "197x768x768": (SOURCE, 197, 768, 768),
    "1x1024x1024": (SOURCE, 1, 1024, 1024),
    "4096x4096x64": (SOURCE, 4096, 4096, 64),
    "512x512x512 bias, ReLU, scale": (POST_OP, 512, 512, 512),
    "512x512x512 A transposed": (A_TRANSPOSED, 512, 512, 512),
    "512x512x512 B transposed": (B_TRANSPOSED, 512, 512, 512),
}
"""C source, rows and columns of C, and the terms of a sum."""


def read_products(only: str) -> list[Kernel]:
    """The products whose names contain ``only``, read and lifted."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            read_kernel(name, source.format(m=m, n=n, k=k), Path(folder))
            for name, (source, m, n, k) in PRODUCTS.items()
            if only in name
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="search anew, write the table")
    parser.add_argument("--budget", type=int, default=32, help="programs per product")
    parser.add_argument("--only", default="", help="part of their names, such as 197x64")
    options = parser.parse_args()
    kernels = read_products(options.only)
    table: dict[str, Any] = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
    if options.update:
        update(kernels, table, options.budget, GOLDEN)
    elif count := changed(kernels, table):
        print(f"{count} counts have changed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
