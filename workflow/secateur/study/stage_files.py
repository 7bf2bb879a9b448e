"""The files that a stage reads, where they depend on the study.

Paths begin with Snakemake's names of folders: `<results>`, `<images>` for the images of the study, `<network>` for the
results of one training. Neither Snakemake nor torch is needed.
"""

from collections.abc import Iterable, Mapping

from secateur.study import contents, criteria_names, kinds, learned, paths, recovery_checks
from secateur.study.reinitialisations import ORIGINAL
from secateur.study.study import Study

# One path, or [] for no file: Snakemake would give a script a list with one path as a list.
OptionalPath = str | list[str]


def downloaded(study: Study) -> OptionalPath:
    """The manifest of a verified download, where the source has one."""
    source = study.settings["data"]["source"]
    return f"data/{source}/verified.json" if source in ("cifar10", "cifar100") else []


def given_weights(study: Study) -> OptionalPath:
    """The copy of a local file of weights, named by its content.

    The network is trained again when the content changes, and not when the file moves.
    """
    content = contents.weights(study.settings["model"])
    return [] if content in (None, "imagenet") else f"<results>/weights/{content}.pt"


def linear_units(study: Study) -> OptionalPath:
    """The table of units, where hidden features of linear layers are units and have statistics too."""
    protected = study.settings["criteria"]["linear"] == "protected"
    return [] if protected else "<network>/units/units.csv"


def explained_images(study: Study, reading: str) -> str:
    """The images whose relevance a reading extracts."""
    return f"<images>/{study.readings[reading]['split']}.h5"


def relevance(study: Study, reading: str) -> str:
    """The relevance behind a reading's statistics; several readings can share it."""
    return f"<network>/relevance/{study.relevance_of[reading]}.h5"


def shards(study: Study, reading: str) -> list[str]:
    """The shards of a reading's relevance, in order."""
    ends = paths.shard_ends(study.readings[reading]["shards"])
    return [f"<network>/relevance/{reading}{end}" for end in ends]


# What one network looks at before and after pruning, below its folder.
COMPARED = "relevance/at_input/compared"


def compared(study: Study) -> list[str]:
    """The comparisons of relevance at the input of all networks, in the order of their seeds."""
    if study.explained is None:
        return []
    return [f"<results>/{study.dataset}/{study.model}/{seed}/{COMPARED}.h5" for seed in study.seeds]


def scores(study: Study, criterion: str) -> str:
    """The scores behind a ranking; several rankings can share them."""
    return f"<network>/statistics/{criteria_names.file_of(study.scored[criterion])}.csv"


def classes(scope: str) -> OptionalPath:
    """The table of classes within which units are compared, where the scope of a ranking needs one."""
    return CLASSES.get(scope, [])


CLASSES = {"stage": "<network>/units/stages.csv", "isomorphic": "<network>/units/structures.csv"}


def score_ranking(study: Study, criterion: str) -> dict[str, OptionalPath]:
    """The inputs of a ranking by one score beside the units: the score, and the table of classes where it is needed."""
    return {"scores": scores(study, criterion), "classes": classes(study.scored[criterion]["scope"])}


def start(study: Study, criterion: str) -> OptionalPath:
    """The scores at which the gates of a learned criterion start, where they start at some."""
    score = study.learned[criterion]["start"]
    return [] if score == learned.ZERO else f"<network>/statistics/{score}.csv"


def learning(study: Study, criterion: str) -> dict[str, OptionalPath]:
    """The inputs of a learned criterion: the network, its units, the scores to start at, and images."""
    return {
        "network": "<network>/training/trained.pt",
        "units": "<network>/units/units.csv",
        "start": start(study, criterion),
        "train": "<images>/train.h5",
        "validation": "<images>/validation.h5",
        "calibration": f"<images>/{study.learned[criterion]['calibration']['split']}.h5",
    }


def fitting(study: Study, criterion: str) -> dict[str, str]:
    """The inputs of a scorer's fit: the network, its units, and images."""
    entry = study.scorers[criterion]
    return {
        "network": f"<network>/training/{entry['at']}.pt",
        "units": "<network>/units/units.csv",
        "train": "<images>/train.h5",
        "validation": "<images>/validation.h5",
        "calibration": f"<images>/{entry['calibration']['split']}.h5",
    }


def scoring(study: Study, criterion: str) -> dict[str, OptionalPath]:
    """The inputs of the scores that a scorer gives; one that was fitted elsewhere is no input, but its content is."""
    inputs = fitting(study, criterion)
    own = f"<network>/selection/{criterion}.pt" if criterion in study.fitted else []
    return {key: inputs[key] for key in ("network", "units", "calibration")} | {"scorer": own}


def retrained_from(study: Study, criterion: str, kind: str) -> str:
    """The network at full width that a kind starts from: the trained one, its first weights, or what gates left."""
    if kinds.KINDS[kind].learned:
        return f"<network>/selection/{criterion}.pt"
    if kinds.KINDS[kind].start in ("initial", "redrawn"):
        return "<network>/training/initial.pt"
    return "<network>/training/trained.pt"


def rewound(study: Study) -> str:
    """The weights that tickets go back to: the first ones, or those of an epoch of the same schedule."""
    return "<network>/tickets/rewound.pt" if study.rewind else "<network>/training/initial.pt"


def ticket_round(place: str) -> dict[str, OptionalPath]:
    """The network that a round prunes and its masks: the dense one, which has none, or that of the round before."""
    if int(place) == 1:
        return {"network": "<network>/training/trained.pt", "mask": []}
    before = f"<network>/tickets/{int(place) - 1}"
    return {"network": f"{before}/{ORIGINAL.name}/network.pt", "mask": f"{before}/mask.h5"}


def shuffled(study: Study, entry: str) -> list[str]:
    """The rankings whose channels are shuffled beside a learned criterion: none where its widths are known before.

    With a free budget the widths are those that its draws ended with.
    """
    if study.entries[entry]["widths"] is not None:
        return []
    return [f"<network>/ranking/{criterion}.csv" for criterion in learned.draws(study.entries[entry])]


def units_of_figure(study: Study, widths: Mapping[str, Mapping[str, int]]) -> OptionalPath:
    """The units of one network, as all have them, by which a figure finds the levels that meet these widths."""
    return f"<results>/{study.dataset}/{study.model}/{study.seeds[0]}/units/units.csv" if widths else []


def mixed_lists(study: Study, reading: str) -> dict[str, str]:
    """The two rankings behind a combined or mixed one."""
    return {
        "relevance": f"<network>/ranking/{reading}.{study.statistic}.csv",
        "weight": f"<network>/ranking/{study.weights[0]}.{study.statistic}.csv",
    }


def mixture_lists(study: Study, mixture: str) -> dict[str, str]:
    """The two rankings behind a mixture."""
    sides = study.mixtures[mixture]
    return {
        "first": f"<network>/ranking/{sides['first']}.csv",
        "second": f"<network>/ranking/{sides['second']}.csv",
    }


def rankings(criteria: Iterable[str]) -> list[str]:
    """The rankings of criteria."""
    return [f"<network>/ranking/{criterion}.csv" for criterion in criteria]


def recovering_images(study: Study) -> dict[str, str]:
    """{input: the images that recoveries of evaluation read}, of each split once."""
    return _recovering(recovery_checks.splits(study.settings))


def _recovering(splits):
    return {f"recovering_{split}": f"<images>/{split}.h5" for split in splits}


def sensitivity_images(study: Study) -> dict[str, str]:
    """{input: the images of a measurement of sensitivity}: those that measure, and those that its recovery reads."""
    settings = study.settings
    images = f"<images>/{settings['sensitivity']['split']}.h5"
    return {"images": images} | _recovering(
        recovery_checks.splits_of(settings, recovery_checks.of_sensitivity(settings))
    )


# The inputs of an allocation: the network, what each group of layers can lose, and the order within layers.
ALLOCATION = {
    "network": "<network>/training/trained.pt",
    "measured": "<network>/sensitivity/{allocated}.csv",
    "ranking": "<network>/ranking/{allocated}.csv",
}


def rescoring_images(study: Study, criterion: str) -> dict[str, str]:
    """{input: images}: those that score, of a reading's split or the rank split, and those that the recovery reads."""
    settings, reading = study.settings, study.rescored_reading(criterion)
    split = "rank" if reading is None else study.readings[reading]["split"]
    recoveries = recovery_checks.of_steps(settings, study.rescored[criterion])
    return {"images": f"<images>/{split}.h5"} | _recovering(recovery_checks.splits_of(settings, recoveries))


def choosing_images(study: Study) -> dict[str, str]:
    """{input: the images that recoveries read} of evaluations on the images that choose."""
    return recovering_images(study) if study.chosen_after else {}


def calibrating_images(study: Study, kind: str) -> OptionalPath:
    """The images that calibrate a kind of retraining which begins with a reconstruction; none of others."""
    begins = study.retraining["start"] if kinds.KINDS[kind].in_steps else kind
    if begins not in kinds.STARTS:
        return []
    return f"<images>/{recovery_checks.split_of(study.settings, begins)}.h5"


def exported(study: Study, name: str) -> dict[str, str]:
    """The evaluation behind an exported network's card, and the retrained network with its own evaluation."""
    entry = study.exported[name]
    inputs = _evaluated(f"<network>/evaluation/{study.evaluation_of(entry['criterion'])}")
    if entry["kind"] == kinds.NONE.name:
        return inputs
    cell = kinds.Cell(entry["criterion"], entry["level"], entry["kind"])
    retrained = f"<network>/retraining/{cell.path}"
    inputs["retrained"] = f"{retrained}.pt"
    for key, path in _evaluated(retrained).items():
        inputs[f"retrained_{key}"] = path
    return inputs


def exported_sparse(study: Study, variant: str, level: str) -> dict[str, str]:
    """A sparse network with its own evaluation, and the dense one with an evaluation that has it at level 0."""
    place = f"<network>/sparsity/{variant}/{level}"
    inputs = {"network": f"{place}/network.pt", "dense": "<network>/training/trained.pt"}
    inputs |= {"table": f"{place}/network.csv", "bits": f"{place}/network.h5", "manifest": f"{place}/manifest.json"}
    evaluated = _evaluated(f"<network>/evaluation/{study.chance}")
    return inputs | {
        "evaluated": evaluated["table"],
        "evaluated_bits": evaluated["bits"],
        "evaluated_manifest": evaluated["manifest"],
    }


def _evaluated(stem):
    """The files of one evaluation."""
    return {"table": f"{stem}.csv", "bits": f"{stem}.h5", "manifest": f"{stem}.json"}
