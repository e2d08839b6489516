"""``liftproof-opt``: xDSL's optimizer driver with our dialects, passes, C front end and proofs.

Dialects, passes and targets come from the ``xdsl.universe`` entry point, exactly as they reach
stock ``xdsl-opt``; only reading C (by the extension ``.c``) and ``--validate-each`` are added here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.exceptions import DiagnosticException, ParseError, PassFailedException
from xdsl.xdsl_opt_main import xDSLOptMain

from ..diagnostics import Diagnostic, describe_os_error
from ..hw.gemmini.config import DEFAULT_CONFIG, ConfigError
from ..passes.pipeline_text import read_pipeline
from .exit_status import EXIT_OF_VERDICT, REJECTED, USAGE
from .validate_each import EachPass, NotProvedError


class LiftproofOptMain(xDSLOptMain):
    """The driver; ``run`` raises what :func:`main` turns into an exit status."""

    version_format = "liftproof-opt built from xdsl version {xdsl_version}"

    def __init__(
        self, args: Sequence[str] | None = None, passes: Iterable[type[ModulePass]] = ()
    ) -> None:
        self.own_passes = tuple(passes)
        super().__init__("Liftproof modular optimizer driver", args)

    def register_all_passes(self) -> None:
        super().register_all_passes()
        for own in self.own_passes:
            self.register_pass(own.name, lambda own=own: own)

    def register_all_frontends(self) -> None:
        super().register_all_frontends()

        def parse_c(io: IO[bytes]) -> ModuleOp:
            from ..lifting.c.frontend import parse_c_kernel

            return parse_c_kernel(io.read().decode("utf-8", "replace"), self.input_name)

        self.available_frontends["c"] = parse_c

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        arg_parser.add_argument(
            "--validate-each",
            action="store_true",
            help="Prove after each pass that the program still means the same; says how on stderr",
        )
        arg_parser.add_argument(
            "--validation-report",
            type=Path,
            metavar="FILE",
            help="Where --validate-each writes its verdicts and times as JSON",
        )
        arg_parser.add_argument(
            "--no-cache",
            action="store_true",
            help="Let --validate-each prove again what was proved before",
        )
        arg_parser.add_argument(
            "--config",
            default=DEFAULT_CONFIG,
            help="Machine configuration that --validate-each assumes: a name or a TOML file",
        )

    @property
    def input_name(self) -> str:
        return self.args.input_file or "<stdin>"

    def setup_pipeline(self) -> None:
        read_pipeline(self.args.passes, self.available_passes)  # for its diagnostics
        super().setup_pipeline()
        if not self.args.validate_each:
            return
        from .read_pair import gemmini_config, neuron_config

        config, neuron = gemmini_config(self.args.config), neuron_config(self.args.config)
        use_cache, report = not self.args.no_cache, self.args.validation_report
        validator = EachPass(config, report, use_cache=use_cache, neuron=neuron)
        inner = self.pipeline.callback

        def callback(
            previous: ModulePass | None, module: ModuleOp, following: ModulePass | None
        ) -> None:
            if inner is not None:
                inner(previous, module, following)
            validator.step(previous, module)
            if following is None:
                validator.finish()

        self.pipeline = PassPipeline(self.pipeline.passes, callback)


def main(args: Sequence[str] | None = None, passes: Iterable[type[ModulePass]] = ()) -> None:
    """Entry point of ``liftproof-opt``; never ends in a traceback for a fault of the input.

    ``passes`` joins passes of a script of one's own to the registered ones.
    """
    try:
        LiftproofOptMain(args, passes).run()
    except Diagnostic as diagnostic:
        sys.exit(_failure(diagnostic.render(None), REJECTED))
    except NotProvedError as failure:
        sys.exit(_failure(f"error: {failure}", EXIT_OF_VERDICT[failure.verdict]))
    except (ParseError, DiagnosticException, PassFailedException) as error:
        sys.exit(_failure(str(error), REJECTED))
    except OSError as error:
        sys.exit(_failure(f"error: {describe_os_error(error)}", USAGE))
    except UnicodeDecodeError as error:
        sys.exit(_failure(f"error: the input is not a text file: {error}", REJECTED))
    except (ConfigError, ValueError) as error:
        sys.exit(_failure(f"error: {error}", USAGE))


def _failure(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status
