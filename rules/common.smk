# What all rules share: the checked settings, the digests that decide reruns, and the names of the study.
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

sys.path.insert(0, str(ROOT / "workflow"))

import secateur

# Python imports a package once, so the modules of one Snakefile cannot have versions of their own.
if Path(secateur.__file__).resolve() != (ROOT / "workflow" / "secateur" / "__init__.py").resolve():
    raise WorkflowError(
        f"This Snakefile uses two copies of secateur, {Path(secateur.__file__).parents[2]} and {ROOT}; "
        "give all its modules of secateur one snakefile, with one tag"
    )

from secateur import Refused
from secateur.artifacts import code_digest as code
from secateur.artifacts import files, stamps
from secateur.images import image_folder
from secateur.study import (
    consistency,
    contents,
    criteria_names,
    kinds,
    level_checks,
    own_network,
    retraining_checks,
    settings,
    study_file,
    verdict_checks,
    vocabulary,
)

# Snakemake's own loader takes the last of two equal keys.
for path in dict.fromkeys(map(Path, [*workflow.configfiles, *workflow.overwrite_configfiles])):
    try:
        study_file.refuse_twice(path)
    except Refused as error:
        raise WorkflowError(f"The study's settings: {path}: {error}") from None

try:
    # In place, so that captions and the report see the defaults too.
    CHECKED = settings.checked(config)
    config.clear()
    config.update(CHECKED)
except FileNotFoundError as error:
    raise lacking(error.filename) from None
except Refused as error:
    raise WorkflowError(f"The study's settings: {error}") from None


def code_digest(script):
    """What the script and all that it reaches in the package computes, whatever its time stamp says."""
    try:
        return code.of_script(ROOT / "workflow" / f"{script}.py")
    except FileNotFoundError as error:
        raise lacking(error.filename) from None


def environment_digest(name):
    """What an environment file asks for; its comments do not count."""
    try:
        return stamps.digest(yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise lacking(error.filename) from None


DATASET = config["data"]["name"]
MODEL = config["model"]["name"]
SEEDS = config["training"]["seeds"]
READINGS = list(config["readings"])
SHARDED = [name for name, reading in config["readings"].items() if reading["shards"] > 1]
WEIGHTS = config["criteria"]["weights"]
SOURCES = READINGS + WEIGHTS
DELTAS = config["criteria"]["deltas"]
MIXES = config["criteria"]["mixes"]
DRAWS = list(range(config["criteria"]["random"]))

STATISTICS = config["criteria"]["statistics"]
MIXED = criteria_names.mixed(config["criteria"])
MIXED_READINGS = config["criteria"]["mixed"] if MIXED else []
COMBINED_ONLY = config["criteria"]["combined_only"]
# Of the others, a figure of the statistics would have one line.
COMPARED = [source for source in SOURCES if criteria_names.statistics(config["criteria"], source) == STATISTICS]
CONTROLLED = criteria_names.controlled(config["criteria"])

# More criteria: {name: how it is made}.
SCORES = {score["name"]: score for score in config["criteria"]["scores"]}
FILES = config["criteria"]["files"]
MIXTURES = {mixture["name"]: mixture for mixture in config["criteria"]["mixtures"]}
MORE = {family: names(config["criteria"]) for family, names in criteria_names.MORE.items()}
FAMILIES = criteria_names.of(config)
CRITERIA = [criterion for family in FAMILIES.values() for criterion in family]
# What is chosen by its accuracy on images that are not reported.
CHOOSING = config["evaluation"]["choose_on"]
CHOSEN = criteria_names.choosing(config, FAMILIES)
VERDICT = config["verdict"] or {}
# How a level becomes a set of units, once for each floor; the first is that of all figures.
TERMS = level_checks.terms(config["evaluation"])
# Whether only the network itself tells if the levels can be met.
UNFORESEEN = level_checks.removable(config) is None
# What is drawn one by one beside the weights; without relevance the weights alone.
DRAWN = READINGS or WEIGHTS[:1]
FLOORED = DRAWN if len(TERMS) > 1 else []
NETWORK = expand("{dataset}/{model}/{seed}", dataset=DATASET, model=MODEL, seed=SEEDS)
RETRAINING = config["retraining"] or {"criteria": [], "levels": []}
RETRAINED_FAMILIES = [family for family, criteria in FAMILIES.items() if {*criteria} & {*RETRAINING["criteria"]}]
RETRAINED_KINDS = kinds.asked_for(RETRAINING)
# {the end of a path: what is exported there}.
EXPORTED = {retraining_checks.exported(entry): entry for entry in config["export"]}
try:
    consistency.check_named(config, CRITERIA)
    verdict_checks.check_beside(config["verdict"], config["study"], config["results"])
except Refused as error:
    raise WorkflowError(f"The study's settings: {error}") from None


def alternatives(names):
    """A wildcard's pattern that matches these names only."""
    return "|".join(str(name).replace(".", r"\.") for name in names) or "(?!)"


wildcard_constraints:
    dataset=alternatives([DATASET]),
    model=alternatives([MODEL]),
    seed=r"\d+",
    split=alternatives(vocabulary.SPLITS),
    reading=alternatives(READINGS),
    source=alternatives(SOURCES),
    family=alternatives(FAMILIES),
    statistic="mean|mean_abs|max|min|max_abs|min_abs",
    score=alternatives(vocabulary.WEIGHT_SCORES + vocabulary.IMAGE_SCORES),
    scored=alternatives(SCORES),
    given=alternatives(FILES),
    mixture=alternatives(MIXTURES),
    delta=r"[01](\.\d+)?",
    shard=r"\d+",
    shards=r"\d+",
    download="cifar10|cifar100",
