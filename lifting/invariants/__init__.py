"""Loops that carry values: their closed forms as recurrences, and proofs by loop invariants."""
