"""Command lines: ``liftproof`` and ``liftproof-opt``."""
