"""lit configuration: every .mlir and .c file here is a test whose RUN lines hold its command."""

import os
import sys

import lit.formats

config.name = "liftproof"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".c"]
config.test_source_root = os.path.dirname(__file__)
config.environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
# Round trip: print in generic form, read back, and check what the custom form says.
config.substitutions.append(
    (
        "ROUNDTRIP",
        "liftproof-opt %s --print-op-generic | liftproof-opt -f mlir | filecheck %s",
    )
)
