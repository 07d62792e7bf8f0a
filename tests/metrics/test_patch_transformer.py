"""A network of patches as `rankiqa-own`: told from its file, any size, and learning by its recipe."""

import pytest
import torch

from iqa_sr import plugin
from iqa_sr.archs.patch_transformer_arch import PatchTransformer
from iqa_sr.basicsr_compat import build_network
from iqa_sr.metrics import create_metric
from iqa_sr.objectives.base import write_network
from iqa_sr.objectives.ranking import RankingObjective
from iqa_sr.training.run_config import RunConfig
from tests import ROOT
from tests.helpers.golden_images import photo

RECIPE = ROOT / "options" / "iqa" / "patch_transformer.yml"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = PatchTransformer(width=32, depth=2).eval()
    torch.nn.init.normal_(network.head.weight)  # which begins at zero
    return network


def test_the_file_says_which_network_it_holds(network, tmp_path):
    metric = create_metric("rankiqa-own", weights=write_network(network, tmp_path / "rankiqa_own.safetensors"))
    image = photo(height=70, width=41)[None]  # no whole patches
    with torch.no_grad():
        torch.testing.assert_close(metric(image), network(image))
    assert metric.quality_map(image).shape == (1, 70, 41) and metric.info.period == 16
    torch.save({"params": {**network.state_dict(), "head.weight": torch.zeros(1, 31)}}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"head\.weight"):
        create_metric("rankiqa-own", weights=tmp_path / "other.pth")


def test_a_rest_of_a_patch_is_filled_up_with_the_last_pixels_and_every_pixel_counts(network):
    image = photo(height=40, width=16)[None]
    filled = torch.cat([image, image[:, :, -1:].expand(-1, -1, 8, -1)], dim=2)
    with torch.no_grad():
        torch.testing.assert_close(network(image), network(filled))
    image = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(image).sum(), image)
    assert (gradient != 0).all() and gradient.isfinite().all()


def test_the_recipe_is_read_and_its_network_learns():
    plugin.register()
    config = RunConfig.from_yaml(RECIPE)
    torch.manual_seed(0)
    network = build_network(config.basicsr_opt()["network_g"])
    assert type(network) is PatchTransformer
    assert 400_000 < sum(parameter.numel() for parameter in network.parameters()) < 700_000
    objective = config.model.objective(network, config.model.objective_options)
    assert isinstance(objective, RankingObjective) and objective.options.attack is None
    image = torch.stack(
        [photo(height=64, width=64), photo(height=64, width=64).mean((1, 2), keepdim=True) * torch.ones(64, 64)]
    )
    batch = {"image": image[None, None].expand(1, 2, -1, -1, -1, -1), "level": torch.tensor([[0.0, 5.0]])}
    optimizer, losses = torch.optim.AdamW(network.parameters(), 1e-3), []
    for _ in range(12):
        losses.append(sum(objective(batch).values()))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 1
