"""What the benchmark of the embedded metric measures, on functions of which the answer is known."""

import sys

import numpy as np
import pytest
import torch

from iqa_sr.attacks.measurement import AttackedImages, AttackOptions
from iqa_sr.io.image_tensors import as_8_bit, to_tensor
from iqa_sr.metrics import create_metric
from iqa_sr.ops.resize import resize_bicubic
from tests import ROOT
from tests.helpers.mos_datasets import spoilt, textured
from tests.helpers.sr_datasets import save


@pytest.fixture
def parts(monkeypatch):
    """The module `embedded_parts`, which the benchmark finds beside it."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import embedded_parts

    yield embedded_parts
    sys.modules.pop("embedded_parts", None)


@pytest.fixture(scope="module")
def crops():
    return {f"image {seed}": to_tensor(textured(seed, 64)) for seed in (1, 2)}


def detail(image):
    """Minus the energy of the finest detail: worse with noise, better with blur."""
    return -(image[..., 1:] - image[..., :-1]).square().mean((1, 2, 3))


def smoothness(image):
    return -detail(image)


def test_order_and_originals_of_metrics_that_like_smooth_and_rough_images(parts, crops, monkeypatch):
    kinds = {name: parts.KINDS[name] for name in ("gaussian-blur", "gaussian-noise")}
    monkeypatch.setattr(parts, "KINDS", kinds)
    monkeypatch.setattr(parts, "GROUPS", {"blur": ("gaussian-blur",), "noise": ("gaussian-noise",)})
    found = parts.order_within_kinds(
        {"smooth": detail, "rough": smoothness, "flat": lambda x: x.new_zeros(len(x))}, crops
    )
    assert found["smooth"]["groups"] == {"blur": 0, "noise": 1} and found["smooth"]["average"] == 0.5
    assert found["rough"]["groups"] == {"blur": 1, "noise": 0}
    assert found["flat"]["average"] == 0  # ties are wrong
    assert found["smooth"]["above"] == {"gaussian-blur": [0] * 5, "gaussian-noise": [1] * 5}
    versions = parts.sr_versions(crops, {})
    assert {name: len(images) for name, images in versions.items()} == {f"bicubic x{scale}": 2 for scale in (2, 3, 4)}
    assert all(image.shape == (3, 64, 64) for images in versions.values() for image in images)
    below = parts.below_originals({"smooth": detail, "rough": smoothness}, crops, versions)
    assert set(below["smooth"].values()) == {0.0} and set(below["rough"].values()) == {1.0}


def test_correlation_is_one_with_labels_that_the_metric_itself_gave(parts, crops):
    versions = parts.jod_versions(dict(list(crops.items())[:1]), 1)
    assert {group for group, _, _ in versions} == {*parts.MET_BY_SR, "chains"}
    labels = parts.jods(lambda image, original: detail(image) - detail(original), versions)
    found = parts.jod_correlation({"same": detail, "opposite": smoothness}, versions, labels)
    assert all(value == pytest.approx(1) for value in found["same"].values())
    assert all(value == pytest.approx(-1) for value in found["opposite"].values())


def test_attacks_on_a_function_of_mine(parts, crops):
    originals = torch.stack(list(crops.values()))
    starts = as_8_bit(resize_bicubic(resize_bicubic(originals, 32, 32), 64, 64))
    metrics = {name: parts.FunctionMetric(name, call) for name, call in {"rough": smoothness, "smooth": detail}.items()}
    options = AttackOptions(("apgd", "tile"), epsilons=(2.0,), steps=4, restarts=1, tile_sides=(8,))
    images = AttackedImages(list(crops), starts, originals)
    found = parts.attacked(metrics, {"bicubic x2": images}, lambda image, start: 10 - 0 * detail(image), options)
    rough = found["rough"]["bicubic x2"]
    assert rough.gap > 0 > found["smooth"]["bicubic x2"].gap
    assert [line.attack for line in rough.lines] == ["apgd", "tile"] and rough.lines[0].gain > 0
    assert rough.unseen == pytest.approx(max(line.gain for line in rough.lines), rel=0.2)  # everything is invisible


def test_costs_and_opinions(parts, crops, tmp_path):
    peer = create_metric("rankiqa-lite")
    found = parts.costs(
        {"the same": peer, "mine": parts.FunctionMetric("mine", detail)}, peer, {"x": torch.rand(3, 48, 48)}
    )
    assert found["the same"]["parameters"] == sum(one.numel() for one in peer.parameters())
    assert found["the same"]["MB"] == pytest.approx(4e-6 * found["the same"]["parameters"], rel=0.01)
    assert found["mine"]["parameters"] == 0 and all(one["time"] > 0 for one in found.values())
    lines = []
    for content in (1, 2):
        for kind in (1, 15):  # white noise, and one that is not among the classic four
            for level in (1, 3, 5):
                name = f"i{content:02d}_{kind:02d}_{level}.bmp"
                save(tmp_path / "distorted_images" / name, spoilt(textured(1, 64), "noise", level))
                lines.append(f"{6 - level} {name}" if kind == 1 else f"{level} {name}")
    (tmp_path / "mos_with_names.txt").write_text("\n".join(lines) + "\n")
    agreement = parts.human_agreement({"smooth": detail}, tmp_path)["smooth"]
    assert agreement["noise, blur, JPEG, JPEG 2000"] == pytest.approx(1) and agreement["kind 15"] == pytest.approx(-1)
    assert abs(agreement["all"]) < 0.5 and np.isfinite(list(agreement.values())).all()
