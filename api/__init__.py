"""Liftproof: plain C kernels become fast, proven tensor-accelerator code.

The public Python API. Names are resolved on first use, so that ``import liftproof`` stays cheap::

    import liftproof

    result = liftproof.optimize("matmul.c", liftproof.OptimizeOptions(budget=32), executor)
    print(result.timing.cycles, result.validation.verdict)
"""

from __future__ import annotations

from importlib import import_module

_HOME = {
    "Diagnostic": "liftproof.diagnostics",
    "decide": "liftproof.validation.decide",
    "GemminiConfig": "liftproof.hw.gemmini.config",
    "ModelOptions": "liftproof.llm.advice",
    "OptimizeOptions": "liftproof.tools.optimize",
    "lift_and_prove": "liftproof.lifting.prove",
    "load_config": "liftproof.hw.gemmini.config",
    "optimize": "liftproof.tools.optimize",
    "parse_c_kernel": "liftproof.lifting.c.frontend",
    "read_c_kernel": "liftproof.lifting.c.frontend",
    "simulate_timing": "liftproof.hw.gemmini.timing",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
