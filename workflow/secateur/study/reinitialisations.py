"""Re-initialisations of a network's first weights, in the order in which tables and figures show them."""

from typing import NamedTuple


class Reinitialisation(NamedTuple):
    """One way to draw first weights anew, and what of the first ones it keeps."""

    name: str  # in settings, tables and paths
    keeps: str  # in words, in tables
    signs: bool  # whether every weight that is left keeps its own sign
    channels: bool = True  # whether it is one for channels too; a control of masks alone is not
    kind: str = ""  # the kind of retraining that it is for channels, where that has another name
    of_the_source: bool = False  # whether it is one of the three that the source compares


ALL = (
    Reinitialisation("original", "all first values", signs=True, kind="initial"),
    Reinitialisation("random", "nothing but which are left", signs=False, kind="scratch"),
    Reinitialisation("sign", "signs", signs=True, of_the_source=True),
    Reinitialisation("dist", "the values of each layer, at other positions", signs=False, of_the_source=True),
    Reinitialisation("dist_normal", "mean and standard deviation of each layer", signs=False),
    Reinitialisation("abs", "magnitudes", signs=False, of_the_source=True),
    Reinitialisation("sign+dist", "signs, and the magnitudes of each layer at other positions", signs=True),
    Reinitialisation("random_scaled", "the standard deviation of each layer", signs=False),
    Reinitialisation(
        "mask_shuffled", "all first values, at other positions of each layer", signs=False, channels=False
    ),
    Reinitialisation(
        "layer_permuted", "the first values of each whole layer, at other positions", signs=False, channels=False
    ),
)
BY_NAME = {one.name: one for one in ALL}
ORIGINAL, RANDOM = BY_NAME["original"], BY_NAME["random"]
# {kind of retraining: the name of the re-initialisation that it is for channels}.
OF_KINDS = {one.kind or one.name: one.name for one in ALL if one.channels}
# Those of channels that are no other kind of retraining.
OF_CHANNELS = tuple(one for one in ALL if one.channels and not one.kind)
