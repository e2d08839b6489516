"""Kinds of proposals, and how each becomes a program for the machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import load_config
from ..passes.kernel import kernel_of
from ..passes.lower_linalg import LowerLinalgPass
from ..passes.pipelines import TO_INSTRUCTIONS
from .evaluate import MAX_OPERATIONS, Problem, lower, shared_context
from .untrusted_ir import adopt_signature, read_ir
from .untrusted_pipeline import read_untrusted_pipeline
from .untrusted_text import check_text

Kind = Literal["pipeline", "ir", "c", "pattern"]
KINDS: tuple[Kind, ...] = get_args(Kind)

TIDY = "canonicalize,cse,licm,canonicalize"
"""What a C compiler would do with the addresses of a proposed program."""


@dataclass(frozen=True)
class Proposal:
    """Something that may be a better program; only checks decide."""

    kind: Kind
    text: str
    """A pipeline; tile IR or ISA IR; C that calls the machine's instructions; a rewrite rule."""
    base: str = ""
    """For a rewrite rule: the pipeline that it is put into."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of proposal {self.kind!r}")


@dataclass(frozen=True)
class Program:
    """A proposal as a program for the machine."""

    module: ModuleOp
    pipeline: str
    """The passes that were applied to what was proposed."""


def read_proposal(problem: Problem, proposal: Proposal) -> Program:
    """The ISA IR of a proposal.

    Raises ``Diagnostic``, or one of ``evaluate.Rejection``, where it is not acceptable. The result
    is not proven, and may be shared.
    """
    if proposal.kind == "pipeline":
        passes = read_untrusted_pipeline(proposal.text, problem.config)
        pipeline = ",".join(str(each.spec()) for each in passes)
        return Program(lower(problem.tensor_ir, passes), pipeline)
    if proposal.kind == "pattern":
        raise Diagnostic("a rewrite rule is no program")
    kernel = kernel_function(problem)
    if proposal.kind == "c":
        module, pipeline = _read_c(proposal.text, kernel, problem), TIDY
    else:
        module = read_ir(proposal.text, kernel)
        is_tile = any(operation.name.startswith("tile.") for operation in module.walk())
        pipeline = TO_INSTRUCTIONS if is_tile else TIDY
    return Program(_apply(module, read_untrusted_pipeline(pipeline, problem.config)), pipeline)


def _read_c(text: str, kernel: func.FuncOp, problem: Problem) -> ModuleOp:
    from ..lifting.machine_c import is_machine_c, read_machine_c

    check_text(text, "C")
    if not is_machine_c(text):
        raise Diagnostic("the C calls no instruction of the machine")
    module = read_machine_c(text, "proposal.c", load_config(problem.config))
    adopt_signature(module, kernel)
    return module


def _apply(module: ModuleOp, passes: tuple[ModulePass, ...]) -> ModuleOp:
    for instance in passes:
        instance.apply(shared_context(), module)
        if sum(1 for _ in module.walk()) > MAX_OPERATIONS:
            raise Diagnostic(f"{instance.name}: over {MAX_OPERATIONS} operations")
    module.verify()
    return module


@lru_cache(maxsize=8)
def kernel_function(problem: Problem) -> func.FuncOp:
    """The kernel's function over arrays in memory, as every program for the machine has it."""
    module = Parser(shared_context(), problem.tensor_ir).parse_module()
    LowerLinalgPass(problem.config).apply(shared_context(), module)
    return kernel_of(module)


def restore(problem: Problem, program: str) -> ModuleOp:
    """The ISA IR of an accepted proposal with the names of the kernel in ``problem``."""
    module = Parser(shared_context(), program).parse_module()
    adopt_signature(module, kernel_function(problem))
    return module
