"""The benchmark of labels: its parts are found, and the part of active order measures what it says."""

import json
import sys

import numpy as np
import pytest

from tests import ROOT


@pytest.fixture
def active(monkeypatch):
    """The module `label_active`, which the benchmark finds beside it."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import label_active

    yield label_active
    sys.modules.pop("label_active", None)


@pytest.mark.parametrize("hidden", ["even", "normal"])
def test_raters_are_as_reliable_as_asked(active, hidden):
    rater = active.simulated_rater(hidden, 6, 30, 0.85, seed=1)
    chances, quality = rater.chances(), rater.hidden.mean(axis=0)
    right = np.where(quality[:, None] > quality, chances, 1 - chances)[np.triu_indices(6, 1)]
    assert right.mean() == pytest.approx(0.85, abs=0.01)


def test_the_answers_for_a_width_are_those_after_which_it_stays_below(active):
    curve = np.array([3.0, 2.0, 2.5, 1.5, 1.0])  # after 10, 20, ... answers
    assert active.first_at_most(curve, 2.0) == pytest.approx(35)
    assert active.first_at_most(curve, 4.0) == 10 and np.isnan(active.first_at_most(curve, 0.5))


def test_no_order_saves_where_all_pairs_tell_the_same_and_much_where_most_are_clear(active):
    same = active.Rater(np.zeros((5, 4)), seed=0)
    spread = active.Rater(np.tile(np.linspace(-4, 4, 6), (5, 1)), seed=0)
    assert active.at_best(same, 100) == pytest.approx(100, rel=0.01) and active.at_best(spread, 100) < 70


def test_active_order_asks_what_is_near_and_no_question_twice(active, monkeypatch):
    asked = []
    fit = active.bradley_terry
    monkeypatch.setattr(active, "bradley_terry", lambda *args, **more: asked.append(args) or fit(*args, **more))
    rater = active.simulated_rater("even", 5, 12, 0.9, seed=0)
    near = {}
    for order in ("random", "active"):
        course = active.session(rater, order, 60)
        _, first, second, _, content = asked[-1]
        assert len({*zip(first, second, content, strict=True)}) == 60 and len(course.widths) == 6
        place = rater.hidden.mean(axis=0).argsort().argsort()
        near[order] = np.mean(np.abs(place[first] - place[second]) == 1)
    assert near["active"] > near["random"] + 0.1


def test_the_script_finds_its_parts_and_writes_what_they_find(active, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("iqa_sr.runtime.threads.prepare_cpu_threads", lambda: None)
    import labels

    sys.modules.pop("labels")
    file = tmp_path / "found.json"
    small = ["--reliability", "0.9", "--versions", "4", "--contents", "6", "--answers", "30", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", ["labels.py", "--part", "active", "--json", str(file), *small])
    labels.main()
    assert set(json.loads(file.read_text())["active"]["0.9"]) >= {"width", "error", "for_width", "for_error", "at_best"}
    assert "random order, 30 answers" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["labels.py", "--part", "none"])
    with pytest.raises(SystemExit):
        labels.main()
    error = capsys.readouterr().err
    assert "invalid choice: 'none'" in error and "active" in error
