"""The results of one study: what its folder holds, by name, criterion, level and seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas

from secateur import Refused
from secateur.artifacts import tables
from secateur.images import store
from secateur.results import columns, contents
from secateur.study import kinds, levels
from secateur.study.study import Study
from secateur.study.vocabulary import SPLITS, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from secateur.models.checkpoints import Checkpoint
    from secateur.results.networks import Without

Plan = dict[str, list[int]]
# Names that a message lists beside the nearest one.
MOST_LISTED = 12


class StudyResults:
    """The results of a study, from `secateur.results.open`; everything is read when it is asked for.

    Wherever a `seed` of a training is taken, the first of the study is meant without one. All errors of names, and of
    files that are missing or damaged, are `secateur.Refused`, in one line that says what to do.
    """

    def __init__(self, folder: Path, study: Study) -> None:
        self.folder, self.study = folder, study

    def __repr__(self) -> str:
        study = self.study
        return (
            f"<results of the study {study.name} in {self.folder}: {study.title}, seeds {_listed(study.seeds)}, "
            f"{len(study.criteria)} criteria, levels {_listed(self.levels)}>"
        )

    # ---- settings --------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.study.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings of the study, defaults included, as config/README.md has them."""
        return self.study.settings

    @property
    def seeds(self) -> list[int]:
        """The seeds of the trainings: one dense network each."""
        return self.study.seeds

    @property
    def criteria(self) -> list[str]:
        """The names of all criteria; controls and learned ones with their draws."""
        return self.study.criteria

    @property
    def levels(self) -> list[float]:
        """The levels: shares of units, parameters or multiply-adds that are removed; 0 is the dense network."""
        return self.settings["levels"]

    # ---- tables ----------------------------------------------------------------------------------------------

    @property
    def tables(self) -> list[str]:
        """The names of the tables that the study has, all of whose files are there."""
        return [name for name, files in self._asked().items() if all(map(self._exists, files))]

    def table(self, name: str, partial: bool = False) -> pandas.DataFrame:
        """A table by its name; `columns` says what its columns mean.

        Raises Refused for a table that the study does not ask for, and for one of which a file is missing, unless
        `partial` takes those that are there: of the networks that are finished.
        """
        _refuse_unknown(name, contents.TABLES, "table")
        known = contents.TABLES[name]
        files = self._asked().get(name)
        if not files:
            raise Refused(
                f"the study {self.name} has no table {name}: its settings ask for none; it comes with the key "
                f"{known.asked_by}"
            )
        present = list(filter(self._exists, files))
        absent = [path for path in files if path not in present]
        if absent and not (partial and present):
            more = f" and {len(absent) - 1} more of its files" if len(absent) > 1 else ""
            raise self._missing(absent[0], f"the table {name}", f"the rule {files[absent[0]]}", more)
        return pandas.concat([self._read(known, path) for path in present], ignore_index=True)

    def columns(self, name: str) -> pandas.DataFrame:
        """The columns of a table, or of a `ranking`, each with its meaning: a table column, meaning."""
        _refuse_unknown(name, columns.TABLES, "table")
        shown = self.ranking(self.criteria[0]) if name == "ranking" else self.table(name, partial=True)
        return pandas.DataFrame(columns.meanings(name, shown).items(), columns=["column", "meaning"])

    @property
    def missing(self) -> pandas.DataFrame:
        """A table of what the study asks for and is not there yet: table, file, and the rule that makes it.

        Beside the files of tables there are those of trained networks and of rankings, as `network` and `ranking`.
        """
        asked = self._asked()
        asked["network"] = dict.fromkeys(contents.of_networks(self.study, "training/trained.pt"), "train_model")
        asked["ranking"] = contents.rankings(self.study)
        rows = []
        for name, files in asked.items():
            rows += [(name, path, rule) for path, rule in files.items() if not self._exists(path)]
        return pandas.DataFrame(rows, columns=["table", "file", "rule"])

    # ---- rankings and plans ----------------------------------------------------------------------------------

    def ranking(self, criterion: str, seed: int | None = None) -> pandas.DataFrame:
        """The ranking of a criterion, with a row for each channel: units that are removed first come first."""
        _refuse_unknown(criterion, self.criteria, f"criterion of the study {self.name}", self._of_draws(criterion))
        path = self._of_network(f"ranking/{criterion}.csv", seed)
        rule = contents.rankings(self.study)[path]
        found = self._found(path, f"the ranking of {criterion}", f"the rule {rule}")
        return tables.read(found, "unit", "layer", "channel")

    def plan(self, criterion: str, level: float, seed: int | None = None, keep_at_least: float | None = None) -> Plan:
        """The channels that a criterion removes at a level, {layer: [index, ...]}, as the evaluation removed them.

        The floor is the first of the study's unless `keep_at_least` names another.
        """
        return self._without(criterion, level, seed, keep_at_least).plan

    # ---- networks and images ---------------------------------------------------------------------------------

    def images(self, split: str = "test") -> store.Images:
        """The images of a split: pixels (uint8), labels, classes, and `normalised(rows)` as the networks take them."""
        _refuse_unknown(split, SPLITS, "split")
        path = f"{self.study.dataset}/images/{split}.h5"
        with store.opened(self._found(path, f"the file of the {split} images", "the rule prepare_images")) as images:
            return images

    def dense(self, seed: int | None = None) -> nn.Module:
        """The trained network before anything is removed, in eval mode."""
        return self._dense(seed).model

    def network(
        self,
        criterion: str,
        level: float,
        seed: int | None = None,
        kind: str = kinds.NONE.name,
        keep_at_least: float | None = None,
    ) -> nn.Module:
        """The smaller network of a criterion and level, in eval mode.

        `kind` is a recovery of the evaluation or a kind of retraining. A retrained network is read from its file; one
        that no file holds is made as the evaluation made it: the trained network without the channels of `plan`, then
        recovered. Raises Refused for a network of which a layer is empty, so that it answers all images alike.
        """
        level = self._level(level)
        cell = kinds.Cell(criterion, level, kind)
        if cell in self.study.cells and keep_at_least in (None, self._floors()[0]):
            from secateur.pruning import stored

            return stored.load(
                self._found(self._of_network(f"retraining/{cell.path}.pt", seed), *_made("retrain_model"))
            )
        self._refuse_kind(cell)
        from secateur.results import networks

        without = self._without(criterion, level, seed, keep_at_least)
        if kind == kinds.NONE.name:
            return networks.smaller(without)
        return networks.recovered(without, kind, self.study, self._seed(seed), self.images)

    def sparse(self, variant: str, level: float, seed: int | None = None) -> nn.Module:
        """The network of a variant of sparse training, at full width with its zero weights, in eval mode."""
        _refuse_unknown(variant, self.study.variants, f"variant of sparse training of the study {self.name}")
        shares = [cell.level for cell in self.study.sparse_cells if cell.variant == variant]
        level = _settled(level, shares, f"level of the variant {variant}")
        return self._trained(f"sparsity/{variant}/{level}/network.pt", seed, "train_sparse").model

    def ticket(self, place: int, kind: str, seed: int | None = None) -> nn.Module:
        """The network trained from the ticket of a round of pruning, by its kind of first weights, in eval mode."""
        _refuse_unknown(
            place, [cell.place for cell in self.study.tickets], f"round with tickets of the study {self.name}"
        )
        made = [cell.kind for cell in self.study.tickets if cell.place == place]
        _refuse_unknown(kind, made, f"kind of the round {place}")
        return self._trained(f"tickets/{place}/{kind}/network.pt", seed, "train_ticket").model

    # ---- figures ---------------------------------------------------------------------------------------------

    @property
    def figures(self) -> list[str]:
        """The names of the figures of the study's report."""
        from secateur.results import pictures

        return list(pictures.of_study(self.study))

    def figure(self, name: str) -> Figure:
        """A figure of the report, drawn from the tables, as a matplotlib Figure."""
        from secateur.results import pictures

        draw = pictures.of_study(self.study)
        _refuse_unknown(name, draw, f"figure of the study {self.name}")
        return draw[name](self)

    # ---- files -----------------------------------------------------------------------------------------------

    def file(self, table: str) -> Path:
        """The file of a table of the whole study; Refused as by `table`."""
        (path,) = self._asked()[table]
        return self._found(path, f"the table {table}", f"the rule {self._asked()[table][path]}")

    def files_of_networks(self, *paths: str) -> list[Path]:
        """Files below the folder of a network, for every seed; Refused for one that is missing or damaged."""
        return [self._found(path, "a table of a network") for path in contents.of_networks(self.study, *paths)]

    def _asked(self) -> dict[str, contents.Files]:
        """{table: its files} of all tables that the settings ask for."""
        asked = {name: table.files(self.study) for name, table in contents.TABLES.items()}
        return {name: files for name, files in asked.items() if files}

    def _exists(self, path: str) -> bool:
        return (self.folder / path).is_file()

    def _read(self, table: contents.Table, path: str) -> pandas.DataFrame:
        return table.read(self.study, self._whole(self.folder / path))

    def _found(self, path: str, words: str, maker: str = "the workflow") -> Path:
        """The file below the folder of results, whole; Refused where it is missing or damaged."""
        if not self._exists(path):
            raise self._missing(path, words, maker)
        return self._whole(self.folder / path)

    def _missing(self, path: str, words: str, maker: str, more: str = "") -> Refused:
        wanted = f"{self.settings['results']}/{path}"
        return Refused(
            f"{words} is not there yet: {self.folder / path}{more} is missing; {maker} makes it: snakemake --cores 1 "
            f"{wanted}, with the --configfile of the study"
        )

    def _whole(self, path: Path) -> Path:
        contents.refuse_damaged(path)
        return path

    # ---- parts of the above ----------------------------------------------------------------------------------

    def _seed(self, seed: int | None) -> int:
        if seed is None:
            return self.seeds[0]
        return _settled(seed, self.seeds, f"seed of the study {self.name}")

    def _level(self, level: float) -> float:
        what = f"level of the study {self.name} (a share, from 0 to 1)"
        return _settled(level, self.levels, what)

    def _floors(self) -> list[float]:
        return self.settings["evaluation"]["keep_at_least"]

    def _of_network(self, path: str, seed: int | None) -> str:
        return f"{self.study.dataset}/{self.study.model}/{self._seed(seed)}/{path}"

    def _of_draws(self, criterion: str) -> str:
        """Words on the draws of a criterion that is named without one."""
        draws = [name for name in self.criteria if name.rpartition(".")[0] == criterion and name[-1].isdecimal()]
        return f"; it has draws, name one of them: {', '.join(draws)}" if draws else ""

    def _refuse_kind(self, cell: kinds.Cell) -> None:
        """Refused for a kind of a criterion and level that was neither evaluated nor retrained."""
        if cell.kind in self.study.recoveries:
            return
        retrained = [other.kind for other in self.study.cells if other[:2] == cell[:2]]
        known = list(dict.fromkeys([*self.study.recoveries, *retrained]))
        _refuse_unknown(cell.kind, known, f"kind of {cell.criterion} at level {cell.level}")

    def _trained(self, path: str, seed: int | None, rule: str) -> Checkpoint:
        """A network at full width below the folder of a training."""
        from secateur.models import checkpoints

        return checkpoints.load(self._found(self._of_network(path, seed), *_made(rule)))

    def _dense(self, seed: int | None) -> Checkpoint:
        return self._trained("training/trained.pt", seed, "train_model")

    def _without(self, criterion: str, level: float, seed: int | None, keep_at_least: float | None) -> Without:
        """The trained network, the plan of a criterion and level, and images to follow it by."""
        from secateur.results import networks

        ranking = self.ranking(criterion, seed)
        level = self._level(level)
        terms = levels.Terms(**self.study.terms[0])
        if keep_at_least is not None:
            floor = _settled(keep_at_least, self._floors(), "floor (evaluation.keep_at_least)")
            terms = dataclasses.replace(terms, keep_at_least=floor)
        cell = f"{criterion} at level {level}"
        return networks.without(self._dense(seed), ranking, level, terms, cell)


def _made(rule: str) -> tuple[str, str]:
    """Words on a network and on the rule that makes it."""
    return "the network", f"the rule {rule}"


def _refuse_unknown(value: Any, known: Collection[Any], what: str, more: str = "") -> None:
    """Refused for a value that is none of those known, with the nearest one and all of them if they are few."""
    if value in known:
        return
    words = list(map(str, known))
    near = more or nearest(str(value), words)
    listed = f"; known: {', '.join(words)}" if len(words) <= MOST_LISTED or not near else ""
    raise Refused(f"unknown {what}: {value!r}{near}{listed}")


def _settled(number: float, known: list[Any], what: str) -> Any:
    """A number as the settings have it: those of a table may be of numpy's types, and paths hold their text."""
    _refuse_unknown(number, known, what)
    return known[known.index(number)]


def _listed(values: Collection[Any]) -> str:
    return ", ".join(map(str, values))
