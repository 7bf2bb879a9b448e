"""How long a study takes and what it writes, stage by stage."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from secateur.cost import Cost
from secateur.images import writing
from secateur.preview import timing
from secateur.study import criteria_names
from secateur.study.kinds import KINDS, asked_for
from secateur.study.vocabulary import IMAGE_SCORES

# Forward and backward, in forward passes.
TRAINED = 3


@dataclasses.dataclass(frozen=True)
class Stage:
    """What a stage of the workflow does: jobs, and estimates of seconds and bytes, None where there is no basis."""

    name: str
    what: str
    jobs: int
    seconds: float | None
    size: float


# ---- what it costs -------------------------------------------------------------------------------------------


def estimated(
    config: Mapping[str, Any],
    planned: Mapping[str, Sequence[str]],
    sizes: Mapping[str, int],
    timed: timing.Timed,
    whole: Cost,
    channels: int,
) -> list[Stage]:
    """The Stages of a study: measured seconds times numbers of images, and bytes from shapes."""
    seeds, weights = len(config["training"]["seeds"]), 4 * whole.parameters
    criteria = sum(map(len, planned.values()))
    pixels = sum(sizes.values()) * writing.channels(config["data"]) * config["data"]["size"] ** 2
    epochs = config["training"]["epochs"]
    trained = epochs * timed.forward * (TRAINED * sizes["train"] + sizes["validation"])
    stages = [
        Stage("images", f"{sum(sizes.values()):,} images", 1, None, pixels),
        Stage("training", f"{epochs} epochs", seeds, seeds * trained, seeds * 2 * weights),
        _relevance(config, sizes, timed, seeds),
        _scores(config, sizes, timed, seeds),
        Stage("ranking", f"{criteria} criteria", seeds * criteria, None, seeds * criteria * channels * 30),
        _evaluation("evaluation", config, planned, sizes["test"], timed, seeds),
    ]
    again = {family: planned[family] for family in criteria_names.choosing(config, planned)}
    if again:
        shown = sizes[config["evaluation"]["choose_on"]]
        stages.append(_evaluation("choosing", config, again, shown, timed, seeds))
    if config["retraining"]:
        stages.append(_retraining(config["retraining"], config, sizes, timed, seeds, weights))
    if config["export"]:
        left = sum(_left([entry["level"]]) for entry in config["export"])
        # The state, the program and ONNX each hold all weights.
        stages.append(
            Stage("export", "networks as files", seeds * len(config["export"]), None, seeds * 3 * weights * left)
        )
    return [stage for stage in stages if stage.jobs]


def _left(removed):
    """What networks without these shares of their channels cost, in dense ones: inputs and outputs both shrink."""
    return sum((1 - float(level)) ** 2 for level in removed)


def _relevance(config, sizes, timed, seeds):
    seconds, size, read, jobs = 0, 0, 0, 0
    for name, reading in timing.extracted(config["readings"]).items():
        count = min(reading["images"] or math.inf, sizes[reading["split"]])
        seconds, read, jobs = seconds + count * timed.readings[name], read + count, jobs + reading["shards"]
        # A number and its absolute for each image and channel in float32, two maps for each channel in float64.
        size += sum(8 * count * shape[0] + 16 * math.prod(shape) for shape in timed.shapes[name])
    return Stage("relevance", f"{read:,} images", seeds * jobs, seeds * seconds, seeds * size)


def _scores(config, sizes, timed, seeds):
    kinds = {score["score"] for score in config["criteria"]["scores"]}
    read = min(config["criteria"]["images"] or math.inf, sizes["rank"]) * len(kinds & {*IMAGE_SCORES})
    return Stage("scores", f"{read:,} images", seeds * len(kinds), seeds * read * TRAINED * timed.forward, 0)


def pruned_networks(config: Mapping[str, Any], planned: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many pruned networks a family of criteria asks for: {family: networks}, the dense one not counted."""
    each = len(config["evaluation"]["keep_at_least"]) * (len(config["levels"]) - 1)
    return {family: each * len(criteria) for family, criteria in planned.items()}


def _evaluation(name, config, planned, count, timed, seeds):
    total = sum(pruned_networks(config, planned).values())
    dense = 1 + total * _left(config["levels"][1:]) / max(1, len(config["levels"]) - 1)
    return Stage(
        name,
        f"{total + 1:,} networks on {count:,} images",
        seeds * len(planned),
        seeds * dense * count * timed.evaluated,
        seeds * total * count / 8,
    )


def _shown(kind, retraining, sizes):
    """As how many forward passes of an image a kind counts, before it is tested."""
    if kind.trains == "statistics":
        return min(retraining["batchnorm_images"], sizes["train"])
    epochs = retraining["scratch_epochs"] if kind.start == "fresh" else retraining["epochs"]
    times = retraining["steps"] if kind.in_steps else 1
    return epochs * times * (TRAINED * sizes["train"] + sizes["validation"])


def _retraining(retraining, config, sizes, timed, seeds, weights):
    criteria, left = len(retraining["criteria"]), _left(retraining["levels"])
    asked = [KINDS[name] for name in asked_for(retraining)]
    kinds = len(asked)
    shown = sum(_shown(kind, retraining, sizes) for kind in asked) + kinds * sizes["test"]
    jobs = seeds * criteria * len(retraining["levels"]) * kinds
    return Stage(
        "retraining",
        f"{criteria} criteria, {len(retraining['levels'])} levels, {kinds} kinds",
        jobs,
        seeds * criteria * left * shown * timed.forward,
        seeds * criteria * kinds * left * weights,
    )
