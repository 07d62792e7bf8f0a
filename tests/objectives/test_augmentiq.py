"""The objective augmentiq end to end, at toy size: heads that learn on frozen encoders, and the metric made of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from iqa_sr.archs.augmentiq_arch import AugmentIQHeads
from iqa_sr.cli.train import main
from iqa_sr.datasets.aigc_dataset import AIGCDataset
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.metrics.augmentiq import AUGMENTIQ_INFO, AugmentIQ
from iqa_sr.models.quality_model import QualityModel
from iqa_sr.objectives import build_objective, read_objective
from iqa_sr.objectives.frozen_features import FrozenFeatures
from tests import ROOT
from tests.helpers.aigc_collections import write_agiqa
from tests.helpers.chance import ranking_p
from tests.helpers.tiny_blip import tiny_blip, write_text_encoder
from tests.helpers.tiny_runs import resume, train
from tests.synthetic.augmentiq import TEXT_WIDTH

RECIPE = ROOT / "options" / "iqa" / "augmentiq.yml"
ENCODERS = AUGMENTIQ_INFO.weights[:2]


def options(iterations=60, text_encoder=None, **objective):
    data = {"type": "AIGCDataset", "layout": "agiqa3k", "dataroot": "agiqa", "split_seed": 4}
    loader = {"batch_size_per_gpu": 20, "num_worker_per_gpu": 0, "dataset_enlarge_ratio": 4}
    return {
        "name": "toy",
        "model_type": "QualityModel",
        "num_gpu": 0,
        "manual_seed": 3,
        "datasets": {
            "train": {"name": "train", **data, **loader},
            "val": {"name": "val", **data},
            "val_2": {"name": "test", **data, "split": "test"},
        },
        "network_g": {
            "type": "AugmentIQHeads",
            "quality": [8192, 16],
            "text": [TEXT_WIDTH, 16] if text_encoder else None,
        },
        "path": {},
        "train": {
            "total_iter": iterations,
            "ema_decay": 0.8,
            "grad_clip": 1.0,
            "optim_g": {"type": "Adam", "lr": 1e-3},
            "scheduler": {"type": "MultiStepLR", "milestones": [iterations * 2 // 3], "gamma": 0.2},
            "objective": {"type": "augmentiq", "text_encoder": text_encoder, **objective},
        },
        "val": {"val_freq": iterations // 2},
        "logger": {"print_freq": 1, "save_checkpoint_freq": iterations // 2},
    }


@pytest.fixture(scope="module")
def text_encoder(tmp_path_factory):
    """The folder of a small text-image encoder."""
    return write_text_encoder(tmp_path_factory.mktemp("text-encoder"), tiny_blip())


@pytest.fixture(scope="module")
def weights(synthetic):
    """Re-IQA's encoders are in the store, heads are not."""
    with synthetic(*ENCODERS) as folder:
        yield folder


@pytest.fixture(scope="module")
def trained(weights, text_encoder, tmp_path_factory):
    """A finished run: its folder, the losses of its iterations, how often an image was encoded, and as what."""
    folder = tmp_path_factory.mktemp("augmentiq")
    write_agiqa(folder / "agiqa")
    losses, encoded, features_of = [], [], {}
    step, encode = QualityModel.optimize_parameters, FrozenFeatures._encode

    def recorded(model, iteration):
        step(model, iteration)
        losses.append({key: value for key, value in model.log_dict.items() if key.startswith("l_")})

    def counted(features, path, prompt):
        encoded.append((path, features.training, torch.is_grad_enabled()))
        features_of[Path(path).name, prompt] = found = encode(features, path, prompt)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(QualityModel, "optimize_parameters", recorded)
        patch.setattr(FrozenFeatures, "_encode", counted)
        assert train(options(text_encoder=str(text_encoder))) == 0
    for file in ENCODERS:
        (folder / "experiments/toy/weights" / file).symlink_to(weights / file)
    return folder, losses, encoded, features_of


@pytest.fixture
def published(trained, monkeypatch):
    """The metric's store is what the run has published, beside the encoders."""
    monkeypatch.chdir(trained[0])
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(trained[0] / "experiments/toy/weights"))
    return trained[0]


@pytest.fixture(scope="module")
def said(trained, text_encoder):
    """Of the held-out images, computed once: what the metric says, and `averaged`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained[0])
        patch.setenv("IQA_SR_WEIGHTS", str(trained[0] / "experiments/toy/weights"))
        images, samples = held_out()
        return AugmentIQ()(images), *averaged(trained[0], text_encoder, samples)


def held_out():
    """Images of prompts that training has not seen: `(N, 3, H, W)`, and their samples."""
    dataset = AIGCDataset({**options()["datasets"]["val_2"], "phase": "val"})
    samples = [dataset[index] for index in range(len(dataset))]
    return torch.stack([to_tensor(read_image(sample["path"])) for sample in samples]), samples


@pytest.mark.parametrize("loss", ["l_mse", "l_plcc", "l_alignment_mse", "l_alignment_plcc"])
def test_the_losses_fall(trained, loss):
    losses = [entry[loss] for entry in trained[1]]
    assert len(losses) == 60 and np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])


def averaged(folder, text_encoder, samples):
    """What the run's averaged heads say of samples, without the metric: quality and alignment."""
    heads = AugmentIQHeads((8192, 16), (TEXT_WIDTH, 16))
    heads.load_state_dict(read_tensor_file(folder / "experiments/toy/models/net_g_latest.pth")["params_ema"])
    features = FrozenFeatures(text_encoder)
    images, texts = features([sample["path"] for sample in samples], [sample["prompt"] for sample in samples])
    with torch.no_grad():
        return heads.quality_head(images), heads.text_head(texts)


def test_unseen_prompts_are_ranked_as_observers_do(published, said):
    """18 images of three held-out prompts. Under chance every order of the scores is as likely as any other, so the
    share of permutations whose coefficient is at least the found one is the p of an exact test."""
    images, samples = held_out()
    scored, _, alignment = said
    assert len(images) == 18
    for name, scores in (("quality", scored), ("alignment", alignment)):
        assert ranking_p(scores.numpy(), np.array([float(sample[name]) for sample in samples])) < 0.01, name


def test_the_published_file_is_the_metric(published, said, text_encoder):
    images, samples = held_out()
    scored, quality, alignment = said
    torch.testing.assert_close(scored, quality, rtol=1e-4, atol=1e-5)
    for position in (0, 6, 12):  # an image of each prompt
        metric = AugmentIQ(prompt=samples[position]["prompt"], text_encoder=text_encoder)
        expected = (quality[position] + alignment[position]) / 2
        torch.testing.assert_close(metric(images[position : position + 1])[0], expected, rtol=1e-4, atol=1e-5)


def test_encoders_stay_as_they_are_and_see_each_image_once(trained):
    folder, _, encoded, _ = trained
    assert len(encoded) == len(set(encoded)) == 84, "60 training, 6 validation and 18 test images, whoever asks"
    assert {state[1:] for state in encoded} == {(False, False)}
    names = read_tensor_file(folder / "experiments/toy/models/net_g_latest.pth")["params"]
    assert {name.split(".")[0] for name in names} == {"quality_head", "text_head"}


def test_both_validation_sets_are_measured(trained):
    shown = "".join(path.read_text() for path in (trained[0] / "experiments/toy").glob("*.log"))
    for name in ("Validation val, iteration 60", "Validation test, iteration 60"):
        assert name in shown
    for figure in ("# plcc", "# srcc", "# alignment_plcc", "# alignment_srcc"):
        assert figure in shown


def test_a_resumed_run_is_the_uninterrupted_one(trained, weights, text_encoder, tmp_path, monkeypatch):
    """With the features that the first run has computed, of the same images."""
    monkeypatch.chdir(tmp_path)
    write_agiqa(tmp_path / "agiqa")
    monkeypatch.setattr(FrozenFeatures, "_encode", lambda _, path, prompt: trained[3][Path(path).name, prompt])
    assert resume(trained[0], options(text_encoder=str(text_encoder)), stored=30) == []


@pytest.mark.parametrize("texts", [True, False])
def test_the_recipe_can_be_run(texts, weights, text_encoder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_agiqa(tmp_path / "datasets/AGIQA-3K", prompts=4, size=32)
    forced = ["datasets:train:batch_size_per_gpu=4", "train:objective:text_encoder=~", "network_g:text=~"]
    if texts:
        forced[1:] = [f"train:objective:text_encoder={text_encoder}", f"network_g:text=[{TEXT_WIDTH}, 8]"]
    assert main(["-opt", str(RECIPE), "--dry-run", "--force_yml", *forced]) == 0
    shown = capsys.readouterr().err
    assert "dry run of augmentiq: everything was built" in shown and "l_mse" in shown and "l_plcc" in shown
    assert ("l_alignment_mse" in shown and "l_alignment_plcc" in shown) == texts


# --- Features ---------------------------------------------------------------------------------------------------------


def test_features_depend_neither_on_the_batch_nor_on_autocast_and_follow_the_file_without_a_cache(weights, tmp_path):
    root = write_agiqa(tmp_path, prompts=1)
    paths = sorted(str(path) for path in (root / "image").iterdir())[:3]
    kept, fresh = FrozenFeatures(None), FrozenFeatures(None, cache=False)
    together, texts = fresh(paths, [""] * 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        singles = [kept([path], [""])[0] for path in paths]
    assert texts is None and together.shape == (3, 8192) and torch.equal(together, torch.cat(singles))
    Path(paths[0]).write_bytes(Path(paths[1]).read_bytes())
    assert torch.equal(kept(paths[:1], [""])[0], singles[0]) and torch.equal(fresh(paths[:1], [""])[0], singles[1])
    kept.train()
    assert not any(module.training for module in kept.modules())
    assert not any(parameter.requires_grad for parameter in kept.parameters())


# --- What can be wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mse_weight": 0, "plcc_weight": 0}, "one of mse_weight and plcc_weight must be above 0"),
        ({"rank_weight": 1.0}, "train:objective:rank_weight: unknown key"),
        ({"cache": "much"}, "train:objective:cache"),
    ],
)
def test_wrong_options(change, expected):
    with pytest.raises(OptionError, match=expected):
        read_objective({"type": "augmentiq", **change})


def test_heads_that_do_not_fit_are_refused_before_the_encoders_are_read():
    for heads, encoder, expected in (
        (AugmentIQHeads((8, 4), None), None, "network_g:quality: Re-IQA's encoders give 8192 features, got 8"),
        (AugmentIQHeads(), None, "train:objective:text_encoder: missing; the text head"),
        (AugmentIQHeads(text=None), "folder", "network_g:text: missing; the text head"),
    ):
        with pytest.raises(OptionError, match=expected):
            build_objective({"type": "augmentiq", "text_encoder": encoder}, heads)


def test_a_text_head_of_another_width_and_encoders_that_are_not_there(weights, text_encoder, tmp_path, monkeypatch):
    section = {"type": "augmentiq", "text_encoder": str(text_encoder)}
    with pytest.raises(OptionError, match="network_g:text: train:objective:text_encoder gives 64 features, got 768"):
        build_objective(section, AugmentIQHeads())
    with pytest.raises(FileNotFoundError, match=r"lacks ImageReward.pt and vocab.txt"):
        build_objective({**section, "text_encoder": str(tmp_path)}, AugmentIQHeads())
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"quality_aware_r50.pth"):
        build_objective({"type": "augmentiq"}, AugmentIQHeads(text=None))


@pytest.mark.parametrize("sizes", [None, 256, [8192], [8192, 0], [8192, 0.5], "wide", [8192, 256, 1]])
def test_sizes_of_heads_that_an_option_file_cannot_give(sizes):
    with pytest.raises(ValueError, match=r"network_g\): quality: expected \[features, hidden width\]"):
        AugmentIQHeads(quality=sizes)


def test_batches_that_cannot_be_learned_from(weights, text_encoder):
    section = {"type": "augmentiq", "text_encoder": str(text_encoder)}
    objective = build_objective(section, AugmentIQHeads(text=(TEXT_WIDTH, 8)))
    batch = {"path": ["a.png", "b.png"], "prompt": ["a", "b"], "quality": torch.rand(2)}
    with pytest.raises(ValueError, match="no scores of the alignment with the prompt, .* network_g:text to null"):
        objective(batch)


def test_bad_data_stop_the_run_before_it_begins(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    root = write_agiqa(tmp_path / "agiqa", prompts=4, size=32)
    (root / "image/sd_002_3.jpg").unlink()
    with (root / "data.csv").open("a") as file:
        file.write("sd_000_0.jpg,again,,,,1,0,1,0\nsd_000_1.jpg,again,,,,7,0,1,0\n")
    assert train(options()) != 0
    shown = capsys.readouterr().err
    assert "3 problems: 2 double images, 1 missing images" in shown and "datasets:train" in shown
    assert not Path("experiments/toy/models").exists()
