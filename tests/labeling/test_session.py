"""A rater's session: nothing is lost, nothing is asked twice, nothing mixes; what is made of the answers."""

import contextlib
import json
import multiprocessing
import os
import shutil
import threading
import time

import cv2
import numpy as np
import pytest

from iqa_sr.data.answers.log import AnswerLog
from iqa_sr.data.multi_gt.layouts import GroundTruthOptions
from iqa_sr.data.multi_gt.manifest import read_manifest
from iqa_sr.data.problems import DataError
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.errors import TrainingStopped
from iqa_sr.io.tables import read_columns
from iqa_sr.labeling.derived_files import COLUMNS
from iqa_sr.labeling.progress import StaleAnswer
from iqa_sr.labeling.raters import check_rater
from iqa_sr.labeling.session import open_session
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from iqa_sr.scores.scoring import find_images
from tests.helpers.full_disk import full_device
from tests.helpers.labeling import answer_all, prefers_earlier, write_versions
from tests.helpers.result_folders import write_results
from tests.helpers.sr_datasets import make_image, save, write_groups


@pytest.fixture
def versions(tmp_path):
    return write_versions(tmp_path)


def logged(root, rater="ann"):
    return AnswerLog(root / "labels" / rater / "answers.jsonl")


def table(root):
    return read_columns(root / "pairs.csv", COLUMNS)[1]


# --- Answers ----------------------------------------------------------------------------------------------------------


def test_a_session_from_its_first_question_to_its_last(versions):
    with open_session([versions], "ann") as session:
        assert (session.rater, session.mode, session.folder) == ("ann", "pairs", versions / "labels" / "ann")
        first = session.current()
        assert session.current() is first and first.number == 1 and first.sizes is not None
        assert session.progress().planned == 21 and session.progress().answered == 0
        asked = answer_all(session)
        progress = session.progress()
        assert session.current() is None and progress.finished and progress.answered == len(asked) == 21
        with pytest.raises(StaleAnswer, match="nothing is asked now, not question 22"):
            session.answer(22, "first", 1)
    log = logged(versions)
    assert [answer.question for answer in log.answers] == asked
    assert log.facts.order == "active" and log.facts.seed == 0 and log.facts.digest == session.collection.digest
    known = [question for question in asked if question.purpose == "known"]
    assert known and all((versions / question.second).is_file() for question in known)


def test_a_session_is_left_and_gone_on_with(versions):
    with open_session([versions], "ann", seed=5, order="random") as session:
        whole = answer_all(session)
    shutil.rmtree(versions / "labels")
    asked = []
    for most in (1, 6, 0, 9, 100):
        with open_session([versions], "ann", seed=5 if not asked else None, order="random") as session:
            assert session.progress().answered == len(asked)
            asked += answer_all(session, most=most)
    assert asked == whole


def test_an_answer_to_another_question_is_not_taken(versions):
    with open_session([versions], "ann") as session:
        session.answer(1, "first", 1)
        for number in (1, 3):
            with pytest.raises(StaleAnswer, match=f"question 2 is asked now, not question {number}"):
                session.answer(number, "second", 1)
        with pytest.raises(ValueError, match="expected one of first, second, same, skip, got 'left'"):
            session.answer(2, "left", 1)
        for seconds in (-1, float("nan")):
            with pytest.raises(ValueError, match="seconds"):
                session.answer(2, "first", seconds)
        assert [answer.choice for answer in logged(versions).answers] == ["first"]


def test_an_answer_is_taken_back_and_its_question_asked_again(versions):
    with open_session([versions], "ann") as session:
        session.undo()
        assert session.current().number == 1 and session.progress().answered == 0
        asked = answer_all(session)
        session.undo()
        assert session.current() == asked[-1] and not session.progress().finished
        session.undo()
        assert session.current() == asked[-2]
        session.answer(20, "same", 1)
        assert session.current() == asked[-1]  # of few pairs the last one is the only one
    assert len(table(versions)) == 20 and [row["preference"] for row in table(versions)][-1] == "0.5"
    with open_session([versions], "ann") as session:
        assert session.current() == asked[-1]


def test_many_threads_answer_each_question_once(versions):
    taken = []
    with open_session([versions], "ann", count=15) as session:

        def answer():
            while (question := session.current()) is not None:
                try:
                    session.answer(question.number, "first", 1)
                    taken.append(question.number)
                except StaleAnswer:
                    pass

        threads = [threading.Thread(target=answer) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(taken) == list(range(1, 16)) == [answer.question.number for answer in logged(versions).answers]


def test_images_are_those_of_the_question_and_no_others(tmp_path):
    folder = write_results(tmp_path / "run", labels=("x", "y"))
    with open_session([folder], "ann") as session:
        question = session.current()
        for key in (question.first, question.second, question.lq, question.reference):
            shown = cv2.imdecode(np.frombuffer(session.image(key), np.uint8), cv2.IMREAD_COLOR)
            assert (shown == cv2.imread(str(folder / key))).all()
        others = {key for one in session.collection.contents for key in one.versions.values()} - question.images
        for key in (*others, "run.json", "../secret", "labels/ann/answers.jsonl", None):
            with pytest.raises(KeyError):
                session.image(key)
        answer_all(session)
        with pytest.raises(KeyError):
            session.image(question.first)


# --- What goes wrong --------------------------------------------------------------------------------------------------


def test_on_a_full_disk_no_answer_is_taken_and_the_session_goes_on_later(versions):
    with open_session([versions], "ann") as session:
        answer_all(session, most=3)
        size = session.folder.joinpath("answers.jsonl").stat().st_size
        with full_device(size), pytest.raises(OSError, match="File too large"):
            session.answer(4, "first", 1)
        with full_device(size), pytest.raises(OSError, match="File too large"):
            session.undo()
        assert session.progress().answered == 3 and session.current().number == 4
        answer_all(session)
    assert len(table(versions)) == 21


def test_a_table_that_cannot_be_written_costs_no_answer(versions):
    with open_session([versions], "ann") as session:
        answer_all(session, most=2)
        (versions / "pairs.csv").unlink()
        (versions / "pairs.csv").mkdir()
        session.answer(3, "first", 1)
        message = session.progress().message
        assert message.startswith("The answers are kept, but what is made of them could not be written: ")
        (versions / "pairs.csv").rmdir()
        session.answer(4, "first", 1)
        assert "could not be written" not in session.progress().message
    assert len(table(versions)) == 4


def test_a_degraded_copy_that_does_not_fit_is_made_later(versions):
    with open_session([versions], "ann") as session:
        while session._draft.purpose != "known":
            answer_all(session, most=1)
        with full_device(300), pytest.raises(OSError, match="File too large"):
            session.current()
        assert session.current().purpose == "known"


def test_degraded_copies_are_made_before_their_turn(versions):
    with open_session([versions], "ann", order="random") as session:
        session.prepare_ahead()
        number = session._questions.next_known(2).number
        session._ahead._thread.submit(lambda: None).result()  # behind the copy
        (made,) = (versions / "labels" / ".known").glob("*.png")
        before = made.stat().st_mtime_ns
        answer_all(session, most=number - 1)
        assert session.current().purpose == "known" and session.current().second.endswith(made.name)
        assert made.stat().st_mtime_ns == before
        (versions / "labels" / ".known").rename(versions / "labels" / "elsewhere")
        (versions / "labels" / ".known").write_text("no folder")
        session.answer(number, "first", 1)
        session._ahead._thread.submit(lambda: None).result()
        assert session.current().number == number + 1  # a copy that cannot be made is no trouble yet


def _answer(root, told):
    with open_session([root], "ann", order="random") as session:
        while (question := session.current()) is not None:
            session.answer(question.number, prefers_earlier(question), 1)
            told.send(question.number)


def _kill_while_answering(root, wait):
    """Let a process of its own answer, and kill it after the first answer and a moment; returns what it has told."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(root, sender))
    process.start()
    sender.close()
    numbers = []
    with contextlib.suppress(EOFError):  # of a process that was quick enough to answer everything
        numbers.append(receiver.recv())
        time.sleep(wait)
        process.kill()
        while True:
            numbers.append(receiver.recv())
    process.join()
    return numbers


def test_a_kill_at_any_moment_loses_nothing_and_repeats_nothing(tmp_path):
    whole, killed = (write_versions(tmp_path / name, count=20) for name in ("whole", "killed"))
    with open_session([whole], "ann", order="random") as session:
        answer_all(session)
    for wait in (0.01, 0.04, 0.07, 0.11):
        told = _kill_while_answering(killed, wait) or [len(logged(killed).answers)]
        assert told[-1] <= len(logged(killed).answers) <= told[-1] + 1
    assert len(logged(killed).answers) >= 4
    with open_session([killed], "ann") as session:
        answer_all(session)
    same = {"time": "", "seconds": 1}
    one, other = ([answer.model_copy(update=same) for answer in logged(root).answers] for root in (whole, killed))
    assert one == other
    one, other = ([(row["first"], row["second"], row["preference"]) for row in table(root)] for root in (whole, killed))
    assert one == other


def test_two_processes_of_one_rater_do_not_mix(versions):
    with open_session([versions], "ann", command="iqa-sr label first"):
        with pytest.raises(TrainingStopped, match=f"ann is in use by process {os.getpid()} on .*: iqa-sr label first"):
            open_session([versions], "ann")
        with open_session([versions], "ben") as other:
            answer_all(other, most=2)
    with open_session([versions], "ann") as session:
        answer_all(session, most=3)
    assert [row["rater"] for row in table(versions)] == ["ann"] * 3 + ["ben"] * 2
    assert {path.name for path in (versions / "labels").iterdir()} == {"ann", "ben", ".known"}


def test_raters_who_answer_at_once_lose_nothing_of_the_table(versions):
    sessions = [open_session([versions], rater, count=10) for rater in ("ann", "ben", "cy")]
    threads = [threading.Thread(target=answer_all, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for session in sessions:
        session.close()
    assert [row["rater"] for row in table(versions)] == ["ann"] * 10 + ["ben"] * 10 + ["cy"] * 10


# --- A data set that changes ------------------------------------------------------------------------------------------


def test_a_session_goes_on_where_images_were_added_or_taken_away(versions):
    with open_session([versions], "ann", order="random") as session:
        asked = answer_all(session, most=4)
    about = {question.content for question in asked}
    gone = next(f"p{number}" for number in range(6) if f"p{number}" not in about)
    for version in "abc":
        (versions / version / f"{gone}.png").unlink()
        save(versions / version / "new.png", make_image(50 + ord(version)))
    with open_session([versions], "ann") as session:
        assert session.notes == ["the images have changed since ann began; the session goes on with those of now"]
        later = answer_all(session)
    assert {question.content for question in later} >= {"new"} and gone not in {question.content for question in later}
    pairs = [(q.content, q.first_version, q.second_version) for q in asked + later if q.purpose == "asked"]
    assert len(pairs) == len(set(pairs)) == 18


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_images_that_were_answered_about_have_to_stay(versions, how):
    with open_session([versions], "ann") as session:
        (question,) = answer_all(session, most=1)
    file = versions / question.second
    size = file.stat().st_size
    file.unlink() if how == "gone" else save(file, make_image(99))
    told = "is gone" if how == "gone" else f"has [0-9]+ bytes, and had {size} when it was shown"
    with pytest.raises(
        DataError, match=f"images that ann has answered about are not .*\n.*{file.name} {told}\nPut them"
    ):
        open_session([versions], "ann")
    with open_session([versions], "ben") as session:  # the lock is not kept
        assert session.current() is not None
    with pytest.raises(DataError):
        open_session([versions], "ann")


def test_a_degraded_copy_that_is_gone_is_made_again(versions):
    with open_session([versions], "ann") as session:
        known = [question for question in answer_all(session) if question.purpose == "known"]
    shutil.rmtree(versions / "labels" / ".known")
    with open_session([versions], "ann"):
        assert all((versions / question.second).is_file() for question in known)
    for question in known:
        with (versions / question.second).open("ab") as file:
            file.write(b"\0")
    open_session([versions], "ann").close()  # whatever its libraries have made of it


def test_an_image_that_vanishes_under_a_session_is_told_and_may_come_back(versions):
    with open_session([versions], "ann", order="random") as session:
        answer_all(session, most=1)
        file = versions / session._draft.content.versions[session._draft.pair[0]]
        content = file.read_bytes()
        for broken in (None, b"nothing", content[:100]):
            file.unlink() if broken is None else file.write_bytes(broken)
            with pytest.raises(DataError, match="are not what they were when the session began: .*\n.*answer is lost"):
                session.current()
            with pytest.raises(DataError):
                session.answer(2, "first", 1)
        save(file, make_image(1, 48))
        with pytest.raises(DataError, match=r"expected two images of one size, got \(48, 48\) and \(64, 64\)"):
            session.current()
        file.write_bytes(content)
        answer_all(session)
    assert len(logged(versions).answers) == 21


# --- Beginnings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "groups"}, "`mode`: the session of ann has begun with pairs, got groups"),
        ({"order": "random"}, "`order`: the session of ann has begun with active, got random"),
        ({"seed": 1}, "`seed`: the session of ann has begun with 0, got 1; leave it out to go on"),
        ({"count": 0}, "`count`: expected at least 1, got 0"),
        ({"seed": -1}, "`seed`: expected at least 0, got -1"),
        (
            {"until": 0.95},
            "`until`: two versions are told apart; name them with --checkpoints A B, got orig",
        ),
        ({"until": 1.0, "checkpoints": ["01", "02"]}, "`until`: expected a confidence between 0 and 1, got 1.0"),
        ({"until": 0.9, "margin": 0.5, "checkpoints": ["01", "02"]}, "`margin`: expected at least 0 and less"),
    ],
)
def test_a_session_that_has_begun_otherwise(tmp_path, changes, message):
    write_groups(tmp_path, count=2)
    open_session([tmp_path], "ann", mode="pairs").close()
    with pytest.raises(ValueError, match=message):
        open_session([tmp_path], "ann", **{"mode": "pairs", **changes})


def test_groups_have_one_order(tmp_path):
    with pytest.raises(ValueError, match="`order` active: groups are asked about one after the other"):
        open_session([write_groups(tmp_path, count=2)], "ann", order="active")
    assert not (tmp_path / "labels").exists()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "it has 0 characters"),
        ("  ", "it has 2 characters"),
        ("a" * 65, "it has 65 characters"),
        ("a/b", "it has '/'"),
        ("..\\b", r"it has '\\\\'"),
        ("<b>", "it has '<'"),
        ("a\nb", r"it has '\\n'"),
        (".ann", "it begins with '.'"),
        ("..", "it begins with '.'"),
        ("nul", "on Windows nul is a device"),
        ("ann.", "Windows drops a dot or a space at the end of a name"),
    ],
)
def test_names_of_raters_that_cannot_be(name, problem):
    with pytest.raises(ValueError, match=f"`rater`: expected a name of 1 to 64 letters, .* got .*: {problem}; for"):
        check_rater(name)


def test_names_of_raters_in_any_script():
    assert [check_rater(name) for name in ("ann", "Ben_2-x y.z", "Zoe\u0308", "李雷", "नेहा")] == [
        "ann", "Ben_2-x y.z", "Zo\u00eb", "李雷", "नेहा"
    ]  # fmt: skip


def test_labels_and_pairs_of_others_are_not_replaced(tmp_path):
    pairs = write_versions(tmp_path / "pairs")
    (pairs / "pairs.csv").write_text("first,second,preference\na/p0.png,b/p0.png,1\n")
    with pytest.raises(FileExistsError, match=r"pairs.csv was not made by a session, which would replace it: move it"):
        open_session([pairs], "ann")
    groups = write_groups(tmp_path / "groups")
    (groups / "labels" / "A").mkdir(parents=True)
    (groups / "labels" / "A" / "p0.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"A/p0.json was not made by this rater's session"):
        open_session([groups], "A")
    with open_session([groups], "B") as session:
        answer_all(session)
    assert (groups / "labels" / "A" / "p0.json").read_text() == "{}"


# --- What is made of the answers --------------------------------------------------------------------------------------


def test_the_table_has_every_answer_as_it_was_given(versions):
    choices = iter(["first", "second", "same", "skip"] * 10)
    with open_session([versions], "ann") as session:
        answer_all(session, lambda question: next(choices))
    given = [answer for answer in logged(versions).answers if answer.choice != "skip"]
    rows = table(versions)
    assert list(rows[0]) == list(COLUMNS) and len(rows) == len(given) == 16
    for row, answer in zip(rows, given, strict=True):
        question = answer.question
        assert (row["first"], row["second"], row["content"]) == (question.first, question.second, question.content)
        assert row["preference"] == {"first": "1", "second": "0", "same": "0.5"}[answer.choice]
        assert (row["kind"], row["side"], row["rater"]) == (question.purpose, question.left, "ann")
        assert row["crop"] == "0 0 64 64" and row["seconds"] == "2" and row["time"] == answer.time
        assert (versions / row["first"]).is_file() and (versions / row["second"]).is_file()
    content = (versions / "pairs.csv").read_bytes()
    (versions / "pairs.csv").unlink()
    open_session([versions], "ann").close()
    assert (versions / "pairs.csv").read_bytes() == content


@pytest.mark.parametrize("layout", ["", "images", "images/0-3"])
def test_groups_become_labels_that_training_reads(tmp_path, layout):
    write_groups(tmp_path / layout, count=4)
    opinions = {"ann": {"01": "first", "02": "second"}, "ben": {"01": "first", "02": "same"}}
    opinions["cy"] = {"01": "same", "02": "second"}
    for rater, choice in opinions.items():
        with open_session([tmp_path], rater) as session:
            answer_all(session, lambda question, choice=choice: choice.get(question.first_version, "first"))
    manifest = read_manifest(GroundTruthOptions(dataroot_gt=(tmp_path,)))
    assert not manifest.problems and not manifest.notes
    for record in manifest.records:
        labels = {gt.folder: gt.label and gt.label.value for gt in record.ground_truths}
        assert labels == {"original": None, "01": "Positive", "02": "Negative"}
    folder = tmp_path / ("labels/0-3" if layout == "images/0-3" else "labels")
    content = json.loads((folder / "ben" / "p0.json").read_text())
    assert content == {
        "Image_1": {"Name": "p0.png", "File": "original", "Label": "None"},
        "Image_2": {"Name": "p0_01.png", "File": "01", "Label": "Positive"},
        "Image_3": {"Name": "p0_02.png", "File": "02", "Label": "Similar"},
    }
    assert not (tmp_path / "pairs.csv").exists()


@pytest.mark.parametrize("kind", ["positives", "softmax-positives"])
def test_samplers_take_what_was_preferred(tmp_path, kind):
    write_groups(tmp_path, count=3)
    with open_session([tmp_path], "ann") as session:
        answer_all(session, lambda question: "first" if question.first_version == "02" else "same")
    sampler = {"type": kind}
    if kind == "softmax-positives":
        scores = ScoreTable([MetricFacts("niqe", False)])
        scores.append([ScoreRow("", key, "", "niqe", 3 + 0.1 * n) for n, key in enumerate(find_images(tmp_path))])
        scores.write(tmp_path / "scores.csv")
        sampler |= {"scores": str(tmp_path / "scores.csv"), "metric": "niqe"}
    options = {"name": "data", "type": "MultiGTDataset", "phase": "train", "scale": 2, "dataroot_gt": str(tmp_path)}
    data = MultiGTDataset(options | {"gt_size": 32, "sampler": sampler})
    assert len(data) == 3
    assert {data.folders[int(data[index]["gts_folder"])] for index in range(3)} == {"02"}


def test_labels_of_a_group_follow_what_is_taken_back(tmp_path):
    write_groups(tmp_path, count=2)
    with open_session([tmp_path], "ann") as session:
        (question, other) = answer_all(session, lambda question: "first", most=2)
        file = tmp_path / "labels" / "ann" / f"{question.content}.json"
        assert question.content == other.content and "Image_3" in file.read_text()
        session.undo()
        assert "Image_3" not in file.read_text()
        session.undo()
        assert not file.exists()


def test_degraded_copies_are_no_part_of_a_data_set(tmp_path):
    write_groups(tmp_path, count=2)
    with open_session([tmp_path], "ann", mode="pairs") as session:
        assert "known" in {question.purpose for question in answer_all(session)}
    for recursive in (False, True):
        manifest = read_manifest(GroundTruthOptions(dataroot_gt=(tmp_path,), recursive=recursive))
        assert manifest.folders == ("original", "01", "02") and not manifest.problems
    assert not [key for key in find_images(tmp_path) if "labels" in key]


# --- A sequential test ------------------------------------------------------------------------------------------------


def test_a_session_ends_as_soon_as_two_checkpoints_are_told_apart(tmp_path):
    keys = [f"p{number:02}" for number in range(40)]
    folder = write_results(tmp_path / "run", labels=("x", "y", "z"), keys=keys)
    with open_session([folder], "ann", checkpoints=["z", "x"], until=0.95) as session:
        assert session.progress().planned is None

        def prefers_z(question):
            return "second" if question.second_version == "z" else "first"

        asked = answer_all(session, prefers_z)
        assert 5 < len(asked) < 20 and session.progress().finished
        assert {frozenset((q.first_version, q.second_version)) - {""} for q in asked if q.purpose == "asked"} == {
            frozenset("xz")
        }
        lines = session.summary()
        assert any(line.startswith("ann: z is better than x: z is preferred in 100% of ") for line in lines), lines
        session.undo()
        assert not session.progress().finished and session.current() == asked[-1]
    with open_session([folder], "ben", checkpoints=["x", "y"], until=0.9, margin=0.3) as session:
        answer_all(session, lambda question: "same" if question.second_version else "first")
        assert any("ben: x and y are alike, within 30% of one half: " in line for line in session.summary())
    with open_session([folder], "ann", checkpoints=["x", "y"], count=len(asked) + 4) as session:  # the same log
        assert {frozenset((q.first_version, q.second_version)) - {"z"} for q in answer_all(session, prefers_earlier)}


def test_another_choice_of_versions_goes_on_with_what_was_not_asked(versions):
    with open_session([versions], "ann", order="random", checkpoints=["a", "b"]) as session:
        answer_all(session)
        done = session.progress().answered
    with open_session([versions], "ann", checkpoints=["a", "c"]) as session:
        assert session.progress().planned > done and not session.progress().finished
        answer_all(session)
    pairs = [{row["first"][0], row["second"][0]} for row in table(versions) if row["kind"] == "asked"]
    assert pairs.count({"a", "b"}) == pairs.count({"a", "c"}) > 0


def test_labels_of_versions_that_are_not_asked_about_stay(tmp_path):
    groups = write_groups(tmp_path, count=2)
    with open_session([groups], "ann", checkpoints=["original", "01"]) as session:
        answer_all(session)
    with open_session([groups], "ann", checkpoints=["original", "02"]) as session:
        answer_all(session)
    entries = json.loads((groups / "labels" / "ann" / "p0.json").read_text(encoding="utf-8"))
    assert {entry["File"] for entry in entries.values()} == {"original", "01", "02"}


def test_a_log_that_another_program_has_changed_is_not_cut(versions):
    with open_session([versions], "ann", order="random") as session:
        answer_all(session, most=2)
        file = versions / "labels" / "ann" / "answers.jsonl"
        whole = file.read_bytes()
        for changed in (whole[: len(whole) // 2], whole + whole.splitlines(keepends=True)[-1]):
            file.write_bytes(changed)
            with pytest.raises(OSError, match="another program has changed this log"):
                answer_all(session, most=1)
            assert file.read_bytes() == changed
        file.write_bytes(whole + b'{"answ')  # what a crash leaves
        answer_all(session, most=1)
    assert len(logged(versions).answers) == 3


def test_a_session_that_has_ended_by_its_number_says_how_to_go_on(versions):
    with open_session([versions], "ann", order="random", count=3) as session:
        assert not session.could_go_on and not session.notes
        answer_all(session)
        assert session.could_go_on
    with open_session([versions], "ann", count=3) as session:
        assert session.notes == ["all 3 questions that were planned are answered; count 203 asks more"]
    with open_session([versions], "ann") as session:
        answer_all(session)
        assert not session.could_go_on  # everything was asked
