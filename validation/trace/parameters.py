"""What a stream and its source have in common: the arrays, and what a proof assumes of them."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.memory import MemoryLayout
from ..assumptions import ASSUMPTIONS, assumptions_of
from ..core.matching import REASSOCIATED
from ..core.polyhedral import Unsupported
from ..execution.execute import parameter_shapes
from ..extract.structured import single_function
from .transforms import element_type

SOLVER = "symbolic execution, z3"
ZERO_PRODUCTS = (
    "floating-point zeros are zero: 0·x adds nothing (no infinities, NaNs, negative zeros)"
)


def require_same_parameters(source: ModuleOp, layout: MemoryLayout) -> None:
    """Raises ``Unsupported`` unless the source's parameters are the arrays of the stream."""
    shapes = parameter_shapes(single_function(source))
    placed = [(array.shape, element_type(array.dtype.name)) for array in layout.arrays]
    if layout.own_arrays:
        raise Unsupported("the stream uses arrays that are no parameters")
    if shapes != placed:
        raise Unsupported(f"its parameters {shapes} are not the arrays of the stream, {placed}")


def assumptions_at(
    source: ModuleOp, layout: MemoryLayout, config: GemminiConfig
) -> tuple[str, ...]:
    """What a proof at the sizes of a stream rests on."""
    sizes = ", ".join(f"{a.name} {a.dtype.name}{list(a.shape)}" for a in layout.arrays)
    floats = () if config.is_integer else (REASSOCIATED, ZERO_PRODUCTS)
    return (ASSUMPTIONS[0], f"proved at size: {sizes}", *floats, *assumptions_of(source))
