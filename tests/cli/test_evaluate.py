"""`iqa-sr evaluate` as a user runs it: what is scored, what is written, what is said, and resuming."""

import json
import os
import shutil
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

import iqa_sr.basicsr_compat  # noqa: F401 - lets basicsr be imported
from iqa_sr.cli.main import main
from iqa_sr.evaluation import datasets as evaluation_data
from iqa_sr.evaluation import evaluator as evaluation_evaluator
from iqa_sr.evaluation import run as evaluation_run
from iqa_sr.evaluation.datasets import EvaluationSet
from iqa_sr.evaluation.scores import choose_scorer, read_metrics
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import read_image
from iqa_sr.metrics import create_metric, metric_info
from iqa_sr.metrics.jod_lite import JODLiteMetric
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.runtime.folder_lock import locked
from iqa_sr.scores.result_folder import read_results
from iqa_sr.scores.score_table import Origin, ScoreTable
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels
from tests.helpers.tiny_networks import save_network
from tests.helpers.two_processes import two_processes

RUN = Path("results/run")
COMMAND = ["evaluate", "net.pth", "--data", "set=data", "--output", str(RUN), "--device", "cpu"]
METRICS = ["--metric", "psnr,jod-lite"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with `net.pth` (x2), and `data`: three groups of 33 x 33 px, labeled, the last without a positive."""
    folder = tmp_path_factory.mktemp("evaluate")
    network = save_network(folder / "net.pth")
    write_groups(folder / "data" / "images", count=3, size=33)
    votes = {"p0": {"01": "PPS", "02": "PPP"}, "p1": {"01": "NNN", "02": "PPP"}, "p2": {"01": "NSP", "02": "NNN"}}
    write_labels(folder / "data" / "labels", votes)
    return folder, network


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A working folder of its own, where the above can be named; returns the network."""
    monkeypatch.chdir(tmp_path)
    for name in ("net.pth", "data"):
        (tmp_path / name).symlink_to(made[0] / name)
    return made[1]


def result(label, key, folder=RUN):
    """An image that was written: `(1, 3, H, W)`."""
    return to_tensor(read_image(folder / "images" / label / "set" / f"{key}.png"))[None]


def truth(version, key):
    """A ground truth, cut to a multiple of the scale."""
    name = f"{key}.png" if version == "original" else f"{key}_{version}.png"
    return to_tensor(read_image(Path("data/images") / version / name))[None, :, :32, :32]


def lq(key):
    return resize_bicubic(truth("original", key), 16, 16).clamp(0, 1).mul(255).round().div(255)


def scores(folder=RUN):
    return {row[:4]: row.score for row in ScoreTable.read(folder / "scores.csv").rows}


def error(capsys, *args):
    """The one clear error that a command ends with."""
    assert main(list(args)) == 1
    logged, _, shown = capsys.readouterr().err.partition("error: ")
    assert shown and "Traceback" not in logged + shown and len(shown.splitlines()) <= 5
    return shown


# --- What is scored ---------------------------------------------------------------------------------------------------


def test_every_score_is_that_of_the_saved_image(here, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    found, psnr, metric = scores(), create_metric("psnr"), create_metric("jod-lite")
    expected = {}
    for key in ("p0", "p1", "p2"):
        name, versions = f"set/{key}", [truth(version, key) for version in ("original", "01", "02")]
        with torch.no_grad():
            levels = to_uint8(here(lq(key))[0])
        assert np.array_equal(to_uint8(result("net", key)[0]), levels)
        assert np.array_equal(to_uint8(result("original", key)[0]), to_uint8(versions[0][0]))
        enlarged = to_uint8(resize_bicubic(lq(key), 32, 32)[0])
        assert np.array_equal(to_uint8(result("bicubic", key)[0]), enlarged)
        for label in ("net", "bicubic"):
            again = resize_bicubic(result(label, key), 16, 16)
            expected[label, name, f"images/original/{key}.png", "psnr"] = psnr(result(label, key), versions[0]).item()
            expected[label, name, "", "jod-lite"] = metric(result(label, key)).item()
            expected[label, name, "", "lr-consistency"] = psnr(again, lq(key)).item()
        qualities = [metric(version).item() for version in versions]
        expected["original", name, "", "jod-lite"] = qualities[0]
        expected["gold-standard", name, "", "jod-lite"] = max(qualities)
    assert found == pytest.approx(expected, rel=1e-5)
    shown = capsys.readouterr().out
    mean = np.mean([score for key, score in expected.items() if key[0] == "net" and key[3] == "psnr"])
    assert f"{mean:.4f}" in next(line for line in shown.splitlines() if line.startswith("net "))


def test_the_folder_says_what_was_evaluated(here):
    assert main([*COMMAND, *METRICS]) == 0
    found = read_results(RUN)
    assert (found.run.scale, found.run.protocol, found.run.experiment) == (2, None, None)
    assert found.run.datasets["set"].images == 3 and found.run.datasets["set"].references == "data"
    facts = found.run.checkpoints["net"]
    assert (facts.path, facts.architecture, facts.iteration) == ("net.pth", "MSRResNet", None)
    assert found.scores.facts["psnr"].spec.endswith("against original, crop 0, 8 bit")
    assert "lr-consistency" in found.scores.facts


def test_against_every_positive_averaged(here, capsys):
    assert main([*COMMAND, "--metric", "psnr", "--against", "positives", "--no-baseline", "--border", "3"]) == 0
    psnr, cut = create_metric("psnr"), slice(3, -3)
    expected = {}
    for key, versions in (("p0", ("01", "02")), ("p1", ("02",))):
        for version in versions:
            pair = (image[..., cut, cut] for image in (result("net", key), truth(version, key)))
            expected[f"set/{key}", f"images/{version}/{key}_{version}.png"] = psnr(*pair).item()
    found = {key[1:3]: score for key, score in scores().items() if key[3] == "psnr"}
    assert found == pytest.approx(expected, rel=1e-6)
    assert {key[0] for key in scores()} == {"net"}, "nothing but the checkpoint"
    first, second, third = expected.values()
    shown = capsys.readouterr().out
    assert f"{(first + second) / 4 + third / 2:.4f}" in shown, "the mean of an image's references comes first"
    assert "set: 1 of 3 images have no positive ground truth" in shown


def test_sr_classic_is_what_basicsr_computes(here):
    from basicsr.metrics.psnr_ssim import calculate_psnr, calculate_ssim

    assert main([*COMMAND, "--protocol", "sr-classic", "--no-baseline"]) == 0
    for key in ("p0", "p1", "p2"):
        pair = [to_uint8(one[0])[..., ::-1].copy() for one in (result("net", key), truth("original", key))]
        for metric, function in (("psnry-basicsr", calculate_psnr), ("ssimy-basicsr", calculate_ssim)):
            found = scores()["net", f"set/{key}", f"images/original/{key}.png", metric]
            assert found == pytest.approx(function(*pair, crop_border=2, test_y_channel=True), rel=1e-5)
    assert read_results(RUN).run.protocol == "sr-classic"


def test_hggt_test100_is_the_mean_over_the_positives_without_4_px(here, synthetic, capsys):
    names = ("psnr", "ssimc-basicsr", "lpips", "dists")
    with synthetic(*(file for name in names for file in metric_info(name).weights)):
        save_network(Path("four.pth"), upscale=4)
        write_groups("large/images", count=1, size=64)
        write_labels("large/labels", {"p0": {"01": "PPS", "02": "PPP"}})
        args = ["evaluate", "four.pth", "--data", "set=large", "--protocol", "hggt-test100", "--no-baseline"]
        assert main([*args, "--device", "cpu"]) == 0
        run, cut = Path("results/four_hggt-test100"), slice(4, -4)
        found, shown, means = scores(run), capsys.readouterr().out, []
        for name in names:
            each = []
            for version in ("01", "02"):
                path = f"images/{version}/p0_{version}.png"
                pair = [result("four", "p0", run), to_tensor(read_image(Path("large") / path))[None]]
                each.append(create_metric(name)(*(one[..., cut, cut] for one in pair)).item())
                assert found["four", "set/p0", path, name] == pytest.approx(each[-1], rel=1e-4)
            means.append(np.mean(each))
    assert [float(cell) for cell in shown.splitlines()[1].split()[1:5]] == pytest.approx(means, abs=2e-4)
    assert len(found) == 9 and ("four", "set/p0", "", "lr-consistency") in found


def test_ready_lq_images_and_sets_without_ground_truths(here):
    for number in range(3):
        save(f"LR/p{number}x2.png", make_image(number + 20, 16))
    args = ["evaluate", "net.pth", "--data", "set=data", "--lq", "set=LR", "--lq", "real=LR", "--output", str(RUN)]
    assert main([*args, *METRICS]) == 0
    with torch.no_grad():
        levels = to_uint8(here(to_tensor(make_image(21, 16))[None])[0])
    assert np.array_equal(to_uint8(result("net", "p1")[0]), levels)
    found = scores()
    assert ("net", "set/p1", "images/original/p1.png", "psnr") in found
    kinds = {key[0]: set() for key in found}
    for label, name, _, metric in found:
        if name.startswith("real/"):
            kinds[label].add(metric)
    both = {"jod-lite", "lr-consistency"}
    assert kinds == {"net": both, "bicubic": both, "original": set(), "gold-standard": set()}
    assert read_results(RUN).run.datasets["real"].references is None


def test_a_metric_that_is_not_defined_on_some_images(here, capsys):
    save("mixed/large.png", make_image(1, 192))
    save("mixed/small.png", make_image(2, 64))
    args = ["evaluate", "net.pth", "--data", "mixed", "--output", str(RUN), "--metric", "niqe", "--no-baseline"]
    assert main(args) == 0
    found = scores()
    assert np.isnan(found["net", "mixed/small", "", "niqe"]) and found["net", "mixed/large", "", "niqe"] > 0
    shown = capsys.readouterr().out
    assert (
        "niqe: not defined on 1 images of mixed" in shown and f"{found['net', 'mixed/large', '', 'niqe']:.4f}" in shown
    )
    assert main(args) == 0 and "0 images computed or scored" in capsys.readouterr().out


def test_memory_that_does_not_suffice_costs_a_score(here, monkeypatch, capsys):
    """It is missing, not NaN: the next call computes it."""
    args, own = [*COMMAND, *METRICS], JODLiteMetric.score
    assert main(args) == 0
    every, large = scores(), result("net", "p1")

    def scarce(self, image, reference):
        if torch.equal(image, large):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return own(self, image, reference)

    shutil.rmtree(RUN)
    monkeypatch.setattr(JODLiteMetric, "score", scarce)
    assert main(args) == 1
    assert "1 scores are missing, for which memory did not suffice" in capsys.readouterr().err
    assert every.keys() - scores().keys() == {("net", "set/p1", "", "jod-lite")}
    monkeypatch.setattr(JODLiteMetric, "score", own)
    assert main(args) == 0 and scores() == every


def test_lmdb_folders(here):
    import lmdb

    for version in ("original", "01"):
        folder = Path("packed") / f"{version}.lmdb"
        folder.mkdir(parents=True)
        with lmdb.open(str(folder), map_size=2**20) as environment, environment.begin(write=True) as transaction:
            for number in range(2):
                name = f"p{number}" if version == "original" else f"p{number}_{version}"
                transaction.put(name.encode(), Path(f"data/images/{version}/{name}.png").read_bytes())
        lines = [
            f"p{n}.png (33,33,3) 1" if version == "original" else f"p{n}_{version}.png (33,33,3) 1" for n in (0, 1)
        ]
        (folder / "meta_info.txt").write_text("\n".join(lines))
    assert main([*COMMAND, *METRICS]) == 0
    assert main(["evaluate", "net.pth", "--data", "set=packed", *METRICS, "--output", "results/two"]) == 0
    ours, plain = scores(Path("results/two")), scores()
    for number in (0, 1):
        found = ours["net", f"set/p{number}", f"original.lmdb/p{number}", "psnr"]
        assert found == plain["net", f"set/p{number}", f"images/original/p{number}.png", "psnr"]


def test_few_images_are_in_memory_at_a_time(here, monkeypatch):
    real, alive, most = EvaluationSet.read, weakref.WeakSet(), []

    def counted(self, *arguments):
        image = real(self, *arguments)
        alive.add(image.lq)
        most.append(len(alive))
        return image

    monkeypatch.setattr(EvaluationSet, "read", counted)
    for number in range(16):
        save(f"many/{number}.png", make_image(number, 16))
    args = ["evaluate", "net.pth", "--lq", "many", "--output", str(RUN), "--metric", "jod-lite", "--no-baseline"]
    assert main([*args, "--workers", "2"]) == 0
    assert len(most) == 16 and max(most) <= 7, "three read, three computed or waiting, one on its way between"


def test_what_is_not_needed_is_not_read(here, monkeypatch):
    real, read = evaluation_data.decode_image, []
    monkeypatch.setattr(evaluation_data, "decode_image", lambda *one: read.append(Path(one[1]).name) or real(*one))
    assert main([*COMMAND, *METRICS, "--no-baseline"]) == 0
    assert sorted(read) == ["p0.png", "p1.png", "p2.png"], "one for the LQ and for psnr; the enhanced ones for nothing"
    read.clear()
    assert main([*COMMAND, "--metric", "jod-lite", "--no-baseline"]) == 0
    assert not read, "nothing was missing"
    assert main([*COMMAND, "--metric", "psnr,jod-lite,gmsd", "--no-baseline"]) == 0
    assert sorted(read) == ["p0.png", "p1.png", "p2.png"]


# --- Resuming ---------------------------------------------------------------------------------------------------------


def test_goes_on_where_it_was_interrupted(here, monkeypatch, capsys):
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


def test_a_second_run_computes_nothing_and_loads_no_network_for_it(here, monkeypatch, capsys):
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


def test_further_checkpoints_and_sets_are_added(here, capsys):
    save_network(Path("other.pth"), seed=1)
    assert main([*COMMAND, *METRICS]) == 0
    before = scores()
    assert main(["evaluate", "net.pth", "other.pth", *COMMAND[2:], "--data", "data/images/02", *METRICS]) == 0
    found = scores()
    assert before.items() <= found.items()
    assert {(key[0], key[1].split("/")[0]) for key in found} >= {("other", "set"), ("net", "02"), ("other", "02")}
    assert set(read_results(RUN).run.checkpoints) == {"net", "other"}


def test_two_images_at_a_time_change_nothing(here):
    assert main([*COMMAND, *METRICS, "--workers", "1"]) == 0
    args = [word.replace(str(RUN), "results/two") for word in [*COMMAND, *METRICS]]
    assert main([*args, "--workers", "2"]) == 0
    assert Path("results/two/scores.csv").read_bytes() == (RUN / "scores.csv").read_bytes()
    for path in (RUN / "images").rglob("*.png"):
        assert path.read_bytes() == (Path("results/two") / path.relative_to(RUN)).read_bytes()


def test_two_images_share_the_threads(here, monkeypatch):
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


def test_two_processes(here):
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


def test_scores_of_processes_that_were_interrupted_are_kept(here, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    file, table = RUN / "scores.csv", ScoreTable.read(RUN / "scores.csv")
    whole = file.read_bytes()
    ScoreTable(table.facts.values(), table.rows[::2]).write(file)
    ScoreTable(table.facts.values(), table.rows[1::2]).write(RUN / "scores.csv.shard-1-of-4")
    capsys.readouterr()
    assert main([*COMMAND, *METRICS]) == 0
    assert "0 images computed or scored" in capsys.readouterr().out
    assert file.read_bytes() == whole and not list(RUN.glob("*.shard-*"))


# --- Nothing is overwritten -------------------------------------------------------------------------------------------


def test_another_evaluation_in_the_same_place_is_refused(here, capsys):
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
def test_overwriting_removes_what_is_known_to_be_of_an_evaluation_and_nothing_else(here, capsys, older):
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


def test_two_evaluations_in_one_folder_are_refused(here, capsys):
    with locked(RUN, "iqa-sr evaluate"):
        assert f"in use by process {os.getpid()} on " in error(capsys, *COMMAND, *METRICS)
        assert not RUN.exists()
    assert main([*COMMAND, *METRICS]) == 0
    assert [path.name for path in RUN.parent.iterdir()] == ["run"]


def test_overwriting_is_refused_where_something_cannot_be_proved(here, capsys):
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


def test_an_image_that_was_edited_is_another_one(here, capsys):
    args = ["evaluate", "net.pth", "--data", "set=edited", *COMMAND[4:], *METRICS]
    save("edited/p0.bmp", make_image(0, 16))
    assert main(args) == 0
    size = Path("edited/p0.bmp").stat().st_size
    save("edited/p0.bmp", make_image(1, 16))
    assert Path("edited/p0.bmp").stat().st_size == size
    assert "the data set set holds other files" in error(capsys, *args)


def test_a_checkpoint_that_is_built_otherwise_is_another_one(here, capsys):
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


def test_scores_by_other_weights_are_refused(here, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    file = RUN / "scores.csv"
    file.write_text(file.read_text().replace("sha256 ", "sha256 0"))
    shown = error(capsys, *COMMAND, *METRICS)
    assert "jod-lite was computed otherwise or with other weights" in shown


def test_a_folder_that_is_no_result_folder_is_left_alone(here, capsys):
    save("results/run/mine.png", make_image(0, 8))
    for more in ([], ["--overwrite"]):
        assert "holds something, but no run.json: no result folder" in error(capsys, *COMMAND, *METRICS, *more)
    assert [path.name for path in RUN.iterdir()] == ["mine.png"]


def test_hidden_files_are_no_results(here):
    """What a system puts into every folder, or an evaluation that was ended while it wrote its first file."""
    RUN.mkdir(parents=True)
    (RUN / ".run.json.1.tmp").write_text("{")
    assert main([*COMMAND, *METRICS, "--no-baseline"]) == 0


def test_results_of_a_folder_with_a_label_have_its_name(here):
    save_network(Path("nets/one.pth"))
    assert main(["evaluate", "mine=nets", *COMMAND[2:4], "--metric", "psnr", "--no-baseline", "--device", "cpu"]) == 0
    assert set(read_results("results/mine").run.checkpoints) == {"mine_one"}


def test_lr_consistency_alone_brings_no_other_metric():
    assert choose_scorer(read_metrics(["lr-consistency"], None), None, None, None, []).metrics == ()


# --- Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--metric", "psnrr"], "--metric: there is no metric 'psnrr'; did you mean psnr"),
        (["--metric", ","], "--metric: expected names separated by commas, got none"),
        (["--protocol", "sr-clasic"], "--protocol: there is no protocol 'sr-clasic'; did you mean sr-classic"),
        (["--protocol", "hggt-test100"], "--protocol hggt-test100 is defined for x4, net.pth is x2"),
        (["--protocol", "sr-classic", "--border", "4"], "--border 4: --protocol sr-classic fixes it"),
        (["--border", "-1"], "--border: expected at least 0 px, got -1"),
        (
            ["--metric", "niqe"],
            "niqe needs at least 192x192 px, and no result is that large; the largest is 32x32 (HxW)",
        ),
        (["--data", "set=elsewhere"], "--data: two data sets have the name 'set': data and elsewhere"),
        (["--data", "elsewhere"], "data set elsewhere:dataroot_gt: the folder elsewhere does not exist"),
        (["--lq", "set=data/images/01"], "p0_01.png: there is no ground truth of this name"),
        (["--degradation", "bicubicc"], "data set set:degradation"),
        (["--lq", "set=LR", "--degradation", "bicubic"], "--degradation bicubic: every data set has ready LQ images"),
        (["--data", "more=data/images/01", "--lq", "LR"], "--lq LR: which data set is it of? Say it: --lq NAME=LR"),
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--data", "a\tb=data"], "expected a name that can be a folder's, got 'a\\tb'"),
        (["--data", "..=data"], "expected a name that can be a folder's, got '..'"),
        (["--data", "a/b=data"], "expected a name that can be a folder's, got 'a/b'"),
        (["--output", "."], "--output: expected the name of a folder for the results, got ."),
        (["--output", "results/.."], "--output: expected the name of a folder for the results, got results/.."),
        (["--device", "gpu"], "--device: expected cpu, cuda or cuda:N, got gpu"),
        (["--tile", "8"], "--tile: expected auto, none or at least 64 px"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(here, capsys, args, text):
    assert text in error(capsys, *COMMAND, *args)
    assert not Path("results").exists()


def test_bad_data_are_named_with_both_sizes(here, capsys):
    save("LR/p0.png", make_image(0, 15))
    for number in (1, 2):
        save(f"LR/p{number}.png", make_image(number, 16))
    shown = error(capsys, *COMMAND, "--lq", "LR")
    assert "data set set: 1 problems: 1 wrong LQ scale" in shown
    assert "p0.png is 15x15 (HxW), expected 16x16: the original 33x33 by scale 2" in shown
    Path("LR/p0.png").unlink()
    assert "there is no LQ file for p0" in error(capsys, *COMMAND, "--lq", "LR")
    save("LR/p0.png", make_image(0, 16))
    Path("LR/p0.png").write_bytes(Path("LR/p0.png").read_bytes()[:300])
    assert "p0.png: damaged or truncated image" in error(capsys, *COMMAND, "--lq", "LR")
    Path("empty").mkdir()
    assert "no images found in empty" in error(capsys, "evaluate", "net.pth", "--lq", "empty")
    for name in ("a.png", "a.jpg"):
        save(f"twice/{name}", make_image(0, 16))
    assert "a.jpg and a.png have the same stem" in error(capsys, "evaluate", "net.pth", "--lq", "twice")


def test_references_that_are_missing(here, capsys):
    save("plain/p0.png", make_image(0, 32))
    shown = error(capsys, "evaluate", "net.pth", "--lq", "plain", "--metric", "psnr")
    assert "psnr compares with a reference image, and there are none in plain" in shown and "--data NAME=DIR" in shown
    args = ["evaluate", "net.pth", "--data", "plain", "--metric", "psnr", "--against", "positives"]
    assert "no image of plain has one" in error(capsys, *args)
    assert "--data: expected the folder of the ground truths" in error(capsys, "evaluate", "net.pth")
    shown = error(capsys, "evaluate", "net.pth", "--degradation", "bicubic")
    assert "--degradation bicubic: expected with --data DIR, got it alone" in shown


def test_checkpoints_that_cannot_be_used(here, capsys):
    more = COMMAND[2:]
    assert "absent.pth does not exist" in error(capsys, "evaluate", "absent.pth", *more)
    for label in ("..", "a/b"):
        assert f"can be a folder's name, got '{label}'" in error(capsys, "evaluate", f"{label}=net.pth", *more)
    Path("cut.pth").write_bytes(Path("net.pth").read_bytes()[:3000])
    assert "cut.pth is truncated or not a file of tensors" in error(capsys, "evaluate", "net.pth", "cut.pth", *more)
    torch.save({"params": {"layer.weight": torch.zeros(3, 3)}}, "strange.pth")
    shown = error(capsys, "evaluate", "strange.pth", *more)
    assert "it is not known which network this is. Looked at:" in shown
    save_network(Path("four.pth"), upscale=4)
    assert "expected checkpoints of one scale, got x2 (net.pth), x4 (four.pth)" in error(
        capsys, "evaluate", "net.pth", "four.pth", *more
    )
    assert not Path("results").exists()


def test_a_network_that_gives_nan_is_named_with_the_image(here, capsys):
    state = {key: weight * 1e30 for key, weight in here.state_dict().items()}
    torch.save({"params": state}, "wild.pth")
    shown = error(capsys, "evaluate", "net.pth", "wild.pth", *COMMAND[2:], *METRICS)
    assert "wild on set/p0: the network gives values that are not finite" in shown
    assert not list(RUN.glob("images/wild/**/*.png")) and ("net", "set/p0", "", "jod-lite") in scores()


def test_a_checkpoint_that_changes_meanwhile(here, monkeypatch, capsys):
    save_network(Path("latest.pth"))
    real = evaluation_run.prepare_folder

    def prepared(*arguments):
        real(*arguments)
        save_network(Path("latest.pth"), seed=1)

    monkeypatch.setattr(evaluation_run, "prepare_folder", prepared)
    shown = error(capsys, "evaluate", "latest.pth", *COMMAND[2:], *METRICS)
    assert "latest.pth has changed since the evaluation began" in shown
    assert {key[0] for key in scores()} == {"bicubic", "original", "gold-standard"}


def test_a_damaged_run_file_is_named(here, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    (RUN / "run.json").write_text(json.dumps({"format": 2, "scale": "two"}))
    assert "run.json:scale" in error(capsys, *COMMAND, *METRICS)


def test_a_row_is_not_lost_when_an_image_is_removed(here):
    assert main([*COMMAND, *METRICS]) == 0
    before = scores()
    (RUN / "images" / "net" / "set" / "p1.png").unlink()
    table = ScoreTable.open(RUN / "scores.csv")
    assert table.drop(lambda row: row[:4] == ("net", "set/p2", "", "jod-lite")) == 1
    assert main([*COMMAND, *METRICS]) == 0
    assert scores() == before and result("net", "p1").shape == (1, 3, 32, 32)
