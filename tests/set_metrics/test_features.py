"""Inception features against torch-fidelity's on synthetic weights, the ways of resizing, the cache."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from iqa_sr.io.images import write_image
from iqa_sr.set_metrics.features import FeatureReader
from iqa_sr.set_metrics.fid import FID_CLEAN_INFO, FID_INFO
from iqa_sr.set_metrics.inception import WEIGHTS, InceptionFeatures
from iqa_sr.set_metrics.patches import Patches
from iqa_sr.set_metrics.resizing import resize
from iqa_sr.weights.store import find_weights, weights_hash
from tests.helpers.golden_images import photo


@pytest.fixture(scope="module")
def weights(synthetic):
    with synthetic(WEIGHTS):
        yield find_weights(WEIGHTS)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_SR_CACHE", str(tmp_path / "cache"))


def levels(name="astronaut", size=96):
    return (photo(name, 0, 0, size, size + 40) * 255).round().to(torch.uint8)


def test_features_are_those_of_torch_fidelity_and_of_each_image_alone(weights):
    images = [levels(), levels("coffee")]
    theirs = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=weights)
    with torch.no_grad():
        expected = theirs(torch.stack(images))[0]
    network = InceptionFeatures("tensorflow")
    found = network(images)
    assert found.shape == (2, 2048)
    assert (expected[0] - expected[1]).abs().mean() > 0.1 * expected.mean() > 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network(images[1:]), found[1:], rtol=1e-4, atol=1e-5)
    assert network([]).shape == (0, 2048)


@pytest.mark.parametrize("size", [64, 299, 400])
def test_resizing_of_tensorflow_is_that_of_torch_fidelity(size):
    image = levels(size=size)
    expected = interpolate_bilinear_2d_like_tensorflow1x(image[None].float(), (299, 299), align_corners=False)[0]
    torch.testing.assert_close(resize(image, 299, "tensorflow"), expected, rtol=0, atol=1e-4)


def test_clean_resizing_averages_and_clamps_without_rounding():
    stripes = torch.zeros(3, 64, 1196, dtype=torch.uint8)
    stripes[..., ::4] = 255  # a filter against aliasing sees gray, two neighbors see white only
    assert resize(stripes, 299, "tensorflow").min() == 255
    assert float(resize(stripes, 299, "clean").mean()) == pytest.approx(255 / 4, abs=1)
    edge = torch.zeros(3, 32, 32, dtype=torch.uint8)
    edge[..., 16:] = 255
    plane = np.array(Image.fromarray(edge[0].numpy().astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC))
    assert plane.max() > 256  # bicubic's overshoot
    np.testing.assert_array_equal(resize(edge, 299, "clean")[1].numpy(), plane.clip(0, 255))


def test_features_are_kept_by_what_files_hold(weights, tmp_path):
    folder = tmp_path / "images"
    for name in ("a", "b"):
        write_image(folder / f"{name}.png", levels(size=48 if name == "a" else 40).permute(1, 2, 0).numpy())
    first = FeatureReader(FID_INFO.features)
    found = first.read(folder, ["a.png", "b.png"], {}, progress=False)
    (folder / "a.png").rename(folder / "c.png")
    again = FeatureReader(FID_INFO.features)
    kept = again.read(folder, ["c.png", "b.png"], {}, progress=False)
    assert (first.computed, again.computed) == (2, 0)
    np.testing.assert_array_equal(kept.rows, found.rows)
    alone = InceptionFeatures("tensorflow")([levels(size=40)])[0].numpy()
    np.testing.assert_allclose(found.rows[1], alone, rtol=1e-4, atol=1e-5)
    for path in first.folder.rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:50])
    assert FeatureReader(FID_INFO.features).read(folder, ["c.png"], {}, progress=False).rows.shape == (1, 2048)
    assert FeatureReader(FID_CLEAN_INFO.features).folder != first.folder
    # Entries that are there already stay valid.
    assert first.folder.name == f"tensorflow-{weights_hash(WEIGHTS)[:16]}"


def test_patches_belong_to_their_image_and_are_kept_apart(weights, tmp_path):
    image = levels(size=40)  # 40 x 80 px
    write_image(tmp_path / "a.png", image.permute(1, 2, 0).numpy())
    write_image(tmp_path / "small.png", image[:, :16, :16].permute(1, 2, 0).numpy())
    problems = {}
    reader = FeatureReader(FID_INFO.features, Patches(32))
    found = reader.read(tmp_path, ["small.png", "a.png"], problems, progress=False)
    assert found.rows.shape == (2, 2048) and found.units.tolist() == [0, 0] and found.names == ["a.png"]
    (text,) = problems.values()
    assert "16x16 px (HxW) hold no patch of 32x32 px; take smaller patches" in text
    assert [path.name.partition("-")[2] for path in reader.folder.rglob("*.npy")] == ["patches32.npy"]
    shifted = FeatureReader(FID_INFO.features, Patches(32, 8)).read(tmp_path, ["a.png"], {}, progress=False)
    assert shifted.rows.shape == (4, 2048)
    np.testing.assert_allclose(shifted.rows[:2], found.rows, rtol=1e-4, atol=1e-5)


def test_weights_of_another_network_and_missing_ones_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / WEIGHTS)
    with pytest.raises(ValueError, match="does not fit InceptionFID:\n  470 missing: Conv2d_1a_3x3.conv.weight"):
        InceptionFeatures("tensorflow")
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=f"{WEIGHTS} .96 MB. from https://github.com/toshas/torch-fidelity"):
        FeatureReader(FID_INFO.features)
