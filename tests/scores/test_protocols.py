"""Published protocols: their facts, and scores that are computed of means."""

import math
from dataclasses import replace

import pytest

from iqa_sr.evaluation.scores import mean_scores, not_defined, summary_rows
from iqa_sr.metrics import metric_info
from iqa_sr.scores.protocols import PROTOCOLS, find_protocol
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from iqa_sr.stats.score_formula import Formula


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_names_metrics_that_there_are(name):
    protocol = find_protocol(name)
    assert protocol.name == name and protocol.reference
    assert all(metric_info(metric).name == metric for metric in protocol.metrics)
    assert not protocol.left_out.keys() & set(protocol.metrics) and all(protocol.left_out.values())
    if protocol.formula is not None:
        assert set(Formula(protocol.formula).names) <= set(protocol.metrics)


def test_the_challenge_of_2026_has_kept_what_that_of_2025_scored():
    first, second = find_protocol("ntire2025"), find_protocol("ntire2026")
    assert replace(second, name=first.name, reference=first.reference) == first


def test_what_publications_report_is_there_and_metrics_of_sets_are_told_apart():
    assert find_protocol("realsr-dm").set_metrics == ("fid-clean",) and not find_protocol("realsr-dm").left_out
    assert not find_protocol("paper").left_out and "qalign" in find_protocol("paper").metrics


def test_a_protocol_without_some_of_its_metrics():
    paper = find_protocol("paper", ["QAlign"])
    assert "qalign" not in paper.metrics and paper.left_out == {"qalign": "as asked for"}
    assert paper == replace(find_protocol("paper"), metrics=paper.metrics, left_out=paper.left_out)
    assert find_protocol("realsr-dm", ["fid-clean"]).set_metrics == ()
    assert find_protocol("ntire2025", ["niqe"]).formula is None
    assert find_protocol("ntire2025").formula is not None
    with pytest.raises(
        ValueError, match=r"`without`: `protocol` sr-classic has no metric 'niqe'; it has psnry-basicsr, "
    ):
        find_protocol("sr-classic", ["niqe"])
    with pytest.raises(ValueError, match="it leaves no metric of `protocol` sr-classic"):
        find_protocol("sr-classic", ["psnry-basicsr", "ssimy-basicsr"])


def table(*rows):
    metrics = {metric: metric in ("clipiqa", "maniqa", "musiq", "psnr") for _, _, _, metric, _ in rows}
    return ScoreTable([MetricFacts(*facts) for facts in metrics.items()], [ScoreRow(*row) for row in rows])


def test_the_score_of_ntire_2025_is_that_of_the_means():
    """By hand: 1 - 0.25 + 1 - 0.15 + 0.7 + 0.4 + 0.65 + max(0, (10 - (4 + 14) / 2) / 10) = 3.45."""
    first = {"lpips": 0.2, "dists": 0.1, "clipiqa": 0.6, "maniqa": 0.3, "musiq": 60, "niqe": 4}
    second = {"lpips": 0.3, "dists": 0.2, "clipiqa": 0.8, "maniqa": 0.5, "musiq": 70, "niqe": 14}
    rows = [("a", f"set/{n}", "", name, score) for n, one in enumerate((first, second)) for name, score in one.items()]
    rows.append(("b", "set/0", "", "lpips", 0.1))
    formula = ("ntire2025", find_protocol("ntire2025").formula)
    heading, a, b = summary_rows(table(*rows), "set", ["a", "b", "c"], formula)
    assert heading == (
        "set",
        "lpips down",
        "dists down",
        "clipiqa up",
        "maniqa up",
        "musiq up",
        "niqe down",
        "ntire2025 up",
    )
    assert a == ("a", "0.2500", "0.1500", "0.7000", "0.4000", "65.0000", "9.0000", "3.4500")
    assert b == ("b", "0.1000", "-", "-", "-", "-", "-", "-")


def test_references_are_averaged_before_images():
    rows = [("a", "set/0", reference, "psnr", score) for reference, score in (("01", 20.0), ("02", 30.0))]
    rows += [
        ("a", "set/1", "01", "psnr", 40.0),
        ("a", "other/1", "01", "psnr", 1.0),
        ("a", "set/2", "", "psnr", math.nan),
    ]
    means = mean_scores(table(*rows))
    assert means == {("a", "set", "psnr"): 32.5, ("a", "other", "psnr"): 1.0}
    assert not_defined(table(*rows)) == {("set", "psnr"): 1}
