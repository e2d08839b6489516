"""Exact symbolic execution of a command stream at its real size: the second validation engine.

The first engine reasons about loops; this one needs none. It runs every command of an unrolled
stream over symbolic values (which input element lies in this cell, which sum of products in that
one), so toggled buffers, look-up arrays, unrolled bodies and recorded streams are all the same to
it. What it proves holds for every content of the inputs, at the sizes of the stream.
"""
