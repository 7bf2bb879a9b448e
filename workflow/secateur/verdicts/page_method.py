"""The method of the verdict page: comparisons, intervals, the correction for their number, chance and blends."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from secateur.analysis import paired_tests, wording
from secateur.analysis.paired_tests import NEAR_CHANCE
from secateur.verdicts import evidence, judging, phrases


def method(
    study: evidence.Study, tested: Sequence[judging.Finding], facts: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """The blocks on how the findings were judged."""
    alpha = 1 - facts["confidence"]
    size = judging.family_size(tested)
    draws = paired_tests.draws_needed(size, alpha, facts["resamples"])
    yield (
        "text",
        "Every claim is one or several comparisons of test accuracies at levels that the claim fixes. "
        f"{_pairing(study.results, draws, facts['random'])}",
    )
    yield (
        "text",
        f"The family is all {size} different comparisons of this page, tested together with Holm's procedure at "
        f"{100 * alpha:g} %. The interval of a comparison is at the level at which the procedure tests it "
        f"({100 * alpha:g} % divided by {size} for the smallest p-value, by {max(size - 1, 1)} for the next, and so "
        "on), so that it leaves out zero exactly where the procedure rejects. A comparison holds where its interval "
        "lies above zero, does not hold where it lies below, and cannot be told otherwise. A claim of several "
        "comparisons holds where all of them hold, and does not hold where one of them does not.",
    )
    chance = wording.percent(study.results.chance + NEAR_CHANCE)
    yield (
        "text",
        f'Where a claim says "the same", its interval has to lie within {100 * evidence.SAME:g} point of zero '
        f"to hold, and beyond to not hold. Where both sides are below {chance} accuracy at every level they are at "
        "chance: two collapsed networks say nothing of their rankings, and the verdict is that it cannot be told.",
    )
    if study.deltas:
        yield "text", _on_blends(study)


def _on_blends(study):
    """A paragraph: the lists that count as blends, and the claims that are about other lists."""
    proper = f"here {', '.join(study.proper)}" if study.proper else "of which this study has none"
    ends = [delta for delta in study.deltas if delta not in study.proper]
    among = "the blends"
    if ends:
        among += f", and never {', '.join(ends)}"
    return (
        f"A blend is a mixed list with a delta between 0 and 1, {proper}: the ends of the range are the weight list "
        "alone and the relevance list alone. The three claims on the best blend choose among "
        f"{among}; claims that name a delta are about that list."
    )


def _pairing(results, draws, of_control):
    if len(results.seeds) == 1:
        # A control of one draw has no interval, which its items say.
        return (
            "There is one network, so intervals are over test images: which images each pruned network gets right is "
            f"compared image by image, the images are drawn with replacement {phrases.count(draws)} times, and the "
            f"interval is that of the percentiles of the mean difference. {_against_a_control(of_control)} The "
            "intervals speak of this network, not of others trained like it."
        )
    return (
        f"There are {len(results.seeds)} networks from {len(results.seeds)} training seeds: differences are paired by "
        "seed, draws of a random control are averaged within a seed first, and intervals and p-values are Student's. "
        "They speak of networks trained like these, on these test images. Chance is judged by means over the "
        "networks. Where both sides get equally many images right in every network there is no spread to judge by: "
        "they keep the same, and which of them keeps more cannot be told."
    )


def _against_a_control(draws):
    """The judgement of a comparison with a random control of one network."""
    if draws == 1:
        return (
            "Every random control has one draw, which does not tell how far others would lie from it: against one "
            "there is no interval (its p-value stands as 1), and it cannot be told."
        )
    return (
        "Draws of a random control differ too: against one, the interval and the p-value are Student's over the draws' "
        "differences, with one degree of freedom less than there are draws, widened by what the images add."
    )
