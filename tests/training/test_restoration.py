"""Runs of scale 1: what is compared with is the untouched input, and nothing is enlarged anywhere."""

from pathlib import Path

import pytest
import torch

from iqa_sr import plugin
from iqa_sr.checkpoint.loading import load_network
from iqa_sr.cli.main import main as cli
from iqa_sr.degradations.pipelines import build_degradation, validation_seed
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.report.collect import read_report
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.training.data_checks import check_option_file
from iqa_sr.training.run_config import RunConfig
from tests.helpers.sr_datasets import training_options, write_groups, write_options
from tests.helpers.tiny_runs import RUN, finished_run, train

plugin.register()

JPEG = {"type": "jpeg", "jpeg_range": [20, 40]}
AMO = {"type": "argmax-online", "metric": "jod-lite", "pool": "all"}


def options(**changes):
    """A tiny SwinIR without upsampler that removes JPEG artifacts."""
    changes = {
        "name": "toy",
        "scale": 1,
        "datasets__train__sampler": AMO,
        "datasets__train__degradation": JPEG,
        "datasets__val__degradation": JPEG,
        "network_g__upscale": 1,
        "network_g__upsampler": "",
        "train__total_iter": 2,
        "val__val_freq": 2,
        "val__save_img": True,
        "logger__save_checkpoint_freq": 2,
        **changes,
    }
    return training_options("data", **changes)


def tuned(**changes):
    """The same, fine-tuned by LoRA for the score of a metric."""
    reward = {"type": "IQALoss", "metric": "jod-lite", "loss_weight": 0.01}
    start = f"{RUN}/models/net_g_latest.pth"
    return options(
        **{
            "name": "tuned",
            "path__pretrain_network_g": start,
            "train__lora": {"preset": "swinir", "rank": 2},
            "train__quality_opt": reward,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run with argmax-online, and its log."""
    folder = tmp_path_factory.mktemp("restoration")
    write_groups(folder / "data", count=2, size=64)
    return finished_run(folder, options())


@pytest.fixture
def here(run, monkeypatch):
    """The folder of the run, as the working directory."""
    monkeypatch.chdir(run[0])
    return run[0]


def test_a_run_is_compared_with_the_untouched_input(run, here):
    rows = ScoreTable.read(RUN / "scores.csv").rows
    assert {row.checkpoint for row in rows} == {"input", "2"}
    for number, key in enumerate(("p0", "p1")):
        original = to_tensor(read_image(Path(f"data/original/{key}.png")))[None]
        lq = build_degradation(JPEG, 1)(original, validation_seed(number)[None])
        saved = to_tensor(read_image(RUN / f"visualization/val/{key}/{key}_input.png"))[None]
        assert torch.equal(saved, lq) and not torch.equal(lq, original)
        (score,) = (row.score for row in rows if (row.checkpoint, row.image) == ("input", f"val/{key}"))
        assert score == pytest.approx(-10 * float((lq - original).square().mean().log10()), abs=1e-3)
    assert "  psnr: input " in run[1] and "bicubic" not in run[1]


def test_evaluation_report_and_choice_know_the_input(here, capsys):
    assert cli(["evaluate", str(RUN), "--metric", "psnr", "--output", "results/toy", "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "\ninput " in shown and "bicubic" not in shown
    table = ScoreTable.read("results/toy/scores.csv")
    assert list(table.facts) == ["psnr"]  # no consistency with the LQ, which is to be left behind
    trained = {row[:3]: row.score for row in ScoreTable.read(RUN / "scores.csv").rows if row.metric == "psnr"}
    own = {("input", "val/p0"), ("input", "val/p1")}
    found = {row[:2]: row.score for row in table.rows if row.checkpoint == "input"}
    assert found.keys() == own and all(
        score == pytest.approx(next(value for key, value in trained.items() if key[:2] == name), abs=1e-3)
        for name, score in found.items()
    )
    assert read_report([RUN, "results/toy"]).entries[0].name == "input"
    assert cli(["pick", str(RUN), "--metric", "psnr"]) == 0
    assert "left out: input (no iteration)" in capsys.readouterr().out


def test_a_fine_tuning_by_lora_and_the_restored_image(here, capsys):
    assert train(tuned()) == 0
    models = RUN / "models", Path("experiments/tuned/models")
    first, last = (load_network(one / "net_g_latest.pth", param_key="params") for one in models)
    assert last.scale == 1
    before, after = first.network, last.network
    names = {
        name
        for (name, old), new in zip(before.state_dict().items(), after.state_dict().values(), strict=True)
        if not torch.equal(old, new)
    }
    assert names and all("attn" in name or "mlp" in name for name in names)
    capsys.readouterr()
    Path("broken.png").write_text("no image")
    checkpoint = ["--checkpoint", "experiments/tuned/models/net_g_latest.pth", "--device", "cpu"]
    assert cli(["upscale", "data/original/p0.png", "broken.png", *checkpoint, "--tile", "48", "--overlap", "16"]) == 1
    assert "not restored: broken.png" in capsys.readouterr().err
    assert read_image(Path("upscaled/p0.png")).shape == (64, 64, 3)


def test_data_are_checked_at_their_own_size(here, tmp_path):
    found = list(check_option_file(write_options(tmp_path / "x.yml", options())))
    assert [fine for fine, _ in found] == [True, True]
    section = options(datasets__val__dataroot_lq="data/original", datasets__val__degradation=None)
    ((_, first), (fine, second)) = check_option_file(write_options(tmp_path / "y.yml", section))
    assert fine and "ready LQ files in data/original" in second and "no problems" in first


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"datasets__train__degradation": None},
            "datasets:train: degradation: bicubic changes nothing at scale 1, .* jpeg, denoise, deblur, .* or identity",
        ),
        ({"datasets__val__degradation": {"type": "bicubic"}}, "datasets:val: degradation: bicubic changes nothing"),
        ({"val__baseline": "bicubic"}, "val:baseline: expected input at scale 1, or auto, got bicubic"),
        (
            {"scale": 2, "network_g__upscale": 2},
            "datasets:train: degradation: jpeg keeps the size of the image, which is for scale 1, got scale 2; take",
        ),
        ({"network_g__upscale": 2}, "network_g:upscale: expected 1 as under scale, got 2"),
        ({"datasets__train__gt_size": 30}, "datasets:train:gt_size: expected a multiple of 4 "),
    ],
)
def test_what_does_not_fit_scale_1_is_refused(changes, text):
    with pytest.raises(OptionError, match=text):
        RunConfig.from_options(options(**changes))


def test_a_baseline_fits_its_scale():
    for scale, upsampler, right, wrong in ((1, "", "input", "bicubic"), (2, "pixelshuffledirect", "bicubic", "input")):
        network = {"network_g__upscale": scale, "network_g__upsampler": upsampler, "scale": scale}
        made = {f"datasets__{one}__degradation": {"type": "hggt-one-stage"} for one in ("train", "val")}
        for baseline in (right, "auto", None):
            assert RunConfig.from_options(options(**network, **made, val__baseline=baseline))
        with pytest.raises(OptionError, match=f"val:baseline: expected {right} at scale {scale}, or auto, got {wrong}"):
            RunConfig.from_options(options(**network, **made, val__baseline=wrong))


def test_a_guard_does_not_hold_out_the_consistency_with_what_is_to_be_undone():
    guard = {"held_out": ["lr-consistency"], "min_consistency": 30}
    with pytest.raises(OptionError) as error:
        RunConfig.from_options(tuned(train__guard=guard))
    first, second = str(error.value).splitlines()
    assert first.startswith("train:guard:held_out: expected metrics other than lr-consistency, for at scale 1 ")
    assert second.startswith("train:guard:min_consistency: expected nothing, for at scale 1 ")


def test_evaluation_says_what_it_needs_at_scale_1(here, capsys):
    command = ["evaluate", f"{RUN}/models/net_g_2.pth", "--data", "set=data", "--metric", "psnr", "--device", "cpu"]
    assert cli([*command, "--output", "results/none"]) == 1
    assert "data set set:degradation: bicubic changes nothing at scale 1" in capsys.readouterr().err
    assert not Path("results/none").exists()
    section = ["--degradation", "{type: denoise, noise_range: [25, 25]}", "--protocol", "restoration"]
    assert cli([*command, *section, "--output", "results/noise"]) == 0
    table = ScoreTable.read("results/noise/scores.csv")
    noisy = [row.score for row in table.rows if (row.checkpoint, row.metric) == ("input", "psnr")]
    assert len(noisy) == 2 and all(score == pytest.approx(20.3, abs=0.5) for score in noisy)  # 255 / 25, clamped
    assert "ssimc-basicsr" in table.facts
    assert cli([*command, "--degradation", "{type: denoise, sigma: 1}", "--output", "results/bad"]) == 1
    assert "data set set:degradation:sigma: unknown key" in capsys.readouterr().err
