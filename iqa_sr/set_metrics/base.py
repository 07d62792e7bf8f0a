"""Base class of metrics of sets: features of every image once, then one number with the width of its interval."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from iqa_sr.set_metrics.networks import FeatureSource

__all__ = ["FEW_IMAGES", "FeatureSet", "SetMetric", "SetMetricInfo", "SetScore"]

FEW_IMAGES = 1000
"""Images in the smaller set below which a number is reported with a warning."""
DRAWS = 50
SEED = 20210


@dataclass(frozen=True)
class SetMetricInfo:
    """The facts of one metric of sets, declared once and read by everything else.

    Attributes:
        name: The name under which users know it, for example `fid`.
        features: Where its features come from: network, weights, resizing.
        code_license: License of our code.
        weights_license: License of the weights.
        paper: Authors, title, venue, year.
        spec: One line that pins down the variant, for reports.
        higher_is_better: Direction of the number; all distances fall.
    """

    name: str
    features: FeatureSource
    code_license: str
    weights_license: str
    paper: str
    spec: str
    higher_is_better: bool = False


@dataclass(frozen=True)
class FeatureSet:
    """Features of a set of images or of their patches.

    Attributes:
        rows: Features `(M, D)` float64, finite.
        units: Number of the image that each row is of, `(M,)`, from 0 on, ascending.
        names: Names of the images.
    """

    rows: np.ndarray
    units: np.ndarray
    names: Sequence[str]

    def only(self, drawn: np.ndarray) -> np.ndarray:
        """Rows of the images of these numbers, each once."""
        return self.rows[np.isin(self.units, drawn)]


@dataclass(frozen=True)
class SetScore:
    """A metric of a set of images against a reference set.

    Attributes:
        metric: Name of the metric.
        value: The number, lower is better.
        error: Standard error by drawing images; NaN where there are fewer than four in a set.
        interval: 95 % interval of the number at this size of the sets; NaN as the error.
        halves: Mean of the number of half of the images; NaN as the error. Where it is far above the value, the
            number depends on how many images there are.
        images: Number of images, and of reference images.
        rows: Number of features of both: of whole images as many, of patches more.
        paired: Whether the same images were drawn from both, because their names are the same.
    """

    metric: str
    value: float
    error: float
    interval: tuple[float, float]
    halves: float
    images: tuple[int, int]
    rows: tuple[int, int]
    paired: bool


class SetMetric(ABC):
    """A distance between two sets of features, with a standard error.

    The standard error is that of the delete-half jackknife: half of the images of each set are drawn many times without
    replacement, and the spread of these numbers estimates that of the whole. Draws with replacement, the bootstrap,
    would hold copies, which move FID up as fewer images do. Patches of an image are drawn together. Where images and
    references have the same names, they show the same contents and are drawn together, too.

    Not a loss: the number is one of distributions, and no image has its own.

    Reference:
        Shao, Wu: A General Theory for Jackknife Variance Estimation, Annals of Statistics 17(3), 1989 (delete-d)
    """

    info: SetMetricInfo

    @abstractmethod
    def distance(self, rows: np.ndarray, reference: np.ndarray) -> float:
        """The number of `(M, D)` and `(N, D)` float64, two rows or more each."""

    def drawn_distance(self, rows: np.ndarray, reference: np.ndarray) -> float:
        """The number of a draw; the same as `distance` unless a metric has a quicker way."""
        return self.distance(rows, reference)

    def drawn_distances(
        self, images: FeatureSet, reference: FeatureSet, draws: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> list[float]:
        """The numbers of all draws.

        Args:
            images: Features of the images.
            reference: Features of the reference images.
            draws: Numbers of the images, and of the reference images, of each draw.
        """
        return [self.drawn_distance(images.only(drawn), reference.only(others)) for drawn, others in draws]

    def draws(self, rows: int) -> int:
        """Number of draws, where the larger set has so many rows."""
        return DRAWS

    def share(self, rows: int) -> float:
        """Share of the images that a draw has, at most a half, where the larger set has so many rows."""
        return 0.5

    def __call__(self, images: FeatureSet, reference: FeatureSet) -> SetScore:
        """Compare two sets.

        Args:
            images: Features of the images.
            reference: Features of the reference images, of the same network.

        Raises:
            ValueError: If a set has fewer than two rows, or their features have another number of dimensions.
        """
        for what, one in (("images", images), ("references", reference)):
            if len(one.rows) < 2:
                raise ValueError(
                    f"{self.info.name}: expected two {what} or more, got {len(one.rows)}; it compares distributions"
                )
        if images.rows.shape[1] != reference.rows.shape[1]:
            sizes = f"{images.rows.shape[1]} and {reference.rows.shape[1]}"
            raise ValueError(f"{self.info.name}: expected features of one network, got {sizes} dimensions")
        paired = list(images.names) == list(reference.names)
        value = self.distance(images.rows, reference.rows)
        error, halves = self._drawn(images, reference, paired)
        counts = len(images.names), len(reference.names)
        rows = len(images.rows), len(reference.rows)
        freedom = max(1, min(*counts, self.draws(max(rows))) - 1)
        width = float(stats.t.ppf(0.975, freedom)) * error
        return SetScore(self.info.name, value, error, (value - width, value + width), halves, counts, rows, paired)

    def _drawn(self, images: FeatureSet, reference: FeatureSet, paired: bool) -> tuple[float, float]:
        """The standard error, and the mean of the draws."""
        counts = len(images.names), len(reference.names)
        if min(counts) < 4:
            return math.nan, math.nan
        generator = np.random.default_rng(SEED)
        rows = max(len(images.rows), len(reference.rows))
        share = self.share(rows)
        sizes = [max(2, int(count * share)) for count in counts]
        draws = []
        for _ in range(self.draws(rows)):
            drawn, others = (generator.permutation(count)[:size] for count, size in zip(counts, sizes, strict=True))
            draws.append((drawn, drawn if paired else others))
        found = self.drawn_distances(images, reference, draws)
        rest = min((count - size) / size for count, size in zip(counts, sizes, strict=True))
        return float(np.std(found, ddof=1)) / math.sqrt(rest), float(np.mean(found))
