"""The tables of a study: the files behind each, the rules that make these, and how they are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secateur import Refused
from secateur.analysis import epochs, sensitivity, sparsity, stability, tickets
from secateur.artifacts import ledgers, places, tables
from secateur.study import vocabulary
from secateur.study.study import Study

if TYPE_CHECKING:
    import pandas

# {path below the folder of results: the rule that makes the file}.
Files = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Table:
    """One table: its files, none for a study that does not ask for it, the reader of one, and what asks for it."""

    files: Callable[[Study], Files]
    asked_by: str
    read: Callable[[Study, Path], pandas.DataFrame] = lambda study, path: tables.read(path)


def of_networks(study: Study, *paths: str) -> list[str]:
    """Paths below the folder of a network, for every training, below the folder of results."""
    return [f"{study.dataset}/{study.model}/{seed}/{path}" for seed in study.seeds for path in paths]


def rankings(study: Study) -> Files:
    """The rankings of all criteria and trainings, and the rules that make them."""
    files = {}
    for criterion in study.criteria:
        files |= dict.fromkeys(of_networks(study, f"ranking/{criterion}.csv"), _ranked_by(study, criterion))
    return files


def _ranked_by(study, criterion):
    """The rule that makes the ranking of a criterion."""
    if criterion in study.families["random"]:
        return "rank_at_random"
    for rule, names in {
        "rank_rescored": study.rescored,
        "rank_by_file": study.files,
        "rank_by_score": study.scored,
    }.items():
        if criterion in names:
            return rule
    return _derived_by(study, criterion) or "rank_by_statistic"


def _derived_by(study, criterion):
    """The rule that makes a ranking of others; None for one that is made of statistics."""
    beginning, _, rest = criterion.partition(".")
    if beginning in ("uniform", "shuffled"):
        learned = rest.startswith(vocabulary.LEARNED_NAMES)
        return {"uniform": "rank_uniform", "shuffled": "rank_shuffled"}[beginning] if learned else "rank_controls"
    if criterion in study.allocated:
        return "rank_allocated"
    if any(criterion.startswith(f"{name}.") for name in study.mixtures):
        return "rank_mixture"
    if vocabulary.costed(criterion)[1]:
        return "rank_per_cost"
    if beginning in ("combined", "mixed"):
        return "rank_combined" if rest in study.mixing["alternate_only"] else "rank_mixed"
    return None


def refuse_damaged(path: Path) -> None:
    """Refused for a file that is not as its job wrote it, and for a table whose last line is cut off."""
    ledgers.refuse_changed([path])
    if path.suffix == ".csv" and not path.read_bytes().endswith(b"\n"):
        raise Refused(f"{path} is cut short: its last line has no end; delete it and run again")


def _collected(rule, name, asks):
    """The files of a table of the whole study, which `asks` for it or not."""

    def files(study: Study) -> Files:
        return {f"tables/{name}.csv": rule} if asks(study) else {}

    return files


def _each(rule: str, stem: str, cells: Callable[[Study], Iterable[Any]]) -> Callable[[Study], Files]:
    """The files of a table with a part in each network's folder, for each of the cells of the study."""

    def files(study: Study) -> Files:
        return dict.fromkeys(of_networks(study, *(stem.format(cell) for cell in cells(study))), rule)

    return files


def _always(study):
    return True


def _once(study):
    return [""]


def _statistics(study: Study) -> Files:
    weights = _each("summarise_weights", "statistics/{0}.csv", lambda study: study.weights)
    return _each("summarise_relevance", "statistics/{0}.csv", _readings)(study) | weights(study)


def _readings(study):
    return list(study.readings)


def _learned(study: Study) -> Files:
    gates = _each("learn_gates", "selection/{0}.history.csv", lambda study: study.gated)
    return gates(study) | _each("fit_scorer", "selection/{0}.history.csv", lambda study: study.fitted)(study)


def _latencies(study: Study) -> Files:
    sparse = _each("export_sparse", "export/sparsity.{0.path}/latency.csv", lambda study: study.sparse_exports)
    return _each("export_model", "export/{0}/latency.csv", lambda study: study.exported)(study) | sparse(study)


def _of_seed(study: Study, path: Path) -> pandas.DataFrame:
    """A table with the seed of the network in whose folder it lies."""
    return tables.read(path).assign(seed=int(path.parent.parent.name))


def _named(column: str, ending: str) -> Callable[[Study, Path], pandas.DataFrame]:
    """The reader of files that are named by the value of one column."""

    def read(study: Study, path: Path) -> pandas.DataFrame:
        return tables.read(path).assign(**{column: path.name.removesuffix(ending), "seed": places.seed_of(path)})

    return read


def _read_latency(study: Study, path: Path) -> pandas.DataFrame:
    *_, seed, _, criterion, level, _ = path.parts
    return tables.read(path).assign(exported=f"{criterion}/{level}", seed=int(seed))


def _read_sensitivity(study: Study, path: Path) -> pandas.DataFrame:
    return sensitivity.read(path).assign(criterion=path.stem)


def _read_sparse(study: Study, path: Path) -> pandas.DataFrame:
    return sparsity.histories([path], study.settings["training"]["epochs"], sparsity.named)


def _read_ticket(study: Study, path: Path) -> pandas.DataFrame:
    return sparsity.histories([path], study.settings["training"]["epochs"] - study.rewind, tickets.named)


def _retrained(study):
    return bool(study.cells)


def _sparse(study):
    return bool(study.sparse_cells)


def _of_tickets(study):
    return bool(study.tickets)


TABLES: dict[str, Table] = {
    "evaluations": Table(_collected("collect_evaluations", "evaluations", _always), "every study"),
    "curves": Table(_collected("collect_evaluations", "curves", _always), "every study"),
    "retraining": Table(_collected("collect_retraining", "retraining", _retrained), "retraining"),
    "retraining.means": Table(_collected("collect_retraining", "retraining.means", _retrained), "retraining"),
    "retraining.history": Table(
        _each("retrain_model", "retraining/{0.path}.history.csv", lambda study: study.cells),
        "retraining",
        lambda study, path: epochs.read(path),
    ),
    "sparsity": Table(_collected("collect_sparsity", "sparsity", _sparse), "sparsity"),
    "sparsity.means": Table(_collected("collect_sparsity", "sparsity.means", _sparse), "sparsity"),
    "sparsity.history": Table(
        _each("train_sparse", "sparsity/{0.path}/history.csv", lambda study: study.sparse_cells),
        "sparsity",
        _read_sparse,
    ),
    "tickets": Table(_collected("collect_tickets", "tickets", _of_tickets), "tickets"),
    "tickets.means": Table(_collected("collect_tickets", "tickets.means", _of_tickets), "tickets"),
    "tickets.masks": Table(_collected("collect_tickets", "tickets.masks", _of_tickets), "tickets"),
    "tickets.history": Table(
        _each("train_ticket", "tickets/{0.path}/history.csv", lambda study: study.tickets), "tickets", _read_ticket
    ),
    "verdict": Table(_collected("judge_thesis", "verdict", lambda study: bool(study.verdict)), "verdict"),
    "units": Table(_each("list_units", "units/units.csv", _once), "every study", _of_seed),
    "training": Table(_each("train_model", "training/history.csv", _once), "every study", _of_seed),
    "statistics": Table(_statistics, "every study", _named("source", ".csv")),
    "by_class": Table(
        _each("summarise_relevance", "statistics/{0}.by_class.csv", _readings),
        "readings",
        _named("reading", ".by_class.csv"),
    ),
    "stability": Table(
        _each("summarise_relevance", f"statistics/{{0}}{stability.ENDING}", _readings),
        "readings",
        lambda study, path: stability.read(path),
    ),
    "conservation": Table(
        _each("summarise_relevance", "statistics/{0}.conservation.csv", _readings),
        "readings",
        _named("reading", ".conservation.csv"),
    ),
    "sensitivity": Table(
        _each("measure_sensitivity", "sensitivity/{0}.csv", lambda study: study.allocated.values()),
        "criteria.allocated",
        _read_sensitivity,
    ),
    "selection.history": Table(_learned, "criteria.learned", _named("criterion", epochs.ENDING)),
    "latency": Table(_latencies, "export", _read_latency),
}
