# What all rules share: the checked settings, the digests that decide reruns, and the names of the study.
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

ROOT = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(ROOT / "workflow"))

from secateur import digest, names, provenance, settings, sources

try:
    # In place, so that captions and the report see the defaults too.
    CHECKED = settings.checked(config)
    config.clear()
    config.update(CHECKED)
except ValueError as error:
    raise WorkflowError(f"The study's settings: {error}") from None


def code_digest(script):
    """What the script and all that it reaches in the package computes, whatever its time stamp says."""
    return digest.of_script(ROOT / "workflow" / f"{script}.py")


def environment_digest(name):
    """What an environment file asks for; its comments do not count."""
    return provenance.digest(yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8")))


DATASET = config["data"]["name"]
MODEL = config["model"]["name"]
SEEDS = config["training"]["seeds"]
READINGS = list(config["readings"])
SHARDED = [name for name, reading in config["readings"].items() if reading["shards"] > 1]
WEIGHTS = config["criteria"]["weights"]
SOURCES = READINGS + WEIGHTS
DELTAS = config["criteria"]["deltas"]
MIXED_READINGS = READINGS if DELTAS else []
MIXES = config["criteria"]["mixes"]
DRAWS = list(range(config["criteria"]["random"]))

CRITERIA = [
    *expand("{source}.{statistic}", source=SOURCES, statistic=config["criteria"]["statistics"]),
    *(expand("combined.{reading}", reading=READINGS) if config["criteria"]["combined"] else []),
    *expand("mixed.{reading}.{delta}", reading=READINGS, delta=DELTAS),
    *expand("random.{draw}", draw=DRAWS),
]
NETWORK = expand("{dataset}/{model}/{seed}", dataset=DATASET, model=MODEL, seed=SEEDS)


def alternatives(names):
    """A wildcard's pattern that matches these names only."""
    return "|".join(str(name).replace(".", r"\.") for name in names) or "(?!)"


wildcard_constraints:
    dataset=alternatives([DATASET]),
    model=alternatives([MODEL]),
    seed=r"\d+",
    split=alternatives(names.SPLITS),
    reading=alternatives(READINGS),
    source=alternatives(SOURCES),
    statistic="mean|mean_abs|max|min|max_abs|min_abs",
    delta=r"[01](\.\d+)?",
    draw=r"\d+",
    shard=r"\d+",
    shards=r"\d+",
    download="cifar10|cifar100",


def gpus(wildcards):
    """GPUs that a job asks of a cluster."""
    return 1 if config["device"] == "cuda" else 0


def machine_options():
    """What a computation with torch needs to know of the study beside its own options."""
    return {"threads": config["threads"], "device": config["device"]}


def image_options():
    """What the images of a study depend on; a folder of the user's own also by its listing."""
    data = {key: value for key, value in config["data"].items() if key != "mirror"}
    options = {"data": data, "split": config["split"]}
    if data["source"] == "image_folder":
        try:
            options["listing"] = sources.listing_digest(data["folder"])
        except ValueError as error:
            raise WorkflowError(f"The study's settings: {error}") from None
    return options


def download_options(wildcards):
    """What data/sources.yaml says of a download: other checksums are other images."""
    catalogue = yaml.safe_load((ROOT / "data" / "sources.yaml").read_text(encoding="utf-8"))
    return {"source": wildcards.download, "entry": catalogue[wildcards.download]}


def downloaded(wildcards):
    """The manifest of a verified download, where the source has one."""
    source = config["data"]["source"]
    return f"data/{source}/verified.json" if source in ("cifar10", "cifar100") else []


def training_options():
    """What a network depends on beside its seed and its images."""
    chosen = {key: value for key, value in config["training"].items() if key != "seeds"}
    return {"model": config["model"], "training": chosen, "seed": config["seed"], **machine_options()}


def given_weights(wildcards):
    """A local file of weights, so that another file trains again."""
    weights = config["model"]["weights"]
    return [] if weights in (None, "imagenet") else weights


def shown_images(wildcards):
    """The split on which a reading looks at relevance."""
    split = config["readings"][wildcards.reading]["split"]
    return f"<results>/{wildcards.dataset}/images/{split}.h5"


def reading_choices(name):
    """What a reading says but for its shards, which change no result; None for what is no reading."""
    return {key: value for key, value in config["readings"].get(name, {}).items() if key != "shards"} or None


def reading_options(wildcards):
    """What the relevance of a reading depends on: all but what its statistics do with it."""
    reading = reading_choices(wildcards.reading)
    chosen = {key: value for key, value in reading.items() if key not in ("absolute", "reduce")}
    return {"reading": chosen, **machine_options()}


def shard_files(wildcards):
    """The files that together are the relevance of a reading."""
    shards = config["readings"][wildcards.reading]["shards"]
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/relevance"
    return [f"{folder}/{wildcards.reading}.shard-{shard}-of-{shards}.h5" for shard in range(shards)]


def summary_options(wildcards):
    """What the statistics of a reading do with its relevance."""
    reading = config["readings"][wildcards.reading]
    return {"absolute": reading["absolute"], "reduce": reading["reduce"]}


def ranking_options(wildcards):
    """The choices behind a ranking's name, for its manifest."""
    names = dict(wildcards.items())
    reading = names.get("reading", names.get("source"))
    chosen = {key: names[key] for key in names if key not in ("dataset", "model", "seed")}
    mixed = {} if "source" in names else {"mixes": MIXES, "weight": WEIGHTS[0]}
    return {"names": chosen, "reading": reading_choices(reading), **mixed}


def mixed_lists(wildcards):
    """The two rankings behind a combined or mixed one."""
    folder = f"<results>/{wildcards.dataset}/{wildcards.model}/{wildcards.seed}/ranking"
    return {
        "relevance": f"{folder}/{wildcards.reading}.{MIXES}.csv",
        "weight": f"{folder}/{WEIGHTS[0]}.{MIXES}.csv",
    }


def study_options():
    """What the tables of a study depend on beside the evaluations."""
    return {"criteria": CRITERIA, "seeds": SEEDS, "seed": config["seed"], **config["figures"]}


def figure_options(wildcards):
    """What a figure of one reading or of one source shows."""
    reading = reading_choices(dict(wildcards.items()).get("reading", dict(wildcards.items()).get("source")))
    return {
        "title": f"{MODEL} on {DATASET}",
        "mixes": MIXES,
        "weight": WEIGHTS[0],
        "deltas": DELTAS,
        "statistics": config["criteria"]["statistics"],
        "combined": config["criteria"]["combined"],
        "reading": reading,
    }


def captions_digest():
    """The text of all captions: as inputs they would count by time stamp."""
    return provenance.digest({path.name: path.read_text(encoding="utf-8") for path in (ROOT / "report").glob("*.rst")})
