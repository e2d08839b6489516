"""Gemmini's cycle model: when each command issues and completes, and where the cycles went."""
