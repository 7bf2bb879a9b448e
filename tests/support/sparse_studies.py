"""Results folders of finished studies of sparse training, of networks whose accuracies are given."""

import numpy as np
import pandas

from secateur.analysis import sparsity
from secateur.artifacts import correctness, tables
from secateur.study import sparse
from support import changed_settings
from support.learned_studies import CLASSES, HARD, IMAGES

WEIGHTS, PARAMETERS, MACS = 100_000, 101_000, 5_000_000
STUDY = """
study: sparse-digits
question: "Which?"
results: results/sparse
data: {source: digits, size: 8}
model: {name: resnet20}
training: {seeds: [0, 1, 2], epochs: 4, batch_size: 64}
readings: {}
criteria: {mixing: {readings: [], deltas: [], alternate: false}, random: 1}
levels: [0.1]
figures: {resamples: 200}
sparsity:
  levels: [0.98, 0.995]
  variants:
    feather: {}
    masked: {scale_high: 0, scale_low: 0}
    dynamic: {scale: power, kappa: 20}
    adaptive: {schedule: adaptive}
    both: {scale: cosine, schedule: adaptive}
    dropped_0.5: {drop: 0.5, levels: [0.98]}
    dropped_0.9: {drop: 0.9, levels: [0.98]}
    dropped_1: {drop: 1, levels: [0.98]}
    softer: {power: 2}
"""
ACCURACIES = {"dense": 0.9, "masked": 0.7}


def finished(folder, accuracies=None, empty=None, changes=None):
    """A results folder. `accuracies` are {variant or (variant, level): of all seeds, or a list by seed}, `empty` are
    {(variant, level, seed): layers}, `changes` settings, section by section, in place of those of STUDY."""
    config, text = changed_settings.checked(STUDY, changes)
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(text)
    cells = [*sparse.cells(config), sparse.SparseCell(sparse.DENSE, 0.0)]
    parts, right = [], []
    for place, seed in enumerate(config["training"]["seeds"]):
        bits = [answers(cell, ACCURACIES | (accuracies or {}), place) for cell in cells]
        rows = [_row(cell, own, (empty or {}).get((*cell, seed), "")) for cell, own in zip(cells, bits, strict=True)]
        parts.append((seed, pandas.DataFrame(rows)))
        right.append(bits)
        network = folder / config["data"]["name"] / config["model"]["name"] / str(seed)
        _write_evaluation(network / "evaluation", bits[-1])
        if len(config["training"]["seeds"]) == 1:
            _write_bits(network / "sparsity", dict(zip(cells[:-1], bits, strict=False)))
    gathered = sparsity.gathered(parts)
    tables.write(gathered, folder / "tables" / "sparsity.csv")
    bits = np.stack(right[0]) if len(config["training"]["seeds"]) == 1 else None
    means = sparsity.means(gathered, bits, config["figures"]["confidence"], 200, config["seed"])
    tables.write(means, folder / "tables" / "sparsity.means.csv")
    return folder


def answers(cell, accuracies, place):
    """(IMAGES,) bools: the same images are hard for all networks; those of a list have exactly its accuracy."""
    accuracy = accuracies.get(tuple(cell), accuracies.get(cell.variant, 0.8))
    if isinstance(accuracy, list):
        return accuracy[place] - 1e-9 > HARD
    generator = np.random.default_rng(list(f"{cell} {place}".encode()))
    return HARD + generator.normal(0, 0.002, IMAGES) < accuracy + 0.01 * place + 0.003 * generator.normal()


def _row(cell, right, empty):
    left = 1 - cell.level
    return {
        **cell._asdict(),
        "images": IMAGES,
        "weights": WEIGHTS,
        "zeros": round(WEIGHTS * cell.level),
        "sparsity": cell.level,
        "parameters": PARAMETERS,
        "macs": MACS,
        "macs_left": round(MACS * left),
        "bytes": 4 * PARAMETERS,
        "bytes_compressed": round(4 * PARAMETERS * left),
        "gradient_density": left if cell.variant == "masked" else 1,
        "loss": 1.0,
        "accuracy": right.mean(),
        "empty": empty,
        "left.conv1.weight": left,
    }


def _write_bits(place, bits):
    for cell, right in bits.items():
        path = place / cell.path / "network.h5"
        path.parent.mkdir(parents=True)
        correctness.write([right], path)


def _write_evaluation(place, dense):
    """The evaluation in which level 0 is the dense network."""
    place.mkdir(parents=True)
    row = {"criterion": "random.0", "recovery": "none", **{f"accuracy.{name}": 1.0 for name in range(CLASSES)}}
    tables.write(pandas.DataFrame([{**row, "level": level} for level in (0.1, 0)]), place / "random.csv")
    correctness.write([~dense, dense], place / "random.h5")
