"""`iqa-sr metrics --verify`: metrics computed with the weight files of a machine, compared with known scores."""

import json

import numpy as np
import pytest
import torch

from iqa_sr.cli.main import main
from iqa_sr.io.images import write_image
from iqa_sr.metrics import metric_info, metric_names, verification
from iqa_sr.metrics.verification import KnownScores, find_pairs, known_scores, photograph_pairs, verify_metric

NO_FILES = {name for name in metric_names() if not metric_info(name).weights}
ALEX = "alexnet-owt-7be5be79.pth"


@pytest.fixture(scope="module")
def pairs():
    return photograph_pairs()


@pytest.mark.parametrize("name", sorted(NO_FILES & set(known_scores())))
def test_what_needs_no_weight_files_gives_the_known_scores(name, pairs):
    found = verify_metric(name, pairs, known_scores())
    assert found.result == "agrees" and found.difference <= found.known.tolerance, found


def test_what_needs_no_weight_files_has_known_scores():
    missing = sorted(NO_FILES - set(known_scores()))
    assert not missing, f"into {verification.SHIPPED.name}: what `iqa-sr metrics --verify {','.join(missing)}` prints"


@pytest.mark.parametrize("which", ["scikit-image", "tid2013"])
def test_known_scores_are_of_the_variants_that_metrics_have(which):
    """A changed variant needs new scores."""
    content = json.loads(verification.SHIPPED.read_text(encoding="utf-8"))[which]
    assert {name: entry["spec"] for name, entry in content["metrics"].items()} == {
        name: metric_info(name).spec for name in content["metrics"]
    }
    for name, known in known_scores(which).items():
        low, high = metric_info(name).score_range
        assert len(known.scores) == len(content["pairs"]) and known.obtained
        assert all(low <= score <= high for score in known.scores)
        # Wide enough for another machine, far too narrow for another image to pass.
        assert 0 < known.tolerance < 0.05 * (max(known.scores) - min(known.scores)), name


def test_other_weights_differ(synthetic, capsys):
    with synthetic(ALEX):
        assert main(["metrics", "--verify", "LPIPS,psnr"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ["psnr", "agrees", "known"] and lines[3] == "agrees: 1; DIFFERS: 1"
    assert lines[2].split()[:3] == ["lpips", "DIFFERS", "known"] and "tolerance 4e-05; here" in lines[2]


def test_another_network_is_not_computed(tmp_path, monkeypatch, capsys):
    torch.save({"w": torch.zeros(3)}, tmp_path / ALEX)
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    assert main(["metrics", "--verify", "lpips"]) == 1
    assert f"NOT COMPUTED  known  {ALEX}" in capsys.readouterr().out


def test_own_weights_are_computed_though_no_score_is_known(synthetic, capsys):
    with synthetic("preference_own.safetensors"):
        assert main(["metrics", "--verify", "preference-own"]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[:4] == ["preference-own", "computed", "not", "known"] and len(row[4:]) == 3
    assert np.isfinite([float(score) for score in row[4:]]).all()


def test_a_named_metric_without_weights_is_no_success(capsys):
    assert main(["metrics", "--verify", "musiq"]) == 1
    assert "weights are not here  known with --images  musiq_koniq_ckpt-e95806b9.pth" in capsys.readouterr().out


def test_a_score_that_is_nan_does_not_agree(pairs):
    image = torch.full_like(pairs[0].image, torch.nan)
    known = {"psnr": KnownScores((30.0,), 1.0, "a test")}
    assert verify_metric("psnr", [pairs[0]._replace(image=image)], known).result == "differs"


def test_images_are_recognized_by_their_pixels(tmp_path, pairs, monkeypatch):
    levels = [np.full((8, 8, 3), level, np.uint8) for level in (10, 30, 70)]
    (tmp_path / "below").mkdir()
    for name, pixels in zip(("below/a.bmp", "b.png", "other.png"), levels, strict=True):
        write_image(tmp_path / name, pixels)
    (tmp_path / "damaged.png").write_bytes(b"none of them")
    digests = [verification._digest(pixels) for pixels in levels]
    content = {"tid2013": {"pairs": {"I03": {"image": digests[1], "reference": digests[0]}}}}
    table = tmp_path / "table.json"
    table.write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setattr(verification, "SHIPPED", table)
    (pair,) = find_pairs(tmp_path)
    assert pair.name == "I03" and float(pair.image.mean() * 255) == pytest.approx(30)
    assert float(pair.reference.mean() * 255) == pytest.approx(10)
    content["tid2013"]["pairs"]["I04"] = {"image": "0" * 16, "reference": digests[0]}
    table.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"lacks 1 of the 3 images of tid2013 .*: I04 \(image\)\nThey are"):
        find_pairs(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--verify", "lpps"], "--verify: there is no metric 'lpps'; did you mean lpips"),
        (["--verify", ","], "--verify: expected names separated by commas, got none"),
        (["--verify", "--images", "nowhere"], "--images: expected a folder, nowhere is none"),
        (["--images", "nowhere"], "--images: expected with --verify, got without"),
        (["--device", "cpu"], "--device: expected with --verify, got without"),
    ],
)
def test_wrong_arguments_are_refused(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["metrics", *arguments]) == 1
    assert text in capsys.readouterr().err


def test_other_photographs_are_refused(monkeypatch):
    monkeypatch.setattr(verification, "_coarse", lambda pixels: pixels)
    with pytest.raises(ValueError, match=r"astronaut.png: expected the pixels .*\nInstall a scikit-image"):
        photograph_pairs()
