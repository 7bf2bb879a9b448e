"""Treatments of every evaluated network, `evaluation.recovery`: settled in place, or refused in one line."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from secateur import Refused
from secateur.study import architectures, kinds, retraining_checks

# Training images that re-estimate BatchNorm, where the study names no number.
IMAGES = 1000
# Steps of a distillation that are one row of its history, behind which a state is written.
ROUND = 50


def settle_recovery(config: dict[str, Any]) -> None:
    """Settle the order of the recoveries, and the one number of images that re-estimate BatchNorm.

    The number is that of evaluation and of retraining, so that one pruned network has one result in both. Raises
    Refused without `none`, for two numbers, and for `batchnorm` of a network that is known to have none.
    """
    evaluation, retraining = config["evaluation"], config["retraining"] or {}
    if kinds.NONE.name not in evaluation["recovery"]:
        raise Refused(
            f"evaluation.recovery lacks {kinds.NONE.name}: choices, verdicts and most figures are of networks as "
            "pruning left them; add it"
        )
    evaluation["recovery"] = [name for name in kinds.RECOVERIES if name in evaluation["recovery"]]
    _settle_images(evaluation, retraining)
    for setting, names in _asked(config).items():
        if kinds.EPOCH.name in names and config["training"]["batch_size"] == 1:
            raise Refused(
                f"{setting} names epoch, but training.batch_size is 1, and BatchNorm fails on a single image; give 2 "
                "or more"
            )
        if kinds.BATCHNORM.name in names:
            _refuse_without_batchnorm(setting, config["model"])
            _refuse_single_images(setting, config)


def _asked(config):
    """{setting: the recoveries that it names} of all that make networks beside retraining."""
    asked = {"evaluation.recovery": config["evaluation"]["recovery"]}
    if config["criteria"]["allocated"]:
        asked["sensitivity.recovery"] = [config["sensitivity"]["recovery"]]
    asked["criteria.rescored"] = [entry["recovery"] for entry in config["criteria"]["rescored"]]
    return asked


def every(config: Mapping[str, Any]) -> list[str]:
    """The recoveries beside `none` that evaluation, sensitivity or steps apply."""
    names = itertools.chain.from_iterable(_asked(config).values())
    return [name for name in dict.fromkeys(names) if name != kinds.NONE.name]


def _settle_images(evaluation, retraining):
    given = evaluation["batchnorm_images"]
    count = given or retraining.get("batchnorm_images", IMAGES)
    if retraining.setdefault("batchnorm_images", count) != count:
        raise Refused(
            f"evaluation.batchnorm_images is {count} and retraining.batchnorm_images {retraining['batchnorm_images']}: "
            "one pruned network would have two results; give one of the two"
        )
    evaluation["batchnorm_images"] = count


def _refuse_without_batchnorm(setting, model):
    """Refuse a network without BatchNorm where its name tells; `secateur check` looks at the others."""
    if not architectures.lacks_batchnorm(model):
        return
    raise Refused(
        f"{setting} names batchnorm, but {model['name']} has no BatchNorm; leave batchnorm out, or take a "
        "network with BatchNorm"
    )


def _refuse_single_images(setting, config):
    if batchnorm(config)["batch_size"] > 1:
        return
    section = "retraining" if config["retraining"] else "training"
    raise Refused(
        f"{setting} names batchnorm, but {section}.batch_size is 1, and a single image has no variance; give 2 or more"
    )


def batchnorm(config: Mapping[str, Any]) -> dict[str, int]:
    """The images that re-estimate BatchNorm, and their batches, in evaluation as in retraining."""
    schedule = config["retraining"] or config["training"]
    return {
        "batchnorm_images": config["evaluation"]["batchnorm_images"],
        "batch_size": schedule["batch_size"],
    }


# The keys of `recovery` of a reconstruction, and those of the distillation behind it.
RECONSTRUCTION = ("images", "split", "fit", "target", "batchnorm", "ridge")
DISTILLATION = ("steps", "batch_size", "learning_rate")


def reconstruction(config: Mapping[str, Any]) -> dict[str, Any]:
    """The images that calibrate a reconstruction, and how layers are fitted to them."""
    return {key: config["recovery"][key] for key in RECONSTRUCTION}


def distillation(config: Mapping[str, Any]) -> dict[str, Any]:
    """A reconstruction, in `recovery`, and the schedule that trains its network by the dense one's answers.

    What the section `recovery` does not name is that of retraining: momentum, weight decay, augmentation, precision.
    """
    schedule = {key: value for key, value in config["retraining"].items() if key in config["training"]}
    schedule |= {"optimizer": "sgd", "schedule": "cosine", "warm_up": 0, "label_smoothing": 0.0}
    schedule |= {"loss": "distillation", "select": "last"}
    del schedule["epochs"]
    of_steps = {key: config["recovery"][key] for key in DISTILLATION}
    return {**schedule, **of_steps, "recovery": reconstruction(config)}


def epoch(config: Mapping[str, Any]) -> dict[str, Any]:
    """The schedule of one epoch, with the count of its `images`.

    What the section `recovery.epoch` does not name is that of training: optimizer, batches, loss, augmentation.
    """
    schedule = {key: value for key, value in config["training"].items() if key != "seeds"}
    schedule |= {"epochs": 1, "warm_up": 0, "select": "last", "trainable": config["model"]["trainable"]}
    return schedule | config["recovery"]["epoch"]


# The settings that each recovery depends on.
OPTIONS = {
    kinds.BATCHNORM.name: batchnorm,
    kinds.RECONSTRUCTED.name: reconstruction,
    kinds.EPOCH.name: epoch,
    kinds.DISTILLED.name: distillation,
}


def split_of(config: Mapping[str, Any], recovery: str) -> str:
    """The split of the images that a recovery reads."""
    return config["recovery"]["split"] if recovery in kinds.STARTS else "train"


def calibrating(config: Mapping[str, Any]) -> str | None:
    """The split of the images that calibrate reconstructions; None for a study that makes none."""
    retraining = config["retraining"] or {"start": "pruned"}
    made = {*itertools.chain.from_iterable(_asked(config).values()), retraining["start"]}
    made |= {cell.kind for cell in retraining_checks.cells(config)}
    return config["recovery"]["split"] if made & {*kinds.STARTS} else None


def of_sensitivity(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{recovery: its options} of the recovery before sensitivity is measured; nothing for `none`."""
    return _of(config, config["sensitivity"]["recovery"])


def of_steps(config: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The same of the recovery between the steps of an entry of `criteria.rescored`."""
    return _of(config, entry["recovery"])


def _of(config, name):
    return {} if name == kinds.NONE.name else {name: OPTIONS[name](config)}


def splits(config: Mapping[str, Any]) -> list[str]:
    """The splits of the images that the recoveries of evaluation read."""
    return splits_of(config, (name for name in config["evaluation"]["recovery"] if name != kinds.NONE.name))


def splits_of(config: Mapping[str, Any], recoveries: Iterable[str]) -> list[str]:
    """The splits of the images that some recoveries read, each once."""
    return list(dict.fromkeys(split_of(config, name) for name in recoveries))


def options(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{recovery: its options} of all recoveries that a study asks for beside `none`."""
    names = config["evaluation"]["recovery"]
    return {name: chosen(config) for name, chosen in OPTIONS.items() if name in names}
