"""CMMD against a port of the authors' program: images to features on synthetic weights, features to the number."""

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_sr.io.images import write_image
from iqa_sr.set_metrics import cmmd
from iqa_sr.set_metrics.base import FeatureSet, SetMetric
from iqa_sr.set_metrics.clip import WEIGHTS, CLIPFeatures
from iqa_sr.set_metrics.cmmd import CMMD, CMMD_INFO
from iqa_sr.set_metrics.features import FeatureReader
from iqa_sr.set_metrics.resizing import resize
from tests.helpers.golden_images import golden, golden_input
from tests.helpers.synthetic_weights import synthetic_tensors

GOLDEN = golden("cmmd")
CASES = {case["name"]: case for case in GOLDEN["cases"]}


@pytest.fixture
def weights(synthetic, tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_SR_CACHE", str(tmp_path / "cache"))
    with synthetic(WEIGHTS):
        yield


def of_length(length, count, seed, shift):
    rows = np.random.default_rng(seed).normal(size=(count, 24)) + shift
    return length * rows / np.linalg.norm(rows, axis=1, keepdims=True)


def of_images(rows, per_image=1):
    units = np.repeat(np.arange(len(rows) // per_image), per_image)
    return FeatureSet(rows, units, [f"{number}.png" for number in range(units[-1] + 1)])


def test_features_of_files_and_the_number_are_those_of_the_golden_file(weights, tmp_path):
    sets = {}
    for name, case in CASES.items():
        for index, image in enumerate(golden_input(case)):
            pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
            write_image(tmp_path / name / f"{index}.png", pixels)
        keys = [f"{index}.png" for index in range(len(case["inputs"]["dist"]))]
        reader = FeatureReader(CMMD_INFO.features)
        sets[name] = reader.read(tmp_path / name, keys, {}, progress=False)
        np.testing.assert_allclose(sets[name].rows, case["outputs"]["features"], rtol=0, atol=1e-5)
    assert CMMD()(sets["landscape"], sets["portrait"]).value == pytest.approx(GOLDEN["set_value"], abs=1e-6)


@pytest.mark.parametrize("block", [cmmd.BLOCK, 16])
@pytest.mark.parametrize("example", GOLDEN["distances"], ids=lambda one: f"{one['images']}-{one['length']}")
def test_the_distance_is_the_authors_however_the_kernel_is_cut(monkeypatch, example, block):
    monkeypatch.setattr(cmmd, "BLOCK", block)
    rows = of_length(example["length"], example["images"], 1, 0.3)
    reference = of_length(example["length"], example["references"], 2, 0.0)
    assert CMMD().distance(rows, reference) == pytest.approx(example["value"], rel=1e-9)
    assert CMMD().distance(rows, rows) == pytest.approx(0, abs=1e-9)


def test_the_draws_of_one_pass_are_those_of_single_distances():
    images, reference = of_images(of_length(1, 60, 1, 0.3), 3), of_images(of_length(1, 80, 2, 0.0), 4)
    draws = [(np.arange(5), np.arange(9)), (np.array([1, 7, 19]), np.array([0, 3, 12]))]
    expected = SetMetric.drawn_distances(CMMD(), images, reference, draws)
    assert CMMD().drawn_distances(images, reference, draws) == pytest.approx(expected, rel=1e-9)


def test_the_biased_estimate_falls_with_the_number_of_images_and_is_never_negative():
    few, many = (CMMD().distance(of_length(1, count, 1, 0.0), of_length(1, count, 2, 0.0)) for count in (20, 200))
    assert 0 < many < 0.2 * few


def test_the_central_square_alone_is_seen_and_rounded():
    image = torch.randint(0, 256, (3, 50, 81), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    square = Image.fromarray(image[:, :, 15:65].permute(1, 2, 0).contiguous().numpy())
    expected = np.asarray(square.resize((336, 336), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    found = resize(image, 336, "crop")
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), expected)
    changed = image.clone()
    changed[:, :, :15] = 0
    assert torch.equal(resize(changed, 336, "crop"), found)


def test_another_network_of_clip_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    tensors = synthetic_tensors("cmmd")
    tensors["visual.positional_embedding"] = torch.zeros(257, 128)  # of ViT-L/14 at 224 px
    torch.save(tensors, tmp_path / WEIGHTS)
    with pytest.raises(ValueError, match=r"positional_embedding \(257, 128\) instead of \(577, 128\)"):
        CLIPFeatures("crop")
    del tensors["visual.proj"]  # a ResNet has none
    torch.save(tensors, tmp_path / WEIGHTS)
    with pytest.raises(ValueError, match="expected CLIP's ViT-L/14 with a vision transformer below `visual.`, found"):
        CLIPFeatures("crop")
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match="ViT-L-14-336px.pt .934 MB. from https://openaipublic"):
        FeatureReader(CMMD_INFO.features)
