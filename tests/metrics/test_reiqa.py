"""Re-IQA against the authors' code, with synthetic weights."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from iqa_sr.metrics.reiqa import ENCODERS, REIQA_INFO, ReIQA, half_scale
from tests.helpers.golden import check_gradient, check_outputs, check_tensor
from tests.helpers.golden_images import golden, golden_input, photo
from tests.synthetic.reiqa import probe

GOLDEN = golden("reiqa")
TOLERANCE = GOLDEN["tolerance"]
EVERY = pytest.mark.parametrize("name", [case["name"] for case in GOLDEN["cases"]])


@pytest.fixture(scope="module")
def metric(synthetic):
    with synthetic(*REIQA_INFO.weights):
        return ReIQA()


def example(name):
    return next(case for case in GOLDEN["cases"] if case["name"] == name)


def pillow_half(image):
    """The authors' half scale: 8-bit, Pillow's default filter."""
    pixels = (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
    height, width = pixels.shape[:2]
    small = Image.fromarray(pixels).resize((width // 2, height // 2))
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255


@EVERY
def test_agrees_with_the_golden_values(metric, name):
    case = example(name)
    relative = TOLERANCE["intermediate_rel"]
    image = golden_input(case).requires_grad_()
    half = pillow_half(image.detach())
    check_tensor(half, case["intermediate"]["half_scale_image"], relative, "half scale")
    for part in ("quality_features", "content_features"):
        with torch.no_grad():
            check_tensor(getattr(metric.encoders, part)(image, half), case["intermediate"][part], relative, part)
    score = metric.score_of_scales(image, half)
    check_outputs(score, case["outputs"]["probe_score"], TOLERANCE, "probe")
    score.sum().backward()
    check_gradient(image.grad, case, TOLERANCE)


@EVERY
def test_is_as_near_to_the_authors_script_as_documented(metric, name):
    image = golden_input(example(name))
    half = pillow_half(image)
    assert (half_scale(image) - half).abs().max() < 1.02 / 255
    expected = metric.encoders(image, half)
    assert (metric.features(image) - expected).norm() < 1e-3 * expected.norm()


@pytest.mark.parametrize("size", [(2, 2), (3, 70), (65, 33)])
def test_takes_small_and_odd_images(metric, size):
    image = photo(height=size[0], width=size[1])[None].requires_grad_()
    metric(image).sum().backward()
    assert image.grad.isfinite().all() and image.grad.norm() > 0


@pytest.fixture
def folder(synthetic, monkeypatch, tmp_path):
    """Where the store finds the encoders and no regressor."""
    with synthetic(*ENCODERS.values()) as shared:
        for file in ENCODERS.values():
            (tmp_path / file).symlink_to(shared / file)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("ending", ["pth", "safetensors", "npz"])
def test_the_regressor_may_be_any_file_of_the_user(metric, folder, ending):
    weight, path = probe()["weight"], folder / f"mine.{ending}"
    if ending == "pth":
        torch.save({"weight": weight.double(), "bias": torch.tensor(3.0)}, path)
    elif ending == "safetensors":
        save_file({"weight": weight.flatten(), "bias": torch.tensor([3.0])}, path)
    else:
        np.savez(path, weight=weight.double().numpy()[0], bias=3.0)
    image = photo(height=48, width=48)[None]
    torch.testing.assert_close(ReIQA(regressor=str(path))(image), metric(image) + 3)


def test_a_missing_regressor_is_an_error_that_says_so(folder):
    with pytest.raises(FileNotFoundError, match="reiqa_regressor.pth"):
        ReIQA()
    with pytest.raises(FileNotFoundError, match=r"none.npz does not exist"):
        ReIQA(regressor=folder / "none.npz")


def test_a_wrong_regressor_is_refused(folder):
    path = folder / "mine.pth"
    torch.save({"coef_": torch.zeros(8192)}, path)
    with pytest.raises(ValueError, match=r"mine.pth: expected .* `weight` \(8192 numbers\).*, found coef_"):
        ReIQA(regressor=path)
    torch.save({"weight": torch.zeros(1, 4096), "bias": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"mine.pth does not fit .*\n.*weight \(1, 4096\) instead of \(1, 8192\)"):
        ReIQA(regressor=path)


def test_an_encoder_of_another_kind_is_refused(folder):
    file = ENCODERS["quality"]
    (folder / file).unlink()
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, folder / file)
    np.savez(folder / "mine.npz", weight=np.zeros(8192), bias=np.zeros(()))
    with pytest.raises(ValueError, match=f"{file}: expected a checkpoint of Re-IQA's training with the key 'model'"):
        ReIQA(regressor=folder / "mine.npz")
