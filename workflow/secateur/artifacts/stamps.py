"""Digests of plain data, which identify plans, caches and interrupted work: equal data have equal digests."""

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """Sixteen hexadecimal digits of a value made of dicts, lists, text and numbers."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
