"""Checks of the verdict against readings, and against other studies: settled in place, or refused in one line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.study import study_file, vocabulary
from secateur.study.vocabulary import nearest

# The parts of a verdict that one reading plays each.
PARTS = ("ours", "faithful", "clean")
# Settings in which a reduction may differ from the default reading: shards change no result.
REDUCED = ("reduce", "shards")


def check_verdict(config: dict[str, Any]) -> None:
    """Refused for a verdict without images to choose on, or whose parts are not played by readings that fit them."""
    verdict = config["verdict"]
    if verdict is None:
        return
    for name in readings_of(verdict):
        if name not in config["readings"]:
            raise Refused(f"verdict names {name}, which is no reading{nearest(name, config['readings'])}")
    if config["evaluation"]["choose_on"] is None:
        raise Refused("verdict asks which delta is best, so evaluation.choose_on must be rank or validation")
    _check_parts(verdict)
    _check_clean(verdict["clean"], config["readings"])
    for name in verdict["reductions"]:
        _check_reduction(name, verdict["ours"], config["readings"])
    _settle_beside(verdict, config["results"])


def readings_of(verdict: Mapping[str, Any]) -> list[str]:
    """The readings that a verdict names, in the order of its keys, each once; none without a verdict."""
    names = [verdict[part] for part in PARTS if verdict.get(part)]
    return list(dict.fromkeys([*names, *verdict.get("reductions", [])]))


def _check_parts(verdict):
    """Refused for two parts that are played by one reading."""
    played = {}
    for part in PARTS:
        name = verdict[part]
        if name in played:
            raise Refused(f"verdict.{played[name]} and verdict.{part} are both {name}; name different readings")
        if name:
            played[name] = part


def _check_clean(clean, readings):
    """Refused for a clean reading of the images that are reported."""
    if clean and readings[clean]["split"] == "test":
        raise Refused(
            f"verdict.clean is {clean}, which readings.{clean}.split reads on test, the images that are reported; "
            "name a reading of other images"
        )


def _check_reduction(name, ours, readings):
    """Refused for a reduction that differs from the default reading in more than its reduction."""
    for key, value in readings[ours].items():
        if key not in REDUCED and readings[name][key] != value:
            raise Refused(
                f"verdict.reductions names {name}, which differs from {ours} (verdict.ours) in {key} too; "
                "name readings that differ only in reduce"
            )


def _settle_beside(verdict, results):
    """Shorten the paths of the other studies' folders; Refused for this study's own, and for one named twice."""
    verdict["beside"] = list(map(vocabulary.without_slashes, verdict["beside"]))
    named = {}
    for folder in verdict["beside"]:
        place = Path(folder).resolve()
        if place == Path(results).resolve():
            raise Refused(f"verdict.beside names {folder}, the results of this study itself; name those of another")
        if place in named:
            raise Refused(f"verdict.beside names one folder twice: {named[place]}, {folder}; leave one of them out")
        named[place] = folder


def check_beside(verdict: Mapping[str, Any] | None, study: str, results: Path | str) -> None:
    """Refused for a study to stand beside this one that has judged nothing yet, or that has a name twice."""
    if not verdict:
        return
    folders = {study: results}
    for folder in verdict["beside"]:
        _check_judged(folder)
        name = _study_of(folder)
        if name in folders:
            raise Refused(
                f"verdict.beside names {folder}, whose study is {name}, as is that of {folders[name]}; give one of the "
                "two another name, under study, and run it again"
            )
        if name:
            folders[name] = folder


def _study_of(folder):
    """The name of the study with these results, or None where its settings have none."""
    path = Path(folder) / "settings.yaml"
    if not path.is_file():
        return None
    try:
        settings = study_file.plain(path)
    except Refused as error:
        raise Refused(f"verdict.beside names {folder}, whose settings.yaml cannot be read: {error}") from error
    # Settings that someone else wrote: the name may be missing, or anything.
    if isinstance(settings, dict) and isinstance(settings.get("study"), str):
        return settings["study"]
    return None


def _check_judged(folder):
    """Refused for the results of a study that has no verdict yet."""
    for name in ("verdict.csv", "verdict.json"):
        if not (Path(folder) / "tables" / name).is_file():
            raise Refused(
                f"verdict.beside names {folder}, which has no tables/{name}; run the study with these results "
                "first, or leave it out of verdict.beside"
            )
