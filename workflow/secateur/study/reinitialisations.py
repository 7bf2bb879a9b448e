"""Re-initialisations of a network's first weights, in the order in which tables and figures show them."""

from typing import NamedTuple

# Whose a kind is, in tables: of the source, or with nothing said, of this project.
THE_SOURCE, THIS_PROJECT = "the source", "this project"


class Reinitialisation(NamedTuple):
    """One way to draw first weights anew, and what of the first ones it keeps."""

    name: str  # in settings, tables and paths
    keeps: str  # in words, in tables
    signs: bool  # whether every weight that is left keeps its own sign
    scale: bool  # whether each layer has the scale of those of its first weights that are left
    channels: bool = True  # whether it is one for channels too; a control of masks alone is not
    kind: str = ""  # the kind of retraining that it is for channels, where that has another name
    proposed_by: str = THIS_PROJECT

    @property
    def of_the_source(self) -> bool:
        """True for one of the three that the source compares."""
        return self.proposed_by == THE_SOURCE


ALL = (
    Reinitialisation(
        "original",
        "all first values",
        signs=True,
        scale=True,
        kind="initial",
        proposed_by="Frankle and Carbin (2019)",
    ),
    Reinitialisation(
        "random",
        "nothing but which are left",
        signs=False,
        scale=False,
        kind="scratch",
        proposed_by="Frankle and Carbin (2019)",
    ),
    Reinitialisation("sign", "signs", signs=True, scale=False, proposed_by=THE_SOURCE),
    Reinitialisation(
        "dist",
        "the values of the weights left in each layer, in another order",
        signs=False,
        scale=True,
        proposed_by=THE_SOURCE,
    ),
    Reinitialisation(
        "dist_normal", "mean and standard deviation of the weights left in each layer", signs=False, scale=True
    ),
    Reinitialisation("abs", "magnitudes", signs=False, scale=True, proposed_by=THE_SOURCE),
    Reinitialisation(
        "sign+dist",
        "signs, and the magnitudes of the weights left in each layer, in another order",
        signs=True,
        scale=True,
        proposed_by="Zhou et al. (2019)",
    ),
    Reinitialisation(
        "random_scaled", "the standard deviation of the weights left in each layer", signs=False, scale=True
    ),
    Reinitialisation(
        "mask_shuffled",
        "the first values of other weights, as many in each layer",
        signs=False,
        scale=False,
        channels=False,
        proposed_by="Frankle et al. (2021)",
    ),
    Reinitialisation(
        "layer_permuted",
        "the mask, and the first values of each whole layer, in another order",
        signs=False,
        scale=False,
        channels=False,
    ),
)
BY_NAME = {one.name: one for one in ALL}
ORIGINAL, RANDOM = BY_NAME["original"], BY_NAME["random"]
# {kind of retraining: the name of the re-initialisation that it is for channels}.
OF_KINDS = {one.kind or one.name: one.name for one in ALL if one.channels}
# Those of channels that are no other kind of retraining.
OF_CHANNELS = tuple(one for one in ALL if one.channels and not one.kind)
