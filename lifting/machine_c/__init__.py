"""Reads machine C: kernels written in Gemmini's instructions become ISA IR.

The C source is run symbolically. Loops and conditions stay, instructions become operations of the
Gemmini dialect with explicit local addresses, and every C variable turns into index arithmetic
where an instruction uses it.
"""

from .reader import is_machine_c, read_machine_c

__all__ = ["is_machine_c", "read_machine_c"]
