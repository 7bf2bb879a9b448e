"""A study's results in a notebook: tables, rankings, plans, networks and figures, from its folder of results."""

from secateur.results.comparing import compare
from secateur.results.opening import open

__all__ = ["compare", "open"]
