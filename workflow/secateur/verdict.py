"""The verdict page: findings in, the blocks of a page out."""

import pandas

from secateur import claims, comparisons, thesis
from secateur.comparisons import FAILS, HOLDS, NEAR_CHANCE, UNKNOWN, Shift

FEW = 3
USE = {"test": "the test images that are reported", "rank": "the rank images, which are not reported"}


def blocks(study, findings, facts):
    """The page as a list of (kind, content): title, heading, text, table, code."""
    tested = [finding for finding in findings if not finding.missing]
    return [
        ("title", "What of the thesis holds here"),
        *_opening(study, tested, facts),
        ("heading", "Verdicts"),
        *_summary(tested),
        ("heading", "How it was judged"),
        *_method(study, tested, facts),
        *(block for name in claims.CLAIMS for block in _section(study, name, findings)),
        *_untested(findings),
        *_closing(facts),
    ]


def _opening(study, tested, facts):
    source, results = facts["source"], study.results
    accuracy, loss = thesis.dense(study.printed)
    measured = 100 * results.dense()
    yield (
        "text",
        f"{source['author']}, *{source['title']}* ({source['institution']}, {source['year']}) compares ways to choose "
        f"the channels of VGG16 that are removed. The study `{facts['study']}` asks the same questions again. This "
        "page is written by the workflow from the tables of that study.",
    )
    yield (
        "text",
        f"**{_network(facts)}** The thesis's network had {100 * accuracy:.2f} % test accuracy (loss {loss:g}) before "
        f"pruning; {_networks(results)} here {'has' if len(results.seeds) == 1 else 'have'} {measured:.2f} %. Every "
        f"verdict is about {'this network' if len(results.seeds) == 1 else 'these networks'} on "
        f"{_count(results.images())} test images. Nothing was retrained.",
    )
    yield "text", f"{_rank_images(facts)} What ranked:"
    yield "table", pandas.DataFrame(_reading(facts["readings"], *pair) for pair in _parts(study))
    choosing = _count(results.images(study.choose_on))
    yield (
        "text",
        "A delta or a statistic that had to be chosen was chosen by its accuracy on the "
        f"{choosing} images of the split *{study.choose_on}*, and is reported on the test images.",
    )


def _rank_images(facts):
    """Where the images come from that rank without being reported."""
    if facts["rank_from"] == "test":
        return (
            "The rank images were carved out of the test images, because the weights come from elsewhere and may have "
            "seen every training image; the rest of the test images is reported."
        )
    return "The rank images were taken from the training images and held out from training."


def _network(facts):
    """Which network it is, and why it is not the thesis's."""
    model = facts["model"]
    head = model.get("arguments", {}).get("head")
    weights = {None: "trained from scratch", "imagenet": "started from ImageNet weights"}
    origin = weights.get(model["weights"], f"with weights from `{model['weights']}`")
    if model["weights"] not in weights and facts["epochs"]:
        origin = f"started {origin}"
    like = model["weights"] == "imagenet" and model["trainable"] == "head" and model["name"] == "vgg16"
    opening = (
        "The network is built as the thesis's, but is not the same one:" if like else "The network is not the thesis's:"
    )
    parts = [f"`{model['name']}`", *([f"{head} head"] if head else []), origin]
    trained = f"{facts['epochs']} epochs, trainable: {model['trainable']}" if facts["epochs"] else "no training here"
    return f"{opening} {', '.join(parts)}, {trained}."


def _networks(results):
    return "the one network" if len(results.seeds) == 1 else f"the {len(results.seeds)} networks"


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


def _summary(tested):
    counts = {verdict: sum(f.verdict == verdict for f in tested) for verdict in (HOLDS, FAILS, UNKNOWN)}
    if not tested:
        yield "text", "No claim could be tested with what this study measured."
        return
    yield (
        "text",
        f"Of {len(tested)} judgements, {counts[HOLDS]} {_agree(counts[HOLDS], 'hold')}, {counts[FAILS]} "
        f"{_agree(counts[FAILS], 'do', 'does')} not hold, and {counts[UNKNOWN]} cannot be told. Accuracies in percent, "
        "differences in points with their intervals.",
    )
    rows = [
        {
            "claim": finding.claim.sentence,
            "reading": f"`{finding.reading}`" if finding.reading else "",
            "thesis": finding.printed,
            "measured": _measured(finding.items),
            "verdict": f"**{finding.verdict}**",
        }
        for finding in tested
    ]
    yield "table", pandas.DataFrame(rows)


def _agree(count, many, one=None):
    return (one or f"{many}s") if count == 1 else many


def _measured(items):
    """All comparisons of a claim in one cell; sides that all share are named once."""
    pairs = {_pair(item) for item in items}
    shared = f"{pairs.pop()}: " if len(pairs) == 1 else ""
    return shared + "; ".join(_short(item, not shared) for item in items)


def _pair(item):
    if isinstance(item.comparison, Shift):
        return f"best delta of `mixed.{item.comparison.reading}`"
    return f"{_code(item.comparison.first.label)} against {_code(item.comparison.second.label)}"


def _short(item, named):
    note = " (at chance)" if item.note.startswith("at chance") else ""
    if isinstance(item.comparison, Shift):
        first, last = map(claims.percent, item.comparison.levels)
        return f"{item.first:g} at {first} and {item.second:g} at {last}, {_shift(item)}{note}"
    between = claims.interval(item.difference, item.low, item.high)
    pair = f"{_pair(item)}: " if named else ""
    values = f"{100 * item.first:.1f} and {100 * item.second:.1f}"
    return f"{pair}{values} at {_levels(item.comparison.levels)}, {between}{note}"


def _shift(item):
    if item.low != item.low:
        return f"{item.difference:+.2g} (no interval)"
    return f"{item.difference:+.2g} [{item.low:+.2g}, {item.high:+.2g}]"


def _levels(levels):
    return claims.percent(levels[0]) if len(levels) == 1 else f"{100 * levels[0]:g} to {claims.percent(levels[-1])}"


def _method(study, tested, facts):
    alpha = 1 - facts["confidence"]
    size = claims.family_size(tested)
    draws = comparisons.draws_needed(size, alpha, facts["resamples"])
    chance = claims.percent(study.results.chance + NEAR_CHANCE)
    yield (
        "text",
        "Every claim is one or several comparisons of test accuracies at levels that the claim fixes. "
        f"{_pairing(study.results, draws)}",
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
        f'Where a claim says "the same", its interval has to lie within {100 * claims.SAME:g} point of zero '
        f"to hold, and beyond to not hold. Where both sides are below {chance} accuracy at every level they are at "
        "chance: equal ruins say nothing of their rankings, and the verdict is "
        "that it cannot be told.",
    )


def _pairing(results, draws):
    if len(results.seeds) == 1:
        return (
            "There is one network, so intervals are over test images: which images each pruned network gets right is "
            f"compared image by image, the images are drawn with replacement {_count(draws)} times, and the interval "
            "is that of the percentiles of the mean difference. Draws of a random control differ too: against one, the "
            "interval and the p-value are Student's over the draws' differences, with one degree of freedom less than "
            "there are draws, widened by what the images add. The intervals speak of this network, not of others "
            "trained like it."
        )
    return (
        f"There are {len(results.seeds)} networks from {len(results.seeds)} training seeds: differences are paired by "
        "seed, draws of a random control are averaged within a seed first, and intervals and p-values are Student's."
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
            yield "text", _collapse(finding.empty)


def _item(item, results):
    shift = item.comparison if isinstance(item.comparison, Shift) else None
    images = results.images(shift.split if shift else "test")
    n = f"{_count(images)} images, {len(results.seeds)} {_agree(len(results.seeds), 'networks', 'network')}"
    draws = comparisons.drawn(results, item.comparison)
    n += f", {draws} {_agree(draws, 'draws', 'draw')}" if draws else ""
    p = "below 0.0001" if item.p < 1e-4 else f"{item.p:.2g}"
    result = {"p": p, "Holm's level": f"{item.alpha:.2g}", "verdict": item.verdict}
    result["verdict"] += f" ({item.note})" if item.note else ""
    if shift:
        first, second = (f"best delta of `mixed.{shift.reading}` at {claims.percent(level)}" for level in shift.levels)
        values, difference = (f"{item.first:g}", f"{item.second:g}"), _shift(item)
        n = f"{n} of {shift.split}"
        levels = ", ".join(map(claims.percent, shift.levels))
    else:
        first, second = (
            _side(side, item.comparison.levels) for side in (item.comparison.first, item.comparison.second)
        )
        values = tuple(f"{100 * value:.2f} %" for value in (item.first, item.second))
        difference, levels = claims.interval(item.difference, item.low, item.high), _levels(item.comparison.levels)
    sides = {"first": f"{first}: {values[0]}", "second": f"{second}: {values[1]}"}
    return {"pruned": levels, **sides, "difference": difference, "n": n, **result}


def _side(side, levels):
    """A side by name; where it was chosen at one level, with what was chosen."""
    if not side.chosen:
        return _code(side.label)
    picked = dict.fromkeys(name for (level, _), name in side.chosen if level in levels)
    return f"{side.label}" + (f" (`{'`, `'.join(picked)}`)" if len(levels) == 1 else "")


def _code(label):
    return label if " " in label else f"`{label}`"


def _by_level(table):
    rows = []
    for row in table.itertuples():
        rows.append(
            {
                "first": _code(row.first),
                "second": _code(row.second),
                "pruned": claims.percent(row.level),
                "first keeps": f"{100 * row.a:.1f} %",
                "second keeps": f"{100 * row.b:.1f} %",
                "difference": claims.interval(row.difference, row.low, row.high),
            }
        )
    return pandas.DataFrame(rows)


def _collapse(empty):
    """Which lists lose whole layers, at which levels."""
    by_label = {}
    for label, level, layers in empty:
        more = f" and {len(layers) - FEW} more" if len(layers) > FEW else ""
        named = ", ".join(f"`{layer}`" for layer in layers[:FEW])
        by_label.setdefault(label, []).append(f"{claims.percent(level)} ({named}{more})")
    found = "; ".join(f"{_code(label)} at {', '.join(levels)}" for label, levels in by_label.items())
    return (
        "Layer collapse: a network with an empty layer gives every image the same answer, whatever was removed "
        f"elsewhere. Empty layers: {found}."
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


def _closing(facts):
    yield "heading", "How to make this page again"
    yield "code", facts["command"]
    digests = ", ".join(f"`{name}` {digest}" for name, digest in facts["digests"].items())
    yield "text", f"Digests (the first 16 digits of SHA-256) of the tables behind it: {digests}."


def _count(number):
    return f"{number:,}"
