"""The summary language: what a kernel computes, as one NumPy-like expression for each output."""
