"""The files that come with the package and are no code: the schema of a study, and what is known of the downloads."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# By the name that an installed package has them under (setup.py), from its folder to where a clone keeps them.
IN_A_CLONE = {
    "schemas/config.schema.yaml": "../schemas/config.schema.yaml",
    "data/sources.yaml": "../../data/sources.yaml",
}


def file(name: str) -> Path:
    """The path of a file that comes with the package, in a clone as in an installed copy."""
    installed = PACKAGE / name
    return installed if installed.is_file() else (PACKAGE / IN_A_CLONE[name]).resolve()
