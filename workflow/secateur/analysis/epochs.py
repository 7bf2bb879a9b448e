"""Retraining epoch by epoch: the accuracy after each, and the epochs until nearly all of the end of one kind."""

from __future__ import annotations

from pathlib import Path

import pandas

from secateur.artifacts import places, provenance, tables
from secateur.study import vocabulary
from secateur.study.kinds import RETRAINED

# The share of the end of the kind `retrained`, by the cross-entropy and SGD, that has to be reached.
SHARE = 0.99
NETWORK = ("criterion", "draw", "level", "seed")
ENDING = ".history.csv"
OF_FIT = ("epoch", "forwards", "train_loss", "validation_loss", "validation_accuracy")


def read(path: Path | str) -> pandas.DataFrame:
    """The epochs of one retrained network, whose path names its criterion, level and kind; columns are of `rows`."""
    criterion, level, name = Path(path).parts[-3:]
    history = tables.read(path, "epoch", "validation_loss", "validation_accuracy")
    return rows(history, criterion, float(level), name.removesuffix(ENDING), places.seed_of(path))


def read_steps(path: Path | str) -> pandas.DataFrame:
    """The same with all columns of the history, and the epochs as they are counted there, from 1 in each step."""
    criterion, level, name = Path(path).parts[-3:]
    history = tables.read(path, "epoch", "validation_accuracy")
    cell = {"criterion": vocabulary.without_draw(criterion), "level": float(level), "name": name.removesuffix(ENDING)}
    return history.assign(**cell, seed=places.seed_of(path))


def read_fit(history: Path | str, manifest: Path | str) -> pandas.DataFrame:
    """The epochs of one fit of a scorer, with the CPU seconds of the whole, which only its manifest has."""
    name = Path(history).name.removesuffix(ENDING)
    facts = {"entry": vocabulary.without_draw(name), "draw": name, "seed": places.seed_of(history)}
    table = tables.read(history, *OF_FIT)[list(OF_FIT)]
    return table.assign(**facts, seconds=provenance.read(manifest)["learned"]["seconds"])


def rows(history: pandas.DataFrame, criterion: str, level: float, kind: str, seed: int) -> pandas.DataFrame:
    """A row for each epoch of one network: its cell, the epoch over all steps of pruning, and the validation."""
    measured = history[["validation_loss", "validation_accuracy"]].reset_index(drop=True)
    cell = {"criterion": vocabulary.without_draw(criterion), "draw": criterion, "level": level, "kind": kind}
    return measured.assign(**cell, seed=seed, epoch=range(1, len(measured) + 1))


def until(table: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each network of a table of `rows`: the first epoch at SHARE of the end of its kind `retrained`.

    NaN for a network that does not reach it, and for all of a ranking that was not retrained so.
    """
    ends = (
        table[table["kind"] == RETRAINED.name].sort_values("epoch").groupby(list(NETWORK))["validation_accuracy"].last()
    )
    found = []
    for keys, part in table.groupby([*NETWORK, "kind"], sort=False):
        *network, kind = keys
        row = dict(zip(NETWORK, network, strict=True)) | {"kind": kind, "epochs": part["epoch"].max()}
        wanted = SHARE * ends.get(tuple(network), float("nan"))
        reached = part.loc[part["validation_accuracy"] >= wanted, "epoch"]
        found.append(row | {"wanted": wanted, "until": reached.min()})
    return pandas.DataFrame(found)


def means(table: pandas.DataFrame, reached: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each criterion, level and kind: networks, those that get there, and the mean epoch of these.

    With the mean validation accuracy at the end; `table` is one of `rows`, `reached` that of `until`.
    """
    keys = ["level", "criterion", "kind"]
    ends = table.sort_values("epoch").groupby([*NETWORK, "kind"], sort=False).last().reset_index()
    last = ends.groupby(keys, sort=False)["validation_accuracy"].mean()
    by_kind = reached.groupby(keys, sort=False)
    counts = by_kind["until"].agg(networks="size", reached="count", epochs_until="mean")
    return counts.assign(validation_accuracy=last).reset_index()
