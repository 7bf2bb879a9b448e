"""Names for plain data: equal data have equal names, by which plans, caches and resumed work are found again."""

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """Sixteen hexadecimal digits that name a value made of dicts, lists, text and numbers."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
