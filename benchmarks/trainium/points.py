"""The measured points that the cycle model is fitted on, and the kernels that they belong to.

Tutorial points are published with their kernels; those of NKIBench are published as times, traffic
and utilisation, and the kernels here were written to agree with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KERNELS = Path(__file__).parent / "kernels"


@dataclass(frozen=True)
class Point:
    """One measured kernel; the group's points are variants, whose order must be right."""

    name: str
    kernel: str
    microseconds: float
    config: str = "trainium1"
    shapes: tuple[str, ...] = ()
    group: str = ""

    @property
    def path(self) -> Path:
        return KERNELS / f"{self.kernel}.py"


def _mamba(channels: int, length: int) -> tuple[str, ...]:
    return (
        f"delta=1x{channels}x{length}:f32",
        f"u=1x{channels}x{length}:f32",
        f"A={channels}x16:f32",
        f"B=1x16x{length}:f32",
        f"C=1x16x{length}:f32",
    )


LAYERNORM = ("gamma_vector=8192:f32", "beta_vector=8192:f32")
CUBE = ("lhsT=4096x4096:bf16", "rhs=4096x4096:bf16")
POINTS = (
    Point("matmul tiled", "matmul_tiled", 51_800, group="matmul"),
    Point("matmul, loads hoisted", "matmul_hoist_load", 42_960, group="matmul"),
    Point("matmul, blocks of 2 × 2", "matmul_block_free", 22_070, group="matmul"),
    Point("matmul, fully blocked", "matmul_fully_blocked", 6_970, group="matmul"),
    Point("layernorm v1", "layernorm_v1", 2_311, shapes=LAYERNORM, group="layernorm"),
    Point("layernorm v2", "layernorm_v2", 1_969, shapes=LAYERNORM, group="layernorm"),
    Point("mamba v1, 256 channels", "mamba_v1", 172.93),
    Point("mamba v1, 4096 channels", "mamba_v1", 2_340, shapes=_mamba(4096, 512), group="mamba"),
    Point("mamba v2, 4096 channels", "mamba_v2", 1_610, group="mamba"),
    Point("mamba v3, length 1024", "mamba_v3", 3_300, shapes=_mamba(4096, 1024), group="length"),
    Point("mamba v3, length 2048", "mamba_v3", 6_600, shapes=_mamba(4096, 2048), group="length"),
    Point("mamba v3, length 3072", "mamba_v3", 10_100, shapes=_mamba(4096, 3072), group="length"),
    Point("mamba v3, length 4096", "mamba_v3", 13_300, shapes=_mamba(4096, 4096), group="length"),
    Point("NKIBench matmul", "bench_matmul", 35_200),
    Point("NKIBench transpose_matmul", "bench_transpose_matmul", 9_610),
    Point("NKIBench rmsnorm_matmul", "bench_rmsnorm_matmul", 1_056),
    Point("NKIBench bmm", "bench_bmm", 4_611),
    Point("NKIBench silu", "bench_silu", 1_333),
    Point("NKIBench adamw", "bench_adamw", 2_000),
    Point("NKIBench rope", "bench_rope", 4_333),
    Point("Trn2 matmul V0", "matmul_tiled", 8_602, "trainium2", CUBE, "Trn2"),
    Point("Trn2 matmul V2", "matmul_fully_blocked", 1_801, "trainium2", CUBE, "Trn2"),
)
