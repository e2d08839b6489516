"""Limits that the instruction encoding sets: the same on NeuronCore-v2 and v3.

What differs from one version to the other is in ``hw/trainium/config.py``. Source: the Neuron SDK's
architecture guide and ``nki.isa`` documentation (see docs/trainium.md).
"""

from __future__ import annotations

PARTITIONS = 128
"""Rows of SBUF and PSUM, and lanes of every engine."""
QUADRANT = 32
"""Partitions that the vector engine can permute among themselves."""
PSUM_BANKS = 8
PSUM_BANK_BYTES = 2048
"""Per partition: 512 float32 numbers."""
PSUM_PARTITION_BYTES = PSUM_BANKS * PSUM_BANK_BYTES
STATIONARY_COLUMNS = 128
"""Columns of the stationary operand: the array is 128 × 128."""
MOVING_COLUMNS = 512
"""Columns of the moving operand: one PSUM bank of float32 results."""
FREE_DIMENSIONS = 4
"""Dimensions of an access pattern besides the partitions."""
MAX_SIZE = 65535
"""A size of an access pattern is a uint16."""
MIN_STRIDE, MAX_STRIDE = -32768, 32767
"""A stride of an access pattern is an int16, in elements."""
SBUF_FREE_ELEMENTS = 65536
PSUM_FREE_ELEMENTS = 4096
"""Elements per partition that one instruction can walk through."""
BN_STATS_ELEMENTS = 512
BN_STATS_RESULTS = 6
"""Count, mean and count × variance of the even elements, then of the odd ones."""
BN_AGGR_RESULTS = 2
"""Mean and variance."""
SEARCH_RESULTS = 8
"""Numbers that max8, find_index8 and match_replace8 work on."""
GPSIMD_PARTITIONS = 16
"""Partitions that one of the eight GpSimd processors is wired to."""
DMA_SEMAPHORE_STEP = 16
"""A DMA adds 1 to its semaphore for each of the 16 engines, idle ones included."""
