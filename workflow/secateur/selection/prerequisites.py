"""Prerequisites of learned criteria that only the network tells, checked before any long job."""

from collections.abc import Iterable, Mapping
from typing import Any

from secateur import Refused
from secateur.artifacts import files
from secateur.models import tensor_files
from secateur.pruning.equal_widths import Met
from secateur.selection import gated_reads, pruning_models, scoring_network
from secateur.selection.output_analyser import layers_of
from secateur.units.finding import Units


def refuse_unlearnable(units: Units, entries: Iterable[Mapping[str, Any]]) -> None:
    """Refused for layers that gates do not reach, and for a user's pruning-model that does not fit a layer.

    `entries` are those of `criteria.learned`, or their facts; also refused are files that hold no scorer of these
    descriptors: the keys of `files`.
    """
    for entry in entries:
        gated_reads.refuse_unseen(units)
        for path in entry.get("files", ()):
            asked = scoring_network.Facts(entry["gradients"], entry["scope"])
            scoring_network.from_state(tensor_files.read(files.found(path)), path, asked)
        if ":" in entry.get("model", ""):
            factory = pruning_models.factory_of(entry["model"])
            for layer, ids in layers_of(units).items():
                pruning_models.checked(factory(len(ids)), layer, len(ids))


def refuse_other_levels(levels: Mapping[str, Iterable[float]], met: Mapping[str, Met]) -> None:
    """Refused for weights that were learned at one level and are asked for at another.

    `levels` is {name of a learned criterion: the levels at which its own weights are asked for}; `met` says by setting
    which level meets its widths.
    """
    for name, wanted in levels.items():
        own = met.get(f"criteria.learned: {name}")
        for level in wanted:
            if own is None:
                raise Refused(
                    f"retraining names a kind that starts from the weights of {name}, but its budget is free: there is "
                    "no level at which so many units are removed; name the kind retrained"
                )
            if level != own.level:
                raise Refused(
                    f"retraining asks for the weights of {name} at level {level}, but they were learned for level "
                    f"{own.level}; name that level for its kinds learned and continued"
                )
