"""Finished studies of one network each, side by side: accuracies, differences with intervals, equal cost.

`docs/write_resnets.py` makes a page of them. Everything is read from a study's own tables; nothing is computed again.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from secateur import Refused, statistics
from secateur.analysis import averages, intervals, paired_tests
from secateur.analysis import results as analysis_results
from secateur.analysis.paired_tests import Comparison
from secateur.analysis.results import Side
from secateur.artifacts import correctness, plain_yaml, tables
from secateur.study import criteria_names, seeds
from secateur.study import settings as study_settings

# Alike for every study, whatever its tables hold: the levels that the page shows, the one at which criteria are put
# beside others, and the shares of the dense network's multiply-adds at which accuracy is read between levels.
LEVELS = (0.1, 0.2, 0.3)
MIDDLE = 0.2
EQUAL = (0.9, 0.75, 0.6)
RELEVANCE = "relevance.mean_abs"
WEIGHT = "weight.mean_abs"
RANDOM = "random"
AHEAD = "ahead"
BEHIND = "behind"
UNTOLD = "not told apart"
# Of one network only a difference to one draw of a control has none.
WITHOUT = "no interval (one draw)"
# Networks whose names in settings the literature writes otherwise, beside the ResNets.
NAMES = {"resnet20_wide": "wide ResNet-20", "mobilenet_v1": "MobileNetV1", "densenet40_24": "DenseNet40-24"}
CURVES = (
    *("criterion", "recovery", "level", "macs", "parameters"),
    *("accuracy", "accuracy_change", "accuracy_low", "accuracy_high"),
)
VERSUS_RANDOM = ("versus_random", "versus_random_low", "versus_random_high")


@dataclasses.dataclass(frozen=True)
class Study:
    """A finished study: settings, evaluations, curves by (criterion, level), and the table of retraining or None."""

    settings: dict[str, Any]
    results: analysis_results.Results
    curves: pandas.DataFrame
    retrained: pandas.DataFrame | None

    @property
    def label(self) -> str:
        """The network's name as the literature writes it."""
        return label_of(self.settings)

    @property
    def criteria(self) -> list[str]:
        """The criteria in the order of the study, draws as one; without controls, and none twice."""
        known = dict.fromkeys(self.curves.index.get_level_values("criterion"))
        return [name for name in known if not is_control(name) and name not in self._repeated()]

    def _repeated(self):
        """Criteria that equal those of an earlier reading of the same relevance: all statistics that are no sums."""
        unreduced = [name for name in statistics.STATISTICS if name not in statistics.REDUCED]
        repeated = set()
        for name, first in criteria_names.relevance_of(self.settings["readings"]).items():
            if name != first:
                repeated |= set(map(f"{name}.{{}}".format, unreduced))
        return repeated

    @property
    def confidence(self) -> float:
        """The confidence of every interval."""
        return self.settings["figures"]["confidence"]

    def cell(self, criterion: str, level: float) -> pandas.Series:
        """The row of tables/curves.csv."""
        return self.curves.loc[criterion, round(level, 9)]

    def macs(self, criterion: str, level: float) -> float:
        """The share of the dense network's multiply-adds that is left."""
        return self.cell(criterion, level)["macs"] / self.cell(criterion, 0)["macs"]


@dataclasses.dataclass(frozen=True)
class Difference:
    """One accuracy minus another, as fractions, with its interval."""

    estimate: float
    low: float
    high: float

    @property
    def turned(self) -> Difference:
        """The second minus the first."""
        return Difference(-self.estimate, -self.high, -self.low)

    @property
    def verdict(self) -> str:
        """AHEAD or BEHIND where the interval leaves out zero, UNTOLD where it does not, WITHOUT where there is none."""
        if self.low != self.low:
            return WITHOUT
        if self.low > 0:
            return AHEAD
        return BEHIND if self.high < 0 else UNTOLD


@dataclasses.dataclass(frozen=True)
class Cell:
    """The Difference of two criteria in one study at one level."""

    study: Study
    level: float
    difference: Difference


def read(folder: Path | str) -> Study:
    """A finished study from its `results` folder; Refused for one that this page cannot show."""
    folder, settings = Path(folder), settings_of(folder)
    count = len(settings["training"]["seeds"])
    if count != 1:
        raise Refused(f"{folder} is a study of {count} networks; this page compares studies of one network each")
    evaluations = tables.read(folder / "tables" / "evaluations.csv", "seed", "split", *averages.NEEDED)
    curves = tables.first_floor(tables.read(folder / "tables" / "curves.csv", *CURVES, *VERSUS_RANDOM))
    curves = curves.assign(level=curves["level"].round(9)).set_index(["criterion", "level"])
    retrained = None
    if settings["retraining"]:
        retrained = tables.read(folder / "tables" / "retraining.means.csv")
    return Study(settings, analysis_results.Results(evaluations, _right(folder, settings)), curves, retrained)


def settings_of(folder: Path | str) -> dict[str, Any]:
    """The settings of a finished study from its `results` folder, with defaults of keys that have come since.

    Refused for a folder that holds none, and for keys that have been renamed since.
    """
    path = Path(folder) / "settings.yaml"
    if not path.is_file():
        raise Refused(f"{folder} is no finished study: it has no settings.yaml; name the folder of its results")
    settings = plain_yaml.parsed(path.read_text(encoding="utf-8"))
    if "mixing" not in settings["criteria"] or "recovery" not in settings["evaluation"]:
        raise Refused(
            f"{folder} has the results of an earlier version, whose settings or tables were others; run its study again"
        )
    return study_settings.completed(settings)


def label_of(settings: Mapping[str, Any]) -> str:
    """The name of a study's network as the literature writes it."""
    return written(settings["model"]["name"])


def written(name: str) -> str:
    """The name of a network, of which settings and folders have another, as the literature writes it."""
    return NAMES.get(name, re.sub(r"^resnet(\d+)$", r"ResNet-\1", name))


def network_folder(folder: Path | str, settings: Mapping[str, Any], seed: int) -> Path:
    """The folder of all that is made of one training."""
    return Path(folder) / settings["data"]["name"] / settings["model"]["name"] / str(seed)


def _right(folder, settings):
    """{("test", criterion): bools (levels, images)} of all criteria."""
    place = network_folder(folder, settings, settings["training"]["seeds"][0]) / "evaluation"
    jobs = criteria_names.evaluated(settings, criteria_names.of(settings))
    return correctness.of_families(((place / f"{job}.csv", place / f"{job}.h5") for job in jobs), "test")


def is_control(criterion: str) -> bool:
    """Tell whether a criterion separates the choice of channels from their counts; chance stands among all others."""
    return criterion.startswith(("uniform.", "shuffled."))


# ---- differences ---------------------------------------------------------------------------------------------


def difference(study: Study, first: str, second: str, level: float) -> Difference:
    """Test accuracy of one criterion minus another's at a level, over the same images.

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
    """Tell whether a study has all of these criteria."""
    return set(criteria) <= set(study.curves.index.get_level_values("criterion"))


def shared(studies: Sequence[Study], pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of criteria that every study has."""
    common = []
    for pair in pairs:
        if all(has(study, *pair) for study in studies):
            common.append(pair)
    return common


def cells(studies: Iterable[Study], first: str, second: str) -> list[Cell]:
    """The Differences of two criteria over all studies and LEVELS."""
    table = []
    for study in studies:
        for level in LEVELS:
            table.append(Cell(study, level, difference(study, first, second, level)))
    return table


# ---- equal cost ----------------------------------------------------------------------------------------------


def between(study: Study, criterion: str, share: float) -> np.ndarray | None:
    """(images,): right or wrong, as fractions, where a share of the multiply-adds is left; None beyond all levels.

    On the straight line between the two neighbouring levels, in accuracy over multiply-adds; draws are averaged first.
    """
    levels = study.results.levels(criterion)
    left = np.array([study.macs(criterion, level) for level in levels])
    if not (left <= share).any():
        return None
    below = int(np.argmax(left <= share))
    after = study.results.right(criterion, levels[below])
    if below == 0 or left[below - 1] == left[below]:
        return after.astype(np.float64)
    weight = (left[below - 1] - share) / (left[below - 1] - left[below])
    return (1 - weight) * study.results.right(criterion, levels[below - 1]) + weight * after


def at_equal_cost(study: Study, first: str, second: str, share: float) -> Difference | None:
    """The Difference of two criteria where this share of the multiply-adds is left, or None.

    None against what is drawn too, by chance or by learning: images alone would make the interval too narrow.
    """
    if study.results.is_control(first) or study.results.is_control(second):
        return None
    right, reference = between(study, first, share), between(study, second, share)
    if right is None or reference is None:
        return None
    resamples = study.settings["figures"]["resamples"]
    generator = seeds.numpy_generator(study.settings["seed"], "equal cost", first, second, share)
    interval = intervals.paired_bootstrap(right, reference, study.confidence, resamples, generator)
    return Difference(float(right.mean() - reference.mean()), *interval)
