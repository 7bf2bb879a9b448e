"""Plain data from YAML, by the parser in C where PyYAML has it, which takes a tenth of the time."""

from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parsed(text: str) -> Any:
    """The data of a document of our own; for files of users `study_file` has better messages."""
    return yaml.load(text, Loader=LOADER)
