"""`iqa-sr agree` on a table of pairs: votes, preferences, contents, damaged tables."""

from pathlib import Path

import pytest

from iqa_sr.data.preferences.layouts import LabelOptions, read_human_labels
from iqa_sr.data.preferences.records import joined_contents
from tests.helpers.agreement import agree, numbers, write_pairs
from tests.helpers.pair_tables import line, write_lines
from tests.helpers.preference_datasets import table_of, write_table

pytestmark = pytest.mark.usefixtures("working_folder")

VOTES = """left,right,votes_left,votes_right,votes_equal,kind,split
a.png,b.png,3,1,0,bright,train
b.png,c.png,1,2,1,bright,test
d.png,e.png,2,2,0,dark,test
f.png,g.png,0,1,2,dark,test
"""


def test_pairs_by_votes(capsys):
    """Two pairs share an image and are one content; the metric is right, wrong, and has equal scores for the last."""
    write_pairs(VOTES)
    labeled = read_human_labels("pairs-csv", Path("data"))
    assert [pair.preferred for pair in labeled.pairs] == [1, 0, 0.5, 0]
    assert [pair.share for pair in labeled.pairs] == [0.75, 0.375, 0.5, 1 / 3]
    assert [pair.content for pair in labeled.pairs] == ["a.png", "a.png", "d.png", "f.png"]
    scores = dict(zip([f"{name}.png" for name in "abcdefg"], (1, 2, 3, 4, 5, 6, 6), strict=True))
    assert agree("pairs-csv", "--scores", write_table("t.csv", table_of("less", scores, higher_is_better=False))) == 0
    assert numbers() == {
        ("less", "bright"): (0.5, 2, "0"),
        ("less", "dark"): (0, 1, "1"),
        ("less", "All"): (round(1 / 3, 6), 3, "1"),
        ("one observer's vote", "bright"): (round((0.75 + 0.625) / 2, 6), 2, "0"),
        ("one observer's vote", "dark"): (round(2 / 3, 6), 1, "1"),
        ("one observer's vote", "All"): (round((0.75 + 0.625 + 2 / 3) / 3, 6), 3, "1"),
    }
    shown = capsys.readouterr().out
    assert "less has equal scores or none for 1 pairs of All, which is no choice" in shown
    assert len(read_human_labels("pairs-csv", Path("data"), LabelOptions(part="test")).pairs) == 3
    assert agree("pairs-csv", "--ties", "count") == 0
    assert numbers()["less", "All"][1] == 4 and numbers()["one observer's vote", "All"][1] == 3  # a tie has no majority


def test_pairs_by_preference_with_references():
    write_pairs(",first,second,preference,reference,content\n0,./a.png,b.png,0.5,c.png,one\n1,d.png,e.png,0.51,,\n")
    labeled = read_human_labels("pairs-csv", Path("data"))
    assert [(pair.first, pair.preferred, pair.content) for pair in labeled.pairs] == [
        ("a.png", 0.5, "one"),
        ("d.png", 1, "d.png"),
    ]
    assert labeled.references == {"a.png": "c.png", "b.png": "c.png"}


def test_a_table_with_a_line_for_each_answer():
    """Of a and b two raters and a repeat, of c and d nobody prefers one, e and f are known."""
    write_pairs("")
    asked = [("a", "b", 1, "ann"), ("b", "a", 1, "ann"), ("b", "a", 0, "ben"), ("c", "d", 0.5, "ann")]
    lines = [line(f"{one}.png", f"{other}.png", *rest, content="", folder=False) for one, other, *rest in asked]
    write_lines("data/pairs.csv", [*lines, line("e.png", "f.png", 1, kind="known", content="", folder=False)])
    scores = {f"{name}.png": score for name, score in zip("abcdef", (2, 1, 5, 5, 1, 2), strict=True)}
    assert agree("pairs-csv", "--scores", write_table("t.csv", table_of("own", scores, higher_is_better=True))) == 0
    found = {key: value for key, value in numbers().items() if key[0] == "own"}
    assert found == {("own", "asked"): (1, 1, "1"), ("own", "known"): (0, 1, "0"), ("own", "All"): (0.5, 2, "1")}


def test_pairs_that_share_an_image_are_one_content():
    found = joined_contents([("a", "b"), ("c", "d"), ("e", "f"), ("d", "b"), ("g", "h"), ("h", "e")])
    assert found[0] == found[1] == found[3] and found[2] == found[4] == found[5] != found[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "first,second,preference\na.png,b.png,1.2\nc.png,d.png,\n",
            "2 labels out of range\n.*from 0 to 1, the share of observers who prefer the first, got '1.2'",
        ),
        (
            "first,second,preference\na.png,b.png,1\nb.png,a.png,0\n",
            "1 double pairs\n.*pair 2: b.png and a.png are pair 1",
        ),
        ("first,second,preference\na.png,a.png,1\n,b.png,0\n", "2 pairs without two images"),
        ("first,second,votes_first,votes_second\na.png,b.png,0,0\nc.png,d.png,-1,3\n", "2 labels out of range"),
        ("first,second,preference,split\na.png,b.png,1,testing\n", "1 unknown splits"),
        (
            "first,second,preference,reference\na.png,b.png,1,f.png\nb.png,c.png,1,g.png\n",
            "1 images with two references\n.*b.png is compared with g.png here and with f.png above",
        ),
        ("first,second,preference\n", "1 empty file"),
        ("first,second,winner\na.png,b.png,1\n", "unknown column 'winner'; valid: "),
        ("first,second\na.png,b.png\n", "expected the columns first, second, and preference or votes_first and votes"),
        ("first,left,second,preference\na.png,a.png,b.png,1\n", "more than one column says first"),
        (
            "first,second,preference\na.png,b.png,1\nc.png,d.png,1,0\n",
            "pair 2 has more cells than there are columns: 0",
        ),
    ],
)
def test_damaged_tables_of_pairs_are_refused_with_counts(text, message):
    write_pairs(text)
    with pytest.raises(ValueError, match=message) as error:
        read_human_labels("pairs-csv", Path("data"))
    assert len(str(error.value).splitlines()) <= 5
