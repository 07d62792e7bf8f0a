"""What the benchmark of the embedded metric measures, on functions of which the answer is known."""

import json
import sys

import numpy as np
import pytest
import torch

from iqa_sr.io.image_tensors import to_tensor, to_uint8
from iqa_sr.metrics import create_metric
from tests import ROOT
from tests.helpers.mos_datasets import distorted, textured
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


def test_a_function_of_mine_in_the_whole_script(parts, crops, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("iqa_sr.runtime.threads.prepare_cpu_threads", lambda: None)
    import embedded_metric

    for name, crop in crops.items():
        save(tmp_path / "images" / f"{name}.png", to_uint8(crop))
    rough = "lambda image: (image[..., 1:] - image[..., :-1]).square().mean((1, 2, 3))"
    (tmp_path / "mine.py").write_text(f"rough = {rough}\n")
    command = [
        "x",
        "--images",
        f"{tmp_path}/images",
        "--crop",
        "64",
        "--metric",
        "--module",
        f"{tmp_path}/mine.py:rough",
    ]
    command += ["--part", "sr", "attack", "tile", "--attack", "apgd", "--steps", "2", "--restarts", "1"]
    monkeypatch.setattr(sys, "argv", [*command, "--json", f"{tmp_path}/found.json"])
    embedded_metric.main()
    sys.modules.pop("embedded_metric")
    printed, found = capsys.readouterr().out, json.loads((tmp_path / "found.json").read_text())
    assert "minutes of a core (sr 0.0, attack" in printed
    assert "mine:rough, attacks on bicubic x2: gap " in printed
    assert found["sr"]["mine:rough"]["bicubic x4"] == 1
    assert 0 <= found["attack"]["best possible"]["bicubic x2"] < 1
    attacks, tiles = (found[part]["mine:rough"] for part in ("attack", "tile"))
    assert list(attacks) == list(tiles) == ["bicubic x2", "photographs"]
    assert attacks["photographs"]["gap"] == attacks["bicubic x2"]["gap"] > 0  # photographs have no gap of their own
    gained = attacks["bicubic x2"]
    assert gained["share"] == pytest.approx(gained["unseen"] / gained["gap"]) and gained["unseen"] > 0
    assert [line[1] for line in tiles["photographs"]["lines"]] == [f"rms 0.5, {side} px" for side in (8, 16, 32)]


def test_costs_and_opinions(parts, crops, tmp_path):
    peer = create_metric("jod-lite")
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
                save(tmp_path / "distorted_images" / name, distorted(textured(1, 64), "noise", level))
                lines.append(f"{6 - level} {name}" if kind == 1 else f"{level} {name}")
    (tmp_path / "mos_with_names.txt").write_text("\n".join(lines) + "\n")
    agreement = parts.human_agreement({"smooth": detail}, tmp_path)["smooth"]
    assert agreement["noise, blur, JPEG, JPEG 2000"] == pytest.approx(1) and agreement["kind 15"] == pytest.approx(-1)
    assert abs(agreement["all"]) < 0.5 and np.isfinite(list(agreement.values())).all()
