"""Files of a finished study that pages are written from, kept apart from the networks and images that made them.

A study's results take hundreds of megabytes, and hours of a machine; the files that the pages of `docs/` read take one.
Kept in the same tree, they stand in for the results folder: `docs/write_*.py` reads either.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from secateur import Refused
from secateur.artifacts import correctness, ledgers
from secateur.verdicts import across

PLACE = "docs/measured"
# Sections of the settings, each with a table of its own that is collected when all of its networks are there.
TABLES = ("retraining", "sparsity", "tickets")
# Below the folder of a network.
OF_A_NETWORK = (
    *("units/units.csv", "selection/*.history.csv", "selection/*.json", "retraining/**/*.history.csv"),
    *("sensitivity/*.csv", "sensitivity/*.json", "ranking/*.rescored*.json"),
)
# Of one network alone intervals are over images, so that every one of them counts.
OF_ONE_NETWORK = ("evaluation/*.csv", "evaluation/*.h5", "retraining/**/*.h5")


def files(folder: Path | str) -> list[Path]:
    """The files of a finished study that pages read, below its `results` folder; Refused where a table is missing."""
    folder, settings = Path(folder), across.settings_of(folder)
    for table in ("evaluations", *(section for section in TABLES if settings.get(section))):
        if not (folder / "tables" / f"{table}.csv").exists():
            raise Refused(
                f"{folder} has no tables/{table}.csv; run its study to the end: snakemake all --configfile FILE"
            )
    found = [folder / "settings.yaml", *sorted((folder / "tables").glob("*.csv"))]
    seeds = settings["training"]["seeds"]
    patterns = OF_A_NETWORK if len(seeds) > 1 else (*OF_A_NETWORK, *OF_ONE_NETWORK)
    for seed in seeds:
        network = across.network_folder(folder, settings, seed)
        for pattern in patterns:
            found += sorted(network.glob(pattern))
    return [path.relative_to(folder) for path in found]


def keep(folder: Path | str, place: Path | str) -> Path:
    """Copy these files to PLACE/STUDY, in place of an earlier copy; returns the copy's folder.

    Of every image it is kept whether the answer is right, and not the loss, which no page reads.
    """
    source = Path(folder)
    copy = Path(place) / across.settings_of(source)["study"]
    names = files(source)
    ledgers.refuse_changed(source / name for name in names)
    whole = copy.with_name(f".{copy.name}.partial")
    shutil.rmtree(whole, ignore_errors=True)
    for name in names:
        (whole / name).parent.mkdir(parents=True, exist_ok=True)
        copied = correctness.copy_without_losses if name.suffix == ".h5" else shutil.copyfile
        copied(source / name, whole / name)
    shutil.rmtree(copy, ignore_errors=True)
    whole.rename(copy)
    return copy
