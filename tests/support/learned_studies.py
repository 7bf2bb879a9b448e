"""Results folders of finished studies with learned criteria, of networks whose accuracies are given."""

import itertools
import json

import numpy as np
import pandas

from secateur.artifacts import correctness, tables
from secateur.study import criteria_names, learned, retraining_checks, vocabulary
from secateur.study.kinds import Cell
from support import changed_settings

IMAGES, CLASSES, LEVEL, UNITS, ASKED = 2000, 10, 0.179, 336, 60
HARD = np.random.default_rng(0).permutation(np.linspace(0, 1, IMAGES, endpoint=False))
WIDTHS = {"layer1": 16, "layer2": 32, "layer3": 64}
STUDY = """
study: gates-digits
question: "Which?"
results: results/gates
data: {source: digits, size: 8}
model: {name: resnet20}
training: {seeds: [0], epochs: 1, batch_size: 64}
readings: {}
criteria:
  residual: inner
  random: 3
  controls: false
  mixing: {readings: [], deltas: [], alternate: false}
  learned:
    - {name: gates.mlp, widths: {16: 8, 32: 20}, draws: 3}
    - {name: gates.static, model: static, widths: {16: 8, 32: 20}, draws: 3}
    - {name: gates.open, budget: free, draws: 2}
levels: [0.179]
figures: {resamples: 200}
retraining:
  criteria:
    - {criterion: gates.mlp, kinds: [batchnorm, retrained]}
    - {criterion: gates.static, kinds: [batchnorm, retrained]}
    - {criterion: gates.mlp.0, kinds: [scratch]}
    - {criterion: l1.gates.mlp, kinds: [batchnorm, retrained]}
    - {criterion: taylor_activation.gates.mlp, kinds: [retrained]}
    - {criterion: shuffled.gates.mlp.0, kinds: [retrained]}
    - {criterion: shuffled.gates.mlp.1, kinds: [retrained]}
    - {criterion: shuffled.gates.mlp.2, kinds: [retrained]}
    - {criterion: random.0, kinds: [retrained]}
  levels: [0.179]
  epochs: 3
"""
# Accuracies by (criterion, kind); by kind alone where nothing else is said.
ACCURACIES = {
    "dense": 0.9,
    "none": 0.5,
    "batchnorm": 0.7,
    "retrained": 0.89,
    "scratch": 0.89,
    "continued": 0.9,
    "learned": 0.8,
    ("gates.mlp", "none"): 0.6,
    ("gates.static", "none"): 0.6,
}
# A gate phase of two epochs and a training of one, or a training of three.
TRAINED = {"batchnorm": 0, "learned": 2000, "continued": 3000, "retrained": 3000, "scratch": 3000}


class Facts:
    """What a study measured: each test states what is unlike the rest."""

    def __init__(self, accuracies=(), trained=(), closed=(), parameters=(), spread=0.003, recovery=True):
        self.accuracies = ACCURACIES | dict(accuracies)
        self.trained = TRAINED | dict(trained)
        self.closed, self.parameters = dict(closed), dict(parameters)
        self.spread, self.recovery = spread, recovery

    def of(self, values, cell, default=None):
        """The value of a cell, or of its kind."""
        return values.get((vocabulary.without_draw(cell.criterion), cell.kind), values.get(cell.kind, default))


def finished(folder, facts=None, changes=None):
    """A results folder; `changes` are settings, section by section, in place of those of STUDY."""
    facts, (config, text) = facts or Facts(), changed_settings.checked(STUDY, changes)
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(text)
    evaluated, retrained = [], []
    for seed in config["training"]["seeds"]:
        place = folder / config["data"]["name"] / config["model"]["name"] / str(seed)
        _write_units(place)
        _write_phases(place, config, facts)
        _write_rankings(place, config)
        evaluated += _evaluations(place, config, facts, seed)
        retrained += _retrained(place, config, facts, seed)
    (folder / "tables").mkdir()
    tables.write(pandas.DataFrame(evaluated).assign(split="test"), folder / "tables" / "evaluations.csv")
    tables.write(pandas.DataFrame(retrained), folder / "tables" / "retraining.csv")
    return folder


def _write_units(place):
    layers = [f"{stage}.{block}.conv1" for stage in WIDTHS for block in range(3)]
    rows = [(layer, channel) for layer in layers for channel in range(WIDTHS[layer.partition(".")[0]])]
    table = pandas.DataFrame(rows, columns=["layer", "channel"])
    (place / "units").mkdir(parents=True)
    tables.write(table.assign(unit=np.arange(len(rows))), place / "units" / "units.csv")


def _write_phases(place, config, facts):
    (place / "selection").mkdir()
    for name in learned.by_draw(config["criteria"]["learned"]):
        about = {"units": UNITS, "closed": facts.closed.get(name, ASKED), "dead": 7, "images": 2000}
        (place / "selection" / f"{name}.json").write_text(json.dumps({"learned": about}))


def _write_rankings(place, config):
    """L1 removes the first units, and every other criterion at given widths the next ones, one further for each."""
    (place / "ranking").mkdir()
    names = [name for entry in config["criteria"]["learned"] for name in learned.ranked(entry)]
    for offset, name in enumerate(names):
        first = 0 if name.startswith("l1.") else offset
        table = pandas.DataFrame({"unit": np.roll(np.arange(UNITS), -first)})
        tables.write(table, place / "ranking" / f"{name}.csv")


def answers(cell, facts, seed):
    """(IMAGES,) bools: the same images are hard for all networks, and each has a little noise of its own."""
    generator = np.random.default_rng(list(f"{cell} {seed}".encode()))
    accuracy = (
        facts.of(facts.accuracies, cell._replace(kind="dense") if cell.level == 0 else cell)
        + 0.01 * seed
        + facts.spread * generator.normal()
    )
    return HARD + generator.normal(0, 0.002, IMAGES) < accuracy


def _row(cell, right, facts, seed):
    removed = cell.level > 0
    parameters = facts.parameters.get((cell.criterion, seed), 180_000)
    return {
        "seed": seed,
        "criterion": cell.criterion,
        "level": cell.level,
        "images": IMAGES,
        "units": ASKED if removed else 0,
        "parameters": parameters if removed else 270_000,
        "macs": 25_000_000 if removed else 40_000_000,
        "accuracy": right.mean(),
        "empty": None,
        **{f"accuracy.{name}": right.mean() for name in range(CLASSES)},
    }


def _evaluations(place, config, facts, seed):
    rows = []
    for family, criteria in criteria_names.of(config).items():
        part, bits = _family(criteria, facts, seed)
        rows += part
        if len(config["training"]["seeds"]) == 1:
            path = place / "evaluation" / f"{family}.csv"
            path.parent.mkdir(exist_ok=True)
            tables.write(pandas.DataFrame(part), path)
            correctness.write(bits, path.parent / f"{family}.h5")
    return rows


def _family(criteria, facts, seed):
    """(rows, bits) of criteria dense and pruned; without recoveries there is no column that names one."""
    rows, bits = [], []
    for kind, name in itertools.product(("none", "batchnorm") if facts.recovery else ("none",), criteria):
        for cell in (Cell("dense", 0.0, kind), Cell(name, LEVEL, kind)):
            bits.append(answers(cell, facts, seed))
            row = _row(cell, bits[-1], facts, seed) | {"criterion": name, "keep_at_least": 0}
            rows.append(row | {"recovery": kind} if facts.recovery else row)
    return rows, bits


def _retrained(place, config, facts, seed):
    rows = []
    for cell in retrained_cells(config):
        right = answers(cell, facts, seed)
        if len(config["training"]["seeds"]) == 1:
            path = place / "retraining" / f"{cell.path}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            correctness.write([right], path)
        about = {"kind": cell.kind, "trained_images": facts.of(facts.trained, cell)}
        rows.append(_row(cell, right, facts, seed) | about)
    return rows


def retrained_cells(config):
    """The cells of a study's retraining, and those that gates with weights of their own leave."""
    cells = retraining_checks.cells(config)
    for name, entry in learned.by_draw(config["criteria"]["learned"]).items():
        if entry["weights"] == "joint" and entry["widths"]:
            cells += [Cell(name, LEVEL, kind) for kind in ("learned", "continued")]
    return list(dict.fromkeys(cells))
