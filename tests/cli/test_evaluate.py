"""`iqa-sr evaluate` as a user runs it: what is scored, what is written, what is read."""

import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import iqa_sr.basicsr_compat  # noqa: F401 - lets basicsr be imported
from iqa_sr.cli.main import main
from iqa_sr.evaluation import datasets as evaluation_data
from iqa_sr.evaluation.datasets import EvaluationSet
from iqa_sr.evaluation.scores import choose_scorer, read_metrics
from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.io.images import read_image
from iqa_sr.metrics import create_metric, metric_info
from iqa_sr.metrics.jod_lite import JODLiteMetric
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.scores.protocols import PROTOCOLS
from iqa_sr.scores.result_folder import read_results
from tests.helpers.evaluations import COMMAND, METRICS, RUN, lq, result, scores, truth
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels
from tests.helpers.tiny_networks import save_network


def test_every_score_is_that_of_the_saved_image(network_here, capsys):
    assert main([*COMMAND, *METRICS]) == 0
    found, psnr, metric = scores(), create_metric("psnr"), create_metric("jod-lite")
    expected = {}
    for key in ("p0", "p1", "p2"):
        name, versions = f"set/{key}", [truth(version, key) for version in ("original", "01", "02")]
        with torch.no_grad():
            levels = to_uint8(network_here(lq(key))[0])
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


def test_the_folder_says_what_was_evaluated(network_here):
    assert main([*COMMAND, *METRICS]) == 0
    found = read_results(RUN)
    assert (found.run.scale, found.run.protocol, found.run.experiment) == (2, None, None)
    assert found.run.datasets["set"].images == 3 and found.run.datasets["set"].references == "data"
    facts = found.run.checkpoints["net"]
    assert (facts.path, facts.architecture, facts.iteration) == ("net.pth", "MSRResNet", None)
    assert found.scores.facts["psnr"].spec.endswith("against original, crop 0, 8 bit")
    assert "lr-consistency" in found.scores.facts


def test_against_every_positive_averaged(network_here, capsys):
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


@pytest.mark.basicsr
def test_sr_classic_is_what_basicsr_computes(network_here):
    from basicsr.metrics.psnr_ssim import calculate_psnr, calculate_ssim

    assert main([*COMMAND, "--protocol", "sr-classic", "--no-baseline"]) == 0
    for key in ("p0", "p1", "p2"):
        pair = [to_uint8(one[0])[..., ::-1].copy() for one in (result("net", key), truth("original", key))]
        for metric, function in (("psnry-basicsr", calculate_psnr), ("ssimy-basicsr", calculate_ssim)):
            found = scores()["net", f"set/{key}", f"images/original/{key}.png", metric]
            assert found == pytest.approx(function(*pair, crop_border=2, test_y_channel=True), rel=1e-5)
    assert read_results(RUN).run.protocol == "sr-classic"


def test_hggt_test100_is_the_mean_over_the_positives_without_4_px(network_here, synthetic, capsys):
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


def test_the_paper_s_protocol_has_a_gold_standard_and_says_what_it_leaves_out(network_here, monkeypatch, capsys):
    """With fewer of its metrics, which need no weights; the rest is its own."""
    fewer = replace(PROTOCOLS["paper"], metrics=("psnr", "jod-lite"), left_out={"Q-Align": "of 16 GB"})
    monkeypatch.setitem(PROTOCOLS, "paper", fewer)
    save_network(Path("four.pth"), upscale=4)
    write_groups("large/images", count=1, size=64)
    write_labels("large/labels", {"p0": {"01": "PPS", "02": "PPP"}})
    args = ["evaluate", "four.pth", "--data", "set=large", "--protocol", "paper", "--output", str(RUN)]
    assert main([*args, "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "Q-Align: left out of the protocol paper: of 16 GB" in shown
    assert {metric for label, _, _, metric in scores() if label == "gold-standard"} == {"jod-lite"}
    assert {key for label, _, key, metric in scores() if (label, metric) == ("four", "psnr")} == {
        f"images/{version}/p0_{version}.png" for version in ("01", "02")
    }


def test_ready_lq_images_and_sets_without_ground_truths(network_here):
    for number in range(3):
        save(f"LR/p{number}x2.png", make_image(number + 20, 16))
    args = ["evaluate", "net.pth", "--data", "set=data", "--lq", "set=LR", "--lq", "real=LR", "--output", str(RUN)]
    assert main([*args, *METRICS]) == 0
    with torch.no_grad():
        levels = to_uint8(network_here(to_tensor(make_image(21, 16))[None])[0])
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


def test_a_metric_that_is_not_defined_on_some_images(network_here, capsys):
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


def test_memory_that_does_not_suffice_costs_a_score(network_here, monkeypatch, capsys):
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


def test_lmdb_folders(network_here):
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


def test_few_images_are_in_memory_at_a_time(network_here, monkeypatch):
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


def test_what_is_not_needed_is_not_read(network_here, monkeypatch):
    real, read = evaluation_data.decode_image, []
    monkeypatch.setattr(evaluation_data, "decode_image", lambda *one: read.append(Path(one[1]).name) or real(*one))
    assert main([*COMMAND, *METRICS, "--no-baseline"]) == 0
    assert sorted(read) == ["p0.png", "p1.png", "p2.png"], "one for the LQ and for psnr; the enhanced ones for nothing"
    read.clear()
    assert main([*COMMAND, "--metric", "jod-lite", "--no-baseline"]) == 0
    assert not read, "nothing was missing"
    assert main([*COMMAND, "--metric", "psnr,jod-lite,gmsd", "--no-baseline"]) == 0
    assert sorted(read) == ["p0.png", "p1.png", "p2.png"]


def test_results_of_a_folder_with_a_label_have_its_name(network_here):
    save_network(Path("nets/one.pth"))
    assert main(["evaluate", "mine=nets", *COMMAND[2:4], "--metric", "psnr", "--no-baseline", "--device", "cpu"]) == 0
    assert set(read_results("results/mine").run.checkpoints) == {"mine_one"}


def test_lr_consistency_alone_brings_no_other_metric():
    assert choose_scorer(read_metrics(["lr-consistency"], None), None, None, None, []).metrics == ()
