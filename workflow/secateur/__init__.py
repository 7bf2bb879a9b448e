"""Channel pruning of convolutional networks: criteria for the channels to remove, and their cost in accuracy.

Each room, a module or a folder, is one stage of a study (images, training, units, relevance, statistics, ranking,
pruning, evaluation, figures) or shared by several stages; docs/architecture.md lists them all. Import them one by one:
`from secateur import relevance`. No room imports Snakemake, and importing the package itself is cheap.
"""

__version__ = "0.1.0"


class Refused(ValueError):  # noqa: N818 - the program refuses an input, and has no error itself
    """A refusal of a user's input, with a message that names the input, the problem and the remedy.

    `secateur check` reports it in one line; any other error is a bug of the program and keeps its traceback.
    """
