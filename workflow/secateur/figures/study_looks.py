"""Relevance at the input before and after pruning, as a section of a study's page."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from secateur.analysis import cosines, wording
from secateur.figures import html_tables, page_parts, small_pictures
from secateur.relevance import examples
from secateur.study import seeds, vocabulary

if TYPE_CHECKING:
    from secateur.figures.page_parts import Study

# Bytes of all pictures as they stand in the page; examples behind that are left out.
MOST_BYTES = 150_000
ONE_ANSWER = "one answer for all images: nothing to explain"


def looks(study: Study, of_family: Mapping[str, str], chosen: bool) -> str:
    """The section: cosines of all networks, and pictures of the first one; nothing for a study without comparisons."""
    if not study.compared:
        return ""
    first = study.compared[0]
    means = {name: _mean(study, name) for name in first.about["criteria"]}
    patches = _patches(first)
    parts = [
        f'<p class="method">{_rule(first, study.config["training"]["seeds"][0], chosen)}</p>',
        _cosines(study, means, of_family),
        _pictures(first, MOST_BYTES - len(patches)),
        patches,
        page_parts.fold("Method", f'<p class="method">{_method(study)}</p>'),
    ]
    return page_parts.section("looks", parts, _headline(study, means))


def _share(first):
    return wording.percent(first.about["level"])


def _headline(study, means):
    """The result in one sentence."""
    first, told = study.compared[0], []
    for name, mean in means.items():
        code = page_parts.name_of(name)
        told.append(f"{code} has no network with relevance" if np.isnan(mean.mean) else f"{code} {mean}")
    return (
        f"Mean cosine between relevance at the input before and after {_share(first)} of the {study.removed} is "
        f"removed, where 1 is the same map: {'; '.join(told)}."
    )


def _rule(first, seed, chosen):
    """The fixed rules by which networks and images were taken."""
    about, images = first.about, len(first.row)
    sample = f"all {images:,} test images"
    if images < about["split_images"]:
        sample = f"{images:,} of {about['split_images']:,} test images, drawn by the study's seed,"
    reading = about["reading"]
    none_wrong = "" if (first.predicted[0] != first.label).any() else " (there is none)"
    # Without images that choose, no criterion leads.
    which = "the criterion of the answer, the best of the weights"
    if not chosen:
        which = "the first criterion in the table of the answer, the weights there"
    rule = f"{page_parts.name_of(reading['name'])} ({html.escape(_of_rule(reading['rule']))})"
    return (
        f"Nobody chose these networks and images. Networks: {which}, and chance, each by its first draw, at the level "
        f"of the answer. Images: of {sample} the first {about['shown']} that the dense network of seed {seed} gets "
        f"right, no two of one class, and the first that it gets wrong{none_wrong}, in the order of the test images. "
        f"Relevance is by the rule of the reading {rule}, for the class that the dense network answers, in every "
        "network: a cosine near 1 says that the same pixels count for that class, not that it is still the answer."
    )


def _of_rule(rule):
    """A rule in words; bands of depth are a list."""
    if isinstance(rule, str):
        return rule
    return ", ".join(f"{band['rule']} to {100 * band['to']:g} % of the depth" for band in rule)


def _mean(study, name):
    figures, by_seed = study.config["figures"], {}
    for place, one in enumerate(study.compared):
        by_seed[place] = one.cosines(name)
    generator = seeds.numpy_generator(study.config["seed"], "bootstrap", "cosine", name)
    drawn = vocabulary.without_draw(name) != name
    return cosines.mean(by_seed, drawn, 1 - figures["confidence"], figures["resamples"], generator)


def _cosines(study, means, of_family):
    """A table of the criteria: the cosine over all images, and those that have none."""
    rows = []
    for name, mean in means.items():
        without, notes = 0, []
        for one in study.compared:
            without += len(one.row) - len(one.cosines(name))
            notes += _lacking(one, name)
        total = sum(len(one.row) for one in study.compared)
        texts = [page_parts.name_of(name), str(mean), f"{without:,} of {total:,}", "; ".join(dict.fromkeys(notes))]
        # Marked as every row of a criterion, whose draws are one there.
        criterion = vocabulary.without_draw(name)
        rows.append(page_parts.row_of(criterion, texts, of_family[criterion]))
    return page_parts.table_of(["criterion", "cosine, mean over images", "images without relevance", ""], rows)


def _lacking(one, name):
    """The reason why a network has no relevance, in words, as a list of none or one."""
    if name in one.about["constant"]:
        return ["some network gives " + ONE_ANSWER]
    if name in one.about["refused"]:
        return [html.escape(one.about["refused"][name])]
    return []


def _pictures(first, most):
    """A table with a row for each example: its pixels, and the relevance of each network on one symmetric scale."""
    names = first.about["criteria"]
    rows, size = [], 0
    for place in range(len(first.shown)):
        row = list(_row(first, place, names))
        size += sum(map(len, row))
        if size > most:
            break
        rows.append(row)
    left_out = len(first.shown) - len(rows)
    note = f" {left_out} of these images are left out, so that the page stays small." if left_out else ""
    bar = small_pictures.bar("The scale: dark blue is the most negative value, white zero, dark red the most positive.")
    height, width = first.pixels.shape[-2:]
    by = first.about["factor"]
    size = f"{width} x {height} pixels" + (f", {by} x {by} of the image's own added up in each" if by > 1 else "")
    scale = (
        f'<p class="looks">&minus; {bar} + One scale for each image and all its networks: relevance against the class, '
        f"none, and for it. {size}.{note}</p>"
    )
    return f"{scale}{_table(['image', 'dense network', *names], rows)}"


def _table(head, rows):
    """A table of pictures, which nobody would sort; the head is text, the rows are cells of HTML."""
    table = html_tables.of_cells(map(html.escape, head), rows)
    return f'<div class="scroll looks">{table}</div>'


def _row(first, place, names) -> Iterator[str]:
    """The cells of one example."""
    image, maps = first.shown[place], first.relevance[:, place]
    explained = _class(first, first.predicted[0, image])
    largest = float(np.nanmax(np.abs(maps)))
    label = _class(first, first.label[image])
    pixels = small_pictures.of_pixels(first.pixels[place], f"Test image {first.row[image]}, of class {label}")
    yield f"{pixels}<br>{html.escape(label)}<br><small>test image {first.row[image]}, scale ± {largest:.2g}</small>"
    for network, name in enumerate(["the dense network", *names]):
        reason = _without(first, name)
        if reason:
            yield f"<small>{reason}</small>"
            continue
        alt = f"Relevance at the input for class {explained}, {name}"
        picture = small_pictures.of_relevance(maps[network], largest, alt)
        answer = _class(first, first.predicted[network, image])
        words = f"{html.escape(answer)}, {100 * first.probability[network, image]:.0f} %"
        if network:
            words += f"<br><small>cosine {_number(first.cosine[network - 1, image])}</small>"
        yield f"{picture}<br>{words}"


def _without(first, name):
    """The words in place of a picture; nothing where there is one."""
    if name in first.about["constant"]:
        return ONE_ANSWER
    return "relevance cannot pass" if name in first.about["refused"] else ""


def _class(first, number):
    return str(first.about["classes"][int(number)])


def _number(cosine):
    return "none" if np.isnan(cosine) else f"{cosine:.2f}"


def _patches(first):
    """Patches of the channels that the criterion of the answer cuts first and last."""
    channels: list[dict[str, Any]] = first.about["channels"]
    if not channels:
        return ""
    cells = []
    for channel, pixels in zip(channels, first.patches, strict=True):
        name = f"{channel['layer']}, channel {channel['channel']}"
        told = f"{page_parts.name_of(name)}<br><small>{_highest(channel['relevance'])}</small>"
        # Where no relevance is positive, the highest is the zero of any place.
        if channel["relevance"] > 0:
            picture = small_pictures.of_pixels(pixels, f"Patch of highest relevance for channel {name}")
            told = f"{picture}<br>{told}"
        cells.append(told)
    half = len(cells) // 2
    rows = [["cut first, in this order", *cells[:half]], ["cut last, the very last on the right", *cells[half:]]]
    head = [""] * (half + 1)
    text = (
        f"Channels that {page_parts.name_of(first.about['criteria'][0])} cuts first and last, of layers with maps: the "
        "part of a test image, half as wide and as high, around the place of the channel's highest relevance in the "
        "dense network."
    )
    return f'<p class="method">{text}</p>{_table(head, rows)}'


def _highest(relevance):
    return f"relevance {relevance:.2g}" if relevance > 0 else "no image has any for it"


def _method(study):
    """Words on the computation."""
    networks, percent = len(study.compared), f"{100 * study.config['figures']['confidence']:g} %"
    over = (
        f"Student's over the means of {networks} trained networks"
        if networks > 1
        else "a bootstrap over the images of the one network, and none for a single draw of chance or of learning"
    )
    return (
        "Relevance of the input is summed over colours. The cosine is that of two such maps of one image, between the "
        "dense network and what pruning left of it, before any recovery; an image of which one map is zero everywhere "
        f"has none, and is counted. Intervals ({percent}): {over}. Pictures and patches are of the network of training "
        f"seed {study.config['training']['seeds'][0]}. Percentages are the probability of the class that the network "
        f"itself answers. Pictures have at most {examples.LARGEST} pixels a side. All numbers: "
        "relevance/at_input/compared.h5 in the folder of each network."
    )
