"""Settings of the results that are there beside those of the study, where no record of Snakemake says by which.

Results that were copied without `.snakemake` look finished whatever the study asks for, to Snakemake too. The settings
that their last run wrote beside them are all that tells.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from secateur.artifacts import plain_yaml
from secateur.jobs import records
from secateur.study import settings
from secateur.study.schema_errors import below
from secateur.study.study import Study

# Keys that a sentence names before the rest is counted.
NAMED = 4
# The one key that says where results lie, and not what they are.
PLACE = "results"
# Keys that change the words of a page, and no number.
WORDS = ("question", "study")


class Other(NamedTuple):
    """The settings file of results that no record speaks of, and the keys in which the study differs from it."""

    path: Path
    keys: list[str]

    @property
    def sentence(self) -> str:
        """Words on what differs, and on what to do."""
        return (
            f"{self.path} is of other settings than the study ({_named(self.keys)}), and Snakemake's records "
            "(.snakemake/metadata) of these results are missing, so that nobody can tell which files are of the "
            f"study's settings; put the .snakemake of the folder they come from beside them, or make {self._again}"
        )

    @property
    def _again(self):
        if {*self.keys} <= {*WORDS}:
            return "the pages again: snakemake --cores all all --forcerun write_settings --configfile FILE"
        return "them all again: snakemake --cores all all --forceall --configfile FILE"


def of(study: Study) -> Other | None:
    """The other settings of a study's results; None where a record speaks of them, or where they are the study's."""
    path = Path(study.settings[PLACE], "settings.yaml")
    if not path.is_file() or records.made(str(path)):
        return None
    written = _read(path)
    keys = sorted({*_differing(written, study.settings)} - {PLACE}) if written else []
    return Other(path, keys) if keys else None


def _read(path):
    """The settings in a file, with today's defaults; None where it is damaged, which a status says by other means."""
    with contextlib.suppress(OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, AttributeError, KeyError):
        written = plain_yaml.parsed(path.read_text(encoding="utf-8"))
        return settings.completed(written) if written["criteria"] else None
    return None


def _differing(first: Mapping[str, Any], second: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of the keys in which nested settings differ."""
    for key in {*first, *second}:
        name = below(path, key)
        one, other = first.get(key), second.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differing(one, other, name)
        elif one != other:
            yield name


def _named(keys):
    """The first of some keys, and how many more there are."""
    text = ", ".join(keys[:NAMED])
    more = len(keys) - NAMED
    return f"{text} and {more} more" if more > 0 else text
