"""Keep secrets out of files and messages."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "***"
_LOOKS_SECRET = re.compile(
    r"\b(?:sk|pk|hf|gsk|xai|key)[-_][A-Za-z0-9_-]{16,}|(?<=[Bb]earer )[^\s\"'\\]+|AIza[\w-]{30,}"
)


def scrub(text: str, *secrets: str) -> str:
    """``text`` without the ``secrets`` and without anything that looks like a key."""
    for secret in secrets:
        if len(secret) > 3:
            text = text.replace(secret, HIDDEN)
    return _LOOKS_SECRET.sub(HIDDEN, text)


def scrub_url(url: str) -> str:
    """A URL without user, password and query, where keys are sometimes put."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = f":{parts.port}" if parts.port is not None else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
