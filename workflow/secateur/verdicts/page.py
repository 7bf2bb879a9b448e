"""The verdict page: findings in, the blocks of a page out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas

from secateur.analysis import paired_tests, wording
from secateur.analysis.paired_tests import NEAR_CHANCE, Shift
from secateur.study.vocabulary import WRITTEN
from secateur.verdicts import beside, evidence, judging, phrases, thesis_claims, thesis_numbers
from secateur.verdicts.findings import Judged

FEW = 3
USE = {"test": "the test images that are reported", "rank": "the rank images, which are not reported"}


def blocks(
    study: evidence.Study, findings: Sequence[judging.Finding], facts: Mapping[str, Any], others: Sequence[Judged] = ()
) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content): title, heading, text, table, code.

    `others` are what other studies found (findings.Judged), to stand beside.
    """
    tested = [finding for finding in findings if not finding.missing]
    return [
        ("title", "What of the thesis holds here"),
        *_opening(study, facts, others),
        ("heading", "Verdicts"),
        *(beside.summary(beside.own(study, findings, facts), others) if others else _summary(study, tested)),
        ("heading", "How it was judged"),
        *_method(study, tested, facts),
        *(block for name in thesis_claims.CLAIMS for block in _section(study, name, findings)),
        *_untested(findings),
        *_closing(facts, others),
    ]


def _opening(study, facts, others):
    source, results = facts["source"], study.results
    accuracy, loss = thesis_numbers.dense(study.printed)
    named = wording.joined(f"`{name}`" for name in [facts["study"], *(one.about["study"] for one in others)])
    one = len(results.seeds) == 1
    yield (
        "text",
        f"{source['author']}, *{source['title']}* ({source['institution']}, {source['year']}) compares ways to choose "
        f"the channels of VGG16 that are removed. The stud{'ies' if others else 'y'} {named} "
        f"ask{'' if others else 's'} the same questions again. {WRITTEN} from the tables of "
        f"{'these studies' if others else 'that study'}.",
    )
    if others:
        yield from beside.networks([beside.about(study, facts), *(one.about for one in others)])
        yield (
            "text",
            f"What follows below the table of all verdicts is about `{facts['study']}`, as is the rest of this "
            "introduction; the sections of the others stand on pages of their own.",
        )
    yield (
        "text",
        f"**{_network(facts)}** The thesis's network had {100 * accuracy:.2f} % test accuracy (loss {loss:g}) before "
        f"pruning; {_dense(results)}. Every verdict {_of(facts, others)}is about "
        f"{'this network' if one else 'these networks'} on {phrases.count(results.images())} test images. "
        "Nothing was retrained.",
    )
    yield "text", f"{_rank_images(facts)} What ranked:"
    yield "table", pandas.DataFrame(_reading(facts["readings"], *pair) for pair in _parts(study))
    choosing = phrases.count(results.images(study.choose_on))
    yield (
        "text",
        "A delta or a statistic that had to be chosen was chosen by its accuracy on the "
        f"{choosing} images of the split *{study.choose_on}*{'' if one else ', for each network anew'}, and is "
        "reported on the test images.",
    )


def _of(facts, others):
    return f"of `{facts['study']}` " if others else ""


def _dense(results):
    """What the dense networks have, in words."""
    measured = results.dense()
    if len(results.seeds) == 1:
        return f"the one network here has {100 * measured:.2f} %"
    low, high = (100 * bound for bound in results.dense_range())
    return f"the {len(results.seeds)} networks here have {100 * measured:.2f} % on average ({low:.2f} to {high:.2f} %)"


def _rank_images(facts):
    """Where the images come from that rank without being reported, and what the networks may have seen of them."""
    given, of_test = facts["model"]["weights"] is not None, facts["rank_from"] == "test"
    carved = "The rank images were carved out of the test images"
    if of_test and given:
        carved += ", because the weights come from elsewhere and may have seen every training image"
    if of_test:
        return f"{carved}{'' if given else ', as the study is set'}; the rest of the test images is reported."
    if not given:
        return "The rank images were taken from the training images and held out from training."
    unseen = ", and training here never saw them" if facts["epochs"] else ""
    return (
        f"The rank images were taken from the training images{unseen}. The weights that the study "
        f"{'starts from' if facts['epochs'] else 'was given'} were made elsewhere, and may have seen these images."
    )


def _network(facts):
    """Which network it is, or which they are, and why none is the thesis's."""
    model, several = facts["model"], len(facts["seeds"]) > 1
    head = model.get("arguments", {}).get("head")
    like = model["weights"] == "imagenet" and model["trainable"] == "head" and model["name"] == "vgg16"
    parts = [f"`{model['name']}`", *([f"{head} head"] if head else []), phrases.origin(facts)]
    trained = f"{facts['epochs']} epochs, trainable: {model['trainable']}" if facts["epochs"] else "no training here"
    count = f"{len(facts['seeds'])} trainings of " if several else ""
    images = f"on {facts['data']['name']} at {facts['data']['size']} pixels"
    return f"{_opening_words(like, several)} {count}{', '.join(parts)}, {images}, {trained}."


def _opening_words(like, several):
    if like:
        return (
            "The networks are built as the thesis's, but are not the same one:"
            if several
            else "The network is built as the thesis's, but is not the same one:"
        )
    return "The networks are not the thesis's:" if several else "The network is not the thesis's:"


def _parts(study):
    """(reading, part) for every reading that the page speaks of."""
    named = [
        (study.ours, "ours"),
        (study.faithful, "as the thesis read it"),
        (study.clean, "the same on a clean split"),
    ]
    named += [(name, "another reduction") for name in study.reductions]
    seen = {}
    for name, part in named:
        if name:
            seen.setdefault(name, part)
    return seen.items()


def _reading(readings, name, part):
    about = readings[name]
    return {
        "reading": f"`{name}`",
        "part": part,
        "read at": {"output": "the convolution's own output", "next_input": "the next layer's input"}[about["at"]],
        "absolute values": about["absolute"].replace("_", " the "),
        "reduced by": f"`{about['reduce']}`",
        "ranked on": USE.get(about["split"], f"the {about['split']} images"),
    }


def _summary(study, tested):
    if not tested:
        yield "text", "No claim could be tested with what this study measured."
        return
    means = "" if len(study.results.seeds) == 1 else f", means over the {len(study.results.seeds)} networks"
    yield (
        "text",
        f"Of {phrases.counted(tested)}. Accuracies in percent{means}, differences in points with their intervals.",
    )
    rows = [
        {
            "claim": finding.claim.sentence,
            "reading": f"`{finding.reading}`" if finding.reading else "",
            "thesis": finding.printed,
            "measured": phrases.measured(finding.items),
            "verdict": f"**{finding.verdict}**",
        }
        for finding in tested
    ]
    yield "table", pandas.DataFrame(rows)


def _method(study, tested, facts):
    alpha = 1 - facts["confidence"]
    size = judging.family_size(tested)
    draws = paired_tests.draws_needed(size, alpha, facts["resamples"])
    chance = wording.percent(study.results.chance + NEAR_CHANCE)
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
    yield (
        "text",
        f'Where a claim says "the same", its interval has to lie within {100 * evidence.SAME:g} point of zero '
        f"to hold, and beyond to not hold. Where both sides are below {chance} accuracy at every level they are at "
        "chance: equal ruins say nothing of their rankings, and the verdict is "
        "that it cannot be told.",
    )
    if study.deltas:
        yield "text", _on_blends(study)


def _on_blends(study):
    """Which lists count as blends, and which claims speak of something else."""
    proper = f"here {', '.join(study.proper)}" if study.proper else "of which this study has none"
    ends = ", ".join(delta for delta in study.deltas if delta not in study.proper)
    return (
        f"A blend is a mixed list with a delta between 0 and 1, {proper}: the ends of the range are the weight list "
        f"alone and the relevance list alone. The three claims on the best blend choose among the blends"
        f"{f', and never {ends}' if ends else ''}; claims that name a delta are about that list."
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
        "They speak of networks trained like these, on these test images. Chance is looked at in means over the "
        "networks. Where both sides get equally many images right in every network there is no spread to judge by: "
        "they keep the same, and which of them keeps more cannot be told."
    )


def _against_a_control(draws):
    """What a comparison with a random control of one network is judged by."""
    if draws == 1:
        return (
            "Every random control has one draw, which does not tell how far others would lie from it: against one "
            "there is no interval (its p-value stands as 1), and it cannot be told."
        )
    return (
        "Draws of a random control differ too: against one, the interval and the p-value are Student's over the draws' "
        "differences, with one degree of freedom less than there are draws, widened by what the images add."
    )


def _section(study, name, findings):
    ours = [finding for finding in findings if finding.name == name and not finding.missing]
    if not ours:
        return
    claim = ours[0].claim
    yield "heading", claim.sentence.rstrip(".")
    said = "The thesis" if "our question" in claim.source else "The thesis prints"
    yield "text", f"Source: {claim.source}. {said}: {ours[0].printed}."
    for finding in ours:
        subject = f"Reading `{finding.reading}`: " if finding.reading else ""
        yield "text", f"{subject}**{finding.verdict}**."
        yield "table", pandas.DataFrame(_item(item, study.results) for item in finding.items)
        if finding.by_level is not None:
            yield "text", "Level by level, each interval taken alone (they decide nothing):"
            yield "table", _by_level(finding.by_level)
        yield from finding.extra
        if finding.empty:
            yield "text", _collapse(finding.empty, len(study.results.seeds))


def _item(item, results):
    shift = item.comparison if isinstance(item.comparison, Shift) else None
    images = results.images(shift.split if shift else "test")
    networks = len(results.seeds)
    of_split = f" of {shift.split}" if shift else ""
    n = f"{phrases.count(images)} images{of_split}, {networks} {phrases.agree(networks, 'networks', 'network')}"
    draws = paired_tests.drawn(results, item.comparison)
    n += f", {draws} {phrases.agree(draws, 'draws', 'draw')}" if draws else ""
    p = "below 0.0001" if item.p < 1e-4 else f"{item.p:.2g}"
    result = {"p": p, "Holm's level": f"{item.alpha:.2g}", "verdict": item.verdict}
    result["verdict"] += f" ({item.note})" if item.note else ""
    if shift:
        first, second = (f"best blend of `mixed.{shift.reading}` at {wording.percent(level)}" for level in shift.levels)
        values, difference = tuple(f"delta {value:.2g}" for value in (item.first, item.second)), phrases.shift(item)
        levels = ", ".join(map(wording.percent, shift.levels))
    else:
        first, second = (
            _side(side, item.comparison.levels) for side in (item.comparison.first, item.comparison.second)
        )
        values = tuple(f"{100 * value:.2f} %" for value in (item.first, item.second))
        difference = wording.interval(item.difference, item.low, item.high)
        levels = phrases.levels(item.comparison.levels)
    sides = {"first": f"{first}: {values[0]}", "second": f"{second}: {values[1]}"}
    return {"pruned": levels, **sides, "difference": difference, "n": n, **result}


def _side(side, levels):
    """A side by name; where it was chosen at one level, with what was chosen."""
    if not side.chosen:
        return phrases.code(side.label)
    if len(levels) > 1:
        return side.label
    picked = evidence.picks(side, levels[0])
    named = (f"`{name}` for {seeds}" if seeds else f"`{name}`" for name, seeds in picked.items())
    return f"{side.label} ({', '.join(named)})"


def _by_level(table):
    rows = []
    for row in table.itertuples():
        rows.append(
            {
                "first": phrases.code(row.first),
                "second": phrases.code(row.second),
                "pruned": wording.percent(row.level),
                "first keeps": f"{100 * row.a:.1f} %",
                "second keeps": f"{100 * row.b:.1f} %",
                "difference": wording.interval(row.difference, row.low, row.high),
            }
        )
    return pandas.DataFrame(rows)


def _collapse(empty, networks):
    """Which lists lose whole layers, at which levels."""
    by_label = {}
    for label, level, layers in empty:
        more = f" and {len(layers) - FEW} more" if len(layers) > FEW else ""
        named = ", ".join(f"`{layer}`" for layer in layers[:FEW])
        by_label.setdefault(label, []).append(f"{wording.percent(level)} ({named}{more})")
    found = "; ".join(f"{phrases.code(label)} at {', '.join(levels)}" for label, levels in by_label.items())
    return (
        "Layer collapse: a network with an empty layer gives every image the same answer, whatever was removed "
        f"elsewhere. Empty layers{' in any of the networks' if networks > 1 else ''}: {found}."
    )


def _untested(findings):
    missing = [finding for finding in findings if finding.missing]
    if missing:
        yield "heading", "Not tested"
        rows = [
            {"claim": f.claim.sentence, "reading": f"`{f.reading}`" if f.reading else "", "why": f.missing}
            for f in missing
        ]
        yield "table", pandas.DataFrame(rows)


def _closing(facts, others):
    yield "heading", "How to make this page again"
    yield "code", "\n".join([*(one.about["command"] for one in others), facts["command"]])
    digests = ", ".join(f"`{name}` {digest}" for name, digest in facts["digests"].items())
    yield "text", f"Digests (the first 16 digits of SHA-256) of the tables behind it: {digests}."
