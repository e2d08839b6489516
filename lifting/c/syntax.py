"""The syntax tree of the C subset: what was written, with places, before any meaning is given.

Nodes are compared by identity: two occurrences of ``i`` are two nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ...diagnostics import SourceLocation
from .types import CScalar, CType


@dataclass(frozen=True, eq=False)
class Node:
    """Anything that was written at a place in the source."""

    location: SourceLocation


@dataclass(frozen=True, eq=False)
class Literal(Node):
    """A number or a character constant, with the type C gives it."""

    value: int | float
    type: CScalar


@dataclass(frozen=True, eq=False)
class StringLiteral(Node):
    """A string; no construct of the subset accepts one, so it only serves a diagnostic."""


@dataclass(frozen=True, eq=False)
class Identifier(Node):
    """The use of a name."""

    name: str


@dataclass(frozen=True, eq=False)
class Unary(Node):
    """A prefix operator: one of ``+ - ~ ! * &``."""

    operator: str
    operand: Expression


@dataclass(frozen=True, eq=False)
class Binary(Node):
    """An operator between two values, the logical operators included; located at the operator."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class Conditional(Node):
    """``condition ? then : otherwise``."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, eq=False)
class Assignment(Node):
    """``target = value``, or ``target operator= value``; ``operator`` is empty for ``=``."""

    operator: str
    target: Expression
    value: Expression


@dataclass(frozen=True, eq=False)
class Increment(Node):
    """``++`` (step 1) or ``--`` (step -1), before or after its target."""

    target: Expression
    step: int
    prefix: bool


@dataclass(frozen=True, eq=False)
class Subscript(Node):
    """``base[index]``."""

    base: Expression
    index: Expression


@dataclass(frozen=True, eq=False)
class Member(Node):
    """``structure.name``, or ``structure->name`` if ``through_pointer``."""

    structure: Expression
    name: str
    through_pointer: bool


@dataclass(frozen=True, eq=False)
class MethodCall(Node):
    """``target.method(arguments)``: what C++ does with vectors."""

    target: Expression
    method: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Construct(Node):
    """``vector<T>(size, value)``."""

    type: TypeName
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Call(Node):
    """A call of a function by its name."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Cast(Node):
    """``(type) operand``."""

    type: TypeName
    operand: Expression


@dataclass(frozen=True, eq=False)
class SizeOf(Node):
    """``sizeof`` of a type or of an expression."""

    operand: TypeName | Expression


@dataclass(frozen=True, eq=False)
class Comma(Node):
    """``first, second``."""

    first: Expression
    second: Expression


@dataclass(frozen=True, eq=False)
class StatementExpression(Node):
    """``({ statements; value; })`` of GNU C."""

    body: Compound


Expression: TypeAlias = (
    Literal
    | StringLiteral
    | Identifier
    | Unary
    | Binary
    | Conditional
    | Assignment
    | Increment
    | Subscript
    | Member
    | MethodCall
    | Construct
    | Call
    | Cast
    | SizeOf
    | Comma
    | StatementExpression
)


@dataclass(frozen=True, eq=False)
class PointerTo:
    """One ``*`` of a declarator."""


@dataclass(frozen=True, eq=False)
class ArrayOf:
    """One ``[extent]`` of a declarator; None for ``[]``."""

    extent: Expression | None


@dataclass(frozen=True, eq=False)
class VectorOf:
    """One ``vector<...>`` of C++."""


@dataclass(frozen=True, eq=False)
class ReferenceTo:
    """The ``&`` of a C++ declarator."""


@dataclass(frozen=True, eq=False)
class FunctionTaking:
    """The ``(parameters)`` of a declarator."""

    parameters: tuple[Declarator, ...]


Derivation: TypeAlias = PointerTo | ArrayOf | VectorOf | ReferenceTo | FunctionTaking


@dataclass(frozen=True, eq=False)
class TypeName(Node):
    """A base type with its derivations, read from the name outwards; also the type in a cast."""

    base: CType
    const: bool
    derivations: tuple[Derivation, ...]
    reference: bool = False
    """Whether it is a C++ reference to such a value."""
    typeof: Expression | None = None
    """The expression whose type is the base; ``base`` is ``AUTO`` then."""


@dataclass(frozen=True, eq=False)
class InitializerList(Node):
    """``{ a, b, { c } }``."""

    items: tuple[Initializer, ...]


Initializer: TypeAlias = Expression | InitializerList


@dataclass(frozen=True, eq=False)
class Declarator(Node):
    """One declared name (empty for an unnamed parameter) with its type and initial value."""

    name: str
    type: TypeName
    initializer: Initializer | None = None
    is_static: bool = False
    """Whether it is declared ``static``: a local one keeps its value between calls."""


@dataclass(frozen=True, eq=False)
class Declaration(Node):
    """A declaration of variables (or prototypes)."""

    declarators: tuple[Declarator, ...]


@dataclass(frozen=True, eq=False)
class ExpressionStatement(Node):
    """An expression evaluated for its effect."""

    expression: Expression


@dataclass(frozen=True, eq=False)
class Compound(Node):
    """``{ ... }``: a scope of its own."""

    statements: tuple[Statement, ...]


@dataclass(frozen=True, eq=False)
class If(Node):
    """``if (condition) then else otherwise``."""

    condition: Expression
    then: Statement
    otherwise: Statement | None


@dataclass(frozen=True, eq=False)
class For(Node):
    """``for (initializer; condition; step) body``; absent parts are None."""

    initializer: Declaration | ExpressionStatement | None
    condition: Expression | None
    step: Expression | None
    body: Statement


@dataclass(frozen=True, eq=False)
class While(Node):
    """``while (condition) body``, or ``do body while (condition);`` if ``body_first``."""

    condition: Expression
    body: Statement
    body_first: bool


@dataclass(frozen=True, eq=False)
class Switch(Node):
    """``switch (value) body``."""

    value: Expression
    body: Statement


@dataclass(frozen=True, eq=False)
class Case(Node):
    """``case value:``, or ``default:`` if the value is None."""

    value: Expression | None


@dataclass(frozen=True, eq=False)
class Break(Node):
    """``break;``."""


@dataclass(frozen=True, eq=False)
class Continue(Node):
    """``continue;``."""


@dataclass(frozen=True, eq=False)
class Return(Node):
    """``return value;``."""

    value: Expression | None


@dataclass(frozen=True, eq=False)
class Empty(Node):
    """``;`` alone."""


Statement: TypeAlias = (
    Declaration
    | ExpressionStatement
    | Compound
    | If
    | For
    | While
    | Switch
    | Case
    | Break
    | Continue
    | Return
    | Empty
)


@dataclass(frozen=True, eq=False)
class Function(Node):
    """A function with a body."""

    name: str
    result: CType
    vector_rank: int
    """How many dimensions the result has: 0 unless it is a C++ vector."""
    parameters: tuple[Declarator, ...]
    body: Compound
    is_static: bool
    """Visible in its file only, so that it is no kernel unless nothing else is."""


@dataclass(frozen=True, eq=False)
class TranslationUnit:
    """A whole file: its functions by name, in source order, and its file-scope declarations.

    ``structures`` has the members of each structure type by the type's name; ``extents`` names the
    scalar parameters that were elements of an array member, such as ``t->dimensions[0]``.
    """

    functions: dict[str, Function] = field(default_factory=dict[str, Function])
    declarations: tuple[Declaration, ...] = ()
    structures: dict[str, tuple[Declarator, ...]] = field(
        default_factory=dict[str, "tuple[Declarator, ...]"]
    )
    extents: frozenset[str] = frozenset()
    is_cplusplus: bool = False
