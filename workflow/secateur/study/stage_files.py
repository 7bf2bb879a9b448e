"""The files that a stage reads, where they depend on the study.

Paths begin with Snakemake's names of folders: `<results>`, `<images>` for the images of the study, `<network>` for what
is made of one training. Neither Snakemake nor torch is needed.
"""

from secateur.study import contents, kinds
from secateur.study.study import Study

# One path, or [] for no file: of a list with one path Snakemake would make a list.
Optional = str | list[str]


def downloaded(study: Study) -> Optional:
    """The manifest of a verified download, where the source has one."""
    source = study.settings["data"]["source"]
    return f"data/{source}/verified.json" if source in ("cifar10", "cifar100") else []


def given_weights(study: Study) -> Optional:
    """The copy of a local file of weights, named by its content.

    Another content trains again, another place does not.
    """
    content = contents.weights(study.settings["model"])
    return [] if content in (None, "imagenet") else f"<results>/weights/{content}.pt"


def linear_units(study: Study) -> Optional:
    """The table of units, where linear layers have some: statistics are then of these as well."""
    protected = study.settings["criteria"]["linear"] == "protected"
    return [] if protected else "<network>/units/units.csv"


def explained_images(study: Study, reading: str) -> str:
    """The split whose relevance a reading extracts."""
    return f"<images>/{study.readings[reading]['split']}.h5"


def relevance(study: Study, reading: str) -> str:
    """The relevance behind a reading's statistics."""
    return f"<network>/relevance/{study.relevance_of[reading]}.h5"


def shards(study: Study, reading: str) -> list[str]:
    """The shards of a reading's relevance, in order."""
    count = study.readings[reading]["shards"]
    return [f"<network>/relevance/{reading}.shard-{shard}-of-{count}.h5" for shard in range(count)]


def scores(study: Study, criterion: str) -> str:
    """The scores behind a ranking; several rankings can share them."""
    return f"<network>/statistics/{study.scores[criterion]['score']}.csv"


def stages(scope: str) -> Optional:
    """The table of stages, where the scope of a ranking asks for it."""
    return "<network>/units/stages.csv" if scope == "stage" else []


def mixed_lists(study: Study, reading: str) -> dict[str, str]:
    """The two rankings behind a combined or mixed one."""
    return {
        "relevance": f"<network>/ranking/{reading}.{study.statistic}.csv",
        "weight": f"<network>/ranking/{study.weights[0]}.{study.statistic}.csv",
    }


def mixture_lists(study: Study, mixture: str) -> dict[str, str]:
    """The two rankings behind a mixture."""
    sides = study.mixtures[mixture]
    return {side: f"<network>/ranking/{sides[side]}.csv" for side in ("first", "second")}


def rankings(study: Study, family: str) -> list[str]:
    """The rankings of a family of criteria."""
    return [f"<network>/ranking/{criterion}.csv" for criterion in study.families[family]]


def exported(study: Study, name: str) -> dict[str, str]:
    """The evaluation behind an exported network's card, and the retrained network with its own."""
    ends = {"table": "csv", "bits": "h5", "manifest": "json"}
    entry = study.exported[name]
    evaluation = f"<network>/evaluation/{study.family_of(entry['criterion'])}"
    inputs = {key: f"{evaluation}.{end}" for key, end in ends.items()}
    if entry["kind"] == kinds.NONE.name:
        return inputs
    cell = f"<network>/retraining/{entry['criterion']}/{entry['level']}/{entry['kind']}"
    inputs["retrained"] = f"{cell}.pt"
    return inputs | {f"retrained_{key}": f"{cell}.{end}" for key, end in ends.items()}
