"""What worker processes share: imported once, before they are forked off.

Importing this module loads the passes of the menu and the machine code of the cycle model.
"""

from __future__ import annotations

from ..hw.gemmini.config import load_config
from ..hw.gemmini.timing import simulate_timing
from ..hw.stream import FENCE, CommandStream
from ..llm.moves import menu
from ..llm.prefixes import shared_context

menu()
shared_context()
simulate_timing(CommandStream.of([(FENCE, 0, 0)]), load_config(), level="soc")
