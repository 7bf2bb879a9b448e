"""What a user sees when something is wrong: one line with the cause and what to do, and nothing half-written."""

import os
import subprocess
import time

import pytest
import torch
import yaml
from PIL import Image

from secateur.models import checkpoints
from support.studies import TINY, Workflow

pytestmark = pytest.mark.study


@pytest.fixture
def workflow(tmp_path):
    return Workflow(tmp_path / "study")


def with_settings(workflow, **changes):
    config = yaml.safe_load(TINY) | changes
    (workflow.folder / "config/config.yaml").write_text(yaml.safe_dump(config))


def failing(workflow, *targets):
    """The output of a run that has to fail."""
    text = workflow.run("--cores", "1", *targets, check=False)
    assert "Error" in text
    return text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levls": [0.1]}, "The study's settings: unknown key levls; did you mean levels?"),
        ({"levels": [30]}, "The study's settings: levels: got 30, but a level is the share of units removed"),
        (
            {"data": {"source": "image_folder", "folder": "nowhere"}, "split": {"rank": 60}},
            "The study's settings: data.folder is nowhere",
        ),
        ({"results": "config/config.yaml"}, "config.yaml is no folder that can be written to; name another"),
        ({"results": "res{seed}"}, "results is 'res{seed}', in which Snakemake takes braces"),
        ({"readings": {"taylor": {}}, "verdict": None}, "readings.taylor: the name is taken by another criterion"),
        ({"threads": 1.0}, "threads: got 1.0, but it must be a whole number, without a decimal point: write 1"),
        ({"levels": [float("nan")]}, "levels: got NaN, but a level is the share of units removed"),
    ],
)
def test_a_wrong_setting_stops_the_study_before_any_job(workflow, changes, message):
    with_settings(workflow, **changes)
    text = failing(workflow, "all")
    assert message in text
    assert "Traceback" not in text
    assert not (workflow.folder / "results").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--use-conda", "--use-conda (--sdm conda): there is no command conda here; install Miniforge"),
        ("--cache", "--cache: Snakemake's cache between workflows does not see all that a network depends on"),
    ],
)
def test_an_option_of_no_use_here_is_refused_in_one_line(workflow, option, message, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "SNAKEMAKE_OUTPUT_CACHE": str(tmp_path)}
    text = workflow.run("all", "--cores", "1", option, check=False, env=environment)
    assert [line for line in text.splitlines() if line.startswith(message)] and "Traceback" not in text
    assert not (workflow.folder / "results").exists()


@pytest.mark.parametrize("more", [(), ("--configfile", "mine.yaml")])
def test_a_key_that_stands_twice_stops_the_study_before_any_job(workflow, more):
    path = workflow.folder / (more[-1] if more else "config/config.yaml")
    lines = TINY.strip().splitlines()
    path.write_text("\n".join([*lines, "levels: [0.5]"]) + "\n")
    first = next(number for number, line in enumerate(lines, 1) if line.startswith("levels:"))
    text = failing(workflow, "all", *more)
    message = f"{path.name}: the key levels stands twice, in lines {first} and {len(lines) + 1}; keep one of them"
    assert message in text and "Traceback" not in text
    assert not (workflow.folder / "results").exists()


def test_a_folder_of_images_that_cannot_be_studied_stops_the_study_before_any_job(workflow, tmp_path):
    mine = tmp_path / "mine"
    for part in ("train", "test"):
        (mine / part / "cat").mkdir(parents=True)
        Image.new("L", (16, 16)).save(mine / part / "cat/0.png")
    data = {"source": "image_folder", "folder": str(mine), "name": "mine", "size": 16, "color": "gray"}
    with_settings(workflow, data=data, split={"rank": 1, "validation": 1})
    text = failing(workflow, "all")
    assert f"data.folder is {mine}, but {mine}/train has only the class cat; a network tells" in text
    (mine / "train/dog").symlink_to("..")
    text = failing(workflow, "all")
    assert f"data.folder: {mine}/train/dog is a folder above itself, by a link that leads back; remove the" in text
    assert "Traceback" not in text and not (workflow.folder / "results").exists()


EVEN = {"name": "even", "score": "l1", "scope": "widths", "widths": {4: 2}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"levels": [0.95], "evaluation": {"budget": "macs", "keep_at_least": [0.5]}},
            "with keep_at_least 0.5 no more than a share of",
        ),
        (
            {"criteria": {"scores": [EVEN]}},
            "criteria.scores: even removes 4 of 36 units, which none of the study's levels does; levels: add 0.1",
        ),
    ],
)
def test_a_level_that_cannot_be_met_stops_the_study_before_training(workflow, changes, message):
    with_settings(workflow, verdict=None, **changes)
    text = failing(workflow, "all")
    (line,) = [line for line in text.splitlines() if line.startswith("check_levels: ")]
    assert message in line and "Traceback" not in text
    assert list((workflow.folder / "results").rglob("*.pt")) == []


def test_too_few_images_for_a_split_leave_nothing_behind(workflow):
    with_settings(workflow, split={"rank": 5000})
    text = failing(workflow, "results/digits/images/rank.h5")
    (line,) = [line for line in text.splitlines() if line.startswith("prepare_images: ")]
    assert "rank" in line and "5000" in line
    assert list((workflow.folder / "results").rglob("*.h5*")) == []


def test_weights_of_another_model_are_refused_by_name(workflow):
    torch.save({"features.0.weight": torch.zeros(3, 3)}, workflow.folder / "other.pt")
    with_settings(
        workflow,
        model=yaml.safe_load(TINY)["model"] | {"weights": "other.pt"},
        training={"seeds": [0], "epochs": 0},
    )
    text = failing(workflow, "results/digits/vgg_small/0/training/trained.pt")
    (line,) = [line for line in text.splitlines() if line.startswith("train_model: ")]
    assert line.endswith("It is a copy of other.pt")
    # The copy stays for the next try; of the network nothing was written.
    assert [path.parent.name for path in (workflow.folder / "results").rglob("*.pt")] == ["weights"]


def test_a_damaged_file_is_named_and_made_again_once_deleted(workflow):
    """Cut short, or one bit changed, of which no format tells; the time stamp is as before."""
    target = "results/digits/vgg_small/0/relevance/relevance.h5"
    workflow.run("--cores", "1", "results/digits/vgg_small/0/training/trained.pt", "results/digits/images/rank.h5")
    path = workflow.folder / "results/digits/images/rank.h5"
    whole, stamps = path.read_bytes(), path.stat()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (whole[:1000], bytes(flipped)):
        path.write_bytes(damaged)
        os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
        text = failing(workflow, target)
        (line,) = [line for line in text.splitlines() if line.startswith("extract_relevance: ")]
        assert "rank.h5 is not as it was written" in line and "Delete it and run again" in line
    path.unlink()
    workflow.run("--cores", "1", target)
    assert path.read_bytes() == whole


def test_a_killed_training_continues_to_the_same_network(workflow, tmp_path):
    with_settings(workflow, training=yaml.safe_load(TINY)["training"] | {"seeds": [0], "epochs": 8})
    target = "results/digits/vgg_small/0/training/trained.pt"
    partial = workflow.folder / f"{target}.partial"
    process = subprocess.Popen(
        workflow.command("--cores", "1", target, cold=True), cwd=workflow.folder, env=workflow.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while not partial.exists() and process.poll() is None:
        time.sleep(0.01)
    # Snakemake alone: it leaves its lock, and a job that still runs.
    process.kill()
    process.wait()
    assert partial.exists() and not (workflow.folder / target).exists()
    text = workflow.run("--cores", "1", target)
    assert "The lock of a run that was killed is removed" in text
    log = (workflow.folder / "logs/tiny/digits/vgg_small/0/train_model.log").read_text()
    assert "training resumes after epoch" in log
    resumed = checkpoints.load(workflow.folder / target).model
    workflow.run("--cores", "1", "--forcerun", "train_model", "--", target)
    whole = checkpoints.load(workflow.folder / target).model
    assert all(torch.equal(value, whole.state_dict()[key]) for key, value in resumed.state_dict().items())
    assert not partial.exists()


def test_a_reading_that_explodes_is_warned_of_in_its_log_and_on_the_studys_page(workflow):
    with_settings(
        workflow,
        training=yaml.safe_load(TINY)["training"] | {"seeds": [0], "epochs": 1},
        readings={"own": {"rule": "epsilon", "bias": False}},
        verdict=None,
    )
    workflow.run("--cores", "2", "results/tables/description.html")
    warning = "readings.own: bias is false, but the rule epsilon needs the bias in its denominators"
    assert warning in (workflow.folder / "logs/tiny/digits/vgg_small/0/extract_relevance/own.log").read_text()
    assert (
        f"<p><strong>Warning.</strong> {warning}" in (workflow.folder / "results/tables/description.html").read_text()
    )


def test_a_folder_of_ones_own_images_goes_through_the_whole_study(workflow, tmp_path):
    from sklearn.datasets import load_digits

    digits = load_digits()
    for place, rows in (("train", range(0, 400)), ("test", range(400, 520))):
        for row in rows:
            if digits.target[row] < 3:
                folder = tmp_path / "mine" / place / f"digit {digits.target[row]}"
                folder.mkdir(parents=True, exist_ok=True)
                kind = ("png", "jpg", "webp")[row % 3]
                Image.fromarray((digits.images[row] * 15).astype("uint8")).resize((20, 17)).save(
                    folder / f"{row}.{kind}"
                )
    with_settings(
        workflow,
        data={"source": "image_folder", "folder": str(tmp_path / "mine"), "name": "mine", "size": 16},
        split={"rank": 20, "validation": 20},
        training={"seeds": [0], "epochs": 2, "batch_size": 16},
        criteria={"statistics": ["mean_abs"], "mixing": {"deltas": [], "alternate": False}, "random": 1},
        readings={"relevance": {}},
        verdict={"page": "results/verdict.md", "ours": "relevance"},
    )
    workflow.run("--cores", "2", "all", "report")
    header = (workflow.folder / "results/tables/evaluations.csv").read_text().splitlines()[0]
    assert "accuracy.digit 1" in header
    assert workflow.planned() == {}
    with Image.open(next((tmp_path / "mine/train/digit 0").iterdir())) as image:
        image.resize((30, 30)).save(tmp_path / "mine/train/digit 0/another.png")
    assert workflow.planned()["prepare_images"] == 1
