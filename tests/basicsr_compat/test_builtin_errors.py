"""What our own networks, losses and data set say about wrong options and shapes."""

from pathlib import Path

import pytest
import torch

from iqa_sr.basicsr_compat.builtin import (  # noqa: F401 - registered by their imports
    discriminator_arch,
    gan_loss,
    perceptual_loss,
    pixel_losses,
    residual_archs,
    rrdbnet_arch,
    srvgg_arch,
    swinir_arch,
    vgg_arch,
)
from iqa_sr.basicsr_compat.builtin.paired_image_dataset import PairedImageDataset
from iqa_sr.basicsr_compat.builtin.registry import ARCH_REGISTRY, LOSS_REGISTRY
from iqa_sr.errors import OptionError
from tests.helpers.sr_datasets import make_image, save

RGB = {"num_in_ch": 3, "num_out_ch": 3}
SWINIR = {"embed_dim": 8, "num_heads": [1], "depths": [1], "window_size": 4}


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("RRDBNet", RGB | {"scale": 3}, "scale: expected one of 1, 2, 4, got 3"),
        ("MSRResNet", {"upscale": 8}, "upscale: expected one of 2, 3, 4, got 8"),
        ("EDSR", RGB | {"upscale": 6}, "upscale: expected 3 or a power of 2, got 6"),
        ("EDSR", RGB | {"rgb_mean": [0.5]}, r"rgb_mean: expected three numbers, got \[0.5\]"),
        ("VGGStyleDiscriminator", {"num_in_ch": 3, "num_feat": 2, "input_size": 64}, "one of 128, 256, got 64"),
        ("SRVGGNetCompact", {"act_type": "leakyrelo"}, "act_type: .* got 'leakyrelo'; did you mean leakyrelu"),
        ("SwinIR", {"upsampler": "pixelshufle"}, "upsampler: .* 'pixelshufle'; did you mean pixelshuffle"),
        ("SwinIR", {"upsampler": ["x"]}, r"upsampler: expected one of 'pixelshuffle', .*, got \['x'\]"),
        ("SwinIR", {"resi_connection": "2conv"}, "resi_connection: expected one of '1conv', '3conv', got '2conv'"),
        ("SwinIR", {"upsampler": "nearest+conv"}, r"upscale: expected 4 with the upsampler nearest\+conv, got 2"),
        ("SwinIR", {"depths": [2]}, "num_heads: expected 1 numbers, as many as depths, got 4"),
        ("VGGFeatureExtractor", {"layer_name_list": ["conv6_1"]}, "layer_name_list: .* got 'conv6_1'; did you mean"),
        ("VGGFeatureExtractor", {"layer_name_list": [], "vgg_type": "vgg11"}, "'vgg16', 'vgg19', got 'vgg11'; did you"),
    ],
)
def test_options_of_networks(name, options, text):
    with pytest.raises(ValueError, match=text):
        ARCH_REGISTRY.get(name)(**options)


@pytest.mark.parametrize(
    ("name", "options", "side", "text"),
    [
        ("RRDBNet", RGB | {"scale": 2, "num_block": 1}, 5, r"with scale 2 .* multiples of 2 px, got \(1, 3, 5, 5\)"),
        ("VGGStyleDiscriminator", {"num_in_ch": 3, "num_feat": 2}, 64, "expected images of input_size 128x128 px, got"),
        ("UNetDiscriminatorSN", {"num_in_ch": 3, "num_feat": 2}, 12, "expected sides that are multiples of 8 px"),
        (
            "SwinIR",
            {"embed_dim": 8, "num_heads": [1], "depths": [1], "window_size": 4},
            6,
            "multiples of window_size 4",
        ),
    ],
)
def test_shapes_of_networks(name, options, side, text):
    with pytest.raises(ValueError, match=text):
        ARCH_REGISTRY.get(name)(**options)(torch.rand(1, 3, side, side))


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("L1Loss", {"reduction": "maen"}, "reduction: expected one of 'none', 'mean', 'sum', got 'maen'; did you mean"),
        ("WeightedTVLoss", {"reduction": "none"}, "reduction: expected one of 'mean', 'sum', got 'none'"),
        ("GANLoss", {"gan_type": "hinje"}, "gan_type: .* got 'hinje'; did you mean hinge"),
        ("PerceptualLoss", {"layer_weights": {"conv1_2": 1}, "criterion": "l3"}, "criterion: .* got 'l3'"),
        ("PerceptualLoss", {"layer_weights": {"conv1_7": 1}}, "layer_name_list: .* got 'conv1_7'; did you mean"),
        ("PerceptualLoss", {"layer_weights": {}}, "layer_weights: expected weights of at least one layer"),
    ],
)
def test_options_of_losses(name, options, text):
    with pytest.raises(ValueError, match=text):
        LOSS_REGISTRY.get(name)(**options)


def test_shapes_of_losses():
    image = torch.rand(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"images of one shape, got \(2, 3, 4, 4\) and \(2, 1, 4, 4\)"):
        LOSS_REGISTRY.get("L1Loss")()(image, image[:, :1])
    with pytest.raises(ValueError, match=r"weight: expected the shape of the images, \(2, 3, 4, 4\), .* got \(2, 2,"):
        LOSS_REGISTRY.get("L1Loss")()(image, image, image[:, :2])


def test_missing_and_wrong_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="1 weights file is not on this machine"):
        LOSS_REGISTRY.get("PerceptualLoss")({"conv1_2": 1})
    Path("experiments/pretrained_models").mkdir(parents=True)
    torch.save({"features.0.weight": torch.zeros(1)}, "experiments/pretrained_models/vgg16-397923af.pth")
    monkeypatch.setattr("torchvision.models.vgg.vgg16", _one_layer)
    with pytest.raises(ValueError, match=r"vgg16-397923af\.pth has no weights of vgg16: expected features.0.bias"):
        LOSS_REGISTRY.get("PerceptualLoss")({"conv1_2": 1}, vgg_type="vgg16")


def _one_layer(weights):
    network = torch.nn.Module()
    network.features = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
    return network


# --- The data set -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        save(f"gt/{name}.png", make_image(1, 32))
        save(f"lq/{name}.png", make_image(1, 16))


def dataset(**changes):
    section = {
        "phase": "train",
        "scale": 2,
        "dataroot_gt": "gt",
        "dataroot_lq": "lq",
        "io_backend": {"type": "disk"},
        "gt_size": 16,
        "use_hflip": True,
        "use_rot": True,
    } | changes
    return PairedImageDataset({key: value for key, value in section.items() if value != "left out"})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dataroot_lq": "left out"}, "datasets:train:dataroot_lq: this key is required and missing"),
        ({"io_backend": "left out"}, "datasets:train:io_backend: this key is required and missing"),
        ({"io_backend": {"type": "lmbd"}}, "datasets:train:io_backend:type: .*'disk' or 'lmdb'"),
        (
            {"io_backend": {"type": "lmdb"}},
            r"dataroot_lq: expected a folder named \*\.lmdb.* got 'lq'",
        ),
        (
            {"use_rot": "left out", "gt_size": None},
            r"gt_size: this key is .*\n.*use_rot: this key is .* missing",
        ),
        ({"gt_size": 17}, "datasets:train:gt_size: expected a multiple of the scale 2, got 17"),
        ({"gt_size": 0}, "datasets:train:gt_size: .*greater than or equal to 1, got 0"),
        ({"filename_tmpl": "x2"}, r"filename_tmpl: expected a name with \{\} in it, got 'x2'"),
        ({"filename_tmpl": "{name}x2"}, r"filename_tmpl: expected a name with \{\} in it, got '\{name\}x2'"),
        ({"mean": [0.5] * 3}, "datasets:train:std: expected mean and std, or none of them, got None"),
        ({"mean": [0.5] * 3, "std": [1, 1]}, "datasets:train:std: expected 3 numbers, got 2"),
        ({"phase": "val", "scale": "left out"}, "datasets:val:scale: this key is required and missing"),
    ],
)
def test_options_of_the_data_set(pairs, changes, text):
    with pytest.raises(OptionError, match=text):
        dataset(**changes)


def test_folders_that_are_no_pairs(pairs):
    with pytest.raises(FileNotFoundError, match="folder nowhere does not exist"):
        dataset(dataroot_gt="nowhere")
    with pytest.raises(FileNotFoundError, match=r"datasets:train: lq has no ax2\.png for a\.png"):
        dataset(filename_tmpl="{}x2")
    save("lq/c.png", make_image(1, 16))
    with pytest.raises(ValueError, match="expected as many images in lq as in gt, got 3 and 2"):
        dataset()
    for folder in ("gt", "lq"):
        for path in Path(folder).iterdir():
            path.unlink()
    with pytest.raises(FileNotFoundError, match="datasets:train: there are no images in gt"):
        dataset()


def test_lmdb_folders_that_are_no_pairs(pairs):
    for kind, keys in (("gt", "abc"), ("lq", "ad")):
        Path(f"{kind}.lmdb").mkdir()
        Path(f"{kind}.lmdb/meta_info.txt").write_text("".join(f"{key}.png (16,16,3) 1\n" for key in keys))
    with pytest.raises(ValueError, match="the same keys in gt.lmdb and lq.lmdb; 'b' is in the first alone, 3 in one"):
        dataset(dataroot_gt="gt.lmdb", dataroot_lq="lq.lmdb", io_backend={"type": "lmdb"})


def test_images_that_are_no_pairs(pairs):
    with pytest.raises(ValueError, match=r"gt/a\.png: its low-quality image of 16x16 px .* a crop of 17 px"):
        dataset(gt_size=34)[0]
    save("gt/a.png", make_image(1, 32, 30))
    with pytest.raises(ValueError, match=r"gt/a\.png: expected 32x32 px \(HxW\), 2 times .* 16x16, got 32x30"):
        dataset()[0]
    Path("lq/b.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"lq/b\.png: not an image that can be read"):
        dataset()[1]
