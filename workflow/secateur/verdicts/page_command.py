"""The command line of a page that is written from finished studies: docs/write_*.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def run(script: str, usage: str | None, page: Callable[[Sequence[str]], str]) -> None:
    """Print the `page` of the folders that the command line names; without any its `usage`, and errors in one line."""
    folders = sys.argv[1:]
    if not folders:
        sys.exit(usage)
    try:
        sys.stdout.write(page(folders))
    except (ValueError, OSError) as error:
        sys.exit(f"{Path(script).stem}: {error}")
