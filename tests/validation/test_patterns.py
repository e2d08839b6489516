"""Rewrite rules: right ones are proved, wrong ones refuted, and applied only where they matched."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.config import load_config
from liftproof.tools.read import parse_mlir
from liftproof.validation.cross_check import cross_check
from liftproof.validation.patterns import proof as pattern_proof
from liftproof.validation.patterns.proof import RuleProof, prove_rule
from liftproof.validation.patterns.rule import PatternError, Rule, match, rewrite, rules_of
from liftproof.validation.query_log import logging_queries
from xdsl.dialects.builtin import IntegerType, ModuleOp

PATTERNS = Path(__file__).parent / "patterns"
CONTEXT = new_context()


def rules(name: str) -> dict[str, Rule]:
    path = PATTERNS / name
    return {rule.name: rule for rule in rules_of(parse_mlir(path.read_text(), str(path)))}


RIGHT, WRONG = rules("right.mlir"), rules("wrong.mlir")


def proof_of(rule: Rule, resource_limit: int = pattern_proof.RESOURCE_LIMIT) -> RuleProof:
    return prove_rule(rule, CONTEXT, load_config(), resource_limit)


def program(body: str, parameters: str = "%x: i32, %y: i32") -> ModuleOp:
    text = f"func.func @f({parameters}) {{\n{body}\nfunc.return\n}}"
    return parse_mlir(text, "program.mlir")


def applied(rule: Rule, module: ModuleOp) -> int:
    """Apply a rule everywhere; the number of places where it matched."""
    count = 0
    for operation in list(module.walk()):
        bindings = match(rule, operation) if operation.parent is not None else None
        if bindings is not None:
            rewrite(rule, CONTEXT, bindings)
            count += 1
    module.verify()
    return count


@pytest.mark.parametrize("name", RIGHT)
def test_right_rules_are_proved(name: str) -> None:
    """Each rule holds for all operands, of every type that fits it."""
    proof = proof_of(RIGHT[name])
    assert proof.verdict == "proved", proof
    assert proof.proved_types


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rules_are_refuted_with_operands(name: str) -> None:
    """Each refutation names operands, and what they give before and after."""
    proof = proof_of(WRONG[name])
    assert proof.verdict == "refuted", proof
    failed = proof.instances[-1]
    if name == "needed_config":
        assert "registers end differently" in failed.reason
        return
    assert failed.operands
    assert failed.expected != failed.actual


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("halve", lambda x: (int(x / 2), x >> 1)),
        ("extend_unsigned", lambda x: (x & 0xFFFF, x)),
        ("clamp_crossed", lambda x: (max(min(x, -128), 127), min(max(x, 127), -128))),
    ],
)
def test_operands_of_a_refutation_show_the_difference(name: str, expected) -> None:
    """The named operand gives the named values when it is computed by hand."""
    failed = proof_of(WRONG[name]).instances[-1]
    before, after = expected(int(dict(failed.operands)["x"]))
    assert (failed.expected, failed.actual) == (str(before), str(after))


def test_open_types_are_proved_one_by_one() -> None:
    """An integer rule is proved for each integer type, and for no float type."""
    types = {str(type) for (type,) in proof_of(RIGHT["add_sub"]).proved_types}
    assert types == {"i1", "i8", "i16", "i32", "i64", "index"}
    assert {str(t) for (t,) in proof_of(RIGHT["negate_twice"]).proved_types} == {
        "f16",
        "f32",
        "f64",
    }


def test_other_solvers_agree_on_rules() -> None:
    """cvc5 and Bitwuzla repeat the queries about scalars, floats among them."""
    pytest.importorskip("cvc5")
    pytest.importorskip("bitwuzla")
    names = ("double", "select_max", "double_float", "unsigned_mask")
    wrong = ("halve", "reassociate_float")
    with logging_queries() as log:
        for rule in [*(RIGHT[name] for name in names), *(WRONG[name] for name in wrong)]:
            proof_of(rule)
    for tally in cross_check(log.queries).values():
        assert tally.agreed == len(log.queries) > 10
        assert not tally.disagreed


def test_same_text_is_proved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is read again is not proved again."""
    first = proof_of(RIGHT["merge_moves"])
    monkeypatch.setattr(pattern_proof, "instances", lambda *_: pytest.fail("proved again"))
    assert proof_of(rules("right.mlir")["merge_moves"]) is first


def test_too_few_resources_leave_a_rule_open() -> None:
    """The limit is named; nothing is proved."""
    proof = proof_of(RIGHT["narrow_product"], resource_limit=10)
    assert proof.verdict == "unknown"
    assert "--rlimit" in proof.instances[0].reason or "never defined" in proof.instances[0].reason


def test_rule_applies_where_it_matches() -> None:
    """A product with two becomes a sum, one with three stays."""
    body = "\n".join(
        [
            "%two = arith.constant 2 : i32",
            "%three = arith.constant 3 : i32",
            "%a = arith.muli %x, %two : i32",
            "%b = arith.muli %a, %three : i32",
        ]
    )
    module = program(body)
    assert applied(RIGHT["double"], module) == 1
    assert "arith.addi %x, %x" in str(module)
    assert str(module).count("arith.muli") == 1


def test_operations_with_other_attributes_do_not_match() -> None:
    """What the pattern does not mention must be as usual: flags change the meaning."""
    body = "%s = arith.addi %x, %y {F} : i32\n%r = arith.subi %s, %y : i32"
    plain = program(body.replace("{F}", ""))
    flagged = program(body.replace("{F}", "overflow<nsw>"))
    assert applied(RIGHT["add_sub"], plain) == 1
    assert applied(RIGHT["add_sub"], flagged) == 0


MOVES = """
%c0 = arith.constant 0 : index
%c16 = arith.constant 16 : index
%c40 = arith.constant 40 : index
gemmini.config_ld {stride = 64 : i64, block_stride = 16 : i64}
%a = gemmini.spad %c40
gemmini.mvin %A[%c0, %c16] to %a[%c16, %c16] : memref<64x64xi8>, !gemmini.local<spad>
%row = arith.addi %c40, %c16 : index
%col = arith.addi %c16, %c16 : index
%b = gemmini.spad %row
// between
gemmini.mvin %A[%c0, %col] to %b[%c16, %c16] : memref<64x64xi8>, !gemmini.local<spad>
"""


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ("// between", "", 1),
        ("// between", "gemmini.fence", 0),
        ("%row = arith.addi %c40, %c16", "%row = arith.addi %c16, %c16", 0),
        ("block_stride = 16", "block_stride = 32", 0),
        ("block_stride = 16 : i64", "block_stride = 16 : i64, scale = 2.0 : f32", 0),
        ("%b[%c16, %c16]", "%b[%c16, %c16] {channel = 1 : i64}", 0),
    ],
    ids=["as is", "fence between", "other row", "other stride", "scaled", "other channel"],
)
def test_instructions_match_only_as_they_were_proved(old: str, new: str, count: int) -> None:
    """Nothing with an effect may lie in between, and every register must be the pattern's."""
    assert old in MOVES
    module = program(MOVES.replace(old, new), "%A: memref<64x64xi8>")
    assert applied(RIGHT["merge_moves"], module) == count
    assert str(module).count("gemmini.mvin") == 2 - count


HEAD = "pdl.pattern @p : benefit(1) {\n%t = pdl.type : i32\n%x = pdl.operand : %t\n"
NEGATE = '%r = pdl.operation "arith.addi" (%x, %x : !pdl.value, !pdl.value) -> (%t : !pdl.type)\n'
UNSUPPORTED = {
    "no pattern": ("func.func @f() { func.return }", "no `pdl.pattern`"),
    "open attribute": (
        HEAD.replace("%x = pdl.operand : %t\n", "%a = pdl.attribute\n")
        + '%r = pdl.operation "arith.constant" {"value" = %a} -> (%t : !pdl.type)\n'
        + "pdl.rewrite %r {\npdl.erase %r\n}\n}",
        "attribute is open",
    ),
    "native rewrite": (
        HEAD + NEGATE + 'pdl.rewrite %r {\npdl.apply_native_rewrite "f"(%r : !pdl.operation)\n}\n}',
        "not supported in a rewrite",
    ),
    "other constraint": (
        HEAD
        + NEGATE
        + 'pdl.apply_native_constraint "is_even"(%x : !pdl.value)\n'
        + "pdl.rewrite %r {\npdl.replace %r with (%x : !pdl.value)\n}\n}",
        "the only constraint",
    ),
    "root in its replacement": (
        HEAD
        + NEGATE
        + "pdl.rewrite %r {\n%v = pdl.result 0 of %r\n"
        + "pdl.replace %r with (%v : !pdl.value)\n}\n}",
        "may not use its results",
    ),
    "removed twice": (
        HEAD
        + NEGATE
        + "pdl.rewrite %r {\npdl.replace %r with (%x : !pdl.value)\npdl.erase %r\n}\n}",
        "removed twice",
    ),
    "unknown operation": (
        HEAD
        + NEGATE.replace("arith.addi", "arith.no_such")
        + "pdl.rewrite %r {\npdl.replace %r with (%x : !pdl.value)\n}\n}",
        "no operation `arith.no_such`",
    ),
    "no valid types": (
        HEAD.replace("i32", "f32") + NEGATE + "pdl.rewrite %r {\n"
        "pdl.replace %r with (%x : !pdl.value)\n}\n}",
        "matches no valid operations",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_rules_that_cannot_be_proved_get_a_diagnostic(name: str) -> None:
    """The message says which part of the pattern is not supported."""
    text, message = UNSUPPORTED[name]
    module = parse_mlir(text, "pattern.mlir")
    with pytest.raises(PatternError, match=message):
        proof_of(rules_of(module)[0])


def test_instructions_with_hidden_state_are_left_open() -> None:
    """The weights that stay in the array are not observed, so such rules are not proved."""
    text = "\n".join(
        [
            "pdl.pattern @p : benefit(1) {",
            '%a = pdl.operation "gemmini.fence"',
            '%b = pdl.operation "gemmini.fence"',
            'pdl.apply_native_constraint "consecutive"(%a, %b : !pdl.operation, !pdl.operation)',
            "pdl.rewrite %b {\npdl.erase %b\n}\n}",
        ]
    )
    (rule,) = rules_of(parse_mlir(text, "pattern.mlir"))
    proof = proof_of(rule)
    assert proof.verdict == "unknown"
    assert "gemmini.fence" in proof.instances[0].reason


def test_the_same_array_twice_does_not_match_two_arrays() -> None:
    """A proof about two arrays says nothing of one array under two names."""
    text = "\n".join(
        [
            "pdl.pattern @p : benefit(1) {",
            "%t = pdl.type : memref<i32>",
            "%a = pdl.operand : %t",
            "%b = pdl.operand : %t",
            '%r = pdl.operation "memref.copy" (%a, %b : !pdl.value, !pdl.value)',
            "pdl.rewrite %r {\npdl.erase %r\n}\n}",
        ]
    )
    (rule,) = rules_of(parse_mlir(text, "pattern.mlir"))
    copies = program(
        '"memref.copy"(%p, %q) : (memref<i32>, memref<i32>) -> ()\n'
        '"memref.copy"(%p, %p) : (memref<i32>, memref<i32>) -> ()',
        "%p: memref<i32>, %q: memref<i32>",
    )
    found = [op for op in copies.walk() if op.name == "memref.copy"]
    assert match(rule, found[0]) is not None
    assert match(rule, found[1]) is None


def test_integer_types_of_the_proof_are_exact() -> None:
    """No width is assumed proved because another one is."""
    assert (IntegerType(7),) not in proof_of(RIGHT["add_sub"]).proved_types


def test_instructions_that_are_never_legal_prove_nothing() -> None:
    """From operands that cannot exist anything would follow; the rule stays open."""
    text = (PATTERNS / "right.mlir").read_text().replace("= 16 : index", "= 17 : index")
    found = {rule.name: rule for rule in rules_of(parse_mlir(text, "pattern.mlir"))}
    zeros = text[text.index("pdl.pattern @zeros_twice") :]
    rows = '%rows_op = pdl.operation "arith.constant" {"value" = %many} -> (%index_t : !pdl.type)'
    zeros = zeros.replace(
        "pdl.pattern @zeros_twice : benefit(1) {",
        "pdl.pattern @zeros_twice : benefit(1) {\n%many = pdl.attribute = 17 : index\n"
        f"%index_t = pdl.type : index\n{rows}\n%too_many = pdl.result 0 of %rows_op",
    ).replace("%rows, %cols", "%too_many, %cols")
    lines = [line for line in zeros.splitlines() if "%rows = pdl.operand" not in line]
    (rule,) = rules_of(parse_mlir("\n".join(lines), "pattern.mlir"))
    assert proof_of(rule).verdict == "unknown"
    assert proof_of(found["zeros_twice"]).verdict == "proved"
