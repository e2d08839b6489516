"""Proposals and search: who suggests a schedule, and which suggestion wins."""
