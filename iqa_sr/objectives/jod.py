"""Blind JOD: the order of one content's versions, their JOD, and robustness against attacks that JOD does not see."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_sr.attacks.bounds import Bound
from iqa_sr.attacks.gradient_steps import sign_ascent
from iqa_sr.attacks.universal_tile import add_tile
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.losses.jod_loss import preference_loss, tracking_loss
from iqa_sr.metrics import shared_metric
from iqa_sr.metrics.jod_lite import OWN
from iqa_sr.objectives.base import Objective, write_network
from iqa_sr.objectives.jod_options import Flatness, JODOptions
from iqa_sr.runtime import distributed
from iqa_sr.stats.correlation import spearman
from iqa_sr.stats.ordering import ordering

__all__ = ["JODObjective"]

_PARTS = ("order", "regression", "difference", "ascent", "tiles", "flatness")
_STRIDE = 0.6  # of the steps of an ascent, which reach one and a half times the bound in all
VALIDATION_STEPS, VALIDATION_BOUND = 10, 2.0  # of the fixed attack, in levels of 255
VISIBLE = 9.9
"""JOD below which a version must score below its pristine crop."""


class JODObjective(Objective[JODOptions]):
    """Teaches `JODLite` how far an image lies below its pristine original in JOD, without showing it the original.

    All labels are the metric `cvvdp`'s, those of attacked images likewise: an attack that nobody sees has the label of
    the image that it was made of, by construction.

    Reference:
        Mantiuk et al.: ColorVideoVDP, ACM TOG 2024, https://arxiv.org/abs/2401.11485 (JOD of pairs);
        Madry et al., ICLR 2018, https://arxiv.org/abs/1706.06083 (attacks as training data);
        Shumitskaya, Antsiferova, Vatolin, BMVC 2022, https://arxiv.org/abs/2211.00366 (universal attacks on metrics).
    """

    Options = JODOptions
    network_types = ("JODLite",)
    dataset_types = ("JODDataset",)

    def __init__(self, network: nn.Module, options: JODOptions) -> None:
        super().__init__(network, options)
        self._iteration = 1
        sides, amplitudes = (options.tiles.sides, options.tiles.amplitudes) if options.tiles else ([], [])
        self._bounds = [Bound("rms", levels) for _ in sides for levels in amplitudes]
        # No buffers: they are neither saved as weights nor averaged. Before its first use a tile is empty.
        self._tiles = [torch.zeros(1, 3, side, side) for side in sides for _ in amplitudes]

    def before_step(self, iteration: int) -> None:
        """Take down the iteration, by which parts begin; every process resumes from the first one's tiles."""
        self._iteration = iteration
        device = next(self.network.parameters()).device
        self._tiles = [tile.to(device) for tile in self._tiles]
        distributed.share_tensors(self._tiles)

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Losses of the parts that have begun, weighted.

        Args:
            batch: `image` `(G, V, 3, S, S)`, the pristine one first; `jod` `(G, V)`.
        """
        image, jod, options = batch["image"], batch["jod"], self.options
        weights = self._weights()
        makers = {"ascent": self._climbed, "tiles": self._tiled, "flatness": self._stepped}
        changed = {name: make(image) for name, make in makers.items() if name in weights}
        everything = torch.cat([image.flatten(0, 1), *(images for _, images in changed.values())])  # (M, 3, S, S)
        score, *scores = self.network(everything).float().split([jod.numel(), *[len(image)] * len(changed)])
        score = score.view_as(jod)  # (G, V), of (G V,)
        losses, versions, labels = {}, [score], [jod]
        for (name, (taken, images)), after in zip(changed.items(), scores, strict=True):
            part, before = getattr(options, name), score.gather(1, taken[:, None])[:, 0]
            if isinstance(part, Flatness):
                losses[name] = (after - before).abs().mean() * 255 / part.step
                continue
            label = self._jod(images, image[:, 0])  # (G,)
            losses[name] = tracking_loss(after, before, label, jod.gather(1, taken[:, None])[:, 0], part.beta)
            versions.append(after[:, None])  # an attacked image is one more version of its content
            labels.append(label[:, None])
        score, jod = torch.cat(versions, dim=1), torch.cat(labels, dim=1)  # (G, V + attacked) each
        if options.order and "order" in weights:
            losses["order"] = preference_loss(score, jod, options.order.scale, options.order.margin)
        if options.regression and "regression" in weights:
            losses["regression"] = F.smooth_l1_loss(score, jod, beta=options.regression.beta)
        if options.difference and "difference" in weights:
            losses["difference"] = tracking_loss(
                score[:, 1:], score[:, :1], jod[:, 1:], jod[:, :1], options.difference.beta
            )
        return {name: weights[name] * losses[name] for name in weights}

    def _weights(self) -> dict[str, float]:
        """Weights of the parts that have begun."""
        parts = {name: getattr(self.options, name) for name in _PARTS}
        return {name: weight for name, part in parts.items() if part and (weight := part.weight_at(self._iteration))}

    def _jod(self, image: Tensor, pristine: Tensor) -> Tensor:
        with torch.no_grad():
            return shared_metric("cvvdp", image.device)(image, pristine.contiguous())

    # --- Changed images -----------------------------------------------------------------------------------------------

    def _climbed(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """One version of each content attacked: its number `(G,)`, and `(G, 3, S, S)`."""
        ascent = self.options.ascent
        assert ascent is not None
        taken, source = _take(image)
        drawn = torch.tensor(ascent.bounds)[torch.randint(len(ascent.bounds), (len(image),))]
        start = torch.rand(source.shape).to(source) - 0.5
        bound = drawn.view(-1, 1, 1, 1).to(source) / 255 * ascent.grown(self._iteration, ascent.growth)
        return taken, as_8_bit(sign_ascent(self.network, source, bound, ascent.steps, start, _STRIDE))

    def _tiled(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """One version of each content under one tile, after a step of the tile up the mean of their scores."""
        tiles = self.options.tiles
        assert tiles is not None
        taken, source = _take(image)
        number = int(torch.randint(len(self._tiles), ()))
        tile, bound = self._tiles[number], self._bounds[number]
        middle = torch.full_like(tile, 0.5)  # a tile is bounded by its ball alone
        if not tile.any() or float(torch.rand(())) < tiles.renewed:
            tile = bound.noise(middle, int(torch.randint(2**62, ())))
        offset = (int(torch.randint(tile.shape[-1], ())), int(torch.randint(tile.shape[-1], ())))
        with torch.enable_grad():
            tile = tile.detach().requires_grad_()
            saved = tile + (bound.whole(tile) - tile).detach()  # the gradient passes the rounding
            (gradient,) = torch.autograd.grad(self.network(add_tile(source, saved, offset)).sum(), tile)
        step = tiles.step * bound.radius * bound.direction(gradient.nan_to_num(0, 0, 0))
        self._tiles[number] = bound.project(tile.detach() + step, middle)
        return taken, add_tile(source, bound.whole(self._tiles[number]), offset)

    def _stepped(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """One version of each content a step along the signs of its gradient, not rounded."""
        assert self.options.flatness is not None
        taken, source = _take(image)
        with torch.enable_grad():
            start = source.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.network(start).sum(), start)
        return taken, source + self.options.flatness.step / 255 * gradient.sign()

    # --- Validation ---------------------------------------------------------------------------------------------------

    def validate(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """Measure how well the network's scores follow JOD.

        Returns:
            `srcc` with JOD over all versions; `ordered`, see `ordering`; `below`, the share of visibly changed versions
            (JOD below `VISIBLE`) that score below their pristine crop; negative: `neg_mae`, the mean error in JOD, and
            where there are results of super-resolution `neg_rise`, the mean rise of the pristine crop's and the last
            version's score by ten steps of sign-gradient ascent within two levels of 255.
        """
        graded, rises, scores, jods, below = [], [], [], [], []
        for batch in batches:
            image, jod, is_graded = batch["image"], batch["jod"], batch["graded"]
            score = self.network(image.flatten(0, 1)).float().view_as(jod)  # (G, V)
            scores.append(score.flatten())
            jods.append(jod.flatten())
            below.append((score < score[:, :1])[jod < VISIBLE])
            if is_graded.any():
                graded.append(score[is_graded])
            if not is_graded.all():
                attacked = image[~is_graded][:, [0, -1]].flatten(0, 1)  # (2 G', 3, S, S)
                climbed = as_8_bit(sign_ascent(self.network, attacked, VALIDATION_BOUND / 255, VALIDATION_STEPS))
                rises.append(self.network(climbed).float() - score[~is_graded][:, [0, -1]].flatten())
        found, wanted = (torch.cat(values).cpu().numpy() for values in (scores, jods))
        figures = {"srcc": spearman(found, wanted)}
        if graded:
            figures["ordered"] = ordering(graded)["ordered"]
        figures |= {"below": float(torch.cat(below).float().mean()), "neg_mae": -float(np.abs(found - wanted).mean())}
        return figures | ({"neg_rise": -float(torch.cat(rises).mean())} if rises else {})

    def state(self) -> dict[str, Any]:
        """State that a resume needs: the universal tiles."""
        return {"tiles": list(self._tiles)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up the tiles that `state()` gave.

        Raises:
            ValueError: If the options have other tiles.
        """
        shapes, known = ([tuple(tile.shape) for tile in tiles] for tiles in (state["tiles"], self._tiles))
        if shapes != known:
            raise ValueError(
                f"cannot resume: train:objective:tiles is of sides {[shape[-1] for shape in known]} px, one for each "
                f"amplitude, and was of {[shape[-1] for shape in shapes]} when the run was saved"
            )
        self._tiles = list(state["tiles"])

    def publish(self, folder: Path) -> list[Path]:
        """Write `jod_own.safetensors`, the file of the metric `jod-own`."""
        return [write_network(self.network, folder / OWN)]


def _take(image: Tensor) -> tuple[Tensor, Tensor]:
    """One version of each content, every other one the pristine crop or the last version: numbers, and images.

    Args:
        image: `(G, V, 3, S, S)`.

    Returns:
        `(G,)` int64 and `(G, 3, S, S)`, both on the images' device.
    """
    groups, versions = image.shape[:2]
    ends = torch.randint(2, (groups,)) * (versions - 1)
    taken = torch.where(torch.rand(groups) < 0.5, ends, torch.randint(versions, (groups,))).to(image.device)
    return taken, image[torch.arange(groups, device=image.device), taken]
