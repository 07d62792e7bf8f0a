"""`iqa-sr evaluate --set`: metrics of sets in a result folder, with synthetic Inception weights."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.evaluation import set_scores
from iqa_sr.scores.protocols import PROTOCOLS
from iqa_sr.set_metrics.folders import score_sets
from iqa_sr.set_metrics.inception import WEIGHTS
from iqa_sr.set_metrics.result_scores import read_set_results
from tests.helpers.evaluations import COMMAND, RUN, error
from tests.helpers.sr_datasets import make_image, save

SET = [*COMMAND, "--metric", "psnr"]
FILE = RUN / "set_scores.json"


@pytest.fixture(scope="module")
def inputs(synthetic, tmp_path_factory):
    """`net.pth` (x2), `data` with four images, `single` with one; the weights, and a cache of features."""
    from tests.helpers.tiny_networks import save_network

    root = tmp_path_factory.mktemp("inputs")
    save_network(root / "net.pth")
    for index in range(4):
        save(root / "data" / f"p{index}.png", make_image(index, 32 if index else 20, 32))
    save(root / "single" / "q.png", make_image(9, 32))
    with synthetic(WEIGHTS), pytest.MonkeyPatch.context() as patch:
        patch.setenv("IQA_SR_CACHE", str(root / "cache"))
        yield root


@pytest.fixture(autouse=True)
def _here(inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("net.pth", "data", "single"):
        (tmp_path / name).symlink_to(inputs / name)


def found():
    return {one.place: one for one in read_set_results(RUN)}


def test_each_number_is_that_of_score_of_the_same_folders(capsys, caplog):
    assert main([*SET, "--set", "fid,KID"]) == 0
    numbers = found()
    assert set(numbers) == {(label, "set", name) for label in ("bicubic", "net") for name in ("fid", "kid")}
    images = RUN / "images"
    for (label, dataset, name), one in numbers.items():
        (expected,) = score_sets(images / label / dataset, images / "original" / dataset, [name], progress=False).scores
        assert one.score == expected and one.score.images == (4, 4) and one.score.paired
    fid = numbers["net", "set", "fid"].score
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].split()[-4:] == ["fid", "down", "kid", "down"]
    (line,) = [line for line in shown.splitlines() if line.startswith("net ")]
    assert f"{fid.value:.5g} +- {fid.interval[1] - fid.value:.2g}" in line
    assert "kid: 8-bit RGB, TensorFlow 1's bilinear resizing" in shown and f"; whole images; {WEIGHTS} sha256" in shown
    assert "fid of 4 images, fewer than 1000: its 95 % interval is" in caplog.text


def test_a_protocol_has_its_own_where_the_data_have_what_they_need(monkeypatch, capsys):
    """With fewer metrics of images, which need no weights; its metrics of sets are its own."""
    fewer = replace(PROTOCOLS["realsr-dm"], metrics=("psnr",), scale=None)
    monkeypatch.setitem(PROTOCOLS, "realsr-dm", fewer)
    args = ["evaluate", "net.pth", "--protocol", "realsr-dm", "--output", str(RUN), "--device", "cpu"]
    assert main([*args, "--data", "set=data", "--data", "single=single"]) == 0
    assert set(found()) == {(label, "set", "fid-clean") for label in ("bicubic", "net")}
    assert "single: no fid-clean, it has a single image" in capsys.readouterr().out
    assert main([*args[:-3], "alone", "--data", "single=single"]) == 0  # none has: no error, nobody has asked
    assert "single: no fid-clean, it has a single image" in capsys.readouterr().out
    assert main([*args[:-3], "without", "--data", "set=data", "--without", "fid-clean"]) == 0
    assert "fid-clean: left out of the protocol realsr-dm: as asked for" in capsys.readouterr().out
    assert main([*args[:-3], "other", "--data", "set=data", "--set", "kid"]) == 0
    assert "fid-clean: of the protocol realsr-dm, but not asked for by --set" in capsys.readouterr().out
    assert not Path("without/set_scores.json").exists()
    assert {one.name for one in read_set_results("other")} == {"kid"}


def test_a_cache_that_cannot_be_written_to_is_told_before_anything_is_made(monkeypatch, capsys):
    Path("file").touch()
    monkeypatch.setenv("IQA_SR_CACHE", "file")
    assert error(capsys, *SET, "--set", "fid").startswith("features of images are kept in ")
    assert not RUN.exists()


def test_numbers_of_the_same_images_are_not_computed_again_and_others_are(monkeypatch, caplog):
    assert main([*SET, "--set", "fid"]) == 0
    before, real = found(), set_scores.score_sets
    asked = []
    monkeypatch.setattr(set_scores, "score_sets", lambda *args, **more: asked.append(args) or real(*args, **more))
    assert main([*SET, "--set", "fid"]) == 0
    assert not asked and found() == before
    assert main([*SET, "--set", "fid,kid"]) == 0  # what is missing, alone
    assert [args[2] for args in asked] == [["kid"], ["kid"]]
    del asked[:]
    assert main([*SET, "--set", "fid", "--patches", "32"]) == 0  # a number of its own
    assert {place[2] for place in found()} == {"fid", "kid", "fid@32"} and len(asked) == 2
    assert found()["net", "set", "fid@32"].score.images == (3, 3)
    assert "net, set: 2 files left out of the sets: " in caplog.text and "p0.png: 20x32 px (HxW) hold no" in caplog.text
    del asked[:]
    save(RUN / "images" / "net" / "set" / "p0.png", make_image(30, 20, 32))
    assert main(SET) == 0  # not asked for: what is of other images goes
    assert not asked and {place[0] for place in found()} == {"bicubic"}
    assert "fid, kid, fid@32 of net, set are of other images: removed" in caplog.text
    assert main([*SET, "--set", "fid"]) == 0
    assert found()["net", "set", "fid"].score.value != before["net", "set", "fid"].score.value


def test_other_weights_or_conventions_are_another_number(monkeypatch):
    assert main([*SET, "--set", "fid"]) == 0
    content = json.loads(FILE.read_text())
    content["sets"][0] |= {"spec": "of before", "value": 1234.5}
    FILE.write_text(json.dumps(content))
    assert main([*SET, "--set", "fid"]) == 0
    assert {one.spec for one in read_set_results(RUN)} == {content["sets"][1]["spec"]}
    assert all(one.score.value < 1000 for one in read_set_results(RUN))


def test_numbers_of_other_weights_are_a_column_of_their_own(capsys, caplog):
    """A further checkpoint, scored with other weights than those before it."""
    assert main([*SET, "--set", "fid"]) == 0
    content = json.loads(FILE.read_text())
    content["sets"][0] |= {"spec": "of before", "value": 1234.5}
    FILE.write_text(json.dumps(content))
    capsys.readouterr()
    assert main(SET) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[-5:] == ["fid", "down", "fid", "(2)", "down"]
    assert shown[1].split()[0] == "bicubic" and "1234.5" in shown[1] and shown[1].endswith(" -")
    assert shown[2].split()[0] == "net" and "1234.5" not in shown[2] and " -  " in shown[2]
    assert any(line.startswith("fid: of before") for line in shown)
    assert any(line.startswith("fid (2): 8-bit RGB") for line in shown)
    assert "bicubic, set: fid of 4 images" in caplog.text and "net, set: fid (2) of 4 images" in caplog.text


def test_other_originals_are_not_compared_with(capsys):
    assert main([*SET, "--set", "fid"]) == 0
    before = found()
    changed = RUN / "images/original/set/p1.png"
    save(changed, make_image(30, 32))
    assert "p1.png is not the original of set; remove the file, and it is made again" in error(
        capsys, *SET, "--set", "fid"
    )
    assert not found()
    changed.unlink()
    assert main([*SET, "--set", "fid"]) == 0
    assert found() == before


def test_numbers_outlive_their_images(capsys):
    assert main([*SET, "--set", "fid"]) == 0
    before = found()
    for original in (RUN / "images/original/set").iterdir():
        original.unlink()
    assert main([*SET, "--no-baseline"]) == 0
    assert found() == before
    assert main([*SET, "--set", "fid", "--no-baseline"]) == 0  # made again, and the same
    assert found() == before


def test_originals_are_kept_without_a_baseline_too_and_overwriting_removes_the_file():
    assert main([*SET, "--set", "fid", "--no-baseline"]) == 0
    assert {place[0] for place in found()} == {"net"} and len(list((RUN / "images/original/set").iterdir())) == 4
    assert main([*SET, "--border", "2", "--overwrite"]) == 0
    assert not FILE.exists()


def test_a_data_set_that_has_none_is_left_out_and_named(capsys):
    save("lq/a.png", make_image(4, 16))
    more = ["--data", "one=single", "--lq", "bare=lq"]
    assert main([*SET, "--set", "fid", *more]) == 0
    shown = capsys.readouterr().out
    assert "one: no fid, it has a single image" in shown and "bare: no fid, it has no ground truths" in shown
    assert {place[1] for place in found()} == {"set"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--set", "fidd"], "--set: no metric of sets is called 'fidd'; did you mean fid"),
        (["--set", "psnr"], "--set: psnr scores single images; it belongs to --metric"),
        (["--metric", "fid"], "--metric: fid is a metric of sets and has no score of an image"),
        (["--set", ","], "--set: expected names separated by commas, got none"),
        (["--set", "fid", "--patches", "hifi"], "--patches: expected a side in px (256), a side and the shift"),
        (["--patches", "16"], "--patches: cuts images for --set, got 16 without any"),
        (["--set", "fid", "--patches", "0"], "--patches: expected a side of at least 1 px, got 0"),
        (["--set", "fid", "--patches", "64"], "set has fewer than two images of 64x64 px or more"),
        (["--set", "fid", "--patches", "64"], "--data NAME=DIR, take smaller --patches, or leave --set out"),
    ],
)
def test_what_does_not_go_is_said_before_anything_is_written(capsys, arguments, text):
    assert text in error(capsys, *COMMAND, *arguments)
    assert not RUN.exists()


def test_missing_weights_and_foreign_images_are_found_before_the_first_image(capsys, monkeypatch, tmp_path):
    assert main(SET) == 0
    for made in RUN.rglob("p*.png"):
        made.unlink()
    save(RUN / "images" / "net" / "set" / "other.png", make_image(1, 32))
    assert "other.png is no result for an image of set, and fid would count it" in error(capsys, *SET, "--set", "fid")
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path / "none"))
    text = error(capsys, *COMMAND, "--output", "results/new", "--set", "fid")
    assert f"{WEIGHTS} (96 MB)" in text
    assert not list(RUN.rglob("p*.png")) and not (RUN.parent / "new").exists()


def test_images_of_a_data_set_that_has_become_smaller_are_another_evaluation_s_and_overwritten(capsys):
    assert main([*SET, "--set", "fid"]) == 0
    for index in range(3):
        save(f"fewer/p{index}.png", make_image(index, 32 if index else 20, 32))
    fewer = ["evaluate", "net.pth", "--data", "set=fewer", *SET[4:], "--set", "fid"]
    assert "the data set set holds other files" in error(capsys, *fewer)
    assert main([*fewer, "--overwrite"]) == 0
    assert {one.score.images for one in read_set_results(RUN)} == {(3, 3)}
    assert not list(RUN.rglob("p3.png"))


def test_an_interrupted_call_is_completed_and_what_was_there_not_computed_again(monkeypatch):
    real, asked = set_scores.score_sets, []

    def interrupted(images, *args, **more):
        if "net" in images.parts:
            raise KeyboardInterrupt
        return real(images, *args, **more)

    monkeypatch.setattr(set_scores, "score_sets", interrupted)
    assert main([*SET, "--set", "fid"]) == 130
    assert {place[0] for place in found()} == {"bicubic"}
    monkeypatch.setattr(
        set_scores, "score_sets", lambda images, *args, **more: asked.append(images) or real(images, *args, **more)
    )
    assert main([*SET, "--set", "fid"]) == 0
    assert [images.parts[-2] for images in asked] == ["net"] and {place[0] for place in found()} == {"bicubic", "net"}


def test_a_damaged_file_is_found_before_the_first_image(capsys):
    assert main([*SET, "--set", "fid"]) == 0
    content = json.loads(FILE.read_text())
    for change, text in (
        ({"checkpoint": "nett"}, "the checkpoint 'nett' is not in run.json beside it; did you mean net?"),
        ({"dataset": "sett"}, "the data set 'sett' is not in run.json beside it; did you mean set?"),
        ({"value": "much"}, "value: expected"),
    ):
        FILE.write_text(json.dumps(content | {"sets": [content["sets"][0] | change]}))
        shown = error(capsys, *SET)
        assert text in shown and "delete it and evaluate again with --set" in shown
    FILE.write_text(json.dumps(content | {"sets": [*content["sets"], content["sets"][0]]}))
    assert "expected one fid of bicubic, set, got 2" in error(capsys, *SET)
    FILE.write_text(json.dumps(content | {"format": 2}))
    assert "expected format 1, got 2; it was written by another version of iqa-sr" in error(capsys, *SET)
    FILE.write_text("{")
    assert "delete it and evaluate again with --set" in error(capsys, *SET)
