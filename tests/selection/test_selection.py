"""The arithmetic of a choice: pairing, ranks, limits, the front and the bootstrap, by hand and by brute force."""

import numpy as np
import pytest

from iqa_sr.scores.paired_scores import Means, PairedScores, paired_scores
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from iqa_sr.selection.explanation import explain, unmet_limits
from iqa_sr.selection.rules import Borda, ByFormula, MeanZScore, OneMetric, build_rule
from iqa_sr.selection.selection import Limit, choose
from iqa_sr.stats.score_formula import Formula

FACTS = [MetricFacts("psnr", True), MetricFacts("niqe", False), MetricFacts("musiq", True)]


def paired(scores, metrics=("psnr", "niqe", "musiq"), images=None):
    """`scores`: `(C, P, M)`, or `(C, M)` that all of four images have."""
    scores = np.asarray(scores, dtype=float)
    if scores.ndim == 2:
        scores = np.repeat(scores[:, None], 4, axis=1)
    labels = tuple("abcdefgh"[: len(scores)])
    higher = np.array([metric != "niqe" for metric in metrics])
    keys = images or tuple(f"p{number}" for number in range(scores.shape[1]))
    return PairedScores(labels, tuple(keys), tuple(metrics), higher, scores)


def table(*rows):
    return ScoreTable(FACTS, [ScoreRow(*row) for row in rows])


# --- Pairing ----------------------------------------------------------------------------------------------------------


def test_references_are_averaged_before_images():
    scores = table(
        ("a", "p", "01", "psnr", 20), ("a", "p", "02", "psnr", 30), ("a", "q", "01", "psnr", 35),
        ("b", "q", "01", "psnr", 10), ("b", "p", "02", "psnr", 12), ("b", "p", "01", "psnr", 14),
    )  # fmt: skip
    found = paired_scores(scores, ["a", "b"], ["psnr"])
    assert found.images == ("p", "q")
    assert found.scores[..., 0].tolist() == [[25, 35], [13, 10]]
    assert found.means().scores[:, 0].tolist() == [30, 11.5]


@pytest.mark.parametrize(
    ("wrong", "counts"),
    [
        (None, "b lacks scores of psnr on 1 of 2 images (q)"),
        (("b", "q", "", "psnr", float("nan")), "b lacks scores of psnr on 1 of 2 images (q)"),
        (("b", "q", "", "psnr", float("inf")), "b lacks scores of psnr on 1 of 2 images (q)"),
        (("b", "q", "other", "psnr", 1.0), "a lacks scores of psnr on 1 of 2 images (q)"),
        (("b", "r", "", "psnr", 1.0), "a lacks scores of psnr on 1 of 3 images (r)"),
    ],
)
def test_other_images_are_refused_or_left_out(wrong, counts):
    rows = [("a", "p", "", "psnr", 1.0), ("a", "q", "", "psnr", 2.0), ("b", "p", "", "psnr", 3.0)]
    scores = table(*rows, *([wrong] if wrong else []))
    with pytest.raises(ValueError, match="not scored on the same images") as caught:
        paired_scores(scores, ["a", "b"], ["psnr"])
    assert counts in str(caught.value) and "`common`" in str(caught.value)
    assert paired_scores(scores, ["a", "b"], ["psnr"], common=True).images == ("p",)


def test_an_image_that_one_lacks_is_left_out_everywhere():
    rows = [(label, key, "", metric, 1.0) for label in "ab" for key in "pqr" for metric in ("psnr", "niqe")]
    rows.remove(("b", "q", "", "niqe", 1.0))
    assert paired_scores(table(*rows), ["a", "b"], ["psnr", "niqe"], common=True).scores.shape == (2, 2, 2)
    only = table(("a", "p", "", "psnr", 1.0), ("b", "q", "", "psnr", 1.0))
    with pytest.raises(ValueError, match="no image that all 2 checkpoints have a score of psnr for"):
        paired_scores(only, ["a", "b"], ["psnr"], common=True)


def test_a_metric_that_is_undefined_on_an_image_for_all_takes_its_mean_over_the_others():
    rows = [(label, key, "", "niqe", 5.0) for label in "ab" for key in "pq"]
    rows += [("a", "p", "", "psnr", 30.0), ("b", "p", "", "psnr", 20.0), ("a", "q", "", "psnr", float("nan"))]
    found = paired_scores(table(*rows), ["a", "b"], ["psnr", "niqe"])
    assert found.means().scores.tolist() == [[30, 5], [20, 5]]
    # The second image alone leaves psnr without a mean.
    assert np.isnan(found.means(np.array([0.0, 2.0])).of("psnr")).all()


def test_unknown_metrics_are_named():
    with pytest.raises(ValueError, match="no scores of 'psnrr'; did you mean psnr"):
        paired_scores(table(("a", "p", "", "psnr", 1.0)), ["a"], ["psnrr"])


# --- Rules ------------------------------------------------------------------------------------------------------------


def test_borda_by_hand():
    #              psnr niqe musiq: points 2+1+0, 1+2+1.5, 0+0+1.5
    found = choose(paired([[30, 5, 50], [29, 4, 60], [28, 6, 60]]), Borda(["psnr", "niqe", "musiq"]))
    assert found.order.values.tolist() == [3, 4.5, 1.5]
    assert found.order.ranks.tolist() == [2, 1, 3] and found.best == 1


def test_the_direction_comes_from_the_facts():
    rows = [(label, key, "", "niqe", score) for label, score in (("a", 3.0), ("b", 4.0)) for key in "pq"]
    for higher, best in ((False, 0), (True, 1)):
        scores = ScoreTable([MetricFacts("niqe", higher)], [ScoreRow(*row) for row in rows])
        for by in ("borda", "z-score", "niqe"):
            rule = build_rule(by, None, ["niqe"], ["niqe"])
            assert choose(paired_scores(scores, ["a", "b"], ["niqe"]), rule).best == best


def test_z_scores_by_hand_and_none_from_a_metric_by_which_all_are_equal():
    rule = MeanZScore(["psnr", "niqe", "musiq"])
    values = rule.values(paired([[30, 5, 0.1], [28, 4, 0.1]]).means())
    assert values[:, 0] == pytest.approx([0, 0])
    values = rule.values(paired([[30, 4, 0.1], [28, 5, 0.1], [29, 4.5, 0.1]]).means())[:, 0]
    assert values == pytest.approx(np.array([1, -1, 0]) * 1.5**0.5 * 2 / 3)


def test_equal_points_are_ordered_by_z_score_and_equal_checkpoints_by_place():
    # b loses little to a by psnr and wins much by niqe.
    found = choose(paired([[30, 5, 1], [29.99, 1, 1], [20, 9, 1]]), Borda(["psnr", "niqe"]))
    assert found.order.values.tolist() == [3, 3, 0]
    assert found.order.ranks.tolist() == [2, 1, 3] and found.best == 1
    found = choose(paired([[30, 5, 1], [30, 5, 1], [20, 4.9, 1]]), Borda(["psnr", "niqe"]))
    assert found.order.ranks.tolist() == [1, 1, 3] and found.best == 0


def test_equality_survives_the_order_in_which_scores_are_added():
    images = np.array([0.1, 0.7, 0.2, 1e-3, 0.3, 0.6])
    scores = np.stack([images, images[::-1]])[..., None]
    found = choose(paired(scores, ["psnr"]), Borda(["psnr"]))
    assert found.order.ranks.tolist() == [1, 1]


def test_a_formula_is_taken_of_the_means():
    # Of the means: 1 / 5 and 1 / 4. The mean of 1 / niqe would be 5 / 9 and 1 / 4.
    found = choose(paired([[[1], [9]], [[4], [4]]], ["niqe"]), ByFormula(Formula("1 / niqe")), resamplings=0)
    assert found.order.values == pytest.approx([0.2, 0.25])


def test_a_formula_that_rewards_the_wrong_direction_is_noticed():
    means = paired([[30, 5, 50], [29, 4, 60]]).means()
    assert ByFormula(Formula("psnr + niqe - 0.1 * musiq")).against_direction(means) == ["niqe", "musiq"]
    assert ByFormula(Formula("psnr - niqe")).against_direction(means) == []


def test_a_formula_without_a_value_is_refused():
    with pytest.raises(ValueError, match="the formula psnr / .niqe - 4. gives no finite value for b"):
        choose(paired([[30, 5, 50], [29, 4, 60]]), ByFormula(Formula("psnr / (niqe - 4)")))


def test_rules_are_found_by_name():
    known = ["psnr", "lpips", "musiq"]
    assert isinstance(build_rule("lpips", None, known, known), OneMetric)
    with pytest.raises(ValueError, match="`by`: there is no rule or metric 'bord'; did you mean borda"):
        build_rule("bord", None, known, known)
    with pytest.raises(ValueError, match="needs scores of lpips, .*; there are none of dists, clipiqa, maniqa, niqe"):
        build_rule("ntire2025", None, known, known)


# --- Limits and front -------------------------------------------------------------------------------------------------


def test_limits_decide_who_takes_part():
    scores = [[30.0, 5, 50], [29.7, 4, 60], [29.6, 3, 70]]
    rule = OneMetric("niqe")
    assert choose(paired(scores), rule).best == 2
    found = choose(paired(scores), rule, [Limit("psnr", 0.3)])
    assert found.best == 1 and found.order.kept.tolist() == [True, True, False]  # 0.3 itself is within, rounding or not
    assert choose(paired(scores), rule, [Limit("psnr", 0)]).best == 0
    assert choose(paired(scores), OneMetric("psnr"), [Limit("niqe", 1.5)]).best == 1


def test_ranks_are_among_those_that_keep_the_limits():
    # Without c, which keeps no limit, a beats b by musiq as well as by psnr.
    found = choose(
        paired([[30, 5, 50], [29.9, 4, 49], [20, 1, 49.5]]), Borda(["psnr", "niqe", "musiq"]), [Limit("psnr", 1)]
    )
    assert found.order.values[:2].tolist() == [2, 1] and np.isnan(found.order.values[2])
    assert found.order.ranks.tolist() == [1, 2, 0]


def test_limits_that_nobody_keeps_name_the_nearest():
    found = choose(paired([[30, 5, 50], [29, 4, 60]]), OneMetric("psnr"), [Limit("psnr", 0.4), Limit("niqe", 0.9)])
    assert found.best is None
    text = unmet_limits(found)
    assert "psnr within 0.4: a" in text and "niqe within 0.9: b" in text
    assert "Nearest is a, worse than the best by psnr 0, niqe 1" in text
    limits = [Limit("psnr", 0.4), Limit("niqe", 2), Limit("musiq", 5)]
    text = unmet_limits(choose(paired([[30, 5, 50], [29, 4, 60]]), OneMetric("psnr"), limits))
    assert "niqe within 2: a and b" in text and "musiq within 5: b" in text


# --- How sure ---------------------------------------------------------------------------------------------------------


def test_a_lead_on_every_image_is_sure_and_a_coin_is_not():
    generator = np.random.default_rng(1)
    easy = generator.normal(30, 5, size=(1, 40, 1)) + np.array([0.0, 0.01])[:, None, None]
    found = choose(paired(easy, ["psnr"]), OneMetric("psnr"))
    assert found.best == 1 and found.resampling.shares.tolist() == [0, 1]  # paired: hard images are hard for both
    even = np.zeros((2, 40, 1))
    even[0, ::2] = even[1, 1::2] = 1
    assert choose(paired(even, ["psnr"]), OneMetric("psnr")).resampling.shares == pytest.approx([0.5, 0.5], abs=0.1)


def test_the_share_of_a_choice_is_the_probability_of_its_mean_staying_above():
    """One image of ten speaks for b, by more than the nine others together: it is missing in 0.9^10 of the draws."""
    scores = np.zeros((2, 10, 1))
    scores[0, :9], scores[1, 9] = 1, 100
    found = choose(paired(scores, ["psnr"]), OneMetric("psnr"), resamplings=4000)
    assert found.best == 1 and found.resampling.count == 4000
    assert found.resampling.shares[0] == pytest.approx(0.9**10, abs=0.03)


def test_draws_repeat_limits_and_rule_and_are_the_same_each_time():
    generator = np.random.default_rng(2)
    scores = paired(generator.normal([30, 5, 50], [1, 1, 5], size=(5, 20, 3)))
    first, second, other = (
        choose(scores, Borda(["niqe", "musiq"]), [Limit("psnr", 0.2)], resamplings=300, seed=seed).resampling
        for seed in (7, 7, 8)
    )
    assert first.shares.tolist() == second.shares.tolist() != other.shares.tolist()
    assert first.shares.sum() + first.none == pytest.approx(1)
    assert first.shares[
        ~choose(scores, Borda(["niqe"]), [Limit("psnr", 0.2)]).order.kept
    ].any()  # not of the means only


def test_draws_in_which_nobody_keeps_the_limits_are_counted():
    scores = np.zeros((2, 6, 2))
    scores[0, :3, 0] = scores[1, :5, 1] = 1
    found = choose(paired(scores, ["psnr", "musiq"]), OneMetric("psnr"), [Limit("psnr", 0.1), Limit("musiq", 0.99)])
    assert 0 < found.resampling.none < 1
    assert found.resampling.shares.sum() + found.resampling.none == pytest.approx(1)


def test_without_images_nothing_is_drawn():
    means = "the table holds means of data sets, no single images."
    for images, why in (
        (("set/(mean)", "other/(mean)"), means),
        (("set/(mean)",), means),
        (("p",), "there is one image."),
    ):
        scores = np.random.default_rng(0).random((2, len(images), 3))
        found = choose(paired(scores, images=images), Borda(["psnr", "niqe"]))
        assert found.resampling is None
        assert f"How sure that is cannot be told: {why}" in explain(found)


def test_a_metric_on_few_images_leaves_out_the_draws_without_them():
    scores = np.random.default_rng(0).random((2, 4, 2))
    scores[:, 1:, 0] = np.nan
    found = choose(paired(scores, ["psnr", "musiq"]), Borda(["psnr", "musiq"]), resamplings=1000)
    assert found.resampling.count == pytest.approx(1000 * (1 - 0.75**4), abs=60)


# --- Words ------------------------------------------------------------------------------------------------------------


def test_explanation():
    scores = paired([[30.12, 5, 50], [30.0, 4, 60], [28, 6, 40]])
    text = " ".join(explain(choose(scores, Borda(["psnr", "niqe", "musiq"]), [Limit("psnr", 1)])))
    assert "Checkpoint b: first of the 2 checkpoints that keep the limits (psnr within 1 of the best)" in text
    assert "by the Borda count over 3 metrics (psnr, niqe, musiq), 2 of 3 points; next is a with 1." in text
    assert "Not within the limits: c." in text and "On the Pareto front with a." in text
    assert "100 % of 1000 draws of the 4 images choose it; so few images say little." in text
    assert "Best of all by niqe and musiq; psnr is 0.12 below the best (a)." in text


def test_explanation_for_a_metric_that_falls_and_a_choice_off_the_front():
    scores = paired([[30, 4.5, 50], [31, 4, 60], [29, 6, 40]])
    found = choose(scores, ByFormula(Formula("0 - psnr")), counted=["psnr", "niqe"], resamplings=0)
    text = " ".join(explain(found))
    assert "by the formula 0 - psnr, -29.0000; next is a with -30.0000." in text
    assert "Not on the Pareto front: a and b are nowhere worse and somewhere better." in text
    assert "psnr is 2 below the best (b); niqe is 2 above the best (b)" in text
    text = " ".join(explain(choose(scores, OneMetric("niqe"))))
    assert "by niqe, 4.0000; next is a with 4.5000." in text


def test_explanation_for_ties():
    found = choose(paired([[30, 5, 1], [30, 5, 1]]), Borda(["psnr", "niqe"]))
    assert any(sentence == "Equal with b: the first in the table is taken." for sentence in explain(found))
    found = choose(paired([[30, 5, 1], [29.99, 1, 1], [20, 9, 1]]), Borda(["psnr", "niqe"]))
    text = " ".join(explain(found))
    assert text.startswith("Checkpoint b") and "a has as many; the mean z-score decides." in text


def test_explanation_name_what_other_rules_would_choose():
    # a is a little better by two metrics and much worse by the third.
    scores = paired([[30.1, 4.9, 10], [30.0, 5, 90], [20, 9, 91]])
    text = " ".join(explain(choose(scores, Borda(["psnr", "niqe", "musiq"]))))
    assert text.startswith("Checkpoint a") and "By other rules: z-score would choose b." in text
    text = " ".join(explain(choose(scores, OneMetric("psnr"), counted=["psnr", "niqe", "musiq"])))
    assert text.startswith("Checkpoint a") and "z-score would choose b" in text


def test_quality_columns_are_those_asked_for():
    means = Means(("psnr", "niqe"), np.array([True, False]), np.array([[1.0, 2.0]]), ("a",))
    assert means.quality(["niqe", "psnr"]).tolist() == [[-2, 1]]
