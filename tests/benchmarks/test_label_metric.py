"""What the benchmark of one's own taste simulates: tastes, the noise of a rater, answers, and the accuracy."""

import sys
from itertools import combinations

import numpy as np
import pytest

from iqa_sr.data.preferences.csv_pairs import read_answer_table
from tests import ROOT
from tests.helpers.mos_datasets import textured
from tests.helpers.sr_datasets import save


@pytest.fixture
def benchmark(monkeypatch):
    """The module `label_metric`."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import label_metric

    yield label_metric
    sys.modules.pop("label_metric", None)


def test_raters_answer_by_their_taste(benchmark, tmp_path):
    """Of two photographs with all versions: what each taste likes and how often the answers are right."""
    for seed in range(2):
        save(tmp_path / "photographs" / f"p{seed}.png", textured(seed, 168))
    data = tmp_path / "data"
    contents = benchmark.write_versions(tmp_path / "photographs", data)
    assert contents == ["p0", "p1"]
    hidden = {name: benchmark.values_of(data, contents, benchmark.TASTES[name]) for name in ("smooth", "sharp")}
    for content in contents:
        smooth, sharp = hidden["smooth"][content], hidden["sharp"][content]
        assert smooth["blurred-more"] > smooth["original"] > smooth["noisy-more"]
        assert sharp["sharpened-more"] > sharp["original"] > sharp["blurred-more"]
    draw, file = np.random.default_rng(1), data / "pairs.csv"
    benchmark.write_answers(file, contents, hidden["sharp"], 400, 0.9, draw)
    answers = read_answer_table(file)
    assert len(answers) == 400 and {answer.crop for answer in answers} == {(4, 4, 160, 160)}
    right = []
    for answer in answers:
        first, second = (hidden["sharp"][answer.content][key.partition("/")[0]] for key in answer[1:3])
        right.append((first > second) == (answer.preference == 1))
    assert 0.86 <= np.mean(right) <= 0.94
    assert benchmark.accuracy(hidden["sharp"], hidden["sharp"], contents) == 1
    turned = {name: {version: -value for version, value in of.items()} for name, of in hidden["sharp"].items()}
    assert benchmark.accuracy(hidden["sharp"], turned, contents) == 0


def test_the_noise_makes_the_share_of_right_answers(benchmark):
    draw = np.random.default_rng(2)
    leads = [abs(one - other) for one, other in combinations(draw.normal(size=12), 2)]
    noise = benchmark.noise_for(0.8, leads)
    right = np.array(leads) + noise * draw.normal(size=(4000, len(leads))) > 0
    assert np.mean(right) == pytest.approx(0.8, abs=0.01)
    assert benchmark.noise_for(0.9, [0.0, 0.0]) > 0
