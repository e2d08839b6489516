"""From formulas to ``linalg`` on tensors, and tensor programs as NumPy and in words."""
