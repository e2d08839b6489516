"""Certificates as data: they prove without the oracle, and prove nothing that is false."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.certificate import (
    FlowCertificate,
    InductionCertificate,
    ProofCertificate,
)
from liftproof.validation.core.certificate_json import (
    CertificateError,
    certificate_text,
    read_certificate,
)
from liftproof.validation.core.checker import Violation
from liftproof.validation.core.condition import FALSE
from liftproof.validation.core.polyhedral import Unsupported
from liftproof.validation.recheck import check_certificate
from liftproof.validation.trace.api import validate_unrolled
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp

CONFIG = load_config()
SIZES = (20, 24, 40)


def certificate_of(program: Any, *levels: str) -> ProofCertificate:
    result = validate(*(program.module(level) for level in levels))
    assert isinstance(result.certificate, ProofCertificate), result.reason
    return result.certificate


@pytest.mark.parametrize("target", ["tensors", "tiles", "instructions"])
def test_certificate_proves_after_a_round_trip_through_json(kernel, target: str) -> None:
    """What is written is read back as it was, and proves the same in as many obligations."""
    program = kernel(*SIZES)
    first = validate(program.module("loops"), program.module(target))
    assert first.certificate is not None
    text = certificate_text(first.certificate, {})
    again = read_certificate(text)
    assert certificate_text(again, {}) == text
    found = check_certificate(program.module("loops"), program.module(target), again, CONFIG)
    assert found.assumptions == first.assumptions
    assert found.obligations == first.obligations


def filtered(loops: str) -> str:
    """A kernel whose steps go on from each other, in the given loops over ``t``."""
    return f"""void filtered(const float x[6], float y[6]) {{
        float h = 0.0f;
        {loops} {{ h = 0.5f * h + x[t]; y[t] = h; }}
    }}"""


IN_ORDER = filtered("for (int t = 0; t < 6; t++)")
IN_BLOCKS = filtered("for (int b = 0; b < 2; b++) for (int t = 3 * b; t < 3 * b + 3; t++)")


def by_induction() -> str:
    """The certificate of a proof that both kernels are the same."""
    result = validate(parse_c_kernel(IN_ORDER, "a.c"), parse_c_kernel(IN_BLOCKS, "b.c"))
    assert isinstance(result.certificate, InductionCertificate), result.reason
    return certificate_text(result.certificate, {})


def test_proofs_by_induction_have_certificates() -> None:
    """They prove the same again, no other program, and nothing with other steps."""
    source, target = parse_c_kernel(IN_ORDER, "a.c"), parse_c_kernel(IN_BLOCKS, "b.c")
    text = by_induction()
    certificate = read_certificate(text)
    assert certificate_text(certificate, {}) == text
    found = check_certificate(source, target, certificate, CONFIG)
    assert found.assumptions == validate(source, target).assumptions
    for old, new in (("x[t]", "x[5 - t]"), ("0.5f", "0.25f"), ("= 0.0f", "= 1.0f")):
        wrong = parse_c_kernel(IN_BLOCKS.replace(old, new), "b.c")
        with pytest.raises(Violation):
            check_certificate(source, wrong, certificate, CONFIG)


def later(step: list[Any]) -> list[Any]:
    """The step after the claimed one."""
    ((constant, *counters),) = step
    return [[constant + 1, *counters]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda entry: [entry | {"step": [[0]]}], "no two executions are the same step"),
        (lambda entry: [entry | {"step": later(entry["step"])}], "each execution is a step"),
        (lambda entry: [entry | {"step": [[0, [1, "u"]]]}], "depends on other counters"),
        (lambda entry: [entry | {"step": []}], "fits the programs"),
        (lambda entry: [entry | {"recurrence": 1}], "fits the programs"),
        (lambda entry: [entry | {"statement": "T"}], "fits the programs"),
        (lambda entry: [], "recurrence|initialised"),
    ],
    ids=["one for all", "late", "unknown counter", "none", "recurrence", "statement", "no claims"],
)
def test_damaged_steps_of_recurrences_are_refused(
    change: Callable[[dict[str, Any]], list[Any]], reason: str
) -> None:
    """A map from executions to steps that would hide a difference is no proof."""
    document = json.loads(by_induction())
    (entry,) = document["steps"]
    text = json.dumps(document | {"steps": change(entry)})
    source, target = parse_c_kernel(IN_ORDER, "a.c"), parse_c_kernel(IN_BLOCKS, "b.c")
    with pytest.raises(Violation, match=reason):
        check_certificate(source, target, read_certificate(text), CONFIG)


def test_checking_needs_no_isl(kernel, tmp_path: Path) -> None:
    """A process in which islpy cannot be imported checks certificates of every kind."""
    program = kernel(*SIZES)
    at_size = validate_unrolled(program.module("loops"), program.module("instructions"))
    assert at_size.certificate is not None
    files = {
        "loops.mlir": program.text("loops"),
        "instructions.mlir": program.text("instructions"),
        "order.c": IN_ORDER,
        "blocks.c": IN_BLOCKS,
        "first.json": certificate_text(certificate_of(program, "loops", "instructions"), {}),
        "second.json": certificate_text(at_size.certificate, {}),
        "third.json": by_induction(),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    pair = ("loops.mlir", "instructions.mlir")
    runs = [(*pair, "first.json"), (*pair, "second.json"), ("order.c", "blocks.c", "third.json")]
    script = (
        "import sys; sys.modules['islpy'] = None\n"
        "from liftproof.tools.cli import main\n"
        f"for source, target, proof in {runs}:\n"
        "    main(['validate', source, target, '--check-certificate', proof])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.count("proved (") == len(runs), done.stdout + done.stderr
    assert "proved at size: A int8[20, 40]" in done.stdout


def test_limits_on_sizes_are_part_of_a_certificate() -> None:
    """A limited proof is checked for all sizes for which the source is defined, and no others."""

    def copy(place: str) -> ModuleOp:
        head = "void copy(int n, const int8_t a[16], int8_t c[16])"
        loop = f"for (int i = 0; i < n; i++) c[{place}] = a[{place}];"
        return parse_c_kernel(f"#include <stdint.h>\n{head} {{ {loop} }}", "copy.c")

    first = validate(copy("i"), copy("n - 1 - i"))
    assert isinstance(first.certificate, ProofCertificate)
    text = certificate_text(first.certificate, {})
    assert certificate_text(read_certificate(text), {}) == text
    found = check_certificate(copy("i"), copy("n - 1 - i"), read_certificate(text), CONFIG)
    assert "sizes for which" in found.assumptions[-1]
    assert found.assumptions == first.assumptions
    for limits in (
        {"and": []},
        {"zero": [1]},
        {"zero": [-17, [1, "n0"]]},
        {"zero": [-5, [1, "n0"]]},
    ):
        changed = json.dumps(json.loads(text) | {"precondition": limits})
        with pytest.raises(Violation):
            check_certificate(copy("i"), copy("n - 1 - i"), read_certificate(changed), CONFIG)


@pytest.mark.parametrize("parameters", ["const int x[4], int y[4]", "int n, int x[n], int y[n]"])
def test_premises_that_cannot_be_met_prove_nothing(parameters: str) -> None:
    """A precondition that is false is refused, for programs without symbolic sizes too."""
    bodies = (f"void f({parameters}) {{ y[0] = {value}; }}" for value in ("x[0]", "1"))
    modules = [parse_c_kernel(body, "f.c") for body in bodies]
    nothing = ProofCertificate(FlowCertificate(), FlowCertificate(), {}, FALSE)
    with pytest.raises(Violation, match="assumptions on the symbolic sizes can be met"):
        check_certificate(modules[0], modules[1], nothing, CONFIG)


def numbers_in(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all integers and truth values in the claims of a JSON certificate."""
    if isinstance(node, bool | int):
        return [path]
    items = node.items() if isinstance(node, dict) else enumerate(node)
    return [
        place
        for key, value in items
        if not isinstance(value, str)
        for place in numbers_in(value, (*path, key))
    ]


def test_changed_claims_never_prove_a_wrong_program(kernel) -> None:
    """Whatever number of the certificate is changed, a wrong program is not proved."""
    program = kernel(*SIZES)
    source = program.module("loops")
    wrong = program.module("instructions", ("arith.remsi %next", "arith.remsi %ko"))
    document = json.loads(certificate_text(certificate_of(program, "loops", "instructions"), {}))
    places = [p for p in numbers_in(document) if p[0] in ("source", "target", "sums")]
    assert len(places) > 40
    for place in places[:: max(1, len(places) // 25)]:
        changed = json.loads(json.dumps(document))
        node = changed
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = not node[place[-1]] if isinstance(node[place[-1]], bool) else 7
        with pytest.raises((Violation, Unsupported, CertificateError)):
            check_certificate(source, wrong, read_certificate(json.dumps(changed)), CONFIG)


def test_certificate_without_pairings_is_rejected(kernel) -> None:
    """Claims that the proof needs and that are missing leave it open."""
    program = kernel(*SIZES)
    certificate = replace(certificate_of(program, "loops", "instructions"), sums={})
    with pytest.raises(Violation, match="fits the programs"):
        check_certificate(
            program.module("loops"), program.module("instructions"), certificate, CONFIG
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"format": "liftproof-certificate", "version": 4}',
        '{"format": "liftproof-certificate", "version": 4, "source": [], "target": 3, "sums": []}',
    ],
    ids=["empty", "list", "object", "deep", "version", "shape"],
)
def test_other_texts_are_no_certificates(text: str) -> None:
    """Anything else gets a diagnostic."""
    with pytest.raises(CertificateError, match="not a certificate"):
        read_certificate(text)


def text_with(condition: Any, version: int = 4) -> str:
    """A certificate that claims one source, under a condition."""
    source = {"writer": "S", "condition": condition, "point": [], "accumulated": True}
    claims = {"source": [{"read": ["S", 0], "sources": [source]}], "target": [], "sums": []}
    head = {"format": "liftproof-certificate", "version": version}
    return json.dumps({**head, **claims, "precondition": {"and": []}})


def test_only_expressions_are_read() -> None:
    """Names, divisors and kinds that no expression has are refused; the same text without reads."""
    good = {"zero": [0, [1, "a"], [2, {"floor": [3], "by": 1}], [3, {"min": [[4], [5]]}]]}
    assert certificate_text(read_certificate(text_with(good)), {})
    bad = ("a.__class__", "a{", "", {"floor": [3], "by": 0}, {"floor": [3], "by": -1})
    for atom in (*bad, {"sum": [[4], [5]]}):
        with pytest.raises(CertificateError, match="not a"):
            read_certificate(text_with({"zero": [0, [1, atom]]}))
    for text in (text_with({"never": [0]}), text_with({"xor": []}), text_with(good, version=1)):
        with pytest.raises(CertificateError, match="not a"):
            read_certificate(text)
