"""Builds the syntax tree from what the grammar recognises; one method per rule of the grammar.

The walk over the parse tree is iterative, so that a long sum cannot exhaust the stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from lark import Token, v_args
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .literals import character_literal, number_literal
from .range_loops import range_loop
from .types import (
    AUTO,
    BOOL,
    CHAR,
    DOUBLE,
    FLOAT,
    INT,
    LONG,
    STANDARD_TYPE_NAMES,
    UNSIGNED_INT,
    UNSIGNED_LONG,
    VOID,
    CInteger,
    CStruct,
    CType,
)

_SHORT = CInteger(16, signed=True)
_BASE_TYPES: dict[str, CType] = {
    "void": VOID,
    "bool": BOOL,
    "_Bool": BOOL,
    "char": CHAR,
    "char signed": CHAR,
    "char unsigned": CInteger(8, signed=False),
    "short": _SHORT,
    "short signed": _SHORT,
    "short unsigned": CInteger(16, signed=False),
    "int": INT,
    "signed": INT,
    "unsigned": UNSIGNED_INT,
    "long": LONG,
    "long signed": LONG,
    "long unsigned": UNSIGNED_LONG,
    "long long": LONG,
    "long long signed": LONG,
    "long long unsigned": UNSIGNED_LONG,
    "float": FLOAT,
    "double": DOUBLE,
}
"""Type keywords in alphabetical order, ``int`` left out where another keyword is present."""


@dataclass(frozen=True)
class _Specifiers:
    """What stands before a declarator."""

    location: SourceLocation
    base: CType
    const: bool
    derivations: tuple[syntax.Derivation, ...]
    is_typedef: bool
    is_static: bool
    enumerators: tuple[syntax.Declarator, ...]
    typeof: syntax.Expression | None = None


@dataclass(frozen=True)
class _DeclaredName:
    """A declarator: its name, and how its type is derived from the base type, inside out."""

    location: SourceLocation
    name: str
    derivations: tuple[syntax.Derivation, ...] = ()

    def derive(self, derivation: syntax.Derivation) -> _DeclaredName:
        return replace(self, derivations=(*self.derivations, derivation))


@v_args(meta=True)
class TreeBuilder(Transformer_NonRecursive[Token, Any]):
    """Turns Lark's parse tree of one file into a ``TranslationUnit`` (or an expression)."""

    def __init__(self, filename: str, types: Mapping[str, CType] | None = None) -> None:
        """``types`` are names of types that a header defines, beside the standard ones."""
        super().__init__()
        self._filename = filename
        start = SourceLocation(filename, 1, 1)
        self._type_names: dict[str, syntax.TypeName] = {
            name: syntax.TypeName(start, kind, False, ()) for name, kind in (types or {}).items()
        }
        self._structures: dict[str, tuple[syntax.Declarator, ...]] = {}

    def _at(self, place: Meta | Token) -> SourceLocation:
        # Meta of an empty rule carries no position at all.
        line = cast("int | None", getattr(place, "line", None))
        column = cast("int | None", getattr(place, "column", None))
        return SourceLocation(self._filename, line or 1, column or 1)

    # ---- file and functions ---------------------------------------------------------------------
    def translation_unit(self, meta: Meta, children: list[Any]) -> syntax.TranslationUnit:
        functions: dict[str, syntax.Function] = {}
        declarations: list[syntax.Declaration] = []
        for child in children:
            if isinstance(child, syntax.Declaration):
                declarations.append(child)
            elif isinstance(child, syntax.Function):
                if child.name in functions:
                    raise Diagnostic(f"function '{child.name}' is defined twice", child.location)
                functions[child.name] = child
        return syntax.TranslationUnit(functions, tuple(declarations), self._structures)

    def function_definition(self, meta: Meta, children: list[Any]) -> syntax.Function:
        specifiers, declared, body = cast(
            "tuple[_Specifiers, _DeclaredName, syntax.Compound]", tuple(children)
        )
        first = declared.derivations[0] if declared.derivations else None
        if not isinstance(first, syntax.FunctionTaking):
            raise Diagnostic(f"'{declared.name}' is not a function", declared.location)
        is_vector = all(isinstance(part, syntax.VectorOf) for part in specifiers.derivations)
        if len(declared.derivations) > 1 or not is_vector:
            raise Diagnostic(
                f"function '{declared.name}' returns a pointer",
                declared.location,
                hint="return a scalar, or write the results to array parameters",
            )
        return syntax.Function(
            declared.location,
            declared.name,
            specifiers.base,
            len(specifiers.derivations),
            first.parameters,
            body,
            specifiers.is_static,
        )

    # ---- declarations ---------------------------------------------------------------------------
    def declaration_specifiers(self, meta: Meta, children: list[Any]) -> _Specifiers:
        words = [child for child in children if isinstance(child, Token)]
        enums = [child for child in children if isinstance(child, tuple)]
        structures = [child for child in children if isinstance(child, CStruct)]
        types = [child for child in children if isinstance(child, syntax.TypeName)]
        keywords = [str(word) for word in words if word.type == "TYPE_KEYWORD"]
        names = [word for word in words if word.type in ("TYPE_NAME", "VECTOR_TYPE")]
        location = self._at(meta)
        is_auto = any(str(word) == "auto" for word in words)
        given = len(names) + len(enums) + len(structures) + len(types)
        if given + bool(keywords) + is_auto != 1:
            raise Diagnostic(
                "a declaration needs exactly one type",
                location,
                hint="for example 'int8_t', 'unsigned int', 'float'",
            )
        named = syntax.TypeName(location, INT, False, ())
        if is_auto:
            named = replace(named, base=AUTO)
        elif types:
            named = types[0]
        elif structures:
            named = replace(named, base=structures[0])
        elif names and names[0].type == "VECTOR_TYPE":
            named = self._vector_type(names[0])
        elif names:
            named = self._named_type(names[0])
        elif keywords:
            named = replace(named, base=self._base_type(keywords, location))
        return _Specifiers(
            location,
            named.base,
            named.const or any(str(word) == "const" for word in words),
            named.derivations,
            any(str(word) == "typedef" for word in words),
            any(str(word) in ("static", "inline") for word in words),
            cast("tuple[syntax.Declarator, ...]", enums[0]) if enums else (),
            named.typeof,
        )

    def _base_type(self, keywords: list[str], location: SourceLocation) -> CType:
        words = sorted(keywords)
        if len(words) > 1 and words.count("int") == 1:
            words.remove("int")
        base = _BASE_TYPES.get(" ".join(words))
        if base is None:
            raise Diagnostic(
                f"type '{' '.join(keywords)}' is not supported",
                location,
                hint="integers of 8 to 64 bits, bool, float and double are supported",
            )
        return base

    def _named_type(self, name: Token) -> syntax.TypeName:
        location = self._at(name)
        if name in STANDARD_TYPE_NAMES and name not in self._type_names:
            return syntax.TypeName(location, STANDARD_TYPE_NAMES[name], False, ())
        if name not in self._type_names:
            raise Diagnostic(f"type '{name}' is used before its typedef", location)
        return self._type_names[name]

    def _vector_type(self, token: Token) -> syntax.TypeName:
        """Return the type of a token such as ``vector<vector<int>>``."""
        rank = token.count("vector")
        words = token.replace("vector", " ").replace("<", " ").replace(">", " ").split()
        words = [word for word in words if word != "const"]
        location = self._at(token)
        if len(words) == 1 and (words[0] in STANDARD_TYPE_NAMES or words[0] in self._type_names):
            element = self._named_type(Token.new_borrow_pos("TYPE_NAME", words[0], token))
        else:
            element = syntax.TypeName(location, self._base_type(words, location), False, ())
        ranks = tuple(syntax.VectorOf() for _ in range(rank))
        return replace(element, derivations=(*ranks, *element.derivations))

    def struct_specifier(self, meta: Meta, children: list[Any]) -> CStruct:
        named = isinstance(children[0], Token)
        name = str(children[0]) if named else f"<line {self._at(meta).line}>"
        members: list[syntax.Declarator] = []
        for child in children[1:] if named else children:
            if isinstance(child, syntax.Declaration):
                members.extend(child.declarators)
        if name in self._structures:
            raise Diagnostic(f"structure '{name}' is defined twice", self._at(meta))
        self._structures[name] = tuple(members)
        structure = CStruct(name)
        self._type_names.setdefault(name, syntax.TypeName(self._at(meta), structure, False, ()))
        return structure

    def struct_reference(self, meta: Meta, children: list[Any]) -> CStruct:
        return CStruct(str(children[0]))

    def typeof_specifier(self, meta: Meta, children: list[Any]) -> syntax.TypeName:
        operand = cast("syntax.TypeName | syntax.Expression", children[1])
        if isinstance(operand, syntax.TypeName):
            return operand
        return syntax.TypeName(self._at(meta), AUTO, False, (), typeof=operand)

    def enum_specifier(self, meta: Meta, children: list[Any]) -> tuple[syntax.Declarator, ...]:
        enumerators: list[syntax.Declarator] = []
        kind = syntax.TypeName(self._at(meta), INT, True, ())
        for child in children:
            if isinstance(child, Token):
                continue
            name, value = cast("tuple[Token, syntax.Expression | None]", child)
            location = self._at(name)
            if value is None and not enumerators:
                value = syntax.Literal(location, 0, INT)
            elif value is None:
                previous = syntax.Identifier(location, enumerators[-1].name)
                one = syntax.Literal(location, 1, INT)
                value = syntax.Binary(location, "+", previous, one)
            enumerators.append(syntax.Declarator(location, str(name), kind, value))
        return tuple(enumerators)

    def enumerator(self, meta: Meta, children: list[Any]) -> tuple[Any, ...]:
        return tuple(children)

    def declaration(self, meta: Meta, children: list[Any]) -> syntax.Declaration | syntax.Empty:
        specifiers = cast(_Specifiers, children[0])
        if specifiers.is_typedef:
            for declared, _ in cast("list[tuple[_DeclaredName, Any]]", children[1:]):
                self._type_names[declared.name] = self._type(specifiers, declared)
            if not specifiers.enumerators:
                return syntax.Empty(self._at(meta))
            return syntax.Declaration(self._at(meta), specifiers.enumerators)
        declarators = [
            syntax.Declarator(
                declared.location,
                declared.name,
                self._type(specifiers, declared),
                initializer,
                specifiers.is_static,
            )
            for declared, initializer in cast("list[tuple[_DeclaredName, Any]]", children[1:])
        ]
        return syntax.Declaration(self._at(meta), (*specifiers.enumerators, *declarators))

    def _type(self, specifiers: _Specifiers, declared: _DeclaredName) -> syntax.TypeName:
        derivations = (*declared.derivations, *specifiers.derivations)
        plain = tuple(p for p in derivations if not isinstance(p, syntax.ReferenceTo))
        return syntax.TypeName(
            specifiers.location,
            specifiers.base,
            specifiers.const,
            plain,
            reference=len(plain) < len(derivations),
            typeof=specifiers.typeof,
        )

    def init_declarator(self, meta: Meta, children: list[Any]) -> tuple[Any, ...]:
        return tuple(children)

    def initializer_list(self, meta: Meta, children: list[Any]) -> syntax.InitializerList:
        return syntax.InitializerList(self._at(meta), tuple(children))

    def name_declarator(self, meta: Meta, children: list[Any]) -> _DeclaredName:
        return _DeclaredName(self._at(children[0]), str(children[0]))

    def pointer_declarator(self, meta: Meta, children: list[Any]) -> _DeclaredName:
        return cast(_DeclaredName, children[-1]).derive(syntax.PointerTo())

    def reference_declarator(self, meta: Meta, children: list[Any]) -> _DeclaredName:
        return cast(_DeclaredName, children[-1]).derive(syntax.ReferenceTo())

    def array_declarator(self, meta: Meta, children: list[Any]) -> _DeclaredName:
        return cast(_DeclaredName, children[0]).derive(children[1])

    def array_suffix(self, meta: Meta, children: list[Any]) -> syntax.ArrayOf:
        return syntax.ArrayOf(cast("syntax.Expression | None", children[-1]))

    def function_declarator(self, meta: Meta, children: list[Any]) -> _DeclaredName:
        return cast(_DeclaredName, children[0]).derive(syntax.FunctionTaking(children[1]))

    def parameter_list(self, meta: Meta, children: list[Any]) -> tuple[syntax.Declarator, ...]:
        parameters = cast("Sequence[syntax.Declarator]", children)
        if len(parameters) == 1 and not parameters[0].name:
            only = parameters[0].type
            if only.base == VOID and not only.derivations:
                return ()
        return tuple(parameters)

    def parameter(self, meta: Meta, children: list[Any]) -> syntax.Declarator:
        specifiers = cast(_Specifiers, children[0])
        declared = cast("_DeclaredName | None", children[1])
        declared = declared or _DeclaredName(specifiers.location, "")
        return syntax.Declarator(declared.location, declared.name, self._type(specifiers, declared))

    def abstract_pointer(self, meta: Meta, children: list[Any]) -> _DeclaredName:
        inner = cast("_DeclaredName | None", children[-1])
        return (inner or _DeclaredName(self._at(meta), "")).derive(syntax.PointerTo())

    def abstract_array(self, meta: Meta, children: list[Any]) -> _DeclaredName:
        inner = cast("_DeclaredName | None", children[0])
        return (inner or _DeclaredName(self._at(meta), "")).derive(children[1])

    def type_name(self, meta: Meta, children: list[Any]) -> syntax.TypeName:
        declared = cast("_DeclaredName | None", children[1])
        return self._type(children[0], declared or _DeclaredName(self._at(meta), ""))

    # ---- statements -----------------------------------------------------------------------------
    def compound_statement(self, meta: Meta, children: list[Any]) -> syntax.Compound:
        return syntax.Compound(self._at(meta), tuple(children))

    def expression_statement(self, meta: Meta, children: list[Any]) -> syntax.ExpressionStatement:
        return syntax.ExpressionStatement(self._at(meta), children[0])

    def empty_statement(self, meta: Meta, children: list[Any]) -> syntax.Empty:
        return syntax.Empty(self._at(meta))

    def if_statement(self, meta: Meta, children: list[Any]) -> syntax.If:
        condition, then, otherwise = children
        return syntax.If(self._at(meta), condition, then, otherwise)

    def for_statement(self, meta: Meta, children: list[Any]) -> syntax.For:
        initializer, condition, step, body = children
        if isinstance(initializer, syntax.Empty):
            initializer = None
        return syntax.For(self._at(meta), initializer, condition, step, body)

    def range_statement(self, meta: Meta, children: list[Any]) -> syntax.For:
        specifiers, declared, vector, body = children
        kind = self._type(specifiers, declared)
        return range_loop(self._at(meta), kind, declared.name, vector, body)

    def while_statement(self, meta: Meta, children: list[Any]) -> syntax.While:
        return syntax.While(self._at(meta), children[0], children[1], body_first=False)

    def do_statement(self, meta: Meta, children: list[Any]) -> syntax.While:
        return syntax.While(self._at(meta), children[1], children[0], body_first=True)

    def switch_statement(self, meta: Meta, children: list[Any]) -> syntax.Switch:
        return syntax.Switch(self._at(meta), *children)

    def case_label(self, meta: Meta, children: list[Any]) -> syntax.Case:
        return syntax.Case(self._at(meta), children[0])

    def default_label(self, meta: Meta, children: list[Any]) -> syntax.Case:
        return syntax.Case(self._at(meta), None)

    def break_statement(self, meta: Meta, children: list[Any]) -> syntax.Break:
        return syntax.Break(self._at(meta))

    def continue_statement(self, meta: Meta, children: list[Any]) -> syntax.Continue:
        return syntax.Continue(self._at(meta))

    def return_statement(self, meta: Meta, children: list[Any]) -> syntax.Return:
        return syntax.Return(self._at(meta), children[0])

    # ---- expressions ----------------------------------------------------------------------------
    def comma(self, meta: Meta, children: list[Any]) -> syntax.Comma:
        return syntax.Comma(self._at(meta), children[0], children[1])

    def assignment(self, meta: Meta, children: list[Any]) -> syntax.Assignment:
        target, operator, value = children
        return syntax.Assignment(self._at(meta), str(operator)[:-1], target, value)

    def conditional(self, meta: Meta, children: list[Any]) -> syntax.Conditional:
        condition, then, otherwise = children
        return syntax.Conditional(self._at(meta), condition, then, otherwise)

    def binary(self, meta: Meta, children: list[Any]) -> syntax.Binary:
        left, operator, right = children
        return syntax.Binary(self._at(operator), str(operator), left, right)

    def unary(self, meta: Meta, children: list[Any]) -> syntax.Unary:
        return syntax.Unary(self._at(meta), str(children[0]), children[1])

    def prefix_increment(self, meta: Meta, children: list[Any]) -> syntax.Increment:
        step = 1 if children[0] == "++" else -1
        return syntax.Increment(self._at(meta), children[1], step, prefix=True)

    def postfix_increment(self, meta: Meta, children: list[Any]) -> syntax.Increment:
        step = 1 if children[1] == "++" else -1
        return syntax.Increment(self._at(meta), children[0], step, prefix=False)

    def cast(self, meta: Meta, children: list[Any]) -> syntax.Cast:
        return syntax.Cast(self._at(meta), children[0], children[1])

    def size_of(self, meta: Meta, children: list[Any]) -> syntax.SizeOf:
        return syntax.SizeOf(self._at(meta), children[0])

    def subscript(self, meta: Meta, children: list[Any]) -> syntax.Subscript:
        return syntax.Subscript(self._at(meta), children[0], children[1])

    def call(self, meta: Meta, children: list[Any]) -> syntax.Expression:
        function, arguments = children
        if isinstance(function, syntax.Member):
            if (element := _element_of(function, arguments)) is not None:
                return element
            return syntax.MethodCall(self._at(meta), function.structure, function.name, arguments)
        if not isinstance(function, syntax.Identifier):
            raise Diagnostic(
                "only a function's name can be called", self._at(meta), hint="call it by its name"
            )
        return syntax.Call(self._at(meta), function.name, arguments)

    def member(self, meta: Meta, children: list[Any]) -> syntax.Member:
        structure, operator, name = children
        return syntax.Member(self._at(meta), structure, str(name), str(operator) == "->")

    def statement_expression(self, meta: Meta, children: list[Any]) -> syntax.StatementExpression:
        return syntax.StatementExpression(self._at(meta), children[0])

    def construct(self, meta: Meta, children: list[Any]) -> syntax.Construct:
        return syntax.Construct(self._at(meta), self._vector_type(children[0]), children[1])

    def argument_list(self, meta: Meta, children: list[Any]) -> tuple[syntax.Expression, ...]:
        return tuple(children)

    def identifier(self, meta: Meta, children: list[Any]) -> syntax.Identifier:
        return syntax.Identifier(self._at(children[0]), str(children[0]))

    def number(self, meta: Meta, children: list[Any]) -> syntax.Literal:
        return number_literal(str(children[0]), self._at(children[0]))

    def character(self, meta: Meta, children: list[Any]) -> syntax.Literal:
        return character_literal(str(children[0]), self._at(children[0]))

    def string(self, meta: Meta, children: list[Any]) -> syntax.StringLiteral:
        return syntax.StringLiteral(self._at(children[0]))


def _element_of(
    method: syntax.Member, arguments: tuple[syntax.Expression, ...]
) -> syntax.Expression | None:
    """Return a method call such as ``v.at(i)`` that only names an element as a subscript."""
    place = method.location
    match (method.name, arguments):
        case ("at", (index,)):
            return syntax.Subscript(place, method.structure, index)
        case ("front", ()):
            return syntax.Subscript(place, method.structure, syntax.Literal(place, 0, INT))
        case ("back", ()):
            size = syntax.MethodCall(place, method.structure, "size", ())
            last = syntax.Binary(place, "-", size, syntax.Literal(place, 1, INT))
            return syntax.Subscript(place, method.structure, last)
        case ("data", ()):
            return method.structure
        case _:
            return None
