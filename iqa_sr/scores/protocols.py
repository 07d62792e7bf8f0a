"""Published ways to evaluate super-resolution, under names with fixed specs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from iqa_sr.errors import did_you_mean, same_name
from iqa_sr.stats.score_formula import PUBLISHED, Formula

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
        left_out: Metrics of the publication that the protocol does without, each with the reason.
        set_metrics: Metrics of sets that it reports.
        decimals: Decimals of a metric in the publication's table, where they are not the usual ones.
    """

    name: str
    metrics: tuple[str, ...]
    border: int | None
    against: Against
    scale: int | None
    formula: str | None
    reference: str
    left_out: Mapping[str, str] = field(default_factory=dict)
    set_metrics: tuple[str, ...] = ()
    decimals: Mapping[str, int] = field(default_factory=dict)

    def reduced(self, names: Sequence[str]) -> "Protocol":
        """The protocol without some of its metrics, and without its formula where that needs them.

        Args:
            names: Names of metrics, of images or of sets.

        Raises:
            ValueError: If it has no metric of a name, or none of images is left.
        """
        every = (*self.metrics, *self.set_metrics)
        unwanted = [same_name(name, every) for name in names]
        for name in unwanted:
            if name not in every:
                raise ValueError(f"`without`: `protocol` {self.name} has no metric {name!r}; it has {', '.join(every)}")
        metrics, set_metrics = (
            tuple(name for name in own if name not in unwanted) for own in (self.metrics, self.set_metrics)
        )
        if not metrics:
            raise ValueError(f"`without`: it leaves no metric of `protocol` {self.name}; name metrics alone")
        formula = self.formula if self.formula and {*Formula(self.formula).names} <= {*metrics} else None
        left_out = {**self.left_out, **dict.fromkeys(unwanted, "as asked for")}
        return replace(self, metrics=metrics, set_metrics=set_metrics, formula=formula, left_out=left_out)


# HGGT: the scripts beside its code cut 4 px and average the scores against all positives of an image; RGB is their
# default. The classical tables: BasicSR's `test_y_channel: true` and `crop_border` equal to the scale; those of
# restoration: whole RGB images. NTIRE: the perceptual track; the organizers' script scores whole RGB images, the
# formula is of the means. Their restoration track cuts 4 px of each side for PSNR on Y: `sr-classic` at x4.
# The line of OSEDiff: whole images, PSNR and SSIM on Y, MANIQA trained on PIPAL, as its evaluation says. PSNR, SSIM,
# LPIPS, DISTS and NIQE were compared with the scores that its authors publish beside their results on DRealSR. Its FID
# is IQA-PyTorch's of whole images, which is clean-fid's by its release notes.
# The paper of 2025 names neither border nor variants: those of its test set's own scripts, and for the networks the
# ones that its figures fit.
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
    Protocol(
        name="ntire2026",
        metrics=("lpips", "dists", "clipiqa", "maniqa", "musiq", "niqe"),
        border=0,
        against="original",
        scale=4,
        formula=PUBLISHED["ntire2026"],
        reference="Chen et al.: The Fourth Challenge on Image Super-Resolution (x4) at NTIRE 2026, CVPRW 2026",
    ),
    Protocol(
        name="realsr-dm",
        metrics=("psnry-basicsr", "ssimy", "lpips", "dists", "niqe", "musiq", "maniqa-pipal", "clipiqa"),
        border=0,
        against="original",
        scale=4,
        formula=None,
        reference="Wu et al.: One-Step Effective Diffusion Network for Real-World Image Super-Resolution, NeurIPS 2024",
        set_metrics=("fid-clean",),
    ),
    Protocol(
        name="paper",
        metrics=("psnr", "ssimc-basicsr", "lpips", "stlpips", "dists", "musiq", "nima", "qalign", "topiq_nr"),
        border=4,
        against="positives",
        scale=4,
        formula=None,
        reference="Zhang et al.: Augmenting Perceptual Super-Resolution via Image Quality Predictors, CVPR 2025",
        decimals={"ssimc-basicsr": 3, "lpips": 3, "stlpips": 3, "dists": 3, "topiq_nr": 2},
    ),
)
PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}


def find_protocol(name: str, without: Sequence[str] = ()) -> Protocol:
    """The protocol of a name, without some of its metrics.

    Raises:
        ValueError: If there is none; the text has the nearest names. As `Protocol.reduced`.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"`protocol`: there is no protocol {name!r}; {did_you_mean(name, PROTOCOLS)}")
    return PROTOCOLS[name].reduced(without) if without else PROTOCOLS[name]
