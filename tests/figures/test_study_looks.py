"""The section of relevance before and after pruning: one scale, small pictures, and words where there is none."""

import base64
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from secateur.figures import small_pictures, study_looks
from secateur.relevance import comparison

NASTY = '<script>alert("1")</script>'


def study(channels=3, side=64, networks=1, shown=6, **about):
    """A study of noise, which compresses worst: three pruned networks beside the dense one."""
    random = np.random.default_rng(0)
    names = ["relevance.mean_abs", "weight.mean_abs", "random.0"]
    facts = {
        "criteria": names, "level": 0.5, "constant": [], "refused": {}, "factor": 1, "shown": 5, "split_images": 90,
        "classes": [f"class {NASTY} {i}" for i in range(10)], "reading": {"name": "own", "rule": "alpha2beta1"},
        "channels": [{"layer": f"layer {NASTY}", "channel": i, "relevance": i / 10} for i in range(8)],
    }  # fmt: skip
    compared = []
    for _ in range(networks):
        one = comparison.Comparison(
            facts | about,
            row=np.arange(50),
            label=random.integers(0, 10, 50),
            predicted=random.integers(0, 10, (4, 50)),
            probability=random.uniform(0, 1, (4, 50)),
            cosine=random.uniform(0.5, 1, (3, 50)),
            shown=np.arange(shown),
            pixels=random.integers(0, 256, (shown, channels, side, side), dtype=np.uint8),
            relevance=random.normal(size=(4, shown, side, side)),
            patches=random.integers(0, 256, (8, channels, side // 2, side // 2), dtype=np.uint8),
        )
        compared.append(one)
    config = {
        "seed": 0, "figures": {"confidence": 0.95, "resamples": 200}, "training": {"seeds": list(range(networks))}
    }  # fmt: skip
    return SimpleNamespace(compared=compared, config=config, removed="units")


def looks(made, chosen=True):
    """The section of a study."""
    families = {"relevance.mean_abs": "relevance", "weight.mean_abs": "weights", "random": "random"}
    return study_looks.looks(made, families, chosen)


def pictures(text):
    """The image elements of a page."""
    return re.findall("<img [^>]*>", text)


@pytest.mark.parametrize(("channels", "left_out"), [(1, 0), (3, 1)])
def test_the_pictures_of_the_worst_images_stay_small(channels, left_out):
    text = looks(study(channels))
    assert sum(map(len, pictures(text))) < 150_000
    assert (f"{left_out} of these images are left out" in text) == bool(left_out)
    assert len(pictures(text)) > 20


def test_small_images_are_all_shown_and_every_picture_is_described():
    made = study(side=32)
    text = looks(made)
    # The scale, six rows of pixels and four networks, and patches of seven channels with relevance.
    assert len(pictures(text)) == 1 + 6 * 5 + 7 and "left out" not in text
    assert all(re.match('<img alt="[^"]{20,}" src="data:image/png;base64,', picture) for picture in pictures(text))
    assert NASTY not in text and "&lt;script&gt;" in text


def test_a_network_that_answers_all_images_right_has_no_wrong_one_to_show():
    made = study()
    one = made.compared[0]
    assert "that it gets wrong, in the order" in looks(made)
    assert "the criterion of the answer, the best of the weights" in looks(made)
    assert "the first criterion in the table of the answer, the weights there" in looks(made, chosen=False)
    one.predicted[0] = one.label
    assert "that it gets wrong (there is none), in the order" in looks(made)


def decoded(picture):
    data = base64.b64decode(re.search('base64,([^"]*)', picture)[1])
    return np.asarray(Image.open(io.BytesIO(data)))


def test_the_networks_of_an_image_share_one_symmetric_scale():
    made = study(side=8)
    text = looks(made)
    row = re.findall("<tr>.*?</tr>", text[text.index("<th>image</th>") :])[0]
    assert row.count("<img") == 5
    maps = made.compared[0].relevance[:, 0]
    largest = np.abs(maps).max()
    assert f"scale ± {largest:.2g}" in row
    found = np.stack(list(map(decoded, pictures(row)[1:])))
    np.testing.assert_array_equal(found, np.rint((maps / largest + 1) * 20))
    colours = small_pictures.scale()
    assert colours[20].tolist() == [255, 255, 255] and tuple(colours[0]) == small_pictures.NEGATIVE
    assert tuple(colours[-1]) == small_pictures.POSITIVE


def test_the_rule_and_the_numbers_are_printed():
    made = study(side=8, networks=3)
    made.compared[1].cosine[0, :10] = np.nan
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", looks(made)))
    assert (
        "of 50 of 90 test images, drawn by the study's seed, the first 5 that the dense network of seed 0 gets right"
        in text
    )
    assert "by the rule of the reading own (alpha2beta1), for the class that the dense network answers" in text
    means = [np.nanmean(one.cosine[0]) for one in made.compared]
    assert re.search(rf"relevance.mean_abs {np.mean(means):.3f} \[0.\d+, 0.\d+\] 10 of 150", text)
    assert "before and after 50 % of the units is removed" in text and text.count("no image has any for it") == 1


def test_what_has_no_relevance_is_said_in_place_of_a_picture():
    made = study(side=8, constant=["random.0"], refused={"weight.mean_abs": f"no rule for {NASTY}"})
    for place in (1, 2):
        made.compared[0].cosine[place] = np.nan
        made.compared[0].relevance[place + 1] = np.nan
    text = looks(made)
    assert text.count(study_looks.ONE_ANSWER) == 7 and text.count("relevance cannot pass") == 6
    assert "50 of 50" in text and NASTY not in text and "nan" not in re.sub("<img [^>]*>", "", text)


def test_a_study_without_comparisons_has_no_section():
    assert looks(SimpleNamespace(compared=[])) == ""
