"""Answers of people to scores of versions: repeats, known pairs, raters' weights, folders of the logs."""

from pathlib import Path

import numpy as np
import pytest

from iqa_sr.data.answers.comparisons import known_pairs_right, rater_weight, raters_comparisons
from iqa_sr.data.answers.people import answer_logs, people_scores
from iqa_sr.data.answers.records import Answer
from tests.helpers.answers import question, write_log, write_opinions

ASKED = ("a", "b", "set/p0", "asked")
KNOWN = ("a", "", "set/p0", "known")


def images(folder, versions, contents):
    return {folder / f"images/{version}/{content}.png": version for version in versions for content in contents}


def test_repeats_are_averaged_whichever_image_is_first(tmp_path):
    answered = [(*ASKED, "first"), ("b", "a", "set/p0", "repeat", "first"), (*ASKED[:3], "repeat", "first")]
    answered += [(*ASKED, "skip"), (*KNOWN, "first"), ("a", "b", "set/p1", "asked", "same")]
    repeated, other = raters_comparisons(write_log(tmp_path, "ann", answered).answers)
    assert (repeated.question.number, repeated.share, repeated.answers) == (1, pytest.approx(2 / 3), 3)
    assert (other.question.content, other.share, other.answers) == ("set/p1", 0.5, 1)


@pytest.mark.parametrize(
    ("choices", "right", "weight"),
    [
        ([], (0, 0), 1),
        (["first"] * 9, (9, 9), 1),
        (["first", "second", "skip"], (1, 2), 1 / 3),
        (["first"] * 8 + ["second", "same"], (8.5, 10), 2 * 9.5 / 11 - 1),
        (["second"] * 5, (0, 5), 0),
    ],
)
def test_a_rater_counts_by_what_they_got_right(tmp_path, choices, right, weight):
    log = write_log(tmp_path, "ann", [(*ASKED, "second"), *((*KNOWN, choice) for choice in choices)])
    assert known_pairs_right(log.answers) == pytest.approx(right)
    assert rater_weight([log]) == pytest.approx(weight)


def test_scores_are_of_what_was_compared_and_known_pairs_do_not_count(tmp_path):
    contents = [f"set/p{number}" for number in range(10)]
    write_opinions(tmp_path, "ann", {"a": 0.0, "b": 1.5, "original": 3.0}, 120, contents)
    write_log(tmp_path, "ben", [("a", "c", "elsewhere/x", "asked", "first"), (*KNOWN, "first")])
    found = people_scores(answer_logs([tmp_path]), images(tmp_path, ["a", "b", "c", "original"], contents))
    assert found.versions == ("a", "b", "original") and found.contents == 10
    assert found.answers == 120 and found.weights == {"ann": 1.0}
    assert found.fit.scores[0] < found.fit.scores[1] < found.fit.scores[2]
    assert found.chances(["a", "b", "c"]) == {"a": pytest.approx(0, abs=0.05), "b": pytest.approx(1, abs=0.05)}


def test_a_rater_who_guesses_changes_nothing(tmp_path):
    contents = [f"set/p{number}" for number in range(5)]
    write_opinions(tmp_path, "ann", {"a": 0.0, "b": 1.0}, 10, contents)
    shown = images(tmp_path, "ab", contents)
    alone = people_scores(answer_logs([tmp_path]), shown)
    wrong = [("a", "b", content, "asked", "first") for content in contents]
    write_log(tmp_path, "ben", [*wrong, *((*KNOWN, "second") for _ in range(4))])
    both = people_scores(answer_logs([tmp_path]), shown)
    assert both.weights == {"ann": 1.0, "ben": 0.0} and both.fit.scores == pytest.approx(alone.fit.scores)


def test_answers_about_several_folders_lie_in_the_one_that_holds_them(tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "deep" / "two"
    log = write_log(tmp_path, "ann", [])
    asked = [("one/images/a/set/p0.png", "deep/two/images/b/set/p0.png", choice) for choice in ("first", "first")]
    for number, (first, second, choice) in enumerate(asked, start=1):
        keys = {"first": first, "second": second}
        log.append(
            Answer(question=question(number, "a", "b").model_copy(update=keys), choice=choice, seconds=1, time="now")
        )
    shown = {one / "images/a/set/p0.png": "one/a", two / "images/b/set/p0.png": "two/b"}
    monkeypatch.chdir(tmp_path)
    found = people_scores(answer_logs([Path("one"), Path("deep/two")]), shown)
    assert found.versions == ("one/a", "two/b") and found.answers == 2 and found.contents == 1
    assert np.isnan(found.fit.intervals).all() and np.isnan(list(found.chances(found.versions).values())).all()


def test_versions_that_were_never_compared_are_in_groups_of_their_own(tmp_path):
    write_log(tmp_path, "ann", [(*ASKED, "first"), ("c", "d", "set/p0", "asked", "second")])
    found = people_scores(answer_logs([tmp_path]), images(tmp_path, "abcd", ["set/p0"]))
    assert found.groups[0] == found.groups[1] != found.groups[2] == found.groups[3]


def test_nobody_was_asked(tmp_path):
    assert answer_logs([tmp_path]) == [] and people_scores([], {}) is None
    write_log(tmp_path, "ann", [(*ASKED, "skip"), (*KNOWN, "first")])
    assert people_scores(answer_logs([tmp_path]), images(tmp_path, "ab", ["set/p0"])) is None
