"""Inserts operations into the function being built, and keeps what all of it shares.

Constants and parameters cast to ``index`` go to the head of the function, once each.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVar

from xdsl.dialects import arith, builtin
from xdsl.ir import Block, Operation, SSAValue

from ...diagnostics import Diagnostic, SourceLocation
from .constants import Number
from .polynomial import Polynomial
from .types import LONG, CInteger, CScalar, to_mlir

OPERATION_LIMIT = 10_000
"""Operations of one kernel; inlined functions that call others twice could ask for billions."""

_Operation = TypeVar("_Operation", bound=Operation)


def mlir_location(location: SourceLocation) -> builtin.FileLineColLoc:
    """Return ``location`` as the attribute that MLIR prints as ``loc("file":line:column)``."""
    return builtin.FileLineColLoc(
        builtin.StringAttr(location.file),
        builtin.IntAttr(location.line),
        builtin.IntAttr(location.column),
    )


def source_location(op: Operation) -> SourceLocation | None:
    """Return the place in the C source that ``op`` comes from, if it is known."""
    if not isinstance(loc := op.location, builtin.FileLineColLoc):
        return None
    return SourceLocation(loc.filename.data, loc.line.data, loc.column.data)


class Emitter:
    """An insertion point with the source place that new operations are attributed to."""

    head: Block
    """Constants and casts of parameters, in front of everything else."""
    block: Block
    """Where ``emit`` appends."""
    location: SourceLocation
    _shared: dict[object, SSAValue]
    _emitted: int

    def __init__(self, location: SourceLocation) -> None:
        self.head = Block()
        self.block = Block()
        self.location = location
        self._shared = {}
        self._emitted = 0

    def emit(self, op: _Operation, name: str | None = None) -> _Operation:
        """Append ``op``; its only result, if any, is called ``name`` where IR is printed."""
        self._count()
        op.location = mlir_location(self.location)
        self.block.add_op(op)
        if name is not None and op.results:
            op.results[0].name_hint = name
        return op

    def value(self, op: Operation, name: str | None = None) -> SSAValue:
        """Append ``op`` and return its result."""
        return self.emit(op, name).results[0]

    @contextmanager
    def inside(self, block: Block) -> Generator[Block]:
        """Append to ``block`` within the ``with`` statement."""
        outer, self.block = self.block, block
        try:
            yield block
        finally:
            self.block = outer

    @contextmanager
    def at(self, location: SourceLocation) -> Generator[None]:
        """Attribute what is emitted within the ``with`` statement to ``location``."""
        outer, self.location = self.location, location
        try:
            yield
        finally:
            self.location = outer

    def shared(self, key: object, op: Operation, name: str) -> SSAValue:
        """Return the result of the one operation known as ``key``, adding ``op`` if it is new."""
        if key not in self._shared:
            self._count()
            op.location = mlir_location(self.location)
            self.head.add_op(op)
            op.results[0].name_hint = name
            self._shared[key] = op.results[0]
        return self._shared[key]

    def constant(self, value: Number, kind: CScalar) -> SSAValue:
        """Return ``value`` as a constant of the C type ``kind``."""
        mlir_type = to_mlir(kind)
        # Zeros of both signs are equal in Python but are different floating-point constants.
        key = (value, math.copysign(1, value), mlir_type)
        if not isinstance(mlir_type, builtin.IntegerType):
            attribute = builtin.FloatAttr(float(value), mlir_type)
            return self.shared(key, arith.ConstantOp(attribute), "cst")
        assert isinstance(kind, CInteger)
        signed = CInteger(kind.bits, signed=True).wrap(int(value))
        attribute = builtin.IntegerAttr(signed, builtin.IntegerType(kind.bits))
        name = f"c{signed}_i{kind.bits}".replace("-", "m")
        return self.shared(key, arith.ConstantOp(attribute), name)

    def truth(self, value: bool) -> SSAValue:
        """Return the constant true or false, an ``i1``."""
        attribute = builtin.BoolAttr.from_bool(value)
        return self.shared((value, "i1"), arith.ConstantOp(attribute), str(value).lower())

    def index_constant(self, value: int) -> SSAValue:
        """Return ``value``, modulo 2**64, as a constant of type ``index``."""
        value = LONG.wrap(value)
        attribute = builtin.IntegerAttr(value, builtin.IndexType())
        name = f"c{value}".replace("-", "m")
        return self.shared((value, "index"), arith.ConstantOp(attribute), name)

    def index(self, polynomial: Polynomial) -> SSAValue:
        """Emit ``polynomial`` as arithmetic on ``index`` and return its value."""
        terms = sorted(
            polynomial.terms.items(),
            key=lambda term: (term[1] < 0, not term[0], [atom.serial for atom in term[0]]),
        )
        total: SSAValue | None = None
        for monomial, coefficient in terms:
            scale = coefficient if total is None else abs(coefficient)
            value = self._product([atom.value for atom in monomial], scale)
            if total is None:
                total = value
            elif coefficient < 0:
                total = self.value(arith.SubiOp(total, value))
            else:
                total = self.value(arith.AddiOp(total, value))
        return total if total is not None else self.index_constant(0)

    def _product(self, factors: list[SSAValue], coefficient: int) -> SSAValue:
        if not factors:
            return self.index_constant(coefficient)
        product = factors[0]
        for factor in factors[1:]:
            product = self.value(arith.MuliOp(product, factor))
        if coefficient == 1:
            return product
        return self.value(arith.MuliOp(product, self.index_constant(coefficient)))

    def _count(self) -> None:
        self._emitted += 1
        if self._emitted > OPERATION_LIMIT:
            raise Diagnostic(
                f"the kernel needs more than {OPERATION_LIMIT} operations",
                self.location,
                hint="use loops instead of repeated statements or nested helper functions",
            )
