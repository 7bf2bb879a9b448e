"""What a study's page is made of, from drawn numbers: without images, networks or a run of the workflow."""

import numpy as np
import pandas

from secateur import ranking
from secateur.analysis import agreement, averages
from secateur.analysis.results import Results
from secateur.figures import html_tables, page_parts
from secateur.study import seeds
from secateur.study.study import Study
from support.studies import ROOT

LEVELS = (0.0, 0.25, 0.5, 0.75)
LAYERS = ("features.0", "features.3")
DENSE, MACS, PARAMETERS = 0.9, 1000, 5000


def settings(**changes):
    """A small study on digits, with changes of its settings."""
    plain = {
        "study": "drawn",
        "question": "Is it readable?",
        "data": {"source": "digits", "size": 8},
        "split": {"rank": 60, "validation": 60, "test": 120},
        "model": {"name": "vgg_small"},
        "training": {"seeds": [0, 1, 2]},
        "criteria": {"random": 2, "controls": False, "mixing": {"deltas": ["0.5"]}},
        "levels": list(LEVELS),
        "evaluation": {"choose_on": "validation"},
        "figures": {"resamples": 100},
    }
    return plain | changes


def evaluations(study, classes=tuple("0123456789"), layers=LAYERS, images=120):
    """The table of evaluations: accuracy falls with the level, sooner for the criteria named first."""
    splits = {"test": study.criteria}
    if study.choose_on:
        splits[study.choose_on] = [name for names in study.choosing.values() for name in names]
    rows = []
    for seed in study.seeds:
        for split, names in splits.items():
            for name in names:
                rows += _of(study, name, seed, split, classes, layers, images)
    return pandas.DataFrame(rows)


def _of(study, name, seed, split, classes, layers, images):
    generator = seeds.numpy_generator(seed, name, split)
    place = (1 + study.criteria.index(name)) / len(study.criteria)
    strength = 3.0 if name.startswith("random") else 2.0 - place
    for level in study.settings["levels"]:
        row = {"criterion": name, "recovery": "none", "budget": "units", "keep_at_least": 0.0, "level": level}
        # Level 0 is the dense network, whatever the criterion.
        noise = 0.01 * seed + 0.02 * generator.random() * (level > 0)
        accuracy = DENSE * max(0.1, 1 - strength * level**2) - noise
        row |= {"images": images, "units": round(100 * (1 - level)), "realised": level}
        row |= {"parameters": PARAMETERS * (1 - level), "macs": MACS * (1 - 0.9 * level)}
        row |= {"loss": -np.log(accuracy), "accuracy": accuracy, "empty": ""}
        values = np.clip(accuracy + 0.1 * (level > 0) * (generator.random(len(classes)) - 0.5), 0, 1)
        row |= {f"accuracy.{label}": value for label, value in zip(classes, values, strict=True)}
        row |= {f"removed.{layer}": level for layer in layers}
        yield row | {"seed": seed, "split": split}


def page_inputs(given=None, table=None, **options):
    """The study of a page; `options` are those of `evaluations`, unless a table is given."""
    study = Study.of(given or settings())
    if table is None:
        table = evaluations(study, **options)
    bits, losses, right = [], [], {}
    if len(study.seeds) == 1:
        bits, losses, right = _images(table)
    figures = study.settings["figures"]
    curves = averages.curves(table, bits, losses, figures["confidence"], figures["resamples"], study.seed)
    return page_parts.Study(
        study.settings, curves, table, Results(table, right),
        html_tables.page("Drawn", html_tables.facts(study.settings)), {}, agreement.Rankings([], ranking.order), {}, {},
        (ROOT / "report/study.css").read_text(), (ROOT / "report/study.js").read_text(),
    )  # fmt: skip


def _images(table):
    """Right answers and losses on single images, by the accuracy of each row: for averages, and by criterion."""
    tested = table[table["split"] == "test"].reset_index(drop=True)
    counts = (tested["accuracy"] * tested["images"]).round().to_numpy()
    right = np.arange(tested["images"].iloc[0]) < counts[:, None]
    by_criterion = {}
    for name, part in tested.groupby("criterion", sort=False):
        by_criterion["test", name] = right[part.sort_values("level").index]
    return [right], [np.where(right, 0.1, 2.0)], by_criterion
