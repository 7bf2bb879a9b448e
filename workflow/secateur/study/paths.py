"""The files that a study writes, all of them, from its settings: names that become paths must not meet.

Neither torch nor Snakemake is needed; the paths are those of the rules, and a test compares the two.
"""

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.study import criteria_names, kinds, retraining_checks
from secateur.study.vocabulary import SPLITS, WRITTEN

FIGURES = (".svg", ".html")
EXPORT = (
    *("weights.safetensors", "architecture.json", "model.pt2", "model.onnx", "latency.csv", "README.md", "card.html"),
    "manifest.json",
)

# What file systems take for the name of a file or a folder.
LONGEST = 255


def check(config: Mapping[str, Any]) -> None:
    """Refused in one line for a path or a name of a study with every default that its files cannot have."""
    weights, own = config["model"]["weights"], config["criteria"]["files"]
    given = {"results": config["results"], "verdict.page": (config["verdict"] or {}).get("page")}
    given |= {"model.weights": None if weights == "imagenet" else weights}
    given |= {f"criteria.files.{name}": path.replace("{seed}", "0") for name, path in own.items()}
    for key, path in given.items():
        if path is not None:
            refuse_unfit(key, path)
    page = given["verdict.page"]
    if page is not None and not page.endswith(".md"):
        raise Refused(f"verdict.page is {page}, which is no Markdown; give a file ending in .md")
    if page is not None:
        refuse_lost(page)
    refuse_occupied(config["results"])
    refuse_meeting(config)


def refuse_unfit(key: str, path: str) -> None:
    """Refused in one line for a path that cannot be one of a workflow: `key` names the setting."""
    for reason, remedy in _unfit(path):
        raise Refused(f"{key} is {path!r}, {reason}; {remedy}")


def _unfit(path):
    """(reason, remedy) of everything that is wrong with a path."""
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
    whole = Path(results).absolute()
    found = next(path for path in (whole, *whole.parents) if os.path.lexists(path))
    if not found.is_dir():
        raise Refused(f"results is {results}, but {found} is no folder that can be written to; name another")


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
    found = {}
    for path, keys in written(config):
        path = os.path.normpath(path)
        if path in found:
            one, other = _apart(found[path], keys)
            raise Refused(f"{one} and {other} would both write {path}; rename one of them")
        found[path] = keys
    for path, keys in found.items():
        for folder in _folders(path):
            if folder in found:
                one, other = _apart(found[folder], keys)
                raise Refused(f"{one} would write the file {folder}, where {other} needs a folder; rename one")


def _folders(path):
    """The folders above a path, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


def _apart(first, second):
    """What names two files, in words, without what names both."""
    of_first = [key for key in first if key not in second]
    of_second = [key for key in second if key not in first]
    return ", ".join(of_first or first), ", ".join(of_second or second)


def written(config: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """(path, the keys of the settings that name it) of every file that a study with every default may write."""
    root, seeds = config["results"], config["training"]["seeds"]
    data, model = f"data.name {config['data']['name']}", f"model.name {config['model']['name']}"
    dataset = f"{root}/{config['data']['name']}"
    for name in ("settings.yaml", "study.html", "check.txt", "report.html"):
        yield f"{root}/{name}", ["the study's pages"]
    for split in SPLITS:
        yield f"{dataset}/images/{split}.h5", [data]
    yield f"{dataset}/{config['model']['name']}/levels.json", [data, model]
    network = list(_of_network(config))
    for seed, (path, keys) in itertools.product(seeds, network):
        yield f"{dataset}/{config['model']['name']}/{seed}/{path}", [data, model, *keys]
    for path, keys in (*_figures(config), *_tables(config)):
        yield f"{root}/{path}", keys
    if config["verdict"]:
        yield config["verdict"]["page"], ["verdict.page"]


def _of_network(config):
    """(path below the folder of a network, keys) of all that is made of one training."""
    parts = (_training, _relevance, _statistics, _rankings, _evaluations, _retraining, _exports)
    return itertools.chain(*(part(config) for part in parts))


def _each(stem, ends, *keys):
    return [(f"{stem}{end}", list(keys)) for end in ends]


def _training(config):
    yield from _each("training/", ("initial.pt", "trained.pt", "history.csv"), "training")
    yield from _each("units/", ("units.csv", "units.json", "stages.csv", "stages.json"), "the list of units")


def _relevance(config):
    for name, reading in config["readings"].items():
        key, count = f"readings.{name}", reading["shards"]
        shards = [f".shard-{shard}-of-{count}.h5" for shard in range(count)] if count > 1 else []
        yield from _each(f"relevance/{name}", (".h5", *shards), key)


def _statistics(config):
    for name in config["readings"]:
        ends = (".csv", ".by_class.csv", ".stability.csv", ".conservation.csv", ".json")
        yield from _each(f"statistics/{name}", ends, f"readings.{name}")
    for name in config["criteria"]["weights"]:
        yield from _each(f"statistics/{name}", (".csv", ".json"), "criteria.weights")
    # Several scores of one kind share its file.
    for kind in dict.fromkeys(score["score"] for score in config["criteria"]["scores"]):
        yield from _each(f"statistics/{kind}", (".csv", ".json"), f"criteria.scores: the score {kind}")


def _rankings(config):
    criteria = config["criteria"]
    for family, names in criteria_names.of(config).items():
        key = _key(family, config)
        if family in criteria_names.MORE:
            yield from ((f"ranking/{name}{end}", [f"{key}: {name}"]) for name in names for end in (".csv", ".json"))
        else:
            yield from ((f"ranking/{name}.csv", [key]) for name in names)
    yield from ((f"ranking/{name}.json", [f"readings.{name}"]) for name in config["readings"])
    manifests = [*criteria["weights"], "random", *(f"controls.{name}" for name in criteria_names.controlled(criteria))]
    manifests += [f"mixed.{name}" for name in criteria["mixing"]["readings"] if criteria_names.mixed(criteria)]
    yield from ((f"ranking/{name}.json", [f"criteria.{name.partition('.')[0]}"]) for name in manifests)


def _key(family, config):
    """The key of the settings that a family of criteria comes from."""
    return f"readings.{family}" if family in config["readings"] else f"criteria.{family.partition('.')[0]}"


def _evaluations(config):
    planned = criteria_names.of(config)
    ends = (".csv", ".h5", ".json")
    for family in planned:
        yield from _each(f"evaluation/{family}", ends, _key(family, config))
    for family in criteria_names.choosing(config, planned):
        yield from _each(f"evaluation/choosing/{family}", ends, _key(family, config))
    # The store of plans is a folder of its own.
    yield "evaluation/plans/of-all-families", ["evaluation"]


def _retraining(config):
    retraining = config["retraining"] or {"criteria": [], "levels": []}
    chosen = itertools.product(retraining["criteria"], retraining["levels"], kinds.asked_for(retraining))
    for criterion, level, kind in chosen:
        ends = (".pt", ".history.csv", ".csv", ".h5", ".json")
        yield from _each(f"retraining/{criterion}/{level}/{kind}", ends, "retraining")


def _exports(config):
    for entry in config["export"]:
        yield from _each(f"export/{retraining_checks.exported(entry)}/", EXPORT, "export")


def _figures(config):
    """Pictures, each with a page of its numbers."""
    sources = [*config["readings"], *config["criteria"]["weights"]]
    named = {kind: list(config["readings"]) for kind in ("strategies", "deltas", "floors", "layers")}
    named |= {"statistics": sources, "controls": criteria_names.controlled(config["criteria"])}
    stems = [f"{kind}.{name}" for kind, names in named.items() for name in names]
    for stem in (*stems, "scores", "stability", "retraining"):
        yield from _each(f"figures/{stem}", FIGURES, "the study's figures")


def _tables(config):
    names = ("evaluations.csv", "curves.csv", "curves.json", "accuracy.html", "thesis.html", "verdict.html")
    more = ("verdict.csv", "verdict.json", "retraining.csv", "retraining.means.csv", "retraining.json")
    yield from _each("tables/", (*names, *more), "the study's tables")
