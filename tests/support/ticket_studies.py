"""Results folders of finished studies of tickets, of networks whose accuracies are given."""

import numpy as np
import pandas

from secateur.artifacts import correctness, tables
from secateur.study import retraining_checks, tickets
from secateur.study.reinitialisations import OF_KINDS
from support import changed_settings
from support.learned_studies import HARD, IMAGES

STUDY = """
study: tickets-digits
question: "Which?"
results: results/tickets
data: {source: digits, size: 8}
model: {name: vgg_small}
training: {seeds: [0, 1, 2], epochs: 4, batch_size: 64}
readings: {}
criteria: {mixing: {readings: [], deltas: [], alternate: false}, random: 1, scores: [l1]}
levels: [0.5]
figures: {resamples: 200}
tickets: {sparsity: [0.8, 0.9], rounds: 3}
retraining:
  criteria: [{criterion: l1, kinds: [scratch, initial, sign, dist, dist_normal, abs, sign+dist, random_scaled]}]
  levels: [0.5]
"""


# The shares of layers that are left in the first round, of the first network.
LEFT = {"second": 0.5, "first": 0.75}


def finished(folder, accuracies=None, changes=None):
    """A results folder. `accuracies` are {kind or (round or criterion, kind): accuracy}, 0.8 without; `changes` are
    settings, section by section, in place of those of STUDY."""
    config, text = changed_settings.checked(STUDY, changes)
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(text)
    of_weights, of_channels, masks = [], [], []
    for place, seed in enumerate(config["training"]["seeds"]):
        network = folder / "digits" / config["model"]["name"] / str(seed)
        of_weights.append({"seed": seed, "kind": "dense", "round": 0, "images": IMAGES, "accuracy": 0.9})
        _write(network / "training", [0.5, 0.8, 0.9, 0.9], None)
        for cell in tickets.cells(config):
            right = answers((cell.place, cell.kind), accuracies or {}, place)
            row = {"seed": seed, "kind": cell.kind, "round": cell.place, "images": IMAGES, "accuracy": right.mean()}
            of_weights.append(row)
            _write(network / "tickets" / cell.path, [0.4, 0.5, 0.6, right.mean()], right)
        for cell in retraining_checks.cells(config):
            right = answers((cell.criterion, OF_KINDS[cell.kind]), accuracies or {}, place)
            of_channels.append({"seed": seed, **cell._asdict(), "images": IMAGES, "accuracy": right.mean()})
            _write(network / "retraining" / cell.path, [0.4, 0.75, 0.8, right.mean()], right, "")
        for one in tickets.rounds(config):
            cell = {"seed": seed, "round": one.place, "sparsity": one.sparsity}
            masks += [cell | {"layer": layer, "left": LEFT[layer] / one.place + 0.01 * place} for layer in LEFT]
        evaluated = pandas.DataFrame({"level": [0.0], "recovery": "none", **{f"accuracy.{name}": 1.0 for name in "ab"}})
        (network / "evaluation").mkdir(parents=True)
        tables.write(evaluated, network / "evaluation" / "random.csv")
    tables.write(pandas.DataFrame(of_weights), folder / "tables" / "tickets.csv")
    tables.write(pandas.DataFrame(of_channels), folder / "tables" / "retraining.csv")
    tables.write(pandas.DataFrame(masks), folder / "tables" / "tickets.masks.csv")
    return folder


def answers(keys, accuracies, place):
    """(IMAGES,) bools: the same images are hard for all networks of a seed."""
    accuracy = accuracies.get(keys, accuracies.get(keys[1], 0.8))
    generator = np.random.default_rng(list(f"{keys} {place}".encode()))
    return HARD + generator.normal(0, 0.001, IMAGES) < accuracy + 0.01 * place + 0.001 * generator.normal()


def _write(place, history, right, name="network"):
    """A history, and bits beside it; the files of retraining end in `.history.csv`."""
    table = pandas.DataFrame({"epoch": range(1, len(history) + 1), "validation_accuracy": history})
    if name == "network":
        place.mkdir(parents=True, exist_ok=True)
        tables.write(table, place / "history.csv")
        stem = place / name
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        tables.write(table, place.parent / f"{place.name}.history.csv")
        stem = place
    if right is not None:
        correctness.write([right], f"{stem}.h5")
