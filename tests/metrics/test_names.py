"""Names of metrics: found in any case, with `-` for `_` or without, wherever one is named; errors name the nearest."""

import pytest

from iqa_sr.cli.main import main
from iqa_sr.config.sections import read_section
from iqa_sr.errors import did_you_mean, same_name
from iqa_sr.evaluation.scores import read_metrics
from iqa_sr.guard.options import GuardOptions, check_guard
from iqa_sr.losses.ensemble_iqa_loss import EnsembleIQALossOptions
from iqa_sr.losses.iqa_loss import IQALossOptions
from iqa_sr.metrics import create_metric, metric_info, metric_names, metric_spec, shared_metric
from iqa_sr.models.metric_options import CalculateIQAOptions
from iqa_sr.samplers.argmax_online_sampler import ArgmaxOnlineOptions
from iqa_sr.samplers.softmax_sampler import SoftmaxOptions, build_softmax
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable


@pytest.mark.parametrize("name", metric_names())
def test_every_name_is_found_as_people_write_it(name):
    for written in (name.upper(), name.replace("_", "-"), name.replace("-", "_").title()):
        assert metric_info(written).name == name


def test_a_metric_by_another_name_is_the_same_one():
    assert shared_metric("PSNR", "cpu") is shared_metric("psnr", "cpu")
    assert create_metric("MS-SSIM").info.name == "ms_ssim" and metric_spec("PSNR") == metric_spec("psnr")
    with pytest.raises(ValueError, match="there is no metric 'PSNRR'; did you mean psnr"):
        metric_info("PSNRR")


@pytest.mark.parametrize(("name", "own"), [("Ma", "nrqm"), ("perceptual-index", "pi")])
def test_names_that_papers_alone_use_are_answered_with_the_metric(name, own):
    with pytest.raises(ValueError, match=f"there is no metric '{name}'; did you mean {own}, which papers call so"):
        metric_info(name)


@pytest.mark.parametrize(
    ("section", "content", "found"),
    [
        (CalculateIQAOptions, {"metric": "PSNR", "better": "higher"}, lambda read: read.metric == "psnr"),
        (IQALossOptions, {"metric": "JOD-Lite"}, lambda read: list(read.reward_metrics) == ["jod-lite"]),
        (
            EnsembleIQALossOptions,
            {"metrics": [{"metric": "MUSIQ", "mean": 50, "std": 9}, {"metric": "CLIP-IQA"}]},
            lambda read: [one.metric for one in read.metrics] == ["musiq", "clipiqa"],
        ),
        (ArgmaxOnlineOptions, {"metric": "NIQE"}, lambda read: read.metric == "niqe"),
        (
            GuardOptions,
            {"held_out": ["NIQE", "LR_Consistency"]},
            lambda read: read.held_out == ["niqe", "lr-consistency"],
        ),
    ],
)
def test_option_files_get_the_metrics_own_name(section, content, found):
    assert found(read_section(section, content, "here"))


def test_a_held_out_metric_is_known_by_any_name():
    with pytest.raises(ValueError, match="held_out: expected metrics that neither .* got musiq"):
        check_guard(read_section(GuardOptions, {"held_out": ["MUSIQ"]}, "train:guard"), ["musiq"])


def test_tables_and_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ScoreTable([MetricFacts("musiq", True)], [ScoreRow("", "a.png", "", "musiq", 50.0)]).write("t.csv")
    options = read_section(SoftmaxOptions, {"type": "softmax-all", "scores": "t.csv", "metric": "MUSIQ"}, "sampler")
    assert build_softmax(options, "sampler").qualities == {"a.png": 50.0}
    assert read_metrics(["LR-Consistency", "PSNR", "psnr"], None) == ("psnr",)
    assert main(["weights", "pull", "PSNR"]) == 0  # which needs none
    assert main(["weights", "pull", "PSNRR"]) == 1
    assert "'PSNRR'; did you mean psnr" in capsys.readouterr().err


def test_names_that_several_could_be_are_not_guessed():
    assert same_name("A-B", ["a_b", "ab"]) == "A-B" and same_name("ab", ["a_b", "ab"]) == "ab"
    assert did_you_mean("SWINIRR", ["SwinIR", "EDSR"]) == "did you mean SwinIR?"
