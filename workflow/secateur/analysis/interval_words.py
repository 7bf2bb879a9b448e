"""Paragraphs on how the intervals of a study are made: over seeds, over images, over draws."""

from collections.abc import Mapping

from secateur.analysis import wording


def in_words(networks: int, draws: int, confidence: float) -> str:
    """A paragraph on how the intervals of a study of so many networks, with so many draws of a control, are made."""
    level = f"{100 * confidence:g} %"
    if networks > 1:
        return (
            f"Intervals ({level}) are Student's over {networks} training seeds, on differences paired by seed. Every "
            f"seed has draws of a control of its own ({draws}), which are averaged within it first. An interval of an "
            "accuracy is cut at 0 and 100 %."
        )
    return (
        f"Intervals ({level}) speak of this one network. Between two lists they are over test images: a paired "
        f"bootstrap for accuracies, Student's for losses. {_of_draws(draws)}. An interval of an accuracy is cut at 0 "
        "and 100 %."
    )


def _of_draws(draws):
    if draws == 1:
        return (
            "A control has one draw, which does not tell how far others would lie from it: neither it nor a "
            "difference to it has an interval"
        )
    return (
        f"A control has {draws} draws, and draws differ: its intervals, and those of differences to it, are Student's "
        f"over the draws' paired differences ({draws - 1} degrees of freedom), widened by what the images add"
    )


def of_learning(networks: int, draws: Mapping[str, int]) -> str:
    """A sentence on the draws of learned criteria, {name: count}, or nothing where none is learned."""
    if not draws:
        return ""
    counts = wording.joined(f"{name} {count}" for name, count in draws.items())
    if networks > 1:
        return f"Draws of a learned criterion ({counts}) are averaged within a seed too."
    return (
        f"A learned criterion has draws on one network ({counts}): its intervals are over these draws, as those of a "
        "control are, a difference from what is drawn by chance counts the draws of both sides, and one draw leaves no "
        "interval. They say nothing of other trainings of the network."
    )


def of_retraining(networks: int, draws: int, others: int) -> str:
    """A sentence on the draws of chance that were retrained, or nothing where they are as many as all `others`."""
    if draws == others:
        return ""
    several = networks > 1
    if draws == 1:
        named = "Retraining names 1 draw of the random control"
        if several:
            return f"{named}."
        return f"{named}: in its tables neither that control nor a difference to it has an interval."
    named = f"Retraining names {draws} draws of the random control"
    if several:
        return f"{named}, averaged within a seed first."
    return f"{named}: in its tables intervals against that control have {draws - 1} degrees of freedom over draws."
