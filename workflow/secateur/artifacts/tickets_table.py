"""The columns of the tables of tickets, which everything that reads such a table takes from here.

A row is a network, and has those of `sparsity_table` beside its cell.
"""

# `kind` is a re-initialisation of study/reinitialisations.py, `round` that of the masks.
CELL = ("kind", "round")
# A row for each layer and round of each training: the share of the layer's weights that the masks leave.
OF_MASKS = ("seed", "round", "sparsity", "layer", "left")
