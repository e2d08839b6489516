"""What is assumed of loads that nothing but other loads keeps apart (trusted core).

The load controller tracks a few commands at once, and begins the next when one of them has ended
(LoadController.scala:84). Which one that is, is a matter of the memory: a load that waits for DRAM
may be passed by several that hit the cache. Programs that count on loads in between are right on
memories that answer in order, so proofs say where they do.
"""

from __future__ import annotations


def load_order(in_flight: int) -> str:
    """The assumption, for a machine that has ``in_flight`` loads in flight at most."""
    later = "second" if in_flight == 2 else f"{in_flight}th"
    return f"a load into local rows has ended before the {later} load after it begins"
