"""Takes structure parameters apart: each member that is used becomes a parameter of its own.

``m.rows`` becomes ``m_rows``. Of a pointer whose elements are only ever read one by one, as in
``t->dimensions[1]``, each element becomes a scalar parameter; a pointer that is only used as a
pointer to another type, as in ``(int *)t->values``, becomes a parameter of that type.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .rewrite_tree import rebuilt
from .traversal import descendants
from .types import CStruct

Structures = dict[str, CStruct]
"""The parameters of a function that are structures, with their types."""


@dataclass
class _MemberUses:
    """All uses of one member of a structure type."""

    elements: set[int] = field(default_factory=set[int])
    """Constant subscripts with which the member is read."""
    casts: list[syntax.TypeName] = field(default_factory=list[syntax.TypeName])
    """Pointer types that the member is converted to."""
    other: bool = False
    """Whether it is used in any other way."""

    @property
    def is_split(self) -> bool:
        """Whether each element becomes a parameter of its own."""
        return bool(self.elements) and not self.other and not self.casts

    @property
    def is_converted(self) -> bool:
        """Whether the member is only used as a pointer to another type."""
        return bool(self.casts) and not self.other and not self.elements


def without_structures(unit: syntax.TranslationUnit) -> syntax.TranslationUnit:
    """Return ``unit`` with functions that take members in the place of structures.

    Raises Diagnostic for members that do not exist and for results in scalar members.
    """
    if not unit.structures:
        return unit
    uses = _UseCollector(unit)
    flatteners = {name: _Flattener(unit, uses, f) for name, f in unit.functions.items()}
    functions = {name: flattener.flat() for name, flattener in flatteners.items()}
    extents = frozenset(e for flattener in flatteners.values() for e in flattener.extents())
    return replace(unit, functions=functions, extents=extents)


class _UseCollector:
    """How the functions of a file use the members of each structure type."""

    def __init__(self, unit: syntax.TranslationUnit) -> None:
        self._unit = unit
        self._uses: dict[tuple[str, str], _MemberUses] = {}
        for function in unit.functions.values():
            structures = _structure_parameters(function)
            rebuilt(function.body, lambda node, known=structures: self._visit(node, known))

    def of(self, structure: CStruct, member: str) -> _MemberUses | None:
        """Return the uses of ``member``; ``None`` if it is not used."""
        return self._uses.get((structure.name, member))

    def _visit(self, node: syntax.Node, structures: Structures) -> syntax.Node | None:
        match node:
            case syntax.Assignment(target=target) | syntax.Increment(target=target):
                self._visit_target(target, structures)
            case syntax.Subscript(
                base=syntax.Member() as member, index=syntax.Literal(value=int(element))
            ) if _owner(member, structures):
                self._note(structures, member).elements.add(element)
                return node
            case syntax.Cast(type=kind, operand=syntax.Member() as member) if (
                kind.derivations and _owner(member, structures)
            ):
                self._note(structures, member).casts.append(kind)
                return node
            case syntax.Member() if _owner(node, structures):
                self._note(structures, node).other = True
                return node
            case _:
                pass
        return None

    def _visit_target(self, target: syntax.Expression, structures: Structures) -> None:
        if isinstance(target, syntax.Subscript) and isinstance(target.base, syntax.Member):
            if _owner(target.base, structures):
                self._note(structures, target.base).other = True
        elif isinstance(target, syntax.Member) and target.through_pointer:
            raise Diagnostic(
                f"the member '{target.name}' of a structure is set",
                target.location,
                hint="return the value, or store it in an array",
            )

    def _note(self, structures: Structures, member: syntax.Member) -> _MemberUses:
        structure = structures[_owner(member, structures)]
        members = self._unit.structures.get(structure.name, ())
        if all(declarator.name != member.name for declarator in members):
            raise Diagnostic(
                f"'{structure}' has no member '{member.name}'",
                member.location,
                hint="declare it in the structure",
            )
        return self._uses.setdefault((structure.name, member.name), _MemberUses())


class _Flattener:
    """Rewrites one function."""

    def __init__(
        self, unit: syntax.TranslationUnit, uses: _UseCollector, function: syntax.Function
    ) -> None:
        self._unit = unit
        self._uses = uses
        self._function = function
        self._structures = _structure_parameters(function)
        self._names: dict[tuple[str, str, int | None], str] = {}
        named = (syntax.Identifier, syntax.Declarator)
        self._taken = {n.name for n in descendants(function) if isinstance(n, named)}

    def flat(self) -> syntax.Function:
        """Return the function with members in the place of structures."""
        parameters: list[syntax.Declarator] = []
        for parameter in self._function.parameters:
            if parameter.name in self._structures:
                parameters.extend(self._members(parameter.name, parameter.location))
            else:
                parameters.append(parameter)
        body = rebuilt(self._function.body, self._replaced)
        return replace(self._function, parameters=tuple(parameters), body=body)

    def extents(self) -> list[str]:
        """Return the parameters that stand for one element of a member."""
        return [name for (_, _, element), name in self._names.items() if element is not None]

    def _members(self, owner: str, location: SourceLocation) -> list[syntax.Declarator]:
        """Return the parameters that take the place of the parameter ``owner``."""
        structure = self._structures[owner]
        flat: list[syntax.Declarator] = []
        for member in self._unit.structures.get(structure.name, ()):
            uses = self._uses.of(structure, member.name)
            if uses is None:
                continue
            kind, elements = member.type, [None]
            if uses.is_split:
                kind = replace(kind, derivations=kind.derivations[1:])
                elements = sorted(uses.elements)
            elif uses.is_converted:
                kind = _common_type(uses.casts)
            flat.extend(
                syntax.Declarator(location, self._name(owner, member.name, element), kind)
                for element in elements
            )
        return flat

    def _name(self, owner: str, member: str, element: int | None) -> str:
        """Return the name of the parameter for a member, which nothing else is called."""
        key = (owner, member, element)
        if key not in self._names:
            name = f"{owner}_{member}" + ("" if element is None else f"_{element}")
            while name in self._taken:
                name += "_"
            self._taken.add(name)
            self._names[key] = name
        return self._names[key]

    def _replaced(self, node: syntax.Node) -> syntax.Node | None:
        match node:
            case syntax.Subscript(
                base=syntax.Member() as member, index=syntax.Literal(value=int(element))
            ) if self._is_split(member):
                name = self._name(_owner(member, self._structures), member.name, element)
                return syntax.Identifier(node.location, name)
            case syntax.Cast(operand=syntax.Member() as member) if self._is_converted(member):
                return self._replaced(member)
            case syntax.Member() if owner := _owner(node, self._structures):
                return syntax.Identifier(node.location, self._name(owner, node.name, None))
            case syntax.Call(function=function) if function in self._unit.functions:
                return replace(node, arguments=self._arguments(node.arguments))
            case _:
                return None

    def _is_split(self, member: syntax.Member) -> bool:
        uses = self._member_uses(member)
        return uses is not None and uses.is_split

    def _is_converted(self, member: syntax.Member) -> bool:
        uses = self._member_uses(member)
        return uses is not None and uses.is_converted

    def _member_uses(self, member: syntax.Member) -> _MemberUses | None:
        owner = _owner(member, self._structures)
        return self._uses.of(self._structures[owner], member.name) if owner else None

    def _arguments(self, arguments: tuple[syntax.Expression, ...]) -> tuple[syntax.Expression, ...]:
        flat: list[syntax.Expression] = []
        for argument in arguments:
            owner = _variable(argument)
            if owner in self._structures:
                members = self._members(owner, argument.location)
                flat.extend(syntax.Identifier(argument.location, m.name) for m in members)
            else:
                flat.append(rebuilt(argument, self._replaced))
        return tuple(flat)


def _structure_parameters(function: syntax.Function) -> Structures:
    """Return the parameters that are structures, or pointers or references to one."""
    found: Structures = {}
    for parameter in function.parameters:
        kind = parameter.type
        if isinstance(kind.base, CStruct) and len(kind.derivations) < 2:
            found[parameter.name] = kind.base
    return found


def _owner(member: syntax.Member, structures: Structures) -> str:
    """Return the parameter whose member this is; empty if it is none of ``structures``."""
    name = _variable(member.structure)
    return name if name in structures else ""


def _variable(expression: syntax.Expression) -> str:
    """Return the variable that ``s``, ``*s`` or ``&s`` stands for."""
    match expression:
        case syntax.Identifier(name=name):
            return name
        case syntax.Unary(operator="*" | "&", operand=operand):
            return _variable(operand)
        case _:
            return ""


def _common_type(types: list[syntax.TypeName]) -> syntax.TypeName:
    """Return the type that a pointer is converted to. Raises Diagnostic if there are several."""
    first, *others = types
    for other in others:
        if other.base != first.base or len(other.derivations) != len(first.derivations):
            raise Diagnostic(
                f"this pointer is used as one to {first.base} and as one to {other.base}",
                other.location,
                hint="use it as a pointer to one type",
            )
    return first
