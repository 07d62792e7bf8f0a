"""Which question comes next: every pair once, known pairs and repeats at their places, the same after a restart."""

from collections import Counter

import pytest

from iqa_sr.data.answers.records import Answer, Question
from iqa_sr.labeling.collection import Collection, Content
from iqa_sr.labeling.questions import APART, BLOCK, Questions


def collection(contents=12, versions=("a", "b", "c"), mode="pairs"):
    original = versions[0] if mode == "groups" else None
    made = [
        Content(f"p{number:02}", {version: f"{version}/p{number:02}.png" for version in versions}, (64, 64))
        for number in range(contents)
    ]
    return Collection("root", mode, tuple(made), tuple(versions), {}, original)


def to_question(draft):
    first, second = draft.pair
    return Question(
        number=draft.number,
        purpose=draft.purpose,
        content=draft.content.name,
        first=draft.content.versions[first],
        second=draft.content.versions.get(second, f"known/{draft.content.name}{first}"),
        first_version=first,
        second_version=second,
        left=draft.left,
        crop=(0, 0, 64, 64),
    )


def to_answer(draft, choice="first"):
    return Answer(question=to_question(draft), choice=choice, seconds=1, time="")


def all_answers(questions, choose=lambda draft: "first", most=10_000):
    answers = []
    while len(answers) < most and (draft := questions.next(answers)) is not None:
        answers.append(to_answer(draft, choose(draft)))
    return answers


def asked_pairs(answers):
    found = (one.question for one in answers if one.question.purpose == "asked")
    return [(question.content, question.first_version, question.second_version) for question in found]


@pytest.mark.parametrize("mode", ["pairs", "groups"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_pair_is_asked_once_with_known_pairs_and_repeats_between(mode, seed):
    questions = Questions(collection(mode=mode), "random", seed)
    answers = all_answers(questions)
    pairs = asked_pairs(answers)
    assert len(pairs) == len(set(pairs)) == questions.available == (36 if mode == "pairs" else 24)
    assert questions.planned(None) == len(answers) and questions.planned(7) == 7
    purposes = [one.question.purpose for one in answers]
    for start in range(0, len(answers) - BLOCK, BLOCK):
        counts = Counter(purposes[start : start + BLOCK])
        assert counts["known"] == 1 and counts["repeat"] == (1 if start else counts["repeat"]) <= 1
    assert len({purposes[start : start + BLOCK].index("known") for start in range(0, len(answers) - BLOCK, BLOCK)}) > 1


def test_a_repeat_comes_late_once_and_with_its_sides_swapped():
    answers = all_answers(Questions(collection(30), "random", 4))
    repeated = []
    for answer in (one for one in answers if one.question.purpose == "repeat"):
        (before,) = [one for one in answers if one.question.images == answer.question.images and one is not answer]
        assert before.question.purpose == "asked" and answer.question.number - before.question.number >= APART
        assert before.question.left != answer.question.left
        repeated.append(answer.question.images)
    assert len(repeated) == len(set(repeated)) >= 9


def test_what_was_skipped_is_neither_asked_again_nor_repeated():
    questions = Questions(collection(), "random", 0)
    answers = all_answers(questions, lambda draft: "skip" if draft.content.name < "p06" else "same")
    assert len(asked_pairs(answers)) == questions.available
    assert all(one.question.content >= "p06" for one in answers if one.question.purpose == "repeat")
    assert "repeat" not in {one.question.purpose for one in all_answers(questions, lambda draft: "skip")}


@pytest.mark.parametrize("order", ["active", "random"])
def test_the_next_question_depends_on_the_answers_alone(order):
    answers = all_answers(Questions(collection(), order, 3), most=25)
    for end in range(25):
        assert to_question(Questions(collection(), order, 3).next(answers[:end])) == answers[end].question
    other = all_answers(Questions(collection(), order, 4), most=25)
    assert [one.question for one in other] != [one.question for one in answers]


def test_sides_are_random_but_those_of_groups():
    sides = Counter(one.question.left for one in all_answers(Questions(collection(60), "random", 0)))
    assert 0.35 < sides["first"] / sides.total() < 0.65
    answers = all_answers(Questions(collection(60, mode="groups"), "random", 0))
    assert {one.question.left for one in answers if one.question.purpose != "known"} == {"first"}
    assert {one.question.left for one in answers if one.question.purpose == "known"} == {"first", "second"}


def test_groups_come_one_after_the_other():
    answers = all_answers(Questions(collection(9, ("original", "01", "02", "03"), "groups"), "random", 0))
    names = [name for name, *_ in asked_pairs(answers)]
    assert names[::3] == names[1::3] == names[2::3] and names[::3] != sorted(names[::3])
    firsts = {tuple(first for _, first, _ in asked_pairs(answers)[start : start + 3]) for start in range(0, 27, 3)}
    assert len(firsts) > 2  # the versions in an order of their own in each


def test_a_random_session_goes_on_where_it_was_when_contents_are_added():
    answers = all_answers(Questions(collection(10), "random", 0), most=15)
    rest = all_answers(Questions(collection(10), "random", 0))[15:]
    grown = Questions(collection(14), "random", 0)
    while (draft := grown.next(answers)) is not None:
        answers.append(to_answer(draft))
    pairs = asked_pairs(answers)
    assert len(pairs) == len(set(pairs)) == 42
    old = [pair for pair in pairs[15:] if pair[0] < "p10"]
    assert old == [pair for pair in asked_pairs(rest) if pair in old]  # in the same order


def test_active_order_asks_about_versions_that_are_next_to_each_other():
    versions = tuple("abcdef")  # each is always preferred to those before it

    def choose(draft):
        return "first" if draft.purpose == "known" or draft.pair[0] > draft.pair[1] else "second"

    answers = all_answers(Questions(collection(40, versions), "active", 0), choose, most=120)
    pairs = asked_pairs(answers)
    assert len(pairs) == len(set(pairs))
    close = sum(ord(second) - ord(first) == 1 for _, first, second in pairs)
    assert close > 0.8 * len(pairs)  # of all pairs a third is
    contents = Counter(name for name, *_ in pairs)
    assert max(contents.values()) - min(contents.values()) <= 2  # those least asked come first
    random = asked_pairs(all_answers(Questions(collection(40, versions), "random", 0), choose, most=120))
    assert sum(ord(second) - ord(first) == 1 for _, first, second in random) < 0.5 * len(random)


def test_active_order_ends_when_every_pair_was_asked_for():
    questions = Questions(collection(5), "active", 0)
    answers = all_answers(questions)
    assert len(set(asked_pairs(answers))) == questions.available == 15
