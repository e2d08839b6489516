"""What proofs assume of the programs' surroundings."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects import arith
from xdsl.dialects.builtin import ArrayAttr, IndexType, ModuleOp, StringAttr

from .core.condition import TRUE, Comparison, Condition
from .core.index import Index, Variable
from .execution.trial_sizes import parameter_names, size_parameters
from .extract.composed import ROUNDED_ONCE, is_composed
from .extract.from_loops import symbol_name
from .extract.structured import single_function

ASSUMPTIONS = (
    "array parameters do not overlap",
    "array parameters have the extents that the program gives them",
    "loop counters and subscripts do not exceed the machine's index type",
)


DIVISION = "integers are divided by zero only where the source does so too"
_DIVISIONS = (
    *(arith.DivSIOp, arith.DivUIOp, arith.RemSIOp, arith.RemUIOp),
    *(arith.FloorDivSIOp, arith.CeilDivSIOp, arith.CeilDivUIOp),
)


def divides_by_data(target: ModuleOp) -> bool:
    """Whether integers are divided by what may be zero; values are compared, not where they trap.

    Numbers of type ``index`` are subscripts and bounds, which are never data.
    """
    return any(
        isinstance(operation, _DIVISIONS)
        and not isinstance(operation.lhs.type, IndexType)
        and not isinstance(operation.rhs.owner, arith.ConstantOp)
        for operation in target.walk()
    )


def assumptions_of(*modules: ModuleOp) -> tuple[str, ...]:
    """What the programs presuppose: sizes, and what ``liftproof.assumptions`` lists.

    Of the last one, the target, also that it does not divide where the source would not.
    """
    found: dict[str, None] = {}
    for module in modules:
        function = single_function(module)
        names = parameter_names(function)
        for position in size_parameters(function, names):
            found[f"{names[position]} >= 1"] = None
        stated = function.attributes.get("liftproof.assumptions")
        if isinstance(stated, ArrayAttr):
            found |= {entry.data: None for entry in stated.data if isinstance(entry, StringAttr)}
    if len(modules) > 1 and divides_by_data(modules[-1]):
        found[DIVISION] = None
    if any(is_composed(operation) for module in modules for operation in module.walk()):
        found[ROUNDED_ONCE] = None
    return tuple(found)


def precondition_of(condition: Condition, module: ModuleOp) -> tuple[str, ...]:
    """The sizes to which a proof is limited, in words."""
    if condition == TRUE:
        return ()
    names = parameter_names(single_function(module))
    known = {symbol_name(position): name for position, name in enumerate(names)}
    return (f"sizes for which the source stays within its arrays: {in_words(condition, known)}",)


def in_words(condition: Condition, names: Mapping[str, str]) -> str:
    """The condition for people, with the names of the parameters."""
    if isinstance(condition, Comparison):
        return _comparison_in_words(condition, names)
    if condition.kind == "or":
        return " or ".join(f"({in_words(part, names)})" for part in condition.parts)
    return " and ".join(in_words(part, names) for part in condition.parts)


def _comparison_in_words(comparison: Comparison, names: Mapping[str, str]) -> str:
    expression = comparison.expression
    if len(expression.terms) == 1 and not comparison.is_equality:
        atom, factor = expression.terms[0]
        if isinstance(atom, Variable) and abs(factor) == 1:
            name = names.get(atom.name, atom.name)
            if factor == 1:
                return f"{name} >= {-expression.constant}"
            return f"{name} <= {expression.constant}"
    renamed = expression.replace({old: Index.of(Variable(new)) for old, new in names.items()})
    return f"{renamed.isl} {'=' if comparison.is_equality else '>='} 0"
