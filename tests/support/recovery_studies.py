"""Results folders of finished studies of recovery, of networks whose accuracies are given."""

import itertools

import numpy as np
import pandas

from secateur.artifacts import correctness, tables
from secateur.study import criteria_names, retraining_checks, vocabulary
from secateur.study.kinds import Cell
from support import changed_settings
from support.learned_studies import CLASSES, HARD, IMAGES

STUDY = """
study: recovery-digits
question: "Which?"
results: results/recovery
data: {source: digits, size: 8}
model: {name: resnet20}
training: {seeds: [0], epochs: 1, batch_size: 64}
readings: {}
criteria:
  random: 3
  controls: false
  statistics: [mean_abs]
  mixing: {readings: [], deltas: [], alternate: false}
  scores: [l2, {name: l2.per_macs, score: l2, per: macs}]
levels: [0.3, 0.5]
figures: {resamples: 200}
evaluation: {budget: macs, recovery: [none, batchnorm, reconstructed]}
retraining:
  criteria:
    - {criterion: l2, kinds: [reconstructed, distilled]}
    - {criterion: random.0, kinds: [reconstructed, distilled]}
  levels: [0.5]
  epochs: 1
"""
# By (criterion, kind), or by kind alone.
ACCURACIES = {"dense": 0.9, "none": 0.4, "batchnorm": 0.6, "reconstructed": 0.8, "distilled": 0.85}


def finished(folder, accuracies=None, changes=None):
    """A results folder; `accuracies` and settings, section by section, are in place of those above."""
    config, text = changed_settings.checked(STUDY, changes)
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(text)
    given, evaluated, retrained = ACCURACIES | (accuracies or {}), [], []
    for seed in config["training"]["seeds"]:
        place = folder / "digits" / "resnet20" / str(seed)
        (place / "units").mkdir(parents=True)
        tables.write(pandas.DataFrame({"unit": [0], "layer": ["a"], "channel": [0]}), place / "units" / "units.csv")
        for family, criteria in criteria_names.of(config).items():
            evaluated += _family(place / "evaluation", family, criteria, config, given, seed)
        for cell in retraining_checks.cells(config):
            right = answers(cell, given, seed)
            path = place / "retraining" / f"{cell.path}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            correctness.write([right], path)
            retrained.append(_row(cell, right, seed) | {"kind": cell.kind, "trained_images": 3200})
    tables.write(pandas.DataFrame(evaluated).assign(split="test"), folder / "tables" / "evaluations.csv")
    tables.write(pandas.DataFrame(retrained), folder / "tables" / "retraining.csv")
    return folder


def _family(place, family, criteria, config, given, seed):
    """The rows of a family of criteria, written with their bits."""
    rows, bits = [], []
    for kind, name, level in itertools.product(
        config["evaluation"]["recovery"], criteria, [0.0, *config["levels"][1:]]
    ):
        cell = Cell(name, level, kind)
        bits.append(answers(cell, given, seed))
        rows.append(_row(cell, bits[-1], seed) | {"recovery": kind, "keep_at_least": 0})
    place.mkdir(parents=True, exist_ok=True)
    tables.write(pandas.DataFrame(rows), place / f"{family}.csv")
    correctness.write(bits, place / f"{family}.h5")
    return rows


def answers(cell, given, seed):
    """(IMAGES,) bools: the same images are hard for all networks, and each has a little noise of its own."""
    kind = "dense" if cell.level == 0 else cell.kind
    accuracy = given.get((vocabulary.without_draw(cell.criterion), kind), given[kind])
    drawn = "dense" if cell.level == 0 else f"{cell}"
    generator = np.random.default_rng(list(f"{drawn} {seed}".encode()))
    return HARD + generator.normal(0, 0.002, IMAGES) < accuracy + 0.01 * seed + 0.002 * generator.normal()


def _row(cell, right, seed):
    return {
        "seed": seed,
        "criterion": cell.criterion,
        "level": cell.level,
        "images": IMAGES,
        "units": int(100 * cell.level),
        "parameters": 1000,
        "macs": 1e6 * (1 - cell.level),
        "accuracy": right.mean(),
        **{f"accuracy.{name}": right.mean() for name in range(CLASSES)},
    }
