"""Proven rewrite rules in the schedule library, so that later runs find them on their menu.

A library proves nothing: each rule that it holds is proved again before it is offered.
"""

from __future__ import annotations

from xdsl.utils.exceptions import PassFailedException

from ..diagnostics import Diagnostic
from ..passes.proven_rules import from_option
from .library import Library
from .proven_rule import ProvenRule
from .untrusted_rule import prove_text

RULES_USED = 32
"""Rules that a run takes from a library, the latest ones: each lengthens every prompt."""
_TABLE = """
CREATE TABLE IF NOT EXISTS rules (
    text TEXT NOT NULL,
    name TEXT NOT NULL,
    config TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (text, config)
)
"""


def known_rules(library: Library, config: str) -> list[ProvenRule]:
    """The rules for a machine that still hold, in the order in which they were added.

    Raises ``Diagnostic`` for a file that is no library.
    """
    if not library.path.exists():
        return []
    query = "SELECT text FROM rules WHERE config = ? ORDER BY rowid DESC LIMIT ?"
    with library.opened() as connection:
        connection.execute(_TABLE)
        rows = connection.execute(query, (config, RULES_USED)).fetchall()
    found = [_proved(str(text), config) for (text,) in reversed(rows)]
    return [rule for rule in found if rule is not None]


def _proved(text: str, config: str) -> ProvenRule | None:
    try:
        return prove_text(from_option(text), config)
    except (Diagnostic, PassFailedException):
        return None


def keep_rule(library: Library, rule: ProvenRule, config: str, version: str) -> None:
    """Add a rule that was proved."""
    with library.opened() as connection:
        connection.execute(_TABLE)
        row = (rule.text, rule.name, config, version)
        connection.execute("INSERT OR IGNORE INTO rules VALUES (?, ?, ?, ?)", row)
