"""Tables with a line for each answer: pairs of several raters and repeats, known pairs, and what raters are worth."""

from pathlib import Path

import pytest

from iqa_sr.data.preferences.answers import PairAnswer, joined_pairs, reliabilities
from iqa_sr.data.preferences.csv_pairs import read_answer_table
from iqa_sr.data.preferences.layouts import read_human_labels
from iqa_sr.data.problems import DataError
from iqa_sr.data.splits import held_out_contents
from tests.helpers.pair_tables import line, write_lines

LINES = [
    line("a.png", "b.png", 1, folder=False),
    line("c.png", "d.png", 0.5, folder=False, content="c1"),
    line("b.png", "a.png", 1, kind="repeat", folder=False),  # ann contradicts herself
    line("b.png", "a.png", 0, "ben", folder=False, crop="4 8 16 24"),
    line("e.png", "f.png", 1, kind="known", folder=False, content="c2"),
    line("e.png", "f.png", 1, "ben", kind="known", folder=False, content="c2"),
]


def test_lines_of_the_same_images_are_one_pair(tmp_path):
    write_lines(tmp_path / "pairs.csv", LINES)
    labeled = read_human_labels("pairs-csv", tmp_path)
    shown = [(pair.first, pair.second, pair.share, pair.preferred, pair.groups, pair.content) for pair in labeled.pairs]
    assert shown == [
        ("a.png", "b.png", 0.75, 1, ("asked", "All"), "c0"),  # ann's answers are averaged before ben's is added
        ("c.png", "d.png", 0.5, 0.5, ("asked", "All"), "c1"),
        ("e.png", "f.png", 1, 1, ("known", "All"), "c2"),
    ]


def test_each_answer_can_be_had_and_the_pair_knows_its_place(tmp_path):
    answers = read_answer_table(write_lines(tmp_path / "pairs.csv", LINES))
    assert [(one.rater, one.kind, one.preference) for one in answers[:4]] == [
        ("ann", "asked", 1),
        ("ann", "asked", 0.5),
        ("ann", "repeat", 1),
        ("ben", "asked", 0),
    ]
    pair = joined_pairs(answers)[0]
    assert [one.preference for one in pair.answers] == [1, 0, 1] and pair.crop == (4, 8, 16, 24)
    assert pair.weighed({"ann": 1, "ben": 0.5}) == (0.6, 2.5)
    assert pair.weighed({"ann": 1, "ben": 0}) == (0.5, 2) and pair.weighed({"ann": 0, "ben": 0}) == (0.5, 0)


def test_answers_all_of_one_mind_do_not_say_how_many_would_be(tmp_path):
    write_lines(tmp_path / "pairs.csv", [LINES[0], LINES[1]])
    assert [pair.share for pair in read_human_labels("pairs-csv", tmp_path).pairs] == [None, None]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line("a", "b", 1, "")], "1 answers without a rater\n.*pair 1: expected a name in the column rater"),
        ([line("a", "b", 1, crop="0 0 16")], "1 crops that cannot be understood\n.*top, left, height and width in px"),
        ([line("a", "b", 1, crop="0 -1 16 16")], "crops that cannot be understood\n.*got '0 -1 16 16'"),
        ([line("a", "b", 1, crop="0 0 0 16")], "crops that cannot be understood"),
        (
            [line("a", "b", 1, folder=False), line("b", "a", 1, content="c1", folder=False)],
            "1 pairs of two contents\n.*pair 2: b and a are of content c1 here and of c0 in pair 1",
        ),
    ],
)
def test_damaged_answers_are_refused(lines, message, tmp_path):
    write_lines(tmp_path / "pairs.csv", lines)
    with pytest.raises(DataError, match=message):
        read_human_labels("pairs-csv", tmp_path)


def test_a_double_pair_without_raters_is_told_of_the_column(tmp_path):
    Path(tmp_path / "pairs.csv").write_text("first,second,preference\na.png,b.png,1\nb.png,a.png,0\n")
    with pytest.raises(DataError, match="are pair 1 already; add up their votes, or name each rater in a column rater"):
        read_human_labels("pairs-csv", tmp_path)


def test_raters_are_weighted_by_their_known_pairs():
    def known(rater, *preferences):
        return [PairAnswer("c", "a", "b", one, "known", rater) for one in preferences]

    answers = [PairAnswer("c", "a", "b", 0, "asked", "new"), *known("good", 1, 1, 1), *known("coin", 1, 0, 0, 0.5)]
    found = reliabilities([*answers, *known("most", 1, 1, 0, 1)])
    assert found == pytest.approx({"new": 1, "good": 1, "coin": 0, "most": 0.6})


def test_held_out_contents_depend_on_names_and_seed_alone():
    names = [f"c{number}" for number in range(20)]
    found = held_out_contents(names, 1, 0.25)
    assert len(found) == 5 and found == held_out_contents([*names[::-1], *names], 1, 0.25)
    assert found != held_out_contents(names, 2, 0.25)
    sizes = {count: len(held_out_contents(names[:count], 1, 0.2, fewest=5)) for count in (2, 3, 8, 10, 20)}
    assert sizes == {2: 1, 3: 1, 8: 4, 10: 5, 20: 5}
    assert len(held_out_contents(names[:2], 1, 0.99)) == 1
    with pytest.raises(ValueError, match="1 contents cannot be split, at least 2 are needed"):
        held_out_contents(["c"], 1, 0.2)
