"""What each sampler chooses: against brute force, and the softmax samplers by a chi-square test."""

import dataclasses
import math
import pickle

import pytest
import torch
from scipy.stats import chisquare

from iqa_sr.data.multi_gt.records import GroundTruth, Label, Record
from iqa_sr.errors import OptionError
from iqa_sr.metrics import create_metric, shared_metric
from iqa_sr.samplers import build_sampler, sampler_names
from iqa_sr.samplers.base import Candidates, Shortlist, crop_windows
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from tests.helpers.golden_images import photo

P, S, N = Label.POSITIVE, Label.SIMILAR, Label.NEGATIVE


def record(labels=(P, S, P, N), name="p0"):
    versions = [f"{number:02d}" for number in range(1, len(labels) + 1)]
    enhanced = [GroundTruth(v, f"{v}/{name}.png", label) for v, label in zip(versions, labels, strict=True)]
    return Record(name, (GroundTruth("original", f"original/{name}.png"), *enhanced), (256, 256))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def counts(sampler, one, draws=4000, seed=0):
    """How often each position of the record's pool is drawn."""
    source = generator(seed)
    found = torch.zeros(len(one.ground_truths), dtype=torch.int64)
    for _ in range(draws):
        (index,) = sampler.shortlist(one, source).indices
        found[index] += 1
    return found.tolist()


@pytest.fixture
def scores(tmp_path):
    """Scores of record() in a metric of which less is better and one of which more is."""
    table = ScoreTable([MetricFacts("niqe", False), MetricFacts("musiq", True)])
    for gt, score in zip(record().ground_truths, (3.0, 2.0, 2.5, 1.5, 4.0), strict=True):
        table.append([ScoreRow("", gt.path, "", "niqe", score), ScoreRow("", gt.path, "", "musiq", 10 * score)])
    table.write(tmp_path / "scores.csv")
    return tmp_path / "scores.csv"


def softmax(scores, kind="softmax-all", metric="niqe", **options):
    return build_sampler({"type": kind, "scores": str(scores), "metric": metric, **options})


# --- Every sampler ----------------------------------------------------------------------------------------------------


def every(scores):
    more = {
        "softmax-all": {"scores": str(scores), "metric": "niqe"},
        "softmax-positives": {"scores": str(scores), "metric": "niqe"},
        "argmax-online": {"metric": "niqe"},
    }
    return [build_sampler({"type": name, **more.get(name, {})}) for name in sampler_names()]


def test_the_names_are_those_of_the_option_files(scores):
    names = ["argmax-online", "original", "positives", "softmax-all", "softmax-positives", "uniform"]
    assert sampler_names() == names
    assert [sampler.name for sampler in every(scores)] == names


def test_every_sampler_draws_by_its_generator_only_and_survives_pickling(scores):
    for sampler in every(scores):
        twin = pickle.loads(pickle.dumps(sampler))
        torch.manual_seed(1)
        one = [sampler.shortlist(record(), generator(seed)) for seed in range(20)]
        torch.manual_seed(2)
        assert [twin.shortlist(record(), generator(seed)) for seed in range(20)] == one


def test_every_sampler_shortlists_existing_positions_of_any_group(scores):
    for sampler in every(scores):
        for labels in ((P,), (P, N), (P, S, P, N)):
            one = record(labels)
            indices = sampler.shortlist(one, generator()).indices
            assert indices
            assert set(indices) <= set(range(len(one.ground_truths)))
            assert sampler.usable(one)


def test_every_sampler_takes_the_one_candidate_that_is_left(scores):
    windows = torch.rand(3, 1, 3, 8, 8)
    candidates = Candidates(windows, torch.ones(3, 1, dtype=torch.bool), torch.zeros(3, 2, dtype=torch.int64), 8)
    for sampler in every(scores):
        choice = sampler.choose(candidates)
        assert torch.equal(choice.gt, windows[:, 0])
        assert choice.index.tolist() == [0, 0, 0]
        assert choice.qualities is None


# --- Without scores ---------------------------------------------------------------------------------------------------


def test_original_is_always_the_first():
    sampler = build_sampler({"type": "original"})
    assert counts(sampler, record(), 20) == [20, 0, 0, 0, 0]
    assert sampler.window(64) == 64


@pytest.mark.parametrize("labels", [(), (N,), (P, S, P, N), (None, None)])
def test_uniform_takes_every_ground_truth_equally_often(labels):
    found = counts(build_sampler({"type": "uniform"}), record(labels))
    assert len(found) == 1 or chisquare(found).pvalue > 1e-3


def test_positives_takes_every_positive_equally_often():
    found = counts(build_sampler({"type": "positives"}), record())
    assert [found[i] for i in (0, 2, 4)] == [0, 0, 0]
    assert chisquare([found[1], found[3]]).pvalue > 1e-3


@pytest.mark.parametrize(
    "section", [{"type": "positives"}, {"type": "argmax-online", "metric": "niqe", "pool": "positives"}]
)
def test_records_without_positives_are_not_usable(section):
    sampler = build_sampler(section)
    assert not sampler.usable(record((S, N)))
    assert not sampler.usable(record((None, None)))
    assert sampler.usable(record((N, P)))


# --- Softmax ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "pool"), [("softmax-all", (0, 1, 2, 3, 4)), ("softmax-positives", (1, 3))])
@pytest.mark.parametrize(("metric", "temperature"), [("niqe", 1.0), ("niqe", 0.4), ("musiq", 7.5)])
def test_softmax_frequencies(scores, kind, pool, metric, temperature):
    sampler = softmax(scores, kind, metric, temperature=temperature)
    qualities = {"niqe": [-3.0, -2.0, -2.5, -1.5, -4.0], "musiq": [30.0, 20.0, 25.0, 15.0, 40.0]}[metric]
    weights = [math.exp(qualities[i] / temperature) if i in pool else 0.0 for i in range(5)]
    found = counts(sampler, record())
    assert [found[i] for i in range(5) if i not in pool] == [0] * (5 - len(pool))
    expected = [4000 * weights[i] / sum(weights) for i in pool]
    assert chisquare([found[i] for i in pool], expected).pvalue > 1e-3


def test_the_chi_square_test_notices_another_temperature(scores):
    weights = torch.tensor([-3.0, -2.0, -2.5, -1.5, -4.0]).softmax(0)
    found = counts(softmax(scores, temperature=1.3), record())
    assert chisquare(found, (4000 * weights.double() / weights.double().sum()).tolist()).pvalue < 1e-3


def test_normalized_qualities_do_not_depend_on_the_scale_of_the_metric(scores):
    spread = torch.tensor([-3.0, -2.0, -2.5, -1.5, -4.0]).std(unbiased=False).item()
    found = counts(softmax(scores, normalize=True, temperature=0.5), record())
    weights = (torch.tensor([-3.0, -2.0, -2.5, -1.5, -4.0], dtype=torch.float64) / spread / 0.5).softmax(0)
    assert chisquare(found, (4000 * weights).tolist()).pvalue > 1e-3


WITHIN = (-5.0, -1.0, 2.0, 4.0)
"""Four versions' scores in the units of MUSIQ, as they differ from their group's mean: a spread of 3.39."""


def musiq_like(tmp_path, groups, kind="softmax-all", labels=(P, P, P), **options):
    """A sampler of these groups' scores, which has seen their records."""
    records = [record(labels[: len(group) - 1], name=f"p{i}") for i, group in enumerate(groups)]
    table = ScoreTable([MetricFacts("musiq", True)])
    for one, group in zip(records, groups, strict=True):
        table.append([ScoreRow("", gt.path, "", "musiq", q) for gt, q in zip(one.ground_truths, group, strict=True)])
    table.write(tmp_path / "musiq.csv")
    sampler = softmax(tmp_path / "musiq.csv", kind, "musiq", **options)
    sampler.check(records)
    return sampler, records


def test_normalize_divides_by_the_spread_within_groups_whatever_the_groups_means(tmp_path, caplog):
    caplog.set_level("INFO")
    spread = math.sqrt(sum(q * q for q in WITHIN) / 4)
    weights = 1500 * (torch.tensor(WITHIN, dtype=torch.float64) / spread).softmax(0)
    for means in ((50, 50, 50), (12, 50, 88)):
        groups = [[mean + q for q in WITHIN] for mean in means]
        sampler, records = musiq_like(tmp_path, groups, normalize=True)
        assert sampler.unit == pytest.approx(spread)
        assert chisquare(counts(sampler, records[-1], 1500), weights.tolist()).pvalue > 1e-3
    assert "a group's best ground truth is drawn in 54 % of the draws; uniformly it would be 25 %" in caplog.text
    musiq_like(tmp_path, [[50 + q for q in WITHIN]])
    assert "at temperature 1, in units of 1 musiq, a group's best ground truth is drawn in 88 % of" in caplog.text


def test_the_spread_is_the_root_mean_variance_of_what_can_be_drawn(tmp_path):
    def unit(*groups, **options):
        return musiq_like(tmp_path, groups, normalize=True, **options)[0].unit

    assert unit([1.0, 3.0], [10.0, 16.0]) == pytest.approx(math.sqrt((1 + 9) / 2))
    assert unit([5.0, 5.0], [10.0, 16.0]) == pytest.approx(math.sqrt((0 + 9) / 2))  # equal scores: a variance of 0
    assert unit([70.0], [10.0, 16.0]) == pytest.approx(3.0)  # one candidate: nothing is drawn, nothing is counted
    assert unit([10.0, math.nan, 16.0], [20.0, math.nan]) == pytest.approx(3.0)
    assert unit([10.0, math.inf, 16.0]) == pytest.approx(3.0)
    assert unit([1.0, 10.0, 90.0, 16.0], kind="softmax-positives", labels=(P, N, P)) == pytest.approx(3.0)
    for nothing in (([5.0, 5.0], [9.0, 9.0]), ([5.0], [9.0]), ([math.nan] * 2, [5.0, 5.0])):
        sampler, records = musiq_like(tmp_path, nothing, normalize=True)
        assert sampler.unit == 1
        found = counts(sampler, records[0], 500)
        assert len(found) == 1 or chisquare(found).pvalue > 1e-3


def test_softmax_tells_the_qualities_of_the_whole_pool(scores):
    shortlist = softmax(scores, "softmax-positives").shortlist(record(), generator())
    assert isinstance(shortlist, Shortlist)
    assert shortlist.qualities == (-3.0, -2.0, -2.5, -1.5, -4.0)


def test_extreme_qualities_do_not_overflow(scores):
    assert counts(softmax(scores, metric="musiq", temperature=1e-9), record(), 50) == [0, 0, 0, 0, 50]
    assert chisquare(counts(softmax(scores, temperature=1e9), record())).pvalue > 1e-3


def test_images_without_a_defined_score_are_drawn_only_among_themselves(scores):
    table = ScoreTable.read(scores)
    paths = [gt.path for gt in record().ground_truths]
    table.append([ScoreRow("", path, "", "niqe", math.nan) for path in paths[1:]])
    table.write(scores)
    assert counts(softmax(scores), record(), 50) == [50, 0, 0, 0, 0]
    table.append([ScoreRow("", paths[0], "", "niqe", math.nan)])
    table.write(scores)
    assert chisquare(counts(softmax(scores), record())).pvalue > 1e-3
    softmax(scores).check([record()])


def test_missing_scores_are_counted_before_training(scores):
    others = [record(name="p0"), record(name="p1"), record((P,), name="p2")]
    with pytest.raises(ValueError) as error:
        softmax(scores).check(others)
    text = str(error.value)
    assert f"7 of 12 ground truths have no niqe score in {scores}, the first is original/p1.png" in text
    assert f"iqa-sr score ROOT --metric niqe --output {scores}" in text
    assert len(text.splitlines()) <= 5
    with pytest.raises(ValueError, match="3 of 5 ground truths"):
        softmax(scores, "softmax-positives").check(others)
    softmax(scores).check([record()])


# --- Argmax online ----------------------------------------------------------------------------------------------------


def candidates(count=3, pool=4, crop=48, side=192, seed=0):
    """Windows of photographs, with noise and blur of their own; groups of different sizes."""
    source = generator(seed)
    windows = torch.zeros(count, pool, 3, side, side)
    valid = torch.zeros(count, pool, dtype=torch.bool)
    for i in range(count):
        for k in range(pool - i % 2):
            strength = 0.1 * torch.rand((), generator=source)
            noise = torch.randn((3, side, side), generator=source)
            windows[i, k] = (photo(left=80 * i, height=side, width=side) + strength * noise).clamp(0, 1)
            valid[i, k] = True
    offsets = torch.tensor([[7 * i, 100 - 9 * i] for i in range(count)])
    return Candidates(windows, valid, offsets, crop)


def brute_force(given, name):
    metric = create_metric(name)
    chosen = []
    for windows, valid in zip(given.windows, given.valid, strict=True):
        scores = [metric(windows[k : k + 1]).item() if valid[k] else math.inf for k in range(len(windows))]
        chosen.append(scores.index(min(scores)))
    return chosen


@pytest.mark.parametrize("name", ["niqe", "niqe-basicsr"])
@pytest.mark.parametrize("max_batch", [None, 1, 4])
def test_argmax_is_that_of_scoring_one_by_one(name, max_batch):
    given = candidates()
    choice = build_sampler({"type": "argmax-online", "metric": name, "max_batch": max_batch}).choose(given)
    assert choice.index.tolist() == brute_force(given, name)
    for i, k in enumerate(choice.index.tolist()):
        top, left = given.offsets[i].tolist()
        assert torch.equal(choice.gt[i], given.windows[i, k, :, top : top + 48, left : left + 48])
    assert torch.equal(choice.qualities.isnan(), ~given.valid)
    assert choice.qualities[0, 0].item() == pytest.approx(-create_metric(name)(given.windows[0, :1]).item(), rel=1e-5)


def test_nothing_but_the_valid_windows_is_scored_in_one_forward():
    seen = []
    metric = shared_metric("niqe", "cpu")
    handle = metric.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        given = candidates()
        build_sampler({"type": "argmax-online", "metric": "niqe"}).choose(given)
        build_sampler({"type": "argmax-online", "metric": "niqe", "max_batch": 4}).choose(given)
    finally:
        handle.remove()
    assert [len(batch) for batch in seen] == [11, 4, 4, 3]
    assert torch.equal(seen[0], given.windows[given.valid])


def test_nothing_is_scored_where_there_is_no_choice():
    given = candidates(pool=1)
    given = Candidates(given.windows[..., :8, :8], torch.ones(3, 1, dtype=torch.bool), given.offsets * 0, 8)
    sampler = build_sampler({"type": "argmax-online", "metric": "niqe"})
    assert torch.equal(sampler.choose(given).gt, given.windows[:, 0])  # too small for NIQE: it was not asked


def test_of_equal_candidates_the_first_is_taken():
    given = candidates(count=1)
    windows = given.windows[:, [1, 0, 0, 1]]
    sampler = build_sampler({"type": "argmax-online", "metric": "niqe"})
    best = sampler.choose(Candidates(windows, given.valid, given.offsets, 48))
    assert best.index.item() in (0, 1)
    again = sampler.choose(Candidates(windows.flip(1), given.valid, given.offsets, 48))
    assert again.index.item() == best.index.item()


def test_candidates_without_a_score_never_win():
    given = candidates(count=4)
    windows = given.windows.clone()
    best = brute_force(given, "niqe")
    windows[0, best[0], 0, 0, 0] = torch.nan
    windows[1:3, :, 0, 0, 0] = torch.nan
    valid = given.valid.clone()
    valid[2, 0] = False
    sampler = build_sampler({"type": "argmax-online", "metric": "niqe"})
    index = sampler.choose(Candidates(windows, valid, given.offsets, 48)).index.tolist()
    assert index[0] != best[0]
    assert index[1:] == [0, 1, best[3]]


def test_the_choice_carries_no_gradient():
    given = candidates(count=2)
    given.windows.requires_grad_()
    choice = build_sampler({"type": "argmax-online", "metric": "niqe"}).choose(given)
    assert not choice.gt.requires_grad
    assert not choice.qualities.requires_grad


def test_the_pool_is_all_or_the_positives():
    for pool, expected in (("all", (0, 1, 2, 3, 4)), ("positives", (1, 3))):
        sampler = build_sampler({"type": "argmax-online", "metric": "niqe", "pool": pool})
        assert sampler.shortlist(record(), generator()) == Shortlist(expected)


def test_the_window_is_the_crop_or_what_the_metric_needs(monkeypatch):
    sampler = build_sampler({"type": "argmax-online", "metric": "niqe"})
    assert [sampler.window(crop) for crop in (32, 192, 256)] == [192, 192, 256]
    monkeypatch.setattr(sampler, "info", dataclasses.replace(sampler.info, min_size=50, multiple_of=32))
    assert [sampler.window(crop) for crop in (32, 64, 65)] == [64, 64, 96]


def test_cutting_the_crop_out_of_windows():
    windows = torch.arange(2 * 3 * 6 * 6.0).view(2, 3, 6, 6)
    crops = crop_windows(windows, torch.tensor([[0, 2], [3, 1]]), 3)
    assert torch.equal(crops, torch.stack([windows[0, :, 0:3, 2:5], windows[1, :, 3:6, 1:4]]))


# --- Wrong options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"type": "unifrom"}, "datasets:train:sampler:type: there is no sampler 'unifrom'; did you mean uniform"),
        ({}, "datasets:train:sampler:type: there is no sampler None; valid: argmax-online, original"),
        ("uniform", "datasets:train:sampler: expected a section with the key type, got 'uniform'"),
        ({"type": "uniform", "temperature": 1}, "datasets:train:sampler:temperature: unknown key; valid: type"),
        ({"type": "argmax-online"}, "datasets:train:sampler:metric: this key is required and missing"),
        (
            {"type": "argmax-online", "metric": "nique"},
            "datasets:train:sampler:metric: there is no metric 'nique'; did you mean niqe",
        ),
        (
            {"type": "argmax-online", "metric": "psnr"},
            "datasets:train:sampler:metric: expected a no-reference metric, and psnr compares with a reference image",
        ),
        (
            {"type": "argmax-online", "metric": "niqe", "pool": "best"},
            "datasets:train:sampler:pool: input should be 'all' or 'positives', got 'best'",
        ),
        (
            {"type": "argmax-online", "metric": "niqe", "max_batch": 0},
            "datasets:train:sampler:max_batch: input should be greater than or equal to 1, got 0",
        ),
        (
            {"type": "softmax-all", "metric": "niqe", "scores": "absent.csv"},
            "datasets:train:sampler:scores: score table absent.csv does not exist.\n"
            "Make them: iqa-sr score ROOT --metric niqe --output absent.csv",
        ),
        ({"type": "softmax-all", "metric": "niqe"}, "datasets:train:sampler:scores: this key is required and missing"),
    ],
)
def test_wrong_options_are_named(section, text):
    with pytest.raises(OptionError) as error:
        build_sampler(section)
    assert text in str(error.value)
    assert len(str(error.value).splitlines()) <= 5


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"temperature": 0}, "sampler:temperature: input should be greater than 0, got 0"),
        ({"temperature": math.inf}, "sampler:temperature: input should be a finite number, got inf"),
        ({"temperatur": 1}, "sampler:temperatur: unknown key; did you mean temperature or metric?"),
        ({"normalize": 3}, "sampler:normalize: input should be a valid boolean"),
        ({"metric": "musik"}, "scores.csv: the score table has no metric 'musik'; did you mean musiq?"),
    ],
)
def test_wrong_softmax_options_are_named(scores, options, text):
    with pytest.raises(OptionError) as error:
        softmax(scores, **options)
    assert text in str(error.value)
    assert len(str(error.value).splitlines()) <= 5


def test_a_damaged_table_is_named(scores):
    scores.write_text(scores.read_text() + ",x,,niqe,much\n")
    with pytest.raises(
        OptionError,
        match=r"^datasets:train:sampler:scores: [^:]*scores\.csv, line 14: the score must be a number, got 'much'",
    ):
        softmax(scores)
