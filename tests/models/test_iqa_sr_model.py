"""IQASRModel and its parts, and what is arranged for BasicSR's own classes."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from iqa_sr import plugin
from iqa_sr.basicsr_compat import MODEL_REGISTRY, BaseModel, registered
from iqa_sr.cli.train import main
from iqa_sr.config.option_files import read_option_file
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.errors import OptionError, TrainingStopped
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.models.iqa_sr_model import IQASRModel
from iqa_sr.models.nonfinite_guard import NonFiniteSkipper
from iqa_sr.models.optimizer_step import OptimizerStep
from iqa_sr.models.sampler_statistics import SamplerStatistics
from iqa_sr.models.validation import calculate_iqa
from iqa_sr.ops.blur import sharpen
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.training.run_config import RunConfig
from tests import ROOT
from tests.helpers.sr_datasets import make_image, save, training_options, write_groups, write_labels, write_options


@pytest.fixture(autouse=True)
def _registered():
    plugin.register()


def train(options, *more):
    return main(["-opt", write_options("options.yml", options), *more])


def curves(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [point.value for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


# --- Statistics of the sampler ----------------------------------------------------------------------------------------


def test_shares_and_qualities_are_means_since_the_last_report():
    statistics = SamplerStatistics(["original", "01"])
    nan = math.nan
    qualities = torch.tensor([[1.0, 3.0], [2.0, nan], [5.0, 4.0]])
    statistics.add(torch.tensor([1, 0, 0]), qualities, torch.tensor([1, 0, 0]), torch.tensor([1.0, 2.0, nan]))
    assert statistics.report() == pytest.approx(
        {
            "sampler/share_original": 2 / 3,
            "sampler/share_01": 1 / 3,
            "sampler/quality_chosen": (3 + 2 + 5) / 3,
            "sampler/quality_original": 1.5,
            "sampler/quality_pool_mean": (2 + 2 + 4.5) / 3,
        }
    )
    other = SamplerStatistics(["original", "01"])
    other.load(statistics.state())
    assert other.report() == statistics.report()
    statistics.reset()
    assert statistics.report() == {}


@pytest.mark.parametrize(
    ("sampler", "scored"),
    [
        ({"type": "uniform"}, False),
        ({"type": "argmax-online", "metric": "niqe"}, True),
        ({"type": "argmax-online", "metric": "niqe", "pool": "positives"}, True),
        ({"type": "softmax-all", "metric": "niqe", "scores": "scores.csv", "temperature": 1e-3}, True),
    ],
)
def test_tensorboard_shows_what_the_sampler_does(tmp_path, monkeypatch, sampler, scored):
    from iqa_sr.cli.main import main as cli

    monkeypatch.chdir(tmp_path)
    write_groups("data/images/0-4", count=4, size=192)
    write_labels("data/labels/0-4", {f"p{number}": {"01": "PPP", "02": "PPS"} for number in range(4)})
    if "scores" in sampler:
        assert cli(["score", "data", "--metric", "niqe", "--output", "scores.csv"]) == 0
    options = training_options(datasets__train__sampler=sampler, logger__use_tb_logger=True, val=None)
    assert train(options) == 0
    found = curves("tb_logger/tiny")
    shares = [found[f"sampler/share_{folder}"] for folder in ("original", "01", "02")]
    assert [sum(values) for values in zip(*shares, strict=True)] == pytest.approx([1, 1, 1])
    assert ("sampler/quality_chosen" in found) == scored
    if scored and sampler.get("pool") != "positives":
        chosen, mean = found["sampler/quality_chosen"], found["sampler/quality_pool_mean"]
        assert all(one >= other for one, other in zip(chosen, mean, strict=True))
    if sampler.get("pool") == "positives":
        assert shares[0] == [0, 0, 0] and "sampler/quality_original" not in found


def test_gt_usm_sharpens_the_chosen_crops_and_nothing_else(run_folder):
    section = training_options()["datasets"]["train"]
    batches = []
    for sharpened in (False, True):
        data = MultiGTDataset({**section, "phase": "train", "scale": 2, "gt_usm": sharpened})
        model = SimpleNamespace(device=torch.device("cpu"), feed=None)
        IQASRModel.use_dataset(model, data)
        torch.manual_seed(0)
        batches.append(model.feed({key: value[None] for key, value in data[0].items() if torch.is_tensor(value)}))
    (lq, gt), (other_lq, sharp) = batches
    assert torch.equal(lq, other_lq) and torch.equal(sharp, sharpen(gt)) and not torch.equal(sharp, gt)


# --- The discriminator ------------------------------------------------------------------------------------------------


def test_the_generator_waits_for_the_discriminator_as_in_basicsr(run_folder):
    gan = {
        "train__gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
        "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 8},
        "train__optim_d": {"type": "Adam", "lr": 1e-3},
        "train__net_d_init_iters": 3,
        "network_g__drop_path_rate": 0.0,
    }
    assert train(training_options(**gan)) == 0
    models = Path("experiments/tiny/models")
    three, six = (read_tensor_file(models / f"net_g_{n}.pth")["params"]["conv_first.weight"] for n in (3, 6))
    start_d, end_d = (read_tensor_file(models / f"net_d_{n}.pth")["params"]["conv0.weight"] for n in (3, 6))
    assert not torch.equal(three, six) and not torch.equal(start_d, end_d)
    assert train(training_options(name="idle", **{**gan, "train__total_iter": 3})) == 0
    untrained = training_options(name="zero", **{**gan, "train__optim_g": {"type": "SGD", "lr": 1e-30}})
    assert train({**untrained, "train": {**untrained["train"], "total_iter": 3}}) == 0
    idle, zero = (
        read_tensor_file(f"experiments/{name}/models/net_g_3.pth")["params"]["conv_first.weight"]
        for name in ("idle", "zero")
    )
    assert torch.equal(idle, zero), "three iterations of the discriminator alone leave the generator as it began"


# --- Steps that are not finite ----------------------------------------------------------------------------------------


def test_fp16_skips_while_it_looks_for_a_scale_and_then_counts():
    """Gradients that are infinite at every scale end the run; those of a scale that is too large do not."""
    network = nn.Linear(1, 1, bias=False)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    guard = NonFiniteSkipper(limit=2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    step = OptimizerStep(optimizer, network, "net_g", scaler, None, guard)

    def take(factor):
        optimizer.zero_grad()
        scaler.scale(network.weight.sum() * factor).backward()
        return step(1, ["a.png"])

    start = network.weight.item()
    assert take(1.0) and network.weight.item() == pytest.approx(start - 0.1)
    assert [(take(math.inf), guard.in_a_row, scaler.get_scale()) for _ in range(3)] == [
        (False, 0, 2.0),
        (False, 0, 1.0),
        (False, 1, 0.5),
    ]
    assert take(1.0) and network.weight.item() == pytest.approx(start - 0.2)
    with pytest.raises(TrainingStopped, match="the gradient of net_g is inf; files of the batch: a.png"):
        take(math.inf)


# --- Validation -------------------------------------------------------------------------------------------------------


def test_full_reference_metrics_against_original_nearest_and_positives(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_groups("data/images/0-4", count=2, size=64)
    write_labels("data/labels/0-4", {"p0": {"01": "PPP", "02": "PPP"}, "p1": {"01": "NNN", "02": "SSS"}})
    psnr = {"type": "calculate_iqa", "metric": "psnr"}
    metrics = {against: {**psnr, "against": against} for against in ("original", "nearest", "positives")}
    assert train(training_options(val__metrics=metrics)) == 0
    table = ScoreTable.read(Path("experiments/tiny/scores.csv"))
    scores = {(row.image, row.metric): row.score for row in table.rows if row.checkpoint == "bicubic"}
    assert scores["val/p0", "nearest"] >= scores["val/p0", "original"]
    assert scores["val/p0", "nearest"] == pytest.approx(
        max(scores["val/p0", "original"], scores["val/p0", "nearest"]), abs=1e-9
    )
    assert ("val/p0", "positives") in scores and ("val/p1", "positives") not in scores, "no positive, no score"


def test_scores_are_those_of_the_saved_images(run_folder):
    from iqa_sr.io.image_tensors import to_tensor
    from iqa_sr.io.images import read_image
    from iqa_sr.metrics import create_metric

    assert train(training_options(val__save_img=True)) == 0
    table = ScoreTable.read(Path("experiments/tiny/scores.csv"))
    for label in ("bicubic", "6"):
        score = table.lookup("psnr", label, "original")["val/p1"]
        saved = to_tensor(read_image(f"experiments/tiny/visualization/val/p1/p1_{label}.png"))[None]
        original = to_tensor(read_image("data/original/p1.png"))[None]
        assert score == pytest.approx(float(create_metric("psnr")(saved, original)), abs=1e-4)


def test_images_of_any_size_are_validated(run_folder):
    save("odd/a.png", make_image(1, 54, 38))
    options = training_options(datasets__val__dataroot_gt="odd")
    assert train(options) == 0
    assert {row.image for row in ScoreTable.read(Path("experiments/tiny/scores.csv")).rows} == {"val/a"}


def test_every_validation_degrades_an_image_alike(run_folder):
    """A generator that does not learn gives the same images each time, although the degradation is random."""
    options = training_options(datasets__val__degradation={"type": "hggt-one-stage"}, val__save_img=True)
    options["train"]["optim_g"]["lr"], options["train"]["ema_decay"] = 1e-30, 0.0
    assert train(options) == 0
    folder = Path("experiments/tiny/visualization/val/p2")
    assert (folder / "p2_3.png").read_bytes() == (folder / "p2_6.png").read_bytes()


def test_ready_lq_files_are_used(run_folder):
    """LQ files that are black: the result of any network is then the same for every image."""
    for number in range(4):
        save(f"lq/p{number}.png", np.zeros((32, 32, 3), np.uint8))
    options = training_options(datasets__train__dataroot_lq="lq", datasets__val__dataroot_lq="lq", val__save_img=True)
    assert train(options) == 0
    images = [Path(f"experiments/tiny/visualization/val/p{n}/p{n}_6.png").read_bytes() for n in range(4)]
    assert len(set(images)) == 1


def test_calculate_iqa_takes_what_basicsr_hands_on():
    one, other = make_image(1, 200), make_image(2, 200)
    expected = 10 * math.log10(255**2 / np.mean((one[4:-4, 4:-4].astype(float) - other[4:-4, 4:-4]) ** 2))
    score = calculate_iqa(one[..., ::-1], other[..., ::-1], metric="psnr", crop_border=4, better="higher", extra=1)
    assert score == pytest.approx(expected, abs=1e-4)
    assert calculate_iqa(one[..., ::-1], metric="niqe") > 0


# --- What is arranged for BasicSR -------------------------------------------------------------------------------------


class WithBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2)
        self.free, self.frozen = nn.Parameter(torch.ones(1)), nn.Parameter(torch.rand(1), requires_grad=False)


def bare_model():
    model = BaseModel.__new__(BaseModel)
    model.net_g, model.net_g_ema = WithBuffer(), WithBuffer()
    return model


def test_ema_averages_what_is_trained_and_copies_the_rest():
    model = bare_model()
    model.net_g.norm.running_mean.fill_(3.0)
    model.net_g_ema.free.data.fill_(0.0)
    for _ in range(1000):
        model.model_ema(0.9)
    assert torch.equal(model.net_g_ema.frozen, model.net_g.frozen), "a frozen weight does not drift"
    assert torch.equal(model.net_g_ema.norm.running_mean, torch.full((2,), 3.0))
    assert model.net_g_ema.free.item() == pytest.approx(1.0)


@pytest.mark.basicsr
def test_tensor2img_leaves_its_argument_alone():
    sr_model = sys.modules["basicsr.models.sr_model"]

    tensor = torch.full((1, 3, 2, 2), 1.5)
    sr_model.tensor2img([tensor])
    assert tensor.max() == 1.5


def test_a_quality_network_learns_on_one_gpu_of_a_process():
    plugin.register()
    quality = read_option_file(ROOT / "options/iqa/rankiqa_lite.yml")

    def found(options, number):
        return RunConfig.from_options({**options, "num_gpu": number}).basicsr_opt(cuda_devices=4)["num_gpu"]

    assert found(quality, "auto") == 1
    assert found(training_options(), "auto") == 4
    with pytest.raises(OptionError, match="num_gpu: expected auto, 0 or 1 .* got 2(.|\n)*torchrun --nproc_per_node=2"):
        found(quality, 2)


def test_registering_twice_changes_nothing():
    before = {registry: set(registry.keys()) for registry, _ in plugin.TABLE}
    plugin.register()
    assert {registry: set(registry.keys()) for registry, _ in plugin.TABLE} == before
    assert "IQASRModel" in registered(MODEL_REGISTRY)


def test_any_optimizer_of_torch_can_be_named(run_folder):
    assert train(training_options(train__optim_g={"type": "AdamW", "lr": 1e-3, "weight_decay": 0.01})) == 0


def test_swinir_under_a_vgg_style_discriminator(run_folder):
    """SwinIR's strides once broke the `view` in this discriminator."""
    write_groups("large", count=2, size=128)
    options = training_options(
        data="large",
        datasets__train__gt_size=128,
        network_d={"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 4},
        train__gan_opt={"type": "GANLoss", "gan_type": "vanilla"},
        train__optim_d={"type": "Adam", "lr": 1e-3},
        train__total_iter=1,
        val=None,
    )
    assert train(options) == 0
