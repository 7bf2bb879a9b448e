"""Names that several stages share, and the valid one that is nearest to a wrong one."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from secateur import Refused

SPLITS = ("train", "rank", "validation", "test")
CHANNELS = {"gray": 1, "rgb": 3}
# Every verdict page says so, and a file that does not is no such page.
WRITTEN = "This page is written by the workflow"
# Budgets that a level is a share of, in words.
BUDGETS = {"units": "units", "parameters": "parameters", "macs": "multiply-adds"}
# Of relevance and of weights; the functions behind the names are in statistics.py.
STATISTICS = ("mean", "mean_abs", "max", "min", "max_abs", "min_abs")
# Scores of channels by what they read; the functions behind the names are in criteria/.
WEIGHT_SCORES = ("l1", "l2", "fpgm", "bn_scale")
IMAGE_SCORES = ("taylor", "taylor_activation", "gradient", "activation", "apoz")


def nearest(word: str, known: Iterable[str]) -> str:
    """The words "; did you mean X?", or nothing if no known name is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def without_draw(criterion: str) -> str:
    """The name of a control without the number of its draw: random.2 is random."""
    drawn = criterion.startswith(("random.", "uniform.random.", "shuffled."))
    return criterion.rpartition(".")[0] if drawn else criterion


def one_of(known: Mapping[str, Any], name: str, what: str) -> Any:
    """The entry of a dict, or Refused with the nearest name and all others."""
    if name not in known:
        raise Refused(f"unknown {what} {name!r}{nearest(str(name), known)}; known: {', '.join(known)}")
    return known[name]


def without_slashes(path: str) -> str:
    """A path without slashes that say nothing: Snakemake takes a//b for another path than a/b."""
    # What holds :// is refused later on, as it was given.
    return path if "://" in path else re.sub("/+", "/", path).rstrip("/") or path
