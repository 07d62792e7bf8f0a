"""`iqa-sr upscale` as a user runs it: which images are read, what is written and where, what is said of the network."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from iqa_sr.cli.main import main
from iqa_sr.io.images import read_image
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_networks import SECTION, save_network, tiny_network
from tests.helpers.upscaling import COMMAND, expected, names


def test_a_folder(images_here, network, capsys):
    assert main([*COMMAND, "in"]) == 0
    shown = capsys.readouterr().out
    assert "MSRResNet x2, as the shape of its weights says: " in shown and "params of net.pth (sha256 of the" in shown
    assert "3 images written to upscaled\n" in shown
    assert names() == ["p0.png", "p1.png", "p2.png"]
    for name in names():
        np.testing.assert_array_equal(read_image(f"upscaled/{name}"), expected(network, read_image(f"in/{name}")))


def test_an_image_into_a_file(images_here, network):
    assert main([*COMMAND, "in/p1.png", "--output", "new/large.webp"]) == 0
    np.testing.assert_array_equal(read_image("new/large.webp"), expected(network, read_image("in/p1.png")))
    assert not Path("upscaled").exists()


def test_sub_folders_globs_and_several_paths(images_here):
    save("in/deep/er/q.png", make_image(5, 8))
    save("in/.hidden/h.png", make_image(5, 8))
    assert main([*COMMAND, "in"]) == 0
    assert names() == ["deep/er/q.png", "p0.png", "p1.png", "p2.png"]
    assert main([*COMMAND, "in/**/[pq]*.png", "--output", "glob"]) == 0
    assert names("glob") == names()
    assert main([*COMMAND, "in/p[02].png", "in/p2.png", "in/deep/er", "--output", "several"]) == 0
    assert names("several") == ["p0.png", "p2.png", "q.png"]


def test_an_image_that_is_named_twice_is_upscaled_once(images_here):
    assert main([*COMMAND, "in/p0.png", str(images_here / "in/p0.png"), "in/../in/p0.png", "in/*0.png"]) == 0
    assert names() == ["p0.png"]


def test_names_and_formats(images_here):
    save("in/photo.jpg", make_image(4, 16))
    assert main([*COMMAND, "in", "--suffix", "_x2", "--format", "keep"]) == 0
    assert names() == ["p0_x2.png", "p1_x2.png", "p2_x2.png", "photo_x2.jpg"]
    assert main([*COMMAND, "in", "--format", "jpg", "--output", "jpegs"]) == 0
    assert names("jpegs") == ["p0.jpg", "p1.jpg", "p2.jpg", "photo.jpg"]
    Image.fromarray(make_image(9, 8)).save("in/read_only.ppm")
    assert main([*COMMAND, "in", "--format", "keep", "--output", "kept"]) == 0
    assert names("kept") == ["p0.png", "p1.png", "p2.png", "photo.jpg", "read_only.png"]


def test_results_among_their_sources_are_not_upscaled_again(images_here, capsys):
    for count in (3, 0):
        assert main([*COMMAND, "in", "--output", "in", "--suffix", "_x2"]) == 0
        assert f"{count} images written to in" in capsys.readouterr().out
    assert main([*COMMAND, "in", "--output", "in/results"]) == 0
    assert main([*COMMAND, "in", "--output", "in/results", "--overwrite"]) == 0
    assert len(names("in/results")) == 6 and len(names("in")) == 12


# --- The network ------------------------------------------------------------------------------------------------------


def test_tiles_give_the_same_image(images_here, network):
    """MSRResNet with one block looks less than 8 pixels around."""
    save("large.png", make_image(7, 150, 101))
    assert main([*COMMAND, "large.png", "--tile", "64"]) == 0
    difference = read_image("upscaled/large.png").astype(int) - expected(network, read_image("large.png"))
    assert np.abs(difference).max() <= 1
    assert main([*COMMAND, "large.png", "--tile", "none", "--output", "whole"]) == 0
    np.testing.assert_array_equal(read_image("whole/large.png"), expected(network, read_image("large.png")))


def test_an_adapter_at_a_strength(images_here, network, capsys):
    base = BaseNetwork(network=SECTION, file="net.pth", digest=state_digest(network.state_dict()))
    adapted = tiny_network()
    inject(adapted, LoRAOptions(rank=2, target_modules=["conv1", "conv_hr"]))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if ".lora_" in name:
                parameter.fill_(0.2)
    save_adapter(adapted, "sharp", base)
    adapter = ["--adapter", "sharp", "--strength", "0.5"]
    assert main([*COMMAND, "in", *adapter]) == 0
    assert "as sharp says" in capsys.readouterr().out
    assert main(["merge", "--checkpoint", "net.pth", *adapter, "--output", "merged.pth"]) == 0
    assert main(["upscale", "in", "--checkpoint", "merged.pth", "--output", "merged"]) == 0
    assert main([*COMMAND, "in", "--output", "base"]) == 0
    for name in names():
        np.testing.assert_array_equal(read_image(f"upscaled/{name}"), read_image(f"merged/{name}"))
        assert (read_image(f"upscaled/{name}") != read_image(f"base/{name}")).any()


def test_what_was_assumed_is_said(images_here, capsys):
    save_network(images_here / "net.pth", type="EDSR", num_in_ch=3, num_out_ch=3)
    assert main([*COMMAND, "in"]) == 0
    assert (
        "assumed: res_scale 1, img_range 255.0, rgb_mean [0.4488, 0.4371, 0.404]; if it was trained"
        in capsys.readouterr().out
    )


def test_a_network_that_gives_nan_fails_on_every_image(images_here, network, capsys):
    state = {name: torch.full_like(value, 1e30) for name, value in network.state_dict().items()}
    torch.save({"params": state}, "net.pth")
    assert main([*COMMAND, "in"]) == 1
    shown = capsys.readouterr().err
    assert shown.count("the network gives values that are not finite; was it saved by a run that diverged?") == 3
    assert not Path("upscaled").exists()


def test_weights_that_are_not_finite_are_named(images_here, network, capsys):
    state = network.state_dict()
    state["conv_first.bias"][0], state["conv_last.weight"][0] = float("nan"), float("inf")
    torch.save({"params": state}, "net.pth")
    assert main([*COMMAND, "in"]) == 1
    assert "net.pth: 2 of its weights are not finite: conv_first.bias, conv_last.weight" in capsys.readouterr().err
