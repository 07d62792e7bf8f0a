"""Published ways to evaluate super-resolution, under names with fixed specs."""

from dataclasses import dataclass
from typing import Literal

from iqa_sr.errors import did_you_mean
from iqa_sr.stats.score_formula import PUBLISHED

__all__ = ["PROTOCOLS", "Against", "Protocol", "find_protocol"]

Against = Literal["original", "positives", "base"]
"""References of full-reference metrics: the original, each ground truth that observers preferred to it, or what the
network made of the LQ that was fine-tuned."""


@dataclass(frozen=True)
class Protocol:
    """A fixed protocol of an evaluation: metrics, border, references and formula.

    Attributes:
        name: Name of the protocol.
        metrics: Names of the metrics that it reports.
        border: Pixels cut from each side before scoring; None for as many as the scale.
        against: Reference of full-reference metrics; scores against several are averaged for each image.
        scale: Upscaling factor, the only one that it is defined for; None for any.
        formula: Formula of its score, on the means over a data set, as `stats.score_formula` reads it; None if it has
            none.
        reference: Publication that it comes from.
    """

    name: str
    metrics: tuple[str, ...]
    border: int | None
    against: Against
    scale: int | None
    formula: str | None
    reference: str


# HGGT: the scripts beside its code cut 4 px and average the scores against all positives of an image; RGB is their
# default. The classical tables: BasicSR's `test_y_channel: true` and `crop_border` equal to the scale; those of
# restoration: whole RGB images. NTIRE: the perceptual track; the organizers' script scores whole RGB images, the
# formula is of the means.
_ALL = (
    Protocol(
        name="hggt-test100",
        metrics=("psnr", "ssimc-basicsr", "lpips", "dists"),
        border=4,
        against="positives",
        scale=4,
        formula=None,
        reference="Chen et al.: Human Guided Ground-truth Generation for Realistic Image Super-resolution, CVPR 2023",
    ),
    Protocol(
        name="sr-classic",
        metrics=("psnry-basicsr", "ssimy-basicsr"),
        border=None,
        against="original",
        scale=None,
        formula=None,
        reference="what tables for Set5, Set14, BSD100, Urban100 report: Y, a border as wide as the scale cut off",
    ),
    Protocol(
        name="restoration",
        metrics=("psnr", "ssimc-basicsr"),
        border=0,
        against="original",
        scale=1,
        formula=None,
        reference="what tables of color denoising and color JPEG artifact removal report: whole RGB images",
    ),
    Protocol(
        name="ntire2025",
        metrics=("lpips", "dists", "clipiqa", "maniqa", "musiq", "niqe"),
        border=0,
        against="original",
        scale=4,
        formula=PUBLISHED["ntire2025"],
        reference="Chen et al.: NTIRE 2025 Challenge on Image Super-Resolution (x4): Methods and Results, CVPRW 2025",
    ),
)
PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}


def find_protocol(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        ValueError: If there is none; the text has the nearest names.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"`protocol`: there is no protocol {name!r}; {did_you_mean(name, PROTOCOLS)}")
    return PROTOCOLS[name]
