"""Kernels in C, lowered, proved and run by the functional simulator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.check import check
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import run
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.lifting.scalars import with_arrays_only
from liftproof.validation.validate import Validation, validate
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

CONFIG = load_config("trainium1")


@pytest.fixture(scope="session")
def lowered() -> Callable[[str, ModulePass], ModuleOp]:
    """Lowers a C kernel by one pass."""

    def lower(text: str, instance: ModulePass) -> ModuleOp:
        module = lift(with_arrays_only(parse_c_kernel(text, "kernel.c")))
        instance.apply(new_context(), module)
        module.verify()
        return module

    return lower


@pytest.fixture(scope="session")
def outputs() -> Callable[..., list[np.ndarray]]:
    """The arrays after a run of a tile program."""

    def simulate(module: ModuleOp, *inputs: np.ndarray) -> list[np.ndarray]:
        function = kernel_function(module)
        check(function, CONFIG)
        names = [argument.name_hint or "" for argument in function.args]
        return list(run(function, CONFIG, dict(zip(names, inputs, strict=True))).values())

    return simulate


@pytest.fixture(scope="session")
def proof() -> Callable[[str, ModuleOp], Validation]:
    """Validates a lowered program against the C kernel."""
    return lambda text, module: validate(with_arrays_only(parse_c_kernel(text, "kernel.c")), module)
