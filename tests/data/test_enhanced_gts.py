"""Enhancers keep tone, color and shape; make_gts writes HGGT's layout; the sample data set is whole."""

import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from iqa_sr.data.creation.enhanced_gts import ENHANCERS, Enhancer, find_enhancer, make_gts, write_enhancer_list
from iqa_sr.data.creation.sample_dataset import PHOTOGRAPHS, make_sample
from iqa_sr.data.multi_gt.manifest import GroundTruthOptions, read_manifest
from iqa_sr.io.files import compute_hash
from iqa_sr.io.images import image_size, read_image
from tests.helpers.sr_datasets import make_image, save

NAMES = sorted(ENHANCERS)


def luma(pixels):
    return pixels.astype(np.float64) @ [0.299, 0.587, 0.114]


def sharpness(pixels):
    return cv2.Laplacian(luma(pixels), cv2.CV_64F).std()


@pytest.mark.parametrize("name", NAMES)
def test_tone_and_color_stay(name):
    pixels = make_image(1, 120, 150) // 2 + 60  # away from black and white, where clipping would change the color
    before = pixels.copy()
    enhanced = ENHANCERS[name](pixels)
    assert enhanced.shape == pixels.shape and enhanced.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(enhanced, ENHANCERS[name](pixels))
    assert abs(enhanced.mean() - pixels.mean()) < 0.5
    colors = [one.astype(int) - one[..., 1:2] for one in (pixels, enhanced)]
    assert np.abs(colors[0] - colors[1]).max() <= 1
    blurred = [cv2.GaussianBlur(luma(one), (0, 0), 16) for one in (pixels, enhanced)]
    assert np.abs(blurred[0] - blurred[1]).max() < 3


@pytest.mark.parametrize("name", NAMES)
def test_fine_structure_is_enhanced_but_mildly(name):
    pixels = cv2.GaussianBlur(make_image(2, 128), (0, 0), 1.0)
    enhanced = ENHANCERS[name](pixels)
    assert sharpness(enhanced) > 1.02 * sharpness(pixels)
    error = np.mean((enhanced.astype(float) - pixels) ** 2)
    assert 10 * np.log10(255**2 / error) > 30


@pytest.mark.parametrize("name", NAMES)
def test_flat_image_stays(name):
    flat = np.full((64, 64, 3), (90, 120, 30), np.uint8)
    assert np.abs(ENHANCERS[name](flat).astype(int) - flat).max() <= 1


def test_unsharp_against_its_formula():
    pixels = make_image(3, 40)
    gauss = np.exp(-(np.arange(-10, 11) ** 2) / 2)
    gauss /= gauss.sum()
    padded = np.pad(luma(pixels), 10, mode="reflect")
    rows = np.apply_along_axis(np.convolve, 1, padded, gauss, mode="valid")
    smooth = np.apply_along_axis(np.convolve, 0, rows, gauss, mode="valid")
    expected = pixels + 0.4 * (luma(pixels) - smooth)[..., None]
    assert np.abs(ENHANCERS["unsharp"](pixels) - np.clip(expected, 0, 255)).max() < 0.6


def test_nlm_takes_noise_out_of_flat_parts():
    noisy = np.clip(np.random.default_rng(0).normal(128, 2, (96, 96, 1)).repeat(3, 2), 0, 255).astype(np.uint8)
    assert ENHANCERS["nlm-sharp"](noisy).std() < 0.8 * noisy.std()


def test_make_gts_writes_the_published_layout(tmp_path):
    for number, suffix in enumerate((".png", ".jpg", ".png")):
        save(tmp_path / "in" / f"a{number}{suffix}", make_image(number, 48, 64))
    done = make_gts(tmp_path / "in", tmp_path / "out", progress=False)
    assert (done.written, done.kept, done.failed) == (15, 0, ())
    manifest = read_manifest(GroundTruthOptions(dataroot_gt=tmp_path / "out"))
    assert manifest.folders == ("original", "01", "02", "03", "04") and not manifest.problems
    assert [len(record.ground_truths) for record in manifest.records] == [5, 5, 5]
    listed = json.loads((tmp_path / "out" / "gts.json").read_text())["versions"]
    assert {folder: entry["enhancer"] for folder, entry in listed.items()} == {
        "01": "unsharp",
        "02": "detail",
        "03": "nlm-sharp",
        "04": "clahe",
    }
    original = read_image(tmp_path / "out" / "original" / "a1.png")
    np.testing.assert_array_equal(original, read_image(tmp_path / "in" / "a1.jpg"))
    for folder, entry in listed.items():
        enhanced = read_image(tmp_path / "out" / folder / f"a1_{folder}.png")
        np.testing.assert_array_equal(enhanced, ENHANCERS[entry["enhancer"]](original))


def test_make_gts_goes_on_where_it_was_interrupted(tmp_path):
    for number in range(2):
        save(tmp_path / "in" / f"a{number}.png", make_image(number, 32))
    make_gts(tmp_path / "in", tmp_path / "out", ["unsharp", "detail"], progress=False)
    lost, kept = tmp_path / "out" / "01" / "a1_01.png", tmp_path / "out" / "02" / "a0_02.png"
    lost.unlink()
    kept.write_bytes(b"mine")
    done = make_gts(tmp_path / "in", tmp_path / "out", ["unsharp", "detail"], progress=False)
    assert (done.written, done.kept) == (1, 5)
    assert lost.exists() and kept.read_bytes() == b"mine"
    with pytest.raises(ValueError, match=r"gts\.json: this data set was made with other enhancers"):
        make_gts(tmp_path / "in", tmp_path / "out", ["clahe"], progress=False)
    again = make_gts(tmp_path / "in", tmp_path / "out", ["unsharp", "detail"], progress=False, overwrite=True)
    assert (again.written, again.kept) == (6, 0) and kept.read_bytes() != b"mine"


def test_ground_truths_are_kept_for_the_image_that_they_are_of(tmp_path):
    """Not for its name: one that has changed is enhanced anew, one from elsewhere does not replace the first."""
    save(tmp_path / "in" / "a.png", make_image(0, 32))
    save(tmp_path / "in" / "b.png", make_image(1, 32))
    out, names = tmp_path / "out", ["unsharp", "detail"]
    make_gts(tmp_path / "in", out, names, progress=False)
    save(tmp_path / "in" / "a.png", make_image(2, 32))
    done = make_gts(tmp_path / "in", out, names, progress=False)
    assert (done.written, done.kept, done.failed) == (3, 3, ())
    np.testing.assert_array_equal(read_image(out / "original/a.png"), make_image(2, 32))
    np.testing.assert_array_equal(read_image(out / "01/a_01.png"), ENHANCERS["unsharp"](make_image(2, 32)))
    assert make_gts(out / "original", out, names, progress=False).kept == 4, "the originals as they were written"
    save(tmp_path / "other" / "a.png", make_image(3, 32))
    done = make_gts(tmp_path / "other", out, names, progress=False)
    assert (done.written, done.kept) == (0, 0) and "was made of another image of this name" in done.summary()
    save(out / "original" / "b.png", make_image(4, 32))
    done = make_gts(out / "original", out, names, progress=False)
    assert (done.written, done.kept) == (2, 2)
    np.testing.assert_array_equal(read_image(out / "02/b_02.png"), ENHANCERS["detail"](make_image(4, 32)))


def test_make_gts_from_the_originals_in_place(tmp_path):
    save(tmp_path / "original" / "a.jpg", make_image(0, 32))
    done = make_gts(tmp_path / "original", tmp_path, ["unsharp"], progress=False)
    assert done.written == 1
    assert [path.name for path in (tmp_path / "original").iterdir()] == ["a.jpg"]


def test_bad_images_are_named_at_the_end(tmp_path):
    save(tmp_path / "in" / "good.png", make_image(0, 32))
    save(tmp_path / "in" / "twice.png", make_image(1, 32))
    save(tmp_path / "in" / "twice.webp", make_image(1, 32))
    (tmp_path / "in" / "broken.png").write_bytes(b"nothing")
    done = make_gts(tmp_path / "in", tmp_path / "out", ["unsharp"], progress=False)
    assert done.written == 4
    assert "4 images written, 0 already there, 2 sources failed" in done.summary()
    assert "broken.png: not an image" in done.summary() and "twice.webp: same name as twice.png" in done.summary()


def test_16_bit_images_are_rounded(tmp_path):
    deep = np.minimum(make_image(0, 32), 250).astype(np.uint16) * 257 + 100
    save(tmp_path / "in" / "a.png", deep)
    make_gts(tmp_path / "in", tmp_path / "out", ["unsharp"], progress=False)
    written = read_image(tmp_path / "out" / "original" / "a.png")
    np.testing.assert_array_equal(written, np.minimum(make_image(0, 32), 250))


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="`enhancers` unsharpen: no such enhancer .* did you mean unsharp"):
        find_enhancer("unsharpen")
    with pytest.raises(FileNotFoundError, match="gone.pth: this file does not exist"):
        find_enhancer(str(tmp_path / "gone.pth"))
    with pytest.raises(FileNotFoundError, match="no images in this folder"):
        make_gts(tmp_path, tmp_path / "out")


def restoration_network(path, upscale):
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    network = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=upscale)
    torch.save(network.state_dict(), path)
    return network.eval()


def test_restoration_network_as_an_enhancer(tmp_path):
    network = restoration_network(tmp_path / "net.pth", upscale=1)
    enhancer = find_enhancer(str(tmp_path / "net.pth"))
    pixels = make_image(5, 600, 40)  # higher than one tile
    with torch.no_grad():
        expected = network(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)[0].clamp(0, 1) * 255
    assert np.abs(enhancer(pixels) - expected.permute(1, 2, 0).numpy()).max() < 0.51
    digest = compute_hash(tmp_path / "net.pth")[:16]
    assert enhancer.parameters == {"file": "net.pth", "sha256": digest, "architecture": "RealESRGAN Compact"}


def test_another_network_of_the_same_name_is_another_enhancer(tmp_path):
    def listed(digest):
        parameters = {"file": "net.pth", **({"sha256": digest} if digest else {}), "architecture": "RealESRGAN Compact"}
        write_enhancer_list(tmp_path, {"01": Enhancer("net", "a network", lambda image: image, parameters)})

    listed("1" * 16)
    with pytest.raises(ValueError, match="made with other enhancers"):
        listed("2" * 16)
    (tmp_path / "gts.json").unlink()
    listed("")  # of an older version, which did not write it
    listed("1" * 16)


def test_other_networks_are_refused(tmp_path):
    restoration_network(tmp_path / "x2.pth", upscale=2)
    with pytest.raises(ValueError, match=r"x2\.pth: expected a 1x restoration network .* with scale 2"):
        find_enhancer(str(tmp_path / "x2.pth"))
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth: spandrel cannot load it"):
        find_enhancer(str(tmp_path / "other.pth"))


def test_sample_data_set(tmp_path):
    make_sample(tmp_path / "datasets" / "sample", progress=False)
    root = tmp_path / "datasets" / "sample"
    assert sorted(path.name for path in root.iterdir()) == ["README.txt", "train", "val"]
    stems = {}
    for split in ("train", "val"):
        manifest = read_manifest(GroundTruthOptions(dataroot_gt=root / split))
        assert not manifest.problems and manifest.folders == ("original", "01", "02", "03", "04")
        expected = {(256, 256)} if split == "train" else {(300, 448), (512, 512)}
        assert {record.size for record in manifest.records} == expected
        stems[split] = {record.name.split("-")[0] for record in manifest.records}
    assert not stems["train"] & stems["val"] and len(stems["val"]) >= 2
    assert {"motorcycle_left", "motorcycle_right"} <= stems["train"]
    text = (root / "README.txt").read_text()
    assert all(photograph.file in text and photograph.rights in text for photograph in PHOTOGRAPHS)
    assert image_size(root / "train" / "03" / "coffee-0-0_03.png") == (256, 256)


def test_sample_is_never_made_over_something(tmp_path):
    (tmp_path / "sample").mkdir()
    make_sample(tmp_path / "sample", progress=False)
    assert not list((tmp_path / "sample").iterdir()) and [path.name for path in tmp_path.iterdir()] == ["sample"]


class WritesAFile(torch.nn.Module):
    """What torch.jit.load runs of it writes `written.bin` into the working folder."""

    def __init__(self):
        super().__init__()
        self.training = False

    def forward(self, x):
        return x

    @torch.jit.export
    def __getstate__(self):
        return torch.ones(1)

    @torch.jit.export
    def __setstate__(self, state: torch.Tensor):
        written = torch.from_file("written.bin", True, 4)
        written.fill_(7.0)
        self.training = bool(written.sum() < 0)


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt"])
def test_the_file_of_a_network_runs_no_code(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    torch.jit.script(WritesAFile()).save(f"net{suffix}")
    torch.jit.load(f"net{suffix}")
    (tmp_path / "written.bin").unlink()  # it does, where torch loads it
    with pytest.raises(
        ValueError, match=rf"`enhancers` net\{suffix}: spandrel cannot load it \(net\{suffix} is a damaged"
    ):
        find_enhancer(f"net{suffix}")
    assert not (tmp_path / "written.bin").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_network_of_any_kind_of_file_is_an_enhancer(tmp_path):
    network = restoration_network(tmp_path / "net.pth", upscale=1)
    torch.save({"params_ema": network.state_dict()}, tmp_path / "below.ckpt")
    torch.jit.trace(network, torch.zeros(1, 3, 8, 8)).save(tmp_path / "script.pt")
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    pixels = make_image(5, 40, 40)
    expected = find_enhancer(str(tmp_path / "net.pth"))(pixels)
    for name in ("below.ckpt", "script.pt", "net.safetensors"):
        assert np.array_equal(find_enhancer(str(tmp_path / name))(pixels), expected), name
    torch.save({"params": WritesAFile()}, tmp_path / "pickle.pth")
    with pytest.raises(ValueError, match=r"pickle\.pth holds pickled objects besides tensors"):
        find_enhancer(str(tmp_path / "pickle.pth"))
