"""Lowering and schedule passes: from tensor IR through tile IR to instructions, and to C."""
