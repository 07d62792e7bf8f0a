"""Networks that the names and shapes of their weights tell, to spandrel or to us."""

import pytest
import torch

from iqa_sr.checkpoint.detection import KNOWN, read_shapes
from iqa_sr.checkpoint.loading import load_network
from iqa_sr.inference.tiling import upscale
from iqa_sr.io.network_states import state_digest
from tests.helpers.checkpoints import RRDB, SWINIR, lq, same, save_checkpoint
from tests.helpers.without_basicsr import marks_of

RESIDUAL = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4}


def swinir(**changes):
    return {**SWINIR, "depths": [2, 1], "num_heads": [2, 4], "resi_connection": "1conv", **changes}


BY_SPANDREL = [
    swinir(),
    swinir(upscale=3, upsampler="pixelshuffle", resi_connection="3conv", window_size=8, mlp_ratio=2.4),
    swinir(upscale=4, upsampler="nearest+conv"),
    swinir(upscale=1, upsampler="", window_size=7, img_size=21, img_range=255.0),
    {**RRDB, "num_grow_ch": 32},
    {**RRDB, "num_grow_ch": 32, "scale": 1},
    {**RRDB, "num_grow_ch": 32, "scale": 4, "num_block": 2},
    {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 3, "upscale": 3},
]
BY_SHAPES = [
    {**RRDB, "scale": 4, "num_grow_ch": 3, "num_block": 3},
    {**RRDB, "num_grow_ch": 4},
    {**RRDB, "num_grow_ch": 4, "scale": 1},
    *({"type": "MSRResNet", "num_feat": 4, "num_block": 2, "upscale": factor} for factor in (2, 3, 4)),
    *({**RESIDUAL, "type": "EDSR", "num_block": 2, "upscale": factor} for factor in (2, 3, 4)),
    {**RESIDUAL, "type": "RCAN", "num_group": 2, "num_block": 3, "squeeze_factor": 2, "upscale": 2},
]
NAMES = {"RRDBNet": "ESRGAN", "SRVGGNetCompact": "RealESRGAN Compact", "SwinIR": "SwinIR"}


def named(sections):
    return [
        pytest.param(one, marks=marks_of(one["type"]), id=f"{one['type']}-{one.get('upscale', one.get('scale'))}")
        for one in sections
    ]


def loaded_alone(folder, section):
    """The network of a file without anything beside it, what is always true of it checked; and BasicSR's network."""
    network = save_checkpoint(folder / "net.pth", section)
    loaded = load_network(folder / "net.pth")
    assert loaded.scale == section.get("upscale", section.get("scale"))
    assert loaded.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert loaded.digest == state_digest(network.state_dict())[:12] and loaded.param_key == "params"
    assert not loaded.network.training and not any(p.requires_grad for p in loaded.network.parameters())
    return loaded, network


@pytest.mark.parametrize("section", named(BY_SPANDREL))
def test_spandrel_reads_what_basicsr_has_written(tmp_path, section):
    loaded, network = loaded_alone(tmp_path, section)
    assert loaded.source == "spandrel" and loaded.architecture == NAMES[section["type"]]
    with torch.no_grad():
        images = lq(6 * section.get("window_size", 4))
        assert torch.allclose(loaded.network(images), network(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("section", named(BY_SHAPES))
def test_the_weights_alone_tell_what_spandrel_does_not_know(tmp_path, section):
    loaded, network = loaded_alone(tmp_path, section)
    assert loaded.source == "the shape of its weights" and loaded.architecture == section["type"]
    assert same(loaded, network, 3 * loaded.multiple_of if loaded.multiple_of > 1 else 24)
    assert loaded.license.name == "Apache-2.0" or section["type"] == "RCAN"


def test_sizes_that_a_network_takes(tmp_path):
    small = {**RRDB, "num_grow_ch": 4}
    for section, multiple, minimum in (
        (SWINIR, 4, 16),  # the window's side, at which tiles may begin
        (RRDB, 4, 4),
        ({**RRDB, "scale": 4}, 1, 2),
        (small, 2, 2),
        ({**small, "scale": 1}, 4, 4),
        ({**small, "scale": 4}, 1, 1),
    ):
        save_checkpoint(tmp_path / "net.pth", section)
        loaded = load_network(tmp_path / "net.pth")
        assert (loaded.multiple_of, loaded.minimum) == (multiple, minimum)
        assert upscale(loaded.network, lq(7), **loaded.sizes).shape[-1] == 7 * loaded.scale


@pytest.mark.basicsr
def test_what_no_weight_tells_is_said(tmp_path):
    save_checkpoint(tmp_path / "net.pth", SWINIR)
    assert load_network(tmp_path / "net.pth").assumed == ("img_range 1.0",)
    save_checkpoint(tmp_path / "net.pth", BY_SHAPES[-1])
    assert load_network(tmp_path / "net.pth").assumed == (
        "res_scale 1",
        "img_range 255.0",
        "rgb_mean [0.4488, 0.4371, 0.404]",
    )
    save_checkpoint(tmp_path / "net.pth", RRDB)
    assert load_network(tmp_path / "net.pth").assumed == ()


def test_every_known_network_is_tried():
    assert {section["type"] for section in BY_SHAPES} == set(KNOWN)
    assert read_shapes({"conv.weight": (3, 3, 3, 3)}) is None
    assert read_shapes({"body.0.rdb1.conv1.weight": (4, 4, 3, 3), "conv_up2.weight": (4, 4, 3, 3)}) is None
