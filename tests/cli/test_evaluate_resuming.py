"""`iqa-sr evaluate` called again: what was interrupted, further metrics, checkpoints and sets, several processes."""

import shutil
import time
from pathlib import Path

import pytest
import torch

from iqa_sr.cli.main import main
from iqa_sr.evaluation import evaluator as evaluation_evaluator
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.metrics import create_metric
from iqa_sr.scores.result_folder import read_results
from iqa_sr.scores.score_table import ScoreTable
from tests.helpers.evaluations import COMMAND, METRICS, RUN, result, scores, truth
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_networks import save_network
from tests.helpers.two_processes import two_processes


def test_goes_on_where_it_was_interrupted(network_here, monkeypatch, capsys):
    assert main([*COMMAND[:-2], *METRICS]) == 0
    whole, number = {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}, len(scores())
    real, calls = ScoreTable.append, []

    def interrupted(self, rows):
        rows = list(rows)
        if self.path is not None and rows:
            calls.append(rows)
            if len(calls) == 9:
                raise KeyboardInterrupt
        real(self, rows)

    monkeypatch.setattr(ScoreTable, "append", interrupted)
    assert main([*COMMAND[:-2], *METRICS, "--overwrite"]) == 130
    monkeypatch.setattr(ScoreTable, "append", real)
    assert 0 < len(scores()) < number
    with (RUN / "scores.csv").open("a") as file:
        file.write("net,set/p1,,jod-lite,0.1")  # torn by the crash
    capsys.readouterr()
    assert main([*COMMAND[:-2], *METRICS]) == 0
    done = int(capsys.readouterr().out.split(" images computed or scored")[0].split()[-1])
    assert 0 < done < 12, "of the four labels' three images each"
    assert (RUN / "scores.csv").read_bytes() == whole[RUN / "scores.csv"]
    assert {path for path in RUN.rglob("*") if path.is_file()} == set(whole)


def test_a_second_run_computes_nothing_and_loads_no_network_for_it(network_here, monkeypatch, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    monkeypatch.setattr(
        evaluation_evaluator.InferenceConfig, "upscaler", lambda *_: pytest.fail("the images are there")
    )
    assert main([*COMMAND, *METRICS]) == 0
    assert "0 images computed or scored" in capsys.readouterr().out
    # One more metric: all scores are of the saved images, as they are now.
    save(RUN / "images" / "net" / "set" / "p0.png", make_image(30, 32))
    assert main([*COMMAND, "--metric", "psnr,jod-lite,gmsd"]) == 0
    for name in ("gmsd", "psnr"):
        found = scores()["net", "set/p0", "images/original/p0.png", name]
        expected = create_metric(name)(to_tensor(make_image(30, 32))[None], truth("original", "p0")).item()
        assert found == pytest.approx(expected)


def test_further_checkpoints_and_sets_are_added(network_here, capsys):
    save_network(Path("other.pth"), seed=1)
    assert main([*COMMAND, *METRICS]) == 0
    before = scores()
    assert main(["evaluate", "net.pth", "other.pth", *COMMAND[2:], "--data", "data/images/02", *METRICS]) == 0
    found = scores()
    assert before.items() <= found.items()
    assert {(key[0], key[1].split("/")[0]) for key in found} >= {("other", "set"), ("net", "02"), ("other", "02")}
    assert set(read_results(RUN).run.checkpoints) == {"net", "other"}


def test_two_images_at_a_time_change_nothing(network_here):
    assert main([*COMMAND, *METRICS, "--workers", "1"]) == 0
    args = [word.replace(str(RUN), "results/two") for word in [*COMMAND, *METRICS]]
    assert main([*args, "--workers", "2"]) == 0
    assert Path("results/two/scores.csv").read_bytes() == (RUN / "scores.csv").read_bytes()
    for path in (RUN / "images").rglob("*.png"):
        assert path.read_bytes() == (Path("results/two") / path.relative_to(RUN)).read_bytes()


def test_two_images_share_the_threads(network_here, monkeypatch):
    real, running, seen = evaluation_evaluator.upscale, [], set()

    def watched(network, *arguments, **options):
        running.append(network)
        time.sleep(0.1)  # long enough for the other one to come
        seen.add((len(running), len({id(one) for one in running}), torch.get_num_threads()))
        result = real(network, *arguments, **options)
        running.remove(network)
        return result

    monkeypatch.setattr(evaluation_evaluator, "upscale", watched)
    torch.set_num_threads(2)
    assert main([*COMMAND, "--metric", "psnr", "--no-baseline"]) == 0
    assert (2, 2, 1) in seen, "two images, each with a network and a thread of its own"
    assert torch.get_num_threads() == 2


def test_two_processes(network_here):
    """The same as one process; fewer images than processes; a wrong word; one process that fails."""
    assert main([*COMMAND, *METRICS]) == 0
    shutil.copytree(RUN, "results/torn")
    Path("results/torn/images/net/set/p1.png").write_bytes(b"torn")  # the second image is the second process's
    save("few/p0.png", make_image(0, 16))
    two, few, torn = (
        [word.replace(str(RUN), f"results/{name}") for word in COMMAND] for name in ("two", "few", "torn")
    )
    calls = (
        [*two, *METRICS],
        ["evaluate", "net.pth", "--lq", "few", *few[4:], "--metric", "jod-lite"],
        [*two, "--metric", "psnrr"],
        [*torn, "--metric", "psnr,jod-lite,gmsd", "--no-baseline"],
    )
    whole, alone, wrong, failed = (two_processes("-m", "iqa_sr.cli", *args) for args in calls)

    assert whole.codes == [0, 0], whole.errors
    assert "12 images computed or scored" in whole.out[0] and not whole.out[1]
    assert Path("results/two/scores.csv").read_bytes() == (RUN / "scores.csv").read_bytes()
    files = {path.relative_to(RUN): path.read_bytes() for path in RUN.rglob("*.png")}
    assert files == {path.relative_to("results/two"): path.read_bytes() for path in Path("results/two").rglob("*.png")}
    assert {path.name for path in Path("results/two").iterdir()} == {"images", "run.json", "scores.csv"}

    assert alone.codes == [0, 0] and "2 images computed or scored" in alone.out[0], alone.errors
    assert {key[:2] for key in scores(Path("results/few"))} == {("net", "few/p0"), ("bicubic", "few/p0")}

    assert 0 not in wrong.codes and "".join(wrong.errors).count("error: ") == 1, "what both find wrong, one says"
    assert "there is no metric 'psnrr'" in "".join(wrong.errors)

    assert 0 not in failed.codes and "p1.png: not an image that can be read" in failed.errors[1]
    assert "Traceback" not in "".join(failed.errors), "the other process may be ended, or say that it was left alone"


def test_scores_of_processes_that_were_interrupted_are_kept(network_here, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    file, table = RUN / "scores.csv", ScoreTable.read(RUN / "scores.csv")
    whole = file.read_bytes()
    ScoreTable(table.facts.values(), table.rows[::2]).write(file)
    ScoreTable(table.facts.values(), table.rows[1::2]).write(RUN / "scores.csv.shard-1-of-4")
    capsys.readouterr()
    assert main([*COMMAND, *METRICS]) == 0
    assert "0 images computed or scored" in capsys.readouterr().out
    assert file.read_bytes() == whole and not list(RUN.glob("*.shard-*"))


def test_a_row_is_not_lost_when_an_image_is_removed(network_here):
    assert main([*COMMAND, *METRICS]) == 0
    before = scores()
    (RUN / "images" / "net" / "set" / "p1.png").unlink()
    table = ScoreTable.open(RUN / "scores.csv")
    assert table.drop(lambda row: row[:4] == ("net", "set/p2", "", "jod-lite")) == 1
    assert main([*COMMAND, *METRICS]) == 0
    assert scores() == before and result("net", "p1").shape == (1, 3, 32, 32)
