"""`iqa-sr evaluate` into a folder that holds something: another evaluation is refused, nothing foreign is removed."""

import json
import os
import shutil
from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.io.images import read_image
from iqa_sr.runtime.folder_lock import locked
from iqa_sr.scores.result_folder import read_results
from iqa_sr.scores.score_table import Origin, ScoreTable
from tests.helpers.evaluations import COMMAND, METRICS, RUN, error, result, scores
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_networks import save_network


def test_another_evaluation_in_the_same_place_is_refused(network_here, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    before = {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}
    shown = error(capsys, *COMMAND, *METRICS, "--border", "2", "--tile", "64")
    assert "holds another evaluation, nothing was changed: border was 0, now 2; tile was None, now 64" in shown
    assert "--overwrite" in shown
    assert "the protocol was None, now sr-classic" in error(capsys, *COMMAND, "--protocol", "sr-classic")
    save_network(Path("other.pth"), seed=1)
    shown = error(capsys, "evaluate", "net=other.pth", *COMMAND[2:], *METRICS)
    assert "the checkpoint net had other weights: sha256 " in shown and "other.pth" in shown
    save("set2/p0.png", make_image(0, 33))
    shown = error(capsys, "evaluate", "net.pth", "--data", "set=set2", *COMMAND[4:], *METRICS)
    assert "the data set set holds other files" in shown
    assert {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()} == before
    assert main(["evaluate", "net=other.pth", *COMMAND[2:], *METRICS, "--overwrite"]) == 0
    assert read_results(RUN).run.checkpoints["net"].path == "other.pth"
    assert scores().keys() == {tuple(row) for row in scores()} and result("net", "p0").shape == (1, 3, 32, 32)


@pytest.mark.parametrize("older", [False, True])
def test_overwriting_removes_what_is_known_to_be_of_an_evaluation_and_nothing_else(network_here, capsys, older):
    """A table of an older version does not know the files' digests, but their places."""
    assert main([*COMMAND, *METRICS]) == 0
    if older:
        table = ScoreTable.read(RUN / "scores.csv")
        ScoreTable(table.facts.values(), [row._replace(origin=Origin()) for row in table.rows]).write(
            RUN / "scores.csv"
        )
    mine = [RUN / name for name in ("notes.txt", "images/mine.png", "images/net/set/p0.txt", "images/net/other/p0.png")]
    for file in mine:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"mine")
    interrupted = RUN / "images/bicubic/set/p0.png"
    table = ScoreTable.open(RUN / "scores.csv")
    table.drop(lambda row: row[:2] == ("bicubic", "set/p0"))  # written, and not scored yet when the run was ended
    interrupted.write_bytes(b"torn")
    args = ["evaluate", "two=net.pth", *COMMAND[2:], "--metric", "psnr", "--overwrite"]
    assert main(args) == 0
    assert all(file.read_bytes() == b"mine" for file in mine) and read_image(interrupted).shape == (32, 32, 3)
    assert not (RUN / "images/net/set/p0.png").exists() and {key[0] for key in scores()} >= {"two", "bicubic"}
    assert set(read_results(RUN).run.checkpoints) == {"two"}


def test_two_evaluations_in_one_folder_are_refused(network_here, capsys):
    with locked(RUN, "iqa-sr evaluate"):
        assert f"in use by process {os.getpid()} on " in error(capsys, *COMMAND, *METRICS)
        assert not RUN.exists()
    assert main([*COMMAND, *METRICS]) == 0
    assert [path.name for path in RUN.parent.iterdir()] == ["run"]


def test_overwriting_is_refused_where_something_cannot_be_proved(network_here, capsys):
    """All is looked at before anything is removed: images that were replaced, links, facts of another program."""
    assert main([*COMMAND, *METRICS]) == 0
    args = ["evaluate", "two=net.pth", *COMMAND[2:], "--metric", "psnr", "--overwrite"]
    replaced, before = RUN / "images/net/set/p1.png", (RUN / "images/net/set/p1.png").read_bytes()
    everything = {path for path in RUN.rglob("*") if path.is_file()}
    replaced.write_bytes(b"mine")
    assert f"nothing was changed: {replaced} lies where a result belongs" in error(capsys, *args)
    replaced.write_bytes(before)
    foreign = RUN / "images/two/set/p0.png"
    save(foreign, make_image(1, 32))
    for more in ([], ["--overwrite"]):
        assert f"nothing was changed: {foreign} lies where a result" in error(capsys, *args[:-1], *more)
    shutil.rmtree(RUN / "images/two")
    (RUN / "images/net").rename("elsewhere")
    (RUN / "images/net").symlink_to(Path("elsewhere").absolute())
    assert "images/net is a link; nothing was changed" in error(capsys, *args)
    assert main([*COMMAND, *METRICS]) == 0, "where nothing is removed, images may lie on another disk"
    (RUN / "images/net").unlink()
    Path("elsewhere").rename(RUN / "images/net")
    replaced.unlink()
    os.mkfifo(replaced)
    assert f"nothing was changed: {replaced} lies where a result belongs" in error(capsys, *args)
    replaced.unlink()
    replaced.symlink_to(Path("data/images/original/p0.png").absolute())
    assert f"nothing was changed: {replaced} lies where a result belongs" in error(capsys, *args)
    replaced.unlink()
    replaced.write_bytes(before)
    facts = (RUN / "run.json").read_text()
    (RUN / "run.json").write_text('{"id": "of another program"}')
    assert "run.json" in error(capsys, *args)
    (RUN / "run.json").write_text(facts)
    assert {path for path in RUN.rglob("*") if path.is_file()} == everything
    assert main(args) == 0


def test_an_image_that_was_edited_is_another_one(network_here, capsys):
    args = ["evaluate", "net.pth", "--data", "set=edited", *COMMAND[4:], *METRICS]
    save("edited/p0.bmp", make_image(0, 16))
    assert main(args) == 0
    size = Path("edited/p0.bmp").stat().st_size
    save("edited/p0.bmp", make_image(1, 16))
    assert Path("edited/p0.bmp").stat().st_size == size
    assert "the data set set holds other files" in error(capsys, *args)


def test_a_checkpoint_that_is_built_otherwise_is_another_one(network_here, capsys):
    """Its file is the same; an option file beside it says what had to be assumed before."""
    section = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 2}
    save_network(Path("nets/edsr.pth"), **section)
    args = ["evaluate", "nets/edsr.pth", *COMMAND[2:], "--metric", "psnr", "--no-baseline"]
    assert main(args) == 0
    Path("nets/edsr.yml").write_text(f"network_g: {json.dumps({**section, 'res_scale': 0.5})}\n")
    assert "the checkpoint edsr was built with other options (network_g)" in error(capsys, *args)
    facts = json.loads((RUN / "run.json").read_text())
    del facts["checkpoints"]["edsr"]["built"]  # as an older version wrote it
    (RUN / "run.json").write_text(json.dumps(facts))
    assert main(args) == 0


def test_scores_by_other_weights_are_refused(network_here, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    file = RUN / "scores.csv"
    file.write_text(file.read_text().replace("sha256 ", "sha256 0"))
    shown = error(capsys, *COMMAND, *METRICS)
    assert "jod-lite was computed otherwise or with other weights" in shown


def test_a_folder_that_is_no_result_folder_is_left_alone(network_here, capsys):
    save("results/run/mine.png", make_image(0, 8))
    for more in ([], ["--overwrite"]):
        assert "holds something, but no run.json: no result folder" in error(capsys, *COMMAND, *METRICS, *more)
    assert [path.name for path in RUN.iterdir()] == ["mine.png"]


def test_hidden_files_are_no_results(network_here):
    """What a system puts into every folder, or an evaluation that was ended while it wrote its first file."""
    RUN.mkdir(parents=True)
    (RUN / ".run.json.1.tmp").write_text("{")
    assert main([*COMMAND, *METRICS, "--no-baseline"]) == 0
