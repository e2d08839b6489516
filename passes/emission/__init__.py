"""Programs as text: C for ``gemmini.h``, and NKI kernels."""
