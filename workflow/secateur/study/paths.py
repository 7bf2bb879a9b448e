"""All files that a study writes, from its settings: names that become paths must not meet.

Neither torch nor Snakemake is needed; the paths are those of the rules, and a test compares the two.
"""

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.study import criteria_names, kinds, learned, retraining_checks, sparse, tickets
from secateur.study.vocabulary import PER, SPLITS, WRITTEN

FIGURES = (".svg", ".html")
EXPORT = (
    *("weights.safetensors", "architecture.json", "model.pt2", "model.onnx", "latency.csv", "README.md", "card.html"),
    "manifest.json",
)

# The longest name of a file or a folder, in bytes, that file systems take.
LONGEST = 255


def check(config: Mapping[str, Any]) -> None:
    """Refused in one line for a path, or a name, of a study with every default that its files cannot have."""
    for key, path in _given(config):
        refuse_unfit(key, path)
    if config["verdict"]:
        page = config["verdict"]["page"]
        if not page.endswith(".md"):
            raise Refused(f"verdict.page is {page}, which is no Markdown; give a file ending in .md")
        refuse_lost(page)
    refuse_occupied(config["results"])
    refuse_meeting(config)


def _given(config):
    """(key, path) of every path in the settings."""
    yield "results", config["results"]
    if config["verdict"]:
        yield "verdict.page", config["verdict"]["page"]
    for key, path in (config.get("compare") or {}).items():
        yield f"compare.{key}", path
    if config["model"]["weights"] not in (None, "imagenet"):
        yield "model.weights", config["model"]["weights"]
    for name, path in config["criteria"]["files"].items():
        yield f"criteria.files.{name}", path.replace("{seed}", "0")


def refuse_unfit(key: str, path: str) -> None:
    """Refused in one line for a path that cannot be one of a workflow: `key` names the setting."""
    for reason, remedy in _unfit(path):
        raise Refused(f"{key} is {path!r}, {reason}; {remedy}")


def _unfit(path):
    """(reason, remedy) of every reason against a path."""
    if not path.strip():
        yield "which names nothing", "give a path"
    if not path.isprintable():
        yield "which holds a line break or another character that cannot be seen", "leave it out"
    if path != path.strip():
        yield "which begins or ends with a space", "leave it out"
    if {*path} & {*"{}<>"}:
        yield "in which Snakemake takes braces and angle brackets for names to fill in", "use other characters"
    if path.startswith("~"):
        yield "but ~ stands for no folder here", "write the folder in full"
    if path.startswith("-"):
        yield "which commands would read as an option", "write ./ before it"
    if "://" in path:
        yield "in which Snakemake takes :// for storage elsewhere", "name a path on this machine"
    if any(len(part.encode("utf-8", "replace")) > LONGEST for part in path.split("/")):
        yield f"of which one part is longer than the {LONGEST} bytes that a name can have", "shorten it"
    if os.path.normpath(path) in ("/", "//"):
        yield "which is the whole file system", "name a folder in it"


def refuse_occupied(results: Path | str) -> None:
    """Refused where the folder of results, or one that it lies in, is a file."""
    place = Path(results).absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise Refused(f"results is {results}, but {place} is no folder that can be written to; name another")


def refuse_lost(page: Path | str) -> None:
    """Refused where the verdict's page would be written over a file that is something else."""
    if Path(page).is_dir():
        raise Refused(f"verdict.page is {page}, which is a folder; name a file")
    if Path(page).is_file() and WRITTEN not in Path(page).read_text(encoding="utf-8", errors="replace"):
        raise Refused(
            f"verdict.page is {page}, a file that is there and is no verdict page, and would be lost; name another, or "
            "move it away"
        )


def refuse_meeting(config: Mapping[str, Any]) -> None:
    """Refused where two of a study's files would be one, or one would lie where another needs a folder."""
    keys_of = {}
    for given, keys in written(config):
        path = os.path.normpath(given)
        if path in keys_of:
            first, second = _apart(keys_of[path], keys)
            raise Refused(f"{first} and {second} would both write {path}; rename one of them")
        keys_of[path] = keys
    for path, keys in keys_of.items():
        for folder in _folders(path):
            if folder in keys_of:
                first, second = _apart(keys_of[folder], keys)
                raise Refused(f"{first} would write the file {folder}, where {second} needs a folder; rename one")


def _folders(path):
    """The folders above a path, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


def _apart(first, second):
    """The keys that name two files, in words, without those that name both."""
    return _without(first, second), _without(second, first)


def _without(keys, others):
    remaining = [key for key in keys if key not in others]
    return ", ".join(remaining or keys)


def written(config: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """(path, the keys of the settings that name it) of every file that a study with every default may write."""
    root, dataset, model = config["results"], config["data"]["name"], config["model"]["name"]
    of_images, of_models = [f"data.name {dataset}"], [f"data.name {dataset}", f"model.name {model}"]
    for name in ("settings.yaml", "check.txt", "report.html"):
        yield f"{root}/{name}", ["the study's pages"]
    for split in SPLITS:
        yield f"{root}/{dataset}/images/{split}.h5", of_images
    yield f"{root}/{dataset}/{model}/levels.json", of_models
    of_network = list(_of_network(config))
    for seed in config["training"]["seeds"]:
        for path, keys in of_network:
            yield f"{root}/{dataset}/{model}/{seed}/{path}", of_models + keys
    for path, keys in (*_figures(config), *_tables(config)):
        yield f"{root}/{path}", keys
    if config["verdict"]:
        yield config["verdict"]["page"], ["verdict.page"]


def _of_network(config):
    """(path below the folder of a network, keys) of every file of one training."""
    for part in (
        _training,
        _relevance,
        _statistics,
        _selection,
        _sensitivity,
        _rankings,
        _evaluations,
        _retraining,
        _sparsity,
        _tickets,
        _exports,
    ):
        yield from part(config)


def _each(stem, ends, key):
    """(path, keys) of files whose names differ in their ends."""
    for end in ends:
        yield f"{stem}{end}", [key]


def _training(config):
    yield from _each("training/", ("initial.pt", "trained.pt", "history.csv"), "training")
    yield from _each(
        "units/", ("units.csv", "units.json", "stages.csv", "stages.json", "structures.csv"), "the list of units"
    )


def _relevance(config):
    for name, reading in config["readings"].items():
        ends = [".h5"]
        if reading["shards"] > 1:
            ends += shard_ends(reading["shards"])
        yield from _each(f"relevance/{name}", ends, f"readings.{name}")
    if config["readings"] and config["input_relevance"]["images"]:
        yield from _each("relevance/at_input/compared", (".h5", ".json"), "input_relevance")


def shard_ends(count: int) -> list[str]:
    """The ends of the names of a reading's shards, in order."""
    return [f".shard-{shard}-of-{count}.h5" for shard in range(count)]


def _statistics(config):
    for name in config["readings"]:
        ends = (".csv", ".by_class.csv", ".stability.csv", ".conservation.csv", ".json")
        yield from _each(f"statistics/{name}", ends, f"readings.{name}")
    for name in config["criteria"]["weights"]:
        yield from _each(f"statistics/{name}", (".csv", ".json"), "criteria.weights")
    # Criteria with one score share its file.
    for score, setting in criteria_names.channel_scores(config["criteria"]).items():
        yield from _each(f"statistics/{score}", (".csv", ".json"), f"{setting}: the score {score}")


def _selection(config):
    """The files of each draw of a learned criterion: what was learned, and the scores that follow from it."""
    for name, entry in learned.by_draw(config["criteria"]["learned"]).items():
        key = f"criteria.learned: {name}"
        if learned.scores_units(entry):
            if learned.fitted(entry):
                yield from _each(f"selection/{name}", (".pt", ".history.csv", ".json"), key)
            yield from _each(f"statistics/{name}", (".csv", ".json"), key)
            continue
        yield from _each(f"selection/{name}", (".pt", ".gates.pt", ".history.csv", ".json"), key)
        yield f"statistics/{name}.csv", [key]


def _sensitivity(config):
    for name in config["criteria"]["allocated"]:
        yield from _each(f"sensitivity/{name}", (".csv", ".json"), f"criteria.allocated: {name}")
    if config["criteria"]["allocated"]:
        # The cache of measured plans is a folder.
        yield "sensitivity/plans/of-all-criteria", ["sensitivity"]


def _rankings(config):
    with_manifests = (*criteria_names.MORE, *learned.names(config["criteria"]["learned"]))
    for family, names in criteria_names.of(config).items():
        key = _key(family, config)
        for name in names:
            # Each of these has a manifest; the other rankings share that of the job that makes them.
            if family in with_manifests:
                yield from _each(f"ranking/{name}", (".csv", ".json"), f"{key}: {name}")
            else:
                yield f"ranking/{name}.csv", [key]
    for name in config["readings"]:
        yield f"ranking/{name}.json", [f"readings.{name}"]
    for source in (*config["readings"], *config["criteria"]["weights"]):
        for per in criteria_names.costs(config, source):
            yield f"ranking/{source}{PER[per]}.json", [f"the ranking by cost of {source}"]
    for name in _manifests(config["criteria"]):
        yield f"ranking/{name}.json", [f"criteria.{name.partition('.')[0]}"]
    for entry in config["criteria"]["learned"]:
        yield f"ranking/shuffled.{entry['name']}.json", [f"criteria.learned: {entry['name']}"]


def _manifests(criteria):
    """The names of manifests of rankings that come neither from readings alone nor from scores, files and mixtures."""
    yield from (*criteria["weights"], "random")
    for name in criteria_names.controlled(criteria):
        for criterion in learned.expanded(name, criteria["learned"]):
            yield f"controls.{criterion}"
    if criteria_names.mixed(criteria):
        for name in criteria["mixing"]["readings"]:
            yield f"mixed.{name}"


def _key(family, config):
    """The key of the settings that a family of criteria comes from, or the job that evaluates all."""
    if family == criteria_names.TOGETHER and config["evaluation"]["together"]:
        return "evaluation.together"
    if family in config["readings"]:
        return f"readings.{family}"
    name = family.removeprefix("controls.")
    if name in learned.names(config["criteria"]["learned"]):
        return f"criteria.learned: {name}"
    return f"criteria.{family.partition('.')[0]}"


def _evaluations(config):
    families, ends = criteria_names.of(config), (".csv", ".h5", ".json")
    for job in criteria_names.evaluated(config, families):
        yield from _each(f"evaluation/{job}", ends, _key(job, config))
    for job in criteria_names.evaluated(config, criteria_names.choosing(config, families)):
        yield from _each(f"evaluation/choosing/{job}", ends, _key(job, config))
    # The cache of evaluated plans is a folder.
    yield "evaluation/plans/of-all-families", ["evaluation"]


def _retraining(config):
    ends = (".pt", ".history.csv", ".csv", ".h5", ".json")
    for cell in retraining_checks.cells(config):
        yield from _each(f"retraining/{cell.path}", ends, "retraining")


def _sparsity(config):
    ends = ("network.pt", "history.csv", "network.csv", "network.h5", "manifest.json")
    for cell in sparse.cells(config):
        yield from _each(f"sparsity/{cell.path}/", ends, f"sparsity.variants.{cell.variant}")


def _tickets(config):
    """The files of every network, and the masks of every round."""
    if tickets.of(config)["rewind"]:
        yield "tickets/rewound.pt", ["tickets.rewind"]
    for one in tickets.rounds(config):
        yield from _each(f"tickets/{one.place}/mask", (".h5", ".json"), "tickets.rounds")
    ends = ("network.pt", "history.csv", "network.csv", "network.h5", "manifest.json")
    for cell in tickets.cells(config):
        yield from _each(f"tickets/{cell.path}/", ends, f"tickets.kinds: {cell.kind}")


def _exports(config):
    for entry in config["export"]:
        yield from _each(f"export/{retraining_checks.exported(entry)}/", EXPORT, "export")
    for cell in sparse.exported(config):
        yield from _each(f"export/sparsity.{cell.path}/", EXPORT, "sparsity.export")


def _figures(config):
    """The study's page, and figures, each with a page of its numbers."""
    yield "figures/study.html", ["the study's pages"]
    readings, weights = config["readings"], config["criteria"]["weights"]
    named = itertools.chain(
        itertools.product(("strategies", "deltas", "floors", "layers"), readings),
        itertools.product(("statistics",), (*readings, *weights)),
        itertools.product(("controls",), criteria_names.controlled(config["criteria"])),
    )
    for stem in (*map(".".join, named), "scores", "stability", "recovery", "retraining"):
        yield from _each(f"figures/{stem}", FIGURES, "the study's figures")
    if kinds.by_epoch(retraining_checks.cells(config)):
        yield from _each("figures/retraining.epochs", FIGURES, "the study's figures")
    if kinds.redrawn(retraining_checks.cells(config)):
        yield from _each("figures/retraining.redrawn", FIGURES, "the study's figures")
    if any(entry.get("fit", "none") != "none" for entry in config["criteria"]["learned"]):
        yield from _each("figures/scorers", FIGURES, "the study's figures")
    for name in config["criteria"]["allocated"]:
        yield from _each(f"figures/sensitivity.{name}", FIGURES, "the study's figures")
    for name in sparse.figures(config):
        yield from _each(f"figures/sparsity.{name}", FIGURES, "the study's figures")
    for name in tickets.figures(config):
        yield from _each(f"figures/tickets.{name}", FIGURES, "the study's figures")


def _tables(config):
    names = ("evaluations.csv", "curves.csv", "curves.json", "description.html", "accuracy.html", "thesis.html")
    more = ("verdict.html", "verdict.csv", "verdict.json", "retraining.csv", "retraining.means.csv", "retraining.json")
    sparsity = ("sparsity.csv", "sparsity.means.csv", "sparsity.json")
    of_tickets = ("tickets.csv", "tickets.means.csv", "tickets.masks.csv", "tickets.json")
    yield from _each("tables/", (*names, *more, *sparsity, *of_tickets), "the study's tables")
