"""Prove a rewrite rule over machine instructions: same effect on all of the machine's state.

The rule's instance becomes a program that first fills the local memories with arbitrary contents,
then runs the matched instructions on arbitrary operands, then stores the local memories. Program
and rewritten program must agree in every element, and end with the same configuration registers.
Operands are only those for which the matched instructions are legal; so the rewritten ones must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from xdsl.dialects.builtin import ModuleOp

from ...hw.gemmini.config import GemminiConfig
from ..core.checker import Violation
from ..core.condition import Comparison, Condition, Connective, all_of, any_of, at_least, negate
from ..core.index import Index, Variable
from ..core.polyhedral import Program, Requirement, Unsupported
from ..core.smt import Solver
from ..engine import Run, analyse, prove
from ..extract.from_gemmini import GemminiExtractor, extract_gemmini
from ..extract.from_loops import extract_memrefs, symbol_name
from ..extract.gemmini_state import Register
from ..extract.structured import single_function
from .harness import Harness
from .instance import Instance
from .proof import InstanceProof

SUPPORTED = frozenset(
    f"gemmini.{name}"
    for name in (
        *("spad", "acc", "none", "mvin", "mvin_zeros", "mvout"),
        *("config_ld", "config_st", "config_ex", "config_norm"),
    )
)
"""Instructions whose effect is all in the local memories, DRAM and the configuration."""


def prove_effects(instance: Instance, config: GemminiConfig, resource_limit: int) -> InstanceProof:
    """Prove one instance of a rule with effects; raises ``Unsupported`` for other operations."""
    for module in (instance.before, instance.after):
        _require_supported(module)
    harness = Harness(instance, config)
    before, after = (
        _registers(harness.bare(module), config) for module in (instance.before, instance.after)
    )
    if before != after:
        return InstanceProof(
            instance.types,
            "refuted",
            f"configuration registers end differently: {_difference(before, after)}",
        )
    source, target = (
        extract_gemmini(harness.program(module), config)
        for module in (instance.before, instance.after)
    )
    if not source.statements and not target.statements:
        return InstanceProof(instance.types, "proved", obligations=0)
    source.context = target.context = _legal_operands(source)
    # Operands for which the matched instructions are illegal need not be considered.
    source.requirements = []
    # Orders that the machine does not keep depend on what is around: on programs, not on rules.
    source.row_accesses = target.row_accesses = []
    run = Run(Solver(resource_limit=resource_limit))
    try:
        prove(analyse(source, run.solver), target, run)
    except Violation as violation:
        operands = _operands(violation.model or {})
        found = harness.difference(instance, operands)
        if found is None:
            return InstanceProof(instance.types, "unknown", str(violation))
        return InstanceProof(
            instance.types,
            "refuted",
            violation.obligation,
            tuple((harness.label(position), str(value)) for position, value in found.operands),
            found.expected,
            found.actual,
            run.solver.queries,
        )
    return InstanceProof(instance.types, "proved", obligations=run.solver.queries)


def _require_supported(module: ModuleOp) -> None:
    function = single_function(module)
    for operation in function.body.block.ops:
        dialect = operation.name.split(".")[0]
        known = operation.name in SUPPORTED or dialect in ("arith", "func")
        if not known or operation.regions:
            raise Unsupported("no proof about the effects of an operation like this", operation)


def _registers(module: ModuleOp, config: GemminiConfig) -> dict[str, Register]:
    """The configuration registers that a program sets; what it does not set stays as it was."""
    extractor = GemminiExtractor(config)
    extract_memrefs(extractor, single_function(module))
    return extractor.registers.snapshot()


def _difference(before: dict[str, Register], after: dict[str, Register]) -> str:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return "; ".join(
        f"{name}: {after.get(name, 'unchanged')} instead of {before.get(name, 'unchanged')}"
        for name in names
    )


def _operands(model: dict[str, int]) -> dict[int, int]:
    """Values of the parameters in a model, by position."""
    found: dict[int, int] = {}
    for name, value in model.items():
        symbol = name.split(".")[0]
        position = symbol[1:]
        if position.isdigit() and symbol == symbol_name(int(position)):
            found[int(position)] = value
    return found


# Legal operands.


def _legal_operands(program: Program) -> Condition:
    """What the program's requirements say of the symbols, at the corners of each domain.

    The requirements hold at every point of their domains; so they hold at these.
    """
    facts = [program.context]
    for requirement in program.requirements:
        facts += list(_corners(requirement))
    return all_of(facts)


def _corners(requirement: Requirement) -> Iterator[Condition]:
    ends = [_ends(dim, requirement.condition) for dim in requirement.dims]
    for corner in product(*ends):
        values = {dim.name: index for dim, index in zip(requirement.dims, corner, strict=True)}
        inside = [requirement.condition.replace(values)]
        for dim, index in zip(requirement.dims, corner, strict=True):
            if dim.low is not None:
                inside.append(at_least(index, dim.low))
            if dim.high is not None:
                inside.append(at_least(dim.high, index))
        yield any_of([negate(all_of(inside)), requirement.holds.replace(values)])


def _ends(dim: Variable, condition: Condition) -> list[Index]:
    """The first value of a counter, and the last by its range or by the condition."""
    ends = [Index.of(bound) for bound in (dim.low, dim.high) if bound is not None]
    for part in _parts(condition):
        factors = dict(part.expression.terms)
        if not part.is_equality and factors.get(dim) == -1:
            ends.append(part.expression + Index.of(dim))
    return list(dict.fromkeys(ends)) or [Index.of(0)]


def _parts(condition: Condition) -> Iterator[Comparison]:
    if isinstance(condition, Connective):
        if condition.kind == "and":
            for part in condition.parts:
                yield from _parts(part)
    else:
        yield condition
