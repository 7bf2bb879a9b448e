"""Data files of the package: a study's schema, the catalogue of downloads, style and script of a study's page."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# Name in an installed package (setup.py) -> path in a clone, relative to the package.
IN_A_CLONE = {
    "schemas/config.schema.yaml": "../schemas/config.schema.yaml",
    "data/sources.yaml": "../../data/sources.yaml",
    "report/study.css": "../../report/study.css",
    "report/study.js": "../../report/study.js",
}


def file(name: str) -> Path:
    """The path of a data file of the package, in a clone as in an installed copy."""
    installed = PACKAGE / name
    if installed.is_file():
        return installed
    return (PACKAGE / IN_A_CLONE[name]).resolve()
