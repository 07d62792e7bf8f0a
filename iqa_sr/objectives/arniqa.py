"""ARNIQA's training: equally distorted patches attract, whatever they show; opinions are regressed on the features."""

import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from tqdm import tqdm

from iqa_sr.data.mos.scores import Opinion, OpinionSource, read_source
from iqa_sr.data.score_options import known
from iqa_sr.data.splits import split_by_content
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.io.tensor_files import write_tensor_file
from iqa_sr.losses.contrastive_loss import contrastive_loss
from iqa_sr.metrics.arniqa import ARNIQA_INFOS, DATA_SETS, ENCODER, five_crops, half_scale, published_names
from iqa_sr.objectives.arniqa_network import IMAGENET_WEIGHTS, ARNIQANetwork
from iqa_sr.objectives.base import Objective, ObjectiveOptions
from iqa_sr.stats.correlation import spearman
from iqa_sr.stats.ridge import Ridge, fit_ridge, fit_ridges

__all__ = ["ARNIQAObjective", "ARNIQAOptions", "RegressorOptions"]

logger = logging.getLogger(__name__)

_REGRESSOR = "train:objective:regressor"


class RegressorOptions(OpinionSource):
    """Opinion scores that a ridge regressor is fitted to at the end of training; named as `OpinionSource` says.

    Attributes:
        name: Name of the metric that the regressor is for, for example `arniqa-kadid`.
        split_seed: Seed of the split of the opinion scores, 7:1:2 by content: of regressors of the first part the
            second chooses the penalty, and the third tells the result; what is published is then fitted to all.
        alphas: Penalties to choose from; null for the authors' 100 from 0.001 to 1000, evenly in their logarithm.
    """

    name: Annotated[str, known(DATA_SETS, "regressor")]
    split_seed: int = Field(0, ge=0)
    alphas: list[float] | None = None

    @field_validator("alphas")
    @classmethod
    def _positive(cls, alphas: list[float] | None) -> list[float] | None:
        if alphas is not None and (not alphas or not all(0 < alpha < math.inf for alpha in alphas)):
            raise ValueError("expected numbers above 0")
        return alphas


class ARNIQAOptions(ObjectiveOptions):
    """Keys of `train:objective` of type `arniqa`.

    Attributes:
        temperature: Temperature of the contrast.
        half_scale: Whether patches of the images at half their size join as further pairs: as hard negatives of the
            full ones.
        regressor: Opinion scores for the regressor; null to publish the encoder alone.
    """

    temperature: float = Field(0.1, gt=0)
    half_scale: bool = True
    regressor: RegressorOptions | None = None


class ARNIQAObjective(Objective[ARNIQAOptions]):
    """Teaches ARNIQA's encoder from images without labels.

    Differs from the original:
        The degradations are those of `iqa_sr.distortions`. Under torchrun each process contrasts its own batch. The
        images at half their size are made as the metric makes them. One split chooses the regressor's penalty, where
        the authors take several.

    Reference:
        Agnolucci, Galteri, Bertini, Del Bimbo: ARNIQA, WACV 2024, https://arxiv.org/abs/2310.14918
    """

    Options = ARNIQAOptions
    network_types = ("ARNIQANetwork",)
    dataset_types = ("ChainDataset",)

    def __init__(self, network: nn.Module, options: ARNIQAOptions) -> None:
        super().__init__(network, options)
        # What is wrong with the opinions is said before training, not after.
        self._opinions = {} if options.regressor is None else _read_opinions(options.regressor)

    @classmethod
    def weight_files(cls, options: ObjectiveOptions, network: Mapping[str, Any]) -> tuple[str, ...]:
        """ResNet-50 of ImageNet, where `network_g:imagenet` starts from it."""
        return (IMAGENET_WEIGHTS,) if network.get("imagenet") else ()

    @classmethod
    def check_data(cls, options: ARNIQAOptions) -> dict[str, int]:
        """Check the data that the options themselves name.

        Returns:
            The number of samples by the place in the option file.

        Raises:
            OptionError: If the collection cannot be split.
            FileNotFoundError, ModuleNotFoundError, DataError: As `read_source`.
        """
        if options.regressor is None:
            return {}
        return {_REGRESSOR: sum(map(len, _read_opinions(options.regressor).values()))}

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Contrastive loss of two different images with the same distortions, as `contrast`.

        Args:
            batch: `image` and `half` `(B, 2, 3, S, S)`, see `ChainDataset`.
        """
        names = ("image", "half") if self.options.half_scale else ("image",)
        scales = [batch[name].transpose(0, 1).flatten(0, 1) for name in names]  # (2 B, 3, S, S) each
        first, second = zip(*(self.network(scale).chunk(2) for scale in scales), strict=True)  # (B, D) of each scale
        return {"contrast": contrastive_loss(torch.cat(first), torch.cat(second), self.options.temperature)}

    def validate(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """Accuracy with which the second patch with the same chain is found among all second patches of the set.

        Returns:
            `rank`: share of the others that are less alike, 0.5 by chance; `retrieval`: share that are found at once.
        """
        images = (batch["image"].transpose(0, 1).flatten(0, 1) for batch in batches)
        first, second = zip(*(self.network(patches).chunk(2) for patches in images), strict=True)
        likeness = torch.cat(first) @ torch.cat(second).T  # (images, images)
        below = (likeness < likeness.diagonal()[:, None]).sum(1)  # (images,)
        others = len(likeness) - 1
        return {"rank": float(below.float().mean()) / others, "retrieval": float((below == others).float().mean())}

    # --- Publishing ---------------------------------------------------------------------------------------------------

    def publish(self, folder: Path) -> list[Path]:
        """Write `ARNIQA.pth`, and the regressor of the metric that the options name."""
        state = {key: value.detach().cpu() for key, value in self.network.state_dict().items()}
        write_tensor_file(published_names(state), folder / ENCODER)
        written = [folder / ENCODER]
        if self.options.regressor is not None:
            data = DATA_SETS[self.options.regressor.name]
            ridge, figure = self._regress()
            # The metric maps the collection's own scores to 0..1 and turns those that count the damage.
            sign, low = (-1.0, 1.0) if data.inverted else (1.0, 0.0)
            size = data.high - data.low
            content = {
                "weights": (sign * size * ridge.weight)[None].float(),
                "biases": (data.low + size * (low + sign * ridge.bias)).float(),
            }
            logger.info(
                "%s is fitted to all opinions; fitted to the training part alone it has SRCC %.4f on the test part",
                data.regressor,
                figure,
            )
            written.append(folder / data.regressor)
            write_tensor_file(content, written[-1])
        return written

    def _regress(self) -> tuple[Ridge, float]:
        """The regressor of all opinions, with the penalty that is best on the second part; what that has on the third.

        Returns:
            The regressor of five crops of each image; the SRCC on the third part of the one that was fitted to the
            first alone, its predictions being averaged over an image's crops.
        """
        options = self.options.regressor
        assert options is not None
        alphas = np.logspace(-3, 3, 100).tolist() if options.alphas is None else options.alphas
        parts = {name: self._features(opinions, name) for name, opinions in self._opinions.items()}
        ridges = fit_ridges(*_rows(*parts["train"]), alphas)
        figures = {
            name: [spearman(ridge(features.double().mean(1)).numpy(), quality.numpy()) for ridge in ridges]
            for name, (features, quality) in parts.items()
            if name != "train"
        }
        best = int(np.argmax(figures["val"]))
        features, qualities = (torch.cat(columns) for columns in zip(*parts.values(), strict=True))
        return fit_ridge(*_rows(features, qualities), alphas[best]), figures["test"][best]

    def _features(self, opinions: list[Opinion], name: str) -> tuple[Tensor, Tensor]:
        """The metric's features of five crops of each image, on the CPU.

        Returns:
            Features `(N, 5, 2 * width)` float32, of length one each scale, and qualities `(N,)` float64.
        """
        network = cast(ARNIQANetwork, self.network)
        device = next(network.parameters()).device
        rows = []
        for opinion in tqdm(opinions, desc=f"features of the {name} part", disable=None):
            image = to_tensor(read_image(opinion.path))[None].to(device)
            scales = [network.features(five_crops(scale)) for scale in (image, half_scale(image))]
            rows.append(torch.cat(scales, dim=1).float().cpu())
        qualities = np.array([opinion.quality for opinion in opinions])
        return torch.stack(rows), torch.from_numpy(qualities)


def _rows(features: Tensor, qualities: Tensor) -> tuple[Tensor, Tensor]:
    """Each crop `(N, C, D)` a sample of its own with its image's quality `(N,)`: `(N C, D)` and `(N C,)` float64."""
    return features.flatten(0, 1).double(), qualities.repeat_interleave(features.shape[1])


def _read_opinions(options: RegressorOptions) -> dict[str, list[Opinion]]:
    """The three parts, their images checked for the metric that is to score them."""

    def split(opinions: list[Opinion]) -> dict[str, list[Opinion]]:
        try:
            return split_by_content(opinions, options.split_seed)
        except ValueError as error:
            raise OptionError(f"{_REGRESSOR}: {error}") from error

    return read_source(options, _REGRESSOR, ARNIQA_INFOS[options.name].min_size, split)
