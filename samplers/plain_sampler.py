"""Samplers that need no scores: the original, any ground truth, any that observers preferred."""

import torch

from iqa_sr.data.multi_gt.records import Record
from iqa_sr.samplers.base import GroundTruthSampler, Shortlist

__all__ = ["OriginalSampler", "PositivesSampler", "UniformSampler"]


class OriginalSampler(GroundTruthSampler):
    """Always the original: ordinary super-resolution training, the paper's OrigsOnly."""

    name = "original"

    def shortlist(self, record: Record, generator: torch.Generator) -> Shortlist:
        """Shortlist of the original alone, at position 0; draws nothing."""
        return Shortlist((0,))


class UniformSampler(GroundTruthSampler):
    """Every ground truth with the same probability, the original included: the paper's Rand."""

    name = "uniform"

    def shortlist(self, record: Record, generator: torch.Generator) -> Shortlist:
        """One position out of the whole pool."""
        return _one_of(tuple(range(len(record.ground_truths))), generator)


class PositivesSampler(GroundTruthSampler):
    """Every ground truth that observers preferred to the original with the same probability: HGGT, the paper's UPos.

    Reference:
        Chen, Liang, Zhang, Liu, Zeng, Zhang: Human Guided Ground-truth Generation for Realistic Image
        Super-resolution, CVPR 2023.
    """

    name = "positives"

    def usable(self, record: Record) -> bool:
        """Check whether the record has a positive."""
        return bool(record.positives)

    def shortlist(self, record: Record, generator: torch.Generator) -> Shortlist:
        """Shortlist of one positive, drawn with equal chances."""
        return _one_of(record.positives, generator)


def _one_of(positions: tuple[int, ...], generator: torch.Generator) -> Shortlist:
    return Shortlist((positions[int(torch.randint(len(positions), (), generator=generator))],))
