"""Columns of a paper's table: what a metric is called there, and with how many digits it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Column", "metric_columns"]

# Published names, where they are not those of the metrics here. Variants share a name; two of one name in a table keep
# their own ones.
_TITLES = {
    "psnr": "PSNR",
    "psnry": "PSNR",
    "psnry-basicsr": "PSNR",
    "ssim": "SSIM",
    "ssimy": "SSIM",
    "ssimc": "SSIM",
    "ssimy-basicsr": "SSIM",
    "ssimc-basicsr": "SSIM",
    "ms_ssim": "MS-SSIM",
    "lpips": "LPIPS",
    "lpips-vgg": "LPIPS",
    "stlpips": "LPIPS-ST",
    "stlpips-vgg": "LPIPS-ST",
    "dists": "DISTS",
    "cvvdp": "ColorVideoVDP",
    "niqe": "NIQE",
    "niqe-basicsr": "NIQE",
    "musiq": "MUSIQ",
    "musiq-spaq": "MUSIQ",
    "maniqa": "MANIQA",
    "maniqa-pipal": "MANIQA",
    "clipiqa": "CLIP-IQA",
    "clipiqa+": "CLIP-IQA+",
    "nima": "NIMA",
    "topiq_nr": "TOPIQ",
    "topiq_fr": "TOPIQ-FR",
    "liqe": "LIQE",
    "arniqa": "ARNIQA",
    "paq2piq": "PaQ-2-PiQ",
    "cnniqa": "CNNIQA",
    "hyperiqa": "HyperIQA",
    "afine": "A-FINE",
    "qalign": "Q-Align",
    "pyiqa:qalign": "Q-Align",
    "deqa": "DeQA-Score",
    "fid": "FID",
    "fid-clean": "FID",
    "kid": "KID",
    "kid-clean": "KID",
    "cmmd": "CMMD",
}
# Beginnings of the names of metrics whose scores reach beyond 1 and are given with two decimals; all others have four.
_TWO_DECIMALS = (
    "psnr",
    "lr-",
    "musiq",
    "paq2piq",
    "nima",
    "cnniqa",
    "hyperiqa",
    "cvvdp",
    "jod",
    "mad",
    "qalign",
    "deqa",
    "pyiqa:qalign",
    "fid",
)
_MISSING = "-"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        metric: Name of the metric, or of a protocol whose score is computed from the means.
        title: Name at the head of the column.
        higher_is_better: Whether higher is better.
        decimals: Number of digits behind the point.
    """

    metric: str
    title: str
    higher_is_better: bool
    decimals: int

    @property
    def arrow(self) -> str:
        """Sign of the better direction."""
        return "↑" if self.higher_is_better else "↓"

    def text(self, mean: float | None) -> str:
        """A mean with the column's digits; a dash where there is none."""
        return _MISSING if mean is None or mean != mean else f"{mean:.{self.decimals}f}"

    def ranks(self, means: Sequence[float | None]) -> list[int]:
        """Rank of each mean as its text shows it: 1 the best, 2 the second best, 0 any other.

        What looks equal in the table is equal. A single mean, or several that all look equal, have no rank.
        """
        shown = [self.text(mean) for mean in means]
        values = sorted({float(text) for text in shown if text != _MISSING}, reverse=self.higher_is_better)
        if len(values) < 2:
            return [0] * len(shown)
        places = {value: place for place, value in enumerate(values[:2], start=1)}
        return [0 if text == _MISSING else places.get(float(text), 0) for text in shown]


def metric_columns(metrics: Mapping[str, bool], decimals: Mapping[str, int]) -> list[Column]:
    """The columns of metrics.

    Args:
        metrics: Whether higher is better, by the name of each metric.
        decimals: Numbers of decimals that a publication gives, by the metric, where they are not the usual ones.
    """
    titles = [_TITLES.get(name, name) for name in metrics]
    return [
        Column(
            metric=name,
            title=name if titles.count(title) > 1 else title,
            higher_is_better=higher,
            decimals=decimals.get(name, 2 if name.startswith(_TWO_DECIMALS) else 4),
        )
        for (name, higher), title in zip(metrics.items(), titles, strict=True)
    ]
