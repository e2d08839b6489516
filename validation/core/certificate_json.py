"""Proof certificates as JSON: a format that another checker can read.

The text only carries claims. Whatever it says is checked (see ``recheck``), so a wrong or malicious
certificate can make a proof fail, but never make one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from ...diagnostics import Diagnostic
from .certificate import (
    Certificate,
    ChainCertificate,
    FlowCertificate,
    InductionCertificate,
    KindClaim,
    Pairing,
    ProofCertificate,
    Row,
    SizeCertificate,
    Source,
    SumCertificate,
    SumQuestion,
    TermClaim,
    ValueClaim,
)
from .condition import Comparison, Condition, Connective
from .index import Atom, Extremum, FloorDivision, Index, Variable

FORMATS: dict[str, type[Certificate]] = {
    "liftproof-certificate": ProofCertificate,
    "liftproof-certificate-at-size": SizeCertificate,
    "liftproof-certificate-by-induction": InductionCertificate,
    "liftproof-certificate-of-chain": ChainCertificate,
}
VERSION = 4
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class CertificateError(Diagnostic):
    """A text that is not a certificate."""


def certificate_text(certificate: Certificate, about: dict[str, str]) -> str:
    """The certificate as JSON; ``about`` says for people which programs and tool it is from."""
    name = next(name for name, kind in FORMATS.items() if isinstance(certificate, kind))
    document = {"format": name, "version": VERSION, "about": about} | _claims(certificate)
    return json.dumps(document, indent=1) + "\n"


def read_certificate(text: str) -> Certificate:
    """The certificate in a JSON text; raises ``CertificateError`` if it is none."""
    try:
        document = json.loads(text)
        if document["format"] not in FORMATS or document["version"] != VERSION:
            raise CertificateError("not a certificate of this version of Liftproof")
        return _READERS[FORMATS[document["format"]]](document)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise CertificateError(f"not a certificate: {error}") from error
    except RecursionError as error:
        raise CertificateError("not a certificate: nested too deeply") from error


# Writing.


def _claims(certificate: Certificate) -> dict[str, Any]:
    if isinstance(certificate, SizeCertificate):
        return _at_size(certificate)
    if isinstance(certificate, InductionCertificate):
        return _by_induction(certificate)
    if isinstance(certificate, ChainCertificate):
        return {"source": _flow(certificate.source)}
    return {
        "source": _flow(certificate.source),
        "target": _flow(certificate.target),
        "precondition": _condition(certificate.precondition),
        "sums": [
            {
                "output": question.output,
                "left": list(question.left),
                "right": list(question.right),
                "depth": question.depth,
                "around": list(question.around),
                "forward": [_pairing(pairing) for pairing in pairs.forward],
                "backward": [_pairing(pairing) for pairing in pairs.backward],
            }
            for question, pairs in certificate.sums.items()
        ],
    }


def _at_size(certificate: SizeCertificate) -> dict[str, Any]:
    outputs = [
        {"output": position, "kinds": [asdict(kind) for kind in kinds]}
        for position, kinds in certificate.outputs.items()
    ]
    return {"source": _flow(certificate.source), "outputs": outputs}


def _by_induction(certificate: InductionCertificate) -> dict[str, Any]:
    return {
        "source": _flow(certificate.source),
        "target": _flow(certificate.target),
        "steps": [
            {"statement": name, "recurrence": number, "step": [_index(index) for index in step]}
            for name, (number, step) in certificate.steps.items()
        ],
        "cut": _claims(certificate.cut),
    }


def _flow(flow: FlowCertificate) -> list[dict[str, Any]]:
    return [
        {
            "read": list(name),
            "sources": [
                {
                    "writer": source.writer,
                    "condition": _condition(source.condition),
                    "point": [_index(index) for index in source.point],
                    "accumulated": source.accumulated,
                }
                for source in sources
            ],
        }
        for name, sources in flow.sources.items()
    ]


def _pairing(pairing: Pairing) -> dict[str, Any]:
    return {
        "left": pairing.left,
        "right": pairing.right,
        "condition": _condition(pairing.condition),
        "point": [_index(index) for index in pairing.point],
    }


def _condition(condition: Condition) -> dict[str, Any]:
    if isinstance(condition, Comparison):
        relation = "zero" if condition.is_equality else "not_negative"
        return {relation: _index(condition.expression)}
    return {condition.kind: [_condition(part) for part in condition.parts]}


def _index(index: Index) -> list[Any]:
    """``[constant, [factor, atom], …]``."""
    return [index.constant, *([factor, _atom(atom)] for atom, factor in index.terms)]


def _atom(atom: Atom) -> str | dict[str, Any]:
    if isinstance(atom, Variable):
        return atom.name
    if isinstance(atom, FloorDivision):
        return {"floor": _index(atom.dividend), "by": atom.divisor}
    return {atom.kind: [_index(atom.left), _index(atom.right)]}


# Reading. Nothing is simplified: the claims are checked as they stand.


def _read_proof(document: Any) -> ProofCertificate:
    sums = {
        _read_question(entry): SumCertificate(
            _read_pairings(entry["forward"]), _read_pairings(entry["backward"])
        )
        for entry in document["sums"]
    }
    source, target = _read_flow(document["source"]), _read_flow(document["target"])
    return ProofCertificate(source, target, sums, _read_condition(document["precondition"]))


def _read_at_size(document: Any) -> SizeCertificate:
    outputs = {
        int(entry["output"]): tuple(map(_read_kind, entry["kinds"]))
        for entry in document["outputs"]
    }
    return SizeCertificate(_read_flow(document["source"]), outputs)


def _read_by_induction(document: Any) -> InductionCertificate:
    steps = {
        str(entry["statement"]): (int(entry["recurrence"]), _read_point(entry["step"]))
        for entry in document["steps"]
    }
    source, target = _read_flow(document["source"]), _read_flow(document["target"])
    return InductionCertificate(source, target, steps, _read_proof(document["cut"]))


_READERS: dict[type[Certificate], Callable[[Any], Certificate]] = {
    ProofCertificate: _read_proof,
    SizeCertificate: _read_at_size,
    InductionCertificate: _read_by_induction,
    ChainCertificate: lambda document: ChainCertificate(_read_flow(document["source"])),
}


def _read_kind(entry: Any) -> KindClaim:
    return KindClaim(
        str(entry["shape"]),
        _read_rows(entry["equalities"]),
        _read_rows(entry["inequalities"]),
        tuple(map(_read_value, entry["values"])),
    )


def _read_value(entry: Any) -> ValueClaim:
    return ValueClaim(
        str(entry["statement"]),
        str(entry["shape"]),
        tuple(int(counter) for counter in entry["counters"]),
        _read_rows(entry["point"]),
        _read_rows(entry["equalities"]),
        _read_rows(entry["inequalities"]),
        _read_box(entry["box"]),
        tuple(tuple(map(_read_term, slot)) for slot in entry["slots"]),
    )


def _read_term(entry: Any) -> TermClaim:
    return TermClaim(
        str(entry["statement"]),
        str(entry["shape"]),
        _read_rows(entry["equalities"]),
        _read_rows(entry["inequalities"]),
        _read_rows(entry["elements"]),
        _read_box(entry["box"]),
    )


def _read_box(entry: Any) -> tuple[tuple[int, int], ...]:
    return tuple((int(low), int(high)) for low, high in entry)


def _read_rows(rows: Sequence[Any]) -> tuple[Row, ...]:
    return tuple(tuple(int(number) for number in row) for row in rows)


def _read_flow(entries: Sequence[Any]) -> FlowCertificate:
    return FlowCertificate(
        {
            _read_name(entry["read"]): tuple(_read_source(source) for source in entry["sources"])
            for entry in entries
        }
    )


def _read_source(entry: Any) -> Source:
    return Source(
        str(entry["writer"]),
        _read_condition(entry["condition"]),
        _read_point(entry["point"]),
        bool(entry["accumulated"]),
    )


def _read_question(entry: Any) -> SumQuestion:
    left, right = _read_name(entry["left"]), _read_name(entry["right"])
    around = tuple(str(name) for name in entry["around"])
    return SumQuestion(int(entry["output"]), left, right, int(entry["depth"]), around)


def _read_name(entry: Any) -> tuple[str, int]:
    statement, number = entry
    return str(statement), int(number)


def _read_pairings(entries: Sequence[Any]) -> tuple[Pairing, ...]:
    return tuple(
        Pairing(
            str(entry["left"]),
            str(entry["right"]),
            _read_condition(entry["condition"]),
            _read_point(entry["point"]),
        )
        for entry in entries
    )


def _read_point(entries: Sequence[Any]) -> tuple[Index, ...]:
    return tuple(_read_index(entry) for entry in entries)


def _read_condition(entry: Any) -> Condition:
    ((kind, content),) = entry.items()
    if kind in ("and", "or"):
        return Connective(kind, tuple(_read_condition(part) for part in content))
    if kind in ("zero", "not_negative"):
        return Comparison(_read_index(content), kind == "zero")
    raise ValueError(f"unknown condition {kind!r}")


def _read_index(entry: Any) -> Index:
    constant, *terms = entry
    return Index(tuple((_read_atom(atom), int(factor)) for factor, atom in terms), int(constant))


def _read_atom(entry: Any) -> Atom:
    if isinstance(entry, str):
        # Names are put into format strings, where other characters have a meaning.
        if not _NAME.fullmatch(entry):
            raise ValueError(f"{entry!r} is not a name")
        return Variable(entry)
    if "floor" in entry:
        if int(entry["by"]) <= 0:
            raise ValueError("division by a number below 1")
        return FloorDivision(_read_index(entry["floor"]), int(entry["by"]))
    ((kind, (left, right)),) = entry.items()
    if kind not in ("min", "max"):
        raise ValueError(f"unknown expression {kind!r}")
    return Extremum(kind, _read_index(left), _read_index(right))
