"""Bad input ends in one clear error of at most five lines, exit code 1, and nothing is written over."""

import resource
import signal
from pathlib import Path

import pytest
import torch

from iqa_sr.cli.train import main
from tests import ROOT
from tests.helpers.sr_datasets import make_image, save, training_options, write_groups, write_options
from tests.helpers.two_processes import one_process


class Code:
    def __reduce__(self):
        return (exec, ("open('code_was_run', 'w').close()",))


def refuse(capsys, options, *more, file="options.yml"):
    """Run it, check that it is refused in five lines at most without a trace, and return the text."""
    if options is not None:
        write_options(file, options)
    before = snapshot()
    assert main(["-opt", file, *more]) == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    text = shown[shown.index("error: ") :].strip()
    assert len(text.splitlines()) <= 5, text
    assert snapshot() == before, "something was written"
    return text


def snapshot():
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_a_missing_option_file(run_folder, capsys):
    assert "option file nothing.yml does not exist" in refuse(capsys, None, file="nothing.yml")


def test_broken_yaml(run_folder, capsys):
    Path("broken.yml").write_text("name: x\n  train: [1\n")
    assert "broken.yml, line 2" in refuse(capsys, None, file="broken.yml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__total_iters": 5}, "train:total_iters: unknown key; did you mean total_iter"),
        ({"vall": {}}, "vall: unknown key; did you mean val"),
        ({"datasets__train__gtsize": 5}, "datasets:train:gtsize: unknown key; did you mean gt_size"),
        ({"datasets__train__sampler": {"type": "softmaxall"}}, "did you mean softmax-all"),
        ({"datasets__train__sampler": {"type": "argmax-online", "metric": "nique"}}, "did you mean niqe"),
        ({"datasets__train__degradation": {"type": "hggt"}}, "hggt-one-stage"),
        ({"train__pixel_opt": {"type": "L1Los"}}, "there is no loss 'L1Los'; did you mean L1Loss"),
        ({"train__pixel_opt": {"type": "L1Loss", "weight": 2}}, "train:pixel_opt:weight: unknown key for L1Loss"),
        ({"train__pixel_opt": {"weight": 2}}, "train:pixel_opt: expected a loss section with a `type`"),
        ({"train__pixel_opt": None}, "train: no loss; expected at least one section <name>_opt"),
        ({"train__gan_opt": {"type": "GANLoss", "gan_type": "vanilla"}}, "a discriminator is needed"),
        (
            {"train__iqa_opt": {"type": "IQALoss", "metric": "niqe"}},
            "train:iqa_opt: niqe needs at least 192 px and would see images of 32 px; train on larger ones or with "
            "another metric (datasets:train:gt_size)",
        ),
        (
            {"train__iqa_opt": {"type": "IQALoss", "metric": "ssim", "views": {"crop": 0.4, "resize": [0.8, 1.0]}}},
            "train:iqa_opt: ssim needs at least 11 px and would see views of down to 10 px of images of 32; train on",
        ),
        ({"train__amp": "bf32"}, "train:amp: input should be 'bf16' or 'fp16', got 'bf32'"),
        ({"train__accumulate": 3}, "train:accumulate: expected a divisor of batch_size_per_gpu 2, got 3"),
        (
            {
                "train__accumulate": 2,
                "train__feature_opt": {"type": "PerceptualLoss", "layer_weights": {"conv5_4": 1}, "criterion": "fro"},
            },
            "train:feature_opt:criterion: fro is a norm over the whole batch",
        ),
        (
            {"train__pixel_opt": {"type": "L1Loss", "reduction": "none"}},
            "train:pixel_opt:reduction: expected mean or sum",
        ),
        ({"train__total_iter": "many"}, "train:total_iter: expected a number of iterations, got 'many'"),
        (
            {"train__optim_g": {"type": "Adamm", "lr": 1e-3}},
            "no optimizer 'Adamm' in torch.optim; did you mean Adam ",
        ),
        ({"model_type": "IQASRmodel"}, "model_type: there is no model 'IQASRmodel'; did you mean IQASRModel"),
        ({"network_g__type": "SwinR"}, "network_g:type: there is no network 'SwinR'; did you mean SwinIR"),
        ({"network_g__embed_dims": 8}, "network_g:embed_dims: unknown key for SwinIR; did you mean embed_dim"),
        ({"network_g__upscale": 4}, "network_g:upscale: expected 2 as under scale, got 4"),
        ({"datasets__train__gt_size": 36}, "datasets:train:gt_size: expected a multiple of 8"),
        ({"val__metrics": {"x": {"type": "calculate_iqa", "metric": "nope"}}}, "val:metrics:x:metric"),
        ({"val__metrics": {"x": {"type": "calculate_psn"}}}, "no metric 'calculate_psn'; did you mean calculate_psnr"),
        (
            {"val__metrics": {"x": {"type": "calculate_iqa", "metric": "psnr", "better": "lower"}}},
            "val:metrics:x:better: psnr is better when higher, got 'lower'",
        ),
        ({"num_gpu": 64}, "num_gpu: 64 asked for"),
        (
            {"name": "a/b"},
            "name: expected a folder name: no slash, control character or dot in front",
        ),
        ({"path__iqa_weights": "x.pth"}, "path:iqa_weights: unknown key"),
        ({"train__scheduler": {"type": "CosineAnnealingRestartLR", "periods": [2]}}, "periods add up to 2"),
    ],
)
def test_wrong_options(run_folder, capsys, changes, message):
    assert message in refuse(capsys, training_options(**changes))


def test_a_missing_folder(run_folder, capsys):
    assert "datasets:train:dataroot_gt" in refuse(capsys, training_options(datasets__train__dataroot_gt="nowhere"))


def test_an_empty_folder(run_folder, capsys):
    Path("empty").mkdir()
    text = refuse(capsys, training_options(datasets__train__dataroot_gt="empty"))
    assert "datasets:train:dataroot_gt" in text and "no images" in text


def test_lq_and_gt_that_do_not_fit(run_folder, capsys):
    for number in range(4):
        save(f"lq/p{number}.png", make_image(number, 30 if number == 1 else 32))
    text = refuse(capsys, training_options(datasets__train__dataroot_lq="lq"))
    assert "p1" in text and "30" in text and "32" in text


def test_a_crop_larger_than_the_images(run_folder, capsys):
    text = refuse(capsys, training_options(datasets__train__gt_size=128))
    assert "64" in text and "128" in text


def test_a_metric_that_needs_larger_images(run_folder, capsys):
    text = refuse(capsys, training_options(datasets__train__sampler={"type": "argmax-online", "metric": "niqe"}))
    assert "64" in text and "192" in text


def test_labels_missing_for_a_positives_sampler(run_folder, capsys):
    text = refuse(capsys, training_options(datasets__train__sampler={"type": "positives"}))
    assert "label" in text and "positives" in text


def test_scores_missing_for_a_softmax_sampler(run_folder, capsys):
    sampler = {"type": "softmax-all", "metric": "niqe", "scores": "scores.csv"}
    text = refuse(capsys, training_options(datasets__train__sampler=sampler))
    assert "scores.csv" in text and "iqa-sr score" in text


def test_a_pretrained_file_that_is_missing_or_of_another_network(run_folder, capsys):
    text = refuse(capsys, training_options(path__pretrain_network_g="no.pth"))
    assert "no.pth does not exist" in text
    torch.save({"params": {"conv_first.weight": torch.zeros(1), "odd": torch.zeros(1)}}, "other.pth")
    text = refuse(capsys, training_options(path__pretrain_network_g="other.pth"))
    assert (
        "other.pth does not fit SwinIR" in text and "missing: conv_first.bias" in text and "1 unexpected: odd" in text
    )


def test_pickled_code_is_refused_and_not_run(run_folder, capsys):
    torch.save({"params": Code()}, "code.pth")
    assert "code.pth holds pickled objects" in refuse(capsys, training_options(path__pretrain_network_g="code.pth"))
    assert not Path("code_was_run").exists()


def test_a_resume_state_that_is_none(run_folder, capsys):
    torch.save({"params": {}}, "x.state")
    assert "x.state is not a training state" in refuse(capsys, training_options(path__resume_state="x.state"))


def test_no_space_on_the_device(run_folder, capsys):
    """A limit on file sizes stands for the full device."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    write_options("options.yml", training_options())
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        code = main(["-opt", "options.yml"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    shown = capsys.readouterr().err
    assert code == 1 and "Traceback" not in shown
    assert "error: cannot write" in shown and "File too large" in shown
    assert not list(Path("experiments/tiny/models").iterdir()), "no half-written checkpoint"


def test_an_image_that_breaks_in_a_worker_is_named(run_folder, capsys):
    """Every file of the training is damaged after the check: the run stops, and says which."""
    write_groups("fragile", count=4)
    options = training_options(datasets__train__dataroot_gt="fragile", datasets__train__num_worker_per_gpu=1)
    write_options("options.yml", options)
    for path in Path("fragile").rglob("*.png"):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    assert main(["-opt", "options.yml"]) == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown and "fragile/" in shown
    text = shown[shown.index("error: ") :].strip()
    assert len(text.splitlines()) <= 5 and "p" in text


def test_debug_shows_the_trace(run_folder):
    write_options("options.yml", training_options(train__amp="bf32"))
    with pytest.raises(ValueError, match="train:amp"):
        main(["-opt", "options.yml", "--debug"])


def test_the_exit_code_of_the_process(run_folder):
    ended = one_process(str(ROOT / "train_sr.py"), "-opt", "nothing.yml", folder=run_folder)
    assert ended.codes == [1] and ended.errors[0].startswith("error: option file nothing.yml does not exist")


def test_weights_that_are_not_finite_are_no_beginning(run_folder, capsys):
    from iqa_sr.basicsr_compat import build_network

    options = training_options()
    state = build_network(dict(options["network_g"])).state_dict()
    next(iter(state.values()))[0] = float("nan")
    torch.save({"params": state}, "diverged.pth")
    text = refuse(capsys, {**options, "path": {"pretrain_network_g": "diverged.pth"}}, "--dry-run")
    assert "diverged.pth: 1 weights are not finite: conv_first.weight; it was saved by a run that has diverged" in text
