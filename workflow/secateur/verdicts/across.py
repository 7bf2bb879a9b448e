"""Finished studies of one network each, side by side: accuracies, differences with intervals, equal cost.

What `docs/write_resnets.py` makes a page of. Everything is read from a study's own tables; nothing is computed again.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import yaml

from secateur import Refused, statistics
from secateur.analysis import averages, intervals, paired_tests
from secateur.analysis.paired_tests import Comparison, Side
from secateur.artifacts import correctness, tables
from secateur.study import criteria_names, seeds, vocabulary

# The same for every study, whatever its tables say: the levels that the page shows, the one at which criteria are put
# beside others, and the shares of the dense network's multiply-adds at which accuracy is read between levels.
LEVELS = (0.1, 0.2, 0.3)
MIDDLE = 0.2
EQUAL = (0.9, 0.75, 0.6)
RELEVANCE, WEIGHT, RANDOM = "relevance.mean_abs", "weight.mean_abs", "random"
AHEAD, BEHIND, UNTOLD = "ahead", "behind", "not told apart"
# Of one network only a difference to one draw of a control has none.
WITHOUT = "no interval (one draw)"
CURVES = ("criterion", "level", "macs", "parameters", "accuracy", "accuracy_change", "accuracy_low", "accuracy_high")
VERSUS_RANDOM = ("versus_random", "versus_random_low", "versus_random_high")


@dataclasses.dataclass(frozen=True)
class Study:
    """A finished study: settings, evaluations, curves by (criterion, level), and the table of retraining or None."""

    settings: dict[str, Any]
    results: paired_tests.Results
    curves: pandas.DataFrame
    retrained: pandas.DataFrame | None

    @property
    def label(self) -> str:
        """The network's name as the literature writes it."""
        return re.sub(r"^resnet(\d+)$", r"ResNet-\1", self.settings["model"]["name"])

    @property
    def criteria(self) -> list[str]:
        """The criteria in the order of the study, draws as one; without controls, and none twice."""
        known = dict.fromkeys(name for name, _ in self.curves.index)
        return [name for name in known if not is_control(name) and name not in self._repeated()]

    def _repeated(self):
        """What a reading has in common with an earlier one of the same relevance: all statistics that are no sums."""
        first = criteria_names.relevance_of(self.settings["readings"])
        others = [name for name, other in first.items() if name != other]
        return {f"{name}.{one}" for name in others for one in statistics.STATISTICS if one not in statistics.REDUCED}

    @property
    def confidence(self) -> float:
        """How sure every interval is."""
        return self.settings["figures"]["confidence"]

    def cell(self, criterion: str, level: float) -> pandas.Series:
        """The row of tables/curves.csv."""
        return self.curves.loc[criterion, round(level, 9)]

    def macs(self, criterion: str, level: float) -> float:
        """The share of the dense network's multiply-adds that is left."""
        return self.cell(criterion, level)["macs"] / self.cell(criterion, 0)["macs"]


@dataclasses.dataclass(frozen=True)
class Difference:
    """One accuracy less another, as fractions, with its interval."""

    estimate: float
    low: float
    high: float

    @property
    def turned(self) -> Difference:
        """The second less the first."""
        return Difference(-self.estimate, -self.high, -self.low)

    @property
    def verdict(self) -> str:
        """Whether the interval leaves out zero, and on which side; without an interval nothing is asked of it."""
        if self.low != self.low:
            return WITHOUT
        return AHEAD if self.low > 0 else BEHIND if self.high < 0 else UNTOLD


def read(folder: Path | str) -> Study:
    """A finished study from its `results` folder; Refused for one that this page cannot show."""
    folder = Path(folder)
    if not (folder / "settings.yaml").is_file():
        raise Refused(f"{folder} is no finished study: it has no settings.yaml; name the folder of its results")
    settings = yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8"))
    if "mixing" not in settings["criteria"]:
        raise Refused(
            f"{folder} has the results of an earlier version, whose settings had other names; run its study again"
        )
    number = len(settings["training"]["seeds"])
    if number != 1:
        raise Refused(f"{folder} is a study of {number} networks; this page compares studies of one network each")
    evaluations = tables.read(folder / "tables" / "evaluations.csv", "seed", "split", *averages.NEEDED)
    curves = tables.first_floor(tables.read(folder / "tables" / "curves.csv", *CURVES, *VERSUS_RANDOM))
    curves = curves.assign(level=curves["level"].round(9)).set_index(["criterion", "level"])
    means = folder / "tables" / "retraining.means.csv"
    retrained = tables.read(means) if settings["retraining"] else None
    return Study(settings, paired_tests.Results(evaluations, _right(folder, settings)), curves, retrained)


def _right(folder, settings):
    """{("test", criterion): bools (levels, images)} of all families."""
    seed = settings["training"]["seeds"][0]
    place, found = folder / settings["data"]["name"] / settings["model"]["name"] / str(seed) / "evaluation", {}
    for family in criteria_names.of(settings):
        table = tables.read(place / f"{family}.csv", "criterion", "keep_at_least", "level")
        by_criterion = correctness.by_criterion(table, correctness.read(place / f"{family}.h5", len(table)))
        found |= {("test", criterion): rows for criterion, rows in by_criterion.items()}
    return found


def is_control(criterion: str) -> bool:
    """Whether a criterion tells which channels from how many of each layer; chance itself stands among all others."""
    return criterion.startswith(("uniform.", "shuffled."))


# ---- differences ---------------------------------------------------------------------------------------------


def difference(study: Study, first: str, second: str, level: float) -> Difference:
    """Test accuracy of one criterion less another's at a level, over the same images.

    To the dense network and to chance as tables/curves.csv has it; else as the verdicts of the thesis are made.
    """
    if first == RANDOM and second != "dense":
        return difference(study, second, first, level).turned
    row = study.cell(first, level)
    if second == RANDOM:
        return Difference(*row[list(VERSUS_RANDOM)])
    if second == "dense":
        dense = row["accuracy"] - row["accuracy_change"]
        return Difference(row["accuracy_change"], row["accuracy_low"] - dense, row["accuracy_high"] - dense)
    return _compared(study, Side(first), Side(second), level)


def _compared(study, first, second, level):
    figures = study.settings["figures"]
    comparison = Comparison(first, second, (level,))
    test = paired_tests.test(study.results, comparison, figures["resamples"], study.settings["seed"])
    return Difference(test.estimate, *test.interval(1 - study.confidence))


def has(study: Study, *criteria: str) -> bool:
    """Whether a study has all of these criteria."""
    known = {name for name, _ in study.curves.index}
    return all(criterion in known for criterion in criteria)


def shared(studies: Sequence[Study], pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those pairs of criteria that every study has."""
    return [pair for pair in pairs if all(has(study, *pair) for study in studies)]


def cells(studies: Iterable[Study], first: str, second: str) -> list[tuple[Study, float, Difference]]:
    """[(study, level, Difference), ...] over all studies and LEVELS."""
    return [(study, level, difference(study, first, second, level)) for study in studies for level in LEVELS]


# ---- families ------------------------------------------------------------------------------------------------

DIVIDED = {
    "none": "as they are",
    "layer_share": "shares of their layer",
    "sum": "plain sums over positions",
    "mean": "means over positions",
    "layer_relative": "divided by their layer's mean",
}


def families_of(study: Study) -> dict[str, list[str]]:
    """{family in words: its criteria}, so that a family reads one thing and divides it in one way."""
    settings, found = study.settings, {}
    for name, reading in settings["readings"].items():
        found[f"relevance, {DIVIDED[reading['reduce']]} (`{name}`)"] = [name + "."]
    for source in settings["criteria"]["weights"]:
        found[f"statistics of the weights, as they are (`{source}`)"] = [source + "."]
    for reading in settings["criteria"]["mixing"]["readings"]:
        found[f"`{reading}` and weights mixed"] = [f"mixed.{reading}.", f"combined.{reading}"]
    grouped = {words: [name for name in study.criteria if name.startswith(tuple(s))] for words, s in found.items()}
    for score in settings["criteria"]["scores"]:
        grouped.setdefault(_family_of_score(score), []).append(score["name"])
    return {words: criteria for words, criteria in grouped.items() if criteria}


def _family_of_score(score):
    source = "images" if score["score"] in vocabulary.IMAGE_SCORES else "weights"
    how = DIVIDED.get(score["normalise"], f"divided by `{score['normalise']}`")
    scope = "" if score["scope"] == "global" else f", within a {score['scope']}"
    return f"scores of {source}, {how}{scope}"


def chosen(study: Study, criteria: Sequence[str], level: float) -> str:
    """The criterion that the images which choose have highest at a level; on ties the lower loss, then the first."""
    (best,) = paired_tests.best(study.results, criteria, level, study.settings["evaluation"]["choose_on"]).values()
    return best


def choosable(study: Study) -> list[str]:
    """The criteria that were measured on the images that choose."""
    split = study.settings["evaluation"]["choose_on"]
    table = study.results.table
    known = set(table.loc[table["split"] == split, "criterion"]) if split else set()
    return [name for name in study.criteria if name in known]


# ---- pairs that differ in one thing --------------------------------------------------------------------------


def statistics_of_weights(study: Study) -> list[str]:
    """The criteria that are a statistic of the weights as they are."""
    return [name for name in study.criteria if name.startswith("weight.")]


def alike(study: Study) -> dict[str, tuple[str, str]]:
    """{how both are divided: (criterion of relevance, criterion of weights)}, both of absolute values.

    The L1 norm is the sum of what `weight.mean_abs` is the mean of, so its share of the layer is that of either.
    """
    relevance = {reading["reduce"]: f"{name}.mean_abs" for name, reading in _same_relevance(study).items()}
    weights = {"mean": WEIGHT}
    for score in study.settings["criteria"]["scores"]:
        if score["score"] == "l1" and score["scope"] == "global":
            weights[{"none": "sum"}.get(score["normalise"], score["normalise"])] = score["name"]
    both = [how for how in ("layer_share", "sum", "mean") if how in relevance and how in weights]
    return {how: (relevance[how], weights[how]) for how in both}


def _same_relevance(study):
    """The readings that take their numbers from the relevance of the first."""
    readings = study.settings["readings"]
    first = criteria_names.relevance_of(readings)
    return {name: readings[name] for name in readings if first[name] == first[RELEVANCE.partition(".")[0]]}


def divided(study: Study) -> list[tuple[str, str]]:
    """[(score as a share of its layer, the same as it is), ...]."""
    found = {}
    for score in study.settings["criteria"]["scores"]:
        if score["scope"] == "global":
            found.setdefault(score["score"], {})[score["normalise"]] = score["name"]
    pairs = [(of.get("layer_share"), of.get("none")) for of in found.values()]
    return [pair for pair in pairs if all(pair)]


# ---- equal cost ----------------------------------------------------------------------------------------------


def between(study: Study, criterion: str, share: float) -> np.ndarray | None:
    """((images,) right or wrong, as fractions) where a share of the multiply-adds is left, or None beyond all levels.

    On the straight line between the two neighbouring levels, in accuracy over multiply-adds; draws are averaged first.
    """
    levels = study.results.levels(criterion)
    left = np.array([study.macs(criterion, level) for level in levels])
    below = int(np.argmax(left <= share)) if (left <= share).any() else None
    if below is None:
        return None
    after = study.results.right(criterion, levels[below])
    if below == 0 or left[below - 1] == left[below]:
        return after.astype(np.float64)
    weight = (left[below - 1] - share) / (left[below - 1] - left[below])
    return (1 - weight) * study.results.right(criterion, levels[below - 1]) + weight * after


def at_equal_cost(study: Study, first: str, second: str, share: float) -> Difference | None:
    """The Difference of two criteria where this share of the multiply-adds is left, or None.

    None against chance too: its draws differ, and images alone would make the interval too narrow.
    """
    if RANDOM in (first, second):
        return None
    right, reference = between(study, first, share), between(study, second, share)
    if right is None or reference is None:
        return None
    figures = study.settings["figures"]
    generator = seeds.numpy_generator(study.settings["seed"], "equal cost", first, second, share)
    interval = intervals.paired_bootstrap(right, reference, study.confidence, figures["resamples"], generator)
    return Difference(float(right.mean() - reference.mean()), *interval)
