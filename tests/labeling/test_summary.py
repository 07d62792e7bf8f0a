"""What answers are worth: counts by hand, agreement, scores of raters with a hidden taste."""

import math

import numpy as np
import pytest

from iqa_sr.data.answers.log import AnswerLog
from iqa_sr.data.answers.records import Answer, Question, SessionFacts
from iqa_sr.labeling.summary import summary_lines, worth_so_far
from iqa_sr.labeling.worth import (
    Reliability,
    Until,
    agreement_between,
    reliability,
    width_so_far,
)


def answer(number, choice, first="a", second="b", content=None, purpose="asked", seconds=2.0):
    content = content or f"p{number}"
    question = Question(
        number=max(number, 1),
        purpose=purpose,
        content=content,
        first=f"{first}/{content}.png",
        second=f"{second or 'known'}/{content}.png",
        first_version=first,
        second_version=second,
        crop=(0, 0, 8, 8),
    )
    return Answer(question=question, choice=choice, seconds=seconds, time="2026-01-31T12:00:00Z")


def write_log(root, rater, answers, mode="pairs"):
    log = AnswerLog(root / "labels" / rater / "answers.jsonl")
    log.begin(SessionFacts(rater=rater, mode=mode, order="random", seed=0, digest=""))
    for number, one in enumerate(answers, start=1):
        question = one.question.model_copy(update={"number": number})
        log.append(one.model_copy(update={"question": question}))


def simulated(count, seed=0, versions=("a", "b", "c"), worth=(0.0, 1.0, 2.0)):
    """Answers of a rater whose taste is a Bradley-Terry model's."""
    generator = np.random.default_rng(seed)
    answers = []
    for number in range(1, count + 1):
        one, other = sorted(generator.choice(len(versions), 2, replace=False))
        chance = 1 / (1 + math.exp(worth[other] - worth[one]))
        choice = "first" if generator.random() < chance else "second"
        answers.append(answer(number, choice, versions[one], versions[other]))
    return answers


def test_what_tells_how_far_a_rater_can_be_trusted():
    answers = [
        answer(1, "first", seconds=0.3),
        answer(2, "skip", seconds=0.1),
        answer(3, "first", second="", purpose="known"),
        answer(4, "same", second="", purpose="known", seconds=0.5),
        answer(5, "second", second="", purpose="known"),
        answer(6, "same"),
        answer(7, "first", content="p1", purpose="repeat", seconds=0.49),
        answer(8, "second", content="p6", purpose="repeat"),
        answer(9, "skip", content="p6", purpose="repeat"),
    ]
    found = reliability(answers)
    assert found == Reliability(answers=7, skipped=2, known=3, right=1, repeats=2, same=1, hasty=2)


def test_agreement_is_of_pairs_that_two_raters_answered_whichever_image_was_first():
    ann = [answer(1, "first"), answer(2, "second"), answer(3, "same"), answer(4, "first"), answer(5, "skip")]
    ben = [
        answer(1, "second", "b", "a"),
        answer(2, "second"),
        answer(3, "same"),
        answer(5, "first"),
        answer(6, "first"),
    ]
    ben.append(answer(2, "first", purpose="repeat", content="p2"))  # of a repeated pair the first answer counts
    alpha, shared = agreement_between([ann, ben])
    assert (alpha, shared) == (pytest.approx(1), 3)
    opposite = [answer(1, "second"), answer(2, "first"), answer(3, "same")]
    assert agreement_between([ann, opposite])[0] < -0.3
    alpha, shared = agreement_between([ann, [answer(9, "first")]])
    assert math.isnan(alpha) and shared == 0


def test_intervals_shrink_as_those_of_the_bootstrap_do(tmp_path):
    widths = [width_so_far(simulated(count)) for count in (50, 200, 600)]
    assert [told for _, told in widths] == [50, 200, 600]
    assert widths[0] > widths[1] > widths[2]
    write_log(tmp_path, "ann", simulated(600))
    lines = summary_lines(tmp_path)
    fit = float(next(line for line in lines if line.startswith("intervals are")).split()[2])
    assert 0.7 < widths[2][0] / fit < 1.2
    scores = {line.split()[0]: float(line.split()[1]) for line in lines[4:7]}
    assert np.abs(np.array([scores[name] for name in "abc"]) - [-1, 0, 1]).max() < 0.3
    assert math.isnan(width_so_far([answer(1, "skip")])[0])


def test_a_summary_has_every_rater_and_every_version(tmp_path):
    known = [
        answer(0, "first", second="", content="k", purpose="known"),
        answer(0, "first", content="p1", purpose="repeat"),
    ]
    write_log(tmp_path, "ann", [*simulated(60), *known])
    write_log(tmp_path, "ben", simulated(60, seed=1)[:30])
    (tmp_path / "labels" / "nobody").mkdir()
    lines = summary_lines(tmp_path)
    assert lines[0].split("  ")[0].strip() == "rater" and "known pairs right" in lines[0]
    assert lines[1].startswith("ann") and "1 of 1 (100%)" in lines[1] and lines[2].startswith("ben")
    assert lines[3].startswith("agreement between raters: ") and "Krippendorff's alpha" in lines[3]
    assert [line.split()[0] for line in lines[6:9]] == ["c", "b", "a"]  # the best first
    assert lines[9].endswith("answers count ann 1.00, ben 1.00")
    assert "more answers make them 0.5" in lines[10]
    assert "as wanted" in summary_lines(tmp_path, width=50)[10]


def test_a_summary_of_groups_counts_labels(tmp_path):
    choices = ["first", "first", "second", "same", "skip"]
    answers = [answer(n, choice, "01", "original") for n, choice in enumerate(choices, start=1)]
    write_log(tmp_path, "ann", [*answers, answer(6, "first", "02", "original")], mode="groups")
    lines = summary_lines(tmp_path)
    assert lines[-3].split() == ["version", "positive", "similar", "negative", "skipped"]
    assert lines[-2].split() == ["01", "2", "1", "1", "1"] and lines[-1].split() == ["02", "1", "0", "0", "0"]
    assert not any("Bradley-Terry" in line for line in lines)


def test_few_answers_are_told_without_numbers_that_are_not_there(tmp_path):
    write_log(tmp_path, "ann", [answer(1, "first")])
    lines = summary_lines(tmp_path)
    assert "intervals: unknown, answers about two contents at least are needed" in lines
    assert not any("nan" in line for line in lines)
    write_log(tmp_path, "ben", [answer(1, "skip")])
    assert "agreement between raters: unknown, no pair was answered by two of them" in summary_lines(tmp_path)
    write_log(tmp_path, "cy", [answer(1, "first")])
    assert "agreement between raters: unknown, all their answers are the same" in summary_lines(tmp_path)


def test_raters_who_do_not_look_count_nothing(tmp_path):
    wrong = [answer(n, "second", second="", purpose="known", content=f"k{n}") for n in (1, 2, 3)]
    write_log(tmp_path, "ann", [*simulated(20), *wrong])
    assert "the answers of ann count nothing: of their known pairs half are wrong" in summary_lines(tmp_path)
    write_log(tmp_path, "ben", simulated(20))
    assert any(line.endswith("answers count ann 0.00, ben 1.00") for line in summary_lines(tmp_path))


def test_nothing_to_sum_up(tmp_path):
    with pytest.raises(FileNotFoundError, match="there are no answers yet .* `iqa-sr label SOURCE --rater NAME`"):
        summary_lines(tmp_path)
    write_log(tmp_path, "ann", [])
    with pytest.raises(FileNotFoundError, match="there are no answers yet"):
        summary_lines(tmp_path)
    with pytest.raises(ValueError, match="`width`: expected a number of logits above 0, got 0"):
        summary_lines(tmp_path, width=0)


def test_the_line_on_the_page_names_no_version_and_does_not_give_known_pairs_away():
    answers = simulated(19, versions=("secret", "hidden", "covert"))
    known = answer(20, "same", "secret", "", purpose="known")
    assert worth_so_far("pairs", answers[:9]) == ""
    line = worth_so_far("pairs", answers)
    assert line == worth_so_far("pairs", answers[:10]) and line.startswith("first 10 answers: intervals of ")
    line = worth_so_far("pairs", [*answers, known])
    assert line.startswith("first 20 answers: 0 of 1 known pairs right; intervals of ")
    assert not any(name in line for name in ("secret", "hidden", "covert"))
    until = Until(("secret", "hidden"), 0.95)
    assert worth_so_far("checkpoints", answers, until).startswith("first 10 answers: ")
    assert worth_so_far("groups", [*answers, known]) == "first 20 answers: 0 of 1 known pairs right"


def test_the_sequential_test_counts_each_pair_once_whichever_version_is_first():
    until = Until(("b", "a"), 0.95)
    answers = [answer(n, "second") for n in range(1, 13)]
    answers += [
        answer(13, "first", "b", "a"),
        answer(14, "first", "a", "c"),
        answer(15, "first", second="", purpose="known"),
    ]
    answers += [answer(16, "first", content="p1", purpose="repeat"), answer(17, "skip")]
    test = until.test(answers)
    assert (test.answers, test.mean, test.decision) == (13, 1.0, "first better")
    assert Until(("a", "b"), 0.95).test(answers).decision == "second better"
    assert until.test(answers[:2]).decision == "undecided"


def test_a_summary_tells_what_a_sequential_test_found(tmp_path):
    write_log(tmp_path, "ann", [answer(n, "second") for n in range(1, 16)], mode="checkpoints")
    lines = summary_lines(tmp_path, until=Until(("a", "b"), 0.95))
    assert lines[-1].startswith("ann: b is better than a: a is preferred in 0% of 15 answers (95% sequence 0% to ")
    assert summary_lines(tmp_path, until=Until(("a", "z"), 0.95))[-1] == "a and z were not compared yet"
