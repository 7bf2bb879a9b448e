"""A folder of results opened: refused in one line if it is none, or if its settings are damaged."""

from pathlib import Path

import yaml

from secateur import Refused
from secateur.artifacts import ledgers, plain_yaml
from secateur.results.study_results import StudyResults
from secateur.study.study import Study
from secateur.verdicts import across

SETTINGS = "settings.yaml"
# The sections of a study's settings with sorted keys: the last is the one that a file which was cut short lacks.
FIRST, LAST = "criteria", "verdict"


def open(folder: Path | str) -> StudyResults:
    """The results in a folder, of a finished study or of one that still runs: the setting `results` of its file.

    Nothing but the settings is read; torch is imported with the first plan or network. Raises Refused, in one line, for
    a folder that is none of a study, and for settings that are damaged.
    """
    folder = Path(folder)
    path = folder / SETTINGS
    if not folder.is_dir():
        raise Refused(f"there is no folder {folder}; name the folder of a study's results, as the key `results` does")
    if not path.is_file():
        raise Refused(f"{folder} is no folder of a study's results: it has no {SETTINGS}{_remedy(folder)}")
    ledgers.refuse_changed([path])
    _refuse_damaged(path)
    return StudyResults(folder, Study(across.settings_of(folder)))


def _remedy(folder):
    """Words on another folder that has results, or on how a study that has begun in this one comes to settings."""
    if next(folder.glob("*/images/*.h5"), None):
        return f"; of a study that has not got so far, make it by: snakemake --cores 1 {folder / SETTINGS}"
    return _near(folder) or "; name the one that the key `results` of a study names"


def _near(folder):
    """The words "; did you mean X?" where a folder in this one, or the one above it, has results."""
    places = [*folder.glob(f"*/{SETTINGS}"), folder.resolve().parent / SETTINGS]
    for settings in sorted(places[:-1]) + places[-1:]:
        if settings.is_file():
            return f"; did you mean {settings.parent}?"
    return ""


def _refuse_damaged(path):
    """Refused for settings that are cut short or no YAML: the ledger tells only where it has a line of the file."""
    remedy = "delete it and run again"
    try:
        text = path.read_text(encoding="utf-8")
        settings = plain_yaml.parsed(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is cut short or damaged ({_first_line(error)}); {remedy}") from error
    if not isinstance(settings, dict) or FIRST not in settings:
        raise Refused(f"{path} holds no settings of a study; name the folder of a study's results, or {remedy}")
    if LAST not in settings or not text.endswith("\n"):
        raise Refused(f"{path} is cut short: it ends with the key {list(settings)[-1]}; {remedy}")


def _first_line(error):
    return str(error).splitlines()[0]
