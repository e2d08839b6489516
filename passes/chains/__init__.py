"""Chains of small products, kept as loops: read, split, placed and joined."""
