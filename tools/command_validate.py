"""``liftproof validate``: is the second program a refinement of the first?"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from ..diagnostics import Diagnostic
from ..hw.gemmini.config import DEFAULT_CONFIG, GemminiConfig
from ..validation.core.certificate_json import certificate_text, read_certificate
from ..validation.query_log import QueryLog, is_logging, logging_queries
from .arguments import positive
from .exit_status import EXIT_OF_VERDICT
from .read import read_text
from .read_pair import gemmini_config, neuron_config, read_pair
from .validation_report import print_extras, print_report, report_of

PROGRAM_OPTIONS = ("counterexample", "replay", "certificate", "check_certificate")
"""Options that are about two programs, not about rewrite rules."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", nargs="?", help="the program that says what is right (.c, .mlir or NKI .py)"
    )
    parser.add_argument("target", nargs="?", help="the program to be validated, likewise")
    parser.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=SIZES:TYPE",
        help="shape of an NKI kernel's parameter, where the other program does not give it",
    )
    parser.add_argument(
        "--pattern",
        metavar="FILE.mlir",
        help="instead of two programs: prove the pdl.pattern rewrite rules in a file",
    )
    parser.set_defaults(usage_error=parser.error)
    parser.add_argument(
        "--config",
        default=DEFAULT_CONFIG,
        help="name or TOML file of the machine (default: %(default)s)",
    )
    parser.add_argument(
        "--rlimit",
        type=positive,
        metavar="N",
        help="resource units of Z3 per query, the same on every machine (default 20 million)",
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="prove again what was proved before"
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--counterexample",
        type=Path,
        metavar="FILE.npz",
        help="where to write the arrays that refute the target",
    )
    files.add_argument(
        "--replay",
        type=Path,
        metavar="FILE.npz",
        help="prove nothing: run both programs on these arrays and show where they differ",
    )
    files.add_argument(
        "--dump-smt", type=Path, metavar="DIR", help="write every query as an SMT-LIB 2 file"
    )
    certificates = files.add_mutually_exclusive_group()
    certificates.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="write what the dataflow analysis claims, for a proof without it",
    )
    certificates.add_argument(
        "--check-certificate",
        type=Path,
        metavar="FILE",
        help="prove from the claims of a certificate, with Z3 alone",
    )
    others = parser.add_argument_group("second opinions")
    others.add_argument(
        "--cross-check",
        action="store_true",
        help="repeat every query with cvc5, those about bit-vectors and floats with Bitwuzla too",
    )
    others.add_argument(
        "--cross-check-seconds",
        type=positive,
        default=10,
        metavar="S",
        help="time limit of the other solvers for one query (default 10)",
    )


def run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Validate, print the verdict and what it rests on."""
    config = gemmini_config(options.config)
    if options.cross_check:
        from ..validation.cross_check import require_solvers

        require_solvers()
    if options.dump_smt is not None and next(options.dump_smt.glob("*.smt2"), None) is not None:
        raise Diagnostic(f"{options.dump_smt} already holds .smt2 files", hint="give a new folder")
    if (options.pattern is None) != (options.target is not None):
        options.usage_error("give a source and a target, or --pattern")
    if options.pattern is not None:
        if any(getattr(options, name) is not None for name in PROGRAM_OPTIONS):
            options.usage_error("--pattern goes with options for queries and limits only")
        return _patterns(config, options)
    source, target = read_pair((options.source, options.target), config, options.shape)
    if options.replay is not None:
        from .replay import replay

        report = replay(source, target, config, options)
        return _told(report, options)
    report = _logged(lambda: _validate(source, target, config, options), options)
    return _told(report, options)


def _patterns(config: GemminiConfig, options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    from .pattern_report import pattern_report, print_pattern_report

    report = _logged(lambda: pattern_report(config, options), options)
    if not options.json:
        print_pattern_report(report)
        print_extras(report)
    return report, EXIT_OF_VERDICT[report["verdict"]]


def _logged(make: Callable[[], dict[str, Any]], options: argparse.Namespace) -> dict[str, Any]:
    """A report, with what is asked for of all queries that were made for it."""
    needs_log = options.cross_check or options.dump_smt is not None
    with logging_queries() if needs_log else contextlib.nullcontext(QueryLog()) as log:
        report = make()
    if options.dump_smt is not None:
        report["smt_files"] = _dump(log, options.dump_smt)
    if options.cross_check:
        _cross_check(log, options.cross_check_seconds, report)
    return report


def _told(report: dict[str, Any], options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    if not options.json:
        print_report(report)
    return report, EXIT_OF_VERDICT[report["verdict"]]


def _validate(
    source: ModuleOp, target: ModuleOp, config: GemminiConfig, options: argparse.Namespace
) -> dict[str, Any]:
    from ..validation.limits import ValidationOptions

    limits, neuron = ValidationOptions(), neuron_config(options.config)
    if options.rlimit is not None:
        limits = replace(limits, resource_limit=options.rlimit)
    if options.check_certificate is not None:
        from .recheck import recheck

        certificate = read_certificate(read_text(str(options.check_certificate)))
        return recheck(source, target, certificate, config, limits, neuron)
    from ..validation.decide import decide
    from ..validation.proof_cache import ProofCache, proof_key

    cache = None if options.no_cache or is_logging() else ProofCache()
    key = proof_key(source, target, config, limits, neuron)
    kept = cache.find(key) if cache is not None else None
    if kept is not None:
        result = kept.validation()
        text = kept.certificate
    else:
        result = decide(source, target, config=config, options=limits, neuron=neuron)
        text = ""
        if result.certificate is not None:
            text = certificate_text(result.certificate, _about(options))
        if cache is not None:
            cache.keep(key, result, _about(options))
    report = report_of(result, options)
    report["cached"] = kept is not None
    if options.certificate is not None:
        report["certificate"] = None
        if text:
            options.certificate.write_text(text, encoding="utf-8")
            report["certificate"] = str(options.certificate)
    return report


def _about(options: argparse.Namespace) -> dict[str, str]:
    """Where a certificate comes from."""
    return {
        "tool": f"liftproof {version('liftproof')}",
        "source": options.source,
        "source_sha256": hashlib.sha256(read_text(options.source).encode()).hexdigest(),
        "target": options.target,
        "target_sha256": hashlib.sha256(read_text(options.target).encode()).hexdigest(),
        "config": options.config,
    }


def _dump(log: QueryLog, folder: Path) -> int:
    try:
        return len(log.write(folder))
    except OSError as error:
        raise Diagnostic(f"{folder}: {error.strerror}") from error


def _cross_check(log: QueryLog, seconds: int, report: dict[str, Any]) -> None:
    """Add what the other solvers say; a disagreement takes the verdict back."""
    from ..validation.cross_check import cross_check

    tallies = cross_check(log.queries, float(seconds))
    report["cross_check"] = {
        name: {
            "agreed": tally.agreed,
            "unknown": tally.unknown,
            "disagreed": len(tally.disagreed),
            "seconds": round(tally.seconds, 3),
        }
        for name, tally in tallies.items()
    }
    for name, tally in tallies.items():
        for query in tally.disagreed[:1]:
            report["verdict"] = "unknown"
            report["reason"] = (
                f"internal error: {name} does not answer {query.answer} as z3 does: {query.states}"
            )
