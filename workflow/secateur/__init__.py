"""Which channels of a convolutional network can go, by which criterion, and what does it cost?

Each room, a module or a folder, is one stage of a study (images, training, units, relevance, statistics, ranking,
pruning, evaluation, figures) or one thing that several stages share; docs/architecture.md shows them all. Import what
you need: `from secateur import relevance`. Nothing here imports Snakemake, and importing the package itself is cheap.
"""

__version__ = "0.1.0"
