"""Facts in paths."""

import pytest

from secateur.artifacts import places


@pytest.mark.parametrize(
    "path",
    [
        "results/evaluation/digits/vgg/3/evaluation/weight.csv",
        "results/digits/7/3/evaluation/choosing/weight.csv",
        "results/digits/vgg/3/retraining/statistics/0.5/batchnorm.csv",
        "/data/1/statistics/digits/vgg/3/statistics/relevance.stability.csv",
    ],
)
def test_the_seed_is_the_folder_above_the_stage(path):
    assert places.seed_of(path) == 3


def test_a_path_of_no_network_is_refused():
    with pytest.raises(ValueError, match="^results/tables/curves.csv is no file of a network"):
        places.seed_of("results/tables/curves.csv")
