"""Small changes of Python code, and how a loaded module gets one."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, ModuleType

UNOBSERVED = (
    *("note(", "perf_counter", "self.seconds", "self.queries", "TYPE_CHECKING", "describe("),
    *("assert ", "raise ", "reason = ", "obligation = ", "_INTERNED"),
)
"""Beginnings or parts of lines that no verdict depends on: bookkeeping, and words for people."""

FOR_PEOPLE = ("describe", "Term.__repr__")
"""Functions that only make words."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.Add,
}  # fmt: skip
NAMES = {
    "any": "all", "all": "any", "min": "max", "max": "min", "all_of": "any_of", "any_of": "all_of",
    "conjunction": "disjunction", "disjunction": "conjunction",
}  # fmt: skip
SMT = {
    "true": "false", "false": "true", "(and ": "(or ", "(or ": "(and ", "(not ": "(and ",
    "<=": "<", ">=": ">", "(= ": "(<= ", "(< ": "(<= ",
}  # fmt: skip

Change = Callable[[ast.AST], None]


@dataclass(frozen=True)
class Mutant:
    """One place of a module changed in one way."""

    module: str
    function: str
    change: str
    """What was changed to what; with the function it names the mutant in lists."""
    copy: int
    """Tells equal changes within one function apart."""
    places: tuple[str, ...]
    """The lines that a test must run to notice, as ``lines_of`` names them."""
    number: int
    """The place of the node among those of the module's tree."""
    apply: Change

    @property
    def name(self) -> str:
        return f"{self.module} {self.function} | {self.change} #{self.copy}"

    def of(self, tree: ast.Module) -> ast.Module:
        """The changed copy of the module's tree."""
        clone = copy.deepcopy(tree)
        self.apply(list(ast.walk(clone))[self.number])
        return clone


def lines_of(tree: ast.Module) -> dict[int, str]:
    """A name for each line of a function or method, which edits elsewhere leave alone."""
    return {
        line: f"{name}+{line - function.lineno}"
        for name, function in _functions(tree)
        for line in range(function.lineno, (function.end_lineno or function.lineno) + 1)
    }


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            methods = (inner for inner in node.body if isinstance(inner, ast.FunctionDef))
            yield from ((f"{node.name}.{method.name}", method) for method in methods)


def mutants(module: str, tree: ast.Module) -> Iterator[Mutant]:
    """Each change of each place within a function."""
    lines = lines_of(tree)
    numbers = {id(node): number for number, node in enumerate(ast.walk(tree))}
    for function, definition in _functions(tree):
        if function in FOR_PEOPLE:
            continue
        seen: Counter[str] = Counter()
        for node in _observed(definition):
            for text, change in _changes(node):
                before = ast.unparse(node).split("\n")[0][:90]
                name = f"{text}: {before}"
                seen[name] += 1
                spot = node.test if isinstance(node, ast.If | ast.IfExp) else node
                span = range(spot.lineno, (spot.end_lineno or spot.lineno) + 1)
                places = tuple(lines[line] for line in span if line in lines)
                number = numbers[id(node)]
                yield Mutant(module, function, name, seen[name], places, number, change)


def _observed(definition: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes below a function that are code, neither types nor bookkeeping, outer ones first."""
    stack: list[ast.AST] = [*reversed(definition.body), definition.args]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.stmt):
            header = ast.unparse(node).split("\n")[0]
            if any(text in header for text in UNOBSERVED) and not isinstance(node, ast.Raise):
                continue
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_docstring or (isinstance(node, ast.keyword) and node.arg == "strict"):
            continue
        yield node
        skipped = {"annotation", "returns"} | (
            {"exc", "cause"} if isinstance(node, ast.Raise) else set()
        )
        children = [
            child
            for name, value in ast.iter_fields(node)
            if name not in skipped
            for child in (value if isinstance(value, list) else [value])
            if isinstance(child, ast.AST)
        ]
        stack.extend(reversed(children))


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Compare(ops=[operation, *_]) if type(operation) in COMPARISONS:
            new = COMPARISONS[type(operation)]
            yield f"comparison {new.__name__}", lambda n: n.ops.__setitem__(0, new())
        case ast.BoolOp():
            other = ast.Or if isinstance(node.op, ast.And) else ast.And
            yield f"connective {other.__name__}", lambda n: setattr(n, "op", other())
        case ast.UnaryOp(op=ast.Not()):
            yield "not dropped", lambda n: _become(n, n.operand)
        case ast.UnaryOp(op=ast.USub()):
            yield "minus dropped", lambda n: _become(n, n.operand)
        case ast.BinOp() if type(node.op) in OPERATORS:
            operator = OPERATORS[type(node.op)]
            yield f"operator {operator.__name__}", lambda n: setattr(n, "op", operator())
        case ast.AugAssign() | ast.Continue() | ast.Break() | ast.Raise():
            yield "dropped", _drop
        case ast.Expr(value=ast.Call() | ast.YieldFrom() | ast.Yield()):
            yield "dropped", _drop
        case ast.If() | ast.IfExp():
            yield "condition true", lambda n: setattr(n, "test", ast.Constant(True))
            yield "condition false", lambda n: setattr(n, "test", ast.Constant(False))
        case ast.Name(id=name) if name in NAMES:
            yield f"name {NAMES[name]}", lambda n: setattr(n, "id", NAMES[n.id])
        case ast.List(elts=elements) if len(elements) > 1:
            for place in range(len(elements)):
                yield f"element {place} dropped", lambda n, place=place: n.elts.pop(place)
        case ast.Constant(value=bool() | int()):
            yield "constant", _change_number
        case ast.Constant(value=str(text)) if len(text) < 60:
            for old in SMT:
                if old in text:
                    yield (
                        f"SMT {old}",
                        lambda n, old=old: setattr(n, "value", n.value.replace(old, SMT[old])),
                    )
        case _:
            pass


def _change_number(node: ast.Constant) -> None:
    node.value = not node.value if isinstance(node.value, bool) else int(node.value) + 1


def _drop(node: ast.AST) -> None:
    """A statement becomes an expression without effect."""
    _become(node, ast.Expr(ast.Constant(None)))


def _become(node: ast.AST, other: ast.AST) -> None:
    position = {
        name: getattr(node, name)
        for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")
    }
    node.__class__ = other.__class__
    node.__dict__.clear()
    node.__dict__.update(other.__dict__ | position)


def put_into(module: ModuleType, tree: ast.Module) -> None:
    """Give the functions of a loaded module the code of a changed tree.

    Whoever imported a function has the changed one then, as it is still the same object.
    """
    code = compile(ast.fix_missing_locations(tree), str(module.__file__), "exec")
    fresh = ModuleType(module.__name__)
    fresh.__dict__.update(__package__=module.__package__, __file__=module.__file__)
    exec(code, fresh.__dict__)
    for name, new in vars(fresh).items():
        old = vars(module).get(name)
        if getattr(new, "__module__", None) == module.__name__:
            _put(old, new)


def _put(old: object, new: object) -> None:
    if isinstance(new, type):
        for name, member in vars(new).items():
            _put(vars(old).get(name), member)
        return
    old, new = _function(old), _function(new)
    if not isinstance(old, FunctionType) or not isinstance(new, FunctionType):
        return
    if old.__code__.co_filename != new.__code__.co_filename or "__create_fn__" in old.__qualname__:
        return
    old.__code__, old.__defaults__ = new.__code__, new.__defaults__
    old.__kwdefaults__ = new.__kwdefaults__


def _function(value: object) -> object:
    """The function behind a decorated one."""
    if isinstance(value, property):
        return value.fget
    if isinstance(value, cached_property):
        return value.func
    if isinstance(value, staticmethod):
        return value.__func__
    return getattr(value, "__wrapped__", value)
