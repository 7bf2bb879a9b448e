"""Intervals against the textbook's numbers, and how often they cover what they are about."""

import numpy as np
import pandas
import pytest
from scipy import stats

from secateur.analysis import interval_words, intervals


def test_students_interval_is_the_textbooks():
    values = [0.1, 0.2, 0.6]
    known = intervals.of_differences(pandas.Series(values))
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert (known.estimate - known.half(0.05), known.estimate + known.half(0.05)) == pytest.approx((low, high))
    assert known.interval(0.05) == pytest.approx((low, min(high, 1)))
    losses = intervals.of_losses(pandas.Series(values) * 10)
    assert losses.interval(0.05) == pytest.approx((10 * low, 10 * high))
    assert np.isnan(intervals.of_differences(pandas.Series([0.3])).half(0.05))


def test_seeds_that_differ_alike_have_no_width_in_a_table_and_no_interval_in_a_test():
    alike = pandas.Series([0.25, 0.25, 0.25])
    assert intervals.of_differences(alike).interval(0.05) == (0.25, 0.25)
    assert np.isnan(intervals.of_differences(alike, tested=True).interval(0.05)).all()


def test_the_bootstrap_by_counts_is_the_bootstrap_by_images():
    generator = np.random.default_rng(0)
    right, reference = generator.random(400) < 0.8, generator.random(400) < 0.6
    low, high = intervals.paired_bootstrap(right, reference, 0.95, 20000, np.random.default_rng(1))
    difference = right.astype(float) - reference
    slow = [difference[generator.integers(0, 400, 400)].mean() for _ in range(5000)]
    assert (low, high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.006)


def test_wilsons_interval_of_a_share_is_scipys_and_stays_within_0_and_1():
    for right, images in ((324, 360), (0, 20), (20, 20), (1, 3)):
        wanted = stats.binomtest(right, images).proportion_ci(0.9, method="wilson")
        assert intervals.wilson(right, images, 0.9) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    low, high = intervals.wilson(0.99 * 360, 360)
    assert 0.97 < low < 0.99 < high < 1


# Draws of a control


def crossed(generator, draws, images, common, own):
    """Differences of standard deviations: `draws` between 8 draws, `common` to all draws of an image, `own` to each."""
    return (
        draws * generator.standard_normal((8, 1))
        + common * generator.standard_normal((1, images))
        + own * generator.standard_normal((8, images))
    )


def test_where_only_draws_differ_the_interval_is_students_over_draws():
    values = np.array([0.1, 0.2, 0.4, 0.15])
    found = intervals.OverDraws(np.tile(values[:, None], (1, 50)))
    assert found.interval(0.05) == pytest.approx(stats.t.interval(0.95, 3, values.mean(), stats.sem(values)))
    assert 2 * found.below(0) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_where_all_draws_are_alike_the_interval_is_students_over_images():
    values = np.random.default_rng(0).normal(0.1, 0.5, 80)
    found = intervals.OverDraws(np.tile(values, (4, 1)))
    wanted = stats.t.interval(0.95, 79, values.mean(), stats.sem(values))
    assert found.interval(0.05) == pytest.approx(wanted)
    assert intervals.of_losses(values).interval(0.05) == pytest.approx(wanted)


def test_both_errors_together_are_the_variance_of_the_mean_and_the_own_errors_once_more():
    generator, draws, common, own, images = np.random.default_rng(0), 0.05, 0.4, 0.6, 40
    drawn = [crossed(generator, draws, images, common, own) for _ in range(2000)]
    told = np.mean([sum(error**2 for error, _ in intervals.errors(values)) for values in drawn])
    variance = draws**2 / 8 + common**2 / images + own**2 / (8 * images)
    assert np.var([values.mean() for values in drawn]) == pytest.approx(variance, rel=0.1)
    assert told == pytest.approx(variance + own**2 / (8 * images), rel=0.05)


@pytest.mark.parametrize(("draws", "common", "own"), [(0.2, 0.1, 0.4), (0.05, 0.4, 0.4), (0.01, 0.5, 0.3), (0, 0, 0.5)])
def test_an_interval_over_draws_covers_at_least_as_often_as_it_says(draws, common, own):
    generator = np.random.default_rng(0)
    ends = [intervals.OverDraws(crossed(generator, draws, 40, common, own)).interval(0.1) for _ in range(1000)]
    # Three standard errors of what 1,000 of 90 % show.
    assert np.mean([low < 0 < high for low, high in ends]) > 0.9 - 3 * np.sqrt(0.09 / 1000)


def test_draws_taken_as_fixed_cover_too_seldom():
    generator, covered = np.random.default_rng(0), []
    for _ in range(200):
        values = crossed(generator, 0.2, 40, 0.1, 0.4).mean(0)
        low, high = intervals.of_network(values, 500, generator).interval(0.1)
        covered.append(low < 0 < high)
    assert np.mean(covered) < 0.5


def test_two_draws_whose_images_differ_too_have_a_p_value():
    # One degree of freedom: the quantile beyond which 1e-300 lies has no finite square.
    found = intervals.OverDraws(crossed(np.random.default_rng(0), 0.01, 40, 0.1, 0.4)[:2] + 0.1)
    low, high = found.interval(2 * found.below(0))
    assert low == pytest.approx(0, abs=1e-9) and high > 0 and 0 < found.below(0) < 0.5


def test_one_draw_has_no_interval_and_none_are_cut_to_one():
    found = intervals.OverDraws(np.ones((1, 10)))
    assert found.estimate == 1 and np.isnan(found.interval(0.05)).all() and np.isnan(found.below(0))


def test_the_same_in_every_draw_and_image_is_certain():
    same = intervals.OverDraws(np.zeros((3, 10)))
    assert same.interval(0.05) == (0, 0) and same.below(0) == same.above(0) == 0.5
    more = intervals.OverDraws(np.full((3, 10), 0.25))
    assert more.interval(0.05) == (0.25, 0.25) and more.below(0) == 0


def test_differences_of_accuracies_end_at_one_and_those_of_losses_do_not():
    values = np.tile([[0.9], [0.1]], (1, 10))
    assert intervals.OverDraws(values).interval(0.05) == (-1, 1)
    low, high = intervals.of_losses(values).interval(0.05)
    assert (low + high) / 2 == pytest.approx(0.5) and high > 5


# Draws on both sides


def both_sides(generator, counts, draws, images=40, common=0.4, own=0.4):
    """Values of two sides with means 0: so many draws of each, of these standard deviations between them.

    Both are looked at on the same images, which each side finds hard or easy in its own way and in a common one.
    """
    shared = generator.standard_normal((1, images))
    sides = []
    for count, spread in zip(counts, draws, strict=True):
        values = spread * generator.standard_normal((count, 1)) + own * generator.standard_normal((count, images))
        sides.append(values + common * (shared + generator.standard_normal((1, images))))
    return intervals.Independent(*sides)


def test_independent_draws_of_both_sides_count_both():
    first, second = np.array([0.1, 0.2, 0.4]), np.array([0.15, 0.05, 0.1, 0.3, 0.1])
    sides = intervals.Independent(np.tile(first[:, None], (1, 50)), np.tile(second[:, None], (1, 50)))
    found = intervals.of_differences(sides)
    # Only draws differ: the two halves of Student's intervals, of 2 and of 4 degrees of freedom, as legs of a triangle.
    halves = [stats.t.isf(0.025, len(side) - 1) * stats.sem(side) for side in (first, second)]
    assert found.estimate == pytest.approx(first.mean() - second.mean())
    assert found.half(0.05) == pytest.approx(np.hypot(*halves))
    assert np.isnan(intervals.of_differences(intervals.Independent(sides.first[:1], sides.second)).interval(0.05)).all()
    assert np.isnan(intervals.of_differences(intervals.Independent(sides.first, sides.second[:1])).interval(0.05)).all()


def test_the_errors_of_both_sides_are_the_variance_of_their_difference_and_the_own_errors_once_more():
    generator, counts, draws, images, common, own = np.random.default_rng(0), (3, 8), (0.1, 0.05), 40, 0.4, 0.6
    drawn = [both_sides(generator, counts, draws, images, common, own) for _ in range(2000)]
    told = np.mean([sum(error**2 for error, _ in intervals.errors_of_both(sides)) for sides in drawn])
    # What images have in common for both sides cancels.
    own_errors = sum(own**2 / (count * images) for count in counts)
    variance = sum(spread**2 / count for count, spread in zip(counts, draws, strict=True))
    variance += 2 * common**2 / images + own_errors
    assert np.var([sides.first.mean() - sides.second.mean() for sides in drawn]) == pytest.approx(variance, rel=0.1)
    assert told == pytest.approx(variance + own_errors, rel=0.05)


@pytest.mark.parametrize("draws", [(0.2, 0.05), (0.05, 0.2), (0.1, 0.1), (0.01, 0.01)])
def test_an_interval_between_drawn_sides_covers_at_least_as_often_as_it_says(draws):
    generator = np.random.default_rng(0)
    drawn = [both_sides(generator, (3, 8), draws) for _ in range(1000)]
    ends = [intervals.of_differences(sides).interval(0.1) for sides in drawn]
    assert np.mean([low < 0 < high for low, high in ends]) > 0.9 - 3 * np.sqrt(0.09 / 1000)


def test_draws_of_the_first_side_taken_as_fixed_cover_too_seldom():
    generator, covered = np.random.default_rng(0), []
    for _ in range(300):
        sides = both_sides(generator, (3, 8), (0.2, 0.05))
        low, high = intervals.OverDraws(sides.first.mean(0) - sides.second).interval(0.1)
        covered.append(low < 0 < high)
    assert np.mean(covered) < 0.75


def test_draws_are_paired_only_where_they_are_alike_and_as_many():
    one, three, other = np.ones(4), np.ones((3, 4)), np.zeros((3, 4))
    assert (intervals.between(one, three, alike=False) == 0).all()
    assert intervals.between(three, other, alike=True).shape == (3, 4)
    assert isinstance(intervals.between(three, other, alike=False), intervals.Independent)
    # One draw less its mean of others would count as if it were not drawn.
    assert isinstance(intervals.between(three[:1], other, alike=True), intervals.Independent)


# Words


def test_an_interval_that_was_cut_stands_with_both_its_ends():
    assert intervals.shown(0.5, 0.4, 0.6) == "50.0 ± 10.0"
    assert intervals.shown(0.99, 0.953, 1.0) == "99.0 [95.3, 100.0]"
    assert intervals.shown(0.1, float("nan"), float("nan")) == "10.0"


def test_an_interval_stands_as_plus_or_minus_only_where_both_halves_are_alike():
    assert intervals.shown(0.5, 0.40005, 0.6) == "50.0 ± 10.0"
    assert intervals.shown(0.5, 0.4002, 0.6) == "50.0 [40.0, 60.0]"
    assert intervals.shown(0.9, 0.87, 0.91) == "90.0 [87.0, 91.0]"


def test_a_cell_of_the_dense_network_has_no_interval_and_one_with_an_empty_layer_a_dagger():
    assert intervals.cell(0.5, 0.5, 0.4, 0.6, 0) == "50.0 ± 10.0"
    assert intervals.cell(0.0, 0.9, 0.9, 0.9, 0) == "90.0"
    assert intervals.cell(0.5, 0.1, float("nan"), float("nan"), 0.5) == "10.0 †"


def test_the_method_is_told_for_seeds_for_draws_and_for_one_draw():
    assert "over 3 training seeds" in interval_words.in_words(3, 8, 0.95)
    one = interval_words.in_words(1, 8, 0.95)
    assert "this one network" in one and "(7 degrees of freedom), widened by what the images add" in one
    assert "neither it nor a difference to it has an interval" in interval_words.in_words(1, 1, 0.95)
    assert interval_words.of_learning(1, {}) == ""
    assert "has draws on one network (gates.mlp 3 and gates.linear 1)" in interval_words.of_learning(
        1, {"gates.mlp": 3, "gates.linear": 1}
    )
    assert interval_words.of_learning(2, {"gates.mlp": 3}).endswith("(gates.mlp 3) are averaged within a seed too.")
