"""The claims of the thesis, each with the function that finds its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN
from secateur.analysis.results import Results
from secateur.verdicts import blend_evidence, evidence, list_evidence

if TYPE_CHECKING:
    import pandas


def all_hold(verdicts: Sequence[str]) -> str:
    """A conjunction: one that fails is enough to fail, and all have to hold."""
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) <= {HOLDS} else UNKNOWN


def both_ways(verdicts: Sequence[str]) -> str:
    """No winner: one level settles it for the one and one for the other."""
    if HOLDS in verdicts and FAILS in verdicts:
        return HOLDS
    unanimous = len(set(verdicts)) == 1 and UNKNOWN not in verdicts
    return FAILS if unanimous else UNKNOWN


CLAIMS = {
    "combined_at_40": evidence.Claim(
        "At 40 % pruned, the combined list keeps more than the weight list and more than the relevance list.",
        "tables B.1 to B.3, section 5.1.3",
        list_evidence.combined_at_40,
    ),
    "weight_at_40": evidence.Claim(
        "At 40 % pruned, the weight list keeps more than the relevance list.",
        "tables B.1 and B.2",
        list_evidence.weight_at_40,
    ),
    "weight_early": evidence.Claim(
        "At 10, 20 and 30 % pruned, the weight list keeps more than the relevance list.",
        'section 5.1.3: "maintaining higher accuracy at lower pruning percentages"',
        list_evidence.weight_early,
    ),
    "no_winner": evidence.Claim(
        "Neither the weight list nor the relevance list is ahead at every level from 10 to 40 %.",
        'section 6.1: "neither approach distinctly outperforms the other across all pruning levels"',
        list_evidence.no_winner,
        rule=both_ways,
    ),
    "gradual": evidence.Claim(
        "On average over 10 to 90 % pruned, the combined list keeps more than either of its two lists.",
        'section 5.1.3: "a more gradual decline in accuracy"',
        list_evidence.gradual,
    ),
    "neither_extreme": evidence.Claim(
        "On average over 10 to 60 % pruned, the best blend keeps more than delta 0 and more than delta 1.",
        'section 5.2.3: "neither extreme of the delta spectrum [...] is optimal"',
        blend_evidence.neither_extreme,
    ),
    "blend_over_turns": evidence.Claim(
        "On average over 10 to 60 % pruned, the best blend keeps more than the combined list.",
        'abstract: "certain delta settings outperforming others"',
        blend_evidence.blend_over_turns,
    ),
    "delta_moves": evidence.Claim(
        "The best blend has a higher delta at 10 % than at 60 % pruned: it moves towards the weights.",
        "table B.5",
        blend_evidence.delta_moves,
    ),
    "mean_abs_best": evidence.Claim(
        "Among the statistics of relevance, mean_abs keeps the most at 10, 20, 30 and 40 % pruned.",
        'section 4.4.4: "consistently outperforms other relevance-based criteria"',
        list_evidence.mean_abs_best,
    ),
    "turns_like_half": evidence.Claim(
        f"The combined list and delta 0.5 keep the same to within {100 * evidence.SAME:g} point at 10, 20, 30 and "
        "40 %.",
        "tables B.3 and B.5; the two differ only in which list opens a turn",
        blend_evidence.turns_like_half,
    ),
    "last_deltas_alike": evidence.Claim(
        f"Delta 0.8, 0.9 and 1.0 keep the same to within {100 * evidence.SAME:g} point at 30 % pruned.",
        "table B.5",
        blend_evidence.last_deltas_alike,
    ),
    "better_than_random": evidence.Claim(
        "On average over 10 to 40 % pruned, the relevance list keeps more than random lists.",
        "section 5.1.1, figure 5.1",
        list_evidence.better_than_random,
    ),
    "clean_split": evidence.Claim(
        "Ranking on the test images, as the thesis does, keeps more than ranking on images that are not reported.",
        "our question; average over 10 to 40 %",
        list_evidence.clean_split,
        by_reading=False,
    ),
    "reductions": evidence.Claim(
        "Our reduction over positions keeps more than each of the others.",
        "our question; average over 10 to 40 %. The default was itself chosen on one trained VGG16, for which this is "
        "no independent test",
        list_evidence.reductions,
        by_reading=False,
    ),
    "raw_weights": evidence.Claim(
        "Weights as they are keep more than weights after folding BatchNorm.",
        "our question; average over 10 to 40 %",
        list_evidence.raw_weights,
        by_reading=False,
    ),
    "which_channels": evidence.Claim(
        "Which channels are removed matters: a criterion keeps more than random channels at the criterion's own "
        "widths.",
        "our question; average over 10 to 40 %",
        list_evidence.which_channels,
        by_reading=False,
    ),
    "how_many": evidence.Claim(
        "How many are removed per layer matters: a criterion keeps more than its own order at uniform widths.",
        "our question; average over 10 to 40 %",
        list_evidence.how_many,
        by_reading=False,
    ),
    "order_within": evidence.Claim(
        "At uniform widths, a criterion's order within each layer keeps more than a random order.",
        "our question; average over 10 to 40 %",
        list_evidence.order_within,
        by_reading=False,
    ),
}


def of_settings(
    results: Results, printed: pandas.DataFrame, verdict: Mapping[str, Any], choose_on: str, criteria: Mapping[str, Any]
) -> evidence.Study:
    """The Study of settings: the parts that the verdict names, and what `criteria` say of its lists."""
    return evidence.Study(
        results,
        printed,
        ours=verdict["ours"],
        faithful=verdict.get("faithful") or "",
        clean=verdict.get("clean") or "",
        reductions=tuple(verdict.get("reductions") or ()),
        choose_on=choose_on,
        mixes=criteria["statistic"],
        weights=tuple(criteria["weights"]),
        deltas=tuple(criteria["deltas"]),
        statistics=tuple(criteria["statistics"]),
    )
