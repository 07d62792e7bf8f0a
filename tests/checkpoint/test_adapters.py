"""Adapters put into the network of a checkpoint."""

import pytest
import torch

from iqa_sr.checkpoint.loading import load_network
from iqa_sr.checkpoint.merging import merge_adapters
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from tests.helpers.checkpoints import ODD_SWINIR, SWINIR, built, same, save_checkpoint


def make_adapters(folder, section):
    """`base.pth`, and two adapters of it."""
    network = save_checkpoint(folder / "base.pth", section)
    base = BaseNetwork(network=section, file="base.pth", digest=state_digest(network.state_dict()))
    for seed, name in enumerate(("sharp", "smooth")):
        other = built(section)
        inject(other, LoRAOptions(rank=2, preset="swinir"))
        torch.manual_seed(seed)
        with torch.no_grad():
            for key, parameter in other.named_parameters():
                if ".lora_" in key:
                    parameter.copy_(0.1 * torch.randn(parameter.shape))
        save_adapter(other, folder / name, base)


@pytest.mark.parametrize("names", [["sharp"], ["sharp", "smooth"]])
def test_an_adapter_gives_the_network_that_merging_gives(tmp_path, names):
    make_adapters(tmp_path, SWINIR)
    folders, strengths = [tmp_path / name for name in names], [0.4, 1.2][: len(names)]
    expected = load_network(merge_adapters(tmp_path / "base.pth", folders, strengths, tmp_path / "merged.pth").path)
    loaded = load_network(tmp_path / "base.pth", adapters=folders, strengths=strengths)
    assert loaded.digest == expected.digest and same(loaded, expected.network)
    assert loaded.digest != load_network(tmp_path / "base.pth").digest


def test_an_adapter_names_its_network(tmp_path):
    make_adapters(tmp_path, ODD_SWINIR)
    loaded = load_network(tmp_path / "base.pth", adapters=[tmp_path / "sharp"], strengths=[0])
    assert loaded.source == str(tmp_path / "sharp") and loaded.section["img_range"] == 255.0
    assert loaded.digest == load_network(tmp_path / "base.pth").digest
    assert same(loaded, built(ODD_SWINIR))
    given = load_network(tmp_path / "base.pth", adapters=[tmp_path / "sharp"], options=SWINIR)
    assert given.source == "the given options" and given.section["img_range"] == 1.0


def test_adapters_that_do_not_fit_are_refused(tmp_path):
    make_adapters(tmp_path, SWINIR)
    save_checkpoint(tmp_path / "other.pth", SWINIR, seed=3)
    with pytest.raises(ValueError, match=r"sharp was made for another base: expected the weights of base\.pth"):
        load_network(tmp_path / "other.pth", adapters=[tmp_path / "sharp"])
    with pytest.raises(ValueError, match=r"`strengths`: expected 0 to 1\.5, got 2"):
        load_network(tmp_path / "base.pth", adapters=[tmp_path / "sharp"], strengths=[2])
    with pytest.raises(
        ValueError, match="param_key: adapters know the weights that they were trained on; got 'params'"
    ):
        load_network(tmp_path / "base.pth", adapters=[tmp_path / "sharp"], param_key="params")
