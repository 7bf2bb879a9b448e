"""The verdict against readings, and against the studies beside it: settled in place, or refused in one line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.study import study_file, vocabulary
from secateur.study.vocabulary import nearest


def check_verdict(config: dict[str, Any]) -> None:
    """The parts of a verdict are played by readings, and what is chosen is chosen on images that are not reported."""
    verdict = config["verdict"]
    if verdict is None:
        return
    named = [verdict[key] for key in ("ours", "faithful", "clean") if verdict[key]] + verdict["reductions"]
    for name in named:
        if name not in config["readings"]:
            raise Refused(f"verdict names {name}, which is no reading{nearest(name, config['readings'])}")
    if config["evaluation"]["choose_on"] is None:
        raise Refused("verdict asks which delta is best, so evaluation.choose_on must be rank or validation")
    _check_parts(verdict, config["readings"])
    _settle_beside(verdict, config["results"])


def _check_parts(verdict, readings):
    """Each part is played by a reading of its own, the clean one on clean images, and reductions only reduce."""
    played = {}
    for part in ("ours", "faithful", "clean"):
        name = verdict[part]
        if name in played:
            raise Refused(f"verdict.{played[name]} and verdict.{part} are both {name}; name different readings")
        played |= {name: part} if name else {}
    clean, ours = verdict["clean"], verdict["ours"]
    if clean and readings[clean]["split"] == "test":
        raise Refused(
            f"verdict.clean is {clean}, which readings.{clean}.split reads on test, the images that are reported; "
            "name a reading of other images"
        )
    for name in verdict["reductions"]:
        for key, value in readings[ours].items():
            # Shards change no result.
            if key not in ("reduce", "shards") and readings[name][key] != value:
                raise Refused(
                    f"verdict.reductions names {name}, which differs from {ours} (verdict.ours) in {key} too; "
                    "name readings that differ only in reduce"
                )


def _settle_beside(verdict, results):
    """Each folder is that of one other study, however its path is written."""
    verdict["beside"] = [vocabulary.without_slashes(folder) for folder in verdict["beside"]]
    found = {}
    for folder in verdict["beside"]:
        place = Path(folder).resolve()
        if place == Path(results).resolve():
            raise Refused(f"verdict.beside names {folder}, the results of this study itself; name those of another")
        if place in found:
            raise Refused(f"verdict.beside names one folder twice: {found[place]}, {folder}; leave one of them out")
        found[place] = folder


def check_beside(verdict: Mapping[str, Any] | None, study: str, results: Path | str) -> None:
    """Raise Refused where a study that is to stand beside this one has judged nothing yet, or has its name."""
    found = {study: results}
    for folder in verdict["beside"] if verdict else []:
        _check_judged(folder)
        name = _study_of(folder)
        if name in found:
            raise Refused(
                f"verdict.beside names {folder}, whose study is {name}, as is that of {found[name]}; give one of the "
                "two another name, under study, and run it again"
            )
        found |= {name: folder} if name else {}


def _study_of(folder):
    """The name of the study with these results, or None where it wrote no settings."""
    path = Path(folder) / "settings.yaml"
    if not path.is_file():
        return None
    try:
        settings = study_file.plain(path)
    except Refused as error:
        raise Refused(f"verdict.beside names {folder}, whose settings.yaml cannot be read: {error}") from error
    name = settings.get("study") if isinstance(settings, dict) else None
    return name if isinstance(name, str) else None


def _check_judged(folder):
    """Raise Refused where the study with these results has not judged anything yet."""
    for name in ("verdict.csv", "verdict.json"):
        if not (Path(folder) / "tables" / name).is_file():
            raise Refused(
                f"verdict.beside names {folder}, which has no tables/{name}; run the study with these results "
                "first, or leave it out of verdict.beside"
            )
