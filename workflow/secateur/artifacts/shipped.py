"""Data files of the package: the schema of a study, and the catalogue of downloads."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# Name in an installed package (setup.py) -> path in a clone, relative to the package.
IN_A_CLONE = {
    "schemas/config.schema.yaml": "../schemas/config.schema.yaml",
    "data/sources.yaml": "../../data/sources.yaml",
}


def file(name: str) -> Path:
    """The path of a data file of the package, in a clone as in an installed copy."""
    installed = PACKAGE / name
    if installed.is_file():
        return installed
    return (PACKAGE / IN_A_CLONE[name]).resolve()
