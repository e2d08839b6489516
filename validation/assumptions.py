"""What proofs assume of the programs' surroundings."""

from __future__ import annotations

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr

from .structured import single_function
from .trial_sizes import parameter_names, size_parameters

ASSUMPTIONS = (
    "array parameters do not overlap",
    "array parameters have the extents that the program gives them",
    "loop counters and subscripts do not exceed the machine's index type",
)


def assumptions_of(*modules: ModuleOp) -> tuple[str, ...]:
    """What the programs themselves presuppose: sizes, and what ``liftproof.assumptions`` lists."""
    found: dict[str, None] = {}
    for module in modules:
        function = single_function(module)
        names = parameter_names(function)
        for position in size_parameters(function, names):
            found[f"{names[position]} >= 1"] = None
        stated = function.attributes.get("liftproof.assumptions")
        if isinstance(stated, ArrayAttr):
            found |= {entry.data: None for entry in stated.data if isinstance(entry, StringAttr)}
    return tuple(found)
