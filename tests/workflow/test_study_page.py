"""The study page says what is true of the study's settings."""

import json
import re

import pytest
import torch
import yaml

import describe_study
from secateur.images import sources, splits, store, writing
from secateur.models import checkpoints, description
from secateur.study import settings, vocabulary

STUDY = {
    "data": {"source": "digits", "size": 16},
    "split": {"rank": 60, "validation": 60, "test": 120},
    "model": {"name": "vgg_small"},
    "training": {"seeds": [0]},
}


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """The images of a study, and a network of it."""
    folder, config = tmp_path_factory.mktemp("page"), settings.checked(STUDY)
    source = sources.opened(config["data"])
    paths = {name: folder / f"{name}.h5" for name in vocabulary.SPLITS}
    writing.write(source, splits.divided(source, config["split"]), paths, config["data"], {})
    with store.opened(paths["train"]) as shown:
        described, facts = description.of_study(config["model"], shown), {"seed": 0}
        torch.manual_seed(0)
        checkpoints.save(
            folder / "trained.pt",
            description.built(described),
            described,
            facts | {"provenance": {"versions": {"torch": "2"}}},
        )
    return folder


def page(material, **changes):
    """The text of the page of a study with other settings."""
    config = settings.checked(STUDY | changes)
    (material / "settings.yaml").write_text(yaml.safe_dump(config))
    manifests = [material / f"{name}.json" for name in config["readings"]]
    for path in manifests:
        about = {"wildcards": {"reading": path.stem}, "images": 60, "not_conserved": {"features.0": 0.0}, "without": {}}
        path.write_text(json.dumps(about))
    splits, out = [material / f"{name}.h5" for name in vocabulary.SPLITS], material / "study.html"
    describe_study.describe_study(material / "settings.yaml", splits, [material / "trained.pt"], manifests, out, 0.95)
    return re.sub(r"\s+", " ", out.read_text())


def test_rank_images_that_choose_are_not_said_to_do_nothing_else(material):
    alone = page(material, evaluation={"choose_on": "validation"})
    assert "<td>rank images, used for nothing else</td>" in alone
    text = page(material, evaluation={"choose_on": "rank"})
    assert "<td>rank images, on which the best criteria are chosen too</td>" in text
    assert "nothing else" not in text


def test_scores_of_images_are_ranked_on_what_the_page_says(material):
    scores = {"scores": ["taylor", "l1"], "images": 50}
    text = page(material, criteria=scores)
    assert "weight, l1 and chance rank without any image. taylor: the first 50 rank images, used for nothing" in text
    text = page(material, criteria=scores, evaluation={"choose_on": "rank"})
    assert "taylor: the first 50 rank images, on which the best criteria are chosen too." in text


def test_criteria_in_steps_are_said_to_recover_as_each_does(material):
    """By their own recovery, whatever recovers before sensitivity is measured."""
    entries = [{"criterion": "l1"}, {"criterion": "l2", "recovery": "batchnorm"}]
    text = page(
        material,
        criteria={"scores": ["l1", "l2"], "allocated": ["l1"], "rescored": entries},
        evaluation={"recovery": ["none", "reconstructed"]},
        sensitivity={"recovery": "none"},
    )
    for name, recovery in (("l1", "reconstructed"), ("l2", "batchnorm")):
        said = f"{name}.rescored: scored in steps on the images of the criterion behind each, after the recovery"
        assert f"{said} {recovery}." in text


def test_the_page_of_a_study_without_relevance_does_not_speak_of_it(material):
    text = page(material, readings={}).partition("<h2>Settings</h2>")[0]
    assert "weight and chance rank without any image." in text and "No image was read to rank" in text
    assert "relevance" not in text.lower() and "<table></table>" not in text
    assert "rank split" not in text


def test_files_from_outside_may_have_read_images(material):
    (material / "own.csv").write_text("layer,channel,score\n")
    text = page(material, readings={}, criteria={"files": {"own": str(material / "own.csv")}})
    text = text.partition("<h2>Settings</h2>")[0]
    assert "own: files from outside, which do not tell." in text
    assert "No image was read" not in text and "<p></p>" not in text


RETRAINED = {"levels": [0.5], "epochs": 1}


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (["weight.mean_abs"], "Retraining names 1 draw of the random control: in its tables neither"),
        (["random.0", "random.1"], "Retraining names 2 draws of the random control: in its tables intervals against"),
        (["random.0", "random.1", "random.2"], None),
    ],
)
def test_the_page_counts_the_draws_that_were_retrained(material, named, said):
    text = page(material, criteria={"random": 3}, retraining={**RETRAINED, "criteria": named})
    assert "A control has 3 draws" in text
    assert said in text if said else "Retraining names" not in text


def test_the_page_names_the_draws_and_the_images_of_learned_criteria(material):
    gates = {"name": "gates.mlp", "widths": {24: 20}, "draws": 3, "calibration": {"images": 9}}
    text = page(material, readings={}, criteria={"learned": [gates]})
    assert "A learned criterion has draws on one network (gates.mlp 3): its intervals are over these draws" in text
    assert "gates.mlp: trained on the training images, and decided on the first 9 images of the split rank." in text
    assert "taylor_activation.gates.mlp: all rank images" in text and "l1.gates.mlp and chance rank without any" in text
    assert "No image was read" not in text
