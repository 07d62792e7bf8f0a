"""Outcomes of attacks as numbers to compare metrics by, and what they say of masked gradients."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from iqa_sr.attacks.measurement import AttackedImages, Outcome, scores_of
from iqa_sr.attacks.robustness import robustness_scores, scaled
from iqa_sr.metrics.base import QualityMetric

__all__ = ["AttackSummary", "Line", "Scale", "Transfer", "masking_signs", "summarize"]


class Scale(NamedTuple):
    """A metric's own scores of images that were not attacked, oriented: larger is better.

    Attributes:
        starts: `(N,)`, of the images that are attacked.
        originals: `(N,)`, of their ground truths.
    """

    starts: Tensor
    originals: Tensor

    @classmethod
    def of(cls, metric: QualityMetric, images: AttackedImages) -> "Scale":
        """Scores of a metric for the images before an attack and for their ground truths."""
        starts, originals = (scores_of(metric, one, images.originals) for one in (images.starts, images.originals))
        return cls(starts, originals)

    @property
    def gap(self) -> float:
        """Mean score of the originals minus that of the starts; negative where the metric prefers the starts."""
        return float((self.originals - self.starts).mean())

    def robustness(self, outcome: Outcome) -> float:
        """The R-score of an attack: 0 and 1 are the lowest and the highest score of all images before attacks."""
        known = torch.cat([self.starts, self.originals])
        return float(robustness_scores(scaled(outcome.before, known), scaled(outcome.after, known)).mean())


class Line(NamedTuple):
    """One attack in means over the images; `gain` and `unseen` in the metric's own unit."""

    attack: str
    bound: str
    gain: float
    jod: float
    rms: float
    unseen: float
    robustness: float


class Transfer(NamedTuple):
    """The mean gain of a metric by APGD on another one, within the same bound."""

    made_on: str
    bound: str
    gain: float


class AttackSummary(NamedTuple):
    """Results of all attacks on one metric.

    Attributes:
        metric: Name of the metric.
        gap: Mean score of the originals minus that of the starts, see `Scale.gap`.
        lines: Results of the attacks, one for each attack and bound.
        unseen: Mean over the images of the largest gain at a change that nobody sees, by whichever attack.
        robustness: Mean of the R-scores of all attacks.
        masking: Signs of masked gradients, see `masking_signs`.
    """

    metric: str
    gap: float
    lines: tuple[Line, ...]
    unseen: float
    robustness: float
    masking: tuple[str, ...]

    def of_gap(self, gain: float) -> str:
        """A gain in percent of the gap; `-` where the metric does not put the originals above the attacked images."""
        return f"{round(100 * gain / self.gap)} %" if self.gap > 0 else "-"

    @property
    def signs(self) -> str:
        """Number of signs of masked gradients; `-` without APGD, which they are looked for by."""
        if not any(line.attack == "apgd" for line in self.lines):
            return "-"
        return str(len(self.masking)) if self.masking else "none"


def summarize(outcomes: Sequence[Outcome], scale: Scale, transfers: Sequence[Transfer] = ()) -> AttackSummary:
    """The outcomes of one metric, at least one.

    Args:
        outcomes: Outcomes of attacks, all on the same metric.
        scale: Scores that the metric gives the images before the attacks.
        transfers: Gains of the metric by attacks that were made on other metrics.
    """
    lines = tuple(
        Line(
            outcome.attack,
            outcome.bound,
            float(outcome.gain.mean()),
            float(outcome.jod.mean()),
            float(outcome.rms.mean()),
            float(outcome.unseen.mean()),
            scale.robustness(outcome),
        )
        for outcome in outcomes
    )
    best = torch.stack([outcome.unseen for outcome in outcomes]).amax(0)
    mean = sum(line.robustness for line in lines) / len(lines)
    return AttackSummary(
        outcomes[0].metric, scale.gap, lines, float(best.mean()), mean, masking_signs(lines, transfers)
    )


def masking_signs(lines: Sequence[Line], transfers: Sequence[Transfer] = ()) -> tuple[str, ...]:
    """Signs that a metric's gradients hide its weaknesses, so that it seems more robust than it is.

    Where gradients lead, APGD gains at least what fewer steps, random search and other metrics' attacks do within the
    same bound, and a wider bound allows no less; a twentieth less counts as equal.

    Args:
        lines: Results of the attacks on one metric.
        transfers: Gains of the metric by attacks that were made on other metrics.

    Returns:
        A text for each sign; none where there is none, or nothing to compare.

    Reference:
        Athalye, Carlini, Wagner: Obfuscated Gradients Give a False Sense of Security, ICML 2018,
        https://arxiv.org/abs/1802.00420; Carlini et al.: On Evaluating Adversarial Robustness, 2019,
        https://arxiv.org/abs/1902.06705 (Section 5).
    """
    white = {line.bound: line.gain for line in lines if line.attack == "apgd"}
    others = [(line.attack, line.bound, line.gain) for line in lines if line.attack in ("fgsm", "apgd-short", "square")]
    others += [(f"transfer from {one.made_on}", one.bound, one.gain) for one in transfers]
    signs = [
        f"{name} gains {gain:.4g}, apgd {white[bound]:.4g} (bound {bound})"
        for name, bound, gain in others
        if bound in white and gain > 0 and white[bound] < 0.95 * gain
    ]
    order = sorted(white, key=float)
    signs += [
        f"apgd gains {white[wide]:.4g} within {wide} levels, {white[narrow]:.4g} within {narrow}"
        for narrow, wide in pairwise(order)
        if white[wide] < 0.95 * white[narrow]
    ]
    return tuple(signs)
