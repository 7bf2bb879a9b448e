"""Which channels of a convolutional network can go, by which criterion, and what does it cost?

Each room, a module or a folder, is one stage of a study (images, training, units, relevance, statistics, ranking,
pruning, evaluation, figures) or one thing that several stages share; docs/architecture.md shows them all. Import what
you need: `from secateur import relevance`. Nothing here imports Snakemake, and importing the package itself is cheap.
"""

__version__ = "0.1.0"


class Refused(ValueError):  # noqa: N818 - it is the program that refuses, and nothing went wrong in it
    """A refusal of what a user gave: its message names it, says what is wrong with it, and what to do.

    `secateur check` tells these in one line; any other error is a fault of the program and keeps its traceback.
    """
