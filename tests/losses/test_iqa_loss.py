"""Quality metrics as losses: the value, the gradient, the committee, the views, and runs with them."""

import math
import re
from functools import partial
from pathlib import Path

import pytest
import torch

from iqa_sr.basicsr_compat import build_loss, build_network
from iqa_sr.cli.train import main
from iqa_sr.errors import OptionError
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses import EnsembleIQALoss, IQALoss
from iqa_sr.losses.afine_loss import AFINELoss, AFINELossOptions
from iqa_sr.losses.perceptual_slot import PerceptualSlot
from iqa_sr.losses.views import ViewOptions, draw_views, smallest_view
from iqa_sr.metrics import create_metric, metric_info
from iqa_sr.models.generator_losses import GeneratorLosses
from iqa_sr.models.gradient_norms import GradientNormLogger
from iqa_sr.training.verify_resume import differences
from tests.helpers.golden_images import photo
from tests.helpers.sr_datasets import training_options, write_groups, write_options


@pytest.fixture
def pair():
    """Two noisy images and their ground truths."""
    gt = torch.stack([photo(height=96, width=128), photo("coffee", height=96, width=128)])
    noise = torch.randn(gt.shape, generator=torch.Generator().manual_seed(3))
    scale = torch.tensor([0.02, 0.1]).view(2, 1, 1, 1)
    return (gt + scale * noise).clamp(0, 1), gt


def train(options, *more):
    return main(["-opt", write_options("options.yml", options), *more])


# --- One metric -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("metric", "sign"), [("psnr", -1), ("gmsd", 1)])
def test_the_loss_is_the_mean_score_in_the_right_direction(pair, metric, sign):
    output, gt = pair
    expected = sign * 0.5 * create_metric(metric)(output, gt).mean()
    assert IQALoss(metric, loss_weight=0.5)(output, gt).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_gradient_reaches_the_output_alone(pair):
    output, gt = (image.requires_grad_() for image in pair)
    loss = IQALoss("ssim")
    loss(output, gt).backward()
    assert output.grad.abs().sum() > 0 and gt.grad is None
    assert list(loss.parameters()) == [] and loss.state_dict() == {}


def test_a_step_along_the_gradient_makes_the_image_better(pair):
    output, gt = pair
    output.requires_grad_()
    IQALoss("ssim")(output, gt).backward()
    stepped = output.detach() - 0.5 * output.grad / output.grad.abs().max() * 0.02
    ssim = create_metric("ssim")
    assert (ssim(stepped, gt) > ssim(output.detach(), gt)).all()


def test_a_metric_without_reference_needs_no_ground_truth():
    image = photo(height=192, width=192)[None]
    assert IQALoss("niqe")(image).item() == pytest.approx(create_metric("niqe")(image).item())


def test_no_reward_beyond_the_ground_truth():
    gt = photo(height=192, width=192)[None].repeat(2, 1, 1, 1)
    noise = torch.randn(gt.shape[1:], generator=torch.Generator().manual_seed(1))
    gt[0] = (gt[0] + 0.1 * noise).clamp(0, 1)  # the first result is better than its ground truth, the second is not
    output = torch.stack([gt[1], gt[0]]).requires_grad_()
    scores = create_metric("niqe")(gt)
    assert scores[0] > scores[1]
    loss = IQALoss("niqe", ceiling=True)(output, gt)
    assert loss.item() == pytest.approx(scores[0].item(), rel=1e-6), "both count as much as the worse ground truth"
    loss.backward()
    assert not output.grad[0].any() and output.grad[1].abs().sum() > 0


def test_a_result_that_is_its_ground_truth_has_no_gradient_under_a_ceiling(pair):
    output = pair[1].clone().requires_grad_()
    IQALoss("jod-lite", ceiling=True)(output, pair[1]).backward()
    assert not output.grad.any(), "whatever this version of torch gives clamp at its limit"


@pytest.mark.parametrize("broken", ["output", "gt"])
def test_a_ceiling_hides_no_nan(pair, broken):
    """Else a step on non-finite weights would look like any other."""
    given = dict(zip(("output", "gt"), pair, strict=True))
    given[broken] = given[broken] * math.nan
    assert IQALoss("ssim", ceiling=True)(**given).isnan()


@pytest.mark.parametrize(
    "loss",
    [
        *(partial(IQALoss, metric) for metric in ("gmsd", "nlpd", "mad", "vif", "psnr", "jod-lite")),
        *(partial(EnsembleIQALoss, ["ssim", "gmsd"], aggregation=way) for way in ("mean", "mean-std", "soft-min")),
    ],
)
def test_a_loss_of_an_image_that_is_not_finite_is_not_finite(pair, loss):
    """The guard of a training then skips the step; of formulas on NaN some would give the best score, or fail."""
    output, gt = pair
    for value in (torch.nan, torch.inf):
        broken = output.clone()
        broken[1, 2, -1, -1] = value
        broken.requires_grad_()
        found = loss()(broken, gt)
        found.backward()
        assert not found.isfinite() and broken.grad[0].isfinite().all() and not broken.grad[1].nan_to_num().any()


def test_a_loss_takes_what_networks_overshoot(pair):
    assert IQALoss("psnr")(pair[0] * 8 - 4, pair[1]).isfinite()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_of_the_parts_of_a_batch_are_those_of_the_whole(pair, reduction):
    """With their gradients, also of a loss inside of BasicSR's slot."""
    slot = PerceptualSlot({"type": "IQALoss", "metric": "ssim"})
    losses = {"pixel": build_loss({"type": "L1Loss", "reduction": reduction}), "perceptual": slot}
    gradients = []
    for parts in (1, 2):
        output = pair[0].clone().requires_grad_()
        pieces = zip(output.chunk(parts), pair[1].chunk(parts), strict=True)
        found = [GeneratorLosses(losses, parts)(*piece) for piece in pieces]
        means = {name: sum(one[name] for one in found) / parts for name in found[0]}
        sum(means.values()).backward()
        gradients.append(output.grad)
    torch.testing.assert_close(means["l_pix"], losses["pixel"](*pair))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("loss", [lambda: IQALoss("psnr"), lambda: IQALoss("niqe", ceiling=True)])
def test_a_missing_ground_truth_is_named(loss):
    with pytest.raises(ValueError, match="IQALoss: a ground truth is needed"):
        loss()(torch.rand(1, 3, 192, 192))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"loss_weight": "much"}, "IQALoss:loss_weight: .*'much'"),
        ({"loss_weight": math.inf}, "IQALoss:loss_weight"),
        ({"views": {"count": 0}}, "IQALoss:views:count"),
        ({"views": {"crop": 1.5}}, "IQALoss:views:crop"),
        ({"views": {"resize": [2, 1]}}, "IQALoss:views:resize: .*smaller first"),
        ({"views": {"flips": True}}, "IQALoss:views:flips: .*flip"),
        ({"aggregation": "max"}, "IQALoss:aggregation"),
        ({"metric": "ssin"}, "IQALoss:metric: there is no metric 'ssin'; did you mean"),
        ({"metric_options": {"checkpoints": True}}, "psnr takes no option 'checkpoints'"),
    ],
)
def test_wrong_options_are_named(options, text):
    with pytest.raises((ValueError, OptionError), match=text):
        IQALoss(**{"metric": "psnr", **options})


# --- Views ------------------------------------------------------------------------------------------------------------


def test_views_vary_and_follow_the_generator():
    options = ViewOptions(count=50, crop=0.5, resize=(0.8, 1.25), flip=True)
    torch.manual_seed(4)
    views = draw_views(options, 60, 80)
    torch.manual_seed(4)
    assert draw_views(options, 60, 80) == views
    image = torch.rand(2, 3, 60, 80)
    for view in views:
        assert 30 <= view.height <= 60 and view.top + view.height <= 60 and view.left + view.width <= 80
        assert 0.79 < view.size[1] / view.width < 1.27
        assert view(image).shape == (2, 3, *view.size)
    assert {view.flipped for view in views} == {True, False}
    assert len({view.top for view in views}) > 5


def test_a_view_is_cut_and_mirrored_as_it_says():
    image = torch.rand(1, 3, 20, 30)
    (view,) = draw_views(ViewOptions(crop=0.5, flip=False), 20, 30)
    seen = view(image)
    assert torch.equal(seen, image[..., view.top : view.top + view.height, view.left : view.left + view.width])
    assert draw_views(None, 20, 30)[0](image) is not None
    assert torch.equal(draw_views(None, 20, 30)[0](image), image)


def test_views_that_may_be_too_small_are_refused_at_once(pair):
    """Not in the iteration in which one is drawn: nearly all of these would do for ssim's 11 px."""
    loss = IQALoss("ssim", views={"crop": 0.1, "resize": [0.9, 1.2]})
    text = "IQALoss: ssim needs at least 11 px and would see views of down to 9 px of images of 96; train on larger"
    for _ in range(5):
        with pytest.raises(ValueError, match=text):
            loss(*pair)


def test_the_smallest_view_is_the_smallest_that_is_drawn():
    for crop, resize in ((0.5, (0.8, 1.25)), (0.7, (1.1, 1.2)), (1.0, (0.33, 0.33))):
        options = ViewOptions(crop=crop, resize=resize, count=64)
        drawn = min(min(view.size) for _ in range(4) for view in draw_views(options, 41, 60))
        assert smallest_view(options, 41) <= drawn <= smallest_view(options, 41) + 1
    assert smallest_view(None, 41) == 41


def test_result_and_ground_truth_are_seen_in_the_same_views(pair):
    _, gt = pair
    loss = IQALoss("psnr", views={"count": 3, "crop": 0.6, "resize": [0.8, 1.2]})
    assert loss(gt, gt).item() == pytest.approx(-create_metric("psnr")(gt, gt).mean().item())


# --- A committee ------------------------------------------------------------------------------------------------------


def committee(pair, **options):
    """The loss, and its members' qualities `(M, N)` computed by hand."""
    output, gt = pair
    metrics = [{"metric": "psnr", "mean": 30.0, "std": 5.0}, "ssim", {"metric": "gmsd", "mean": 0.1, "std": 0.05}]
    psnr, ssim, gmsd = (create_metric(name)(output, gt) for name in ("psnr", "ssim", "gmsd"))
    low, high = metric_info("ssim").score_range
    members = torch.stack([(psnr - 30) / 5, (ssim - low) / (high - low), (0.1 - gmsd) / 0.05])
    return EnsembleIQALoss(metrics, loss_weight=2.0, **options)(output, gt), members


def test_committee_by_mean(pair):
    loss, members = committee(pair, aggregation="mean")
    assert loss.item() == pytest.approx(-2 * members.mean().item(), rel=1e-5)


def test_committee_by_mean_minus_deviations(pair):
    loss, members = committee(pair, k=1.5)
    expected = members.mean(0) - 1.5 * members.std(0, correction=0)
    assert loss.item() == pytest.approx(-2 * expected.mean().item(), rel=1e-5)


def test_committee_by_its_harshest_members(pair):
    loss, members = committee(pair, aggregation="soft-min", temperature=1e-3)
    assert loss.item() == pytest.approx(-2 * members.amin(0).mean().item(), abs=2 * 1e-3 * math.log(3) + 1e-5)
    loss, members = committee(pair, aggregation="soft-min", temperature=1e3)
    assert loss.item() == pytest.approx(-2 * members.mean().item(), abs=2e-2)


def test_members_that_agree_have_a_finite_gradient():
    gt = photo(height=96, width=96)[None]
    output = gt.clone().requires_grad_()
    reward_metrics = [{"metric": "psnr", "mean": 100.0, "std": 1.0}, {"metric": "ssim", "mean": 1.0, "std": 1.0}]
    EnsembleIQALoss(reward_metrics)(output, gt).backward()
    assert output.grad.isfinite().all()


def test_a_committee_needs_units_and_members():
    with pytest.raises(
        OptionError, match="EnsembleIQALoss:metrics:0: the scores of niqe have no finite range; say what"
    ):
        EnsembleIQALoss(["niqe", "ssim"])
    with pytest.raises(OptionError, match="EnsembleIQALoss:metrics:1: psnr: mean and std go together"):
        EnsembleIQALoss(["ssim", {"metric": "psnr", "mean": 3.0}])
    with pytest.raises(OptionError, match="EnsembleIQALoss:metrics:1:metric: there is no metric 'ssin'; did you mean"):
        EnsembleIQALoss(["ssim", "ssin"])
    with pytest.raises(OptionError, match="EnsembleIQALoss:metrics"):
        EnsembleIQALoss(["ssim"])


@pytest.mark.parametrize(
    ("term", "name"), [("all", "afine"), ("fidelity", "afine-fidelity"), ("naturalness", "afine-naturalness")]
)
def test_the_metric_of_a_term_of_afine_is_that_term(term, name):
    """A guard that watched all of it would miss that one term is exploited at the other's cost."""
    assert AFINELossOptions(term=term).reward_metrics == {name: {}}
    assert AFINELossOptions(term=term, checkpoint=True).reward_metrics == {name: {"checkpoint": True}}


# --- BasicSR's slot ---------------------------------------------------------------------------------------------------


def test_the_slot_gives_a_pair(pair):
    slot = PerceptualSlot({"type": "IQALoss", "metric": "psnr", "loss_weight": 0.1})
    value, style = slot(*pair)
    assert style is None and slot.loss_weight == 0.1
    assert value.item() == pytest.approx(IQALoss("psnr", loss_weight=0.1)(*pair).item())
    with pytest.raises(ValueError, match="PerceptualSlot: loss: .*'IQALos'; did you mean IQALoss"):
        PerceptualSlot({"type": "IQALos"})


def test_basicsr_models_train_with_it(run_folder):
    """BasicSR's own SRModel, unmodified: its perceptual_opt unpacks two values."""
    slot = {"type": "PerceptualSlot", "loss": {"type": "IQALoss", "metric": "ssim", "loss_weight": 0.1}}
    options = training_options(
        model_type="SRModel",
        datasets__train={
            "name": "train",
            "type": "PairedImageDataset",
            "dataroot_gt": "data/original",
            "dataroot_lq": "lq",
            "gt_size": 32,
            "use_hflip": True,
            "use_rot": True,
            "io_backend": {"type": "disk"},
            "batch_size_per_gpu": 2,
            "num_worker_per_gpu": 0,
            "dataset_enlarge_ratio": 2,
        },
        datasets__val=None,
        val=None,
        train__perceptual_opt=slot,
    )
    write_groups(run_folder / "small", count=4, size=32, versions=())
    (run_folder / "small/original").rename(run_folder / "lq")
    assert train(options) == 0
    log = next(Path("experiments/tiny").glob("*.log")).read_text()
    assert "l_percep: -" in log


# --- Runs -------------------------------------------------------------------------------------------------------------

VIEWS = {"count": 2, "crop": 0.7, "resize": [0.9, 1.1]}


def test_a_run_with_metrics_resumes_exactly(run_folder):
    options = training_options(
        train__iqa_opt={"type": "IQALoss", "metric": "ssim", "loss_weight": 0.1, "views": VIEWS, "ceiling": True},
        train__grad_log_freq=2,
        logger__print_freq=1,
    )
    assert train({**options, "name": "whole"}) == 0
    assert train(options) == 0
    root = Path("experiments/tiny")
    for path in (*root.rglob("*_6.pth"), root / "training_states/6.state"):
        path.unlink()
    torch.manual_seed(99)
    assert train(options, "--auto_resume") == 0
    for name in ("models/net_g_6.pth", "training_states/6.state"):
        whole, again = (read_tensor_file(f"experiments/{run}/{name}") for run in ("whole", "tiny"))
        assert list(differences(whole, again)) == []


def test_the_log_says_what_a_unit_of_weight_means(run_folder):
    options = training_options(
        train__iqa_opt={"type": "IQALoss", "metric": "ssim", "loss_weight": 0.1},
        train__grad_log_freq=3,
        logger__print_freq=1,
    )
    assert train(options) == 0
    log = next(Path("experiments/tiny").glob("*.log")).read_text()
    (line,) = [line for line in log.splitlines() if "Gradient norm of each loss at the output" in line]
    assert "l_pix" in line and line.count("per unit of weight") == 2
    norm, unit = (float(number) for number in re.search(r"l_iqa ([\d.e+-]+), ([\d.e+-]+) per unit", line).groups())
    assert unit == pytest.approx(10 * norm, rel=0.01), "the unit is ten times the weighted norm"
    measured = [line for line in log.splitlines() if "grad_iqa" in line]
    assert [line.split("iter:")[1].split(",")[0].strip() for line in measured] == ["1", "3", "6"]


def test_logging_gradients_changes_nothing(run_folder):
    loss = {"train__iqa_opt": {"type": "IQALoss", "metric": "ssim", "loss_weight": 0.1}}
    assert train(training_options(name="plain", **loss)) == 0
    assert train(training_options(name="logged", train__grad_log_freq=1, **loss)) == 0
    plain, logged = (read_tensor_file(f"experiments/{name}/models/net_g_6.pth") for name in ("plain", "logged"))
    assert list(differences(plain, logged)) == []


def test_gradient_norms_by_hand():
    output = torch.rand(2, 3, 4, 4, requires_grad=True)
    log = GradientNormLogger(0, {})
    log.measure({"l_a": 3 * output.sum(), "l_b": output.detach().sum()}, output)
    assert log.take() == {"grad_a": pytest.approx(3 * math.sqrt(96)), "grad_b": 0.0}
    assert log.take() == {}


def test_networks_train_with_musiq_and_afine(run_folder, synthetic, monkeypatch):
    """As an option file names them, with weights from the store; MUSIQ with smaller scales than its own."""
    monkeypatch.setattr("iqa_sr.metrics.musiq.LONGER_SIDES", (64, 96))
    files = [file for name in ("musiq", "afine") for file in metric_info(name).weights]
    options = training_options(
        train__total_iter=2,
        train__iqa_opt={
            "type": "IQALoss",
            "metric": "musiq",
            "loss_weight": 0.01,
            "metric_options": {"checkpoint": True},
        },
        train__afine_opt={"type": "AFINELoss", "loss_weight": 0.1},
        val__metrics={"musiq": {"type": "calculate_iqa", "metric": "musiq"}},
        val__val_freq=2,
        logger__print_freq=1,
    )
    with synthetic(*files):
        assert train(options) == 0
    root = Path("experiments/tiny")
    log = next(root.glob("*.log")).read_text()
    assert "l_iqa: " in log and "l_afine: " in log and "nan" not in log
    facts = (root / "scores.csv").read_text().splitlines()[0]
    assert '"higher_is_better": true' in facts and "musiq_koniq_ckpt-e95806b9.pth sha256 " in facts
    network = build_network(options["network_g"])
    assert set(read_tensor_file(root / "models/net_g_latest.pth")["params"]) == set(network.state_dict())


def test_all_missing_weights_are_named_before_anything_is_written(run_folder, capsys):
    options = training_options(
        train__iqa_opt={"type": "IQALoss", "metric": "musiq", "loss_weight": 0.01},
        val__metrics={"topiq": {"type": "calculate_iqa", "metric": "topiq_nr"}},
    )
    assert train(options) == 1
    shown = capsys.readouterr().err
    assert "musiq_koniq_ckpt-e95806b9.pth" in shown and "cfanet_nr_koniq_res50-9a73138b.pth" in shown
    assert not Path("experiments").exists()


def test_a_license_policy_refuses_noncommercial_metrics(run_folder, capsys):
    options = training_options(
        train__iqa_opt={"type": "IQALoss", "metric": "qualiclip", "loss_weight": 0.01}, license_policy="permissive"
    )
    assert train(options) == 1
    shown = capsys.readouterr().err
    assert "license_policy" in shown and "qualiclip" in shown and "musiq" in shown
    assert train({**options, "license_policy": "free"}) == 1
    assert "license_policy: input should be 'any' or 'permissive', got 'free'" in capsys.readouterr().err


def test_the_losses_of_the_table_can_be_named(run_folder, capsys):
    assert AFINELoss.__name__ == "AFINELoss"
    assert train(training_options(train__iqa_opt={"type": "IQALoss", "metric": "ssim", "weight": 1})) == 1
    assert "train:iqa_opt:weight: unknown key for IQALoss; did you mean loss_weight" in capsys.readouterr().err
    assert train(training_options(train__iqa_opt={"type": "IQALoss", "metric": "ssim", "views": {"count": 0}})) == 1
    assert "train:iqa_opt:views:count" in capsys.readouterr().err
