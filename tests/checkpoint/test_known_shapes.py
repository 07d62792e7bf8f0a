"""Networks that the names and shapes of their weights tell."""

import pytest

from iqa_sr.checkpoint.detection import KNOWN, read_shapes
from iqa_sr.checkpoint.loading import load_network
from iqa_sr.inference.tiling import upscale
from iqa_sr.io.network_states import state_digest
from tests.helpers.checkpoints import RRDB, SWINIR, lq, same, save_checkpoint
from tests.helpers.without_basicsr import marks_of

RESIDUAL = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4}


def swinir(**changes):
    return {**SWINIR, "depths": [2, 1], "num_heads": [2, 4], "resi_connection": "1conv", **changes}


SECTIONS = [
    swinir(),
    swinir(upscale=3, upsampler="pixelshuffle", resi_connection="3conv", window_size=8, mlp_ratio=2.4),
    swinir(upscale=4, upsampler="nearest+conv", qkv_bias=False),
    swinir(upscale=8, upsampler="pixelshuffle", patch_norm=False, img_size=4),
    swinir(upscale=1, upsampler="", window_size=7, img_size=21, img_range=255.0),
    RRDB,
    {**RRDB, "scale": 4, "num_grow_ch": 3, "num_block": 3},
    {**RRDB, "scale": 1},
    *({"type": "MSRResNet", "num_feat": 4, "num_block": 2, "upscale": factor} for factor in (2, 3, 4)),
    *({**RESIDUAL, "type": "EDSR", "num_block": 2, "upscale": factor} for factor in (2, 3, 4)),
    {**RESIDUAL, "type": "RCAN", "num_group": 2, "num_block": 3, "squeeze_factor": 2, "upscale": 2},
    {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 3, "upscale": 3},
]


@pytest.mark.parametrize(
    "section",
    [
        pytest.param(one, marks=marks_of(one["type"]), id=f"{one['type']}-{one.get('upscale', one.get('scale'))}")
        for one in SECTIONS
    ],
)
def test_the_weights_alone_tell_the_network(tmp_path, section):
    network = save_checkpoint(tmp_path / "net.pth", section)
    loaded = load_network(tmp_path / "net.pth")
    assert loaded.architecture == section["type"] and loaded.source == "the shape of its weights"
    assert loaded.scale == section.get("upscale", section.get("scale"))
    assert loaded.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert loaded.digest == state_digest(network.state_dict())[:12] and loaded.param_key == "params"
    side = 3 * loaded.multiple_of if loaded.multiple_of > 1 else 24
    assert same(loaded, network, side)
    assert not loaded.network.training and not any(p.requires_grad for p in loaded.network.parameters())


def test_sizes_that_a_network_takes(tmp_path):
    for section, multiple in ((SWINIR, 4), (RRDB, 2), ({**RRDB, "scale": 1}, 4), ({**RRDB, "scale": 4}, 1)):
        save_checkpoint(tmp_path / "net.pth", section)
        loaded = load_network(tmp_path / "net.pth")
        assert (loaded.multiple_of, loaded.minimum) == (multiple, multiple)
        assert upscale(loaded.network, lq(7), **loaded.sizes).shape[-1] == 7 * loaded.scale


@pytest.mark.basicsr
def test_what_no_weight_tells_is_said(tmp_path):
    save_checkpoint(tmp_path / "net.pth", SWINIR)
    assert load_network(tmp_path / "net.pth").assumed == ("img_range 1.0",)
    save_checkpoint(tmp_path / "net.pth", SECTIONS[-2])
    assert load_network(tmp_path / "net.pth").assumed == (
        "res_scale 1",
        "img_range 255.0",
        "rgb_mean [0.4488, 0.4371, 0.404]",
    )
    save_checkpoint(tmp_path / "net.pth", RRDB)
    assert load_network(tmp_path / "net.pth").assumed == ()


def test_every_known_network_is_tried():
    assert {section["type"] for section in SECTIONS} == set(KNOWN)
    assert read_shapes({"conv.weight": (3, 3, 3, 3)}) is None
    assert read_shapes({"body.0.rdb1.conv1.weight": (4, 4, 3, 3), "conv_up2.weight": (4, 4, 3, 3)}) is None
