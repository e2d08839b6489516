"""Mutation testing of the validator's own core: does a test notice each small change of its code?

``python tests/tools/mutate_core.py`` changes one place of the certificate checker or of the encoder
at a time and runs the fast tests of the core; a change that no test notices survives and is
listed. With ``--log FILE`` the outcomes are kept, and a later run goes on from there.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.util
import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from random import Random
from types import ModuleType

ROOT = Path(__file__).parents[2]
CORE = (
    "core.checker",
    "core.smt",
    "core.condition",
    "core.sum_matching",
    "core.matching",
    "hazards.dram_order",
)
"""Modules of ``liftproof.validation``: the certificate checker, and queries as SMT-LIB text."""
TESTS = tuple(
    f"tests/validation/test_{name}.py"
    for name in (
        *(
            "core",
            "index",
            "dram_order",
            "folds",
            "sums_of_sums",
            "identity",
            "sizes",
            "tensor_views",
        ),
        *("certificates", "recheck", "known_traps", "in_place", "validate"),
    )
)
LIMIT = 120
"""Seconds after which a mutant counts as noticed: its queries became too hard."""
UNOBSERVED = ("note(", "perf_counter", "self.seconds", "self.queries", "TYPE_CHECKING", "describe(")
"""Bookkeeping that no verdict depends on."""

EQUIVALENT = {
    "if not self.program.symbols": "a query without premises can always be met",
    "if high is not None and least": "a shortcut: else Z3 finds that the cells differ",
    "if low is not None and greatest": "a shortcut: else Z3 finds that the cells differ",
    "_visibly_distinct": "a shortcut: else Z3 finds that the elements differ",
    "atom.isl != name": "a shortcut that is never taken: else Z3 finds that the elements differ",
    "least is not None": "one shortcut less, see above",
    "greatest is not None": "one shortcut less, see above",
    "if before == after": "t < t is false, and t = t adds nothing",
    "_count += 1": "names stay fresh in steps of two",
    "smt.relevancy": "an option of the solver for speed",
    "if not kept": "the connective of nothing is its neutral element",
    "a.constant < b.constant else": "the two are different there",
    "if part != neutral": "the neutral element has no parts to add",
    "if 'false' in kept": "a shortcut: the text means the same",
    "if 'true' in kept": "a shortcut: the text means the same",
    "query.text() if case": "for the log only",
    "factor > 1": "dividing by one changes nothing",
}
"""Pieces of code whose change no test can notice, and why."""

SIMPLE = ast.Expr | ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.ImportFrom
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
}  # fmt: skip
SMT = {
    "true": "false", "false": "true", "(and ": "(or ", "(or ": "(and ", "(not ": "(and ",
    "<=": "<", ">=": ">", "(= ": "(<= ", "(< ": "(<= ",
}  # fmt: skip


def mutants(tree: ast.Module) -> Iterator[tuple[int, str, ast.Module]]:
    """Line, description and tree of each mutant."""
    for number, node in enumerate(ast.walk(tree)):
        for change, new in _changes(node):
            clone = copy.deepcopy(tree)
            place = list(ast.walk(clone))[number]
            new(place)
            yield getattr(node, "lineno", 0), f"{change}: {ast.unparse(node)[:100]}", clone


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    if not isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and any(
        text in ast.unparse(node).split("\n")[0] for text in EQUIVALENT
    ):
        return
    if isinstance(node, SIMPLE) and any(text in ast.unparse(node) for text in UNOBSERVED):
        return
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        yield "comparison", lambda n: n.ops.__setitem__(0, COMPARISONS[type(n.ops[0])]())
    elif isinstance(node, ast.BoolOp):
        yield "connective", _swap_connective
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not _is_type(node):
        yield "operator", lambda n: setattr(n, "op", OPERATORS[type(n.op)]())
    elif isinstance(node, ast.If | ast.IfExp):
        yield "condition true", lambda n: setattr(n, "test", ast.Constant(True))
        yield "condition false", lambda n: setattr(n, "test", ast.Constant(False))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int):
        yield "constant", _change_number
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        for old in SMT:
            if old in node.value and len(node.value) < 60:
                yield (
                    f"SMT {old}",
                    lambda n, old=old: setattr(n, "value", n.value.replace(old, SMT[old])),
                )
    elif isinstance(node, ast.Continue | ast.Raise):
        yield "statement dropped", _drop
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call dropped", _drop
    elif isinstance(node, ast.AugAssign):
        yield "update dropped", _drop


def _is_type(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.BitOr) and (
        "None" in ast.unparse(node) or ast.unparse(node)[0].isupper()
    )


def _swap_connective(node: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _change_number(node: ast.AST) -> None:
    assert isinstance(node, ast.Constant)
    value = node.value
    node.value = not value if isinstance(value, bool) else int(value) + 1  # pyright: ignore


def _drop(node: ast.AST) -> None:
    """A statement becomes an expression without effect."""
    fields = list(node._fields)
    line = {name: getattr(node, name) for name in ("lineno", "col_offset")}
    node.__class__ = ast.Expr  # pyright: ignore[reportAttributeAccessIssue]
    for name in fields:
        if hasattr(node, name):
            delattr(node, name)
    node.value = ast.Constant(None, **line)  # pyright: ignore[reportAttributeAccessIssue]


class _Mutated(MetaPathFinder, Loader):
    """Loads one module from a changed tree."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        code = compile(ast.fix_missing_locations(self.tree), str(self.path), "exec")
        exec(code, module.__dict__)


def source_of(module: str) -> Path:
    """The file of a module, named from ``liftproof.validation`` on."""
    return ROOT.joinpath("validation", *module.split(".")).with_suffix(".py")


def is_noticed(module: str, tree: ast.Module, tests: list[str]) -> bool:
    """Run the tests in a child process with one module replaced."""
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT)
        finder = _Mutated(f"liftproof.validation.{module}", source_of(module), tree)
        sys.meta_path.insert(0, finder)
        os._exit(_run_tests(tests))
    status = os.waitpid(child, 0)[1]
    return status != 0


def _run_tests(tests: list[str]) -> int:
    import pytest

    sink = io.StringIO()
    for test in tests:
        with redirect_stdout(sink), redirect_stderr(sink):
            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", test]))
        if status != 0:
            return status
    return 0


def _preload() -> None:
    """Import in the parent what no mutant changes: forks then start at once."""
    import hypothesis  # noqa: F401
    import islpy  # noqa: F401
    import pytest  # noqa: F401
    import z3  # noqa: F401
    from liftproof.hw.gemmini import functional  # noqa: F401
    from xdsl.dialects import affine, func, linalg, math, memref, scf, tensor  # noqa: F401

    loaded = [name for name in sys.modules if name.startswith("liftproof.validation")]
    assert not loaded, loaded


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--modules", nargs="*", default=list(CORE))
    parser.add_argument("--share", type=float, default=1.0, help="random share of the mutants")
    options = parser.parse_args()
    os.chdir(ROOT)
    _preload()
    known: dict[str, bool] = {}
    if options.log is not None and options.log.exists():
        known = dict(json.loads(line) for line in options.log.read_text().splitlines())
    outcomes: dict[str, bool] = {}
    rng = Random(0)
    for module in options.modules:
        tree = ast.parse(source_of(module).read_text())
        for number, (line, change, mutant) in enumerate(mutants(tree)):
            name = f"{module}.py:{line} #{number} {change}"
            if rng.random() >= options.share:
                continue
            outcomes[name] = (
                known[name] if name in known else is_noticed(module, mutant, list(TESTS))
            )
            if options.log is not None and name not in known:
                with options.log.open("a") as log:
                    log.write(json.dumps([name, outcomes[name]]) + "\n")
    survivors = [name for name, noticed in outcomes.items() if not noticed]
    for name in survivors:
        print(f"survived: {name}")
    share = 100 * (1 - len(survivors) / max(1, len(outcomes)))
    print(f"{len(outcomes)} mutants, {len(survivors)} survived, {share:.1f} % noticed")
    return 0 if share >= 90 else 1


if __name__ == "__main__":
    sys.exit(main())
