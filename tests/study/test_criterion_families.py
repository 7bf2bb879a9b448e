"""Each criterion of a study is of the family that decides which unit leaves."""

from secateur.study import criterion_families, settings

STUDY = {
    "data": {"source": "digits"},
    "model": {"name": "vgg_small"},
    "training": {"seeds": [0]},
    "readings": {"relevance": {}},
    "criteria": {
        "scores": ["l1", "taylor"],
        "mixing": {"deltas": ["0.5"]},
        "random": 2,
        "learned": [{"name": "scorer.own", "widths": {24: 12, 48: 24, 192: 96}}],
    },
}


def test_every_criterion_has_its_family():
    families = criterion_families.of(settings.checked(STUDY))
    wanted = {
        "relevance.mean_abs": "relevance", "weight.max": "weights", "mixed.relevance.0.5": "mixed",
        "combined.relevance": "mixed", "l1": "weight_scores", "taylor": "image_scores", "scorer.own": "learned",
        "random": "random", "uniform.random": "controls", "shuffled.scorer.own": "controls",
        # Orders by hand at the widths that were learned.
        "l1.scorer.own": "weight_scores", "taylor_activation.scorer.own": "image_scores",
    }  # fmt: skip
    assert {name: families[name] for name in wanted} == wanted
    assert set(families.values()) <= set(criterion_families.FAMILIES)
